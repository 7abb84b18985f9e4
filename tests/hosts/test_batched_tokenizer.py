"""Texts that are tokenized together get the tokens that each gets alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_embmerge.hosts.encoders.batched_tokenizer import tokenize_together
from lib_embmerge.models.tokenizers import spell, tokenizer

TEXTS = {
    "words": ["cat", "adult", "child"],
    "phrases and digits": ["a photo of a cat", "dog 12", "4k", "cat"],
    "empty and blank": ["", " ", "cat", "  dog  "],
    "words of many tokens": ["antidisestablishmentarianism", "xqzw", "CaMeLcAsE"],
    "more than a line": [f"word {number} of many" for number in range(100)],
    "others between": ["cat", "don't", "dog", "caf\u00e9", "bird", "&amp;", "a,b"],
}


def ends_word(token: int) -> bool:
    return spell([token])[0].endswith(" ")


@pytest.mark.parametrize("encoder", ["clip_l", "clip_g"])
@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_the_tokens_are_those_of_each_alone(encoder: str, texts: list[str]) -> None:
    encode = tokenizer(encoder)
    assert tokenize_together(lambda many: [encode(t) for t in many], ends_word, texts) == [encode(t) for t in texts]


@given(st.lists(st.text(alphabet="abcXYZ019 '-", max_size=12), max_size=12))
def test_any_texts(texts: list[str]) -> None:
    encode = tokenizer("clip_l")
    assert tokenize_together(lambda many: [encode(t) for t in many], ends_word, texts) == [encode(t) for t in texts]


def test_few_calls() -> None:
    calls: list[int] = []
    encode = tokenizer("clip_l")

    def counted(many: list[str]) -> list[list[int]]:
        calls.append(len(many))
        return [encode(text) for text in many]

    tokenize_together(counted, ends_word, ["cat", "dog", "bird"] * 10)
    assert calls == [1]


def test_a_tokenizer_that_cuts_words_otherwise() -> None:
    def letters(many: Sequence[str]) -> list[list[int]]:
        return [[ord(c) for c in text] for text in many]

    assert tokenize_together(letters, lambda _: True, ["cat", "dog"]) == letters(["cat", "dog"])
