"""`embmerge`, also `python -m lib_embmerge`: the command line over checkpoint files."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .frontends import cli

if TYPE_CHECKING:
    from .frontends.cli.inputs import FileModel

__all__ = ["main", "run"]

FEWER_COLLECTIONS = 100_000
"""New objects between two searches for garbage; Python's own 700 cost a seventh of torch's import."""


def run() -> int:
    """Run the command line as a process of its own; give its exit status.

    What torch's import leaves is not searched for garbage again at the end: a quarter of the time of a short command.
    """
    gc.set_threshold(FEWER_COLLECTIONS)
    try:
        return main()
    finally:
        gc.freeze()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give its exit status."""
    return cli.main(sys.argv[1:] if arguments is None else arguments, _open_model)


def _open_model(checkpoint: Path | None, *, embeddings: Path | None, checkpoints: Path | None) -> FileModel:
    # Imported here because it brings torch, which --help and two files' comparison must not wait for.
    from .hosts.standalone import open_model

    return open_model(checkpoint, embeddings=embeddings, checkpoints=checkpoints)


if __name__ == "__main__":
    sys.exit(run())
