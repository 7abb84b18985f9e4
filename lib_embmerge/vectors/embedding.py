"""The value of an expression: for every text encoder of one tokenizer group the same number of vectors."""

from __future__ import annotations

import hashlib
from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView

import torch
from torch import Tensor

from ..families import GROUPS, group_of

__all__ = [
    "Embedding",
    "Rows",
    "are_zero",
    "bad_vectors",
    "describe_lengths",
    "digest_vectors",
    "former_digests",
    "shapes_of",
]

Rows = Tensor
"""Vectors of one encoder, one per row: (n, width), float32 or float64, on the CPU."""


class Embedding(Mapping[str, Tensor]):
    """Vectors by encoder name: `embedding["clip_l"]` has shape (n, 768).

    Encoders of one tokenizer group have the same n. `lengths` has it by group; `length` is the largest.
    Raises: ValueError where lengths differ within a group; a programming error, never a user's.
    """

    __slots__ = ("_rows", "length", "lengths")

    def __init__(self, rows: Mapping[str, Tensor]) -> None:
        """Take the vectors by encoder name."""
        self._rows = dict(rows)
        self.lengths: Mapping[str, int] = {}
        for name, tensor in self._rows.items():
            if self.lengths.setdefault(group_of(name), tensor.shape[0]) != tensor.shape[0]:
                raise ValueError(f"encoders of unequal length: { {k: tuple(v.shape) for k, v in rows.items()} }")
        self.length: int = max(self.lengths.values(), default=0)

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
        """Return whether it has no vectors for any encoder."""
        return self.length == 0

    def largest(self) -> float:
        """Return the largest number in size; 0 where there is none."""
        return max((float(torch.max(torch.abs(rows))) for rows in self.values() if rows.numel()), default=0.0)

    def equals(self, other: Embedding) -> bool:
        """Return whether both have the same encoders with the same vectors, to the bit."""
        return set(self) == set(other) and all(torch.equal(self[name], other[name]) for name in self)


def describe_lengths(lengths: Mapping[str, int]) -> str:
    """Write how many vectors there are by tokenizer group: `3 vectors`, and each group where they differ.

    Example:
        >>> describe_lengths({"clip": 3, "t5": 4})
        '3 vectors in CLIP, 4 in T5'
    """
    count, *others = lengths.values() or (0,)
    if all(other == count for other in others):
        return f"{count:,} vector{'' if count == 1 else 's'}"
    first, *rest = (f"in {GROUPS.get(group, group)}" for group in lengths)
    shown = [f"{n:,} {place}" for n, place in zip(others, rest, strict=True)]
    return ", ".join([f"{count:,} vector{'' if count == 1 else 's'} {first}", *shown])


def are_zero(tensors: Iterable[Tensor]) -> bool:
    """Return whether every number of these tensors is zero, whatever their number format."""
    return not any(bool(tensor.to(torch.float64).any()) for tensor in tensors)  # torch cannot ask float8 itself


def bad_vectors(rows: Tensor) -> list[int]:
    """Return the places of the vectors that hold infinity or NaN, as float32, whatever their number format."""
    places: list[int] = (~rows.to(torch.float32).isfinite()).any(dim=1).nonzero()[:, 0].tolist()
    return places


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
