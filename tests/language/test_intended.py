"""What a text without right quotes or brackets was meant to be: offered, and never more than offered."""

from __future__ import annotations

import pytest

from lib_embmerge.entered import read_expression
from lib_embmerge.errors import SyntaxProblem
from lib_embmerge.language import Brackets, find_decimal_commas, find_intended, guess_intended, parse

# fmt: off
MEANT = [
    ("cat - adult", "'cat' - 'adult'"),
    ("  cat - adult + child ", "'cat' - 'adult' + 'child'"),
    ("cat - 'adult'", "'cat' - 'adult'"),
    ("red*0.3 + blue*0.7", "'red'*0.3 + 'blue'*0.7"),
    ("red×0.3 − blue", "'red'*0.3 - 'blue'"),
    ("16-bit cat + dog", "'16-bit cat' + 'dog'"),
    ("2 cats - 1 dog", "'2 cats' - '1 dog'"),
    ("cat*2L + dog", "'cat'*2L + 'dog'"),
    ("don't + won't", "'don''t' + 'won''t'"),
    ("‘cat’ - ‘adult’", "'cat' - 'adult'"),
    ("“it's” + “he's”", "'it''s' + 'he''s'"),
    ("„Katze“ – „Hund“", "'Katze' - 'Hund'"),
    ("`cat`", "'cat'"),
    ("‘cat' - 'adult’", "'cat' - 'adult'"),
    ("‹'cat' - 'adult'›", "'cat' - 'adult'"),
    ("‹cat - adult›", "'cat' - 'adult'"),
    ("‹cat› - ‹adult›", "'cat' - 'adult'"),
    ("⟨‘cat’⟩", "'cat'"),
]
WORDS = [
    "", "cat", "a photo of a cat", "a well-known cat, sitting", "cat, dog", "masterpiece, best quality -", "- cat",
    "C++", "(cat:1.2) + (dog:1.3)", "[cat:dog:0.5]", "don’t", "an x^2 + y", "a cat BREAK a dog", "3 - 2", "cat = dog",
    "<lora:a-b:1>", "'cat' - 'adult'", "a" * 401 + " + b",
]
# fmt: on


@pytest.mark.parametrize(("text", "meant"), MEANT, ids=[row[0] for row in MEANT])
def test_an_expression_is_guessed(text: str, meant: str) -> None:
    error = guess_intended(text)
    assert error is not None
    assert error.alternatives == (meant,)
    assert error.span is not None
    assert text[error.span.start : error.span.end] == text.strip()
    parse(meant)
    with pytest.raises(SyntaxProblem) as caught:
        read_expression(text)
    assert caught.value.alternatives == (meant,)
    assert caught.value.sentence.endswith(f"Did you mean {meant}?")


@pytest.mark.parametrize("text", WORDS, ids=[text[:30] or "empty" for text in WORDS])
def test_words_stay_words(text: str) -> None:
    assert guess_intended(text) is None


def test_what_is_wrong_is_named() -> None:
    texts = ("a + b", "‘a’", "“a” + ‘b’", "‹a + b›")
    assert {text: error.message for text in texts if (error := guess_intended(text))} == {
        "a + b": "The words of an expression must be quoted.",
        "‘a’": "‘ and ’ are not quotes here.",
        "“a” + ‘b’": "“”‘’ are not quotes here.",
        "‹a + b›": "‹ and › are not the brackets < and >.",
    }


# fmt: off
PROMPTS = [
    ("a photo of <cat - adult>, x", ["<'cat' - 'adult'>"]),
    ("a ‹'cat' - 'adult'› b", ["<'cat' - 'adult'>"]),
    ("<‘cat’ - ‘adult’> and {“cat”}", ["<'cat' - 'adult'>", "<'cat'>"]),
    ("<'cat'> <cat + dog>", ["<'cat' + 'dog'>"]),
    ("<lora:a-b:1> <3 <(^_^)> <cat> {a|b} {a - b} <'a - b'>", []),
    ("\\<cat - adult>", []),
    ("<cat - adult> <'open", []),
    ("a cat", []),
]
# fmt: on


@pytest.mark.parametrize(("prompt", "meant"), PROMPTS, ids=[row[0] for row in PROMPTS])
def test_a_prompt_s_text_is_guessed(prompt: str, meant: list[str]) -> None:
    assert [alternative for error in find_intended(prompt) for alternative in error.alternatives] == meant


def test_brackets_that_are_off_are_not_offered() -> None:
    assert find_intended("<a + b>", Brackets.CURLY) == []
    assert find_intended("<a + b>", Brackets.ANGLE) != []


# fmt: off
COMMAS = [
    ("'red'*0,3", ["0,3"]),
    ("'red' * 0,333 + 'blue'*1,5", ["0,333", "1,5"]),
    ("'a'/2,5", ["2,5"]),
    ("'a'*2,256", []),
    ("'a', 256", []),
    ("'a * 0,3'", []),
    ("lerp('a','b'*2,0.5)", []),
    ("'a'*2, 5", []),
]
# fmt: on


@pytest.mark.parametrize(("text", "numbers"), COMMAS, ids=[row[0] for row in COMMAS])
def test_a_decimal_comma_is_found(text: str, numbers: list[str]) -> None:
    assert [text[span.start : span.end] for span in find_decimal_commas(text)] == numbers
