"""A fork may lack an option that its parent has: each is read with what the host does where there is none."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from .sources import nodes_of, text_of

PACKAGE = Path(__file__).resolve().parents[2] / "lib_embmerge"
SURE = {"add_option": "what adds ours", "embeddings_dir": "SD.Next's folder, without which it has no embeddings"}


def readings(source: str) -> Iterator[str]:
    """Yield the options that are read as attributes, `opts.NAME`."""
    for node in nodes_of(source):
        if isinstance(node, ast.Attribute) and getattr(node.value, "attr", getattr(node.value, "id", "")) == "opts":
            yield node.attr


def test_options_are_asked_for_with_what_holds_without() -> None:
    read = {str(path.relative_to(PACKAGE)): set(readings(text_of(path))) - set(SURE) for path in PACKAGE.rglob("*.py")}
    assert {path: options for path, options in read.items() if options} == {}


def test_a_reading_is_seen() -> None:
    assert list(readings("shared.opts.first, opts.second, getattr(opts, 'third', True), cmd_opts.fourth")) == [
        "first",
        "second",
    ]
