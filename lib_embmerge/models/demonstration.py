"""The demonstration: token tables for trying everything without a checkpoint.

About 20,000 of CLIP's tokens are words that GloVe has vectors of; their rows point where those point, so that
`'king' - 'man' + 'woman'` comes near `queen`. All other rows are made up. None is CLIP's: what is made with them is for
trying only.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..families import CLIP_VOCABULARY_SIZE, ENCODER_WIDTHS, FAMILIES

__all__ = ["WORD_VECTORS", "DemonstrationTable", "demonstration_tables"]

WORD_VECTORS = Path(__file__).with_name("word_vectors.npz")
"""`ids` of tokens and the `directions` of their words, (words, 50), in 8 bits; tools/make_word_vectors.py made it.

Source: J. Pennington, R. Socher, C. D. Manning: GloVe, Global Vectors for Word Representation, 2014 (6B, 50d).
"""

OWN_PART = 0.1
"""Share of a word's squared length that points where no other word's does.

A trained table has as many directions as columns. GloVe's 50 alone would leave many sums of words with the same value.
"""


_BLOCK = 128
"""Rows that are computed at once: they fit into a processor's cache."""


class DemonstrationTable:
    """A table of which any row is computed from its token's id when it is asked for; no row is kept.

    Whole-number arithmetic, and single additions and multiplications in float32, so every machine and version gives
    the same bits. The words' norms are spread by a tenth around `norm`, those of all other rows by six tenths: as in a
    trained table a sum of a few words is no longer than any row.
    """

    _WORDS_SPREAD, _SPREAD = 0.2, 1.2

    def __init__(self, name: str, *, size: int = CLIP_VOCABULARY_SIZE, norm: float) -> None:
        """Take the encoder's name, which is the seed, and the rows' mean norm."""
        self.width = ENCODER_WIDTHS[name]
        self.size = size
        self.norm = norm
        self._seed = np.uint64(int.from_bytes(name.encode().ljust(8, b"\0")[:8], "little"))

    def rows(self, ids: Sequence[int]) -> Tensor:
        """Compute rows: (len(ids), width), float32."""
        tokens = np.asarray(ids, dtype=np.uint64)
        rows = np.empty((len(tokens), self.width), dtype=np.float32)
        for first in range(0, len(tokens), _BLOCK):
            part = slice(first, first + _BLOCK)
            self._compute(tokens[part], rows[part])
        return torch.from_numpy(rows)

    def _compute(self, tokens: np.ndarray, rows: np.ndarray) -> None:
        shares = self._made_up(tokens, rows)
        places = _places()[np.minimum(tokens, CLIP_VOCABULARY_SIZE - 1).astype(np.int64)]
        is_word = ((places >= 0) & (tokens < CLIP_VOCABULARY_SIZE))[:, None]
        if is_word.any():
            rows *= np.where(is_word, np.float32(math.sqrt(OWN_PART)), np.float32(1))
            rows += self._spread(np.where(is_word, _directions()[places], np.float32(0)))
        spread = np.where(is_word, np.float32(self._WORDS_SPREAD), np.float32(self._SPREAD))
        rows *= np.float32(self.norm) * (1 + (shares - np.float32(0.5)) * spread)

    def _made_up(self, ids: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Fill rows with numbers of a length near 1; return numbers from 0 to 1, (n, 1); all by the ids alone."""
        # Four columns of 16 bits come from one hash of 64, uniform in ±1; their norm is the root of width / 3.
        words = self.width // 4 + 1
        hashes = _scramble(ids[:, None] * np.uint64(words) + np.arange(words, dtype=np.uint64), self._seed)
        rows[:] = hashes.astype("<u8", copy=False).view("<i2")[:, 4:]
        rows *= np.float32(1 / (32768 * math.sqrt(self.width / 3)))
        return (hashes[:, :1] >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)

    def _spread(self, directions: np.ndarray) -> np.ndarray:
        """Spread the columns of word vectors over those of the table: lengths and angles stay as they are."""
        count = directions.shape[1]
        columns = np.arange(self.width) % count
        signs = 1 - 2 * (_scramble(np.arange(self.width, dtype=np.uint64), self._seed) >> np.uint64(63)).astype(np.int8)
        copies = np.bincount(columns, minlength=count)[columns]
        factors = (signs * np.sqrt((1 - OWN_PART) / copies)).astype(np.float32)
        spread: np.ndarray = np.tile(directions, -(-self.width // count))[:, : self.width]
        spread *= factors
        return spread


@functools.cache
def _places() -> np.ndarray:
    """Return each token's row in `_directions`, -1 for those that are no word of it: (CLIP_VOCABULARY_SIZE,)."""
    places = np.full(CLIP_VOCABULARY_SIZE, -1, dtype=np.int32)
    with np.load(WORD_VECTORS, allow_pickle=False) as file:
        ids = file["ids"]
    places[ids] = np.arange(len(ids), dtype=np.int32)
    return places


@functools.cache
def _directions() -> np.ndarray:
    """Return the word vectors at length 1: (words, 50), float32."""
    with np.load(WORD_VECTORS, allow_pickle=False) as file:
        whole = file["directions"].astype(np.int32)
    lengths = np.sqrt(np.square(whole).sum(axis=1, keepdims=True).astype(np.float64))
    unit: np.ndarray = (whole / lengths).astype(np.float32)
    return unit


def _scramble(numbers: np.ndarray, seed: np.uint64) -> np.ndarray:
    """Hash whole numbers of 64 bits, in place: the finisher of splitmix64.

    Source: https://prng.di.unimi.it/splitmix64.c
    """
    with np.errstate(over="ignore"):
        numbers *= np.uint64(0x9E3779B97F4A7C15)
        numbers += seed
        numbers ^= numbers >> np.uint64(30)
        numbers *= np.uint64(0xBF58476D1CE4E5B9)
        numbers ^= numbers >> np.uint64(27)
        numbers *= np.uint64(0x94D049BB133111EB)
        numbers ^= numbers >> np.uint64(31)
    return numbers


_NORMS = {"clip_l": 0.4, "clip_h": 0.45, "clip_g": 0.5}


def demonstration_tables(family: str) -> dict[str, DemonstrationTable]:
    """Return the tables of a family's encoders, by their names."""
    return {name: DemonstrationTable(name, norm=_NORMS[name]) for name in FAMILIES[family].encoders}
