"""Read a safetensors file: its header, checked, and then only the rows that are asked for.

Why not `safetensors.safe_open`: it maps the whole file, and every touched page brings its neighbours with it: for 35
words of an SDXL checkpoint 25 MB came from a cold disk, with plain reads 0.6 MB, in the same time. A pass over a mapped
vocabulary counts as resident memory, and a file that shrinks while it is mapped kills the process; plain reads keep
memory at one chunk and leave no handle open, so Windows can replace the file. Its messages are for programmers, too.

Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import FileError, shorten
from .paths import check_regular

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "DTYPES",
    "HEADER_LIMIT",
    "OTHER_FORMATS",
    "SafetensorsFile",
    "TensorEntry",
    "TensorFile",
    "open_safetensors",
]

HEADER_LIMIT = 32 * 1024 * 1024
"""Bytes. The largest header seen, thumbnail and training notes included, has about 2 MB."""

MOST_DIMENSIONS = 8
LARGEST_SIZE = 2**63 - 1
"""Numbers in a tensor, and in each of its dimensions, that torch can count."""

DTYPES: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "F64": ("float64", 8),
        "F32": ("float32", 4),
        "F16": ("float16", 2),
        "BF16": ("bfloat16", 2),
        "F8_E4M3": ("float8_e4m3fn", 1),
        "F8_E5M2": ("float8_e5m2", 1),
    }
)
"""The number formats that a table or an embedding can be read in: torch's name and bytes per number."""

OTHER_FORMATS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "I64": ("int64", 8),
        "I32": ("int32", 4),
        "I16": ("int16", 2),
        "I8": ("int8", 1),
        "U8": ("uint8", 1),
        "BOOL": ("bool", 1),
        "U64": ("uint64", 8),
        "U32": ("uint32", 4),
        "U16": ("uint16", 2),
        "C64": ("complex64", 8),
    }
)
"""The other number formats: torch's name and bytes per number."""

_MAGICS = (
    (b"PK\x03\x04", "a zip or pickle archive"),
    (b"\x80\x02", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"GGUF", "a GGUF file"),
    (b"\x89PNG", "a PNG image"),
    (b"RIFF", "a WebP image"),
    (b"<!DOC", "a web page, perhaps a failed download"),
    (b"<html", "a web page, perhaps a failed download"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
)


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of a header: number format, shape, offset of its first byte in the file, and its bytes' count."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    length: int


@dataclass(frozen=True)
class TensorFile:
    """A file of tensors whose header has been read.

    `header_sha256` is that of the header's bytes; `stamp` is the size and the time of change when it was read.
    """

    path: Path
    tensors: Mapping[str, TensorEntry] = field(repr=False)
    metadata: Mapping[str, str] = field(repr=False)
    size: int
    header_sha256: str
    stamp: tuple[int, int]


@dataclass(frozen=True)
class SafetensorsFile(TensorFile):
    """A safetensors file whose header has been checked."""

    def read(self, name: str) -> Tensor:
        """Read a whole tensor: its own shape and number format.

        Raises: FileError where the number format is not one of `DTYPES`, or the file has changed.
        """
        entry = self.tensors[name]
        self._item_size(name)
        return self._as_tensor(entry, self._read_bytes([(entry.start, entry.length)])).view(entry.shape)

    def read_whole(self, name: str) -> Tensor:
        """Read a whole tensor of whole numbers, as float32.

        Raises: FileError as `read`.
        """
        import torch

        entry = self.tensors[name]
        data = self._read_bytes([(entry.start, entry.length)])
        return torch.frombuffer(data, dtype=getattr(torch, OTHER_FORMATS[entry.dtype][0])).view(entry.shape).float()

    def read_rows(self, name: str, ids: Sequence[int]) -> Tensor:
        """Read rows of a matrix: (len(ids), columns), in its own number format.

        Neighbouring rows are read in one go. Ids are within the matrix.

        Raises: FileError where the number format is not one of `DTYPES`, or the file has changed.
        """
        entry = self.tensors[name]
        columns = entry.shape[1]
        stride = columns * self._item_size(name)
        pieces = [(entry.start + first * stride, count * stride) for first, count in _runs(ids)]
        return self._as_tensor(entry, self._read_bytes(pieces)).view(len(ids), columns)

    def _item_size(self, name: str) -> int:
        dtype = self.tensors[name].dtype
        if dtype not in DTYPES:
            raise FileError(f"{self.path.name}: tensor {name} holds numbers of format {dtype}, not a float format.")
        return DTYPES[dtype][1]

    def _as_tensor(self, entry: TensorEntry, data: bytearray) -> Tensor:
        import torch

        dtype = getattr(torch, DTYPES[entry.dtype][0], None)
        if dtype is None:
            raise FileError(f"{self.path.name}: this version of torch cannot read numbers of format {entry.dtype}.")
        return torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)

    def _read_bytes(self, pieces: Sequence[tuple[int, int]]) -> bytearray:
        data = bytearray(sum(length for _, length in pieces))
        view = memoryview(data)
        try:
            with _open_for_single_reads(self.path) as file:
                if _stamp_of(file) != self.stamp:
                    raise FileError(f"{self.path.name} has changed since it was opened. Open it again.")
                at = 0
                for start, length in pieces:
                    file.seek(start)
                    _read_exactly(file, view[at : at + length], self.path)
                    at += length
        except OSError as error:
            raise FileError(f"{self.path.name} cannot be read: {error.strerror or error}.") from error
        return data


def open_safetensors(path: Path) -> SafetensorsFile:
    """Read and check the header of a safetensors file.

    Raises: FileError where it is missing, unreadable, cut off, another kind of file, or its header is too large, is
    not the JSON that the format asks for, or places tensors over each other or past the file's end.
    """
    try:
        check_regular(path)
        with _open_for_single_reads(path) as file:
            return _open(path, file)
    except FileNotFoundError as error:
        raise FileError(f"There is no file {path}.") from error
    except OSError as error:
        raise FileError(f"{path.name} cannot be read: {error.strerror or error}.") from error


def _open(path: Path, file: BinaryIO) -> SafetensorsFile:
    stamp = _stamp_of(file)
    size = stamp[0]
    length = _header_length(path, file, size)
    raw = bytearray(length)
    _read_exactly(file, memoryview(raw), path)
    header = _parse(path, raw)
    metadata = header.pop("__metadata__", None)
    metadata = {} if metadata is None else metadata
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _bad_header(path, "its metadata are not texts")
    tensors = {name: _entry(path, name, value, size - 8 - length, 8 + length) for name, value in header.items()}
    _refuse_gaps(path, tensors, 8 + length, size)
    return SafetensorsFile(path, tensors, metadata, size, hashlib.sha256(raw).hexdigest(), stamp)


def _header_length(path: Path, file: BinaryIO, size: int) -> int:
    start = file.read(24)
    length = int.from_bytes(start[:8], "little")
    # The brace comes first: a header of 640 bytes begins like a pickle.
    if start[8:9] != b"{" or length < 2:
        raise FileError(f"{path.name} is {_what_it_is(start, size)}.")
    if length > HEADER_LIMIT:
        raise FileError(
            f"{path.name} claims a header of {length:,} bytes; no real file has one beyond {HEADER_LIMIT:,}."
        )
    if 8 + length > size:
        raise FileError(f"{path.name} is cut off within its header; download it again.")
    file.seek(8)
    return length


def _what_it_is(start: bytes, size: int) -> str:
    for magic, kind in _MAGICS:
        if start.startswith(magic):
            return f"{kind}, not a safetensors file"
    if len(start) < 9:
        return f"{'cut off' if start else 'empty'}: it has {size} bytes"
    return "not a safetensors file"


def _parse(path: Path, raw: bytearray) -> dict[str, Any]:
    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=_without_duplicates)
        if re.search(rb"\\u[dD][89a-fA-F]", raw):  # half of a surrogate pair, which no text may hold
            json.dumps(header, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise _bad_header(path, "it is not the JSON that the format asks for") from error
    if not isinstance(header, dict):
        raise _bad_header(path, "it is not a JSON object")
    return header


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name stands twice in the header")
    return result


def _entry(path: Path, name: str, value: Any, data_size: int, data_start: int) -> TensorEntry:
    try:
        dtype, shape, (begin, end) = value["dtype"], tuple(value["shape"]), value["data_offsets"]
    except (TypeError, KeyError, ValueError) as error:
        raise _bad_header(path, f"the entry of {shorten(name)} is incomplete") from error
    if not isinstance(dtype, str) or not all(type(n) is int and n >= 0 for n in (*shape, begin, end)):
        raise _bad_header(path, f"the entry of {shorten(name)} has impossible numbers")
    if len(shape) > MOST_DIMENSIONS or math.prod(max(n, 1) for n in shape) > LARGEST_SIZE:
        raise _bad_header(path, f"the entry of {shorten(name)} has an impossible shape")
    if begin > end:
        raise _bad_header(path, f"tensor {shorten(name)} ends before it begins")
    if end > data_size:
        missing = _bytes(end - data_size)
        raise FileError(f"{path.name} is cut off: tensor {shorten(name)} should end {missing} past its end.")
    known = DTYPES.get(dtype) or OTHER_FORMATS.get(dtype)
    if known is not None and math.prod(shape) * known[1] != end - begin:
        held = _bytes(end - begin)
        raise _bad_header(path, f"tensor {shorten(name)} has {held}, which its shape {list(shape)} does not fill")
    return TensorEntry(dtype, shape, data_start + begin, end - begin)


def _refuse_gaps(path: Path, tensors: Mapping[str, TensorEntry], start: int, size: int) -> None:
    """Refuse tensors that overlap, and bytes that belong to none, as every program's reader does.

    Source: safetensors/src/tensor.rs Metadata::validate.
    """
    placed = sorted((entry.start, entry.length, name) for name, entry in tensors.items())
    at, last = start, ""
    for begin, length, name in placed:
        if begin < at:
            raise _bad_header(path, f"tensors {shorten(last)} and {shorten(name)} overlap")
        if begin > at:
            raise _bad_header(path, f"{_bytes(begin - at)} before tensor {shorten(name)} belong to none")
        at, last = begin + length, name
    if at != size:
        raise FileError(f"{path.name} has {_bytes(size - at)} behind its tensors; programs refuse such a file.")


def _bytes(count: int) -> str:
    return f"{count:,} {'byte' if count == 1 else 'bytes'}"


def _bad_header(path: Path, reason: str) -> FileError:
    return FileError(f"{path.name} has a broken header: {reason}.")


def _runs(ids: Sequence[int]) -> list[tuple[int, int]]:
    """Join neighbouring ids into (first, count)."""
    runs: list[tuple[int, int]] = []
    for id_ in ids:
        if runs and id_ == runs[-1][0] + runs[-1][1]:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((id_, 1))
    return runs


def _open_for_single_reads(path: Path) -> BinaryIO:
    """Open a file without the system's reading ahead, which fetches a megabyte behind each header on some disks."""
    file = path.open("rb", buffering=0)
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
    return file


def _read_exactly(file: BinaryIO, view: memoryview, path: Path) -> None:
    while view:
        count = file.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise FileError(f"{path.name} is cut off; download it again.")
        view = view[count:]


def _stamp_of(file: BinaryIO) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns
