"""Random trees for Hypothesis, and a second, slow evaluation in numpy to compare with."""

from __future__ import annotations

from functools import reduce

import numpy as np
from hypothesis import strategies as st

from lib_embmerge.language.nodes import Apply, Expression, Number, Text
from lib_embmerge.models.memory import MemoryEncoder

TEXTS = ["cat", "dog", "", "red cat", "a photo of a cat", "xy"]
FRACTIONS = st.sampled_from([-2, -1, -0.5, 0, 0.25, 0.5, 1, 2])
COUNTS = st.integers(0, 4)
OFFSETS = st.integers(-5, 5)
SCALARS = [
    ("scale", FRACTIONS),
    ("divide", FRACTIONS.filter(bool)),
    ("resize", COUNTS),
    ("repeat", COUNTS),
    ("shift", OFFSETS),
]


def _unary(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    plain = st.builds(lambda name, a: Apply(name, (a,)), st.sampled_from(["negate", "sum", "pool", "mean"]), inner)
    scaled = [
        st.builds(lambda a, n, name=name: Apply(name, (a, Number(n))), inner, numbers) for name, numbers in SCALARS
    ]
    cut = st.builds(
        lambda a, i, j: Apply("slice", (a, None if i is None else Number(i), None if j is None else Number(j))),
        inner,
        st.none() | OFFSETS,
        st.none() | OFFSETS,
    )
    return st.one_of(plain, cut, *scaled)


def _joining(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    two = st.builds(lambda name, a, b: Apply(name, (a, b)), st.sampled_from(["add", "subtract"]), inner, inner)
    blend = st.builds(lambda a, b, t: Apply("lerp", (a, b, Number(t))), inner, inner, FRACTIONS)
    many = st.builds(
        lambda name, operands: Apply(name, tuple(operands)),
        st.sampled_from(["mean", "concat"]),
        st.lists(inner, min_size=1, max_size=3),
    )
    return st.one_of(two, blend, many)


WORDS_READ: st.SearchStrategy[Expression] = st.one_of(
    st.sampled_from(TEXTS).map(Text),
    st.sampled_from(TEXTS).map(lambda text: Apply("text", (Text(text),))),
)

LEAVES: st.SearchStrategy[Expression] = st.one_of(
    WORDS_READ,
    st.integers(0, 12).map(lambda token: Apply("token", (Number(token),))),
    st.sampled_from(["pad", "end", "start"]).map(lambda name: Apply(name, ())),
)


def _composed(leaves: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.recursive(leaves, lambda inner: st.one_of(_unary(inner), _joining(inner)), max_leaves=8)


EXPRESSIONS = _composed(LEAVES)
OF_WORDS = _composed(WORDS_READ)
"""Expressions that any model can read, whatever its tokenizers are."""


def by_numpy(node: Expression, encoder: MemoryEncoder) -> np.ndarray:
    """Evaluate for one encoder by the definitions of docs/language.md, in float64, by recursion."""
    table = encoder.table.double().numpy()
    if isinstance(node, Text):
        return table[encoder.tokenize([node.value])[0]].reshape(-1, encoder.width)
    assert isinstance(node, Apply)
    if node.name == "text":
        assert isinstance(node.arguments[0], Text)
        return by_numpy(node.arguments[0], encoder)
    if node.name in ("pad", "end", "start"):
        ids = {"pad": encoder.padding_id, "end": encoder.end_id, "start": encoder.start_id}
        return table[[ids[node.name]]]
    operands = [by_numpy(a, encoder) for a in node.arguments if isinstance(a, (Text, Apply))]
    numbers = [a.value if isinstance(a, Number) else None for a in node.arguments[len(operands) :]]
    if node.name == "token":
        return table[[numbers[0]]]
    return _COMPUTED[node.name](*operands, *numbers)


def _padded(*operands: np.ndarray) -> list[np.ndarray]:
    length = max(map(len, operands))
    return [np.concatenate([a, np.zeros((length - len(a), a.shape[1]))]) for a in operands]


def _lerp(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    a, b = _padded(a, b)
    return (1 - t) * a + t * b


_COMPUTED = {
    "add": lambda a, b: sum(_padded(a, b)),
    "subtract": lambda a, b: reduce(np.subtract, _padded(a, b)),
    "negate": lambda a: -a,
    "scale": lambda a, t: a * t,
    "divide": lambda a, t: a / t,
    "resize": lambda a, n: _padded(a[:n], np.zeros((n, a.shape[1])))[0],
    "repeat": lambda a, n: np.tile(a, (n, 1)),
    "shift": lambda a, n: np.roll(a, n, axis=0),
    "slice": lambda a, i=None, j=None: a[i:j],
    "sum": lambda a: a.sum(axis=0, keepdims=True)[: len(a)],
    "pool": lambda a: a.sum(axis=0, keepdims=True)[: len(a)] / max(1, len(a)),
    "mean": lambda *operands: sum(_padded(*operands)) / len(operands),
    "concat": lambda *operands: np.concatenate(operands),
    "lerp": _lerp,
}
