"""What a script does with embmerge, each verb one function; the command line and the HTTP routes use no others.

docs/library.md shows them at work. Every mistake of a user is an `EmbeddingMergeError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .compatibility.facts import FileFacts, describe_file
from .compatibility.judging import judge
from .compatibility.verdicts import Verdict
from .entered import Entered, TextKind, is_prompt, read_expression
from .errors import EmbeddingMergeError, FileError
from .evaluation import Analysis, remark_on_norms
from .families import CLIP, group_of
from .files.paths import list_folder
from .files.reading import EmbeddingFile, read_embedding
from .host_protocol import EXTENSIONS, TextModel
from .inspection import (
    By,
    Difference,
    Neighbour,
    RowStatistics,
    find_neighbours,
    measure_differences,
    measure_embedding,
    measure_parts,
)
from .language import Brackets
from .limits import Limits
from .merge import Merged, MergeSettings, merge_prompts
from .models.tokenizers import tokenizer
from .prompts.layout import count_found, find_expressions, lay_out_steps
from .saving import Saved, SaveOptions, rebuild, save_expression
from .vectors.embedding import Embedding

__all__ = [
    "Checked",
    "Count",
    "CountedExpression",
    "Inspection",
    "check",
    "compare",
    "count",
    "evaluate",
    "inspect",
    "merge_prompt",
    "rebuild",
    "save",
]


@dataclass(frozen=True)
class CountedExpression:
    """An expression in a prompt, and how many vectors it has: by tokenizer group, and in the one that has the most."""

    text: str
    vectors: int
    lengths: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Count:
    """How long a text is: by encoder, the vectors of an expression or the tokens of a prompt.

    `chunks` says how many chunks of 75 places each CLIP encoder fills with a prompt; it is empty for an expression. Of
    a prompt that `AND` divides, the longest part counts; of one with editing, `[a:b:0.5]` and `[a|b]`, what it is at
    its longest step. `counted` is that text, where it is not the whole prompt.
    """

    kind: Literal["expression", "prompt"]
    encoders: Mapping[str, int]
    chunks: Mapping[str, int] = field(default_factory=dict)
    expressions: tuple[CountedExpression, ...] = ()
    warnings: tuple[str, ...] = ()
    counted: str = ""


@dataclass(frozen=True)
class Inspection:
    """What an expression or a file holds.

    `rows` has the figures of each vector, or of each part or token that an expression reads. `nearest` has the words
    of the model that each vector is most similar to; without a model there are none. `warnings` are sentences.
    """

    vectors: Embedding
    rows: Sequence[RowStatistics]
    nearest: Sequence[Neighbour]
    warnings: tuple[str, ...] = ()
    file: EmbeddingFile | None = None
    analysis: Analysis | None = None

    @property
    def shapes(self) -> dict[str, list[int]]:
        """By encoder, how many vectors there are, and how long."""
        return {name: [int(size) for size in rows.shape] for name, rows in self.vectors.items()}


@dataclass(frozen=True)
class Checked:
    """What a file is, as far as a program looks before it loads it, and each program's verdict."""

    facts: FileFacts
    verdicts: Sequence[Verdict]


def count(text: str, model: TextModel, *, kind: TextKind = "any", limits: Limits | None = None) -> Count:
    """Return how many vectors an expression has, or how many tokens a prompt; no table is read for it.

    Raises: ExpressionError for a mistake, placed in the text.
    """
    if is_prompt(text, kind):
        return _count_prompt(text, model, limits)
    analysis = Analysis(read_expression(text, kind=kind, limits=limits), model)
    encoders = {encoder.name: analysis.length_in(group_of(encoder.name)) for encoder in model.encoders}
    return Count("expression", encoders, warnings=_said(analysis))


def _count_prompt(prompt: str, model: TextModel, limits: Limits | None) -> Count:
    found = find_expressions(prompt, Brackets.BOTH, model, limits)
    count_found(found, model)
    for one in found:
        if one.problem is not None:
            raise one.problem
    laid_out = lay_out_steps(prompt, found, model)
    maps = [one for _, one in laid_out]
    names = [encoder.name for encoder in model.encoders]
    longest, _ = max(laid_out, key=lambda one: max(one[1].tokens(name) for name in names))
    return Count(
        "prompt",
        {name: max(part.tokens(name) for part in maps) for name in names},
        {name: max(len(part.chunks[name]) for part in maps) for name in names if group_of(name) == CLIP},
        tuple(CountedExpression(one.island.text, one.vectors, one.lengths) for one in found),
        tuple(said for one in found if one.analysis for said in _said(one.analysis)),
        longest.strip() if len(laid_out) > 1 else "",
    )


def evaluate(text: str | Entered, model: TextModel) -> Embedding:
    """Return the vectors of an expression: by encoder (n, width), float32.

    Raises: ExpressionError for a mistake, placed in the text.
    """
    return Analysis(_entered(text), model).value()


def save(text: str | Entered, name: str, model: TextModel, options: SaveOptions) -> list[Saved]:
    """Write an expression's vectors as `name.safetensors`; several files where more than 75 are to be split.

    Raises: ExpressionError for a mistake; NameProblem, FileExists and FileError where the file cannot be written.
    """
    return save_expression(_entered(text), name, model, options)


def inspect(
    what: str | Entered | Analysis | Path | EmbeddingFile,
    model: TextModel | None = None,
    *,
    by: Literal["vector", "part", "token"] = "vector",
    k: int = 5,
) -> Inspection:
    """Return the figures of an expression, for which a model is needed, or of a file.

    Raises: ExpressionError for a mistake; FileError where a file cannot be read, or has no parts.
    """
    if isinstance(what, (Path, EmbeddingFile)):
        return _inspect_file(read_embedding(what) if isinstance(what, Path) else what, model, by, k)
    if model is None:
        raise _no_model()
    analysis = what if isinstance(what, Analysis) else Analysis(_entered(what), model)
    value = analysis.value()
    rows = measure_embedding(value, model) if by == "vector" else measure_parts(analysis.parts(), model, by=_by(by))
    said = (*analysis.remarks(), *analysis.remarks_on_value())
    near = find_neighbours(value, model, k=k)
    return Inspection(value, rows, near, tuple(remark.text for remark in said), analysis=analysis)


def _inspect_file(file: EmbeddingFile, model: TextModel | None, by: str, k: int) -> Inspection:
    if by != "vector":
        raise FileError(
            "A file holds vectors only; its parts and tokens are not in it.",
            suggestion="Inspect the expression, or its vectors.",
        )
    vectors = Embedding(file.all_vectors)
    near = find_neighbours(vectors, model, k=k) if model else []
    said = remark_on_norms(vectors, model) if model else []
    return Inspection(
        vectors, measure_embedding(vectors, model), near, tuple(remark.text for remark in said), file=file
    )


def compare(
    a: str | Entered | Path | EmbeddingFile | Embedding,
    b: str | Entered | Path | EmbeddingFile | Embedding,
    model: TextModel | None = None,
) -> list[Difference]:
    """Return by encoder how far two embeddings are from each other; expressions are computed with the model.

    Raises: ExpressionError for a mistake; FileError where a file cannot be read.
    """
    return measure_differences(_vectors_of(a, model), _vectors_of(b, model))


def _vectors_of(what: str | Entered | Path | EmbeddingFile | Embedding, model: TextModel | None) -> Embedding:
    if isinstance(what, Embedding):
        return what
    if isinstance(what, (Path, EmbeddingFile)):
        return Embedding((read_embedding(what) if isinstance(what, Path) else what).vectors)
    if model is None:
        raise _no_model()
    return evaluate(what, model)


def _no_model() -> EmbeddingMergeError:
    return EmbeddingMergeError("An expression is computed with a model.", suggestion="Open one: open_model().")


def check(path: Path) -> Checked:
    """Return where a file will load, for each program and model family, and why it does not.

    Raises: FileError where it cannot be read.
    """
    facts = describe_file(path, neighbours=_neighbours(path))
    return Checked(facts, judge(facts, is_vocabulary_word=_is_vocabulary_word))


def merge_prompt(prompt: str, model: TextModel, settings: MergeSettings | None = None) -> Merged:
    """Replace every expression of a prompt by placeholders that hold its vectors.

    Raises: ExpressionError at the first mistake, placed in the prompt.
    """
    return merge_prompts([prompt], model, settings)


def _entered(text: str | Entered) -> Entered:
    return text if isinstance(text, Entered) else read_expression(text)


def _said(analysis: Analysis) -> tuple[str, ...]:
    return tuple(remark.text for remark in analysis.remarks())


def _by(wished: str) -> By:
    return "part" if wished == "part" else "token"


def _is_vocabulary_word(text: str) -> bool:
    return any(len(tokenizer(encoder)(text)) == 1 for encoder in ("clip_l", "clip_g"))


def _neighbours(path: Path) -> list[str]:
    """Return the names of the embeddings beside a file; none where its folder may not be listed."""
    try:
        others = [other for other in list_folder(path.parent) if other.suffix.lower() in EXTENSIONS]
    except FileError:
        return []
    return [other.stem for other in others if other.name != path.name]
