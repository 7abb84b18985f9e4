"""Statistics and nearest rows against the plain definitions, in chunks of any size."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lib_embmerge.vectors import vocabulary
from lib_embmerge.vectors.vocabulary import Vocabulary

ROOT = Path(__file__).resolve().parents[2]


def vocabulary_of(table: Tensor, *, excluded: tuple[int, ...] = (), chunk: int = 4096) -> Vocabulary:
    return Vocabulary(
        lambda start, stop: table[start:stop], size=len(table), width=table.shape[1], excluded=excluded, chunk=chunk
    )


def noise(rows: int, columns: int) -> Tensor:
    return torch.from_numpy(np.random.RandomState(3).standard_normal((rows, columns)).astype(np.float32))


@pytest.mark.parametrize("chunk", [1, 7, 100, 1000])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_statistics_are_those_of_the_rows_that_are_not_excluded(chunk: int, dtype: torch.dtype) -> None:
    table = noise(100, 5).to(dtype)
    words = vocabulary_of(table, excluded=(0, 98), chunk=chunk)
    kept = np.delete(table.to(torch.float64).numpy(), [0, 98], axis=0)
    norms = np.linalg.norm(kept, axis=1)
    np.testing.assert_allclose(words.mean, kept.mean(axis=0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(words.deviation, kept.std(axis=0), rtol=1e-12)
    np.testing.assert_allclose(words.sorted_norms, np.sort(norms), rtol=1e-12)
    assert words.mean_norm == pytest.approx(norms.mean(), rel=1e-12)
    assert words.norms.isnan().nonzero().flatten().tolist() == [0, 98]
    assert float(words.norms[1]) == pytest.approx(norms[0])


def test_statistics_do_not_depend_on_how_the_table_is_read() -> None:
    """To the bit: `random` must draw the same from a file as from a host."""
    table = noise(1000, 13)
    one, other = vocabulary_of(table, excluded=(998, 999)), vocabulary_of(table, excluded=(998, 999), chunk=77)
    assert torch.equal(one.mean, other.mean)
    assert torch.equal(one.deviation, other.deviation)
    total = np.zeros(13)
    for row in table[:998].double().numpy():
        total = total + row
    assert one.mean.numpy().tolist() == (total / 998).tolist()


def test_statistics_that_are_read_in_many_goes_are_those_of_one() -> None:
    table, failing = noise(1000, 5), [True]

    def read(start: int, stop: int) -> Tensor:
        if start == 700 and failing and failing.pop():
            raise OSError("gone for a moment")
        return table[start:stop]

    words = Vocabulary(read, size=1000, width=5, excluded=(3,), chunk=100)
    with pytest.raises(OSError, match="gone"):
        words.read_on()
    shares = [words.read_on(0)]
    while shares[-1] < 1:
        shares.append(words.read_on(0))
    assert shares == sorted(set(shares))
    assert len(shares) > 10
    assert torch.equal(words.deviation, vocabulary_of(table, excluded=(3,)).deviation)


def test_percentile_counts_ties_half() -> None:
    words = vocabulary_of(torch.tensor([[1.0], [2.0], [2.0], [3.0]]))
    assert [words.scale().percentile(norm) for norm in (0.5, 1.0, 2.0, 2.5, 4.0)] == [0.0, 12.5, 50.0, 75.0, 100.0]


def test_rows_are_read_in_bounded_chunks_and_statistics_once() -> None:
    reads: list[int] = []
    table = noise(100, 3)

    def read(start: int, stop: int) -> Tensor:
        reads.append(stop - start)
        return table[start:stop]

    words = Vocabulary(read, size=100, width=3, excluded=(), chunk=30)
    _ = words.mean, words.deviation, words.mean_norm
    assert max(reads) == 30
    before = len(reads)
    _ = words.mean, words.scale().percentile(1.0)
    assert len(reads) == before


def expected_nearest(table: Tensor, query: Tensor, excluded: tuple[int, ...], k: int) -> list[int]:
    exact, wanted = table.double(), query.double()
    scored = []
    for token, row in enumerate(exact):
        if token not in excluded and row.any():
            cosine = float(row @ wanted / (row.norm() * wanted.norm() or 1))
            scored.append((-round(cosine, 10), token))
    return [token for _, token in sorted(scored)[:k]]


SMALL = st.integers(-2, 2)


@settings(deadline=None)
@given(
    table=st.lists(st.tuples(SMALL, SMALL, SMALL), min_size=1, max_size=30),
    query=st.tuples(SMALL, SMALL, SMALL).filter(any),
    k=st.integers(1, 8),
    chunk=st.integers(1, 31),
)
def test_nearest_is_the_plain_search(table: list[tuple[int, ...]], query: tuple[int, ...], k: int, chunk: int) -> None:
    """Small integers give many ties, zero rows and equal directions of unequal length."""
    rows, wanted = torch.tensor(table, dtype=torch.float32), torch.tensor(query, dtype=torch.float32)
    words = vocabulary_of(rows, excluded=(0,), chunk=chunk)
    for keep in (False, True, True):  # the third search keeps the rows
        ids, cosines = words.nearest(wanted[None], k=k, keep=keep)
        assert ids[0].tolist() == expected_nearest(rows, wanted, (0,), k)
        assert cosines[0].tolist() == sorted(cosines[0].tolist(), reverse=True)


def test_rows_that_are_searched_again_stay_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "KEPT_SECONDS", 0.5)
    table = noise(100, 3)
    reads: list[int] = []

    def read(start: int, stop: int) -> Tensor:
        reads.append(stop - start)
        return table[start:stop]

    words = Vocabulary(read, size=100, width=3, excluded=(), chunk=40)
    _ = words.norms
    counts = []
    for _ in range(4):
        reads.clear()
        words.nearest(noise(300, 3), k=2, keep=True)
        counts.append(sum(reads))
    assert counts == [100, 100, 0, 0]
    deadline = time.monotonic() + 20
    while words._rows is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert words._rows is None
    words.nearest(noise(1, 3), k=2, keep=True)
    assert reads == [40, 40, 20]


def test_many_vectors_take_one_pass_that_keeps_nothing() -> None:
    table = noise(100, 3)
    reads: list[int] = []

    def read(start: int, stop: int) -> Tensor:
        reads.append(stop - start)
        return table[start:stop]

    words = Vocabulary(read, size=100, width=3, excluded=(), chunk=40)
    _ = words.norms
    for _ in range(3):
        reads.clear()
        words.nearest(noise(2 * vocabulary.QUERIES + 1, 3), k=1)
        assert reads == [40, 40, 20]
        assert words._rows is None


@pytest.mark.parametrize("chunk", [64, 1000])
def test_equal_rows_tie_wherever_they_stand(chunk: int) -> None:
    """A matrix product may round equal rows differently; the ids must not show it."""
    table = noise(1000, 77)
    table[[5, 63, 64, 640, 999]] = table[0].clone()
    words = vocabulary_of(table, chunk=chunk)
    for _ in range(3):
        ids, cosines = words.nearest(table[[0, 7]], k=6, keep=True)
        assert ids[0].tolist() == [0, 5, 63, 64, 640, 999]
        assert cosines[0].tolist() == [1.0] * 6
        assert ids[1, 0] == 7


def test_the_model_may_run_in_half_precision() -> None:
    table = noise(50, 8).half()
    ids, _ = vocabulary_of(table).nearest(table[3:4].float(), k=1)
    assert ids.tolist() == [[3]]
    assert vocabulary_of(table).row(3).dtype == torch.float32


def test_nothing_to_find() -> None:
    words = vocabulary_of(torch.zeros(3, 2))
    assert words.nearest(torch.ones(2, 2), k=3)[0].shape == (2, 0)
    assert words.nearest(torch.zeros(0, 2), k=3)[0].shape == (0, 3)
    assert words.mean_norm == 0.0


def test_rows_that_are_not_finite_are_never_found() -> None:
    table = torch.tensor([[float("nan"), 1.0], [float("inf"), 0.0], [1.0, 0.0]])
    assert vocabulary_of(table).nearest(torch.tensor([[1.0, 1.0]]), k=3)[0].tolist() == [[2]]


def test_tiny_and_huge_vectors_have_a_direction() -> None:
    table = torch.tensor([[1e-30, 0.0], [0.0, 1e30]])
    assert vocabulary_of(table).nearest(torch.tensor([[1e30, 0.0], [0.0, 1e-30]]), k=1)[0].tolist() == [[0], [1]]


@pytest.mark.parametrize("scale", [1e-43, 1e-30, 1.0, 1e30, 1e39], ids=str)
def test_numbers_that_float32_cannot_hold_are_searched_in_float64(scale: float) -> None:
    """A table in float64 may have them; below, float32 has no digits left, above, it has infinity."""
    table = noise(60, 5).double() * scale
    words = vocabulary_of(table, chunk=25)
    queries = noise(7, 5) + 0.1
    unit = table / table.norm(dim=1, keepdim=True)
    cosines = (queries.double() / queries.double().norm(dim=1, keepdim=True)) @ unit.T
    ids, found = words.nearest(queries, k=4)
    assert ids.tolist() == cosines.topk(4, dim=1).indices.tolist()
    torch.testing.assert_close(found, cosines.topk(4, dim=1).values, rtol=0, atol=1e-10)
    assert words.mean_norm == pytest.approx(float(table.norm(dim=1).mean()))


def test_no_timer_is_left_where_the_program_ends() -> None:
    """A thread that frees rows while Python shuts down aborts the process now and then."""
    code = (
        "import atexit, threading\n"
        "def waiting():\n"
        "    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]\n"
        "    return [timer.daemon for timer in timers if not timer.finished.is_set()]\n"
        "atexit.register(lambda: print(*waiting(), 'end'))\n"  # the last one that is called
        "import torch\n"
        "from lib_embmerge.vectors.vocabulary import Vocabulary\n"
        "rows = torch.ones(8, 4)\n"
        "kept = Vocabulary(lambda a, b: rows[a:b], size=8, width=4, excluded=())\n"
        "for _ in range(3): kept.products(rows[:1])\n"
        "print(*waiting())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ended.stdout.split() == ["True", "end"]


def test_a_large_table_is_never_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    table = noise(300, 3)
    words = Vocabulary(lambda start, stop: table[start:stop], size=300, width=3, excluded=())
    monkeypatch.setattr(vocabulary, "KEPT_BYTES", 4 * 300 * 3 - 1)
    for _ in range(3):
        words.nearest(table[:2], k=2, keep=True)
    assert words._rows is None


def test_of_a_wide_table_fewer_rows_are_read_at_once() -> None:
    asked: list[int] = []

    def read(start: int, stop: int) -> torch.Tensor:
        asked.append(stop - start)
        return torch.ones(stop - start, 5120)

    assert Vocabulary(read, size=3000, width=5120, excluded=()).mean_norm > 0
    assert max(asked) * 5120 <= vocabulary.CHUNK_NUMBERS
