"""Read torch's pickles as data: nothing in them is ever called, imported or hashed.

A pickle is a little program. torch's own restricted reader runs it with few functions at hand; a few hundred bytes can
keep that busy for years all the same (a key of nested pairs), and it refuses what old trainers wrote. Here the program
is followed step by step, with a table of the steps and one of the few names that may be asked for, each of which only
makes a description: a tensor is its shape, and where its numbers are. The numbers are read when they are wanted.

Sources: https://docs.python.org/3/library/pickletools.html; torch/serialization.py (_load, _legacy_load) and
torch/_utils.py (_rebuild_*) for what stands in torch's files.
"""

from __future__ import annotations

import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import FileError
from .pickle_names import NotRead, NumpyArray, PickledModule, as_text, tensor_of_array
from .pickle_steps import DAMAGED, LARGEST_PICKLE, PickleMachine, check_parts, refuse_names
from .recognition import recognise_keys
from .refusals import describe_value, refuse_contents, tell_apart
from .stored import OUTSIDE, Content, Stored

__all__ = ["read_pickle"]

LARGEST_DIRECTORY = 8 * 1024 * 1024
"""Bytes of an archive's directory: about a hundred thousand entries."""

_MAGIC = 0x1950A86A20F9469CFC6C
"""The first number of torch's old format. Source: torch/serialization.py MAGIC_NUMBER."""

_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What torch's own reader takes. Of others Python unpacks all at once. Source: torch's third_party/miniz."""

_DAMAGED_ZIP = (*DAMAGED, struct.error, zipfile.BadZipFile, NotImplementedError)
"""How an archive says that it is not as it should be."""


def read_pickle(path: Path) -> Content:
    """Read what a torch file holds, without its numbers.

    Raises: FileError where it is damaged, is no torch file, or names anything that tensors do not need.
    """
    try:
        with path.open("rb") as file:
            return _read_archive(path, file) if zipfile.is_zipfile(file) else _read_old(path, file)
    except FileError:
        raise
    except NotRead as error:
        raise FileError(f"{path.name} {error}") from error
    except _DAMAGED_ZIP as error:
        raise FileError(f"{path.name} is damaged or not a torch file.") from error
    except (MemoryError, RecursionError, OverflowError) as error:
        raise FileError(f"{path.name} claims impossible sizes; it is not read.") from error


def _read_archive(path: Path, file: BinaryIO) -> Content:
    _check_directory(path, file)
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
        if any(name.endswith("/constants.pkl") for name in names):
            raise FileError(f"{path.name} is a TorchScript archive, which is a program, not an embedding.")
        if len(pickles) != 1:
            raise FileError(f"{path.name} is a zip archive, not an embedding.", suggestion=_unpack(names))
        if any(entry.compress_type not in _PACKINGS for entry in archive.infolist()):
            raise FileError(f"{path.name} is packed in a way that torch does not read.")
        root = pickles[0].removesuffix("data.pkl")
        entry = archive.getinfo(pickles[0])
        if entry.file_size > LARGEST_PICKLE:
            raise FileError(f"{path.name} grows to {entry.file_size:,} bytes, far more than an embedding.")
        if f"{root}byteorder" in names and _beginning(archive, f"{root}byteorder", 6) != b"little":
            raise FileError(f"{path.name} was written by a machine with another order of bytes.")
        storages = _Storages(
            path, {name: archive.getinfo(name).file_size for name in names if name.startswith(f"{root}data/")}
        )

        def find(key: str, _count: int, size: int) -> Callable[[], bytearray]:
            return storages.want(f"{root}data/{key}", size)

        machine = PickleMachine(path, find)
        with archive.open(entry) as stream:
            value = machine.follow(stream)
        sizes = {
            name.removeprefix(root) if name.startswith(root) else OUTSIDE + name: archive.getinfo(name).file_size
            for name in names
        }
    return _content(path, value, machine, sizes)


def _beginning(archive: zipfile.ZipFile, name: str, count: int) -> bytes:
    with archive.open(name) as entry:
        return entry.read(count)


def _unpack(names: list[str]) -> str:
    wanted = [name for name in names if name.lower().endswith((".safetensors", ".pt", ".bin"))]
    inside = [name.rpartition("/")[2] for name in wanted if not name.startswith("__MACOSX/")]
    return f"Unpack it first; it holds {', '.join(inside[:3])}." if inside else ""


class _Storages:
    """The storages of an archive. With the first that is read come all that its tensors stand in, unless too large."""

    def __init__(self, path: Path, sizes: Mapping[str, int]) -> None:
        self.path = path
        self.sizes = sizes
        self.wanted: dict[str, int] = {}
        """How many of its bytes are, by a storage's name."""
        self.read: dict[str, bytearray] = {}

    def want(self, name: str, size: int) -> Callable[[], bytearray]:
        """Return a reader of a storage.

        Raises: ValueError where it has fewer than `size` bytes; KeyError where there is none.
        """
        if self.sizes[name] < size:
            raise ValueError("a tensor is longer than its numbers")
        self.wanted[name] = max(size, self.wanted.get(name, 0))
        return lambda: self._read(name)

    def _read(self, name: str) -> bytearray:
        if name not in self.read:
            is_small = sum(self.sizes[other] for other in self.wanted) <= LARGEST_PICKLE
            if self.sizes[name] > LARGEST_PICKLE:
                raise FileError(f"{self.path.name} has {self.sizes[name]:,} bytes in one piece, too many to read.")
            try:
                with zipfile.ZipFile(self.path) as archive:
                    for one in self.wanted if is_small else [name]:
                        self.read[one] = bytearray(_beginning(archive, one, self.wanted[one]))
            except _DAMAGED_ZIP as error:
                raise FileError(f"{self.path.name} is damaged.") from error
        return self.read[name]


def _check_directory(path: Path, file: BinaryIO) -> None:
    """Refuse a directory that would take gigabytes: each of its 46 bytes becomes half a kilobyte of Python."""
    file.seek(0, 2)
    size = file.tell()
    start = max(0, size - 65_557)  # the end record has 22 bytes and a comment of at most 65,535
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    entries, length = struct.unpack_from("<10xHL", tail, at) if at >= 0 else (0, 0)
    if length == 0xFFFFFFFF or entries == 0xFFFF:
        at = tail.rfind(b"PK\6\6", 0, at)
        (length,) = struct.unpack_from("<40xQ", tail, at) if at >= 0 else (size,)
    if length > LARGEST_DIRECTORY:
        raise FileError(f"{path.name} is an archive of far more parts than an embedding has.")


def _read_old(path: Path, file: BinaryIO) -> Content:
    """Read the format before torch 1.6: five pickles, then the numbers of each storage behind a count."""
    file.seek(0)
    places: dict[str, tuple[int, int]] = {}
    wanted: dict[str, int] = {}

    def find(key: str, count: int, size: int) -> Callable[[], bytearray]:
        wanted[key] = max(wanted.get(key, 0), size)
        return lambda: _read_piece(path, *places[key])

    machine = PickleMachine(path, find)
    if machine.follow(file) != _MAGIC:
        if machine.unknown:
            refuse_names(path, machine.unknown)
        raise FileError(f"{path.name} is a pickle, but not torch's.")
    for _ in range(2):
        machine.follow(file)
    value = machine.follow(file)
    keys = machine.follow(file)
    at = file.tell()
    end = file.seek(0, 2)
    for key in keys if isinstance(keys, list) else ():
        file.seek(at)
        (count,) = struct.unpack("<q", file.read(8))
        length = count * machine.item_sizes[as_text(key)]
        at += 8
        if count < 0 or at + length > end:
            raise ValueError("a storage is cut off")
        places[as_text(key)] = (at, length)
        at += length
    if any(places[key][1] < size for key, size in wanted.items()):
        raise ValueError("a tensor is longer than its numbers")
    return _content(path, value, machine, {})


def _read_piece(path: Path, start: int, length: int) -> bytearray:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return bytearray(file.read(length))
    except OSError as error:
        raise FileError(f"{path.name} cannot be read: {error.strerror or error}.") from error


def _content(path: Path, value: Any, machine: PickleMachine, entries: Mapping[str, int]) -> Content:
    check_parts(path, value)
    value = _plain(value)
    if machine.unknown:
        other = recognise_keys([str(name) for name in value]) if isinstance(value, dict) else None
        if other is not None:
            raise FileError(f"{path.name} is {other}, not an embedding.")
        refuse_names(path, machine.unknown)
    names = frozenset(machine.named)
    made = partial(Content, path, "pickle", globals=names, entries=entries, protocol=machine.protocol)
    if isinstance(value, Stored):
        return made({"": value}, container="Tensor")
    if isinstance(value, (list, tuple)):
        is_plain = all(isinstance(item, dict) and all(map(_is_tensor, item.values())) for item in value)
        items = [_plain(item) for item in value]
        rows = tuple(_row(item) for item in items if isinstance(item, (dict, Stored)))
        if not any(isinstance(part, Stored) for row in rows for part in row.values()):
            raise refuse_contents(path.name, value[0] if len(value) == len(rows) == 1 else value)
        beside = tuple(describe_value(item) for item in items if not isinstance(item, (dict, Stored)))[:5]
        return made({}, rows=rows, container=type(value).__name__, is_plain=is_plain, beside=beside)
    if not isinstance(value, dict):
        raise refuse_contents(path.name, value)
    values = {name: _plain(one) for name, one in tell_apart(value).items()}
    container = "OrderedDict" if isinstance(value, OrderedDict) else "dict"
    return made(values, container=container, is_plain=all(isinstance(name, str) for name in value))


def _row(item: dict[Any, Any] | Stored) -> dict[str, Any]:
    return {"": item} if isinstance(item, Stored) else {key: _plain(one) for key, one in tell_apart(item).items()}


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Stored) and bool(value.shape)


def _plain(value: Any) -> Any:
    """Return a ParameterDict's tensors as a dict (they stand in `_parameters`), and numpy's arrays as tensors."""
    if isinstance(value, PickledModule):
        parameters = value.state.get("_parameters")
        return dict(parameters) if isinstance(parameters, dict) else {}
    if isinstance(value, NumpyArray):
        return replace(tensor_of_array(value), is_array=True)
    if isinstance(value, dict) and any(isinstance(one, NumpyArray) for one in value.values()):
        return type(value)((key, _plain(one)) for key, one in value.items())
    if isinstance(value, (list, tuple)) and any(isinstance(one, NumpyArray) for one in value):
        return [_plain(one) for one in value]
    return value
