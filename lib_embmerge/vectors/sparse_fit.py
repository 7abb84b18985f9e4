"""A vector as a sum of few words: orthogonal matching pursuit over the rows of token tables.

Several tables (the text encoders of one tokenizer) are fitted together: a word is chosen for all of them at once, and
weighs in each what fits best there.

The pursuit itself runs over the rows that are most similar to a vector, a few thousand of them. Then one pass over the
tables looks whether any other row would have been the better choice at any step; if so, the pursuit is run again with
it. So the result is the pursuit's over the whole vocabulary, for two passes instead of one a word.

Source: Y. C. Pati, R. Rezaiifar, P. S. Krishnaprasad: Orthogonal Matching Pursuit, Asilomar 1993.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .units import unit_vectors
from .vocabulary import Vocabulary

__all__ = ["MOST_WORDS", "WordFit", "WordTable", "fit_words"]

MOST_WORDS = 8
"""Words of a sum, at most."""
SPARE_STEPS = 4
"""Steps beyond that, whose words may turn out to weigh nothing, or may make earlier ones weigh nothing."""
SHORTLIST = 2048
"""Rows among which words are chosen at first."""
MORE_ROWS = 64
"""Rows that are added for each step at which a better one was found outside."""
ROUNDS = 8
"""Passes over the tables, at most; two are usual."""
BLOCK = 8
"""Vectors that share a pass."""
EXACT = 1e-5
"""Share of a vector's squared length that rounding to bfloat16 may leave: below it nothing is left to explain."""
WEIGHTLESS = 1e-3
"""Length of a word's part, over the vector's own, below which the word is left out."""
NEARLY_EQUAL = 1e-4
"""Share by which a preferred row may fit worse and still be chosen."""
NEARLY_ALL = 0.01
"""What is left of a vector's squared length where one of its words may have been taken for a very similar one."""
ABOVE_CHANCE = 1.5
"""How many times better than the best of as many random rows a word has to fit."""


@dataclass(frozen=True)
class WordTable:
    """A token table to choose from: its statistics, and what gathers rows of it by id, (len(ids), width), float32."""

    vocabulary: Vocabulary
    rows: Callable[[Sequence[int]], Tensor]


@dataclass(frozen=True)
class WordFit:
    """One vector as a sum of words.

    `ids` are the words, the best one first: those that fit better than the best of as many random rows would, or where
    none does (`is_chance`) the best `most`. `weights` (tables, words), float64, is what each is multiplied by in each
    table. `shares` is how much of the vector the sum is, by table: of its squared length, from 0 to 1, NaN where the
    vector is zero; `share` is their mean. `most_share` is what `most` words reach, chance or not.
    """

    ids: tuple[int, ...]
    weights: Tensor
    shares: tuple[float, ...]
    most_share: float
    is_chance: bool

    @property
    def share(self) -> float:
        """How much of the vector the words are, from 0 to 1; 0 for a zero vector."""
        return _mean(self.shares)


def fit_words(
    vectors: Sequence[Tensor],
    tables: Sequence[WordTable],
    *,
    most: int = MOST_WORDS,
    is_preferred: Callable[[int], bool] = lambda _token: False,
) -> Iterator[WordFit]:
    """Yield the fit of each vector, in order.

    `vectors` has (n, width) for each table; the tables have equally many rows. Of rows that fit equally well a
    preferred one is chosen, then that of the lowest id. Rows of zeros and excluded rows are never chosen.
    """
    search = _Search(tables, most, is_preferred)
    for start in range(0, len(vectors[0]), BLOCK):
        yield from search.fit([rows[start : start + BLOCK].detach().to(torch.float32) for rows in vectors])


@dataclass
class _Pursuit:
    """The words chosen for one vector, and what was left of it before each choice and after the last."""

    ids: list[int]
    residuals: list[list[Tensor]]
    """By step and table."""
    gains: list[float]

    @property
    def left(self) -> float:
        """What is left of the squared length of 1."""
        return _energy(self.residuals[-1])


class _Sums:
    """Sums of a table's rows against a vector's part, of which the words are exchanged one by one.

    What a row has in common with another is kept, because the same words come again and again. Rows may be nearly one
    and the same, so it is in double precision.
    """

    def __init__(self, part: Tensor, rows: Tensor) -> None:
        self.rows = rows.double()
        self.fits = self.rows @ part.double()
        self.energy = float(part.double().square().sum())
        self.columns: dict[int, Tensor] = {}

    def gains_beside(self, others: Sequence[int]) -> Tensor:
        """Return how much of the part each row takes away in a sum with other rows."""
        if not others:
            return self.fits.square()
        common = torch.stack([self._column(place) for place in others], dim=1)
        inverse = torch.linalg.pinv(common[list(others)], hermitian=True)
        left = self.fits - common @ (inverse @ self.fits[list(others)])
        own = 1 - ((common @ inverse) * common).sum(dim=1)  # squared lengths of what is at right angles to the others
        gains: Tensor = left.square() / own.clamp_min(WEIGHTLESS)
        return gains

    def left_of(self, words: Sequence[int]) -> float:
        """Return what is left of the part's squared length without the sum of some rows that is nearest to it."""
        common = torch.stack([self._column(place) for place in words], dim=1)[list(words)]
        fits = self.fits[list(words)]
        return self.energy - float(fits @ torch.linalg.pinv(common, hermitian=True) @ fits)

    def _column(self, place: int) -> Tensor:
        if place not in self.columns:
            self.columns[place] = self.rows @ self.rows[place]
        return self.columns[place]


class _Search:
    """The search over some tables."""

    def __init__(self, tables: Sequence[WordTable], most: int, is_preferred: Callable[[int], bool]) -> None:
        self.tables = tables
        self.most = most
        self.is_preferred = is_preferred
        self.size = min(table.vocabulary.size for table in tables)

    def fit(self, vectors: Sequence[Tensor]) -> list[WordFit]:
        """Fit a block of vectors together."""
        targets = [_at_unit_length([rows[i] for rows in vectors]) for i in range(len(vectors[0]))]
        gains = self._gains([torch.stack(rows) for rows in zip(*targets, strict=True)])
        count = min(SHORTLIST, self.size)
        lists = [set(row.topk(count).indices.tolist()) for row in gains]
        found: dict[int, _Pursuit] = {}
        open_ones = list(range(len(targets)))
        for _ in range(ROUNDS):
            for i in open_ones:
                found[i] = self._pursue(targets[i], sorted(lists[i]))
            better = self._better_rows([found[i] for i in open_ones], [lists[i] for i in open_ones])
            for i, rows in zip(open_ones, better, strict=True):
                lists[i] |= rows
            open_ones = [i for i, rows in zip(open_ones, better, strict=True) if rows]
            if not open_ones:
                break
        return [self._weigh([rows[i] for rows in vectors], found[i]) for i in range(len(targets))]

    def _gains(self, targets: Sequence[Tensor]) -> Tensor:
        """Return how much of each target each row takes away: (n, size); -1 for rows that may not be chosen."""
        total = torch.zeros((len(targets[0]), self.size))
        usable = torch.zeros(self.size, dtype=torch.bool)
        for table, rows in zip(self.tables, targets, strict=True):
            norms = table.vocabulary.norms[: self.size]
            there = norms > 0  # NaN, of the excluded rows, is not
            usable |= there
            products = table.vocabulary.products(rows)[:, : self.size]
            cosines = products.div_(torch.where(there, norms, torch.inf).to(torch.float32))
            total += cosines.square_()
        total.masked_fill_(~usable, -1.0)
        return total

    def _pursue(self, target: Sequence[Tensor], ids: Sequence[int]) -> _Pursuit:
        atoms = [unit_vectors(table.rows(ids)) for table in self.tables]
        residual = list(target)
        bases: list[list[Tensor]] = [[] for _ in self.tables]
        pursuit = _Pursuit([], [residual], [])
        chosen: list[int] = []
        sums: list[_Sums] = []
        for _ in range(min(self.most + SPARE_STEPS, len(ids))):
            if pursuit.left < EXACT:
                break
            by_table = [(rows @ left).square() for rows, left in zip(atoms, residual, strict=True)]
            gains = torch.stack(by_table).sum(dim=0)
            gains[chosen] = -1.0
            best = float(gains.max())
            if best <= 0:
                break
            place = self._best_place(gains, ids)
            chosen.append(place)
            residual = [
                _take_away(left, rows[place], basis) for left, rows, basis in zip(residual, atoms, bases, strict=True)
            ]
            pursuit.ids.append(ids[place])
            pursuit.gains.append(best)
            pursuit.residuals.append(residual)
            if EXACT < pursuit.left < NEARLY_ALL:
                sums = sums or [_Sums(part, rows) for part, rows in zip(target, atoms, strict=True)]
                whole = self._exchange(sums, chosen)
                if whole:
                    pursuit.ids = [ids[place] for place in whole]
                    pursuit.residuals[-1] = [torch.zeros_like(part) for part in target]
        return pursuit

    def _best_place(self, gains: Tensor, ids: Sequence[int]) -> int:
        """Return where the best row stands, or one that fits as well and is preferred; of equal ones the first."""
        near: list[int] = (gains >= float(gains.max()) * (1 - NEARLY_EQUAL)).nonzero()[:, 0].tolist()
        preferred: list[int] = [place for place in near if self.is_preferred(ids[place])]
        return max(preferred or near, key=lambda place: float(gains[place]))

    def _exchange(self, sums: Sequence[_Sums], chosen: Sequence[int]) -> list[int]:
        """Return words in the place of the chosen ones that are all of the vector; none where there are no such.

        Of rows that are nearly one and the same, as those of tokens that were never trained are, the others' part in
        the vector may have made the wrong one look best. Beside all others the right one fits better.
        """
        words = list(chosen)
        for place in list(range(len(words))) * 2:
            others = words[:place] + words[place + 1 :]
            gains = torch.stack([one.gains_beside(others) for one in sums]).sum(dim=0)
            gains[others] = -1.0
            words[place] = int(gains.argmax())
            if sum(one.left_of(words) for one in sums) < EXACT:
                return words
        return []

    def _better_rows(self, pursuits: Sequence[_Pursuit], lists: Sequence[set[int]]) -> list[set[int]]:
        """Return, for each pursuit, rows outside of its list that would have been chosen at one of its steps.

        Where its words are all of the vector no other ones are looked for.
        """
        steps = [
            (i, step)
            for i, pursuit in enumerate(pursuits)
            if pursuit.left > EXACT or len(pursuit.ids) > self.most
            for step in range(1, len(pursuit.ids))
        ]
        better: list[set[int]] = [set() for _ in pursuits]
        if not steps or all(len(known) >= self.size for known in lists):
            return better
        residuals = [pursuits[i].residuals[step] for i, step in steps]
        gains = self._gains([torch.stack(rows) for rows in zip(*residuals, strict=True)])
        values, ids = gains.topk(min(MORE_ROWS, self.size))
        for (i, step), tops, rows in zip(steps, values.tolist(), ids.tolist(), strict=True):
            least = pursuits[i].gains[step] * (1 + 1e-4)  # float32 adds in another order in another shape
            better[i] |= {row for row, gain in zip(rows, tops, strict=True) if gain > least and row not in lists[i]}
        return better

    def _weigh(self, vector: Sequence[Tensor], pursuit: _Pursuit) -> WordFit:
        """Find the weights of the words that say something of the vector."""
        solved: dict[tuple[int, ...], tuple[Tensor, list[float]]] = {}

        def solve(ids: Sequence[int]) -> tuple[Tensor, list[float]]:
            key = tuple(ids)
            if key not in solved:
                solved[key] = self._solve(vector, ids)
            return solved[key]

        ids, is_chance = self._kept_words(pursuit, solve)
        weights, _ = solve(ids)
        shares = self._shares(vector, ids, weights)
        everything = pursuit.ids[: self.most]
        most = shares if everything == list(ids) else self._shares(vector, everything, solve(everything)[0])
        return WordFit(tuple(ids), weights, shares, _mean(most), is_chance)

    def _kept_words(
        self, pursuit: _Pursuit, solve: Callable[[Sequence[int]], tuple[Tensor, list[float]]]
    ) -> tuple[list[int], bool]:
        """Return the words to keep, and whether they fit no better than chance."""
        if pursuit.left < EXACT:  # all that weighs something, even where it took more steps than words
            _, lengths = solve(pursuit.ids)
            ids = [token for token, length in zip(pursuit.ids, lengths, strict=True) if length > WEIGHTLESS]
            if len(ids) <= self.most:
                return ids, False
        count = min(self._count_above_chance(pursuit), self.most)
        return (pursuit.ids[:count], False) if count else (pursuit.ids[: self.most], True)

    def _shares(self, vector: Sequence[Tensor], ids: Sequence[int], weights: Tensor) -> tuple[float, ...]:
        return tuple(map(_share, vector, self._sums(ids, weights)))

    def _solve(self, vector: Sequence[Tensor], ids: Sequence[int]) -> tuple[Tensor, list[float]]:
        """Return least squares weights (tables, words), float64, and the longest part of each word over the vector."""
        weights = torch.zeros((len(self.tables), len(ids)), dtype=torch.float64)
        lengths = torch.zeros(len(ids), dtype=torch.float64)
        for i, (table, rows) in enumerate(zip(self.tables, vector, strict=True)):
            norm = float(torch.linalg.vector_norm(rows.to(torch.float64)))
            if not ids or not norm:
                continue
            words = table.rows(ids).to(torch.float64)
            solved = torch.linalg.lstsq(words.T, rows.to(torch.float64)[:, None], driver="gelsd").solution[:, 0]
            weights[i] = solved
            lengths = torch.maximum(lengths, solved.abs() * torch.linalg.vector_norm(words, dim=1) / norm)
        return weights, lengths.tolist()

    def _sums(self, ids: Sequence[int], weights: Tensor) -> list[Tensor]:
        return [row @ table.rows(ids).to(torch.float64) for row, table in zip(weights, self.tables, strict=True)]

    def _count_above_chance(self, pursuit: _Pursuit) -> int:
        count = 0
        for step, gain in enumerate(pursuit.gains):
            if gain < ABOVE_CHANCE * self._chance(pursuit.residuals[step]):
                break
            count += 1
        return count

    def _chance(self, residual: Sequence[Tensor]) -> float:
        """Return what the best of `size` random rows takes away: the tail of a sum of squared normal numbers."""
        return 2 * math.log(max(2, self.size)) * max(float(left @ left) / len(left) for left in residual)


def _at_unit_length(vector: Sequence[Tensor]) -> list[Tensor]:
    """Return the parts of a vector at equal length, together of length 1; a part of zeros stays zero."""
    norms = [float(torch.linalg.vector_norm(part)) for part in vector]
    count = max(1, sum(norm > 0 for norm in norms))
    return [part / (norm * math.sqrt(count)) if norm else part for part, norm in zip(vector, norms, strict=True)]


def _take_away(left: Tensor, row: Tensor, basis: list[Tensor]) -> Tensor:
    """Return what is left without the part along a row, at right angles to all rows before, and add it to the basis."""
    direction = row
    for _ in range(2):  # the second time for what rounding has left
        for known in basis:
            direction = direction - (direction @ known) * known
    norm = float(torch.linalg.vector_norm(direction))
    if norm < WEIGHTLESS:  # it lies in the span of those before
        return left
    basis.append(direction / norm)
    return left - (left @ basis[-1]) * basis[-1]


def _mean(shares: Sequence[float]) -> float:
    there = [share for share in shares if not math.isnan(share)]
    return sum(there) / len(there) if there else 0.0


def _energy(residual: Sequence[Tensor]) -> float:
    return sum(float(left @ left) for left in residual)


def _share(rows: Tensor, approximation: Tensor) -> float:
    exact = rows.to(torch.float64)
    total = float(exact @ exact)
    rest = exact - approximation
    return 1 - float(rest @ rest) / total if total else math.nan
