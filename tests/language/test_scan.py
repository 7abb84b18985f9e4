"""Where expressions stand in a prompt, and what is left alone."""

from __future__ import annotations

import pytest

from lib_embmerge.errors import SyntaxProblem
from lib_embmerge.language import Brackets, find_islands, is_expression, make_placeholder_error, splice

FOUND = [
    ("<'cat'>", ["'cat'"]),
    ('<"cat">', ['"cat"']),
    ("{'cat'}", ["'cat'"]),
    ("<''>", ["''"]),
    ("a <'b'> c <'d' + 'e'>, f", ["'b'", "'d' + 'e'"]),
    ("<'a'><'b'>{'c'}", ["'a'", "'b'", "'c'"]),
    ("<'a > b } c'>", ["'a > b } c'"]),
    ("<\"a > b\" + 'c > d'>", ["\"a > b\" + 'c > d'"]),
    ("{'a } b' + \"}\"}", ["'a } b' + \"}\""]),
    ("<'it''s > that'>", ["'it''s > that'"]),
    ("<'a'>>", ["'a'"]),
    ("{'a' > 'b'}", ["'a' > 'b'"]),
    ("<'a'\n+ 'b'\n>", ["'a'\n+ 'b'\n"]),
    ("(<'a'+'b'>:1.2)", ["'a'+'b'"]),
    ("[<'a'>:<'b'>:0.5]", ["'a'", "'b'"]),
    ("<'a'> AND <'b'>", ["'a'", "'b'"]),
    ("[<'a'>|<'b'>]", ["'a'", "'b'"]),
    ("<lora:x:1><'a'>", ["'a'"]),
    ("<<'a'>", ["'a'"]),
    # signs, parentheses, functions, numbers
    ("<-'a'>", ["-'a'"]),
    ("<+'a'>", ["+'a'"]),
    ("<- -('a')>", ["- -('a')"]),
    ("<(('a'))>", ["(('a'))"]),
    ("<( 'a')>", ["( 'a')"]),
    ("<lerp('a','b',1)>", ["lerp('a','b',1)"]),
    ("<random(2, 7)>", ["random(2, 7)"]),
    ("<pad()>", ["pad()"]),
    ("<repeat(>", ["repeat("]),
    ("<lurp('a','b',1)>", ["lurp('a','b',1)"]),
    ("<lurp( -( 'a'))>", ["lurp( -( 'a'))"]),
    ("<2*'a'>", ["2*'a'"]),
    ("<.5 * 'a'>", [".5 * 'a'"]),
    ("<1e-3*'a'>", ["1e-3*'a'"]),
    ("<1/3*'a'>", ["1/3*'a'"]),
    ("<(2*0.5)*'a'>", ["(2*0.5)*'a'"]),
    ("<((1+2)/3)*-lerp('a','b',1)>", ["((1+2)/3)*-lerp('a','b',1)"]),
    ("<2*('a' + 'b')>", ["2*('a' + 'b')"]),
    # mistakes that are expressions all the same
    ("<'a' 'b'>", ["'a' 'b'"]),
    ("<'a' ++>", ["'a' ++"]),
    ("<--+'a'>", ["--+'a'"]),
]


@pytest.mark.parametrize(("prompt", "texts"), FOUND, ids=[prompt for prompt, _ in FOUND])
def test_finds(prompt: str, texts: list[str]) -> None:
    islands = find_islands(prompt)
    assert [island.text for island in islands] == texts
    for island in islands:
        whole = prompt[island.span.start : island.span.end]
        assert whole[1:-1] == island.text == prompt[island.offset : island.offset + len(island.text)]
        assert whole[0] + whole[-1] in ("<>", "{}")


UNTOUCHED = [
    "",
    "a photo of a cat",
    "<lora:x:1>",
    "<lora:x's:1>",
    "<lora:'a':1>",
    "<hypernet:x:1>, <lyco:y:0.5>",
    "<3",
    "I <3 'cats'",
    "I <3 - 'cats' are nice",
    "<3, 'a'>",
    "<3/'a'>",
    "<1+'a'>",
    "<-3>",
    "<-->",
    "<(^_^)>",
    "<(-_-)>",
    "<(o.o)>",
    "<(1)>",
    "<(1)'a'>",
    "<()>",
    "<)'a'>",
    "<*'a'>",
    "< 'a'>",
    "<\n'a'>",
    "<cat>",
    "<cat 'a'>",
    "<cat ('a')>",
    "<sum ('a')>",
    "<cat(dog)>",
    "<cat(dog, 'a')>",
    "<Sum(1)>",
    "<a href='x'>",
    "</'a'>",
    "<!'a'>",
    "<<lora:x:1>>",
    '{"a": 1}',
    "{a|b}",
    "{ 'a'}",
    "{-'a'}",
    "{lerp('a','b',1)}",
    "{2$$'a'|'b'}",
    "__wild__ {red|blue} ${x='a'}",
    "a \\(b\\) \\[c\\] (d:1.2) [e:f:0.5] AND g BREAK h",
    "'a' + 'b'",
    "\\",
    "\\<lora:x:1>",
    "\\<3 \\{a|b}",
    "tab\tnul\0 \u202eright\u202c 🐱 <🐱>",
    "<",
    "{",
    "a <",
    "<(((((((((",
]


@pytest.mark.parametrize("prompt", UNTOUCHED, ids=repr)
def test_leaves_alone(prompt: str) -> None:
    assert find_islands(prompt) == []
    assert splice(prompt, [], []) == prompt


ESCAPED = [
    (r"\<'a'>", "<'a'>"),
    (r"\{'a'}", "{'a'}"),
    (r"x \<'a' y", "x <'a' y"),
    (r"\<lerp('a')>", "<lerp('a')>"),
    (r"\<'a'> <'b'>", "<'a'> EM"),
    (r"<'b'> \<'a'>", "EM <'a'>"),
    (r"\(\<'a'>\)", r"\(<'a'>\)"),
    (r"<'\<''x'>", "EM"),
]


@pytest.mark.parametrize(("prompt", "spliced"), ESCAPED)
def test_a_backslash_makes_the_bracket_literal(prompt: str, spliced: str) -> None:
    islands = find_islands(prompt)
    assert splice(prompt, islands, ["EM"] * len(islands)) == spliced


UNCLOSED = [
    ("a <'cat' + 'dog'", 2, ">"),
    ("{'cat' + 'dog'>", 0, "}"),
    ("<'a'> <'b' {'c'}", 6, ">"),
    ("<'it's'>", 0, ">"),
    ("<lerp('a', 'b'", 0, ">"),
    ("<'cat", 0, ">"),
]


@pytest.mark.parametrize(("prompt", "place", "closing"), UNCLOSED, ids=[prompt for prompt, _, _ in UNCLOSED])
def test_an_unclosed_expression_is_an_error_at_its_bracket(prompt: str, place: int, closing: str) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        find_islands(prompt)
    assert caught.value.span is not None
    assert (caught.value.span.start, caught.value.span.end) == (place, place + 1)
    assert caught.value.source == prompt
    assert f"expected {closing}" in caught.value.message


def test_the_error_for_an_unclosed_expression_says_how_it_stays_text() -> None:
    with pytest.raises(SyntaxProblem) as caught:
        find_islands("a <'cat' + ")
    assert str(caught.value) == (
        "a <'cat' + \n"
        "  ^\n"
        "Nothing closes this expression: expected >. To keep the bracket as text write \\<."
    )


SWITCHED = [
    (Brackets.BOTH, ["'a'", "'b'"], r"EM EM <'c'> {'d'}"),
    (Brackets.ANGLE, ["'a'"], r"EM {'b'} <'c'> \{'d'}"),
    (Brackets.CURLY, ["'b'"], r"<'a'> EM \<'c'> {'d'}"),
    (Brackets.NONE, [], r"<'a'> {'b'} \<'c'> \{'d'}"),
]


@pytest.mark.parametrize(("brackets", "texts", "spliced"), SWITCHED, ids=lambda v: getattr(v, "name", None))
def test_brackets_that_are_switched_off_are_text(brackets: Brackets, texts: list[str], spliced: str) -> None:
    prompt = r"<'a'> {'b'} \<'c'> \{'d'}"
    islands = find_islands(prompt, brackets)
    assert [island.text for island in islands] == texts
    assert splice(prompt, islands, ["EM"] * len(islands), brackets) == spliced


SPLICED = [
    ("a <'x'> b", "EM", "a EM b"),
    ("a<'x'>b", "EM", "a EM b"),
    ("(<'x'>:1.2)", "EM", "( EM :1.2)"),
    ("[<'x'>|<'x'>]", "EM", "[ EM | EM ]"),
    ("<'x'>", "EM", "EM"),
    ("<'x'><'x'>", "EM", "EM EM"),
    ("a,<'x'>,b", "EM", "a, EM ,b"),
    ("a\n<'x'>\nb", "EM", "a\nEM\nb"),
    ("a\u3000<'x'>\tb", "EM", "a\u3000EM\tb"),
    ("a, <'x'>, b", "", "a,  , b"),
    ("a<'x'>b", "", "a b"),
    ("<'x'>", "", " "),
]


@pytest.mark.parametrize(("prompt", "replacement", "spliced"), SPLICED)
def test_one_blank_on_each_side(prompt: str, replacement: str, spliced: str) -> None:
    islands = find_islands(prompt)
    assert splice(prompt, islands, [replacement] * len(islands)) == spliced


def test_every_island_needs_a_replacement() -> None:
    with pytest.raises(ValueError, match="zip"):
        splice("<'a'>", find_islands("<'a'>"), [])


PLACEHOLDERS = [
    ("<'EM_1'>", "EM_1"),
    ("{'EM_12'}", "EM_12"),
    ("<'EM-1'>", "EM-1"),
    ("<'EM/1'>", "EM/1"),
    ("<'EM_'>", None),
    ("<'em_1'>", None),
    ("<'EM_1' + 'a'>", None),
    ("<'my EM_1'>", None),
    ("<'EM_1 '>", None),
]


@pytest.mark.parametrize(("prompt", "name"), PLACEHOLDERS)
def test_placeholders_of_the_old_extension_are_told_apart(prompt: str, name: str | None) -> None:
    (island,) = find_islands(prompt)
    assert island.placeholder == name


def test_placeholders_stay_where_they_are_when_they_are_not_given() -> None:
    prompt = "a<'EM_1'>b <'x'>"
    given = [island for island in find_islands(prompt) if island.placeholder is None]
    assert splice(prompt, given, ["EM"]) == "a<'EM_1'>b EM"


def test_the_error_for_a_placeholder_without_its_embedding() -> None:
    prompt = "a <'EM_1'>"
    (island,) = find_islands(prompt)
    assert str(make_placeholder_error(prompt, island)) == (
        "a <'EM_1'>\n"
        "  ^^^^^^^^\n"
        "'EM_1' is a placeholder among the parameters of the old extension; paste them to restore the expression."
    )


EXPRESSIONS = ["'cat'", "  'cat' - 'a'", '"x"', "-'a'", "(2*0.5)*'a'", "lurp('a')", "lerp(", "'a' ++", "'unclosed"]
PROMPTS = ["", "cat", "a <'cat'>", "<'cat'>", "cat, 'a'", "2/'a'", "256,'a'", "(cat:1.2)", "{'a'}", "mean angry cat"]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_is_an_expression(text: str) -> None:
    assert is_expression(text)


@pytest.mark.parametrize("text", PROMPTS)
def test_is_a_prompt(text: str) -> None:
    assert not is_expression(text)
