"""Make a clean safetensors file of any embedding file that can be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ..errors import FileError, FileExists, NotFinite
from ..families import ENCODER_WIDTHS, family_of
from ..remarks import ALL_ZERO
from ..vectors.embedding import are_zero
from .modelspec import modelspec_fields
from .names import check_name
from .paths import exists, full_path
from .reading import SOURCE, EmbeddingFile, check_lengths, load_embeddings, read_content
from .stored import Content
from .writing import tensors_to_write, write_embedding

__all__ = [
    "Clean",
    "Conversion",
    "Treatment",
    "Unequal",
    "clean_embeddings",
    "convert_embeddings",
    "equal_lengths",
    "join_files",
    "part_names",
    "split_file",
]

_RECIPE = frozenset(f"embmerge.{key}" for key in ("resolved", "tokens", "rows", "embeddings"))

Unequal = Literal["refuse", "pad", "cut"]
"""What to do where one encoder has more vectors than another."""


@dataclass(frozen=True)
class Treatment:
    """How embeddings are made clean.

    `encoder` says whose the vectors are where the file does not; `drop_bad` leaves out vectors with NaN or infinity.
    """

    unequal: Unequal = "refuse"
    dtype: torch.dtype = torch.float32
    encoder: str = ""
    drop_bad: bool = False


@dataclass(frozen=True)
class Clean:
    """An embedding as it is going to be written: its name, its vectors by encoder, and what was changed for that."""

    found: EmbeddingFile
    name: str
    vectors: Mapping[str, Tensor]
    notes: tuple[str, ...]
    is_changed: bool
    is_there: bool = False

    @property
    def metadata(self) -> dict[str, str]:
        """What the source's header says and is still true, with what is known of the new file."""
        return _metadata(self.found, self.name, is_renamed=self.name != self.found.name, is_changed=self.is_changed)


@dataclass(frozen=True)
class Conversion:
    """A converted file: where it is, and in sentences what was changed; `is_kept` where it was there already."""

    path: Path
    notes: tuple[str, ...]
    is_kept: bool = False


def convert_embeddings(
    source: Path,
    folder: Path,
    how: Treatment = Treatment(),
    *,
    name: str | None = None,
    overwrite: bool = False,
    numbered: bool = False,
    taken: set[str] | None = None,
) -> list[Conversion]:
    """Write all embeddings of a file of any readable layout, one `NAME.safetensors` each, or none of them.

    Those of several are named by their words in it, one by the file, or by its word where the file's own name says
    nothing. `taken` are the names that this run has given already; a further embedding of such a name gets a number.
    A file that is there with the very tensors is kept, any other refused, or where `numbered` is set given a further
    number in its name. The source's metadata are kept, but for the title where the name
    is another, and for the recipe where the encoders' lengths were changed: it would make another file.

    Raises: FileError where the source cannot be read or its encoders' lengths differ and are to be refused; NotFinite
    for NaN, infinity or a value that the number format cannot hold; NameProblem; FileExists.
    """
    given = set() if taken is None else taken
    clean = [replace(one, name=_free_name(one.name, given)) for one in clean_embeddings(source, how, name=name)]
    return _write_all(clean, folder, how.dtype, overwrite=overwrite, numbered=numbered)


def clean_embeddings(source: Path | Content, how: Treatment, *, name: str | None = None) -> list[Clean]:
    """Return the embeddings of a file, or of what was read of it, as converting writes them; nothing is written.

    Raises: FileError and NotFinite as `convert_embeddings`.
    """
    found = load_embeddings(source, encoder=how.encoder)
    return [_clean(one, _name_of(one, place, len(found), name), how, len(found)) for place, one in enumerate(found, 1)]


def _clean(found: EmbeddingFile, name: str, how: Treatment, count: int = 1) -> Clean:
    title = f"{found.path.name}, {found.token or name}" if count > 1 else found.path.name
    vectors, changes = _leave_out_bad(title, found.vectors, is_wished=how.drop_bad)
    others: dict[str, Tensor] = {}
    for encoder, rows in found.others.items():
        good, said = _leave_out_bad(title, {encoder: rows}, is_wished=how.drop_bad)
        others |= good
        changes += said
    if how.unequal == "refuse":
        check_lengths(found.path.name, vectors)
    elif vectors:
        vectors, resized = equal_lengths(vectors, how.unequal)
        changes += resized
    everything = {**vectors, **others}
    tensors_to_write(everything, dtype=how.dtype)  # which refuses what the number format cannot hold
    zero = [ALL_ZERO] if are_zero(everything.values()) else []
    notes = (*found.notes, *changes, *_notes_on_precision(everything, how.dtype), *zero)
    return Clean(found, name, everything, notes, bool(changes))


_GENERIC = re.compile(r"(learned_embeds|embeddings?|pytorch_model|model)([_ (.-].*)?")
"""Names that trainers give to every file; the embedding's own stands inside."""


def _name_of(found: EmbeddingFile, place: int, count: int, wished: str | None) -> str:
    """Return the name for an embedding's file: its word in the file where the file's own name says nothing."""
    token = re.sub(r"[^\w.-]+", "_", found.token.strip("<>")).strip("._ ")
    if count > 1:
        return token if token and wished is None else f"{wished or found.name}-{token or place}"
    if wished is not None:
        return wished
    is_inside = found.layout == "bundle_emb" or found.path.suffix.lower() in (".png", ".webp")
    return token if token and (is_inside or _GENERIC.fullmatch(found.name)) else found.name


def _free_name(name: str, taken: set[str]) -> str:
    """Return the name, or with a number where this run has given it already; and remember it."""
    tried = chain([name], (f"{name}-{number}" for number in count(2)))
    free = next(one for one in tried if one.casefold() not in taken)
    taken.add(free.casefold())
    return free


def _leave_out_bad(
    file: str, vectors: Mapping[str, Tensor], *, is_wished: bool
) -> tuple[Mapping[str, Tensor], list[str]]:
    """Leave out the vectors that any of the encoders has NaN or infinity in, and say which.

    Raises: NotFinite where that is not wished, or none is left.
    """
    keep = torch.ones(max(map(len, vectors.values()), default=0), dtype=torch.bool)
    for rows in vectors.values():
        keep[: len(rows)] &= rows.double().isfinite().all(dim=1)
    if bool(keep.all()):
        return vectors, []
    if not bool(keep.any()):
        raise NotFinite(f"{file}: every vector holds NaN or infinity; nothing can be kept.")
    bad = [place + 1 for place, is_good in enumerate(keep.tolist()) if not is_good]
    shown = ", ".join(map(str, bad[:20])) + (", …" if len(bad) > 20 else "")
    these = f"{'vector' if len(bad) == 1 else 'vectors'} {shown} of {len(keep)}"
    if not is_wished:
        raise NotFinite(f"{file}: NaN or infinity in {these}.", suggestion="Such vectors can be left out (--drop-bad).")
    kept = {encoder: rows[keep[: len(rows)]] for encoder, rows in vectors.items()}
    return kept, [f"Left out for NaN or infinity: {these}."]


def _write_all(
    clean: Sequence[Clean], folder: Path, dtype: torch.dtype, *, overwrite: bool, numbered: bool = False
) -> list[Conversion]:
    """Write embeddings, or none where a name is taken; a file that is there with the very tensors is kept.

    Raises: NameProblem; FileExists; FileError where the disk refuses.
    """
    for one in clean:
        check_name(one.name)
    placed = list(clean) if overwrite else [_place(one, folder, dtype, numbered=numbered) for one in clean]
    return [_write(one, folder, dtype, overwrite=overwrite) for one in placed]


def _place(clean: Clean, folder: Path, dtype: torch.dtype, *, numbered: bool) -> Clean:
    """Return an embedding with a name that is free, or that of the very same tensors.

    Raises: FileExists where its own is neither, and no number is to be added.
    """
    name = clean.name
    for number in count(2):
        target = folder / f"{name}.safetensors"
        if not exists(target):
            break
        if _holds(target, clean.vectors, dtype):
            return replace(clean, name=name, is_there=True)
        if not numbered:
            raise FileExists(f"{target.name} exists already in {full_path(folder)}.", suggestion=_ASK)
        name = f"{clean.name}-{number}"
    if name == clean.name:
        return clean
    note = f"{clean.name} exists already, so this is {name}; overwriting has to be asked for."
    return replace(clean, name=name, notes=(*clean.notes, note))


def _write(clean: Clean, folder: Path, dtype: torch.dtype, *, overwrite: bool) -> Conversion:
    if clean.is_there:
        return Conversion(folder / f"{clean.name}.safetensors", (*clean.notes, _KEPT), is_kept=True)
    vectors, metadata = clean.vectors, clean.metadata
    path = write_embedding(vectors, folder, clean.name, metadata=metadata, dtype=dtype, overwrite=overwrite)
    return Conversion(path, clean.notes)


_ASK = "Ask for overwrite to replace it."
_KEPT = "It is there already with these vectors, and was kept."


def _holds(path: Path, vectors: Mapping[str, Tensor], dtype: torch.dtype) -> bool:
    """Return whether a file holds the very tensors that would be written."""
    try:
        tensors = read_content(path).tensors
        there = {key: tensor.read() for key, tensor in tensors.items()}
    except FileError:
        return False
    wanted = tensors_to_write(vectors, dtype=dtype)
    return there.keys() == wanted.keys() and all(
        there[key].dtype == dtype and torch.equal(there[key], rows) for key, rows in wanted.items()
    )


def join_files(
    sources: Sequence[Path],
    folder: Path,
    name: str,
    how: Treatment = Treatment(),
    *,
    overwrite: bool = False,
) -> Conversion:
    """Write one file of files that serve one encoder each, as L and G of SDXL.

    Raises: FileError where two of them serve the same encoder; and as `convert_embeddings`.
    """
    files = [one for source in sources for one in load_embeddings(source, encoder=how.encoder)]
    joined: dict[str, Tensor] = {}
    for file in files:
        for encoder, rows in file.all_vectors.items():
            if encoder in joined:
                raise FileError(f"{file.path.name} holds vectors for {encoder}, which another file has too.")
            joined[encoder] = rows
    clip = {encoder: joined[encoder] for encoder in ENCODER_WIDTHS if encoder in joined}
    others = {encoder: rows for encoder, rows in joined.items() if encoder not in clip}
    notes = tuple(dict.fromkeys(note for file in files for note in file.notes))
    whole = _clean(replace(files[0], vectors=clip, others=others, notes=notes), name, how)
    (done,) = _write_all([replace(whole, is_changed=True)], folder, how.dtype, overwrite=overwrite)
    return done


def split_file(
    source: Path,
    folder: Path,
    how: Treatment = Treatment(),
    *,
    name: str | None = None,
    overwrite: bool = False,
    numbered: bool = False,
) -> list[Conversion]:
    """Write a file for each encoder, under the names that `part_names` gives, for programs that load one at a time.

    The recipe is left out of the metadata: it would make both encoders again.

    Raises: FileError where the source cannot be read or serves one encoder only; and as `convert_embeddings`.
    """
    (found,) = _load_single(source, how.encoder)
    vectors_of = {**found.vectors, **found.others}
    if len(vectors_of) < 2:
        raise FileError(f"{source.name} serves one encoder; there is nothing to split.")
    parts = []
    for encoder, part in part_names(name if name is not None else found.name, vectors_of).items():
        alone = replace(
            found,
            vectors={encoder: vectors_of[encoder]} if encoder in found.vectors else {},
            others={encoder: vectors_of[encoder]} if encoder in found.others else {},
            notes=(f"It holds the vectors for {encoder} alone.", *found.notes),
        )
        parts.append(replace(_clean(alone, part, how), is_changed=True))
    return _write_all(parts, folder, how.dtype, overwrite=overwrite, numbered=numbered)


def _load_single(source: Path, encoder: str) -> list[EmbeddingFile]:
    found = load_embeddings(source, encoder=encoder)
    if len(found) > 1:
        raise FileError(f"{source.name} holds {len(found)} embeddings.", suggestion="Convert it first, then split.")
    return found


def _metadata(found: EmbeddingFile, name: str, *, is_renamed: bool, is_changed: bool) -> dict[str, str]:
    """Return what the source's header says and is still true, with what is known of the new file."""
    kept = {key: text for key, text in found.metadata.items() if not (is_changed and key in _RECIPE)}
    title = {"modelspec.title": name} if is_renamed else {}
    said = {f"{SOURCE}{key}": text.replace('"', "'") for key, text in found.said.items()}
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
