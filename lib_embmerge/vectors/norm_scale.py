"""What a vector's norm is measured by: the norms of a vocabulary's rows, small enough to be kept in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = ["NormMemory", "NormScale"]


@dataclass(frozen=True, eq=False)
class NormScale:
    """The norms of a vocabulary's rows, ascending, without those that are no number."""

    norms: np.ndarray

    @property
    def mean(self) -> float:
        """Their mean; 0 for no rows."""
        return float(self.norms.mean(dtype=np.float64)) if len(self.norms) else 0.0

    def percentile(self, norm: float) -> float:
        """Return the share of the rows, in percent, that are shorter than `norm`; a tie counts half."""
        if not len(self.norms):
            return 0.0
        below, not_above = (int(np.searchsorted(self.norms, norm, side)) for side in ("left", "right"))
        return 50.0 * (below + not_above) / len(self.norms)


class NormMemory(Protocol):
    """Where a vocabulary's norms are kept from one run of the program to the next."""

    def load(self) -> NormScale | None:
        """Return what was kept; None where nothing is, or where it cannot be read."""
        ...

    def keep(self, scale: NormScale) -> None:
        """Keep a scale, if that can be done."""
        ...
