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

from .examples import examples


def test_nothing_but_mistakes_of_users_comes_out() -> None:
    count = examples(4_000)
    run = fuzz(count, seed=5)
    assert run.failures == []
    assert run.counts["right, compared with numpy"] > 0.25 * count
    assert run.counts["any, evaluated"] > 0.08 * count
    assert run.counts["messages with a caret"] > 0.4 * count


def test_other_tokenizers_and_recipes_too() -> None:
    count = examples(700)
    run = fuzz(2 * count, seed=5, model=make_model(with_t5=True))
    fuzz_recipes(run, count, seed=5)
    assert run.failures == []
    assert run.counts["right, compared with numpy"] > 0.26 * count
    assert run.counts["recipes, SD 3"] == count // 7


@pytest.mark.parametrize("name", ["scale", "remove"])
def test_a_wrong_operator_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = registry.OPERATORS[name]

    def wrong(*arguments: object, **needs: object) -> Tensor:
        return right.function(*arguments, **needs) * 1.00001

    spoiled = replace(right, function=wrong)
    monkeypatch.setitem(registry._registered, name, spoiled)
    assert any("rounding" in failure for failure in fuzz(200, seed=5).failures)
