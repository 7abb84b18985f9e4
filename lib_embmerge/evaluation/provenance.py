"""What an expression's value is made of, so that a file of it can be made again and verified."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from ..host_protocol import InstalledEmbedding, TextEncoder, TextModel
from ..language.nodes import Apply, Argument, At, Expression, Text
from ..language.write import write
from ..limits import Limits
from .count import measure
from .plan import CHECKPOINT, QUOTED, Plan, Step, plan
from .reading import Leaf, Readings, Run

__all__ = ["Provenance", "resolve"]


@dataclass(frozen=True)
class Provenance:
    """An expression with every name resolved, and what it read.

    `text` is `expression` written canonically; `tokens` are the ids per encoder in the order of the text; `rows` is
    the fingerprint of the table rows that were read by id; `embeddings` gives the digest of each embedding by name.
    """

    expression: Expression
    text: str
    tokens: Mapping[str, list[int]]
    rows: str
    embeddings: Mapping[str, str] = field(default_factory=dict)


def resolve(expression: Expression, model: TextModel, *, limits: Limits | None = None) -> Provenance:
    """Resolve an expression: each quoted text becomes `text('…')` and `emb('…')` of what it means today.

    Evaluating the resolved expression gives the same value, whatever embeddings are installed later.
    Raises: as `count`.
    """
    steps = plan(expression)
    readings = Readings([steps], model)
    measure(steps, readings, limits or Limits())
    resolved = _rebuild(steps, readings)
    leaves = [readings.leaf(step) for step in steps if step.reads]
    return Provenance(
        expression=resolved,
        text=write(resolved),
        tokens={name: list(_ids(leaves, place)) for place, name in enumerate(readings.names)},
        rows=_fingerprint(steps, readings),
        embeddings={embedding.name: embedding.digest for leaf in leaves for embedding in leaf.embeddings()},
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


def _resolve_text(step: Step, readings: Readings) -> Expression:
    text, leaf = str(step.values[0]), readings.leaf(step)
    words = [_literal(text)] if not leaf.embeddings() else _split(text, leaf, readings.encoders)
    return words[0] if len(words) == 1 else Apply("concat", tuple(words), step.span)


def _literal(text: str) -> Apply:
    return Apply("text", (Text(text),))


def _split(text: str, leaf: Leaf, encoders: Sequence[TextEncoder]) -> list[Apply]:
    """Split a text at the names of the embeddings in it."""
    words: list[Apply] = []
    rest = text
    for before, embedding in _between(leaf):
        head, rest = (rest, "") if embedding is None else _split_at(rest, embedding.name, before, encoders)
        if any(before):
            words.append(_literal(head.strip() if _is_read_as(head, before, encoders) else _spell(before, encoders)))
        if embedding:
            words.append(Apply("emb", (Text(embedding.name),)))
    return words


def _between(leaf: Leaf) -> Iterator[tuple[list[list[int]], InstalledEmbedding | None]]:
    """Yield, per embedding, each encoder's ids before it; at the end those behind the last one."""
    columns = [_column(runs) for runs in leaf.runs]
    embeddings = [*leaf.embeddings(), None]
    for place, embedding in enumerate(embeddings):
        yield [column[place] if place < len(column) else [] for column in columns], embedding


def _column(runs: Sequence[Run]) -> list[list[int]]:
    between: list[list[int]] = [[]]
    for run in runs:
        if isinstance(run, InstalledEmbedding):
            between.append([])
        else:
            between[-1] += run
    return between


def _split_at(text: str, name: str, before: list[list[int]], encoders: Sequence[TextEncoder]) -> tuple[str, str]:
    """Give the text before an embedding's name and behind it; nothing and all where no place of it fits the ids."""
    for found in re.finditer(re.escape(name), text, re.IGNORECASE):
        if _is_read_as(text[: found.start()], before, encoders):
            return text[: found.start()], text[found.end() :]
    return "", text


def _is_read_as(text: str, ids: list[list[int]], encoders: Sequence[TextEncoder]) -> bool:
    return [list(encoder.tokenize([text.strip()])[0]) for encoder in encoders] == ids


def _spell(ids: list[list[int]], encoders: Sequence[TextEncoder]) -> str:
    """Spell tokens out, for an embedding whose name the host found under another spelling."""
    return "".join(encoders[0].spell(ids[0])).strip()


def _ids(leaves: Sequence[Leaf], place: int) -> Iterator[int]:
    for leaf in leaves:
        for run in leaf.runs[place]:
            if not isinstance(run, InstalledEmbedding):
                yield from run


def _fingerprint(steps: Plan, readings: Readings) -> str:
    """Hash the rows that were read by id: per checkpoint and encoder the distinct ids, ascending, and their rows.

    What `normalize`, `nearest` and `random` learn from the whole vocabulary is not in it.
    """
    digest = hashlib.sha256(b"embmerge rows 1\n")
    by_checkpoint: dict[str, list[Step]] = {}
    for step in steps:
        if step.reads:
            by_checkpoint.setdefault(step.checkpoint.checkpoint if step.checkpoint else "", []).append(step)
    for checkpoint, readers in sorted(by_checkpoint.items()):
        leaves = [readings.leaf(step) for step in readers]
        for place, encoder in sorted(enumerate(readings.tables(readers[0])), key=lambda pair: pair[1].name):
            ids = sorted(set(_ids(leaves, place)))
            digest.update(f"{checkpoint}\n{encoder.name} {encoder.width} {ids}\n".encode())
            if ids:
                digest.update(encoder.rows(ids).to(torch.float32).contiguous().numpy().astype("<f4").tobytes())
    return digest.hexdigest()
