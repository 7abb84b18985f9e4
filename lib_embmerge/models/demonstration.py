"""The demonstration: token tables that are computed, for trying everything without a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..families import CLIP_VOCABULARY_SIZE, ENCODER_WIDTHS, FAMILIES

__all__ = ["DemonstrationTable", "demonstration_tables"]


class DemonstrationTable:
    """A table of made-up rows: any row is computed from its id when it is asked for, nothing is kept.

    Whole-number arithmetic and two multiplications in float32, so every machine and version gives the same bits. The
    rows have norms spread by a fifth around `norm`, like a trained table's, and no meaning: neighbours are chance.
    """

    _SPREAD = 0.2

    def __init__(self, name: str, *, size: int = CLIP_VOCABULARY_SIZE, norm: float) -> None:
        """Take the encoder's name, which is the seed, and the rows' mean norm."""
        self.width = ENCODER_WIDTHS[name]
        self.size = size
        self.norm = norm
        self._seed = np.uint64(int.from_bytes(name.encode().ljust(8, b"\0")[:8], "little"))

    def rows(self, ids: Sequence[int]) -> Tensor:
        """Compute rows: (len(ids), width), float32."""
        return torch.from_numpy(self._numbers(np.asarray(ids, dtype=np.uint64)))

    def _numbers(self, ids: np.ndarray) -> np.ndarray:
        # Four columns of 16 bits come from one hash of 64, uniform in ±1; their norm is the root of width / 3.
        words = self.width // 4 + 1
        hashes = _scramble(ids[:, None] * np.uint64(words) + np.arange(words, dtype=np.uint64), self._seed)
        columns = hashes[:, 1:].astype("<u8", copy=False).view("<i2").astype(np.float32)
        unit = self.norm / (32768 * math.sqrt(self.width / 3))
        share = (hashes[:, :1] >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        scale = np.float32(unit * (1 - self._SPREAD / 2)) + share * np.float32(unit * self._SPREAD)
        columns *= scale
        return columns


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
