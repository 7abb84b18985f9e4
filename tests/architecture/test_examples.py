"""The examples in docstrings and in the documents give what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROMPT = ">>> "
MODULES = [p for p in sorted((ROOT / "lib_embmerge").rglob("*.py")) if PROMPT in p.read_text(encoding="utf-8")]
DOCUMENTS = [
    p for p in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]) if PROMPT in p.read_text(encoding="utf-8")
]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_of_a_module(path: Path) -> None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    module = importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    found = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 0
    assert found.failed == 0


def test_of_the_documents(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # some write files
    for path in DOCUMENTS:
        found = doctest.testfile(str(path), module_relative=False, optionflags=doctest.ELLIPSIS, encoding="utf-8")
        assert (found.failed, found.attempted > 0) == (0, True), name_of(path)


def test_a_wrong_example_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "wrong.md"
    path.write_text("    >>> 1 + 1\n    3\n", encoding="utf-8")
    assert doctest.testfile(str(path), module_relative=False, verbose=False).failed == 1
