"""How a mistake is shown: the line, the carets, the sentence."""

from __future__ import annotations

import pytest

from lib_embmerge import errors
from lib_embmerge.errors import (
    EmbeddingMergeError,
    ExpressionError,
    FileError,
    Span,
    SyntaxProblem,
    closest_names,
    did_you_mean,
    draw_caret,
    printable,
)

DRAWN = [
    ("one character", "'a' + * 'b'", Span(6, 7), "'a' + * 'b'\n      ^"),
    ("a stretch", "abc def", Span(4, 7), "abc def\n    ^^^"),
    ("the start", "abc", Span(0, 1), "abc\n^"),
    ("behind the end", "abc", Span(3, 3), "abc\n   ^"),
    ("far behind the end", "abc", Span(9, 12), "abc\n   ^"),
    ("no length", "abc", Span(1, 1), "abc\n ^"),
    ("nothing", "", Span(0, 0), "\n^"),
    ("a tab before", "\ta + b", Span(3, 4), " a + b\n   ^"),
    ("a tab marked", "a\tb", Span(1, 2), "a b\n ^"),
    ("wide characters before", "'猫' + x", Span(6, 7), "'猫' + x\n       ^"),
    ("wide characters marked", "a 猫猫 b", Span(2, 4), "a 猫猫 b\n  ^^^^"),
    ("an emoji before", "🐱 x", Span(2, 3), "🐱 x\n   ^"),
    ("combining marks before", "e\u0301a\u0301 x", Span(5, 6), "e\u0301a\u0301 x\n   ^"),
    ("a combining mark marked", "a\u0301b", Span(0, 2), "a\u0301b\n^"),
    ("a variation selector before", "☀\ufe0f x", Span(3, 4), "☀\ufe0f x\n  ^"),
    ("right to left", "'שלום' + *", Span(9, 10), "'שלום' + *\n         ^"),
    ("a mark that turns the line", "'\u202ea\u202c' x", Span(6, 7), "'a' x\n    ^"),
    ("a control character", "a\0b\rc", Span(4, 5), "a b c\n    ^"),
    ("half a surrogate pair", "a\ud800b", Span(2, 3), "a\ufffdb\n  ^"),
    ("the first line", "ab\ncd", Span(1, 2), "ab\n ^"),
    ("a later line", "ab\ncd\nef", Span(4, 5), "cd\n ^"),
    ("the end of a line", "ab\ncd", Span(2, 3), "ab\n  ^"),
    ("over several lines", "ab\ncd", Span(1, 4), "ab\n ^"),
    ("a clipped start", "x" * 60 + "!", Span(60, 61), "…" + "x" * 40 + "!\n" + " " * 41 + "^"),
    ("a clipped end", "!" + "x" * 60, Span(0, 1), "!" + "x" * 40 + "…\n^"),
    ("just not clipped", "x" * 40 + "!" + "x" * 40, Span(40, 41), "x" * 40 + "!" + "x" * 40 + "\n" + " " * 40 + "^"),
    ("a clipped stretch", "x" * 200, Span(0, 200), "x" * 120 + "…\n" + "^" * 80),
]


@pytest.mark.parametrize(("source", "span", "drawn"), [row[1:] for row in DRAWN], ids=[row[0] for row in DRAWN])
def test_carets(source: str, span: Span, drawn: str) -> None:
    assert draw_caret(source, span) == drawn


def test_the_whole_message() -> None:
    error = SyntaxProblem("It is wrong.", source="a b", span=Span(2, 3), suggestion="Write c.")
    assert str(error) == "a b\n  ^\nIt is wrong. Write c."
    assert error.message == "It is wrong."


def test_without_a_place_only_the_sentence() -> None:
    assert str(EmbeddingMergeError("It is wrong.")) == "It is wrong."
    assert str(EmbeddingMergeError("It is wrong.", source="a", suggestion="Write c.")) == "It is wrong. Write c."


def test_placed_into_a_prompt() -> None:
    error = SyntaxProblem("It is wrong.", source="+*", span=Span(1, 2))
    assert error.located("a <+*>", 3) is error
    assert str(error) == "a <+*>\n    ^\nIt is wrong."


def test_spans() -> None:
    assert Span(1, 2).shifted(3) == Span(4, 5)
    assert Span(1, 2).to(Span(5, 7)) == Span(1, 7)


NAMES = ["lerp", "slerp", "mean", "sum", "pool", "remove", "random"]


@pytest.mark.parametrize(
    ("name", "close"),
    [("lurp", ["lerp", "slerp"]), ("meen", ["mean"]), ("RENDOM", ["random"]), ("xyz", [])],
)
def test_the_closest_names(name: str, close: list[str]) -> None:
    assert closest_names(name, NAMES) == close


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["a"], "Did you mean a?"),
        (["a", "b"], "Did you mean a or b?"),
        (["this or that", "b", "c"], "Did you mean this or that, b or c?"),
    ],
)
def test_did_you_mean(names: list[str], sentence: str) -> None:
    assert did_you_mean(names) == sentence


def test_at_most_three_names_are_offered() -> None:
    assert len(closest_names("cat", ["cat1", "cat2", "cat3", "cat4"])) == 3
    assert len(closest_names("cat", ["CAT", "Cat", "cAt", "caT"])) == 3


def test_alternatives_are_data_and_make_the_suggestion() -> None:
    error = SyntaxProblem("It is wrong.", source="a b", span=Span(2, 3), alternatives=["x or y", "z"])
    assert error.alternatives == ("x or y", "z")
    assert error.sentence == "It is wrong. Did you mean x or y or z?"
    assert str(error) == f"a b\n  ^\n{error.sentence}"
    assert EmbeddingMergeError("No.", suggestion="Do it.", alternatives=["a"]).suggestion == "Do it."


def test_every_error_of_an_expression_is_one_family() -> None:
    assert issubclass(SyntaxProblem, ExpressionError)
    assert issubclass(ExpressionError, EmbeddingMergeError)


def test_every_message_can_be_written_out() -> None:
    """Halves of surrogate pairs come in names that are no UTF-8, and through JSON."""
    half = "\ud83d"
    error = ExpressionError(f"No {half}.", source=f"a {half}", span=Span(0, 1), suggestion=f"Not {half}.")
    assert str(error).encode("utf-8").decode() == "a \N{REPLACEMENT CHARACTER}\n^\nNo \ufffd. Not \ufffd."
    assert str(ExpressionError("No.", alternatives=[half])).encode("utf-8") == "No. Did you mean \ufffd?".encode()
    error.suggestion = f"{half}!"
    assert error.sentence == "No \ufffd. \ufffd!"


def test_what_a_webui_shows_in_front_of_a_message_is_who_speaks() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__]
    tree = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, EmbeddingMergeError)]
    assert len(tree) > 10
    for kind in tree:
        error = kind("This is wrong.")
        assert f"{type(error).__name__}: {error}" == "Embedding merge: This is wrong."
        assert kind.__qualname__ != kind.__name__


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\rb\nc", r"a\rb\nc"),
        ("\x9b2J", r"\x9b2J"),
        ("a\u202egnp.x", r"a\u202egnp.x"),
        ("a\u2028b", r"a\u2028b"),
        ("a\tb", "a\tb"),
        ("Größe 猫 🐈‍⬛", "Größe 猫 🐈‍⬛"),
    ],
)
def test_a_name_does_not_steer_a_terminal(name: str, shown: str) -> None:
    error = FileError(f"There is no file {name}.", alternatives=[name])
    assert str(error) == f"There is no file {shown}. Did you mean {shown}?"
    assert printable(name) == shown
