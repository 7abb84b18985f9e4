"""Make a clean safetensors file of any embedding file that can be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ..errors import FileError, FileExists
from ..families import ENCODER_WIDTHS, family_of
from .modelspec import modelspec_fields
from .paths import exists, full_path
from .reading import EmbeddingFile, check_lengths, load_embedding, load_embeddings
from .writing import write_embedding

__all__ = [
    "Conversion",
    "Unequal",
    "convert_embeddings",
    "convert_file",
    "equal_lengths",
    "join_files",
    "part_names",
    "split_file",
]

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


def convert_embeddings(
    source: Path,
    folder: Path,
    *,
    name: str | None = None,
    unequal: Unequal = "refuse",
    dtype: torch.dtype = torch.float32,
    overwrite: bool = False,
    encoder: str = "",
    drop_bad: bool = False,
    taken: set[str] | None = None,
) -> list[Conversion]:
    """Write all embeddings of a file, one file each; those of several are named by their words in it.

    `encoder` says whose the vectors are where the file does not; `drop_bad` leaves out vectors with NaN or infinity.
    Vectors of text encoders beyond CLIP are kept. `taken` are the names that this run has given already; a further
    embedding of such a name gets a number.

    Raises: as `convert_file`.
    """
    found = load_embeddings(source, encoder=encoder)
    given = set() if taken is None else taken
    return [
        _write_one(
            one,
            folder,
            _free_name(name if name is not None and len(found) == 1 else _name_of(one, len(found), name), given),
            unequal=unequal,
            dtype=dtype,
            overwrite=overwrite,
            drop_bad=drop_bad,
        )
        for one in found
    ]


def _write_one(
    found: EmbeddingFile,
    folder: Path,
    name: str,
    *,
    unequal: Unequal,
    dtype: torch.dtype,
    overwrite: bool,
    drop_bad: bool,
) -> Conversion:
    vectors: Mapping[str, Tensor] = found.vectors
    changes: list[str] = []
    if drop_bad:
        vectors, changes = _without_bad(vectors)
    if unequal == "refuse":
        check_lengths(found.path.name, vectors)
    else:
        vectors, resized = equal_lengths(vectors, unequal) if vectors else (vectors, [])
        changes += resized
    everything = {**vectors, **found.others}
    notes = [*found.notes, *changes, *_notes_on_precision(everything, dtype), *_zero_note(everything)]
    metadata = _metadata(found, name, is_renamed=name != found.name, is_changed=bool(changes))
    path = write_embedding(everything, folder, name, metadata=metadata, dtype=dtype, overwrite=overwrite)
    return Conversion(path, tuple(notes))


_GENERIC = re.compile(r"(learned_embeds|embeddings?|pytorch_model|model)([_-].*)?")
"""Names that trainers give to every file; the embedding's own stands inside."""


def _name_of(found: EmbeddingFile, count: int, wished: str | None) -> str:
    """Return the name for an embedding's file: its word in the file where the file's own name says nothing."""
    token = re.sub(r"[^\w.-]+", "_", found.token.strip("<>")).strip("._ ")
    if count > 1:
        base = wished or found.name
        return token if token and wished is None else f"{base}-{token or 'embedding'}"
    is_inside = found.layout == "bundle_emb" or found.path.suffix.lower() in (".png", ".webp")
    return token if token and (is_inside or _GENERIC.fullmatch(found.name)) else found.name


def _free_name(name: str, taken: set[str]) -> str:
    """Return the name, or with a number where this run has given it already; and remember it."""
    tried = (name, *(f"{name}-{number}" for number in range(2, 100_000)))
    free = next(one for one in tried if one.casefold() not in taken)
    taken.add(free.casefold())
    return free


def _without_bad(vectors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Leave out the vectors that any encoder has NaN or infinity in."""
    length = min((len(rows) for rows in vectors.values()), default=0)
    good = [all(bool(rows[n].double().isfinite().all()) for rows in vectors.values()) for n in range(length)]
    bad = [number for number, is_good in enumerate(good, start=1) if not is_good]
    if not bad or len(bad) == length:
        return dict(vectors), []
    keep = [number for number, is_good in enumerate(good) if is_good]
    shown = ", ".join(map(str, bad[:20])) + (", …" if len(bad) > 20 else "")
    kept = {encoder: torch.cat([rows[keep], rows[length:]]) for encoder, rows in vectors.items()}
    return kept, [f"Left out for NaN or infinity: {'vector' if len(bad) == 1 else 'vectors'} {shown} of {length}."]


def _zero_note(vectors: Mapping[str, Tensor]) -> list[str]:
    is_zero = not any(bool(rows.double().any()) for rows in vectors.values())
    return ["All its vectors are zero: it does nothing."] if is_zero else []


def join_files(
    sources: Sequence[Path],
    folder: Path,
    name: str,
    *,
    unequal: Unequal = "refuse",
    dtype: torch.dtype = torch.float32,
    overwrite: bool = False,
) -> Conversion:
    """Write one file of files that serve one encoder each, as L and G of SDXL.

    Raises: FileError where two of them serve the same encoder; and as `convert_file`.
    """
    files = [one for source in sources for one in load_embeddings(source)]
    joined: dict[str, Tensor] = {}
    for file in files:
        for encoder, rows in {**file.vectors, **file.others}.items():
            if encoder in joined:
                raise FileError(f"{file.path.name} holds vectors for {encoder}, which another file has too.")
            joined[encoder] = rows
    clip = {encoder: joined[encoder] for encoder in ENCODER_WIDTHS if encoder in joined}
    others = {encoder: rows for encoder, rows in joined.items() if encoder not in clip}
    whole = replace(files[0], vectors=clip, others=others, notes=tuple(n for file in files for n in file.notes))
    return _write_one(
        whole, folder, name, unequal=unequal, dtype=dtype, overwrite=overwrite, drop_bad=False
    )


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
    (found,) = _load_single(source)
    vectors_of = {**found.vectors, **found.others}
    if len(vectors_of) < 2:
        raise FileError(f"{source.name} serves one encoder; there is nothing to split.")
    names = part_names(name if name is not None else found.name, vectors_of)
    for target in (folder / f"{part}.safetensors" for part in names.values()):
        if exists(target) and not overwrite:
            raise FileExists(f"{target.name} exists already in {full_path(folder)}.", suggestion="Ask for overwrite.")
    notes = (*found.notes, *_notes_on_precision(vectors_of, dtype))
    made = []
    for encoder, part in names.items():
        metadata = _metadata(found, part, is_renamed=True, is_changed=True)
        vectors = {encoder: vectors_of[encoder]}
        path = write_embedding(vectors, folder, part, metadata=metadata, dtype=dtype, overwrite=overwrite)
        made.append(Conversion(path, (f"It holds the vectors for {encoder} alone.", *notes)))
    return made


def _load_single(source: Path) -> list[EmbeddingFile]:
    found = load_embeddings(source)
    if len(found) > 1:
        raise FileError(f"{source.name} holds {len(found)} embeddings.", suggestion="Convert it first, then split.")
    return found


def _metadata(found: EmbeddingFile, name: str, *, is_renamed: bool, is_changed: bool) -> dict[str, str]:
    """Return what the source's header says and is still true, with what is known of the new file."""
    kept = {key: text for key, text in found.metadata.items() if not (is_changed and key in _RECIPE)}
    title = {"modelspec.title": name} if is_renamed else {}
    said = {f"embmerge.source.{key}": text.replace('"', "'") for key, text in found.said.items()}
    origin = {**said, "embmerge.converted_from": f"{found.path.name} ({found.layout})".replace('"', "'")}
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
