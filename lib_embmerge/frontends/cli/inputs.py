"""What the arguments of a command stand for."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import FileError, SyntaxProblem, shorten
from ...files.names import CONVERTIBLE
from ...files.paths import is_file, is_folder, kind_of
from ...language.typography import CURLY_QUOTES, QUOTES

if TYPE_CHECKING:
    from ...entered import Entered
    from ...limits import Limits
    from ...models.checkpoint import CheckpointModel

__all__ = ["find_named_file", "open_chosen_model", "read_source"]

def open_chosen_model(options: argparse.Namespace, checkpoint: Path | None = None) -> CheckpointModel:
    """Open the model that the options name, or that of the given checkpoint with the options' other folders."""
    if checkpoint is None and not isinstance(options.checkpoint, list):
        checkpoint = options.checkpoint
    for folder, option in ((options.embeddings, "--embeddings"), (options.checkpoints, "--checkpoints")):
        if folder is not None and not is_folder(folder):
            raise FileError(f"{option}: {folder} is not a folder.")
        if folder is not None and not os.access(folder, os.R_OK | os.X_OK):
            raise FileError(f"{option}: {folder} may not be read.")
    # Imported here because it brings torch, which --help and the comparison of two files must not wait for.
    from ...models import checkpoint as models

    return models.open_model(
        checkpoint,
        embeddings=options.embeddings,
        checkpoints=options.checkpoints,
        tokenizer=getattr(options, "tokenizer", None),
    )


def find_named_file(text: str, kind: str) -> Path | None:
    """Return the path that an argument is, None where no file is there or the options say that it is none."""
    if kind != "any":
        return None
    path = Path(text)
    return path if is_file(path) else None


def read_source(text: str, kind: str, limits: Limits) -> Entered:
    """Read an argument that is no file, so has to be an expression.

    Raises: as `read_expression`; FileError where the text looks like the path of a file that is not there.
    """
    from ...entered import is_prompt, read_expression

    if kind == "any" and is_prompt(text):
        found = kind_of(Path(text))
        if found is not None:  # and is no file, or `find_named_file` had found it
            raise FileError(f"{text} is {'a folder, not a file' if found == 'folder' else 'not a regular file'}.")
        if _looks_like_path(text):
            raise FileError(f"There is no file {text}.")
    try:
        return read_expression(text, kind=kind, limits=limits)  # type: ignore[arg-type]  # argparse knows its choices
    except SyntaxProblem as error:
        if not set(text) & {*QUOTES, *CURLY_QUOTES}:
            raise _without_quotes(text, error.alternatives) from None
        raise


def _without_quotes(text: str, meant: Sequence[str]) -> SyntaxProblem:
    """Return the error for a text without any quotes: a shell has taken them, or nobody has written them."""
    expression = meant[0] if meant else f"'{' '.join(text.split())}'"
    return SyntaxProblem(
        f"{shorten(text)} has no quotes around its words.",
        suggestion=f'A shell removes them; put double quotes around the whole: "{shorten(expression, 80)}".',
    )


def _looks_like_path(text: str) -> bool:
    return text.lower().endswith(CONVERTIBLE) or "/" in text.strip("/")
