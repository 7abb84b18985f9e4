"""`embmerge`, also `python -m lib_embmerge`: the command line over checkpoint files."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from .frontends import cli

__all__ = ["main", "run"]

FEWER_COLLECTIONS = 100_000
"""New objects between two searches for garbage; Python's own 700 cost a seventh of torch's import."""


def run() -> int:
    """Run the command line as a process of its own; return its exit status.

    What torch's import leaves is not searched for garbage again at the end: a quarter of the time of a short command.
    """
    gc.set_threshold(FEWER_COLLECTIONS)
    try:
        return main()
    finally:
        gc.freeze()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    return cli.run_command(sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(run())
