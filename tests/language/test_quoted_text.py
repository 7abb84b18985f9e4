"""What a quoted text makes plain."""

from __future__ import annotations

import pytest

from lib_embmerge.language import plain_text_warnings
from lib_embmerge.prompt_rules import PromptRules

WARNED = [
    ("a (cat:1.2)", "(cat:1.2) is plain text"),
    ("((a))", "(a) is plain text"),
    ("[cat:dog:0.5]", "[cat:dog:0.5] is plain text"),
    ("cat AND dog", "AND is a plain word"),
    ("cat BREAK dog", "BREAK is a plain word"),
    ("<lora:x:1> cat", "<lora:x:1> is plain text"),
    ("<hypernet:x>", "<hypernet:x> is plain text"),
    ("(" + "x" * 99 + ")", "(" + "x" * 38 + "… is plain text"),
]


@pytest.mark.parametrize(("text", "beginning"), WARNED, ids=[text[:30] for text, _ in WARNED])
def test_warns(text: str, beginning: str) -> None:
    (sentence,) = plain_text_warnings(text)
    assert sentence.startswith(beginning)


@pytest.mark.parametrize(
    "text", ["", "cat", "and BREAKFAST", "a ( b", "a ) ( b", "[", "<3", "a < b: c", "AND_1", "it's"]
)
def test_says_nothing(text: str) -> None:
    assert plain_text_warnings(text) == []


def test_says_nothing_of_syntax_that_means_nothing_in_the_program() -> None:
    (sentence,) = plain_text_warnings("(a) [b] AND c BREAK <lora:a:1>", PromptRules("embedding:", ("weights",)))
    assert sentence.startswith("(a) is plain text inside quotes, not a weight")


def test_warns_once_for_each_kind() -> None:
    assert len(plain_text_warnings("(a) (b) [c] [d] AND AND BREAK <lora:a:1>")) == 5
