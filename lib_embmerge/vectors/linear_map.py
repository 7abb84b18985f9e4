"""From one token table's columns to another's: linear maps fitted on the rows of the words that both have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["FittedMap", "fit_ridge", "fit_rotation", "judge_map"]

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Ridge penalties that are tried, over the mean square of the rows' columns."""


@dataclass(frozen=True)
class FittedMap:
    """A linear map: `matrix` is (columns of the one table, columns of the other), float64."""

    matrix: Tensor

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the rows as the other table's: (n, width) to (n, other width), float32."""
        return (rows.to(torch.float64) @ self.matrix).to(torch.float32)


def fit_ridge(rows: Tensor, others: Tensor) -> FittedMap:
    """Fit the map that makes of each row its counterpart, by least squares with a penalty on the map's size.

    The penalty is the one that does best on a tenth of the rows, which the others are then fitted without.
    Shapes: (words, width) and (words, other width).
    """
    left, right = rows.to(torch.float64), others.to(torch.float64)
    gram, products = left.T @ left, left.T @ right
    held, counterparts = left[::10], right[::10]
    of_kept = gram - held.T @ held, products - held.T @ counterparts

    def error(penalty: float) -> float:
        return float((held @ _ridge(*of_kept, penalty) - counterparts).square().sum())

    return FittedMap(_ridge(gram, products, min(PENALTIES, key=error)))


def fit_rotation(rows: Tensor, others: Tensor) -> FittedMap:
    """Fit the rotation and one factor of length that bring rows closest to their counterparts (scaled Procrustes).

    Source: P. H. Schönemann, A generalized solution of the orthogonal Procrustes problem, Psychometrika 31 (1966).
    """
    left, right = rows.to(torch.float64), others.to(torch.float64)
    u, sizes, v = torch.linalg.svd(left.T @ right, full_matrices=False)
    scale = float(sizes.sum()) / max(1e-300, float((left @ (u @ v)).square().sum()))
    return FittedMap(scale * (u @ v))


def judge_map(fit: Callable[[Tensor, Tensor], FittedMap], rows: Tensor, others: Tensor) -> float:
    """Return the mean cosine between mapped rows and their counterparts, on every tenth word, left out of the fit."""
    held = torch.zeros(len(rows), dtype=torch.bool)
    held[5::10] = True
    mapped = fit(rows[~held], others[~held])(rows[held])
    return float(torch.nn.functional.cosine_similarity(mapped, others[held].to(torch.float32)).mean())


def _ridge(gram: Tensor, products: Tensor, penalty: float) -> Tensor:
    size = penalty * float(gram.diagonal().mean()) * torch.eye(len(gram), dtype=torch.float64)
    matrix: Tensor = torch.linalg.solve(gram + size, products)
    return matrix
