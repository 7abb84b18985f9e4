"""The table of operators and functions: every row reads as the language does."""

from __future__ import annotations

import pytest

from lib_embmerge.families import ENCODERS
from lib_embmerge.language import Apply, parse, walk
from lib_embmerge.operations import FUNCTIONS, OPERATIONS, Operation, signature

ROWS = list(OPERATIONS.values())
NAMES = [row.name for row in ROWS]

SIGNATURES = {
    "add": "a + b",
    "subtract": "a - b",
    "negate": "-a",
    "scale": "a * t",
    "divide": "a / t",
    "resize": "a : n",
    "shift": "a :+n",
    "index": "a[i]",
    "slice": "a[i:j]",
    "lerp": "lerp(a, b, t)",
    "slerp": "slerp(a, b, t)",
    "mean": "mean(a, …)",
    "sum": "sum(a)",
    "pool": "pool(a)",
    "concat": "concat(a, …)",
    "repeat": "repeat(a, n)",
    "normalize": "normalize(a[, norm])",
    "project": "project(a, b)",
    "remove": "remove(a, b)",
    **{name: f"{name}(a)" for name in ENCODERS},
    "token": "token(id)",
    "pad": "pad()",
    "end": "end()",
    "start": "start()",
    "text": "text(word)",
    "emb": "emb(name)",
    "nearest": "nearest(a)",
    "random": "random(n, seed)",
}


def test_signatures() -> None:
    assert {row.name: signature(row) for row in ROWS} == SIGNATURES


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_the_example_uses_the_operation(row: Operation) -> None:
    assert row.name in {node.name for node in walk(parse(row.example)) if isinstance(node, Apply)}


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_every_row_has_its_words(row: Operation) -> None:
    assert row.summary.endswith(".")
    assert row.summary[0].isalnum()
    assert row.formula
    assert row.symbol is not None or row.is_function


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_left_out_parameters_come_last(row: Operation) -> None:
    optional = [parameter.optional for parameter in row.parameters]
    assert optional == sorted(optional)
    assert not any(parameter.repeated for parameter in row.parameters[:-1])


LENGTHS = [
    ("add", (1, 3), 3),
    ("subtract", (3, 1), 3),
    ("negate", (2,), 2),
    ("scale", (2, 0.5), 2),
    ("scale", (2, 0.5, "clip_l"), 2),
    ("resize", (5, 2), 2),
    ("resize", (0, 2), 2),
    ("shift", (3, 1), 3),
    ("index", (3, -1), 1),
    ("slice", (5, 1, 3), 2),
    ("slice", (5, None, 2), 2),
    ("slice", (5, -2), 2),
    ("slice", (5,), 5),
    ("slice", (5, 3, 1), 0),
    ("slice", (2, 0, 9), 2),
    ("lerp", (1, 2, 0.5), 2),
    ("mean", (1, 2, 3), 3),
    ("sum", (4,), 1),
    ("concat", (1, 2, 3), 6),
    ("repeat", (2, 3), 6),
    ("repeat", (2, 0), 0),
    ("normalize", (2, 5), 2),
    ("remove", (2, 5), 2),
    ("token", (7,), 1),
    ("pad", (), 1),
    ("random", (3, 7), 3),
]


@pytest.mark.parametrize(("name", "arguments", "length"), LENGTHS)
def test_lengths(name: str, arguments: tuple[object, ...], length: int) -> None:
    assert OPERATIONS[name].length(*arguments) == length


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        OPERATIONS["x"] = ROWS[0]  # type: ignore[index]
    assert set(FUNCTIONS) == {row.name for row in ROWS if row.is_function}


def test_names_are_unique_and_what_the_language_takes() -> None:
    assert len(OPERATIONS) == len(SIGNATURES)
    assert all(name.isidentifier() and name == name.lower() for name in NAMES)
