"""What embmerge exists for: a prompt with expressions becomes a prompt with placeholders that hold their vectors.

Read `merge_prompts` first. `replace_by_counts` and `replace_by_words` are its twins for a token counter, which reads no
table.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from .errors import EmbeddingMergeError, ExpressionError, NotFinite, Span, SyntaxProblem
from .evaluation.count import count_all
from .evaluation.evaluate import evaluate_all
from .evaluation.warnings import find_strangers
from .host_protocol import TextModel
from .language.literal_text import literal_text
from .language.nodes import Expression
from .language.parse import parse
from .language.scan import Brackets, Island, find_islands, make_placeholder_error, splice
from .limits import CHUNK, HALF_PRECISION_MAX, Limits
from .placeholders import content_name, count_name, put_words
from .vectors.embedding import Embedding

__all__ = ["MergeSettings", "Merged", "merge_prompts", "replace_by_counts", "replace_by_words", "warn_of_strangers"]

KEPT_PARSES = 128
LONGEST_KEPT = 1_000
"""Trees kept by expression text, and its characters: a person typing changes one expression of many."""


@dataclass(frozen=True)
class MergeSettings:
    """What a user may set: the brackets that open an expression, and the limits."""

    brackets: Brackets = Brackets.BOTH
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Merged:
    """Prompts with names of placeholders in the places of their expressions, and what the placeholders stand for.

    `vectors` is for the encoders that take embeddings; `words` for those that take only text: the literal texts of
    each placeholder's expression.
    """

    prompts: list[str]
    vectors: dict[str, Embedding]
    words: dict[str, str]


def merge_prompts(prompts: Sequence[str], model: TextModel, settings: MergeSettings | None = None) -> Merged:
    """Replace every expression of the prompts by placeholders that hold its vectors.

    Equal expressions share a placeholder. A value of more than 75 vectors becomes several, in order, one of none a
    blank. The prompts given are left as they are.

    Raises: ExpressionError, placed in its prompt, at the first mistake; NotFinite where a vector does not fit into
        a model in half precision.
    """
    settings = settings or MergeSettings()
    found = [_islands(prompt, model, settings) for prompt in prompts]
    placed = [(prompt, island) for prompt, islands in zip(prompts, found, strict=True) for island in islands]
    trees = [_parse_island(island, prompt, settings.limits) for prompt, island in placed]
    values = evaluate_all(
        trees,
        model,
        limits=settings.limits,
        sources=[(prompt, island.offset) for prompt, island in placed],
    )
    merged = Merged([], {}, {})
    names = iter(
        [
            _placeholders(value, literal_text(tree), merged, model, prompt, island)
            for value, tree, (prompt, island) in zip(values, trees, placed, strict=True)
        ]
    )
    for prompt, islands in zip(prompts, found, strict=True):
        merged.prompts.append(splice(prompt, islands, [next(names) for _ in islands], settings.brackets))
    return merged


def warn_of_strangers(prompts: Sequence[str], model: TextModel, settings: MergeSettings) -> list[str]:
    """Give a sentence for each embedding of another family that a prompt's expression names: its name is only words.

    A mistake in an expression is left to `merge_prompts`.
    """
    found: dict[str, None] = {}
    for prompt in dict.fromkeys(prompts):
        with contextlib.suppress(EmbeddingMergeError):
            for island in _islands(prompt, model, settings):
                remarks = find_strangers(_parse_island(island, prompt, settings.limits), model)
                found.update((remark.text, None) for remark in remarks)
    return list(found)


def replace_by_counts(
    prompt: str, model: TextModel, settings: MergeSettings, count_name: Callable[[int], str]
) -> tuple[str, str | None]:
    """Replace each expression by words of `count_name(n)` for its n vectors; no table is read.

    Gives the prompt and the message of its first broken expression, which counts nothing, or None.
    """
    try:
        islands = _islands(prompt, model, settings)
    except EmbeddingMergeError as error:
        return prompt, str(error)
    counts, problem = _count_islands(prompt, islands, model, settings)
    words = [" ".join(map(count_name, _chunk_lengths(n))) for n in counts]
    return splice(prompt, islands, words, settings.brackets), problem


def replace_by_words(prompt: str, model: TextModel, settings: MergeSettings) -> tuple[str, str | None]:
    """Replace each expression by its literal texts, for a counter of an encoder that takes only text.

    Gives what `replace_by_counts` gives; a broken expression has no words.
    """
    try:
        islands = _islands(prompt, model, settings)
    except EmbeddingMergeError as error:
        return prompt, str(error)
    _, problem = _count_islands(prompt, islands, model, settings)
    names = [count_name(number) for number in range(len(islands))]
    words = [_words_of(island, prompt, settings.limits) for island in islands]
    spliced = splice(prompt, islands, names, settings.brackets)
    return put_words(spliced, dict(zip(names, words, strict=True))), problem


def _islands(prompt: str, model: TextModel, settings: MergeSettings) -> list[Island]:
    islands = []
    for island in _found(prompt, settings):
        if island.placeholder is not None:
            if model.embeddings_named(prompt[island.span.start : island.span.end]):
                continue
            raise make_placeholder_error(prompt, island)
        islands.append(island)
    return islands


def _found(prompt: str, settings: MergeSettings) -> list[Island]:
    try:
        return find_islands(prompt, settings.brackets)
    except SyntaxProblem as unclosed:
        if unclosed.span is not None:  # of several mistakes the first is told
            for island in find_islands(prompt[: unclosed.span.start], settings.brackets):
                if island.placeholder is None:
                    _parse_island(island, prompt, settings.limits)
        raise


def _count_islands(
    prompt: str, islands: Sequence[Island], model: TextModel, settings: MergeSettings
) -> tuple[list[int], str | None]:
    try:
        trees = [_parse_island(island, prompt, settings.limits) for island in islands]
        sources = [(prompt, island.offset) for island in islands]
        return count_all(trees, model, limits=settings.limits, sources=sources), None
    except EmbeddingMergeError as error:
        if len(islands) == 1:
            return [0], str(error)
        # Someone is typing: one broken expression must not stop the others from being counted.
        alone = [_count_islands(prompt, [island], model, settings) for island in islands]
        return [counts[0] for counts, _ in alone], str(error)


def _words_of(island: Island, prompt: str, limits: Limits) -> str:
    try:
        return literal_text(_parse_island(island, prompt, limits))
    except ExpressionError:
        return ""


def _parse_island(island: Island, prompt: str, limits: Limits) -> Expression:
    try:
        read = _kept_parse if len(island.text) <= LONGEST_KEPT else _parse
        return read(island.text, limits)
    except ExpressionError as error:
        raise error.located(prompt, island.offset) from None


def _parse(text: str, limits: Limits) -> Expression:
    return parse(text, limits=limits)


_kept_parse = lru_cache(maxsize=KEPT_PARSES)(_parse)


def _placeholders(
    value: Embedding, words: str, merged: Merged, model: TextModel, prompt: str, island: Island
) -> str:
    if model.half_precision:
        _check_half_precision(value, prompt, island.span)
    names = []
    start = 0
    for length in _chunk_lengths(value.length):
        part = value if length == value.length else _part(value, start, start + length)
        names.append(_register(part, "" if start else words, merged))
        start += length
    return " ".join(names)


def _register(value: Embedding, words: str, merged: Merged) -> str:
    contents = [rows.contiguous().numpy() for rows in value.values()]
    name = content_name(contents)
    # Expressions of equal vectors may differ in their words.
    while name in merged.vectors and not (merged.vectors[name].equals(value) and merged.words[name] == words):
        name = content_name(contents, merged.vectors)
    merged.vectors[name] = value
    merged.words[name] = words
    return name


def _part(value: Embedding, start: int, stop: int) -> Embedding:
    return Embedding({name: rows[start:stop].clone() for name, rows in value.items()})


def _chunk_lengths(length: int) -> list[int]:
    full, rest = divmod(length, CHUNK)
    return [CHUNK] * full + ([rest] if rest else [])


def _check_half_precision(value: Embedding, prompt: str, span: Span) -> None:
    largest = value.largest()
    if largest > HALF_PRECISION_MAX:
        raise NotFinite(
            f"A number in this value is {largest:.4g}; the model runs in half precision, which ends at 65,504.",
            source=prompt,
            span=span,
            suggestion="Scale it down, or use normalize( ).",
        )
