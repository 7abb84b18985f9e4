"""The registry refuses what would make two truths."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from lib_embmerge.vectors.operators import OPERATORS
from lib_embmerge.vectors.registry import operator, pad_to

UNSEALED = """
import pytest
from lib_embmerge.vectors.registry import OPERATORS, operator, seal
for name in ("unknown", "emb", "quoted"):
    with pytest.raises(ValueError, match="no operator"):
        operator(name)
@operator("slerp")
def slerp(a, b, t):
    return a
assert slerp(1, 2, 3) == 1
assert OPERATORS["slerp"]([__import__("torch").zeros(1, 2)] * 2, (0,), None, "").shape == (1, 2)
with pytest.raises(ValueError, match="twice"):
    operator("slerp")
seal()
with pytest.raises(ValueError, match="sealed"):
    operator("lerp")
"""


def test_names_are_checked_before_anything_is_registered() -> None:
    """In a process of its own: here the registry is sealed already."""
    subprocess.run([sys.executable, "-c", UNSEALED], check=True)


def test_it_is_sealed_once_the_operators_are_there() -> None:
    with pytest.raises(ValueError, match="sealed"):
        operator("add")


def test_it_is_read_only() -> None:
    with pytest.raises(TypeError):
        OPERATORS["add"] = OPERATORS["subtract"]  # type: ignore[index]


def test_pad_to_adds_zero_vectors_and_cuts_none() -> None:
    rows = torch.ones(2, 3)
    assert pad_to(rows, 3).tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
    assert pad_to(rows, 1) is rows
