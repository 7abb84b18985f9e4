"""Vectors as sums of few words: planted sums are found again, noise is not taken for words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from lib_embmerge.vectors import sparse_fit
from lib_embmerge.vectors.sparse_fit import WordFit, WordTable, fit_words
from lib_embmerge.vectors.vocabulary import Vocabulary

SIZE = 6000
EXCLUDED = (SIZE - 2, SIZE - 1)


@cache
def random_tables(*widths: int, seed: int = 0) -> tuple[Tensor, ...]:
    made = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(SIZE, width, generator=made) * 0.014 for width in widths)


def as_tables(*rows: Tensor) -> list[WordTable]:
    return [as_table(one) for one in rows]


def as_table(rows: Tensor) -> WordTable:
    vocabulary = Vocabulary(
        lambda start, stop: rows[start:stop], size=len(rows), width=rows.shape[1], excluded=EXCLUDED
    )
    return WordTable(vocabulary, lambda ids: rows[list(ids)])


def fit(vectors: Sequence[Tensor], *rows: Tensor, **options: object) -> WordFit:
    return next(fit_words([one[None] for one in vectors], as_tables(*rows), **options))  # type: ignore[arg-type]


def planted(count: int, seed: int, *rows: Tensor) -> tuple[set[int], list[Tensor]]:
    """Return words and their sum with random signs, by table."""
    made = torch.Generator().manual_seed(1000 * count + seed)
    ids = torch.randperm(SIZE - 2, generator=made)[:count].tolist()
    signs = torch.randint(0, 2, (count,), generator=made) * 2.0 - 1
    return set(ids), [signs @ one[ids] for one in rows]


@pytest.mark.parametrize("widths", [(384,), (256, 320)], ids=["one table", "two tables"])
@pytest.mark.parametrize("count", range(1, 9))
def test_planted_sums_are_found_exactly(widths: tuple[int, ...], count: int) -> None:
    rows = random_tables(*widths)
    for seed in range(6):
        ids, vectors = planted(count, seed, *rows)
        found = fit(vectors, *rows)
        assert set(found.ids) == ids
        assert not found.is_chance
        assert found.share == pytest.approx(1, abs=1e-9)
        assert found.weights.abs() == pytest.approx(1, abs=1e-5)


def test_each_table_has_weights_of_its_own() -> None:
    left, right = random_tables(256, 320)
    found = fit([0.5 * left[7] - left[9], 2 * right[7] + right[9]], left, right)
    weights = dict(zip(found.ids, found.weights.T.tolist(), strict=True))
    assert weights[7] == pytest.approx([0.5, 2])
    assert weights[9] == pytest.approx([-1, 1])


def test_half_words_and_half_noise_has_both_words_and_no_more() -> None:
    rows = random_tables(256, 320)
    for seed in range(10):
        ids, vectors = planted(2, seed, *rows)
        made = torch.Generator().manual_seed(100 + seed)  # not the tables' seed
        noise = [torch.randn(len(one), generator=made) for one in vectors]
        found = fit([a / a.norm() + b / b.norm() for a, b in zip(vectors, noise, strict=True)], *rows)
        assert set(found.ids) == ids
        assert found.share == pytest.approx(0.5, abs=0.06)


def test_noise_is_no_words() -> None:
    rows = random_tables(256, 320)
    made = torch.Generator().manual_seed(5)
    found = fit([torch.randn(256, generator=made), torch.randn(320, generator=made)], *rows)
    assert found.is_chance
    assert len(found.ids) == 8
    assert found.share == found.most_share < 0.5


def test_it_is_the_pursuit_over_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short list of candidates changes nothing: what was missing in it is found in the second pass."""
    (rows,) = random_tables(64)
    vector = torch.randn(64, generator=torch.Generator().manual_seed(3))
    expected = plain_pursuit(vector.double().numpy(), rows[:-2].double().numpy(), 8)
    monkeypatch.setattr(sparse_fit, "SHORTLIST", 4)
    monkeypatch.setattr(sparse_fit, "MORE_ROWS", 2)
    assert list(fit([vector], rows).ids) == expected


def plain_pursuit(vector: np.ndarray, rows: np.ndarray, count: int) -> list[int]:
    """Run the textbook's orthogonal matching pursuit in float64."""
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    chosen: list[int] = []
    left = vector
    for _ in range(count):
        chosen.append(int(np.argmax(np.abs(units @ left))))
        words = rows[chosen].T
        left = vector - words @ np.linalg.lstsq(words, vector, rcond=None)[0]
    return chosen


def test_of_equal_rows_a_preferred_one_is_taken_then_the_first() -> None:
    (rows,) = random_tables(64)
    rows = rows.clone()
    rows[20] = rows[30] = rows[10]
    assert fit([rows[10]], rows).ids == (10,)
    assert fit([rows[10]], rows, is_preferred=lambda token: token == 30).ids == (30,)


@pytest.mark.parametrize("count", [1, 4, 8])
def test_of_rows_that_are_nearly_one_the_right_one_is_found(count: int) -> None:
    """As those of tokens that were never trained are; cosines of real ones are .998 to .9999."""
    (rows,) = random_tables(384)
    rows = rows.clone()
    made = torch.Generator().manual_seed(8)
    rows[:1000] = rows[0] + 0.03 * torch.randn(1000, 384, generator=made) * 0.014
    for seed in range(6):
        ids, _ = planted(count, seed, rows)
        sum_of = [500 + seed, *sorted(ids - set(range(1000)))][:count]
        found = fit([rows[sum_of].sum(dim=0)], rows)
        assert set(found.ids) == set(sum_of)
        assert found.share == pytest.approx(1, abs=1e-9)


def test_start_end_and_zero_rows_are_never_words() -> None:
    (rows,) = random_tables(64)
    rows = rows.clone()
    rows[5] = 0
    found = fit([rows[EXCLUDED[0]]], rows)
    assert not {5, *EXCLUDED} & set(found.ids)


def test_a_zero_vector_has_no_words_and_a_zero_part_no_share() -> None:
    left, right = random_tables(256, 320)
    nothing = fit([torch.zeros(256), torch.zeros(320)], left, right)
    assert (nothing.ids, nothing.share) == ((), 0.0)
    half = fit([left[3], torch.zeros(320)], left, right)
    assert half.ids == (3,)
    assert half.weights[:, 0].tolist() == pytest.approx([1, 0])
    assert half.shares == pytest.approx((1, float("nan")), nan_ok=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rounding_is_no_remainder(dtype: torch.dtype) -> None:
    (rows,) = random_tables(384)
    ids, (vector,) = planted(5, 0, rows)
    found = fit([vector.to(dtype)], rows)
    assert set(found.ids) == ids


def test_many_vectors_are_those_one_by_one() -> None:
    rows = random_tables(256, 320)
    sums = [planted(1 + seed % 8, seed, *rows) for seed in range(20)]
    stacked = [torch.stack(column) for column in zip(*(vectors for _, vectors in sums), strict=True)]
    found = list(fit_words(stacked, as_tables(*rows)))
    assert [set(one.ids) for one in found] == [ids for ids, _ in sums]
