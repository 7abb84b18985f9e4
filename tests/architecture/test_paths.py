"""The system is asked about paths in one place, which turns its failures into sentences."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from .sources import nodes_of, text_of

PACKAGE = Path(__file__).resolve().parents[2] / "lib_embmerge"
PLACE = PACKAGE / "files" / "paths.py"
ASKING = frozenset(["exists", "is_file", "is_dir", "expanduser", "iterdir", "glob", "rglob", "mkdir", "resolve"])
"""Methods of a path that fail as the system does."""
ASKING_OS = frozenset(["walk", "listdir", "scandir", "makedirs", "stat"])
OWN_FILES = {"frontends/assets.py"}
"""Modules that look for files of embmerge's own."""


def questions(source: str) -> Iterator[int]:
    """Yield the lines that ask the system about a path."""
    for node in nodes_of(source):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_os = isinstance(node.func.value, ast.Name) and node.func.value.id == "os"
            if node.func.attr in (ASKING_OS if of_os else ASKING):
                yield node.lineno


def test_paths_are_asked_about_in_one_place() -> None:
    others = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py")) if path != PLACE}
    asking = {name: list(questions(text_of(path))) for name, path in others.items() if name not in OWN_FILES}
    assert {name: lines for name, lines in asking.items() if lines} == {}


def test_a_question_is_seen() -> None:
    assert list(questions("import os\np.exists()\nos.walk(p)\nexists(p)\nregex.walk(p)\nPath(p).expanduser()")) == [
        2,
        3,
        6,
    ]
