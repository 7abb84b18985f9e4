"""Read embedding files of every layout: pickles, safetensors and pictures, told by their content.

Nothing of a pickle is run (`pickles`); the numbers of a tensor are read when the layout has chosen it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from ..errors import FileError
from ..families import ENCODER_WIDTHS, OTHER_ENCODER_WIDTHS
from ..limits import HIGHEST
from ..remarks import WHOLE_NUMBERS
from .layouts import ALL_WIDTHS, JOINED, Held, find_embeddings
from .pickles import read_pickle
from .pictures import read_picture
from .recognition import recognise
from .safetensors_reader import DTYPES, OTHER_FORMATS, open_safetensors
from .stored import Content, Stored

__all__ = [
    "SOURCE",
    "EmbeddingFile",
    "check_lengths",
    "count_rows",
    "load_embedding",
    "load_embeddings",
    "read_content",
    "read_embedding",
    "read_vectors",
]

SIZE_LIMIT = 64 * 1024 * 1024
"""Bytes of what is read of a file. 8,000 vectors of both SDXL encoders have 65 MB, the usual 1,024 have 8."""

SOURCE = "embmerge.source."
"""What begins the keys of a converted file's header under which its source's words are kept."""

MOST_ROWS = HIGHEST["vectors"]
"""Of a file's tensor; a pickle may claim any number without having them."""

MOST_EMBEDDINGS = 1_000
"""In one file."""


@dataclass(frozen=True)
class EmbeddingFile:
    """An embedding as a file holds it.

    `vectors` is by the name of a CLIP encoder, `others` by that of any other; each (n, width), number format as stored.
    `layout` says how they were kept, `notes` what was left out or had to be made of it, in sentences; `token` is the
    file's own word for it, `said` what a trained file says of itself.
    """

    path: Path
    vectors: Mapping[str, Tensor] = field(repr=False)
    layout: str
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    others: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    token: str = ""
    said: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The word that stands for it in a prompt."""
        return self.path.stem

    @property
    def trainer_says(self) -> dict[str, str]:
        """What its trainer wrote of it, by the trainer's words; of a converted file, what its source said."""
        kept = {key.removeprefix(SOURCE): text for key, text in self.metadata.items() if key.startswith(SOURCE)}
        return {**({"token": self.token} if self.token else {}), **kept, **self.said}

    @property
    def all_vectors(self) -> Mapping[str, Tensor]:
        """The vectors for all encoders, CLIP's first."""
        return {**self.vectors, **self.others}


def read_embedding(path: Path) -> EmbeddingFile:
    """Read an embedding whose encoders have equally many vectors.

    Raises: FileError as `load_embedding` does, and where the encoders' lengths differ.
    """
    found = load_embedding(path)
    check_lengths(found.path.name, found.vectors)
    return found


def load_embedding(path: Path) -> EmbeddingFile:
    """Read the one embedding of a file as it is, unequal encoders included.

    Raises: FileError where the file cannot be read, could run code, or holds no embedding, or several.
    """
    content = read_content(path)
    held = find_embeddings(content)
    if len(held) > 1:
        raise FileError(
            f"{path.name} holds {len(held)} embeddings: {_list([one.token for one in held])}.",
            suggestion="convert makes a file of each.",
        )
    return _load(content, held[0], "")


def load_embeddings(source: Path | Content, *, encoder: str = "") -> list[EmbeddingFile]:
    """Read all embeddings of a file, or of what `read_content` gave for it.

    `encoder` says whose the vectors are where the file does not say it rightly.
    Raises: FileError where the file cannot be read, could run code, or holds no embedding.
    """
    content = source if isinstance(source, Content) else read_content(source)
    held = find_embeddings(content)
    if len(held) > MOST_EMBEDDINGS:
        raise FileError(f"{content.path.name} holds {len(held):,} embeddings; at most {MOST_EMBEDDINGS:,} are read.")
    return [_load(content, one, encoder) for one in held]


def check_lengths(name: str, vectors: Mapping[str, Tensor]) -> None:
    """Refuse encoders of unequal length.

    Raises: FileError that names the lengths and the repair.
    """
    if len({len(rows) for rows in vectors.values()}) > 1:
        lengths = " and ".join(f"{len(rows)} for {encoder}" for encoder, rows in vectors.items())
        raise FileError(
            f"{name} holds unequal numbers of vectors: {lengths}.",
            suggestion="convert can pad the shorter with zero vectors or cut the longer.",
        )


def read_vectors(name: str, held: Sequence[Held]) -> list[Tensor]:
    """Read all vectors that a file's embeddings have, as they are, of whatever width.

    Raises: FileError where they are no vectors, or far too many.
    """
    if len(held) > MOST_EMBEDDINGS:
        raise FileError(f"{name} holds {len(held):,} embeddings; at most {MOST_EMBEDDINGS:,} are read.")
    pieces = [piece for one in held for pieces in one.tensors.values() for piece in pieces]
    return [piece.read().detach() for piece in _checked(name, pieces)]


def read_content(path: Path) -> Content:
    """Read what a file holds, whatever its ending; no numbers yet.

    Raises: FileError where it cannot be read, is of another kind, or could run code.
    """
    return _FORMS[recognise(path)](path)


def _read_safetensors(path: Path) -> Content:
    file = open_safetensors(path)

    def stored(name: str) -> Stored:
        entry = file.tensors[name]
        if entry.dtype in DTYPES:
            return Stored(entry.shape, DTYPES[entry.dtype][0], lambda: file.read(name))
        dtype = OTHER_FORMATS[entry.dtype][0] if entry.dtype in OTHER_FORMATS else entry.dtype.lower()
        plain = Stored(entry.shape, dtype, lambda: file.read_whole(name))
        is_read = plain.is_whole or dtype.startswith("complex")
        return plain if is_read else replace(plain, reason=f"holds numbers of the format {dtype}")

    # programs that take the first tensor take the one whose numbers come first, whatever order the header has
    names = sorted(file.tensors, key=lambda name: (file.tensors[name].start, file.tensors[name].length))
    return Content(path, "safetensors", {name: stored(name) for name in names}, file.metadata)


_FORMS = {"safetensors": _read_safetensors, "pickle": read_pickle, "picture": read_picture}
"""How each form is read. A new form is one more entry, here and among the beginnings that `recognition` knows."""


def _list(words: Sequence[str]) -> str:
    shown = [word if len(word) <= 40 else f"{word[:39]}…" for word in words[:4]]
    return ", ".join(shown) + (", …" if len(words) > 4 else "")


# --- From tensors to vectors ---------------------------------------------------------------------------------------


def _load(content: Content, held: Held, wished: str) -> EmbeddingFile:
    name = content.path.name
    notes = list(held.notes)
    named: dict[str, Tensor] = {}
    for key, pieces in held.tensors.items():
        rows, more = _read_rows(name, pieces)
        notes += more
        parts = _name_encoder(name, key, rows, wished, notes, is_only=len(held.tensors) == 1)
        for encoder, part in parts.items():
            if encoder in named:
                raise FileError(f"{name} holds vectors for {encoder} twice.")
            named[encoder] = part
    if wished and wished not in named:
        raise FileError(f"{name} holds no vectors of {ALL_WIDTHS[wished]} numbers, as {wished} has.")
    vectors = {encoder: named[encoder] for encoder in ENCODER_WIDTHS if encoder in named}
    others = {encoder: rows for encoder, rows in named.items() if encoder not in ENCODER_WIDTHS}
    return EmbeddingFile(
        content.path, vectors, held.layout, content.metadata, tuple(dict.fromkeys(notes)), others, held.token, held.said
    )


def _read_rows(name: str, pieces: Sequence[Stored]) -> tuple[Tensor, list[str]]:
    """Read the rows that some tensors hold one after the other, with notes on what had to be made of them."""
    pieces = _checked(name, pieces)
    for piece in pieces:
        _check_shape(name, piece)
    if sum(piece.size for piece in pieces) > SIZE_LIMIT:
        raise FileError(f"{name} claims {sum(piece.size for piece in pieces):,} bytes, far more than an embedding.")
    count = sum(map(count_rows, pieces))
    if count > MOST_ROWS:
        raise FileError(f"{name} holds {count:,} vectors; an embedding has at most {MOST_ROWS:,}.")
    if count == 0:
        raise FileError(f"{name} holds no vectors.")
    whole = list(dict.fromkeys(piece.dtype for piece in pieces if piece.is_whole))
    notes = [f"{name}: the {WHOLE_NUMBERS.format(', '.join(whole))}"] if whole else []
    if len(pieces) == 1 and _is_turned(pieces[0]):
        notes.append(f"{name}: the vectors stood in columns; they are turned.")
        return _as_floats(pieces[0]).T.contiguous(), notes
    rows = torch.cat([_as_floats(piece).reshape(-1, piece.width) for piece in pieces])
    if len(pieces) > 1 or len(pieces[0].shape) == 2:
        return rows, notes
    if len(pieces[0].shape) == 1:
        return rows, [*notes, f"{name}: the vector had one dimension; it is read as one row."]
    was, is_now = list(pieces[0].shape), list(rows.shape)
    return rows, [*notes, f"{name}: the vectors had the shape {was}; they are read as {is_now}."]


def _as_floats(tensor: Stored) -> Tensor:
    read = tensor.read().detach()
    return read if tensor.is_floating else read.float()


def count_rows(tensor: Stored) -> int:
    """Return how many vectors a tensor is read as."""
    if tensor.shape and not tensor.width:
        return 0
    return tensor.shape[1] if _is_turned(tensor) else math.prod(tensor.shape[:-1])


def _is_turned(tensor: Stored) -> bool:
    """Return whether a tensor has its vectors as columns: no encoder has so few numbers, and one as many as it rows."""
    known = {*ALL_WIDTHS.values(), JOINED}
    return len(tensor.shape) == 2 and tensor.shape[1] not in known and tensor.shape[0] in known


def _checked(name: str, tensors: Sequence[Stored]) -> Sequence[Stored]:
    """Return tensors whose numbers can be read.

    Raises: FileError where they cannot.
    """
    for tensor in tensors:
        if tensor.reason:
            raise FileError(f"{name} {tensor.reason}; only plain ones are read.")
        if not tensor.is_floating and not tensor.is_whole:
            raise FileError(f"{name} holds complex numbers, not vectors.")
        if tensor.is_whole and not {JOINED, *ALL_WIDTHS.values()} & {*tensor.shape[-2:]}:
            raise FileError(f"{name} holds whole numbers, not vectors.")
        if tensor.size > SIZE_LIMIT:
            raise FileError(f"{name} claims a tensor of {list(tensor.shape)} numbers, far more than an embedding has.")
    return tensors


def _check_shape(name: str, tensor: Stored) -> None:
    """Refuse what is no list of vectors, also where further dimensions of 1 stand before or between."""
    if not tensor.shape or sum(length != 1 for length in tensor.shape[:-1]) > 1:
        raise FileError(f"{name} holds a tensor of shape {list(tensor.shape)}; an embedding has [vectors, width].")


def _name_encoder(
    name: str, key: str, rows: Tensor, wished: str, notes: list[str], *, is_only: bool
) -> dict[str, Tensor]:
    """Return the rows by encoder: the one that is wished, or that the key or the width says.

    Of several tensors the wish is for the one that nothing else tells of.
    """
    width = rows.shape[1]
    if wished and is_only:
        if ALL_WIDTHS[wished] != width:
            raise FileError(f"{name} holds vectors of {width} numbers; {wished} has {ALL_WIDTHS[wished]}.")
        return {wished: rows}
    if ALL_WIDTHS.get(key) == width:
        return {key: rows}
    fitting = [encoder for encoder, its in ENCODER_WIDTHS.items() if its == width]
    if fitting and key not in ALL_WIDTHS:
        return {fitting[0]: rows}
    if width == JOINED and key not in OTHER_ENCODER_WIDTHS:
        notes.append(f"{name}: the vectors of clip_l and clip_g stood side by side in it; they are taken apart.")
        left = ENCODER_WIDTHS["clip_l"]
        return {"clip_l": rows[:, :left].contiguous(), "clip_g": rows[:, left:].contiguous()}
    if wished and ALL_WIDTHS[wished] == width:
        return {wished: rows}
    possible = [encoder for encoder, its in ALL_WIDTHS.items() if its == width]
    if len(possible) == 1:
        notes.append(f"{name} holds vectors of {width} numbers, as {possible[0]} alone has; they are read as its.")
        return {possible[0]: rows}
    raise _unknown_width(name, key, width)


def _unknown_width(name: str, key: str, width: int) -> FileError:
    possible = [encoder for encoder, its in ALL_WIDTHS.items() if its == width]
    said = (
        f"{name}: {key} holds vectors of {width} numbers"
        if key in ALL_WIDTHS
        else (f"{name} holds vectors of {width} numbers")
    )
    if not possible:
        return FileError(f"{said}; SD 1 has 768, SD 2 1024, SDXL 768 and 1280.")
    return FileError(
        f"{said}, which may be for {' or '.join(possible)}.",
        suggestion=f"convert --as {possible[0]} says so.",
        alternatives=possible,
    )
