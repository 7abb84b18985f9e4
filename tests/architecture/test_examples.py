"""Names that the documents show are names that nothing warns of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lib_embmerge.models.tokenizers import tokenizer

ROOT = Path(__file__).resolve().parents[2]
SHOWN = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "lib_embmerge" / "frontends" / "cli" / "help").glob("*.txt")),
    *sorted((ROOT / "lib_embmerge" / "frontends").rglob("*.html")),
    *sorted((ROOT / "lib_embmerge" / "frontends" / "tab").glob("*.py")),
]
SAVED = re.compile(r"embmerge save ([\w-]+) [\"']")
LINE = re.compile(r"(?:^ {4}|[\"`>;\n]|\\n)([\w-]+) *= (?:'|normalize\()", re.MULTILINE)


def shown_names(path: Path) -> set[str]:
    text = path.read_text(encoding="utf-8")
    return {name for pattern in (SAVED, LINE) for name in pattern.findall(text)}


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.name)
def test_no_name_that_is_shown_is_a_word_of_the_vocabulary(path: Path) -> None:
    names = shown_names(path)
    assert {name for name in names if len(tokenizer("clip_l")(name)) == 1} == set()


def test_the_names_are_found() -> None:
    assert {"young-cat", "young-dog", "old-car"} <= set().union(*map(shown_names, SHOWN))
