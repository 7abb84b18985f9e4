"""The syntax of a source text, read once for all the rules that look at it."""

from __future__ import annotations

import ast
import functools
from pathlib import Path


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def tree_of(source: str) -> ast.Module:
    return ast.parse(source)


@functools.cache
def nodes_of(source: str) -> tuple[ast.AST, ...]:
    """Give all nodes of a source text, those of the outermost statements first."""
    return tuple(ast.walk(tree_of(source)))
