"""Embeddings carried to another model: by their words exactly, by maps as far as those reach."""

from __future__ import annotations

import pytest
import torch

from lib_embmerge import carry
from lib_embmerge.carry import MAPS, CarriedWords, carry_map, carry_shared, carry_words
from lib_embmerge.errors import ShapeMismatch
from lib_embmerge.families import FAMILIES
from lib_embmerge.models.checkpoint import CheckpointModel, FileEncoder, open_model
from lib_embmerge.models.demonstration import DemonstrationTable
from lib_embmerge.models.memory import MemoryModel
from lib_embmerge.vectors.embedding import Embedding
from lib_embmerge.vectors.linear_map import fit_ridge, fit_rotation, judge_map
from tests.analysed import evaluate


@pytest.fixture(scope="module")
def xl() -> CheckpointModel:
    return open_model(None)


@pytest.fixture(scope="module")
def sd1(xl: CheckpointModel) -> CheckpointModel:
    """A model of another family, whose table has other numbers and another length."""
    table = DemonstrationTable("clip_l", norm=0.9)
    table._seed ^= table._seed >> table._seed.dtype.type(7)
    return CheckpointModel(None, FAMILIES["sd1"], [FileEncoder("clip_l", table)], xl._places)


def value_of(text: str, model: CheckpointModel) -> Embedding:
    return evaluate(text, model)


def carried(embedding: Embedding, source: CheckpointModel, target: CheckpointModel) -> CarriedWords:
    *vectors, last = carry_words(embedding, source, target)
    assert isinstance(last, CarriedWords)
    assert tuple(vectors) == last.vectors
    return last


def cosine(left: Embedding, right: Embedding) -> float:
    flat = [torch.cat([rows.flatten() for rows in one.values()]) for one in (left, right)]
    return float(torch.nn.functional.cosine_similarity(*flat, dim=0))


SUMS = ["'cat' - 'adult' + 'child'", "'red house', 'dog' * 0.5", "'king' - 'man' + 'woman' + 'tree' * 0.3"]


@pytest.mark.parametrize("text", SUMS)
def test_words_are_the_same_sum_there(sd1: CheckpointModel, xl: CheckpointModel, text: str) -> None:
    for source, target in ((sd1, xl), (xl, sd1)):
        found = carried(value_of(text, source), source, target)
        assert found.share == pytest.approx(1, abs=1e-4)
        assert cosine(evaluate(found.tree, target), value_of(text, target)) > 0.9999


FLUX, QWEN, CLIP_L = MemoryModel.flux(), MemoryModel.qwen(), MemoryModel.sd1()
ELSEWHERE = [
    ("'cat' - 'dog' * 0.5", CLIP_L, FLUX, "'cat' - 'dog' * 0.5"),
    ("'cat' - 'dog' * 0.5", CLIP_L, QWEN, "'cat' - 'dog' * 0.5"),
    ("'red', 'dog'", QWEN, FLUX, "'red', 'dog'"),
    ("clip_l('red') + t5xxl('cat')", FLUX, CLIP_L, "'red'"),
    ("clip_l('red') + t5xxl('cat')", FLUX, QWEN, "'red'"),
    ("clip_l('red' : 1) + t5xxl('cat')", FLUX, FLUX, "clip_l('red' : 1) + t5xxl('cat')"),
]


@pytest.mark.parametrize(("text", "source", "target", "expression"), ELSEWHERE)
def test_another_tokenizer_reads_the_words(
    text: str, source: MemoryModel, target: MemoryModel, expression: str
) -> None:
    """A token's id means another word to another tokenizer, also where that cuts the word into several tokens."""
    assert carried(evaluate(text, source), source, target).expression == expression  # type: ignore[arg-type]


def test_half_noise_leaves_the_words(sd1: CheckpointModel, xl: CheckpointModel) -> None:
    half = value_of("normalize('castle' + 'banana') + normalize(random(1, 5))", sd1)
    found = carried(half, sd1, xl)
    assert found.share == pytest.approx(0.5, abs=0.06)
    assert cosine(evaluate(found.tree, xl), value_of("'castle' + 'banana'", xl)) > 0.97


def test_noise_is_said_to_be_no_words(sd1: CheckpointModel, xl: CheckpointModel) -> None:
    assert carried(value_of("random(2, 5)", sd1), sd1, xl).share == 0


def test_weights_of_one_encoder_become_the_other_s(sd1: CheckpointModel, xl: CheckpointModel) -> None:
    found = carried(value_of("'cat' * 0.25L * 0.75G", xl), xl, sd1)
    assert evaluate(found.tree, sd1).equals(value_of("'cat' * 0.25", sd1))


@pytest.mark.parametrize("way", MAPS)
def test_a_map_between_equal_tables_changes_nothing(
    xl: CheckpointModel, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carry, "MOST_COMMON", 1_200)
    clip_l = CheckpointModel(None, FAMILIES["sd1"], xl.encoders[:1], xl._places)
    value = value_of("'cat' - 'dog'", clip_l)
    made = carry_map(value, clip_l, clip_l, way)
    assert made.cosines["clip_l"] > 0.999
    torch.testing.assert_close(made.value["clip_l"], value["clip_l"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("fit", [fit_ridge, fit_rotation])
def test_a_map_finds_a_rotation(fit: object) -> None:
    made = torch.Generator().manual_seed(1)
    rows = torch.randn(600, 24, generator=made)
    turn, _ = torch.linalg.qr(torch.randn(24, 24, generator=made))
    fitted = fit(rows, 3 * rows @ turn)  # type: ignore[operator]
    torch.testing.assert_close(fitted(rows[:5]), 3 * rows[:5] @ turn, rtol=1e-2, atol=1e-2)
    assert judge_map(fit, rows, 3 * rows @ turn) > 0.999  # type: ignore[arg-type]
    assert abs(judge_map(fit, rows, torch.randn(600, 24, generator=made))) < 0.3  # type: ignore[arg-type]


def test_shared_vectors_are_half_an_embedding(sd1: CheckpointModel, xl: CheckpointModel) -> None:
    value = value_of("'cat', 'dog'", sd1)
    half = carry_shared(value, xl)
    assert torch.equal(half["clip_l"], value["clip_l"])
    assert half["clip_g"].shape == (2, 1280)
    assert not half["clip_g"].any()
    with pytest.raises(ShapeMismatch, match="clip_h is no text encoder of demonstration"):
        carry_shared(Embedding({"clip_h": torch.ones(1, 1024)}), xl)


def test_an_embedding_of_neither_is_refused(sd1: CheckpointModel, xl: CheckpointModel) -> None:
    with pytest.raises(ShapeMismatch, match="not for the text encoders of"):
        carry_map(Embedding({"clip_h": torch.ones(1, 1024)}), sd1, xl, "ridge")
