"""Input that nobody means: unbalanced, deep, huge, and other extensions' syntax around and inside."""

# ruff: noqa: PT017, E501 - an error is one of two right outcomes

from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib_embmerge.errors import ExpressionError, LimitExceeded, SyntaxProblem
from lib_embmerge.language import (
    Apply,
    Text,
    find_islands,
    is_expression,
    literal_text,
    parse,
    plain_text_warnings,
    splice,
    walk,
    write,
)
from lib_embmerge.limits import Limits
from tests.examples import examples

from .huge_texts import huge_expressions, huge_plain_texts, huge_prompts

MANY = 2 * sys.getrecursionlimit()
HANGS = 60.0
"""Seconds of CPU time. This finds what never ends; how time grows is measured by benchmarks/growth.py."""

EXPRESSIONS = huge_expressions(MANY)


@pytest.mark.parametrize("text", EXPRESSIONS.values(), ids=list(EXPRESSIONS))
def test_huge_input_ends_and_without_recursion(text: str) -> None:
    started = time.process_time()
    try:
        tree = parse(text)
    except ExpressionError as error:
        assert len(str(error)) < 2_000
    else:
        assert parse(text) == tree
        assert hash(tree) == hash(parse(text))
        assert len(list(walk(tree))) >= 1
        literal_text(tree)
        if len(write(tree)) <= Limits().characters:
            assert parse(write(tree)) == tree
    assert time.process_time() - started < HANGS


PROMPTS = huge_prompts(MANY)


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=list(PROMPTS))
def test_huge_prompts_are_searched(prompt: str) -> None:
    started = time.process_time()
    try:
        islands = find_islands(prompt)
    except SyntaxProblem as error:
        assert len(str(error)) < 2_000
    else:
        splice(prompt, islands, ["EM"] * len(islands))
    is_expression(prompt[1:])
    plain_text_warnings(prompt)
    assert time.process_time() - started < HANGS


PLAIN = huge_plain_texts(50_000)


@pytest.mark.parametrize("text", PLAIN.values(), ids=list(PLAIN))
def test_warnings_about_a_huge_text_come(text: str) -> None:
    started = time.process_time()
    plain_text_warnings(text)
    assert time.process_time() - started < HANGS


def test_too_long() -> None:
    text = "'" + "x" * 16_383 + "'"
    with pytest.raises(LimitExceeded) as caught:
        parse(text)
    assert caught.value.message == "An expression may have 16,384 characters, this one has 16,385."
    assert parse(text[1:].replace("x", "'", 1)) == Text("x" * 16_382)


def test_a_limit_of_characters_can_be_set() -> None:
    with pytest.raises(LimitExceeded):
        parse("'abc'", limits=Limits(characters=4))


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("sum(", ")"), ("('b', ", ")"), ("-(", ")")])
def test_too_deep(opening: str, closing: str) -> None:
    parse(opening * 100 + "'a'" + closing * 100)
    with pytest.raises(LimitExceeded) as caught:
        parse(opening * 101 + "'a'" + closing * 101)
    assert caught.value.message == "Parentheses may be nested 100 deep."
    assert caught.value.span is not None
    assert caught.value.span.start == len(opening) * 100 + opening.index("(")


def test_parentheses_in_texts_and_side_by_side_are_not_deep() -> None:
    parse("'" + "(" * 200 + "' + \"" + "(" * 200 + '"')
    parse("+".join(["('a')"] * 200))


def test_no_recursion_with_little_stack() -> None:
    deep = "(" * 100 + "-" * 1_000 + "'a'" + "+'b'" * 500 + ")" * 100
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        tree = parse(deep)
        same = parse(deep) == tree
    finally:
        sys.setrecursionlimit(limit)
    assert same


@pytest.mark.parametrize(
    "inside",
    [
        "(cat:1.2)", "[cat:dog:0.5]", "[a|b]", "a AND b", "a BREAK b", "<lora:x:1>", "{a|b}", "__wild__",
        "${x=y}", "\\(a\\)", "#", "//", "/* */", "a\tb", "a\0b", "\u202eabc\u202c", "👨‍👩‍👧", "ﬁ", "&amp;", "don’t", "\ud800",
    ],
)  # fmt: skip
def test_anything_may_stand_in_a_text(inside: str) -> None:
    assert parse(f"'{inside}'") == Text(inside)
    prompt = f"before <'{inside}' * 2>:after"
    (island,) = find_islands(prompt)
    assert parse(island.text) == parse(f"'{inside}' * 2")
    assert splice(prompt, [island], ["EM"]) == "before EM :after"


ALPHABET = st.sampled_from(
    ["'a'", '"b"', "'", '"', "(", ")", "[", "]", "+", "-", "*", "/", ":", ",", "=", "@", "L", "G", "0", "00", "1", "2.5",
     "1e9", "x", "lerp(", "mean(", "repeat(", "token(", "\n", "\t", "\0", " ", "‘", "×", "<", ">", "{", "}", "\\", "é"]
)  # fmt: skip
JUNK = st.lists(ALPHABET, max_size=14).map("".join) | st.text(max_size=20)


@settings(max_examples=examples(1500), deadline=None)
@given(JUNK)
def test_whatever_is_written_gives_a_tree_or_an_error_with_its_place(text: str) -> None:
    try:
        tree = parse(text)
    except ExpressionError as error:
        assert error.source == text
        assert error.span is not None
        assert 0 <= error.span.start <= len(text)
        assert error.span.start <= error.span.end
        assert error.message.strip()
        str(error).encode()
    else:
        assert parse(write(tree)) == tree
        for node in walk(tree):
            assert 0 <= node.span.start < node.span.end <= len(text)
        if not isinstance(tree, Apply):
            assert text.strip()


@settings(max_examples=examples(800), deadline=None)
@given(JUNK)
def test_a_prompt_keeps_all_that_is_not_an_expression(prompt: str) -> None:
    try:
        islands = find_islands(prompt)
    except SyntaxProblem as error:
        assert error.span is not None
        assert prompt[error.span.start] in "<{"
        return
    spliced = splice(prompt, islands, ["" for _ in islands])
    if "\\" not in prompt:
        kept, position = "", 0
        for island in islands:
            kept += prompt[position : island.span.start] + " "
            position = island.span.end
        assert spliced == kept + prompt[position:]
