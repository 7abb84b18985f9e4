"""The fuzzer of benchmarks/ in small: that it finds nothing, and that it would."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from torch import Tensor

from lib_embmerge.vectors import registry

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
from fuzz import fuzz, fuzz_recipes
from fuzzing.small_model import make_model


def test_nothing_but_mistakes_of_users_comes_out() -> None:
    run = fuzz(1_000, seed=5)
    assert run.failures == []
    assert run.counts["right, compared with numpy"] > 250
    assert run.counts["any, evaluated"] > 80
    assert run.counts["messages with a caret"] > 400


def test_other_tokenizers_and_recipes_too() -> None:
    run = fuzz(300, seed=5, model=make_model(with_t5=True))
    fuzz_recipes(run, 210, seed=5)
    assert run.failures == []
    assert run.counts["right, compared with numpy"] > 40
    assert run.counts["recipes, SD 3"] == 30


@pytest.mark.parametrize("name", ["scale", "remove"])
def test_a_wrong_operator_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = registry.OPERATORS[name]

    def wrong(*arguments: object, **needs: object) -> Tensor:
        return right.function(*arguments, **needs) * 1.00001

    spoiled = replace(right, function=wrong)
    monkeypatch.setitem(registry._registered, name, spoiled)
    assert any("rounding" in failure for failure in fuzz(200, seed=5).failures)
