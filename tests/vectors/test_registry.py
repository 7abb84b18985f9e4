"""The registry refuses what would make two truths."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest
import torch

from lib_embmerge.vectors import registry
from lib_embmerge.vectors.operators import OPERATORS
from lib_embmerge.vectors.registry import operator, pad_to


@pytest.fixture
def unsealed() -> ModuleType:
    """A registry of its own, in which nothing is registered yet."""
    spec = importlib.util.spec_from_file_location("lib_embmerge.vectors.another_registry", registry.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
    return module


def test_names_are_checked_before_anything_is_registered(unsealed: ModuleType) -> None:
    for name in ("unknown", "emb", "quoted"):
        with pytest.raises(ValueError, match="no operator"):
            unsealed.operator(name)

    @unsealed.operator("slerp")  # type: ignore[untyped-decorator]
    def slerp(a: object, b: object, t: object) -> object:
        return a

    assert slerp(1, 2, 3) == 1
    assert unsealed.OPERATORS["slerp"]([torch.zeros(1, 2)] * 2, (0,), None, "").shape == (1, 2)
    with pytest.raises(ValueError, match="twice"):
        unsealed.operator("slerp")
    unsealed.seal()
    with pytest.raises(ValueError, match="sealed"):
        unsealed.operator("lerp")


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
