"""Lists of `name = expression` and sweeps: which lines they are, and what is wrong with them."""

import pytest

from lib_embmerge.errors import EmbeddingMergeError, FileError, LimitExceeded, NameProblem, WrongArgument
from lib_embmerge.frontends.lists import Line, Sweep, read_lines, read_words

LISTS = [
    ("", []),
    ("\n  \n# a = 'cat'\n", []),
    ("a = 'cat'", [(1, "a", "'cat'")]),
    ("\n\na='cat'  \n b =  'dog'", [(3, "a", "'cat'"), (4, "b", "'dog'")]),
    ("a = text('1 = 2')", [(1, "a", "text('1 = 2')")]),  # the first = divides
    (" # a = 'cat'", [(1, "# a", "'cat'")]),  # a comment begins at the line's start
    ("no equals", [(1, None, "no equals")]),
    (" = 'cat'", [(1, "", "'cat'")]),
    ("a = 'cat'\r\nb = 'dog'\r", [(1, "a", "'cat'"), (2, "b", "'dog'")]),
]


@pytest.mark.parametrize(("text", "lines"), LISTS)
def test_a_list_is_read(text, lines):
    assert [(line.number, line.name, line.expression) for line in read_lines(text)] == lines


MISTAKES = [
    ("no equals", FileError, "The line has no ="),
    ("a = 'cat'\na = 'dog'", NameProblem, "Line 1 has the name a, too."),
    ("Cat = 'cat'\n# between\ncAT = 'dog'", NameProblem, "Line 1 has the name cAT, too."),
    ("a = 'cat' + ", EmbeddingMergeError, "^"),
    ("a = a photo of a cat", EmbeddingMergeError, "quote"),
    ("a = ", EmbeddingMergeError, ""),
]


@pytest.mark.parametrize(("text", "kind", "said"), MISTAKES)
def test_the_last_line_is_wrong(text, kind, said):
    *good, bad = read_lines(text)
    for line in good:
        line.read()
    with pytest.raises(kind) as error:
        bad.read()
    assert said in str(error.value)


SWEEPS = [
    (("0", "1", "5"), "r_{t}", ["r_0", "r_0.25", "r_0.5", "r_0.75", "r_1"], ["0", "0.25", "0.5", "0.75", "1"]),
    (("1", "-1", "3"), "{n}-{t}", ["1-1", "2-0", "3--1"], ["1", "0", "-1"]),
    (("0", "1", "4"), "r{t}", ["r0", "r0.333333", "r0.666667", "r1"], ["0", "0.333333", "0.666667", "1"]),
    (("0.7", "9", "1"), "one", ["one"], ["0.7"]),
    (("0", "0.00001", "2"), "{n}", ["1", "2"], ["0", "0.00001"]),
    ((" 1e3 ", "2e6", " 2 "), "{t}", ["1000", "2000000"], ["1000", "2000000"]),
    (("0", "9", "10"), "r{n}", [f"r{n:02}" for n in range(1, 11)], [str(n) for n in range(10)]),
]


@pytest.mark.parametrize(("span", "pattern", "names", "numbers"), SWEEPS)
def test_a_sweep_is_lines(span, pattern, names, numbers):
    lines = Sweep("slerp('red', 'blue', {t}) * {t}", *span, pattern).lines()
    assert [line.name for line in lines] == names
    assert [line.expression for line in lines] == [f"slerp('red', 'blue', {t}) * {t}" for t in numbers]
    assert all(line.read()[0] == line.name for line in lines)


BAD_SWEEPS = [
    (Sweep("'red'", pattern="r_{t}"), "no {t}"),
    (Sweep("'red' * {t}"), "names are missing"),
    (Sweep("'red' * {t}", pattern="red"), "Write red_{t}"),
    (Sweep("'red' * {t}", "0,5", pattern="r{t}"), "“from” must be a number such as 0.5, found 0,5."),
    (Sweep("'red' * {t}", "0", "", pattern="r{t}"), "“to” must be a number such as 0.5, found nothing."),
    (Sweep("'red' * {t}", "0", "inf", pattern="r{t}"), "found inf"),
    (Sweep("'red' * {t}", "nan", pattern="r{t}"), "found nan"),
    (Sweep("'red' * {t}", steps="0", pattern="r{t}"), "“steps” must be a whole number from 1 to 2,000, found 0."),
    (Sweep("'red' * {t}", steps="2.5", pattern="r{t}"), "found 2.5"),
    (Sweep("'red' * {t}", steps="99999999999999999999", pattern="r{t}"), "found 9999"),
    (Sweep("'red' * {t}", steps="2001", pattern="r{t}"), "found 2001"),
]


@pytest.mark.parametrize(("sweep", "said"), BAD_SWEEPS)
def test_a_sweep_that_is_none(sweep, said):
    with pytest.raises((WrongArgument, LimitExceeded)) as error:
        sweep.lines()
    assert said in str(error.value)


def test_steps_that_round_to_one_number_are_a_mistake_of_the_second():
    lines = Sweep("'red' * {t}", "1", "1.0000000001", "2", "r{t}").lines()
    assert lines == [Line(1, "r1", "'red' * 1"), Line(2, "r1", "'red' * 1", same_as=1)]


WORDS = [
    ("a red fox", "a-red-fox", "'a red fox'"),
    ("fox", "fox-emb", "'fox'"),
    ("it's", "it-s", "'it''s'"),
    ("0.5::old oak # a comment", "old-oak", "'old oak'"),
    ("Crème brûlée", "Creme-brulee", "'Crème brûlée'"),
    ("日本", "text", "'日本'"),
]


@pytest.mark.parametrize(("text", "name", "expression"), WORDS)
def test_a_text_is_a_line_with_a_name_made_of_it(text, name, expression):
    assert read_words(text) == [Line(1, name, expression)]


def test_words_leave_out_what_was_there_and_no_name_comes_twice():
    lines = read_words("# animals\n\nred fox\nred fox\nRed, fox\n2::red fox\n")
    assert [(line.number, line.name, line.expression) for line in lines] == [
        (3, "red-fox", "'red fox'"),
        (5, "Red-fox-2", "'Red, fox'"),
    ]
