"""The value of an expression: for every text encoder the same number of vectors."""

from __future__ import annotations

import hashlib
from collections.abc import ItemsView, Iterator, Mapping, ValuesView

import torch
from torch import Tensor

__all__ = ["Embedding", "Rows", "digest_vectors", "former_digests", "shapes_of"]

Rows = Tensor
"""Vectors of one encoder, one per row: (n, width), float32 or float64, on the CPU."""


class Embedding(Mapping[str, Tensor]):
    """Vectors by encoder name: `embedding["clip_l"]` has shape (n, 768); n is the same for every encoder.

    Raises: ValueError where the encoders' lengths differ; a programming error, never a user's.
    """

    __slots__ = ("_rows", "length")

    def __init__(self, rows: Mapping[str, Tensor]) -> None:
        """Take the vectors by encoder name."""
        lengths = {tensor.shape[0] for tensor in rows.values()}
        if len(lengths) > 1:
            raise ValueError(f"encoders of unequal length: { {k: tuple(v.shape) for k, v in rows.items()} }")
        self._rows = dict(rows)
        self.length: int = lengths.pop() if lengths else 0

    def __getitem__(self, encoder: str) -> Tensor:
        """Return one encoder's vectors."""
        return self._rows[encoder]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the encoders' names."""
        return iter(self._rows)

    def __len__(self) -> int:
        """Count the encoders; the count of vectors is `length`."""
        return len(self._rows)

    def items(self) -> ItemsView[str, Tensor]:
        """Return each encoder's name with its vectors."""
        return self._rows.items()

    def values(self) -> ValuesView[Tensor]:
        """Return each encoder's vectors."""
        return self._rows.values()

    def __repr__(self) -> str:
        """Name the encoders and shapes, not the numbers."""
        shapes = ", ".join(f"{name} {list(rows.shape)}" for name, rows in self._rows.items())
        return f"Embedding({shapes})"

    def is_empty(self) -> bool:
        """Return whether it has no vectors."""
        return self.length == 0

    def largest(self) -> float:
        """Return the largest number in size; 0 where there is none."""
        return max((float(torch.max(torch.abs(rows))) for rows in self.values() if rows.numel()), default=0.0)

    def equals(self, other: Embedding) -> bool:
        """Return whether both have the same encoders with the same vectors, to the bit."""
        return set(self) == set(other) and all(torch.equal(self[name], other[name]) for name in self)


def shapes_of(vectors: Mapping[str, Tensor]) -> dict[str, tuple[int, int]]:
    """Return (vectors, width) by encoder."""
    return {encoder: (int(rows.shape[0]), int(rows.shape[1])) for encoder, rows in vectors.items()}


def digest_vectors(vectors: Mapping[str, Tensor]) -> str:
    """Hash vectors by encoder: the SHA-256 of names, shapes and their float32 bytes."""
    digest = hashlib.sha256()
    for encoder in sorted(vectors):
        rows = vectors[encoder].detach().to(device="cpu", dtype=torch.float32).contiguous()
        digest.update(f"{encoder}{list(rows.shape)}".encode())
        digest.update(rows.numpy().tobytes())
    return digest.hexdigest()


def former_digests(vectors: Mapping[str, Tensor]) -> set[str]:
    """Return the hashes that older versions wrote for these vectors inside a WebUI: without shapes, or names."""
    parts = {name: rows.detach().to(device="cpu", dtype=torch.float32).contiguous() for name, rows in vectors.items()}
    found = {_hash_named(parts)}
    return found | {_hash_named({"": rows}) for rows in parts.values()} if len(parts) == 1 else found


def _hash_named(parts: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, rows in sorted(parts.items()):
        digest.update(name.encode() + rows.numpy().tobytes())
    return digest.hexdigest()
