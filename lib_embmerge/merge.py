"""What embmerge exists for: a prompt with expressions becomes a prompt with placeholders that hold their vectors.

Read `merge_prompts` first. `replace_by_counts` and `replace_by_words` are its twins for a token counter, which reads no
table, `read_as_words` for a model that takes no vectors at all.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from torch import Tensor

from .entered import Entered
from .errors import EmbeddingMergeError, ExpressionError, LimitExceeded, NotFinite, Span, SyntaxProblem
from .evaluation.analysis import Analysis, analyse
from .evaluation.measure import describe_work
from .evaluation.remarks import find_strangers
from .families import CLIP, group_of
from .host_protocol import TextModel
from .language.literal_text import literal_text
from .language.nodes import Expression
from .language.parse import parse
from .language.scan import Brackets, Island, begins_text, find_glue, find_islands, make_placeholder_error, splice
from .limits import HALF_PRECISION_MAX, Limits
from .placeholders import content_names, count_name, glued_name, put_words
from .vectors.embedding import Embedding

__all__ = [
    "MergeSettings",
    "Merged",
    "check_prompts",
    "check_writing",
    "merge_prompts",
    "read_as_words",
    "replace_by_counts",
    "replace_by_words",
    "warn_of_strangers",
]

MARKS = re.compile(r"[\\()\[\]]")
"""What a prompt reads as a mark of attention. Source: A1111 1.10.1, modules/prompt_parser.py `re_attention`."""

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

    `vectors` is for the encoders that take embeddings, one for each name; `words` for those that take only text: an
    expression's first placeholder has its literal texts, the others have none. Of an encoder that is no CLIP's the
    first placeholder has all vectors, too; which they are where a blank is before it, or none, says `rows`.
    """

    prompts: list[str]
    vectors: dict[str, Embedding]
    words: dict[str, str]
    placed: dict[str, Analysis] = field(default_factory=dict)
    """The expressions of the first placeholders, where an encoder that is no CLIP's may read blanks."""

    def rows(self, name: str, encoder: str, *, begins: bool) -> Tensor:
        """Return the vectors of a placeholder for one encoder; `begins` says that no blank is before it.

        Shapes: (n, width); no vectors for a name that is not an expression's first.
        Raises: ExpressionError for a mistake that only one of the two ways of cutting a word makes.
        """
        analysis = self.placed.get(name)
        if analysis is None or group_of(encoder) == CLIP:
            return self.vectors[name][encoder]
        standing = analysis.standing(begins=begins)
        if standing is analysis:
            return self.vectors[name][encoder]
        return _checked_value(standing)[encoder]


def merge_prompts(prompts: Sequence[str], model: TextModel, settings: MergeSettings | None = None) -> Merged:
    """Replace every expression of the prompts by placeholders that hold its vectors.

    Every vector has a placeholder of its own, so that a value is divided at the end of a chunk as words are; equal
    ones share it. A value of no vectors becomes a blank. The prompts given are left as they are.

    Raises: ExpressionError, placed in its prompt, at the first mistake; NotFinite where a vector does not fit into
        a model in half precision.
    """
    settings = settings or MergeSettings()
    found = [_islands(prompt, model, settings) for prompt in prompts]
    read = [_read(prompt, islands, settings.limits) for prompt, islands in zip(prompts, found, strict=True)]
    analyses = iter(analyse([entered for of_prompt in read for entered in of_prompt], model))
    merged = Merged([], {}, {})
    for prompt, islands in zip(prompts, found, strict=True):
        of_prompt = [next(analyses) for _ in islands]
        _check_together(of_prompt, settings.limits)
        glue = find_glue(prompt, islands)
        names = [_placeholders(one, merged, *blanks) for one, blanks in zip(of_prompt, glue, strict=True)]
        merged.prompts.append(splice(prompt, islands, names, settings.brackets))
    return merged


def check_prompts(prompts: Sequence[str], model: TextModel, settings: MergeSettings) -> None:
    """Look for a mistake that shows without reading a table, as for a model that is not loaded yet.

    Raises: as `merge_prompts`, but for what only the numbers show.
    """
    for prompt in dict.fromkeys(prompts):
        analyses = analyse(_read(prompt, _islands(prompt, model, settings), settings.limits), model)
        for one in analyses:
            if one.problem is not None:
                raise one.problem
        _check_together(analyses, settings.limits)


def check_writing(text: str, settings: MergeSettings) -> None:
    """Look for a mistake in the writing of a text's expressions, where a prompt may become of any part of the text.

    A bracket that nothing closes is left alone: what closes it may stand elsewhere.

    Raises: ExpressionError at the first mistake.
    """
    for island in _closed_islands(text, settings):
        if island.placeholder is None:
            _parse_island(island, text, settings.limits)


def warn_of_strangers(prompts: Sequence[str], model: TextModel, settings: MergeSettings) -> list[str]:
    """Return a sentence for each embedding of another family that a prompt's expression names: its name is only words.

    A mistake in an expression is left to `merge_prompts`.
    """
    trees = []
    for prompt in dict.fromkeys(prompts):
        with contextlib.suppress(EmbeddingMergeError):
            trees += [one.tree for one in _read(prompt, _islands(prompt, model, settings), settings.limits)]
    return list(dict.fromkeys(remark.text for remark in find_strangers(trees, model)))


def replace_by_counts(
    prompt: str, model: TextModel, settings: MergeSettings, count_name: Callable[[int], str], group: str = ""
) -> tuple[str, str | None]:
    """Replace each expression by as many words `count_name(1)` as it has vectors; no table is read.

    They are counted in a tokenizer group, CLIP's where the model has it and no other is named. Gives the prompt and the
    message of its first broken expression, which counts nothing, or None.
    """
    try:
        islands = _islands(prompt, model, settings)
    except EmbeddingMergeError as error:
        return prompt, str(error)
    counts, problem = _count_islands(prompt, islands, model, settings, group)
    words = [" ".join([count_name(1)] * n) for n in counts]
    return splice(prompt, islands, words, settings.brackets), problem


def replace_by_words(
    prompt: str, model: TextModel, settings: MergeSettings, *, has_attention: bool = True
) -> tuple[str, str | None]:
    """Replace each expression by its literal texts, for a counter of an encoder that takes only text.

    Gives what `replace_by_counts` gives; a broken expression has no words. Marks are as in `read_as_words`.
    """
    try:
        islands = _islands(prompt, model, settings)
    except EmbeddingMergeError as error:
        return prompt, str(error)
    _, problem = _count_islands(prompt, islands, model, settings)
    words = [_words_of(island, prompt, settings.limits) for island in islands]
    return _put_into_places(prompt, islands, words, settings, has_attention), problem


def read_as_words(prompt: str, settings: MergeSettings, *, has_attention: bool = True) -> str:
    """Replace each expression by its literal texts, for a model of which no text encoder takes vectors.

    Where what is made is read with marks of attention, brackets and backslashes in the texts are written as text.

    Raises: ExpressionError at the first mistake in writing.
    """
    islands = [island for island in _found(prompt, settings) if island.placeholder is None]
    texts = [literal_text(_parse_island(island, prompt, settings.limits)) for island in islands]
    return _put_into_places(prompt, islands, texts, settings, has_attention)


def _put_into_places(
    prompt: str, islands: Sequence[Island], texts: Sequence[str], settings: MergeSettings, has_attention: bool
) -> str:
    """Put words in the places of expressions, with the blanks around them as if typed."""
    words = [MARKS.sub(r"\\\g<0>", text) if has_attention else text for text in texts]
    names = [count_name(number) for number in range(len(islands))]
    spliced = splice(prompt, islands, names, settings.brackets)
    return put_words(spliced, dict(zip(names, words, strict=True)))


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
    except SyntaxProblem:
        check_writing(prompt, settings)  # of several mistakes the first is told
        raise


def _closed_islands(text: str, settings: MergeSettings) -> list[Island]:
    try:
        return find_islands(text, settings.brackets)
    except SyntaxProblem as unclosed:
        return [] if unclosed.span is None else find_islands(text[: unclosed.span.start], settings.brackets)


def _count_islands(
    prompt: str, islands: Sequence[Island], model: TextModel, settings: MergeSettings, group: str = ""
) -> tuple[list[int], str | None]:
    """Count each expression's vectors, and tell the first mistake.

    Someone is typing: one broken expression must not stop the others from being counted.
    """
    problems: list[EmbeddingMergeError | None] = []
    entered = []
    for island in islands:
        try:
            entered += _read(prompt, [island], settings.limits)
            problems.append(None)
        except EmbeddingMergeError as error:
            problems.append(error)
    analyses = iter(analyse(entered, model))
    found = [problem or next(analyses) for problem in problems]
    counts = [
        one.length_in(group or CLIP) if isinstance(one, Analysis) and one.problem is None else 0 for one in found
    ]
    mistakes = [one.problem if isinstance(one, Analysis) else one for one in found]
    first = next((mistake for mistake in mistakes if mistake is not None), None)
    if first is None:
        try:
            _check_together([one for one in found if isinstance(one, Analysis)], settings.limits)
        except LimitExceeded as error:
            first = error
    return counts, None if first is None else str(first)


def _check_together(analyses: Sequence[Analysis], limits: Limits) -> None:
    """Refuse expressions of a prompt that are more than it may have, at the first that is too much.

    An expression's own mistake, which is told in its turn, comes before what stands behind it.
    Raises: LimitExceeded.
    """
    vectors = work = 0
    for one in analyses:
        if one.problem is not None:
            return
        vectors += one.size.length
        work += one.size.work
        if vectors > limits.prompt:
            message = f"The expressions of a prompt may have {limits.prompt:,} vectors in all."
        elif work > limits.work:
            message = describe_work(limits)
        else:
            continue
        raise LimitExceeded(message, span=one.entered.tree.span).located(*one.entered.source)


def _words_of(island: Island, prompt: str, limits: Limits) -> str:
    try:
        return literal_text(_parse_island(island, prompt, limits))
    except ExpressionError:
        return ""


def _read(prompt: str, islands: Sequence[Island], limits: Limits) -> list[Entered]:
    return [
        Entered(
            prompt,
            island.text,
            island.offset,
            _parse_island(island, prompt, limits),
            limits,
            begins_text(prompt, island),
        )
        for island in islands
    ]


def _parse_island(island: Island, prompt: str, limits: Limits) -> Expression:
    try:
        read = _kept_parse if len(island.text) <= LONGEST_KEPT else _parse
        return read(island.text, limits)
    except ExpressionError as error:
        raise error.located(prompt, island.offset) from None


def _parse(text: str, limits: Limits) -> Expression:
    return parse(text, limits=limits)


_kept_parse = lru_cache(maxsize=KEPT_PARSES)(_parse)


def _placeholders(analysis: Analysis, merged: Merged, before: bool, behind: bool) -> str:
    value = _checked_value(analysis)
    words = literal_text(analysis.entered.tree)
    parts = _divide(value)
    if analysis.model_is_clip:
        return " ".join([_register(part, "" if row else words, merged) for row, part in enumerate(parts)])
    names = []
    for row, part in enumerate(parts):
        blanks = (before and not row, behind and row + 1 == len(parts))
        names.append(_register(part, "" if row else words, merged, None if row else analysis, blanks))
    return " ".join(names)


def _checked_value(analysis: Analysis) -> Embedding:
    value = analysis.value()
    if analysis.model.half_precision:
        _check_half_precision(value, analysis.entered)
    return value


def _register(
    value: Embedding,
    words: str,
    merged: Merged,
    analysis: Analysis | None = None,
    blanks: tuple[bool, bool] = (False, False),
) -> str:
    contents: list[object] = [rows.contiguous().numpy() for rows in value.values()]
    if analysis is not None:  # what reads blanks may read equal vectors of other texts in another way
        contents.append(analysis.entered.expression.encode(errors="replace"))
    for content_name in content_names(contents):
        name = glued_name(content_name, *blanks) if any(blanks) else content_name
        if name not in merged.vectors:
            merged.vectors[name] = value
            merged.words[name] = words
            if analysis is not None:
                merged.placed[name] = analysis
            break
        # Expressions of equal vectors may differ in their words.
        is_same = merged.vectors[name].equals(value) and merged.words[name] == words
        if is_same and _is_as(merged.placed.get(name), analysis):
            break
    return name


def _is_as(one: Analysis | None, other: Analysis | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.entered.expression == other.entered.expression and one.begins == other.begins


def _divide(value: Embedding) -> list[Embedding]:
    """Divide a value into one for each placeholder: CLIP's vectors, one by one, the first with all of the others."""
    if value.length < 2:
        return [value] if value.length else []
    count = max(1, value.lengths.get(CLIP, 1))
    return [
        Embedding({name: _of_placeholder(rows, row, group_of(name) == CLIP) for name, rows in value.items()})
        for row in range(count)
    ]


def _of_placeholder(rows: Tensor, row: int, is_clip: bool) -> Tensor:
    if is_clip:
        return rows[row : row + 1].clone()
    return rows[:0] if row else rows


def _check_half_precision(value: Embedding, entered: Entered) -> None:
    largest = value.largest()
    if largest > HALF_PRECISION_MAX:
        raise NotFinite(
            f"A number in this value is {largest:.4g}; the model runs in half precision, which ends at 65,504.",
            source=entered.text,
            span=Span(entered.offset - 1, entered.offset + len(entered.expression) + 1),
            suggestion="Scale it down, or use normalize( ).",
        )
