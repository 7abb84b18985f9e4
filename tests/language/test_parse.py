"""What an expression means, as a tree."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lib_embmerge.language import Apply, At, Number, Text, parse, walk
from lib_embmerge.language.nodes import Argument, Expression

A, B, C = Text("a"), Text("b"), Text("c")


def apply(name: str, *arguments: Argument | float) -> Apply:
    return Apply(name, tuple(Number(a) if isinstance(a, (int, float)) else a for a in arguments))


TREES: list[tuple[str, Expression]] = [
    # texts
    ("'cat'", Text("cat")),
    ('"cat"', Text("cat")),
    ("''", Text("")),
    ("'it''s'", Text("it's")),
    ("''''", Text("'")),
    ('"a ""b"" c"', Text('a "b" c')),
    ('"it\'s"', Text("it's")),
    ("'say \"x\"'", Text('say "x"')),
    ("'a > b } c'", Text("a > b } c")),
    ("' two\nlines '", Text(" two\nlines ")),
    ("('a')", A),
    ("((('a')))", A),
    # sums
    ("'a' + 'b'", apply("add", A, B)),
    ("'a' - 'b' + 'c'", apply("add", apply("subtract", A, B), C)),
    ("'a' - ('b' + 'c')", apply("subtract", A, apply("add", B, C))),
    ("+'a'", A),
    ("-'a'", apply("negate", A)),
    ("--'a'", apply("negate", apply("negate", A))),
    ("+-'a'", apply("negate", A)),
    ("'a' + -'b'", apply("add", A, apply("negate", B))),
    ("'a' - -'b'", apply("subtract", A, apply("negate", B))),
    ("-'a' + 'b'", apply("add", apply("negate", A), B)),
    ("(+'a')", A),
    # scaling
    ("'a' * 2", apply("scale", A, 2)),
    ("2 * 'a'", apply("scale", A, 2)),
    ("'a' / 3", apply("divide", A, 3)),
    ("'a'*-1", apply("scale", A, -1)),
    ("'a'*+2", apply("scale", A, 2)),
    ("'a'*2.", apply("scale", A, 2.0)),
    ("'a'*.5", apply("scale", A, 0.5)),
    ("'a'*1e-3", apply("scale", A, 0.001)),
    ("'a'*007", apply("scale", A, 7)),
    ("'a'*(1/4)", apply("scale", A, 0.25)),
    ("'a'*-(1/4)", apply("scale", A, -0.25)),
    ("'a'*3/5", apply("divide", apply("scale", A, 3), 5)),
    ("1/4*'a'", apply("scale", A, 0.25)),
    ("(2*0.5)*'a'", apply("scale", A, 1.0)),
    ("2*3*'a'*4", apply("scale", apply("scale", A, 6), 4)),
    ("-2*'a'", apply("negate", apply("scale", A, 2))),
    ("(-2)*'a'", apply("scale", A, -2)),
    ("'a'*0.5L", apply("scale", A, 0.5, "clip_l")),
    ("'a'/2G", apply("divide", A, 2, "clip_g")),
    ("'a' * 2 L", apply("scale", A, 2, "clip_l")),
    ("'a'*(1/4)G", apply("scale", A, 0.25, "clip_g")),
    ("'a'*2L*3G", apply("scale", apply("scale", A, 2, "clip_l"), 3, "clip_g")),
    # sizes, shifts, indices
    ("'a' : 4", apply("resize", A, 4)),
    ("'a':0", apply("resize", A, 0)),
    ("'a' : + 1", apply("shift", A, 1)),
    ("'a':-1", apply("shift", A, -1)),
    ("'a'[2]", apply("index", A, 2)),
    ("'a'[-1]", apply("index", A, -1)),
    ("'a'[1:3]", apply("slice", A, 1, 3)),
    ("'a'[:2]", apply("slice", A, None, 2)),
    ("'a'[-2:]", apply("slice", A, -2)),
    ("'a'[:]", apply("slice", A)),
    # concatenation
    ("'a', 'b'", apply("concat", A, B)),
    ("'a', 'b', 'c'", apply("concat", apply("concat", A, B), C)),
    ("concat('a', 'b', 'c')", apply("concat", A, B, C)),
    ("'a', 256", apply("concat", A, apply("token", 256))),
    ("'a', 0", apply("concat", A, apply("token", 0))),
    ("'a', 00", apply("concat", A, apply("pad"))),
    ("'a', 000", apply("concat", A, apply("end"))),
    ("'a', 0000", apply("concat", A, apply("start"))),
    ("'a', (2*'b')", apply("concat", A, apply("scale", B, 2))),
    ("'a', sum('b')", apply("concat", A, apply("sum", B))),
    # functions
    ("lerp('a', 'b', 1/4)", apply("lerp", A, B, 0.25)),
    ("lerp('a', 'b', -.5)", apply("lerp", A, B, -0.5)),
    ("lerp ( 'a','b',1 )", apply("lerp", A, B, 1)),
    ("mean('a')", apply("mean", A)),
    ("mean(('a', 'b'), 'c')", apply("mean", apply("concat", A, B), C)),
    ("repeat('a', 4/2)", apply("repeat", A, 2)),
    ("normalize('a')", apply("normalize", A)),
    ("normalize('a', 0.4)", apply("normalize", A, 0.4)),
    ("normalize('a', 'b')", apply("normalize", A, B)),
    ("pad()", apply("pad")),
    ("text('a')", apply("text", A)),
    ("random(2, 7)", apply("random", 2, 7)),
    ("random(2, -7)", apply("random", 2, -7)),
    # other checkpoints
    ("'a'@v1.5_x", At(A, "v1.5_x")),
    ("'a'@\"my model\"", At(A, "my model")),
    ("'a'@'C:/x y.safetensors'", At(A, "C:/x y.safetensors")),
    ("('a'@x + 'b')@y", At(apply("add", At(A, "x"), B), "y")),
    ("2*'a'@x", apply("scale", At(A, "x"), 2)),
    ("'a'@x/2", apply("divide", At(A, "x"), 2)),
    ("sum('a')@x, 'b'@y", apply("concat", At(apply("sum", A), "x"), At(B, "y"))),
    # blanks
    ("\n'a'\t+\r\n'b' ", apply("add", A, B)),
    ("'a' = * 2", apply("scale", A, 2)),
]


@pytest.mark.parametrize(("text", "tree"), TREES, ids=[text for text, _ in TREES])
def test_means(text: str, tree: Expression) -> None:
    assert parse(text) == tree


SAME = [
    # one rank from left to right
    ("'a' + 'b', 'c'", "'a' + ('b', 'c')"),
    ("'a'*2, 'b'", "('a'*2), 'b'"),
    ("'a', 'b'*2", "('a', 'b')*2"),
    ("'a', 256*2", "('a', 256)*2"),
    ("'a', 'b'[0]", "('a', 'b')[0]"),
    ("0.5*'a', 'b'", "(0.5*'a'), 'b'"),
    ("'a':4*2", "('a':4)*2"),
    ("'a'[0]:3", "('a'[0]):3"),
    # signs negate the whole product
    ("-'a', 'b'", "-('a', 'b')"),
    ("-'a'*2", "-('a'*2)"),
    ("'a' + -'b', 'c'", "'a' + (-('b', 'c'))"),
    # the whole sum
    ("'a' + 'b' =* 0.5 + 'c'", "('a'+'b')*0.5 + 'c'"),
    ("'a'+'b' =:5:+2", "('a'+'b'):5:+2"),
    ("'a'+'b' =/ 2", "('a'+'b')/2"),
    ("'a'+'b' =:-1", "('a'+'b'):-1"),
    ("'a'+'b' =*2L", "('a'+'b')*2L"),
    ("'a'+'b' =*(1/4)", "('a'+'b')*0.25"),
    ("'a'+'b' =*2, 'c'", "('a'+'b')*2, 'c'"),
    ("'a'+'b' =*2[0]", "(('a'+'b')*2)[0]"),
    ("'a'+'b' =*2 + 'c' =*3", "(('a'+'b')*2 + 'c')*3"),
    ("-'a'+'b' =*2", "(-'a'+'b')*2"),
    ("('a'+'b' =*2) - 'c'", "('a'+'b')*2 - 'c'"),
    ("mean('a'+'b' =*2, 'c')", "mean(('a'+'b')*2, 'c')"),
    # numbers
    ("1/3*'a'", "'a'*(1/3)"),
    ("(1+2)*'a'", "3*'a'"),
    ("(1+2=*2)*'a'", "6*'a'"),
    ("'a'*2.", "'a'*2"),
    # a function in place of an operator
    ("concat('a', 'b')", "'a', 'b'"),
    ("'a', 256", "'a', token(256)"),
    ("'a', 00, 000, 0000", "'a', pad(), end(), start()"),
    # texts
    ("'it''s'", '"it\'s"'),
    ("'a''b'", '"a\'b"'),
    ("'a'@'x'", "'a'@x"),
]


@pytest.mark.parametrize(("one", "other"), SAME, ids=[f"{a} is {b}" for a, b in SAME])
def test_two_spellings_of_one_tree(one: str, other: str) -> None:
    assert parse(one) == parse(other)


DIFFERENT = [
    ("'a'*2, 'b'", "'a', 'b'*2"),
    ("'a', 'b', 'c'", "'a', ('b', 'c')"),
    ("'a', 'b', 'c'", "concat('a', 'b', 'c')"),
    ("-'a' + 'b'", "-('a' + 'b')"),
    ("'a'", "text('a')"),
    ("'A'", "'a'"),
    ("'a' + 'b'", "'b' + 'a'"),
    ("('a'@x)@y", "('a'@y)@x"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=[f"{a} is not {b}" for a, b in DIFFERENT])
def test_two_trees(one: str, other: str) -> None:
    assert parse(one) != parse(other)


def test_a_whole_quotient_is_an_int() -> None:
    (_, number) = parse("repeat('a', 4/2)").arguments  # type: ignore[union-attr]
    assert isinstance(number, Number)
    assert type(number.value) is int


def test_equal_trees_have_equal_hashes() -> None:
    assert len({parse("'a' + 'b'"), parse("  'a'+'b'"), parse("('a'+\"b\")")}) == 1


SPANS = [
    ("'a' + ('b' * 2)", "('b' * 2)", "scale"),
    ("'a' + 'b' * 2L - 'c'", "'b' * 2L", "scale"),
    ("'c' + lerp( 'a', 'b', 1 )", "lerp( 'a', 'b', 1 )", "lerp"),
    (" 'a' + 'b' =* 2 ", "'a' + 'b' =* 2", "scale"),
    ("'a', 256", "256", "token"),
    ("'x' - -'a'[1:2]", "-'a'[1:2]", "negate"),
    ("'x' - 'a' [1:2]", "'a' [1:2]", "slice"),
    ("'x' - 'a':+1", "'a':+1", "shift"),
]


@pytest.mark.parametrize(("text", "piece", "name"), SPANS, ids=[text for text, _, _ in SPANS])
def test_a_node_knows_its_place(text: str, piece: str, name: str) -> None:
    (node,) = (n for n in walk(parse(text)) if isinstance(n, Apply) and n.name == name)
    assert text[node.span.start : node.span.end] == piece


def test_walk_goes_in_the_order_of_the_text() -> None:
    texts = [n.value for n in walk(parse("lerp('a'@x, -'b' + 'c', 1), 'd'")) if isinstance(n, Text)]
    assert texts == ["a", "b", "c", "d"]


def test_importing_the_language_loads_neither_lark_nor_torch() -> None:
    program = "import sys, lib_embmerge.language as l; print({'lark', 'torch', 'gradio'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
