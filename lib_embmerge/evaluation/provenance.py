"""What an expression's value is made of, so that a file of it can be made again and verified.

A resolved expression says of every quoted text what it was: words, in the text's own letters, and embeddings. Where no
part of the text has just the tokens that were read, the tokens themselves stand there: the letters that a name was
found under, or the place where it was found, need not be those of a word.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from itertools import chain, islice, zip_longest

import torch
from torch import Tensor

from ..errors import EmbeddingMergeError
from ..host_protocol import InstalledEmbedding
from ..language.nodes import Apply, Argument, At, Expression, Number, Text
from ..language.write import write
from ..limits import Limits
from .measure import measure
from .plan import CHECKPOINT, QUOTED, Plan, Step, plan
from .reading import Leaf, Readings, Run

__all__ = ["Provenance", "resolve"]


@dataclass(frozen=True)
class Provenance:
    """An expression with every name resolved, and what it read.

    `tokens` are the ids per encoder in the order of the text; `rows` is the fingerprint of the table rows that were
    read by id; `embeddings` gives the digest of each embedding by name.
    """

    expression: Expression
    tokens: Mapping[str, list[int]]
    rows: str
    embeddings: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """The expression, written canonically."""
        return write(self.expression)


def resolve(steps: Plan, readings: Readings) -> Provenance:
    """Resolve an expression whose readings are gathered: each quoted text becomes what it means today.

    Evaluating the resolved expression gives the same value, whatever embeddings are installed later.
    """
    leaves = [(step, readings.leaf(step)) for step in steps if step.reads]
    read = [leaf for _, leaf in leaves]
    return Provenance(
        expression=_rebuild(steps, readings),
        tokens={name: _ids(read, place) for place, name in enumerate(readings.names)},
        rows=_fingerprint(leaves, readings),
        embeddings={embedding.name: embedding.digest for leaf in read for embedding in leaf.embeddings},
    )


def _rebuild(steps: Plan, readings: Readings) -> Expression:
    """Put the tree together again, with quoted texts resolved."""
    stack: list[Expression] = []
    for step in steps:
        node = step.node
        if step.name == QUOTED:
            stack.append(_resolve_text(step, readings))
        elif step.name == CHECKPOINT and isinstance(node, At):
            stack.append(replace(node, operand=stack.pop()))
        elif isinstance(node, Apply):
            first = len(stack) - step.operands
            operands = tuple(stack[first:])
            del stack[first:]
            arguments: tuple[Argument, ...] = (*operands, *node.arguments[step.operands :])
            stack.append(Apply(node.name, arguments, node.span))
    return stack[0]


# --- A quoted text -------------------------------------------------------------------------------------------------

Piece = tuple[Run, ...]
"""What the encoders read at one place of a text: a run of ids each, or one embedding all."""

LOOKED_AT = 8
"""Places of a name in a text that are tried: one that is written out many times is found at its first."""


def _resolve_text(step: Step, readings: Readings) -> Expression:
    text, leaf = str(step.values[0]), readings.leaf(step)
    if not leaf.embeddings:
        return _literal(text)
    if len(readings.groups) > 1:
        return _among_groups(text, leaf, readings)
    pieces = _together(leaf)
    if pieces is not None:
        return _joined(_written(text, pieces, readings, range(len(readings.names))))
    return _each_alone(text, leaf, readings)


def _among_groups(text: str, leaf: Leaf, readings: Readings) -> Expression:
    """Resolve a text that several tokenizers read: as one reads it that finds the embeddings, if all read that alike.

    Otherwise it stays as it is: what one tokenizer reads at a place need not be there for another.
    """
    columns = [_column(runs) for runs in leaf.runs]
    longest = max(map(len, columns))
    places = [place for place, column in enumerate(columns) if len(column) == longest]
    words = _written(text, list(zip(*(columns[place] for place in places), strict=True)), readings, places)
    resolved = _joined(words)
    return resolved if _reads_alike(resolved, leaf, readings) else Text(text)


def _reads_alike(resolved: Expression, leaf: Leaf, readings: Readings) -> bool:
    steps = plan(resolved)
    readings.add(steps)
    try:
        lengths = measure(steps, readings, Limits().of_recipes()).lengths
    except EmbeddingMergeError:  # a token by its id belongs to one tokenizer
        return False
    leaves = [readings.leaf(step) for step in steps if step.reads]
    columns = [list(chain.from_iterable(one.runs[place] for one in leaves)) for place in range(len(readings.names))]
    return lengths == leaf.lengths and [*map(_column, columns)] == [*map(_column, leaf.runs)]


def _together(leaf: Leaf) -> list[Piece] | None:
    """Return a text's pieces where all encoders read the same embeddings at the same places; None where they do not.

    An encoder with fewer vectors is padded behind the text, so up to the last piece the numbers have to be the same.
    """
    columns = [_column(runs) for runs in leaf.runs]
    if len({len(column) for column in columns}) > 1:
        return None
    pieces = list(zip(*columns, strict=True))
    measured = [{run.name if isinstance(run, InstalledEmbedding) else len(run) for run in piece} for piece in pieces]
    return pieces if all(len(sizes) == 1 for sizes in measured[:-1]) else None


def _column(runs: Sequence[Run]) -> list[Run]:
    """Return one encoder's runs with exactly one run of ids, maybe empty, before, between and behind the embeddings."""
    column: list[Run] = [[]]
    for run in runs:
        if isinstance(run, InstalledEmbedding):
            column += [run, []]
        else:
            last = column[-1]
            assert not isinstance(last, InstalledEmbedding)
            column[-1] = [*last, *run]
    return column


def _each_alone(text: str, leaf: Leaf, readings: Readings) -> Expression:
    """Resolve a text that the encoders read differently: each one's vectors by themselves, then the sum of all."""
    alone: list[Expression] = []
    for place, encoder in enumerate(readings.names):
        words = _written(text, [(run,) for run in _column(leaf.runs[place])], readings, (place,))
        if words:
            alone.append(Apply(encoder, (_joined(words),)))
    return reduce(lambda a, b: Apply("add", (a, b)), alone)


def _written(text: str, pieces: Sequence[Piece], readings: Readings, places: Sequence[int]) -> list[Expression]:
    """Write pieces of a text out in order: slices of it, and the embeddings between them.

    A piece has a run for each of the encoders at `places`; what the others read of these words does not count.
    """
    words: list[Expression] = []
    rest = text
    for piece, following in zip_longest(pieces, pieces[1:]):
        if isinstance(piece[0], InstalledEmbedding):
            words.append(Apply("emb", (Text(piece[0].name),)))
            continue
        ids = [list(run) for run in piece if not isinstance(run, InstalledEmbedding)]
        for head, tail in _divisions(rest, following):
            word = _read_as(head, ids, readings, places)
            if word is not None:
                words += word
                rest = tail
                break
        else:
            words += _tokens(ids, readings, places)
    return words


def _divisions(text: str, following: Piece | None) -> Iterator[tuple[str, str]]:
    """Yield where a text may divide: what stands before the embedding that follows, and behind its name."""
    if following is None:
        yield text.strip(), ""
        return
    assert isinstance(following[0], InstalledEmbedding)
    letters = map(re.escape, "".join(following[0].name.split()))
    for found in islice(re.finditer(r"\s*".join(letters), text, re.IGNORECASE), LOOKED_AT):
        yield text[: found.start()].strip(), text[found.end() :]


def _read_as(
    words: str, ids: Sequence[Sequence[int]], readings: Readings, places: Sequence[int]
) -> list[Expression] | None:
    """Write words out if they have exactly these ids for the encoders at `places`; None if they have others."""
    tokens = readings.tokenize([readings.behind_blank(words)])[0] if words else [[] for _ in readings.names]
    if [tokens[place] for place in places] != ids:
        return None
    wanted = max(map(len, ids))
    if not wanted:
        return []
    literal = _literal(words)
    # Another encoder, which does not count here, may read more tokens of them.
    return [literal if wanted == max(map(len, tokens)) else Apply("slice", (literal, None, Number(wanted)))]


def _tokens(ids: Sequence[Sequence[int]], readings: Readings, places: Sequence[int]) -> list[Expression]:
    """Write ids out, where no words of the text have just these."""
    if all(own == ids[0] for own in ids):
        return [Apply("token", (Number(token),)) for token in ids[0]]
    alone = [
        Apply(readings.names[place], (_joined([Apply("token", (Number(token),)) for token in own]),))
        for place, own in zip(places, ids, strict=True)
        if own
    ]
    return [reduce(lambda a, b: Apply("add", (a, b)), alone)]


def _literal(text: str) -> Apply:
    return Apply("text", (Text(text),))


def _joined(words: Sequence[Expression]) -> Expression:
    return words[0] if len(words) == 1 else Apply("concat", tuple(words))


# --- The rows ------------------------------------------------------------------------------------------------------


def _ids(leaves: Sequence[Leaf], place: int) -> list[int]:
    runs = [run for leaf in leaves for run in leaf.runs[place] if not isinstance(run, InstalledEmbedding)]
    return list(chain.from_iterable(runs))


def _fingerprint(read: Sequence[tuple[Step, Leaf]], readings: Readings) -> str:
    """Hash the rows that were read by id: per checkpoint and encoder the distinct ids, ascending, and their rows.

    What `normalize`, `nearest` and `random` learn from the whole vocabulary is not in it.
    """
    digest = hashlib.sha256(b"embmerge rows 1\n")
    by_checkpoint: dict[str, list[tuple[Step, Leaf]]] = {}
    for step, leaf in read:
        by_checkpoint.setdefault(step.checkpoint.checkpoint if step.checkpoint else "", []).append((step, leaf))
    for checkpoint, readers in sorted(by_checkpoint.items()):
        for place, encoder in sorted(enumerate(readings.tables(readers[0][0])), key=lambda pair: pair[1].name):
            rows = _rows_by_id([leaf for _, leaf in readers], place, encoder.name)
            ids = sorted(rows)
            digest.update(f"{checkpoint}\n{encoder.name} {encoder.width} {ids}\n".encode())
            if ids:
                digest.update(torch.stack([rows[token] for token in ids]).numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def _rows_by_id(leaves: Sequence[Leaf], place: int, encoder: str) -> Mapping[int, Tensor]:
    """Pick each id's row out of the vectors that were gathered."""
    rows: dict[int, Tensor] = {}
    for leaf in leaves:
        at = 0
        for run in leaf.runs[place]:
            if isinstance(run, InstalledEmbedding):
                at += len(run.vectors[encoder])
                continue
            for token in run:
                if token not in rows:
                    rows[token] = leaf.values[place][at]
                at += 1
    return rows
