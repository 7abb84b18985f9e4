"""style.css and the templates speak of the same classes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STYLE = (ROOT / "style.css").read_text(encoding="utf-8")
TEMPLATES = sorted((ROOT / "lib_embmerge" / "frontends").rglob("*.html"))
SOURCES = [*(ROOT / "lib_embmerge" / "frontends").rglob("*.py"), *(ROOT / "javascript").glob("*.js"), *TEMPLATES]

ENOUGH = 4
"""Templates from which a class without a rule is one that was forgotten: what is alike everywhere has a look."""


def written(path: Path) -> set[str]:
    """Give the classes that a template writes; of one that ends in a value, the beginning."""
    attributes = re.findall(r'class="([^"]*)"', path.read_text(encoding="utf-8"))
    return set(re.findall(r"(?<![\w-])embmerge-[a-z-]+", " ".join(attributes)))


def styled() -> set[str]:
    return set(re.findall(r"\.(embmerge-[a-z]+(?:-[a-z0-9]+)*)", STYLE))


def test_what_many_templates_write_has_a_rule() -> None:
    used: dict[str, int] = {}
    for path in TEMPLATES:
        for name in written(path):
            used[name] = used.get(name, 0) + 1
    often = {name for name, number in used.items() if number >= ENOUGH}
    known = styled()
    assert {name for name in often if name not in known and not any(k.startswith(name) for k in known)} == set()
    assert "embmerge-warning" in known


def test_every_rule_is_for_something() -> None:
    """A rule's class stands in a template, in Python or in javascript; of `embmerge-colour-3` the part before it."""
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES)
    unused = {name for name in styled() if name not in text and re.sub(r"-[a-z0-9]+$", "-", name) not in text}
    assert unused == set()


def test_an_id_is_of_one_element() -> None:
    """The page is one, in a WebUI and in the app: a rule for an element of one hides what has its name in the other."""
    written = [name for path in SOURCES for name in re.findall(r'elem_id="(\w+)"', path.read_text(encoding="utf-8"))]
    assert {name for name in written if written.count(name) > 1} == set()
    assert "embmerge_expression" in written


@pytest.mark.parametrize("path", sorted((ROOT / "javascript").glob("*.js")), ids=lambda path: path.name)
def test_no_selector_names_the_same_twice(path: Path) -> None:
    """In a list of selectors, `a, b`, with an id in place of each value that is put in."""
    source = path.read_text(encoding="utf-8")
    for selectors in re.findall(r"(?:closest|querySelector|querySelectorAll|matches)\(\s*[`\"']([^`\"']+)", source):
        for example in ("txt2img_prompt", "txt2img_neg_prompt"):
            filled = re.sub(r"\$\{(\w+)(?:\.replace\(\"(\w+)\", \"\"\))?\}", _fill(example), selectors)
            parts = [part.strip() for part in filled.split(",")]
            assert len(parts) == len(set(parts)), selectors


def _fill(example: str):  # type: ignore[no-untyped-def]
    return lambda match: example.replace(match[2], "") if match[2] else example
