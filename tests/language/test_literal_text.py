"""The words that an encoder without embeddings gets."""

from __future__ import annotations

import pytest

from lib_embmerge.language import literal_text, parse

WORDS = [
    ("'cat'", "cat"),
    ("'cat' - 'adult' + 'child'", "cat child"),
    ("'a' - ('b' - 'c')", "a c"),
    ("-('a' - 'b')", "b"),
    ("--'a'", "a"),
    ("'a', 'b', 256, 00", "a b"),
    ("'a'*0 + 'b'", "b"),
    ("'a'*-1 - 'b'*-2", "b"),
    ("'a'/-2, 'b'", "b"),
    ("'a'*0L + 'b'*-1G", "a b"),
    ("'a'+'b' =*0 + 'c'", "c"),
    ("'a':0 + 'b':1", "b"),
    ("'a':+1", "a"),
    ("'a'[0], 'b'[0:0], 'c'", "c"),
    ("'a', ('b'[0:0]), 'c'", "a c"),
    ("'a' + 'b'[:0] + 'c'[3:1] + 'd'[-1:-3] + 'e'[-3:1]", "a e"),
    ("'a b'[1:3] + 'c'[2:1] + 'd'[1:1]", "a b"),
    ("'a'[1:-1] + 'b'[-1:2] + 'c'[-2:-1] + 'd'[-1:-1]", "a b c"),
    ("'a'[2:] + 'b'[-2:]", "a b"),
    ("'a b'[1:3] + 'c d'[2:-1] + 'e f'[-1:2] + 'g'[1:]", "a b c d e f g"),
    ("'a'*2 + 'b'/2 + 'c'*0.5L", "a b c"),
    ("repeat('a', 0) + repeat('b', 3)", "b"),
    ("repeat('a', 1) + 'b':1 + 'c':0", "a b"),
    ("normalize('a', 'b')", "a"),
    ("remove('a', 'b') + project('c', 'd')", "a c"),
    ("lerp('a', 'b', 0.5), mean('c', 'd')", "a b c d"),
    ("emb('my style') + text('cat')", "my style cat"),
    ("token(5) + random(2, 7)", ""),
    ("'a'@x", "a"),
    ("clip_l('cat') + clip_g('kitten')", "cat kitten"),
    ("'' + ' '", ""),
]


@pytest.mark.parametrize(("text", "words"), WORDS, ids=[text for text, _ in WORDS])
def test_words(text: str, words: str) -> None:
    assert literal_text(parse(text)) == words
