"""What is said to people is drawn from data, and no code decides by the words of it."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .sources import nodes_of, text_of

ROOT = Path(__file__).resolve().parents[2]
PYTHON = [*sorted((ROOT / "lib_embmerge").rglob("*.py")), *sorted((ROOT / "scripts").glob("*.py"))]
JAVASCRIPT = sorted((ROOT / "javascript").glob("*.js"))

SENTENCES = {"message", "suggestion", "sentence", "excerpt", "reason", "verdict"}
"""Attributes and variables that hold what is said to people."""

QUESTIONS = {
    *("startswith", "endswith", "find", "rfind", "index", "count", "split", "rsplit", "splitlines", "partition"),
    *("rpartition", "removeprefix", "removesuffix", "strip", "isdigit"),
}
"""What asks a text for its words, or takes it apart."""

PATTERNS = {"search", "match", "fullmatch", "findall", "finditer", "split", "sub", "subn"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_said(node: ast.AST, caught: set[str]) -> bool:
    """Say whether a value is a sentence: `error.message`, or `str(error)` of an exception that was caught."""
    if isinstance(node, ast.BoolOp):
        return any(is_said(value, caught) for value in node.values)
    if isinstance(node, (ast.Attribute, ast.Name)):
        return (node.attr if isinstance(node, ast.Attribute) else node.id) in SENTENCES
    is_text = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("str", "repr")
    return is_text and any(isinstance(a, ast.Name) and a.id in caught for a in node.args)  # type: ignore[attr-defined]


def decisions(source: str) -> Iterator[int]:
    """Yield the lines that compare a sentence, search it, take it apart, or look something up by it."""
    nodes = nodes_of(source)
    caught = {n.name for n in nodes if isinstance(n, ast.ExceptHandler) and n.name} | {"error", "problem"}
    for node in nodes:
        parts: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            others = [node.left, *node.comparators]
            if not any(isinstance(other, ast.Constant) and other.value is None for other in others):
                parts = list(others)
        elif isinstance(node, ast.Subscript):
            parts = [node.value if isinstance(node.slice, ast.Slice) else node.slice]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in QUESTIONS:
                parts = [node.func.value]
            if node.func.attr in PATTERNS | {"get"}:
                parts += node.args
        if any(is_said(part, caught) for part in parts):
            yield node.lineno  # type: ignore[attr-defined]


def test_no_code_decides_by_a_sentence() -> None:
    assert [f"{name_of(path)}:{line}" for path in PYTHON for line in decisions(text_of(path))] == []


DECIDING = [
    "if 'exists' in error.message: pass",
    "if remark.sentence == 'Equal.': pass",
    "error.message.startswith('There is no')",
    "error.suggestion.split(' or ')",
    "re.search('mean (.*)', error.suggestion or '')",
    "PATTERN.sub('', error.sentence)",
    "try:\n    pass\nexcept OSError as e:\n    str(e).split(':')",
    "str(error).split('\\n')",
    "buttons[verdict.reason]",
    "buttons.get(remark.sentence)",
    "error.message[3:]",
    "for sentence in verdict.remarks:\n    if sentence.endswith('convert it.'): pass",
    "[sentence for sentence in said if sentence not in others]",
]


@pytest.mark.parametrize("source", DECIDING)
def test_a_decision_is_seen(source: str) -> None:
    assert list(decisions(source))


SHOWING = ["print(str(error))", "error.suggestion is None", "said = [error.message]", "a.split('b')"]


@pytest.mark.parametrize("source", SHOWING)
def test_showing_is_none(source: str) -> None:
    assert list(decisions(source)) == []


JS_DECISION = re.compile(
    r"(?:textContent|innerText|innerHTML)(?:\.trim\(\)|\.toLowerCase\(\))*"
    r"(?:\s*[!=]==\s*[\"'`]\w|\.(?:includes|startsWith|endsWith|match|search|indexOf|split|replace)\(\s*[\"'`/]\w)"
)


@pytest.mark.parametrize("path", JAVASCRIPT, ids=name_of)
def test_no_javascript_decides_by_a_sentence(path: Path) -> None:
    assert JS_DECISION.findall(path.read_text(encoding="utf-8")) == []


def test_a_decision_in_javascript_is_seen() -> None:
    assert JS_DECISION.search('if (slot.textContent.includes("exists already")) {')
    assert JS_DECISION.search('note.innerText === "Saved"')
    assert not JS_DECISION.search('slot.innerHTML.trim() === ""')


SENTENCE = re.compile(r"[A-Z{].* .*[.?!]$", re.DOTALL)
CLASS_NAME = re.compile(r"\b[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+\b")
TEMPLATES = sorted((ROOT / "lib_embmerge").rglob("*.html"))


def sentences_in(source: str) -> Iterator[str]:
    """Yield the texts of a module that are sentences, documentation left out, with `{}` for what is put into them."""
    ignored: set[int] = set()
    for node in nodes_of(source):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            ignored.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            ignored.update(id(value) for value in node.values)
            yield "".join(str(value.value) if isinstance(value, ast.Constant) else "{}" for value in node.values)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in ignored:
            yield node.value


PROGRAMS = {"ComfyUI", "WebUI"}
"""Names of classes that are names of programs, too."""


@functools.cache
def classes() -> set[str]:
    nodes = (node for path in PYTHON for node in nodes_of(text_of(path)))
    return {node.name for node in nodes if isinstance(node, ast.ClassDef)} - PROGRAMS


def test_no_sentence_names_a_class_or_asks_for_one() -> None:
    known = classes()
    for path in PYTHON:
        source = text_of(path)
        said = [text for text in sentences_in(source) if CLASS_NAME.search(text) and SENTENCE.match(text)]
        assert [text for text in said if known & set(CLASS_NAME.findall(text))] == [], name_of(path)
        shown = re.findall(r"\{[^{}]*(?:type\(\w+\)|__class__)\.__(?:name|qualname)__[^{}]*\}", source)
        assert shown == [], name_of(path)


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_no_template_names_a_class(path: Path) -> None:
    text = re.sub(r"\{[{%#].*?[}%#]\}|<[^>]*>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert classes() & set(CLASS_NAME.findall(text)) == set()


def test_a_sentence_that_names_a_class_is_seen() -> None:
    source = "raise FileError(f'{name} gave an UnsupportedHost here.')"
    [said] = [text for text in sentences_in(source) if SENTENCE.match(text)]
    assert CLASS_NAME.findall(said) == ["UnsupportedHost"]
