"""`embmerge completion`: a script with which a shell completes commands, options and paths."""

from __future__ import annotations

import argparse
import sys

from ...errors import EmbeddingMergeError
from .arguments import build_whole_parser
from .report import Report

__all__ = ["write_completion"]

FILES = ("FILE", "LIST-FILE", "CHECKPOINT", "EXPRESSION-OR-FILE")
FOLDERS = ("DIR",)
"""How help calls an argument that is a path."""


def write_completion(options: argparse.Namespace) -> Report:
    """Return the script for a shell.

    Raises: EmbeddingMergeError where shtab, which nothing else needs, is not installed.
    """
    try:
        from shtab import DIRECTORY, FILE, SUPPORTED_SHELLS, __version__, complete
    except ImportError:
        raise EmbeddingMergeError(
            "The script is written by shtab, which is not installed.",
            suggestion=f"Install it with: {sys.executable} -m pip install shtab",
        ) from None
    if options.shell not in SUPPORTED_SHELLS:
        raise EmbeddingMergeError(
            f"shtab {__version__} writes no script for {options.shell}.",
            suggestion=f"Get a newer one: {sys.executable} -m pip install --upgrade shtab",
        )
    parser = build_whole_parser()
    for action in _all_actions(parser):
        if action.metavar in FILES:
            action.complete = FILE  # type: ignore[attr-defined]
        elif action.metavar in FOLDERS:
            action.complete = DIRECTORY  # type: ignore[attr-defined]
    script = complete(parser, options.shell)
    return Report({"shell": options.shell, "script": script}, script.rstrip("\n").split("\n"))


def _all_actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    found = []
    for action in parser._actions:
        found.append(action)
        if isinstance(action, argparse._SubParsersAction):
            found += [inner for one in action.choices.values() for inner in _all_actions(one)]
    return found
