"""Statistics of a token table, in bounded memory; and its rows, while they are searched again and again."""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from .norm_scale import NormMemory, NormScale
from .units import unit_vectors

__all__ = ["Vocabulary"]

NEAR_TIE = 1e-4
"""A float32 cosine of 1,280 columns is less than this off; what is nearer to the best is compared in float64."""
FLOAT32_NORMS = 1e-30, 1e30
"""Norms of rows whose cosines float32 can hold to that precision."""
DECIMALS = 12
"""Cosines are rounded to this many digits, so that equal rows tie whatever order a machine adds in."""
PAIRS = 4096
"""Pairs of a query and a row that are compared in float64 at once."""
QUERIES = 256
"""Queries that are compared with a chunk of rows at once."""
KEPT_CHUNK = 16_384
"""Rows that are compared at once where they are in memory: of more, the cosines alone would take 50 MB."""
PRODUCT_ROWS = 1024
"""Rows that are multiplied at once: of more, they and the products leave the processor's cache in between."""
FEW_QUERIES = 4
"""Queries that are few beside a table's width."""
KEPT_SECONDS = 60.0
"""How long after a search the rows stay in memory, from the second search within that time on: while someone types."""
LONGEST_END_S = 5.0
"""How long the program's end waits for a timer that is at work."""
KEPT_BYTES = 300_000_000
"""Rows of more than these bytes, in float32, never stay in memory: a language model's would take gigabytes."""
CHUNK_NUMBERS = 4_000_000
"""Numbers that are read at once at most: of a wide table fewer rows, so that no more than some 100 MB are needed."""
BLOCK = 128
"""Rows that are added up at once: they fit into a processor's cache."""
PASSES = 2
"""How often the table is gone through for its statistics."""
SAMPLES, SAMPLE_ROWS = 32, 4
"""Places of a table, and rows at each, that the usual norm is taken of where the whole is not read: CLIP's differ by a
tenth from one another, so that the mean of these is right to a hundredth."""


@dataclass(frozen=True)
class _Statistics:
    mean: Tensor
    deviation: Tensor
    norms: Tensor
    """By token id; NaN for the excluded."""
    sorted_norms: Tensor


class Vocabulary:
    """All rows of a table but the excluded ones (start and end token).

    `read(start, stop)` gives rows as a CPU tensor of any float dtype; it is asked for at most `chunk` rows at a time.
    Everything is computed on first use, in float32 or better, and kept; the rows themselves only for a while.
    """

    def __init__(
        self,
        read: Callable[[int, int], Tensor],
        *,
        size: int,
        width: int,
        excluded: Sequence[int],
        chunk: int = 4096,
        memory: NormMemory | None = None,
    ) -> None:
        """Take the table's sizes; nothing is read yet. `memory` keeps the norms from one run to the next."""
        self.read = read
        self.size = size
        self.width = width
        self.excluded = frozenset(excluded)
        self.chunk = max(1, min(chunk, CHUNK_NUMBERS // max(1, width)))
        self._lock = threading.Lock()
        self._kept: _Statistics | None = None
        self._reading: Iterator[int] | None = None
        self._rows_read = 0
        self._memory = memory
        self._scale: NormScale | None = None
        self._sampled: float | None = None
        self._rows: Tensor | None = None
        self._searched = -math.inf
        self._forgetting: weakref.finalize[..., Vocabulary] | None = None

    @property
    def mean(self) -> Tensor:
        """Mean of the rows per dimension: (width,), float64."""
        return self._statistics().mean

    @property
    def deviation(self) -> Tensor:
        """Population standard deviation of the rows per dimension: (width,), float64."""
        return self._statistics().deviation

    @property
    def norms(self) -> Tensor:
        """Norm of every row by token id: (size,), float64, NaN for the excluded rows."""
        return self._statistics().norms

    @property
    def sorted_norms(self) -> Tensor:
        """Norms of the vocabulary's rows, ascending, float64: their distribution."""
        return self._statistics().sorted_norms

    @property
    def mean_norm(self) -> float:
        """Mean of the rows' norms; 0 for a table with no rows."""
        norms = self.sorted_norms
        return float(norms.mean()) if norms.numel() else 0.0

    def scale(self) -> NormScale:
        """Return the norms to judge others by, without reading a row where they are kept from an earlier run."""
        with self._lock:
            self._recall_scale()
            if self._scale is None:
                self._scale = self._measure_scale()
                if self._memory is not None:
                    self._memory.keep(self._scale)
            return self._scale

    def usual_norm(self) -> float:
        """Return about the mean norm of the rows: exact where that is known, or of some rows of the table.

        Edge: 0 where those rows hold nothing.
        """
        with self._lock:
            self._recall_scale()
            if self._scale is None and self._kept is not None:
                self._scale = self._measure_scale()
            if self._scale is not None:
                return self._scale.mean
            if self._sampled is None:
                self._sampled = _scale_of(self._norms_of(self._samples())).mean
            return self._sampled

    def _recall_scale(self) -> None:
        if self._scale is None and self._kept is None and self._memory is not None:
            self._scale = self._memory.load()

    def _measure_scale(self) -> NormScale:
        return _scale_of(self._norms_of(self._chunks()) if self._kept is None else self._kept.sorted_norms.numpy())

    def _norms_of(self, chunks: Iterable[tuple[int, Tensor]]) -> np.ndarray:
        with torch.inference_mode(mode=False), torch.no_grad(), np.errstate(all="ignore"):
            parts = list(map(_norms_of_rows, self._blocks(chunks)))
        return np.concatenate([np.zeros(0), *parts])

    def _samples(self) -> Iterator[tuple[int, Tensor]]:
        """Yield a few rows from each part of the table."""
        for first in range(0, self.size, max(SAMPLE_ROWS, self.size // SAMPLES)):
            yield first, self.read(first, min(first + SAMPLE_ROWS, self.size)).detach()

    def broken_rows(self) -> list[int]:
        """Return the ids of the rows that hold infinity or NaN, ascending."""
        broken = (~torch.isfinite(self.norms)).nonzero()[:, 0].tolist()
        return [token for token in broken if token not in self.excluded]

    def row(self, token: int) -> Tensor:
        """Return one row by token id: (width,), float32, a copy."""
        return self.read(token, token + 1)[0].detach().to(torch.float32, copy=True)

    def products(self, vectors: Tensor) -> Tensor:
        """Return the dot product of each vector with each row of the table, the excluded ones too.

        Shapes: vectors (n, width) to (n, size), float32.
        """
        queries = vectors.detach().to(torch.float32)
        parts = [
            _products_of(queries, some.to(torch.float32))
            for _, rows in self._searched_chunks(keep=True)
            for some in torch.split(rows, PRODUCT_ROWS)
        ]
        return torch.cat(parts, dim=1) if parts else torch.zeros((len(queries), 0))

    def nearest(self, vectors: Tensor, *, k: int, keep: bool = False) -> tuple[Tensor, Tensor]:
        """Find the `k` rows most similar to each vector by cosine: their ids and the cosines.

        The table is gone through once for all vectors, a chunk at a time; `keep` lets its rows stay in memory for a
        while where they are searched again soon, as while someone types.

        Shapes: vectors (n, width) to ids (n, k), int64, and cosines (n, k), float64, best first; fewer columns where
        the vocabulary has fewer rows.
        Edge: zero rows and excluded ids are never found; ties go to the lowest id; a zero vector has cosine 0 to all.
        """
        if not len(vectors):
            return torch.zeros((0, k), dtype=torch.int64), torch.zeros((0, k), dtype=torch.float64)
        norms = self.norms
        usable = (norms > 0) & torch.isfinite(norms)
        found = min(k, int(usable.sum()))
        exact = unit_vectors(vectors.detach().to(torch.float64))
        blocks = [_Best(block, found) for block in torch.split(exact, QUERIES)]
        for first, rows in self._searched_chunks(keep=keep) if found else ():
            part = slice(first, first + len(rows))
            if usable[part].any():
                for best in blocks:
                    best.add(rows, norms[part], usable[part], first)
        return torch.cat([best.ids for best in blocks]), torch.cat([best.cosines for best in blocks])

    def _searched_chunks(self, *, keep: bool) -> Iterable[tuple[int, Tensor]]:
        """Return the rows: as they are read, or from memory where they are kept."""
        with self._lock:
            if keep:
                self._keep()
            rows = self._rows
        return self._chunks() if rows is None else self._kept_chunks(rows)

    def _keep(self) -> None:
        """Keep the rows where they were searched a moment ago, too."""
        now = time.monotonic()
        is_again, self._searched = now - self._searched < KEPT_SECONDS, now
        if is_again and 4 * self.size * self.width <= KEPT_BYTES:
            if self._rows is None:
                self._rows = self._read_all()
            self._forget_later()

    def _kept_chunks(self, rows: Tensor) -> Iterator[tuple[int, Tensor]]:
        for first in range(0, len(rows), KEPT_CHUNK):
            yield first, rows[first : first + KEPT_CHUNK]

    def _read_all(self) -> Tensor:
        with torch.inference_mode(mode=False), torch.no_grad():
            kept: Tensor | None = None
            for first, rows in self._chunks():
                if kept is None:
                    exact = torch.float64 if rows.dtype == torch.float64 else torch.float32
                    kept = torch.empty((self.size, self.width), dtype=exact)
                kept[first : first + len(rows)] = rows
            return torch.empty((0, self.width)) if kept is None else kept

    def _forget_later(self) -> None:
        if self._forgetting is not None and (waiting := self._forgetting.detach()) is not None:
            waiting[2][0].cancel()
        timer = threading.Timer(KEPT_SECONDS, _forget_rows, [weakref.ref(self)])
        timer.daemon = True
        timer.start()
        self._forgetting = weakref.finalize(self, _end, timer)  # also where the program ends before

    def _forget(self) -> None:
        with self._lock:
            if time.monotonic() - self._searched >= KEPT_SECONDS:
                self._rows = None

    def _chunks(self) -> Iterator[tuple[int, Tensor]]:
        for first in range(0, self.size, self.chunk):
            yield first, self.read(first, min(first + self.chunk, self.size)).detach()

    def _blocks(self, chunks: Iterable[tuple[int, Tensor]]) -> Iterator[np.ndarray]:
        """Yield the rows that are not excluded, in float64, a block at a time, each in the place of the one before.

        numpy works in this thread; torch would wake others for each block, which costs more than it gains.
        """
        buffer = np.empty((BLOCK, self.width))
        for first, rows in chunks:
            numbers = rows.to(torch.float32 if rows.dtype != torch.float64 else rows.dtype).numpy()
            keep = [i for i in range(len(numbers)) if first + i not in self.excluded]
            if len(keep) < len(numbers):
                numbers = numbers[keep]
            for start in range(0, len(numbers), BLOCK):
                block = buffer[: min(BLOCK, len(numbers) - start)]
                block[:] = numbers[start : start + BLOCK]
                yield block

    def read_on(self, seconds: float = math.inf) -> float:
        """Read rows for the statistics for about so long, from where that was left; return what share is done.

        Where another thread is at that, it is waited for as long.
        """
        end = time.monotonic() + seconds
        if self._lock.acquire(timeout=min(seconds, threading.TIMEOUT_MAX)):
            try:
                self._read_until(end)
            finally:
                self._lock.release()
        return 1.0 if self._kept is not None else min(1.0, self._rows_read / max(1, PASSES * self.size))

    def _read_until(self, end: float) -> None:
        if self._kept is not None:
            return
        if self._reading is None:
            self._reading, self._rows_read = self._compute(), 0
        with torch.inference_mode(mode=False), torch.no_grad(), np.errstate(all="ignore"):
            for count in self._reading:
                self._rows_read += count
                if time.monotonic() >= end:
                    return

    def _statistics(self) -> _Statistics:
        while self._kept is None:
            self.read_on()
        return self._kept

    def _compute(self) -> Iterator[int]:
        """Make the statistics and keep them, yielding after each block how many rows it has."""
        total, squares = np.zeros(self.width), np.zeros(self.width)
        norms = [np.zeros(0)]
        try:
            for rows in self._blocks(self._chunks()):
                norms.append(_norms_of_rows(rows))
                total = _add_up(total, rows)
                yield len(rows)
            all_norms = np.concatenate(norms)
            count = max(1, len(all_norms))
            mean = total / count
            for rows in self._blocks(self._chunks()):
                np.subtract(rows, mean, out=rows)
                squares = _add_up(squares, np.square(rows, out=rows))
                yield len(rows)
        finally:
            self._reading = None
        by_id = np.full(self.size, np.nan)
        by_id[[i for i in range(self.size) if i not in self.excluded]] = all_norms
        self._kept = _Statistics(
            mean=torch.from_numpy(mean),
            deviation=torch.from_numpy(np.sqrt(squares / count)),
            norms=torch.from_numpy(by_id),
            sorted_norms=torch.from_numpy(np.sort(all_norms)),
        )


def _products_of(queries: Tensor, rows: Tensor) -> Tensor:
    """Return the dot products: (n, rows). Of few queries the product the other way round takes half the time."""
    return (rows @ queries.T).T if len(queries) <= FEW_QUERIES else queries @ rows.T


def _norms_of_rows(rows: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("ij,ij->i", rows, rows))  # type: ignore[no-any-return]


def _scale_of(norms: np.ndarray) -> NormScale:
    return NormScale(np.sort(norms[np.isfinite(norms)]))


def _forget_rows(of: weakref.ref[Vocabulary]) -> None:
    vocabulary = of()
    if vocabulary is not None:
        vocabulary._forget()


def _end(timer: threading.Timer) -> None:
    """End a timer and wait for it: a thread that frees a tensor while Python shuts down would abort the process."""
    timer.cancel()
    if timer is not threading.current_thread():
        timer.join(LONGEST_END_S)


def _add_up(total: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Add rows to a total, one after the other; the first row is changed.

    numpy adds along axis 0 in that order on every machine; torch's order depends on processor and threads, and what is
    drawn like the vocabulary must not.
    """
    rows[0] += total
    result: np.ndarray = np.add.reduce(rows, axis=0)
    return result


@dataclass
class _Best:
    """The `k` best rows found so far for each query; queries are unit vectors, (count, width), float64."""

    queries: Tensor
    k: int
    ids: Tensor = field(init=False)
    cosines: Tensor = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no rows."""
        self.ids = torch.full((len(self.queries), self.k), -1, dtype=torch.int64)
        self.cosines = torch.full((len(self.queries), self.k), -torch.inf, dtype=torch.float64)

    def add(self, rows: Tensor, norms: Tensor, usable: Tensor, first: int) -> None:
        """Take in a chunk of rows, whose ids begin at `first`: float32 finds candidates, float64 ranks them."""
        rough = self._rough_cosines(rows, norms, usable)
        rough.index_fill_(1, (~usable).nonzero()[:, 0], -torch.inf)
        least = self.cosines[:, -1].to(rough.dtype)
        if rough.shape[1] >= self.k:
            least = torch.maximum(least, rough.topk(self.k, dim=1).values[:, -1])
        least = (least - NEAR_TIE).clamp_(min=torch.finfo(rough.dtype).min)  # what is not usable is below
        pairs = (rough >= least[:, None]).nonzero()
        for some in torch.split(pairs, PAIRS):
            query, row = some[:, 0], some[:, 1]
            directions = unit_vectors(rows[row].to(torch.float64))
            exact = (self.queries[query] * directions).sum(dim=1).round(decimals=DECIMALS)
            self._rank(query, row + first, exact)

    def _rough_cosines(self, rows: Tensor, norms: Tensor, usable: Tensor) -> Tensor:
        there = norms[usable]
        fits = FLOAT32_NORMS[0] < float(there.min()) and float(there.max()) < FLOAT32_NORMS[1]
        if not fits:
            return self.queries @ unit_vectors(rows.to(torch.float64)).T
        return (self.queries.to(torch.float32) @ rows.to(torch.float32).T).div_(norms.to(torch.float32))

    def _rank(self, query: Tensor, ids: Tensor, cosines: Tensor) -> None:
        count = len(self.queries)
        old = torch.arange(count).repeat_interleave(self.k)
        query = torch.cat([old, query])
        ids, cosines = torch.cat([self.ids.flatten(), ids]), torch.cat([self.cosines.flatten(), cosines])
        order = torch.from_numpy(np.lexsort((ids.numpy(), -cosines.numpy(), query.numpy())))
        query, ids, cosines = query[order], ids[order], cosines[order]
        firsts = torch.searchsorted(query, torch.arange(count))
        chosen = firsts[:, None] + torch.arange(self.k)
        self.ids, self.cosines = ids[chosen], cosines[chosen]
