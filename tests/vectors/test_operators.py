"""Every operator: a table worked out by hand, its laws, its degenerate inputs; and what holds for all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lib_embmerge.errors import WrongArgument
from lib_embmerge.operations import OPERATIONS
from lib_embmerge.vectors.operators import OPERATORS, arithmetic, geometry, sequence, vocabulary
from lib_embmerge.vectors.registry import READ_FROM_TABLES
from lib_embmerge.vectors.vocabulary import Vocabulary

TABLE = torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [9.0, 9.0, 9.0]])
WORDS = Vocabulary(lambda start, stop: TABLE[start:stop], size=5, width=3, excluded=(4,))

A = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
B = [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]
NONE: list[list[float]] = []


def apply(
    name: str,
    operands: Sequence[Tensor],
    values: Sequence[object] = (),
    *,
    vocabulary: Vocabulary | None = None,
    encoder: str = "",
) -> Tensor:
    return OPERATORS[name](operands, values, vocabulary, encoder)


def rows(values: list[list[float]]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 3)


def run(name: str, operands: list[list[list[float]]], *values: object, encoder: str = "clip_l") -> list[list[float]]:
    result = apply(name, [rows(operand) for operand in operands], values, vocabulary=WORDS, encoder=encoder)
    assert result.dtype == torch.float32
    assert result.shape[1] == 3
    return result.tolist()


BY_HAND = [
    ("add", [A, B], (), [[2, 2, 3], [4, 7, 6]]),
    ("add", [A, B[:1]], (), [[2, 2, 3], [4, 5, 6]]),
    ("add", [NONE, B], (), B),
    ("subtract", [A, B], (), [[0, 2, 3], [4, 3, 6]]),
    ("subtract", [B[:1], A], (), [[0, -2, -3], [-4, -5, -6]]),
    ("negate", [A], (), [[-1, -2, -3], [-4, -5, -6]]),
    ("scale", [A], (0.5,), [[0.5, 1, 1.5], [2, 2.5, 3]]),
    ("scale", [A], (2, "clip_l"), [[2, 4, 6], [8, 10, 12]]),
    ("scale", [A], (2, "clip_g"), A),
    ("divide", [A], (2,), [[0.5, 1, 1.5], [2, 2.5, 3]]),
    ("divide", [A], (2, "clip_g"), A),
    ("resize", [A], (1,), A[:1]),
    ("resize", [A], (3,), [*A, [0, 0, 0]]),
    ("resize", [NONE], (1,), [[0, 0, 0]]),
    ("resize", [A], (0,), []),
    ("shift", [A], (1,), A[::-1]),
    ("shift", [[*A, [7.0, 8.0, 9.0]]], (1,), [[7, 8, 9], *A]),
    ("shift", [[*A, [7.0, 8.0, 9.0]]], (-1,), [A[1], [7, 8, 9], A[0]]),
    ("shift", [NONE], (1,), []),
    ("shift", [A], (10**30,), A),
    ("index", [A], (0,), A[:1]),
    ("index", [A], (-1,), A[1:]),
    ("slice", [A], (1,), A[1:]),
    ("slice", [A], (None, 1), A[:1]),
    ("slice", [A], (-1, None), A[1:]),
    ("slice", [A], (1, 1), []),
    ("slice", [A], (0, 10**30), A),
    ("lerp", [A, B], (0.5,), [[1, 1, 1.5], [2, 3.5, 3]]),
    ("lerp", [A, B], (2,), [[1, -2, -3], [-4, -1, -6]]),
    ("slerp", [[[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]], (0.5,), [[math.sqrt(0.5), math.sqrt(0.5), 0]]),
    ("slerp", [[[2.0, 0.0, 0.0]], [[0.0, 4.0, 0.0]]], (1 / 3,), [[8 / 3 * math.cos(math.pi / 6), 4 / 3, 0]]),
    ("slerp", [[[1.0, 0.0, 0.0]], [[-1.0, 0.0, 0.0]]], (0.25,), [[0.5, 0, 0]]),
    ("slerp", [[[1.0, 0.0, 0.0]], [[3.0, 0.0, 0.0]]], (0.5,), [[2, 0, 0]]),
    ("slerp", [[[1.0, 0.0, 0.0]], NONE], (0.5,), [[0.5, 0, 0]]),
    ("mean", [A], (), A),
    ("mean", [A, B], (), [[1, 1, 1.5], [2, 3.5, 3]]),
    ("mean", [A, NONE, B[:1], B], (), [[0.75, 0.5, 0.75], [1, 1.75, 1.5]]),
    ("sum", [A], (), [[5, 7, 9]]),
    ("sum", [NONE], (), []),
    ("pool", [A], (), [[2.5, 3.5, 4.5]]),
    ("pool", [NONE], (), []),
    ("concat", [A, NONE, B], (), [*A, *B]),
    ("concat", [A], (), A),
    ("repeat", [A], (2,), [*A, *A]),
    ("repeat", [A], (0,), []),
    ("normalize", [[[0.0, 0.0, 5.0], [0.0, 0.0, 0.0]]], (10,), [[0, 0, 10], [0, 0, 0]]),
    ("normalize", [[[0.0, 0.0, -5.0]]], (), [[0, 0, -(6 + math.sqrt(2)) / 4]]),
    ("normalize", [[[0.0, 3.0, 0.0], [5.0, 0.0, 0.0], [7.0, 0.0, 0.0]], B], (), [[0, 1, 0], [2, 0, 0], [1.5, 0, 0]]),
    ("normalize", [NONE, B], (), []),
    ("project", [A, [[2.0, 0.0, 0.0]]], (), [[1, 0, 0], [4, 0, 0]]),
    ("project", [A, [[1.0, 1.0, 0.0], [2.0, 2.0, 0.0]]], (), [[1.5, 1.5, 0], [4.5, 4.5, 0]]),
    ("project", [A, NONE], (), [[0, 0, 0], [0, 0, 0]]),
    ("project", [A, [[0.0, 0.0, 0.0]]], (), [[0, 0, 0], [0, 0, 0]]),
    ("remove", [A, [[2.0, 0.0, 0.0]]], (), [[0, 2, 3], [0, 5, 6]]),
    ("remove", [A, NONE], (), A),
    ("remove", [A, A], (), [[0, 0, 0], [0, 0, 0]]),
    ("clip_l", [A], (), A),
    ("clip_g", [A], (), [[0, 0, 0], [0, 0, 0]]),
    ("nearest", [[[0.0, 0.0, 7.0], [2.0, 2.0, 0.1], [0.0, 0.0, 0.0], [9.0, 9.0, 9.0]]], (),
     [[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 0]]),
    ("nearest", [NONE], (), []),
    ("random", [], (0, 7), []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "operands", "values", "expected"), BY_HAND, ids=[f"{row[0]}-{n}" for n, row in enumerate(BY_HAND)]
)
def test_by_hand(name: str, operands: list[list[list[float]]], values: tuple[object, ...], expected: object) -> None:
    found = run(name, operands, *values)
    assert len(found) == len(expected)  # type: ignore[arg-type]
    torch.testing.assert_close(rows(found), rows(expected), rtol=1e-6, atol=1e-6)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "operands", "values", "expected"), BY_HAND, ids=[f"{row[0]}-{n}" for n, row in enumerate(BY_HAND)]
)
def test_the_table_knows_the_length(
    name: str, operands: list[list[list[float]]], values: tuple[object, ...], expected: list[object]
) -> None:
    if operands == [NONE] and OPERATIONS[name].is_function:
        assert expected == []  # of functions of one embedding: no vectors in, none out
    else:
        assert OPERATIONS[name].length(*map(len, operands), *values) == len(expected)


def test_the_operators_are_those_of_the_table() -> None:
    assert set(OPERATORS) | READ_FROM_TABLES == set(OPERATIONS)
    assert not set(OPERATORS) & READ_FROM_TABLES


def test_embedding_parameters_come_first_in_the_table() -> None:
    """Evaluation takes the operands off a stack and puts all other values behind them."""
    for operation in OPERATIONS.values():
        kinds = [parameter.kind in ("embedding", "number or embedding") for parameter in operation.parameters]
        assert kinds == sorted(kinds, reverse=True), operation.name


ONE_EACH = {row[0]: row for row in BY_HAND if row[1] and all(row[1])}


@pytest.mark.parametrize("name", ONE_EACH)
def test_inputs_stay_as_they_are(name: str) -> None:
    _, operands, values, _ = ONE_EACH[name]
    tensors = [rows(operand) for operand in operands]
    apply(name, tensors, values, vocabulary=WORDS, encoder="clip_l")
    assert all(torch.equal(tensor, rows(operand)) for tensor, operand in zip(tensors, operands, strict=True))


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_operators_declare_their_edges(name: str) -> None:
    text = OPERATORS[name].function.__doc__ or ""
    assert "Edge:" in text or "Raises:" in text


VALUES = st.floats(-100, 100, width=32)
VECTORS = st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=4).map(
    lambda found: torch.tensor(found, dtype=torch.float32)
)
LONG_ENOUGH = VECTORS.filter(lambda a: bool((torch.linalg.vector_norm(a, dim=1) > 1e-3).all()))


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-3)


@given(a=VECTORS, b=VECTORS)
def test_subtraction_undoes_addition(a: Tensor, b: Tensor) -> None:
    there = apply("add", [a, b])
    close(apply("subtract", [there, b])[: len(a)], a)


@given(a=VECTORS)
def test_identities(a: Tensor) -> None:
    zero = torch.zeros_like(a)
    for same in (
        apply("add", [a, zero]),
        apply("negate", [apply("negate", [a])]),
        apply("scale", [a], (1,)),
        apply("divide", [a], (1,)),
        apply("resize", [a], (len(a),)),
        apply("shift", [apply("shift", [a], (1,))], (-1,)),
        apply("slice", [a], ()),
        apply("mean", [a, a, a, a]),
        apply("concat", [a[:1], a[1:]]),
        apply("repeat", [a], (1,)),
        apply("lerp", [a, zero], (0,)),
        apply("lerp", [zero, a], (1,)),
        apply("slerp", [a, a], (0.3,)),
    ):
        assert torch.equal(same, a)


@given(a=LONG_ENOUGH, b=LONG_ENOUGH, t=st.floats(0, 1))
def test_slerp_turns_norm_linearly(a: Tensor, b: Tensor, t: float) -> None:
    n = min(len(a), len(b))
    a, b = a[:n].double(), b[:n].double()
    norm_a, norm_b = (torch.linalg.vector_norm(x, dim=1, keepdim=True) for x in (a, b))
    cosine = (a * b).sum(dim=1, keepdim=True) / norm_a / norm_b
    result = apply("slerp", [a.float(), b.float()], (t,)).double()
    found = torch.linalg.vector_norm(result, dim=1, keepdim=True)
    turning = (cosine.abs() < 1 - 1e-6)[:, 0]
    torch.testing.assert_close(found[turning], (norm_a + t * (norm_b - norm_a))[turning], rtol=1e-5, atol=1e-5)
    angle = torch.acos(cosine)
    from_a = (result * a).sum(dim=1, keepdim=True) / norm_a / found
    torch.testing.assert_close(from_a[turning], torch.cos(t * angle)[turning], rtol=1e-4, atol=1e-4)


@given(a=LONG_ENOUGH, b=LONG_ENOUGH)
def test_slerp_ends_at_its_ends(a: Tensor, b: Tensor) -> None:
    n = min(len(a), len(b))
    torch.testing.assert_close(apply("slerp", [a[:n], b[:n]], (0,)), a[:n], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(apply("slerp", [a[:n], b[:n]], (1,)), b[:n], rtol=1e-6, atol=1e-6)


def test_slerp_near_parallel_is_lerp() -> None:
    a, b = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[1.0, 5e-5, 0.0]])
    assert torch.equal(apply("slerp", [a, b], (0.3,)), apply("lerp", [a, b], (0.3,)))


@given(a=VECTORS, b=VECTORS)
def test_project_and_remove_are_two_parts(a: Tensor, b: Tensor) -> None:
    inside, outside = apply("project", [a, b]), apply("remove", [a, b])
    close(inside + outside, a)
    close(apply("project", [inside, b]), inside)
    close((outside.double() * inside.double()).sum(dim=1), torch.zeros(len(a), dtype=torch.float64))


def test_nearly_dependent_vectors_span_one_direction() -> None:
    b = torch.tensor([[1.0, 0.0, 0.0], [1.0, 5e-6, 0.0]])
    assert apply("project", [torch.tensor([[0.0, 1.0, 0.0]]), b]).abs().max() < 1e-5


@given(a=LONG_ENOUGH, norm=st.floats(0.1, 50))
def test_normalize_gives_the_norm_and_keeps_the_direction(a: Tensor, norm: float) -> None:
    result = apply("normalize", [a], (norm,), vocabulary=WORDS)
    torch.testing.assert_close(torch.linalg.vector_norm(result, dim=1), torch.full((len(a),), norm), rtol=1e-5, atol=0)
    assert bool(((result * a).sum(dim=1) > 0).all())


def test_zero_vectors_give_no_norms() -> None:
    with pytest.raises(WrongArgument, match="The embedding that gives the norms has only zero vectors"):
        run("normalize", [A, [[0.0, 0.0, 0.0]]])


def test_a_vocabulary_of_zero_vectors_has_no_nearest_word() -> None:
    nothing = Vocabulary(lambda start, stop: torch.zeros(stop - start, 3), size=5, width=3, excluded=())
    with pytest.raises(WrongArgument, match="The model's vocabulary has only zero vectors"):
        apply("nearest", [torch.ones(1, 3)], (), vocabulary=nothing)


def test_random_depends_on_seed_encoder_and_index_alone() -> None:
    three = apply("random", [], (3, 7), vocabulary=WORDS, encoder="clip_l")
    assert torch.equal(three[:1], apply("random", [], (1, 7), vocabulary=WORDS, encoder="clip_l"))
    for other in ((8, "clip_l"), (-7, "clip_l"), (7, "clip_g")):
        assert not torch.equal(three, apply("random", [], (3, other[0]), vocabulary=WORDS, encoder=other[1]))
    assert len(set(map(tuple, three.tolist()))) == 3


def test_random_is_the_same_everywhere() -> None:
    """These numbers never change: a file made from a seed can be made again."""
    assert vocabulary.standard_normal(["other", "embmerge"], 4)[1].tolist() == EXACT


EXACT = [
    float.fromhex(number)
    for number in ("-0x1.06ed6c2bdaccfp-3", "0x1.280bdca61351cp-1", "0x1.a663d96e31a46p-1", "-0x1.d1a5b33dd6fabp-1")
]


def test_random_is_normal() -> None:
    drawn = torch.from_numpy(vocabulary.standard_normal(["many"], 200_001)[0])
    assert len(drawn) == 200_001
    assert abs(float(drawn.mean())) < 0.01
    assert abs(float(drawn.std()) - 1) < 0.01
    assert abs(float((drawn**4).mean()) - 3) < 0.06
    assert 0.0023 < float((drawn.abs() > 3).double().mean()) < 0.0031


def test_random_is_drawn_like_the_vocabulary() -> None:
    table = torch.tensor([[1.0, 10.0, 0.0], [3.0, 10.0, 4.0]])
    two = Vocabulary(lambda start, stop: table[start:stop], size=2, width=3, excluded=())
    drawn = apply("random", [], (1000, 1), vocabulary=two, encoder="clip_l")
    torch.testing.assert_close(drawn.mean(dim=0), torch.tensor([2.0, 10.0, 2.0]), rtol=0, atol=0.2)
    torch.testing.assert_close(drawn.std(dim=0), torch.tensor([1.0, 0.0, 2.0]), rtol=0, atol=0.1)


def test_operators_are_callable_bare() -> None:
    a = rows(A)
    assert torch.equal(arithmetic.add(a, a), a * 2)
    assert torch.equal(sequence.pool(a), a.mean(dim=0, keepdim=True))
    assert torch.equal(geometry.normalize(a, 0), torch.zeros_like(a))


def test_no_gradient_is_needed() -> None:
    a = rows(A).requires_grad_()
    assert apply("nearest", [a.detach()], (), vocabulary=WORDS).requires_grad is False
