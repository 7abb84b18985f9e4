"""Figures about expressions and embeddings, against numbers worked out by hand."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import pytest
import torch

from lib_embmerge.host_protocol import InstalledEmbedding
from lib_embmerge.inspection import (
    find_neighbours,
    list_tokens,
    measure_differences,
    measure_embedding,
    measure_norms,
    measure_parts,
    measure_similarity,
)
from lib_embmerge.language import parse
from lib_embmerge.models.memory import WORDS, MemoryEncoder, MemoryModel
from lib_embmerge.vectors.embedding import Embedding
from tests.analysed import evaluate, read_parts


def model() -> MemoryModel:
    encoders = [MemoryEncoder("clip_l"), MemoryEncoder("clip_g", width=16, words=[*WORDS, "owl"])]
    made = MemoryModel(encoders)
    made.install(InstalledEmbedding("style", {"clip_l": torch.ones(2, 12), "clip_g": torch.ones(2, 16)}))
    return made


def test_tokens_are_listed_per_encoder_and_part() -> None:
    made = model()
    chips = list_tokens(read_parts("'red owl style' - text('cat'), 5", made), made)
    of_l = [(chip.part, chip.text, chip.id, chip.vectors) for chip in chips if chip.encoder == "clip_l"]
    byte = len(WORDS)
    assert of_l == [
        (0, "red", 5, 1),
        (0, "o", byte + ord("o"), 1),
        (0, "w", byte + ord("w"), 1),
        (0, "l", byte + ord("l"), 1),
        (0, "style", None, 2),
        (1, "cat", 0, 1),
        (2, "red", 5, 1),
    ]
    of_g = [(chip.part, chip.text, chip.is_embedding) for chip in chips if chip.encoder == "clip_g"]
    assert of_g == [(0, "red", False), (0, "owl", False), (0, "style", True), (1, "cat", False), (2, "red", False)]


def test_figures_of_vectors_by_hand() -> None:
    rows = torch.tensor([[3.0, -4.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    first, second = measure_embedding(Embedding({"clip_l": rows}))
    assert (first.encoder, first.index, first.vectors, first.id, first.text) == ("clip_l", 0, 1, None, "")
    assert first.norm == pytest.approx(math.sqrt(26))
    assert (first.minimum, first.maximum, first.mean, first.total, first.absolute) == (-4.0, 3.0, 0.0, 0.0, 8.0)
    assert first.std == pytest.approx(math.sqrt(26 / 4))
    assert (first.norm_ratio, first.percentile) == (None, None)
    assert (second.norm, second.absolute) == (0.0, 0.0)


def test_norms_are_put_beside_the_vocabulary() -> None:
    sd1 = MemoryModel.sd1()
    words = sd1.encoder("clip_l").vocabulary()
    (row,) = measure_embedding(evaluate("'cat' * 100", sd1), sd1)
    assert row.norm == 100.0
    assert row.norm_ratio == pytest.approx(100 / words.mean_norm)
    assert row.percentile == 100.0
    (zero,) = measure_embedding(evaluate("'cat' * 0", sd1), sd1)
    assert (zero.norm_ratio, zero.percentile) == (0.0, 0.0)


def test_figures_by_part_and_by_token() -> None:
    made = model()
    parts = read_parts("'cat owl' + 'style' + ''", made)
    by_part = measure_parts(parts, made, by="part")
    assert [(row.encoder, row.index, row.text, row.vectors, row.id) for row in by_part] == [
        ("clip_l", 0, "cat o w l", 4, None),
        ("clip_l", 1, "style", 2, None),
        ("clip_l", 2, "", 0, None),
        ("clip_g", 0, "cat owl", 4, None),
        ("clip_g", 1, "style", 2, None),
        ("clip_g", 2, "", 0, None),
    ]
    assert by_part[1].norm == pytest.approx(math.sqrt(12))
    assert by_part[1].total == 24.0
    assert (by_part[2].norm, by_part[2].minimum, by_part[2].total) == (None, None, 0.0)
    by_token = [row for row in measure_parts(parts, made, by="token") if row.encoder == "clip_g"]
    assert [(row.index, row.text, row.id, row.vectors) for row in by_token] == [
        (0, "cat", 0, 1),
        (1, "owl", 10, 1),
        (2, "style", None, 2),
    ]
    assert by_token[0].norm == 1.0


def test_the_distribution_holds_every_row() -> None:
    sd1 = MemoryModel.sd1()
    (found,) = measure_norms(sd1, bins=10)
    assert sum(found.counts) == 266
    assert (len(found.edges), len(found.counts), found.edges[0]) == (11, 10, 0.0)
    assert found.counts[-1] >= 1


def test_neighbours_are_the_words_themselves() -> None:
    sdxl = MemoryModel.sdxl()
    value = evaluate("'cat' * 2, ('red' * 0)", sdxl)
    found = find_neighbours(value, sdxl, k=2)
    assert (found[0].encoder, found[0].index, found[0].text, found[0].id) == ("clip_l", 0, "cat", 0)
    assert found[0].cosine > found[1].cosine
    assert {n.index for n in found} == {0}
    assert found[0].cosine == 1.0
    assert len(found) == 4


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
def test_a_vector_without_a_direction_has_no_neighbours(bad: float) -> None:
    rows = model().encoders[0].rows([3, 4]).clone()
    rows[0] = bad
    assert [n.index for n in find_neighbours(Embedding({"clip_l": rows}), model(), k=1)] == [1]


def test_vectors_in_float8_have_neighbours() -> None:
    rows = torch.ones(1, model().encoders[0].width).to(torch.float8_e4m3fn)
    assert len(find_neighbours(Embedding({"clip_l": rows}), model(), k=1)) == 1


def test_a_file_of_other_encoders_has_the_neighbours_of_those_it_shares() -> None:
    value = evaluate("'cat'", MemoryModel.sd1())
    assert {n.encoder for n in find_neighbours(value, MemoryModel.sdxl())} == {"clip_l"}


def test_compare_by_hand() -> None:
    a = Embedding({"clip_l": torch.tensor([[1.0, 0.0], [0.0, 2.0]]), "clip_g": torch.ones(2, 3)})
    b = Embedding({"clip_l": torch.tensor([[1.0, 1.0]]), "t5": torch.ones(1, 4)})
    of_l, of_g, of_t5 = measure_differences(a, b)
    assert (of_l.shape_a, of_l.shape_b) == ((2, 2), (1, 2))
    assert (of_l.mean_absolute, of_l.max_absolute) == (0.75, 2.0)
    assert of_l.cosines[0] == pytest.approx(math.sqrt(0.5))
    assert of_l.cosines[1] is None
    bad = Embedding({"clip_l": torch.tensor([[1.0, math.nan], [1.0, 1.0]])})
    assert math.isnan(measure_differences(bad, bad)[0].cosines[0])
    assert measure_similarity(bad)["clip_l"][0] == [None, None]
    assert (of_g.shape_a, of_g.shape_b, of_g.mean_absolute) == ((2, 3), None, None)
    assert (of_t5.shape_a, of_t5.shape_b) == (None, (1, 4))
    assert not of_l.is_equal
    assert all(difference.is_equal for difference in measure_differences(a, a))


def test_other_widths_give_no_figures() -> None:
    (found,) = measure_differences(Embedding({"clip_l": torch.ones(1, 2)}), Embedding({"clip_l": torch.ones(1, 3)}))
    assert (found.shape_a, found.shape_b, found.max_absolute) == ((1, 2), (1, 3), None)
    assert not found.is_equal


def test_no_vectors_compare_as_equal() -> None:
    empty = Embedding({"clip_l": torch.zeros(0, 2)})
    assert measure_differences(empty, empty)[0].is_equal


def test_similarity_is_none_for_zero_vectors() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.0, 0.0], [2.0, 0.0]])
    assert measure_similarity(Embedding({"clip_l": rows})) == {
        "clip_l": [[1.0, None, 1.0], [None, None, None], [1.0, None, 1.0]]
    }


def test_everything_is_plain_json() -> None:
    made = model()
    expression = parse("'cat owl style', ''")
    parts, value = read_parts(expression, made), evaluate(expression, made)
    found = [
        *list_tokens(parts, made),
        *measure_parts(parts, made),
        *measure_parts(parts, made, by="token"),
        *measure_embedding(value, made),
        *measure_norms(made),
        *find_neighbours(value, made),
        *measure_differences(value, value),
    ]
    json.dumps([asdict(row) for row in found], allow_nan=False)
