"""What the steps of expressions read: tokens, installed embeddings and the rows of tables.

All texts of all expressions go to the host in one call, and all rows of an encoder come in one call: a host's
tokenizer and table are slow to ask and quick to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Union

import torch
from torch import Tensor

from ..errors import (
    EmbeddingMergeError,
    FileError,
    ShapeMismatch,
    Span,
    UnknownEmbedding,
    UnsupportedHost,
    WrongArgument,
    closest_names,
)
from ..families import CLIP, GROUPS, Family, by_group, family_of, group_of, is_for
from ..host_protocol import EXTENSIONS, InstalledEmbedding, TextEncoder, TextModel, TextPieces
from ..language.nodes import Apply, Text
from ..language.write import quote, write_checkpoint
from .plan import QUOTED, Plan, Step

__all__ = ["Leaf", "Readings", "Run", "Values", "describe_sizes", "fits"]

Run = Union[Sequence[int], InstalledEmbedding]
"""A run of token ids, or an installed embedding."""
Values = tuple[Tensor, ...]
"""Vectors by the place of their encoder in the model."""


@dataclass(eq=False)
class Leaf:
    """What one reading step reads: per encoder its runs, their count, and, once gathered, its vectors.

    `lengths` are by tokenizer group, each the longest of its encoders' counts; an encoder with fewer vectors is padded
    with zero vectors.
    """

    runs: tuple[Sequence[Run], ...]
    checkpoint: str | None
    counts: tuple[int, ...]
    lengths: tuple[int, ...]
    values: Values = field(default=(), repr=False)

    @cached_property
    def embeddings(self) -> list[InstalledEmbedding]:
        """The installed embeddings that it reads, in order, of whichever encoder reads the most."""
        most: list[InstalledEmbedding] = []
        for runs in self.runs:
            own = []
            for run in runs:
                if isinstance(run, InstalledEmbedding):
                    own.append(run)
            most = max(most, own, key=len)
        return most


class Readings:
    """All that some plans read of a model, each thing read once: the plans are added first, then they are asked for.

    The name `stays_text` is no embedding's, because its file is being written: quoted texts that hold it are read as if
    that embedding were not there, and `emb` of it is a mistake.
    """

    def __init__(self, model: TextModel, *, stays_text: str = "") -> None:
        """Take the model; nothing is read yet.

        Raises: UnsupportedHost for a model without any text encoder that takes embeddings.
        """
        if not model.encoders:
            raise UnsupportedHost(f"{model.title} has no text encoder that takes embeddings.")
        self.model = model
        self.encoders = tuple(model.encoders)
        self.names = tuple([encoder.name for encoder in self.encoders])
        groups = list(map(group_of, self.names))
        self.groups = tuple(dict.fromkeys(groups))
        """The model's tokenizer groups, in the order of its encoders."""
        self.group_places = tuple(map(self.groups.index, groups))
        """The place of each encoder's group among them."""
        self.behind_blank: Callable[[str], str] = str if self.groups == (CLIP,) else _with_blank
        """Gives a text as it is given to tokenizers where a blank stands before it: to CLIP's that means nothing."""
        self.stays_text = stays_text.casefold()
        self._quoted: dict[str, Mapping[str, TextPieces] | None] = {}
        self._literal: dict[str, tuple[list[int], ...] | None] = {}
        self._leaves: dict[tuple[object, ...], Leaf] = {}
        self._checkpoints: dict[str, tuple[TextEncoder, ...]] = {}

    def add(self, steps: Plan) -> None:
        """Take a plan's texts, to be tokenized together with all others'."""
        for step in steps:
            if step.name == QUOTED:
                self._quoted.setdefault(self._as_typed(step))
            elif step.name == "text":
                self._literal.setdefault(self._as_typed(step))

    def leaf(self, step: Step) -> Leaf:
        """Return what a reading step reads; the same leaf for equal steps.

        Raises: ExpressionError with the step's span.
        """
        key = (step.name, step.checkpoint and step.checkpoint.checkpoint, step.encoder, step.begins, *step.values)
        leaf = self._leaves.get(key)
        if leaf is None:
            leaf = self._leaves[key] = self._read(step)
        return leaf

    def tables(self, step: Step) -> tuple[TextEncoder, ...]:
        """Return the encoders whose tables a step reads, in the order of the model's own.

        Raises: FileError for a checkpoint that there is not, ShapeMismatch for one that lacks an encoder of this
        model; the span is the name's behind the `@`.
        """
        if step.checkpoint is None:
            return self.encoders
        name = step.checkpoint.checkpoint
        if name not in self._checkpoints:
            try:
                self._checkpoints[name] = self._matching(self.model.checkpoint(name))
            except EmbeddingMergeError as error:
                if error.span is None:
                    error.span = step.checkpoint.name_span
                    error.alternatives = tuple(map(write_checkpoint, error.alternatives))
                raise
        return self._checkpoints[name]

    def gather(self) -> None:
        """Read the vectors of every leaf that was asked for and has none yet, one call per table."""
        groups: dict[str | None, list[Leaf]] = {}
        for leaf in self._leaves.values():
            if not leaf.values:
                groups.setdefault(leaf.checkpoint, []).append(leaf)
        for checkpoint, leaves in groups.items():
            encoders = self.encoders if checkpoint is None else self._checkpoints[checkpoint]
            columns = [
                _gather(leaves, place, group, encoder)
                for place, (group, encoder) in enumerate(zip(self.group_places, encoders, strict=True))
            ]
            for leaf, values in zip(leaves, zip(*columns, strict=True), strict=True):
                leaf.values = values

    def tokenize(self, texts: Sequence[str]) -> list[tuple[list[int], ...]]:
        """Return the tokens of literal texts: for each its ids by the place of the encoder."""
        columns = [encoder.tokenize(texts) for encoder in self.encoders]
        return [tuple(map(list, ids)) for ids in zip(*columns, strict=True)]

    def _as_typed(self, step: Step) -> str:
        text = str(step.values[0])
        return text if step.begins else self.behind_blank(text)

    def _pieces_of(self, text: str) -> Mapping[str, TextPieces]:
        found = self._quoted[text]
        if found is None:
            new = [one for one, pieces in self._quoted.items() if pieces is None]
            self._quoted.update(zip(new, self.model.pieces(new), strict=True))
            if self.stays_text:
                self._forget_name(new)
            found = self._quoted[text]
            assert found is not None
        return found

    def _literal_of(self, text: str) -> tuple[list[int], ...]:
        found = self._literal[text]
        if found is None:
            new = [one for one, ids in self._literal.items() if ids is None]
            self._literal.update(zip(new, self.tokenize(new), strict=True))
            found = self._literal[text]
            assert found is not None
        return found

    def _forget_name(self, texts: Sequence[str]) -> None:
        """Put the name's own tokens in the places of the embedding that stays text."""
        for text in texts:
            pieces = self._quoted[text] or {}
            named = [run for runs in pieces.values() for run in runs if isinstance(run, InstalledEmbedding)]
            own = [run for run in named if run.name.casefold() == self.stays_text]
            if not own:
                continue
            # A text without another embedding is literal from end to end, whatever tokens the name has alone.
            literal = self.tokenize([text if len(own) == len(named) else own[0].name])[0]
            self._quoted[text] = {
                name: [ids] if len(own) == len(named) else _joined(pieces[name], self.stays_text, ids)
                for name, ids in zip(self.names, literal, strict=True)
            }

    def _matching(self, other: TextModel) -> tuple[TextEncoder, ...]:
        by_name = {encoder.name: encoder for encoder in other.encoders}
        for own in self.encoders:
            found = by_name.get(own.name)
            if found is None:
                raise ShapeMismatch(f"{other.title} has no text encoder {own.name}, which this model has.")
            if found.width != own.width:
                raise ShapeMismatch(
                    f"The vectors of {own.name} have {found.width} columns in {other.title}, {own.width} in this model."
                )
        return tuple(by_name[name] for name in self.names)

    def _read(self, step: Step) -> Leaf:
        encoders = self.tables(step)
        runs = self._runs(step, encoders)
        self._check_runs(step, runs, encoders)
        counts = _count(runs, self.names)
        checkpoint = None if step.checkpoint is None else step.checkpoint.checkpoint
        return Leaf(runs, checkpoint, counts, self._lengths(counts, step))

    def _runs(self, step: Step, encoders: Sequence[TextEncoder]) -> tuple[Sequence[Run], ...]:
        if step.name == QUOTED:
            pieces = self._pieces_of(self._as_typed(step))
            return tuple(map(pieces.__getitem__, self.names))
        if step.name == "text":
            return tuple([[ids] for ids in self._literal_of(self._as_typed(step))])
        if step.name == "emb":
            return self._runs_of_installed(self._installed(step), step)
        group = group_of(step.encoder) if step.encoder else ""
        if step.name == "token" and not group and len(self.groups) > 1:
            raise self._unclear_token(step)
        return tuple([[[_token(step, e)]] if group_of(e.name) == (group or group_of(e.name)) else [] for e in encoders])

    def _runs_of_installed(self, embedding: InstalledEmbedding, step: Step) -> tuple[Sequence[Run], ...]:
        """Return an embedding where it has vectors, and its name where it has none: so it reads in a prompt, too."""
        if all(name in embedding.vectors for name in self.names):
            return ([embedding],) * len(self.names)
        name = self._as_typed(step)
        self._literal.setdefault(name)
        literal = self._literal_of(name)
        return tuple([[embedding] if n in embedding.vectors else [literal[i]] for i, n in enumerate(self.names)])

    def _lengths(self, counts: tuple[int, ...], step: Step) -> tuple[int, ...]:
        least = 1 if step.name in _ONE_TOKEN else 0
        if len(self.groups) == 1:
            return (max(least, *counts),)
        lengths = [least] * len(self.groups)
        for place, count in zip(self.group_places, counts, strict=True):
            lengths[place] = max(lengths[place], count)
        return tuple(lengths)

    def _unclear_token(self, step: Step) -> WrongArgument:
        groups = " and ".join(GROUPS.get(group, group) for group in self.groups)
        return WrongArgument(
            f"A token's id is of one tokenizer; this model has those of {groups}.",
            span=step.span,
            suggestion=f"Write {self.names[-1]}(token({step.values[0]})).",
            alternatives=[f"{name}(token({step.values[0]}))" for name in self.names],
        )

    def _check_runs(
        self, step: Step, runs: tuple[Sequence[Run], ...], encoders: Sequence[TextEncoder]
    ) -> None:
        for encoder, own in zip(encoders, runs, strict=True):
            for run in own:
                if isinstance(run, InstalledEmbedding):
                    if not fits(run, self.model):
                        raise _misfit(run, self.model, step.span)
                elif run and max(run) >= encoder.size:
                    raise WrongArgument(
                        f"There is no token {max(run)}: the ids of {encoder.name} are 0 to {encoder.size - 1}.",
                        span=step.span,
                    )

    def _installed(self, step: Step) -> InstalledEmbedding:
        name = self._stem(str(step.values[0]))
        if not name.strip():
            raise UnknownEmbedding(
                "The name is empty.",
                span=_name_span(step),
                suggestion="Write that of a file, for example emb('my_style').",
            )
        if name.casefold() == self.stays_text:
            raise UnknownEmbedding(
                f"emb('{name}') is the file that is being written.", span=step.span, suggestion="Save another name."
            )
        fitting = self._fitting(name)
        if len(fitting) == 1:
            return fitting[0]
        if len(fitting) > 1:
            raise UnknownEmbedding(
                f"There are {len(fitting)} embeddings named {name}.",
                span=_name_span(step),
                suggestion="Rename one of the files.",
            )
        found = self.model.embeddings_named(name)
        if found:
            raise _misfit(found[0], self.model, _name_span(step))
        close = closest_names(name, self.model.embedding_names())
        raise UnknownEmbedding(
            f"There is no embedding named {name}.",
            span=_name_span(step),
            alternatives=[quote(other) for other in close if len(self._fitting(other)) == 1],
        )

    def _stem(self, name: str) -> str:
        """Return the name under which a file is found: its own, or what is left of a file name that nothing has."""
        stem = next((name[: -len(end)] for end in EXTENSIONS if name.lower().endswith(end)), name)
        return name if stem == name or self.model.embeddings_named(name) else stem

    def _fitting(self, name: str) -> list[InstalledEmbedding]:
        return [embedding for embedding in self.model.embeddings_named(name) if fits(embedding, self.model)]


_SPECIAL: Mapping[str, tuple[str, str]] = {
    "pad": ("padding_id", "padding"),
    "end": ("end_id", "end"),
    "start": ("start_id", "start"),
}
"""By the function of a special token what an encoder calls its id, and its name for people."""
_ONE_TOKEN = frozenset({"token", *_SPECIAL})
"""Functions that read one token."""


def _with_blank(text: str) -> str:
    return text if text[:1].isspace() else f" {text}"


def _token(step: Step, encoder: TextEncoder) -> int:
    """Return the id that `token(id)`, `pad()`, `end()` or `start()` reads of an encoder."""
    if step.name == "token":
        return int(step.values[0] or 0)
    attribute, said = _SPECIAL[step.name]
    token = getattr(encoder, attribute)
    if token is None:
        raise WrongArgument(f"{encoder.name} has no {said} token.", span=step.span)
    return int(token)


def _name_span(step: Step) -> Span:
    """Return the place of the name in `emb('name')`."""
    names = [a for a in step.node.arguments if isinstance(a, Text)] if isinstance(step.node, Apply) else []
    return names[0].span if names else step.span


def fits(embedding: InstalledEmbedding, model: TextModel) -> bool:
    """Return whether an embedding has vectors for this model, by width, equally many for the encoders of a group."""
    wanted = {encoder.name: (encoder.width,) for encoder in model.encoders}
    if not is_for({name: tuple(rows.shape[1:]) for name, rows in embedding.vectors.items()}, wanted):
        return False
    lengths = by_group({name: int(rows.shape[0]) for name, rows in embedding.vectors.items() if name in wanted})
    return all(len(set(of_group.values())) == 1 for of_group in lengths.values())


def describe_sizes(sizes: Mapping[str, int], family: Family | None = None) -> str:
    """Name the widths of encoders: `SDXL (clip_l 768, clip_g 1280)`."""
    shown = ", ".join(f"{name} {width}" for name, width in sizes.items())
    family = family or family_of(sizes)
    return f"{family.title} ({shown})" if family else f"({shown})"


def _misfit(embedding: InstalledEmbedding, model: TextModel, span: Span) -> EmbeddingMergeError:
    if embedding.problem:
        return FileError(embedding.problem, span=span)
    sizes = {name: int(rows.shape[-1]) if rows.dim() else 0 for name, rows in embedding.vectors.items()}
    own = {encoder.name: encoder.width for encoder in model.encoders}
    if sizes == own:
        lengths = ", ".join(f"{name} {rows.shape[0]}" for name, rows in embedding.vectors.items())
        return ShapeMismatch(
            f"The embedding {embedding.name} has unequal numbers of vectors: {lengths}.",
            span=span,
            suggestion="Convert makes a file with equal numbers.",
        )
    return UnknownEmbedding(
        f"The embedding {embedding.name} is made for {describe_sizes(sizes)}; "
        f"this model is {describe_sizes(own, model.family)}.",
        span=span,
    )


def _count(runs: Sequence[Sequence[Run]], encoders: Sequence[str]) -> tuple[int, ...]:
    """Return how many vectors the runs of each encoder have."""
    counts = [0] * len(encoders)
    for place, (own, encoder) in enumerate(zip(runs, encoders, strict=True)):
        for run in own:
            counts[place] += len(run.vectors[encoder] if isinstance(run, InstalledEmbedding) else run)
    return tuple(counts)


def _joined(runs: Sequence[Run], name: str, ids: Sequence[int]) -> TextPieces:
    """Put ids in the places of the embedding of that name, and join them with the ids beside them."""
    joined: TextPieces = []
    for run in runs:
        if isinstance(run, InstalledEmbedding) and run.name.casefold() != name:
            joined.append(run)
            continue
        new = ids if isinstance(run, InstalledEmbedding) else run
        if joined and not isinstance(joined[-1], InstalledEmbedding):
            joined[-1] = [*joined[-1], *new]
        else:
            joined.append(list(new))
    return joined


def _gather(leaves: Sequence[Leaf], place: int, group: int, encoder: TextEncoder) -> list[Tensor]:
    """Return each leaf's vectors of one encoder, all its rows read in one call; `group` is the place of its group."""
    own = [run for leaf in leaves for run in leaf.runs[place] if not isinstance(run, InstalledEmbedding)]
    ids = list(chain.from_iterable(own))
    table = encoder.rows(ids) if ids else torch.zeros((0, encoder.width))
    rows = iter(torch.split(table, [len(run) for run in own]) if own else ())
    return [_assemble(leaf, place, leaf.lengths[group], encoder, rows) for leaf in leaves]


def _assemble(leaf: Leaf, place: int, length: int, encoder: TextEncoder, rows: Iterator[Tensor]) -> Tensor:
    runs = leaf.runs[place]
    if len(runs) == 1 and leaf.counts[place] == length and not isinstance(runs[0], InstalledEmbedding):
        return next(rows)
    pieces = [_vectors(run, encoder) if isinstance(run, InstalledEmbedding) else next(rows) for run in runs]
    return torch.cat([*pieces, torch.zeros((length - leaf.counts[place], encoder.width))])


def _vectors(embedding: InstalledEmbedding, encoder: TextEncoder) -> Tensor:
    return embedding.vectors[encoder.name].detach().to("cpu", torch.float32)
