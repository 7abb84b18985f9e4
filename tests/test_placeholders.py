"""Names of placeholders."""

from __future__ import annotations

import itertools
import re

import pytest

from lib_embmerge.models.tokenizers import tokenizer
from lib_embmerge.placeholders import (
    SPELLING,
    content_names,
    count_name,
    counted_vectors,
    find_names,
    put_words,
    spelled_ids,
)

SHAPE = re.compile(r"embm(?:[0-9][a-z]){5}")
MANY = [next(content_names([str(number).encode()])) for number in range(2000)]


def test_names_have_one_shape() -> None:
    assert all(SHAPE.fullmatch(name) for name in MANY)
    assert all(SHAPE.fullmatch(count_name(vectors)) for vectors in range(76))


def test_equal_contents_have_equal_names_and_others_other_names() -> None:
    one, other = content_names([b"a", b"b"]), content_names([b"a", b"b"])
    assert [next(one) for _ in range(5)] == [next(other) for _ in range(5)]
    assert len(set(MANY)) == len(MANY)


def test_no_name_comes_twice() -> None:
    names = list(itertools.islice(content_names([b"the same"]), 5000))
    assert len(set(names)) == 5000
    assert all(SHAPE.fullmatch(name) for name in names)
    assert not any(name.startswith("embm9z") for name in names)


def test_names_of_contents_and_of_counts_never_meet() -> None:
    assert not any(name.startswith("embm9z") for name in MANY)
    assert {counted_vectors(name) for name in MANY} == {None}


@pytest.mark.parametrize("vectors", [0, 1, 2, 25, 26, 75, 259, 260, 1024, 260**4 - 1])
def test_a_count_can_be_read_from_its_name(vectors: int) -> None:
    assert counted_vectors(count_name(vectors)) == vectors


@pytest.mark.parametrize("encoder", ["clip_l", "clip_g"])
def test_no_name_s_tokens_are_the_beginning_of_another_s(encoder: str) -> None:
    tokenize = tokenizer(encoder)
    tokens = [tuple(tokenize(name)) for name in [*MANY[:300], *map(count_name, range(76))]]
    assert len({len(ids) for ids in tokens}) == 1
    assert len(set(tokens)) == len(tokens)


@pytest.mark.parametrize("encoder", ["clip_l", "clip_g"])
def test_names_are_tokenized_alike_wherever_they_stand(encoder: str) -> None:
    tokenize = tokenizer(encoder)
    one, other = MANY[:2]
    for left, right in itertools.product(["", "a ", "(", "x, "], ["", " a", ")", ", x"]):
        ids = tokenize(left + one + right)
        inner = tokenize(one)
        assert any(ids[i : i + len(inner)] == inner for i in range(len(ids)))
    assert tokenize(f"{one} {other}") == tokenize(one) + tokenize(other)


ONE, OTHER = MANY[:2]

FOUND = {
    "none": ("a photo of a cat", []),
    "one alone": (ONE, [ONE]),
    "several in their order": (f"a {OTHER}, ({ONE}:1.2) {OTHER}", [OTHER, ONE, OTHER]),
    "one for counting": (f"a {count_name(3)}", [count_name(3)]),
    "a part of a longer word": (f"x{ONE} {ONE}x {ONE}1", []),
    "too short": (f"{ONE[:-2]} {ONE[:-1]}", []),
    "in upper case": (ONE.upper(), []),
    "the prefix alone": ("embm embmerge embmerging", []),
}


@pytest.mark.parametrize(("text", "names"), FOUND.values(), ids=FOUND.keys())
def test_names_are_found_in_a_text(text: str, names: list[str]) -> None:
    assert list(find_names(text)) == names


@pytest.mark.parametrize("encoder", ["clip_l", "clip_g"])
def test_a_name_s_tokens_are_put_together_from_its_parts(encoder: str) -> None:
    encode = tokenizer(encoder)
    parts = {part: encode(part) for part in SPELLING}
    for name in [*MANY[:50], count_name(0), count_name(75)]:
        assert spelled_ids(name, parts.__getitem__) == encode(name)


CAT, DOG = "embm0a0a0a0a0a", "embm1b1b1b1b1b"
WORDS_PUT = {
    f"a {CAT} on": "a cat on",
    CAT: "cat",
    f"{CAT} , {CAT} .": "cat, cat.",
    f"( {CAT} :1.3) [ {CAT} ]": "(cat:1.3) [cat]",
    f"{CAT}  ,": "cat  ,",
    f"a  {CAT} b": "a  cat b",
    f"x {DOG} , {CAT}": f"x {DOG} , cat",
    f"{CAT}x {CAT}": f"{CAT}x cat",
    "no name , here": "no name , here",
    "embm": "embm",
    "": "",
}


NO_WORDS_PUT = {
    f"a {CAT} b": "a b",
    f"a {CAT} , b": "a , b",
    f"a {CAT} {CAT} b": "a b",
    f"{CAT} b": " b",
    f"a {DOG} b": f"a {DOG} b",
}


@pytest.mark.parametrize(("text", "expected"), NO_WORDS_PUT.items())
def test_a_name_of_no_words_goes_with_the_blank_before_it(text: str, expected: str) -> None:
    assert put_words(text, {CAT: ""}) == expected


@pytest.mark.parametrize(("text", "expected"), WORDS_PUT.items())
def test_words_are_put_in_the_places_of_names(text: str, expected: str) -> None:
    assert put_words(text, {CAT: "cat"}) == expected
