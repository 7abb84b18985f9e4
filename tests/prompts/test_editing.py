"""The texts that a prompt is over 20 steps of a picture, as AUTOMATIC1111 1.10.1's own parser gives them."""

from __future__ import annotations

import pytest

from lib_embmerge.prompts.editing import texts_over_steps


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("a cat", ["a cat"]),
        ("a [cat] (dog:1.2)", ["a [cat] (dog:1.2)"]),
        ("a [b:3]", ["a ", "a b"]),
        ("a [b: 3 ]", ["a ", "a b"]),
        ("a [b::3]", ["a b", "a "]),
        ("a [[[b]]:2]", ["a ", "a [[b]]"]),
        ("[(a:2):3]", ["", "(a:2)"]),
        ("a [b : c : 1] d", ["a b  d", "a  c  d"]),
        ("a[b:[c:d:2]:1]e", ["abe", "ace", "ade"]),
        ("a [b:.5] c", ["a  c", "a b c"]),
        ("a [b:1.5] c", ["a  c"]),
        ("a [b:0] c", ["a b c"]),
        ("a [b:c:-1]", ["a c"]),
        ("a [b:c:30]", ["a b"]),
        ("[a|(b:1.1)]", ["a", "(b:1.1)"]),
        ("[fe|]male", ["female", "male"]),
        ("[a|b|c] [d|e]", ["a d", "b e", "c d", "a e", "b d", "c e"]),
        ("[a|[b:c:10]]", ["a", "b", "c"]),
        ("a [unbalanced", ["a [unbalanced"]),
        ("((a][:b:c [d:3]", ["((a][:b:c ", "((a][:b:c d"]),
        ("a [b:c] d", ["a [b:c] d"]),
        ("a | b [c:3]", ["a | b [c:3]"]),
        (r"a \[b:c:3\]", [r"a \[b:c:3\]"]),
        (r"[a\|b:c:3]", [r"a\|b", "c"]),
        ("[:1.2):3]", ["[:1.2):3]"]),
        ("a [b:3] \\", ["a [b:3] \\"]),
    ],
)
def test_texts(prompt: str, texts: list[str]) -> None:
    assert texts_over_steps(prompt) == texts


def test_deep_and_long_prompts_are_themselves_or_quick() -> None:
    assert texts_over_steps("[" * 20_000) == ["[" * 20_000]
    assert texts_over_steps("[" * 5000 + "a:b:3" + "]" * 5000) == ["[" * 5000 + "a:b:3" + "]" * 5000]
    many = "[a:b:3]" * 2000
    assert texts_over_steps(many) == ["a" * 2000, "b" * 2000]
