"""A vocabulary's norms in the user's cache folder: read once a checkpoint, and computed again where that fails."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lib_embmerge.files.norm_cache import NormCache, cache_folder
from lib_embmerge.vectors.vocabulary import Vocabulary

ROWS = torch.arange(1.0, 41.0).reshape(20, 2)


class Table:
    """Rows that count how often they are read, and how many."""

    def __init__(self, rows: torch.Tensor = ROWS) -> None:
        self.rows = rows
        self.reads = 0
        self.read_rows = 0

    def read(self, start: int, stop: int) -> torch.Tensor:
        self.reads += 1
        self.read_rows += stop - start
        return self.rows[start:stop]


def vocabulary(table: Table, identity: str) -> Vocabulary:
    return Vocabulary(table.read, size=20, width=2, excluded=(19,), memory=NormCache(identity))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "embmerge" / "norms"


def test_the_rows_are_read_once_a_checkpoint() -> None:
    first, second, other = Table(), Table(), Table()
    scale = vocabulary(first, "one").scale()
    assert first.reads > 0
    again = vocabulary(second, "one").scale()
    assert second.reads == 0
    assert again.mean == scale.mean == pytest.approx(float(ROWS[:19].norm(dim=1).mean()))
    vocabulary(other, "another").scale()
    assert other.reads > 0


def test_it_judges_as_the_whole_table_does() -> None:
    norms = vocabulary(Table(), "one").sorted_norms
    for norm in (0.0, 1.0, float(norms[4]), 20.0, 1e9):
        shorter, not_longer = int((norms < norm).sum()), int((norms <= norm).sum())
        judged = vocabulary(Table(), "one").scale().percentile(norm)
        assert judged == 50.0 * (shorter + not_longer) / len(norms)


def test_the_usual_norm_is_known_from_few_rows_or_from_what_was_kept() -> None:
    rows = torch.randn((5000, 8), generator=torch.Generator().manual_seed(3))
    sampled, whole, kept = Table(rows), Table(rows), Table(rows)
    about, exact, known = (
        Vocabulary(table.read, size=5000, width=8, excluded=(0,), memory=NormCache("large"))
        for table in (sampled, whole, kept)
    )
    found = about.usual_norm()
    assert (found, sampled.read_rows) == (about.usual_norm(), sampled.read_rows)
    assert sampled.read_rows < 300
    assert found == pytest.approx(exact.scale().mean, rel=0.05)
    assert (known.usual_norm(), kept.reads) == (exact.scale().mean, 0)


def test_the_usual_norm_of_an_empty_table() -> None:
    nothing = Vocabulary(Table().read, size=0, width=2, excluded=())
    assert nothing.usual_norm() == nothing.scale().mean == 0


DAMAGE = [b"", b"x" * 100, b"\x93NUMPY", b"\x80\x04."]


@pytest.mark.parametrize("content", DAMAGE)
def test_what_is_damaged_is_computed_again(cache: Path, content: bytes) -> None:
    mean = vocabulary(Table(), "one").scale().mean
    (kept,) = cache.iterdir()
    kept.write_bytes(content)
    table = Table()
    assert vocabulary(table, "one").scale().mean == mean
    assert table.reads > 0
    assert kept.read_bytes() != content


def test_a_folder_that_cannot_be_written_in_is_no_trouble(cache: Path) -> None:
    cache.parent.parent.mkdir(exist_ok=True)
    cache.parent.write_text("a file where the folder should be")
    assert vocabulary(Table(), "one").scale().mean > 0


@pytest.mark.parametrize(
    ("system", "variable", "ends"),
    [("linux", "XDG_CACHE_HOME", "embmerge"), ("win32", "LOCALAPPDATA", "embmerge"), ("darwin", "", "embmerge")],
)
def test_each_system_has_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, variable: str, ends: str
) -> None:
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setenv("HOME", str(tmp_path))
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "mine"))
        assert cache_folder() == tmp_path / "mine" / ends
    else:
        assert cache_folder() == tmp_path / "Library" / "Caches" / ends
