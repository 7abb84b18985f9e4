"""What someone who types has not written to its end, told from what is wrong at its place."""

from __future__ import annotations

import pytest

from lib_embmerge.language import is_unfinished, parse
from lib_embmerge.operations import OPERATIONS

UNFINISHED = (
    "", "'", '"', "'ca", "'cat' -", "'cat' - 2", "lerp('cat',", "'a' + ler",
    "'a' * 1e", "2*'a' - .", "'a'[0:", "'it''",
)
WRONG = (
    "'cat' 'adult", "'cat' adult", "'it's", "'a' + adult", "'a')", "'a' * 'b'",
    "'a' ** ", "'a' + * ", "lerp)", "'a' + ]",
)


@pytest.mark.parametrize("text", UNFINISHED)
def test_what_more_could_make_right(text: str) -> None:
    assert is_unfinished(text)


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_at_its_place(text: str) -> None:
    assert not is_unfinished(text)


@pytest.mark.parametrize("text", [operation.example for operation in OPERATIONS.values()])
def test_every_state_of_typing_an_example(text: str) -> None:
    parse(text)
    assert [text[:end] for end in range(1, len(text) + 1) if not is_unfinished(text[:end])] == []
