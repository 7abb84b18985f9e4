"""Make a clean safetensors file of any embedding file that can be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ..errors import FileError, FileExists
from ..families import family_of
from .modelspec import modelspec_fields
from .paths import exists, full_path
from .reading import EmbeddingFile, check_lengths, load_embedding
from .writing import write_embedding

__all__ = ["Conversion", "Unequal", "convert_file", "equal_lengths", "part_names", "split_file"]

_RECIPE = frozenset(f"embmerge.{key}" for key in ("resolved", "tokens", "rows", "embeddings"))

Unequal = Literal["refuse", "pad", "cut"]
"""What to do where one encoder has more vectors than another."""


@dataclass(frozen=True)
class Conversion:
    """A converted file: where it is, and in sentences what was changed on the way."""

    path: Path
    notes: tuple[str, ...]


def convert_file(
    source: Path,
    folder: Path,
    *,
    name: str | None = None,
    unequal: Unequal = "refuse",
    dtype: torch.dtype = torch.float32,
    overwrite: bool = False,
) -> Conversion:
    """Write an embedding of any readable layout as `folder/name.safetensors`; the name is the source's by default.

    The source's metadata are kept, but for the title where a name is given, and for the recipe where the encoders'
    lengths were changed: it would make another file. One-dimensional vectors become rows, tensors that are no
    embedding are left out.

    Raises: FileError where the source cannot be read or its encoders' lengths differ and `unequal` is "refuse";
    NotFinite for NaN, infinity or a value that `dtype` cannot hold; NameProblem; FileExists.
    """
    found = load_embedding(source)
    vectors: Mapping[str, Tensor] = found.vectors
    changes: list[str] = []
    if unequal == "refuse":
        check_lengths(source.name, vectors)
    else:
        vectors, changes = equal_lengths(vectors, unequal)
    notes = [*found.notes, *changes, *_notes_on_precision(vectors, dtype)]
    written_as = name if name is not None else found.name
    metadata = _metadata(found, written_as, is_renamed=name is not None, is_changed=bool(changes))
    path = write_embedding(vectors, folder, written_as, metadata=metadata, dtype=dtype, overwrite=overwrite)
    return Conversion(path, tuple(notes))


def split_file(
    source: Path,
    folder: Path,
    *,
    name: str | None = None,
    dtype: torch.dtype = torch.float32,
    overwrite: bool = False,
) -> list[Conversion]:
    """Write a file for each encoder, under the names that `part_names` gives, for programs that load one at a time.

    The recipe is left out of the metadata: it would make both encoders again.

    Raises: FileError where the source cannot be read or serves one encoder only; and as `convert_file`, before
    anything is written where a name is taken.
    """
    found = load_embedding(source)
    if len(found.vectors) < 2:
        raise FileError(f"{source.name} serves one encoder; there is nothing to split.")
    names = part_names(name if name is not None else found.name, found.vectors)
    for target in (folder / f"{part}.safetensors" for part in names.values()):
        if exists(target) and not overwrite:
            raise FileExists(f"{target.name} exists already in {full_path(folder)}.", suggestion="Ask for overwrite.")
    notes = (*found.notes, *_notes_on_precision(found.vectors, dtype))
    made = []
    for encoder, part in names.items():
        metadata = _metadata(found, part, is_renamed=True, is_changed=True)
        vectors = {encoder: found.vectors[encoder]}
        path = write_embedding(vectors, folder, part, metadata=metadata, dtype=dtype, overwrite=overwrite)
        made.append(Conversion(path, (f"It holds the vectors for {encoder} alone.", *notes)))
    return made


def _metadata(found: EmbeddingFile, name: str, *, is_renamed: bool, is_changed: bool) -> dict[str, str]:
    """Return what the source's header says and is still true, with what is known of the new file."""
    kept = {key: text for key, text in found.metadata.items() if not (is_changed and key in _RECIPE)}
    title = {"modelspec.title": name} if is_renamed else {}
    origin = {"embmerge.converted_from": f"{found.path.name} ({found.layout})".replace('"', "'")}
    return {**modelspec_fields(name, family_of(found.vectors)), **kept, **title, **origin}


def part_names(name: str, encoders: Iterable[str]) -> dict[str, str]:
    """Return the name of each encoder's file: `name_l`, `name_g`."""
    return {encoder: f"{name}_{encoder.rpartition('_')[2]}" for encoder in encoders}


def equal_lengths(vectors: Mapping[str, Tensor], how: Literal["pad", "cut"]) -> tuple[dict[str, Tensor], list[str]]:
    """Bring all encoders to the same number of vectors: pad the shorter with zero vectors, or cut the longer."""
    lengths = [len(rows) for rows in vectors.values()]
    length = max(lengths) if how == "pad" else min(lengths)
    equal = {encoder: _resize(rows, length) for encoder, rows in vectors.items()}
    verb = "padded" if how == "pad" else "cut"
    notes = [
        f"{encoder} was {verb} from {len(rows)} to {length} vectors."
        for encoder, rows in vectors.items()
        if len(rows) != length
    ]
    return equal, notes


def _resize(rows: Tensor, length: int) -> Tensor:
    if len(rows) >= length:
        return rows[:length]
    return torch.cat([rows, rows.new_zeros(length - len(rows), rows.shape[1])])


def _notes_on_precision(vectors: Mapping[str, Tensor], dtype: torch.dtype) -> list[str]:
    after = str(dtype).removeprefix("torch.")
    formats = {str(rows.dtype).removeprefix("torch.") for rows in vectors.values()} - {after}
    return [f"The numbers were {before}; they are {after} now." for before in sorted(formats)]
