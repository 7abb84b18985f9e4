"""A vector as a sum of few words: orthogonal matching pursuit over the rows of token tables.

Several tables (the text encoders of one tokenizer) are fitted together: a word is chosen for all of them at once, and
weighs in each what fits best there.

The pursuit itself runs over the rows that are most similar to a vector, a few thousand of them. Then one pass over the
tables looks whether any other row would have been the better choice at any step; if so, the pursuit is run again from
that step with it. So the result is the pursuit's over the whole vocabulary, mostly for two or three passes instead of
one a word.

Source: Y. C. Pati, R. Rezaiifar, P. S. Krishnaprasad: Orthogonal Matching Pursuit, Asilomar 1993.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

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
MORE_ROWS = 128
"""Rows that are added for each step from the first on at which a better one was found outside."""
BLOCK = 8
"""Vectors that share a pass."""
EXACT = 1e-5
"""Share of a vector's squared length that rounding to bfloat16 may leave: below it nothing is left to explain."""
WEIGHTLESS = 1e-3
"""Length of a word's part, over the vector's own, below which the word is left out."""
NEARLY_EQUAL = 1e-4
"""Share by which a preferred row may fit worse and still be chosen."""
NEARLY_ALL = 0.01
"""What is left of a vector's squared length where one of its words may have been taken for a similar one."""
ALIKE = 0.25
"""Squared cosine from which on rows are similar: one may have been taken for the other."""
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


@dataclass(eq=False)
class _Pursuit:
    """The words chosen for one vector, and what was left of it before each choice and after the last."""

    target: list[Tensor]
    """By table, as all below."""
    known: set[int]
    """The rows to choose from."""
    sure: int = 1
    """Steps whose best row of all is known: of the first one from the beginning."""
    ids: list[int] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)
    """What the best row of a step takes away. The last step's may have been too little to choose it."""
    directions: list[list[Tensor]] = field(default_factory=list)
    """What each word has at right angles to those before it, at length 1; zero where that is nothing."""
    residuals: list[list[Tensor]] = field(init=False)
    exchanged: list[int] = field(default_factory=list)
    """Words that were put in the place of the chosen ones and are all of the vector; none where none were."""

    def __post_init__(self) -> None:
        """Begin with the whole vector."""
        self.residuals = [self.target]

    @property
    def words(self) -> list[int]:
        """The words found."""
        return self.exchanged or self.ids

    @property
    def left(self) -> float:
        """What is left of the squared length of 1."""
        return 0.0 if self.exchanged else _energy(self.residuals[-1])

    def go_back(self) -> None:
        """Forget the steps of which a better row may be known now."""
        first = self.sure - 1
        self.exchanged = []
        for by_step in (self.ids, self.gains, self.directions):
            del by_step[first:]
        del self.residuals[first + 1 :]

    def take(self, token: int, rows: Sequence[Tensor]) -> None:
        """Choose a word, of which the rows are given by table."""
        self.ids.append(token)
        self.directions.append(
            [_direction(row, [step[i] for step in self.directions]) for i, row in enumerate(rows)]
        )
        self.residuals.append(
            [left - (left @ along) * along for left, along in zip(self.residuals[-1], self.directions[-1], strict=True)]
        )


class _Shortlist:
    """The rows among which one pursuit chooses; a place is where a row stands among them."""

    def __init__(self, tables: Sequence[WordTable], ids: Sequence[int]) -> None:
        self.ids = ids
        self.place_of = {token: place for place, token in enumerate(ids)}
        self.rows = [table.rows(ids) for table in tables]
        self.norms = [_divisors(table.vocabulary.norms[list(ids)]) for table in tables]
        self._likeness = torch.zeros(len(ids))
        self._compared = 0

    def gains(self, residual: Sequence[Tensor]) -> Tensor:
        """Return how much of a vector each row takes away."""
        by_table = [
            (rows @ left).div_(norms).square_()
            for rows, norms, left in zip(self.rows, self.norms, residual, strict=True)
        ]
        return torch.stack(by_table).sum(dim=0)

    def units(self, places: Sequence[int]) -> list[Tensor]:
        """Return some of the rows at length 1, by table."""
        return [unit_vectors(rows[list(places)]) for rows in self.rows]

    def alike(self, places: Sequence[int]) -> list[int]:
        """Return the places of the rows that may have been taken for some of them; these themselves, too.

        The places are those of the call before, and more.
        """
        new = list(places[self._compared :])
        self._compared = len(places)
        by_table = [
            (rows @ words.T).div_(norms[:, None]).square_()
            for rows, norms, words in zip(self.rows, self.norms, self.units(new), strict=True)
        ]
        likeness = torch.stack(by_table).mean(dim=0).amax(dim=1)
        likeness[new] = 1.0
        self._likeness = torch.maximum(self._likeness, likeness)
        found: list[int] = (self._likeness >= ALIKE).nonzero()[:, 0].tolist()
        return found


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
        pursuits = [_Pursuit(target, _best_rows(row, SHORTLIST)) for target, row in zip(targets, gains, strict=True)]
        open_ones = pursuits
        while open_ones:
            for pursuit in open_ones:
                self._pursue(pursuit)
            open_ones = self._with_better_rows(open_ones)
        return [self._weigh([rows[i] for rows in vectors], pursuit) for i, pursuit in enumerate(pursuits)]

    def _gains(self, targets: Sequence[Tensor]) -> Tensor:
        """Return how much of each target each row takes away: (n, size); -1 for rows that may not be chosen."""
        total = torch.zeros((len(targets[0]), self.size))
        usable = torch.zeros(self.size, dtype=torch.bool)
        for table, rows in zip(self.tables, targets, strict=True):
            norms = table.vocabulary.norms[: self.size]
            usable |= norms > 0  # NaN, of the excluded rows, is not
            products = table.vocabulary.products(rows)[:, : self.size]
            total += products.div_(_divisors(norms)).square_()
        total.masked_fill_(~usable, -1.0)
        return total

    def _pursue(self, pursuit: _Pursuit) -> None:
        """Choose words among the known rows, from the first step on at which a new one is the best."""
        pursuit.go_back()
        shortlist = _Shortlist(self.tables, sorted(pursuit.known))
        while len(pursuit.ids) < self.most + SPARE_STEPS and pursuit.left >= EXACT and shortlist.ids:
            gains = shortlist.gains(pursuit.residuals[-1])
            gains[[shortlist.place_of[token] for token in pursuit.ids]] = -1.0
            best = float(gains.max())
            pursuit.gains.append(best)
            if best <= 0 or (len(pursuit.ids) >= self.most and best < self._chance(pursuit.residuals[-1])):
                return
            place = self._best_place(gains, shortlist.ids)
            pursuit.take(shortlist.ids[place], [rows[0] for rows in shortlist.units([place])])
            if EXACT < pursuit.left < NEARLY_ALL:
                pursuit.exchanged = self._exchange(pursuit, shortlist)

    def _best_place(self, gains: Tensor, ids: Sequence[int]) -> int:
        """Return where the best row stands, or one that fits as well and is preferred; of equal ones the first."""
        near: list[int] = (gains >= float(gains.max()) * (1 - NEARLY_EQUAL)).nonzero()[:, 0].tolist()
        preferred: list[int] = [place for place in near if self.is_preferred(ids[place])]
        return max(preferred or near, key=lambda place: float(gains[place]))

    def _exchange(self, pursuit: _Pursuit, shortlist: _Shortlist) -> list[int]:
        """Return words in the place of the chosen ones that are all of the vector; none where there are no such.

        Of rows that are nearly one and the same, as those of tokens that were never trained are, the others' part in
        the vector may have made the wrong one look best. Beside all others the right one fits better.
        """
        chosen = [shortlist.place_of[token] for token in pursuit.ids]
        places = shortlist.alike(chosen)
        if len(places) == len(chosen):
            return []
        sums = [_Sums(part, rows) for part, rows in zip(pursuit.target, shortlist.units(places), strict=True)]
        words = _exchanged(sums, [places.index(place) for place in chosen])
        return [shortlist.ids[places[word]] for word in words]

    def _with_better_rows(self, pursuits: Sequence[_Pursuit]) -> list[_Pursuit]:
        """Return the pursuits that have to be run again: of which a row they don't know is the best at some step.

        They know it then, and those that are good at that step and the later ones: what is left there will be similar.
        Where a pursuit's words are all of the vector no other ones are looked for.
        """
        steps = [
            (pursuit, step)
            for pursuit in pursuits
            if pursuit.left > EXACT or len(pursuit.words) > self.most
            for step in range(pursuit.sure, len(pursuit.gains))
        ]
        if not steps:
            return []
        residuals = [pursuit.residuals[step] for pursuit, step in steps]
        gains = self._gains([torch.stack(rows) for rows in zip(*residuals, strict=True)])
        again: list[_Pursuit] = []
        for (pursuit, step), row in zip(steps, gains, strict=True):
            best = _best_rows(row, MORE_ROWS)
            least = pursuit.gains[step] * (1 + 1e-4)  # float32 adds in another order in another shape
            if step >= self.most:
                least = max(least, self._chance(pursuit.residuals[step]))
            is_first = pursuit not in again
            if is_first and any(float(row[token]) > least for token in best - pursuit.known):
                pursuit.sure = step + 1
                again.append(pursuit)
            if pursuit in again:
                pursuit.known |= best
        return again

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
        everything = pursuit.words[: self.most]
        most = shares if everything == list(ids) else self._shares(vector, everything, solve(everything)[0])
        return WordFit(tuple(ids), weights, shares, _mean(most), is_chance)

    def _kept_words(
        self, pursuit: _Pursuit, solve: Callable[[Sequence[int]], tuple[Tensor, list[float]]]
    ) -> tuple[list[int], bool]:
        """Return the words to keep, and whether they fit no better than chance."""
        if pursuit.left < EXACT:  # all that weighs something, even where it took more steps than words
            _, lengths = solve(pursuit.words)
            ids = [token for token, length in zip(pursuit.words, lengths, strict=True) if length > WEIGHTLESS]
            if len(ids) <= self.most:
                return ids, False
        count = min(self._count_above_chance(pursuit), self.most)
        return (pursuit.words[:count], False) if count else (pursuit.words[: self.most], True)

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


def _exchanged(sums: Sequence[_Sums], chosen: Sequence[int]) -> list[int]:
    """Return rows in the place of the chosen ones whose sum is all of the vector; none where there are no such."""
    words = list(chosen)
    for place in list(range(len(words))) * 2:
        others = words[:place] + words[place + 1 :]
        gains = torch.stack([one.gains_beside(others) for one in sums]).sum(dim=0)
        gains[others] = -1.0
        words[place] = int(gains.argmax())
        if sum(one.left_of(words) for one in sums) < EXACT:
            return words
    return []


def _best_rows(gains: Tensor, count: int) -> set[int]:
    """Return so many rows that take most away; fewer where fewer may be chosen."""
    best = gains.topk(min(count, len(gains)))
    return set(best.indices[best.values >= 0].tolist())


def _divisors(norms: Tensor) -> Tensor:
    """Return rows' norms to divide by, float32: infinity for rows that are no words, of norm 0 or NaN."""
    return torch.where(norms > 0, norms, torch.inf).to(torch.float32)


def _direction(row: Tensor, before: Sequence[Tensor]) -> Tensor:
    """Return the part of a row that is at right angles to all rows before, at length 1.

    Edge: zeros where the row lies in the span of those before.
    """
    if before:
        basis = torch.stack(list(before))
        for _ in range(2):  # the second time for what rounding has left
            row = row - (basis @ row) @ basis
    norm = float(torch.linalg.vector_norm(row))
    return row / norm if norm >= WEIGHTLESS else torch.zeros_like(row)


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
