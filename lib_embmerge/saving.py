"""An expression becomes a file that knows what it was made of, and a file becomes its sibling for another checkpoint.

Read `save_expression` and `rebuild` first. A file's header holds the expression twice: as it was typed, for people, and
resolved, for rebuilding: there every quoted text says whether it was a text or an embedding's name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch

from .entered import Entered, read_expression
from .errors import (
    ExpressionError,
    FileError,
    FileExists,
    LimitExceeded,
    ModelNotLoaded,
    Span,
)
from .evaluation import Analysis, Provenance, remark_on_norms
from .families import CLIP, DEMONSTRATION, group_of
from .files.checkpoint_files import hash_file
from .files.modelspec import modelspec_fields
from .files.names import KnownNames, check_name, check_new_name, is_path, remark_on_name
from .files.paths import exists, full_path, is_file, list_folder, size_of, time_of_change
from .files.reading import EmbeddingFile
from .files.writing import write_embedding
from .host_protocol import EXTENSIONS, InstalledEmbedding, TextModel
from .inspection.tokens import word_test
from .language import Apply, At, Expression, Number, walk, write
from .limits import CHUNK, HALF_PRECISION_MAX, Limits
from .remarks import ALL_ZERO
from .vectors.embedding import Embedding, are_zero, digest_vectors, former_digests, shapes_of
from .vectors.operators.sequence import pool
from .version import __version__

__all__ = [
    "Long",
    "Recipe",
    "SaveOptions",
    "Saved",
    "TooLong",
    "read_recipe",
    "read_resolved",
    "rebuild",
    "save_expression",
    "save_vectors",
]


ABOUT = ("author", "description", "trigger_phrase", "tags", "is_negative_embedding")
"""ModelSpec keys that are kept as a person gives them. Source: https://github.com/Stability-AI/ModelSpec"""

Long = Literal["cut", "pool", "split", "keep"]
"""What becomes of more than 75 vectors: the first 75, their mean, several files, or all of them in one."""

DTYPES: Mapping[str, torch.dtype] = {"float32": torch.float32, "float16": torch.float16}


@dataclass(frozen=True)
class SaveOptions:
    """How to save.

    `about` holds values for the keys of `ABOUT`. `with_hash` has the checkpoint's file hashed for the header.
    `is_installed_here` says that the folder's embeddings can be named in expressions: a text that names the file that
    is being written then stays text.
    """

    folder: Path
    overwrite: bool = False
    dtype: str = "float32"
    long: Long | None = None
    about: Mapping[str, str] = field(default_factory=dict)
    with_hash: bool = False
    is_installed_here: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Saved:
    """A file that was written: its shapes as (vectors, width) by encoder, its bytes, its header, what to know of it."""

    name: str
    path: Path
    shapes: Mapping[str, tuple[int, int]]
    size: int
    metadata: Mapping[str, str] = field(repr=False)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """What a file says that it was made of."""

    expression: str
    resolved: str
    embeddings: Mapping[str, str]
    checkpoint: str
    about: Mapping[str, str]

    @property
    def is_demonstration(self) -> bool:
        """Whether its vectors are the demonstration encoder's."""
        return self.checkpoint == DEMONSTRATION


class TooLong(LimitExceeded):
    """More vectors than many programs take in one file, and no choice of what becomes of them."""

    def __init__(self, length: int, *, suggestion: str, span: Span | None = None) -> None:
        """Take how many there are, and how the choice is made where the user is."""
        super().__init__(
            f"This has {length} vectors; many programs refuse files of more than {CHUNK}.",
            span=span,
            suggestion=suggestion,
        )


def save_expression(entered: Entered, name: str, model: TextModel, options: SaveOptions) -> list[Saved]:
    """Evaluate an expression and write it; several files where more than 75 vectors are to be split.

    Raises: ExpressionError in the entered text; TooLong for more than 75 vectors and no choice of `long`;
    NameProblem, FileExists, NotFinite and FileError as `write_embedding`. Where one is raised nothing was written.
    """
    return _save(entered, name, model, options, check_new_name)


def _save(
    entered: Entered, name: str, model: TextModel, options: SaveOptions, check: Callable[[str], None]
) -> list[Saved]:
    identity, checkpoint = model.identity, _checkpoint_texts(model, model.record(with_hash=options.with_hash))
    analysis = Analysis(entered, model, stays_text=name if options.is_installed_here else "")
    remarks = analysis.remarks()
    parts = _divide(analysis, name, options)
    origin = analysis.provenance()
    if model.identity != identity:
        raise ModelNotLoaded("The checkpoint was changed in the meantime; nothing was saved.", suggestion="Try again.")
    check(name)
    _check_free([part.name for part in parts], options)
    said = [remark.text for remark in remarks if remark.kind != "too long" or options.long == "keep"]
    texts = checkpoint | _describe(entered, origin)
    return [
        _write(part.name, part.vectors, texts | _resolved(part, origin), model, options, said) for part in parts
    ]


def save_vectors(
    value: Embedding, name: str, model: TextModel, options: SaveOptions, *, origin: Mapping[str, str]
) -> Saved:
    """Write vectors that no expression makes; `origin` says in the header where they come from.

    Raises: NameProblem, FileExists, NotFinite and FileError as `write_embedding`.
    """
    check_new_name(name)
    _check_free([name], options)
    checkpoint = _checkpoint_texts(model, model.record(with_hash=options.with_hash))
    return _write(name, value, {**checkpoint, **origin}, model, options, ())


def rebuild(file: EmbeddingFile, model: TextModel, options: SaveOptions) -> list[Saved]:
    """Make a file again from its recipe, with this model; what the file says about itself is kept.

    Raises: FileError where the file has no recipe, or one that reads a checkpoint by its path, or where the
    demonstration would replace the file of a real checkpoint; and as `save_expression`.
    """
    recipe = read_recipe(file.path.name, file.metadata)
    if model.is_demonstration and not recipe.is_demonstration and _is_same(file, options.folder):
        raise FileError(f"{file.path.name} was made with a real checkpoint; the demonstration may not replace it.")
    entered = replace(read_resolved(file.path.name, recipe, options.limits), expression=recipe.expression)
    options = replace(options, about={**recipe.about, **options.about}, is_installed_here=False)
    saved = _save(entered, file.name, model, options, check_name)
    changed = tuple(_changed_embeddings(recipe, model))
    return [replace(one, warnings=(*one.warnings, *changed)) for one in saved]


def read_recipe(file_name: str, metadata: Mapping[str, str]) -> Recipe:
    """Read what a file was made of from its header.

    Raises: FileError where the header does not say, or says it in a damaged form.
    """
    resolved = metadata.get("embmerge.resolved")
    if not resolved:
        raise FileError(f"{file_name} does not say what it was made of: it is not made by embmerge, or was re-saved.")
    try:
        embeddings = json.loads(metadata.get("embmerge.embeddings", "{}"))
    except (ValueError, RecursionError):
        embeddings = None
    if not isinstance(embeddings, dict) or not all(isinstance(digest, str) for digest in embeddings.values()):
        raise FileError(f"{file_name}: the list of embeddings in the header is damaged.")
    return Recipe(
        expression=metadata.get("embmerge.expression", resolved),
        resolved=resolved,
        embeddings=embeddings,
        checkpoint=metadata.get("embmerge.checkpoint", ""),
        about={key: metadata[f"modelspec.{key}"] for key in ABOUT if f"modelspec.{key}" in metadata},
    )


def read_resolved(file_name: str, recipe: Recipe, limits: Limits | None = None) -> Entered:
    """Read a recipe's resolved expression, which may be longer than what a person may write, because it says more.

    Raises: ExpressionError in the recipe; FileError where it reads a checkpoint by its path.
    """
    entered = read_expression(recipe.resolved, kind="expression", limits=(limits or Limits()).of_recipes())
    _refuse_paths(file_name, entered.tree)
    return entered


def _refuse_paths(file_name: str, tree: Expression) -> None:
    """Refuse a file's recipe that reads a checkpoint by its path: a stranger's file shall open nothing here.

    Raises: FileError that shows the path.
    """
    for node in walk(tree):
        if isinstance(node, At) and is_path(node.checkpoint):
            raise FileError(
                f"The recipe of {file_name} reads a checkpoint by its path, {node.checkpoint}; it is not opened.",
                suggestion="Look at the recipe, and save it as an expression of your own.",
            )


def _is_same(file: EmbeddingFile, folder: Path) -> bool:
    """Return whether the file made again would take the place of the old one."""
    target = folder / f"{file.name}.safetensors"
    return exists(target) and exists(file.path) and target.samefile(file.path)


# --- What is saved -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """One file: its name, its vectors, and what makes its expression of the whole, so that it can be rebuilt alone."""

    name: str
    vectors: Embedding
    express: Callable[[Expression], Expression] = lambda tree: tree


def _divide(analysis: Analysis, name: str, options: SaveOptions) -> list[_Part]:
    """Return the files to save."""
    length = analysis.lengths.get(CLIP, 0)  # no other encoder has chunks
    if analysis.length == 0:
        error = ExpressionError("This has no vectors; there is nothing to save.", span=analysis.entered.tree.span)
        raise error.located(*analysis.entered.source)
    if length > CHUNK and options.long is None:
        raise TooLong(
            length,
            span=analysis.entered.tree.span,
            suggestion=f"Choose (--long): cut to the first {CHUNK}, pool into their mean, "
            f"split into {name}-1, {name}-2, …, or keep all.",
        ).located(*analysis.entered.source)
    value = analysis.value()
    if length <= CHUNK or options.long == "keep":
        return [_Part(name, value)]
    if options.long == "cut":
        return [_Part(name, _rows(value, 0, CHUNK), lambda tree: Apply("resize", (tree, Number(CHUNK))))]
    if options.long == "pool":
        pooled = Embedding({encoder: pool(rows) for encoder, rows in value.items()})
        return [_Part(name, pooled, lambda tree: Apply("pool", (tree,)))]
    return [_slice(f"{name}-{i}", value, at, length) for i, at in enumerate(range(0, length, CHUNK), start=1)]


def _slice(name: str, value: Embedding, start: int, length: int) -> _Part:
    """Return a part of at most 75 of so many vectors; the last has all that other tokenizers have more."""
    stop = min(start + CHUNK, length) if start + CHUNK < length or value.length == length else None
    last = None if stop is None else Number(stop)
    return _Part(name, _rows(value, start, stop), lambda tree: Apply("slice", (tree, Number(start), last)))


def _rows(value: Embedding, start: int, stop: int | None) -> Embedding:
    return Embedding({encoder: rows[start:stop] for encoder, rows in value.items()})


def _check_free(names: Iterable[str], options: SaveOptions) -> None:
    """Refuse before anything is written, so that of several parts none is there without the others."""
    paths = {}
    for name in names:
        check_name(name)
        paths[name] = options.folder / f"{name}.safetensors"
    there = [path for path in paths.values() if exists(path)]
    if there and not options.overwrite:
        place = full_path(options.folder) / there[0].name
        missing = [name for name, path in paths.items() if path not in there]
        but = f", its part {missing[0]} does not" if missing else ""
        error = FileExists(f"{place} exists already{but}.", suggestion="Ask for overwrite to replace it.")
        error.missing = missing
        raise error


def _changed_embeddings(recipe: Recipe, model: TextModel) -> list[str]:
    """Name the embeddings that are no longer what they were when the file was made."""
    return [
        f"The embedding {name} is not the one that the file was made of."
        for name, digest in recipe.embeddings.items()
        if not any(_has_digest(embedding, digest) for embedding in model.embeddings_named(name))
    ]


def _has_digest(embedding: InstalledEmbedding, digest: str) -> bool:
    """Return whether a recipe's digest is of this embedding; older versions wrote others, in A1111 that of the file."""
    clip = {name: rows for name, rows in embedding.vectors.items() if group_of(name) == CLIP}
    if digest == embedding.digest or digest == digest_vectors(clip) or digest in former_digests(embedding.vectors):
        return True
    return embedding.path is not None and is_file(embedding.path) and digest == hash_file(embedding.path)


# --- The file ------------------------------------------------------------------------------------------------------


def _write(
    name: str,
    value: Embedding,
    texts: Mapping[str, str],
    model: TextModel,
    options: SaveOptions,
    said: Sequence[str],
) -> Saved:
    beside = _folder_names(full_path(options.folder))
    remarks = remark_on_name(
        name, others=beside.read(), is_vocabulary_word=word_test(model), rules=model.prompt_rules
    )
    about = {f"modelspec.{key}": text for key, text in options.about.items() if text}
    metadata = {"embmerge.version": __version__, **texts, **modelspec_fields(name, model.family), **about}
    held = Embedding({encoder: rows for encoder, rows in value.items() if len(rows)})
    path = write_embedding(
        held,
        options.folder,
        name,
        metadata=metadata,
        dtype=DTYPES[options.dtype],
        overwrite=options.overwrite,
    )
    beside.add(name)
    said = (*said, *(remark.text for remark in remark_on_norms(value, model, roughly=True)))
    warnings = (*said, *_large_numbers(value), *_zero_vectors(value), *(one.text for one in remarks))
    return Saved(name, path, shapes_of(held), size_of(path), metadata, warnings)


def _resolved(part: _Part, origin: Provenance) -> dict[str, str]:
    return {"embmerge.resolved": write(part.express(origin.expression))}


def _describe(entered: Entered, origin: Provenance) -> dict[str, str]:
    """Return what the headers of all files of an expression say about it."""
    texts = {
        "embmerge.expression": entered.expression,
        "embmerge.tokens": json.dumps(origin.tokens),
        "embmerge.rows": origin.rows,
    }
    if origin.embeddings:
        texts["embmerge.embeddings"] = json.dumps(origin.embeddings, ensure_ascii=False)
    return texts


def _checkpoint_texts(model: TextModel, record: Mapping[str, str]) -> dict[str, str]:
    if model.is_demonstration:
        return {"embmerge.checkpoint": DEMONSTRATION}
    known = {f"embmerge.checkpoint_{key}": value for key, value in record.items() if key != "name"}
    return {"embmerge.checkpoint": record.get("name", model.title), **known}


def _large_numbers(value: Embedding) -> list[str]:
    largest = value.largest()
    if largest <= HALF_PRECISION_MAX:
        return []
    return [f"A number is {largest:.4g}; models in half precision, which ends at 65,504, cannot use it."]


def _zero_vectors(value: Embedding) -> list[str]:
    """Warn where nothing is left; single zero vectors are made on purpose, to fill up a length."""
    return [ALL_ZERO] if are_zero(value.values()) else []


@dataclass
class _FolderNames:
    """The embeddings of a folder by name: listed again only where somebody else has changed it since."""

    folder: Path
    names: KnownNames = field(default_factory=KnownNames)
    changed: int | None = None

    def read(self) -> KnownNames:
        """Return the names that are there now."""
        now = time_of_change(self.folder)
        if self.changed is None or now != self.changed:
            paths = list_folder(self.folder)
            self.names = KnownNames(path.stem for path in paths if path.suffix.lower() in EXTENSIONS)
            self.changed = now
        return self.names

    def add(self, name: str) -> None:
        """Take in a file that this process has just written."""
        self.names.add(name)
        self.changed = time_of_change(self.folder)


@lru_cache(maxsize=64)
def _folder_names(folder: Path) -> _FolderNames:
    return _FolderNames(folder)
