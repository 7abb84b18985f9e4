"""What can be looked at: an expression, a file of the embeddings folder, or an uploaded one."""

from __future__ import annotations

import os
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...entered import read_expression
from ...errors import EmbeddingMergeError, ExpressionError, FileError, ShapeMismatch, UnsupportedHost
from ...files.installed_embeddings import EmbeddingFolder
from ...files.names import check_name, folder_below
from ...files.paths import is_file
from ...host_protocol import PageHost, TextModel
from ..source import Computed, Source, compute_source, read_stored
from .question import Question

__all__ = [
    "KINDS",
    "LOADED",
    "Choice",
    "find_file",
    "list_checkpoints",
    "list_files",
    "loaded_model",
    "model_for",
    "open_checkpoint_named",
    "open_choice",
    "read_box",
]

EXPRESSION, FILE, UPLOAD = KINDS = ("an expression", "a file in the folder", "an upload")
"""What can be looked at, in the page's words."""

LOADED = "the loaded checkpoint"
"""The choice that names no checkpoint."""


@dataclass(frozen=True)
class Choice:
    """What a person has chosen: the kind, and a value for each kind, of which only the kind's own counts.

    `file` is a path below the embeddings folder, `a/b.safetensors`; `uploads` are paths that gradio gave.
    """

    kind: str
    expression: str = ""
    checkpoint: str = LOADED
    file: str = ""
    uploads: Sequence[str] = ()

    @property
    def is_expression(self) -> bool:
        """Whether an expression is to be looked at."""
        return self.kind not in (FILE, UPLOAD)

    @property
    def is_made(self) -> bool:
        """Whether anything was chosen or written."""
        return self.is_file or (self.is_expression and bool(self.expression.strip()))

    @property
    def is_file(self) -> bool:
        """Whether a file is to be looked at, and there is one."""
        return bool(self.file) if self.kind == FILE else self.kind == UPLOAD and bool(self.uploads)


def list_files(host: PageHost) -> list[str]:
    """Return the embedding files in the folder and below it, as paths relative to it with `/`, sorted."""
    root = host.embeddings_folder
    found = EmbeddingFolder(root).paths()
    relative = (Path(os.path.relpath(path, root)).as_posix() for paths in found.values() for path in paths)
    return sorted(filter(_is_text, relative), key=lambda path: (path.count("/"), path.casefold()))


def list_checkpoints(host: PageHost) -> list[str]:
    """Return what an expression can be computed with: the loaded checkpoint first."""
    return [LOADED, *filter(_is_text, host.checkpoint_names())]


def find_file(host: PageHost, relative: str, listed: Container[str] | None = None) -> Path:
    """Return the path of a file that was chosen from the list, or typed; a link in the list may lead out of the folder.

    `listed` is what `list_files` gave, where many files are to be found.
    Raises: NameProblem where it leaves the folder in any other way; FileError where nothing was chosen.
    """
    root = host.embeddings_folder
    if not relative.strip():
        raise FileError("No file is chosen.", suggestion="Choose one from the list.")
    if relative in (list_files(host) if listed is None else listed):
        return root.joinpath(*relative.split("/"))
    folder, _, name = relative.rpartition("/")
    check_name(name, extension="")
    path = folder_below(root, folder) / name
    if not is_file(path):
        raise FileError(f"There is no file {relative} in the embeddings folder.", suggestion="Refresh the list.")
    if path.is_symlink():
        raise FileError(f"{relative} is a link, and no embedding file of the list.")
    return path


def open_choice(choice: Choice, host: PageHost) -> Source:
    """Open what was chosen; for an expression the model is loaded where none is.

    Raises: ExpressionError in the expression, FileError for a file that cannot be read, and as `load_text_model`.
    """
    if choice.kind == FILE:
        return read_stored(find_file(host, choice.file), is_installed=True)
    if choice.kind == UPLOAD:
        if not choice.uploads:
            raise FileError("No file is uploaded.", suggestion="Drop one into the field, or click on it.")
        return read_stored(Path(choice.uploads[0]))
    if not choice.expression.strip():
        raise EmbeddingMergeError("There is no expression.", suggestion="Write one, for example 'cat' - 'adult'.")
    model = _model_of(choice, host)
    return compute_source(read_expression(choice.expression, limits=host.limits), model)


def read_box(question: Question, host: PageHost) -> Computed | None:
    """Compute the expression in the field `text` for the folds below it; None without a text or a loaded model.

    Raises: EmbeddingMergeError for a mistake, for a prompt that is more than one expression, and for no vectors.
    """
    text = question.text("text")
    model = host.loaded_text_model()
    if model is None or not text.strip():
        return None
    found = compute_source(read_expression(text, limits=host.limits), model)
    if found.vectors.is_empty():
        raise ExpressionError("This has no vectors.")
    return found


def loaded_model(host: PageHost) -> TextModel | None:
    """Return the model in memory; None where there is none that takes embeddings: a file is read without it."""
    try:
        return host.loaded_text_model()
    except UnsupportedHost:
        return None


def open_checkpoint_named(name: str, host: PageHost, loaded: TextModel) -> TextModel:
    """Return the text model of a checkpoint of the list; a path is never opened.

    Raises: FileError where the list has none of that name; ShapeMismatch where it has no encoder of the loaded model.
    """
    if name not in host.checkpoint_names():
        raise FileError(f"There is no checkpoint {name} in the list.", suggestion="Refresh the list.")
    model = loaded.checkpoint(name)
    if not model.encoders:
        raise ShapeMismatch(
            f"{model.title} and the loaded checkpoint have no text encoder in common.",
            suggestion="Load a checkpoint of its family first.",
        )
    return model


def model_for(choice: Choice, host: PageHost) -> TextModel | None:
    """Return what a choice is computed with, or measured by; None where a file is looked at without a model.

    Raises: as `open_choice`.
    """
    return _model_of(choice, host) if choice.is_expression else loaded_model(host)


def _model_of(choice: Choice, host: PageHost) -> TextModel:
    loaded = host.load_text_model()
    return loaded if choice.checkpoint in ("", LOADED) else open_checkpoint_named(choice.checkpoint, host, loaded)


def _is_text(path: str) -> bool:
    """Return whether a name can be sent to a page: of one that is no UTF-8, Python makes lone surrogates."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
