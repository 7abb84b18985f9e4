"""The canonical text of a tree, and that it reads back as the same tree."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib_embmerge.language import Apply, At, Number, Text, parse, write
from lib_embmerge.language.nodes import Argument, Expression
from lib_embmerge.operations import FUNCTIONS, Parameter
from tests.examples import examples

WRITTEN = [
    ('"cat"-"dog"', "'cat' - 'dog'"),
    ('"it\'s"', "'it''s'"),
    ("((('a')))", "'a'"),
    ("+'a'", "'a'"),
    ("2*'a'", "'a' * 2"),
    ("'a'*2.50L", "'a' * 2.5L"),
    ("'a' * (1/4)", "'a' * 0.25"),
    ("'a'*-1e-9", "'a' * -1e-09"),
    ("-('a'*2)", "-'a' * 2"),
    ("(-'a')*2", "(-'a') * 2"),
    ("-('a'+'b')", "-('a' + 'b')"),
    ("('a'+'b')+'c'", "'a' + 'b' + 'c'"),
    ("'a'+('b'+'c')", "'a' + ('b' + 'c')"),
    ("'a'+('b','c')", "'a' + 'b', 'c'"),
    ("('a'+'b'),'c'", "('a' + 'b'), 'c'"),
    ("'a','b'*2", "'a', 'b' * 2"),
    ("'a',('b'*2)", "'a', ('b' * 2)"),
    ("'a'+'b'=*2", "('a' + 'b') * 2"),
    ("'a':4:+1:-2", "'a' : 4 :+1 :-2"),
    ("'a'[1][:2][-1:][:]", "'a'[1][:2][-1:][:]"),
    ("concat('a','b')", "'a', 'b'"),
    ("concat('a','b','c')", "concat('a', 'b', 'c')"),
    ("concat('a')", "concat('a')"),
    ("'a', token(256), 00", "'a', 256, pad()"),
    ("token(256), 'a'", "token(256), 'a'"),
    ("mean(('a','b'), 'c' + ('d','e'))", "mean(('a', 'b'), ('c' + 'd', 'e'))"),
    ("lerp('a', 'b', 1/2)", "lerp('a', 'b', 0.5)"),
    ("'a'@'x.1'", "'a'@x.1"),
    ("'a'@\"it's\"", "'a'@'it''s'"),
    ("('a'@x)@y", "('a'@x)@y"),
    ("('a'+'b')@y", "('a' + 'b')@y"),
    ("sum('a')@y", "sum('a')@y"),
]


@pytest.mark.parametrize(("text", "canonical"), WRITTEN, ids=[text for text, _ in WRITTEN])
def test_writes(text: str, canonical: str) -> None:
    assert write(parse(text)) == canonical
    assert parse(canonical) == parse(text)


TEXTS = st.text(max_size=6).map(Text)
SMALL = st.integers(0, 5000).map(Number)
SIGNED = st.integers(-5000, 5000).map(Number)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = (st.integers(-(10**30), 10**30) | FLOATS).map(Number)
DIVISORS = NUMBERS.filter(lambda number: number.value != 0)
ENCODER = st.sampled_from([(), ("clip_l",), ("clip_g",)])


def arguments(parameter: Parameter, inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Argument]:
    if parameter.kind == "text":
        return TEXTS
    if parameter.kind == "integer":
        return SMALL if parameter.minimum == 0 else SIGNED
    if parameter.kind == "number":
        return NUMBERS
    if parameter.kind == "number or embedding":
        return inner | st.floats(0, 1e9).map(Number)
    return inner


def calls(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    choices = []
    for operation in FUNCTIONS.values():
        required = [p for p in operation.parameters if not p.optional]
        counts = {len(required), len(operation.parameters)}
        for count in sorted(counts | ({4} if any(p.repeated for p in operation.parameters) else set())):
            parameters = [operation.parameters[min(i, len(operation.parameters) - 1)] for i in range(count)]
            drawn = st.tuples(*(arguments(p, inner) for p in parameters))
            choices.append(drawn.map(lambda found, name=operation.name: Apply(name, found)))
    return st.one_of(choices)


def operators(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    bound = st.none() | SIGNED
    return st.one_of(
        st.builds(lambda name, a, b: Apply(name, (a, b)), st.sampled_from(["add", "subtract", "concat"]), inner, inner),
        st.builds(lambda a: Apply("negate", (a,)), inner),
        st.builds(lambda a, n, e: Apply("scale", (a, n, *e)), inner, NUMBERS, ENCODER),
        st.builds(lambda a, n, e: Apply("divide", (a, n, *e)), inner, DIVISORS, ENCODER),
        st.builds(lambda a, n: Apply("resize", (a, n)), inner, SMALL),
        st.builds(lambda name, a, n: Apply(name, (a, n)), st.sampled_from(["shift", "index"]), inner, SIGNED),
        st.builds(lambda a, i, j: Apply("slice", (a, i, j)), inner, bound, SIGNED),
        st.builds(lambda a, i: Apply("slice", (a, i)), inner, SIGNED),
        st.builds(lambda a: Apply("slice", (a,)), inner),
        st.builds(At, inner, st.text(min_size=1, max_size=6).filter(str.strip)),
    )


TREES = st.recursive(TEXTS, lambda inner: operators(inner) | calls(inner), max_leaves=12)


@settings(max_examples=examples(400), deadline=None)
@given(TREES)
def test_a_written_tree_reads_back(tree: Expression) -> None:
    assert parse(write(tree)) == tree


@settings(max_examples=examples(200), deadline=None)
@given(TREES)
def test_every_parenthesis_is_needed(tree: Expression) -> None:
    """Leaving out any one pair of grouping parentheses makes another tree, or none."""
    text = write(tree)
    for opening, closing in grouping_pairs(text):
        without = text[:opening] + " " + text[opening + 1 : closing] + " " + text[closing + 1 :]
        assert reads_as(without) != tree


def reads_as(text: str) -> Expression | None:
    from lib_embmerge.errors import ExpressionError

    try:
        return parse(text)
    except ExpressionError:
        return None


def grouping_pairs(text: str) -> list[tuple[int, int]]:
    pairs, opened, position = [], [], 0
    while position < len(text):
        if text[position] == "'":
            position = closing_quote(text, position)
        elif text[position] == "(":
            opened.append(position)
        elif text[position] == ")":
            opening = opened.pop()
            if opening == 0 or not (text[opening - 1].isalnum() or text[opening - 1] == "_"):
                pairs.append((opening, position))
        position += 1
    return pairs


def closing_quote(text: str, position: int) -> int:
    position += 1
    while text[position] != "'" or text[position + 1 : position + 2] == "'":
        position += 2 if text[position] == "'" else 1
    return position
