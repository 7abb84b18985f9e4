"""Read torch's pickles as data: nothing in them is ever called, imported or hashed.

A pickle is a little program. torch's own restricted reader runs it with few functions at hand; a few hundred bytes can
keep that busy for years all the same (a key of nested pairs), and it refuses what old trainers wrote. Here the program
is followed step by step, with a table of the steps and one of the few names that may be asked for, each of which only
makes a description: a tensor is its shape, and where its numbers are. The numbers are read when they are wanted.

Sources: https://docs.python.org/3/library/pickletools.html; torch/serialization.py (_load, _legacy_load) and
torch/_utils.py (_rebuild_*) for what stands in torch's files.
"""

from __future__ import annotations

import pickletools
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from ..errors import FileError, printable, shorten
from .recognition import recognise_keys
from .stored import ITEM_SIZES, OUTSIDE, Content, Stored

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["read_pickle"]

MOST_STEPS = 500_000
"""Of a pickle. An embedding takes some fifty, a checkpoint with its optimizer's state about a hundred thousand."""

CHARACTERS_A_STEP = 64
"""Characters, or bytes, that are copied in the time of a step."""

MOST_DIMENSIONS = 64
"""Of a tensor; torch has no more."""

LARGEST_PICKLE = 64 * 1024 * 1024
"""Bytes of the pickle itself, without the tensors; those that hold numpy's arrays hold their numbers too."""

LARGEST_DIRECTORY = 8 * 1024 * 1024
"""Bytes of an archive's directory: about a hundred thousand entries."""

_MAGIC = 0x1950A86A20F9469CFC6C
"""The first number of torch's old format. Source: torch/serialization.py MAGIC_NUMBER."""

_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What torch's own reader takes. Of others Python unpacks all at once. Source: torch's third_party/miniz."""

_DAMAGED = (OSError, RuntimeError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError)
_DAMAGED_ZIP = (*_DAMAGED, struct.error, zipfile.BadZipFile, NotImplementedError)
"""How a pickle and an archive say that they are not as they should be."""


def read_pickle(path: Path) -> Content:
    """Read what a torch file holds, without its numbers.

    Raises: FileError where it is damaged, is no torch file, or names anything that tensors do not need.
    """
    try:
        with path.open("rb") as file:
            return _read_archive(path, file) if zipfile.is_zipfile(file) else _read_old(path, file)
    except FileError:
        raise
    except _DAMAGED_ZIP as error:
        raise FileError(f"{path.name} is damaged or not a torch file.") from error
    except (MemoryError, RecursionError, OverflowError) as error:
        raise FileError(f"{path.name} claims impossible sizes; it is not read.") from error


# --- The two formats -----------------------------------------------------------------------------------------------


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

        machine = _Machine(path, find)
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

    machine = _Machine(path, find)
    if machine.follow(file) != _MAGIC:
        if machine.unknown:
            _refuse(path, machine.unknown)
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
        length = count * machine.item_sizes[_text(key)]
        at += 8
        if count < 0 or at + length > end:
            raise ValueError("a storage is cut off")
        places[_text(key)] = (at, length)
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


def _content(path: Path, value: Any, machine: _Machine, entries: Mapping[str, int]) -> Content:
    _check_parts(path, value)
    value = _plain(value)
    if machine.unknown:
        other = recognise_keys([str(name) for name in value]) if isinstance(value, dict) else None
        if other is not None:
            raise FileError(f"{path.name} is {other}, not an embedding.")
        _refuse(path, machine.unknown)
    names = frozenset(machine.named)
    made = partial(Content, path, "pickle", globals=names, entries=entries, protocol=machine.protocol)
    if isinstance(value, Stored):
        return made({"": value}, container="Tensor")
    if isinstance(value, (list, tuple)):
        rows = tuple(_row(item) for item in value if isinstance(item, (dict, Stored)))
        is_plain = all(isinstance(item, dict) and all(map(_is_tensor, item.values())) for item in value)
        return made({}, rows=rows, container=type(value).__name__, is_plain=is_plain)
    if not isinstance(value, dict):
        raise FileError(f"{path.name} holds no tensors.")
    values = {str(name): _plain(one) for name, one in value.items()}
    container = "OrderedDict" if isinstance(value, OrderedDict) else "dict"
    return made(values, container=container, is_plain=all(isinstance(name, str) for name in value))


def _row(item: dict[Any, Any] | Stored) -> dict[str, Any]:
    return {"": item} if isinstance(item, Stored) else {str(key): _plain(one) for key, one in item.items()}


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Stored) and bool(value.shape)


def _check_parts(path: Path, value: Any) -> None:
    """Refuse what is small only because the same list or dict stands in it again and again."""
    top = value.state.get("_parameters") if isinstance(value, _Module) else value
    below = top.values() if isinstance(top, dict) else top if isinstance(top, (list, tuple)) else ()
    inner = (one.state.get("_parameters") if isinstance(one, _Module) else one for one in below)
    if sum(len(one) for one in inner if isinstance(one, (dict, list, tuple))) > MOST_STEPS:
        raise _too_many_parts(path)


def _too_many_parts(path: Path) -> FileError:
    return FileError(f"{path.name} has far more parts than an embedding; it is not read.")


def _plain(value: Any) -> Any:
    """Return a ParameterDict's tensors as a dict (they stand in `_parameters`), and numpy's arrays as tensors."""
    if isinstance(value, _Module):
        parameters = value.state.get("_parameters")
        return dict(parameters) if isinstance(parameters, dict) else {}
    if isinstance(value, _Array):
        return replace(_array_tensor(value), is_array=True)
    if isinstance(value, dict) and any(isinstance(one, _Array) for one in value.values()):
        return type(value)((key, _plain(one)) for key, one in value.items())
    return value


def _refuse(path: Path, unknown: list[str]) -> NoReturn:
    shown = printable(", ".join(dict.fromkeys(unknown[:3])))
    raise FileError(
        f"{path.name} holds more than tensors, so opening it could run code: it asks for {shorten(shown, 60)}."
        " It is not read.",
        suggestion="Ask its author for a safetensors file.",
    )


# --- The names that may be asked for -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Name:
    """Something that a pickle asks for by name."""

    text: str


@dataclass(frozen=True)
class _Storage:
    dtype: str
    count: int
    find: Callable[[int], Callable[[], bytearray]]


@dataclass
class _Module:
    """A ParameterDict: what torch knows of it, by name."""

    state: dict[Any, Any] = field(default_factory=dict)


@dataclass
class _Dtype:
    """numpy's number format: a letter and its bytes, then the order of bytes."""

    code: str
    order: str = "="


@dataclass
class _Array:
    """numpy's array, filled when its state comes."""

    shape: tuple[int, ...] = ()
    dtype: str = ""
    data: bytes = b""


@dataclass
class _Unknown:
    """What a name would have made that is not in the table."""


_NUMPY_FORMATS = MappingProxyType(
    {
        "f8": ("float64", "<d"),
        "f4": ("float32", "<f"),
        "f2": ("float16", "<e"),
        "i8": ("int64", "<q"),
        "i4": ("int32", "<i"),
        "i2": ("int16", "<h"),
        "i1": ("int8", "<b"),
        "u1": ("uint8", "<B"),
        "b1": ("bool", "<?"),
    }
)
"""torch's name and struct's sign of numpy's number formats."""

_STORAGES = MappingProxyType(
    {
        "Double": "float64",
        "Float": "float32",
        "Half": "float16",
        "BFloat16": "bfloat16",
        "QInt8": "int8",
        "QUInt8": "uint8",
        "QInt32": "int32",
        "ComplexFloat": "complex64",
        "Long": "int64",
        "Int": "int32",
        "Short": "int16",
        "Char": "int8",
        "Byte": "uint8",
        "Bool": "bool",
        "Untyped": "uint8",
    }
)


def _ordered(*arguments: Any) -> OrderedDict[Any, Any]:
    result: OrderedDict[Any, Any] = OrderedDict()
    for key, value in arguments[0] if arguments else ():
        result[_key(key)] = value
    return result


def _tensor(storage: Any, offset: int, shape: Any, stride: Any, *_rest: Any, dtype: str = "") -> Stored:
    if not isinstance(storage, _Storage):
        raise ValueError("a tensor without a storage")
    shape, stride = _sizes(shape), _sizes(stride)
    if not all(type(n) is int and 0 <= n < 2**63 for n in (offset, *shape, *stride)) or len(shape) != len(stride):
        raise ValueError("a tensor of impossible sizes")
    dtype = dtype or storage.dtype
    item = ITEM_SIZES[dtype]
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True)) + 1 if 0 not in shape else 0
    raw = storage.find(last * item)
    return Stored(shape, dtype, lambda: _read_tensor(raw(), dtype, shape, stride, offset))


def _sizes(numbers: Any) -> tuple[Any, ...]:
    """Return a tensor's sizes as a tuple, unless they are none."""
    if not isinstance(numbers, (tuple, list)) or len(numbers) > MOST_DIMENSIONS:
        raise ValueError("a tensor of impossible sizes")
    return tuple(numbers)


def _read_tensor(raw: bytearray, dtype: str, shape: tuple[int, ...], stride: tuple[int, ...], offset: int) -> Tensor:
    import torch

    kind = getattr(torch, dtype)
    if 0 in shape:
        return torch.empty(shape, dtype=kind)
    flat = torch.frombuffer(raw, dtype=kind, count=len(raw) // ITEM_SIZES[dtype])
    return flat.as_strided(shape, stride, offset).clone()


def _tensor_of_any_format(storage: Any, offset: int, shape: Any, stride: Any, *rest: Any) -> Stored:
    dtype = rest[2].text.removeprefix("torch.") if len(rest) > 2 and isinstance(rest[2], _Name) else ""
    return _tensor(storage, offset, shape, stride, dtype=dtype)


def _parameter(data: Any, *_rest: Any) -> Any:
    return replace(data, is_parameter=True) if isinstance(data, Stored) else data


def _of_numpy(array: Any, dtype: Any, *_rest: Any) -> Stored:
    """Make a tensor of an array: so torch writes those of machines whose memory it cannot store, as of Macs."""
    if not isinstance(array, _Array):
        raise ValueError("a tensor without an array")
    found = _array_tensor(array)
    wished = dtype.text.removeprefix("torch.") if isinstance(dtype, _Name) else found.dtype
    return Stored(found.shape, wished, lambda: _in_format(found.read(), wished))


def _in_format(tensor: Tensor, dtype: str) -> Tensor:
    import torch

    return tensor.to(getattr(torch, dtype))


def _array_tensor(array: _Array) -> Stored:
    dtype, _ = _NUMPY_FORMATS[array.dtype]
    strides = []
    step = 1
    for length in reversed(array.shape):
        strides.append(step)
        step *= length
    if step * ITEM_SIZES[dtype] != len(array.data):
        raise ValueError("an array of another size than it says")
    data, shape, stride = array.data, array.shape, tuple(reversed(strides))
    return Stored(shape, dtype, lambda: _read_tensor(bytearray(data), dtype, shape, stride, 0))


def _scalar(dtype: Any, data: Any = b"") -> Any:
    if not isinstance(dtype, _Dtype) or dtype.order not in "<|=" or not isinstance(data, bytes):
        raise ValueError("a number of an unknown format")
    return struct.unpack(_NUMPY_FORMATS[dtype.code][1], data)[0]


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("bytes in an unknown encoding")
    return text.encode("latin-1")


def _not_plain(*_arguments: Any) -> Stored:
    def read() -> NoReturn:
        raise ValueError("a tensor without plain numbers")

    return Stored((), "", read, reason="holds a sparse or quantized tensor, or one without its numbers")


def _typed(_rebuild: Any, _type: Any, arguments: Any, *_state: Any) -> Any:
    """Make a tensor to which somebody has added attributes; those are left out."""
    if not isinstance(_rebuild, _Name) or _rebuild.text not in _MAKERS or _rebuild.text == _TYPED:
        raise ValueError("a tensor of an unknown kind")
    return _MAKERS[_rebuild.text](*arguments)


_TYPED = "torch._tensor._rebuild_from_type_v2"
_PARAMETER_DICT = "torch.nn.modules.container.ParameterDict"

_MAKERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "collections.OrderedDict": _ordered,
        "torch._utils._rebuild_tensor": _tensor,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_tensor_v3": _tensor_of_any_format,
        "torch._utils._rebuild_parameter": _parameter,
        "torch._utils._rebuild_parameter_with_state": _parameter,
        "torch._utils._rebuild_device_tensor_from_numpy": _of_numpy,
        **{
            f"torch._utils._rebuild_{kind}": _not_plain
            for kind in ("qtensor", "sparse_tensor", "meta_tensor_no_storage", "nested_tensor", "sparse_csr_tensor")
        },
        _TYPED: _typed,
        _PARAMETER_DICT: _Module,
        "copyreg._reconstructor": lambda *_: _Module(),
        "copy_reg._reconstructor": lambda *_: _Module(),
        "torch.Size": lambda sizes=(): _sizes(sizes),
        "torch.device": lambda *_: None,
        "torch.serialization._get_layout": lambda *_: None,
        "builtins.set": lambda *_: [],
        "__builtin__.set": lambda *_: [],
        "_codecs.encode": _encode,
        "numpy.dtype": lambda code="", *_: _Dtype(_text(code)),
        **{
            f"{module}.multiarray.{name}": make
            for module in ("numpy.core", "numpy._core")
            for name, make in (("scalar", _scalar), ("_reconstruct", lambda *_: _Array()))
        },
    }
)
"""What each name makes that a torch file may ask for: descriptions only."""

_MENTIONED = frozenset(
    ["numpy.ndarray", "builtins.object", "__builtin__.object", "torch.Tensor", "torch.nn.parameter.Parameter"]
    + ["torch._tensor.Tensor", "torch.serialization._get_layout"]
    + [f"torch.{kind}Storage" for kind in _STORAGES]
    + ["torch.storage.UntypedStorage", "torch.storage.TypedStorage", "torch.per_tensor_affine"]
    + [f"torch.{dtype}" for dtype in (*ITEM_SIZES, "qint8", "quint8", "qint32", "sparse_coo", "strided", "jagged")]
)
"""Names that stand beside those, as values."""


# --- Following the steps -------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    """Return a text or a number as a text; of anything nested that can take years."""
    if isinstance(value, (str, int)):
        return str(value)
    raise ValueError("something nested where a text belongs")


def _key(key: Any) -> str | int | float | bytes | None:
    """Return a key of a dict: a text or a number, never something nested, whose hash can take years."""
    if key is None or isinstance(key, (str, int, float, bytes)):
        return key
    raise ValueError("a key that is neither a text nor a number")


class _Bounded:
    """A stream of which no more is read than a pickle may have."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.left = LARGEST_PICKLE

    def read(self, count: int) -> bytes:
        """Read so many bytes, or fewer at the end."""
        return self._counted(self.stream.read(min(count, self.left)))

    def readline(self) -> bytes:
        """Read to the end of the line."""
        return self._counted(self.stream.readline(self.left))

    def _counted(self, data: bytes) -> bytes:
        self.left -= len(data)
        if self.left <= 0:
            raise ValueError("a pickle that does not end")
        return data


class _Machine:
    """The stack and the memory that a pickle's steps work on.

    `find` gives a storage by its key, its count of numbers and the bytes that are needed of it.
    """

    def __init__(self, path: Path, find: Callable[[str, int, int], Callable[[], bytearray]]) -> None:
        self.path = path
        self.find = find
        self.named: set[str] = set()
        self.unknown: list[str] = []
        self.item_sizes: dict[str, int] = {}
        self.protocol = 0
        self.steps = 0
        self.start()

    def start(self) -> None:
        """Forget what one pickle left; several may follow each other in a file."""
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memory: dict[int, Any] = {}

    def follow(self, stream: Any) -> Any:
        """Follow one pickle to its end and return what it makes.

        Raises: FileError where it has too many steps; ValueError and its like where it is none.
        """
        self.start()
        try:
            return self._follow(_Bounded(stream))
        except _DAMAGED:
            if self.unknown:
                _refuse(self.path, self.unknown)
            raise

    def _follow(self, stream: _Bounded) -> Any:
        for opcode, argument, _ in pickletools.genops(stream):  # type: ignore[arg-type]  # it reads and nothing else
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise _too_many_parts(self.path)
            if opcode.name == "STOP":
                break
            _STEPS[opcode.name](self, argument)
        return self.stack.pop()

    def above_mark(self) -> list[Any]:
        """Take off what stands above the last mark."""
        at = self.marks.pop()
        taken = self.stack[at:]
        del self.stack[at:]
        return taken

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def note_protocol(self, number: int) -> None:
        """Remember the highest version of pickle that is used."""
        self.protocol = max(self.protocol, number)

    def name(self, text: str) -> _Name:
        """Return a name; what is not in the tables is remembered as unknown."""
        self.named.add(text)
        if text not in _MAKERS and text not in _MENTIONED:
            self.unknown.append(text)
        return _Name(text)

    def call(self, arguments: Any, named: Any) -> None:
        """Push what a name makes of its arguments."""
        make = _MAKERS.get(named.text) if isinstance(named, _Name) else None
        self.spend(*arguments)
        self.push(make(*arguments) if make is not None else _Unknown())

    def spend(self, *values: Any) -> None:
        """Count as steps what is gone through in one: what has been put together once can be given again and again."""
        self.steps += len(values) + sum(len(one) for one in values if isinstance(one, (list, tuple, dict)))
        self.steps += sum(len(one) // CHARACTERS_A_STEP for one in values if isinstance(one, (str, bytes)))
        if self.steps > MOST_STEPS:
            raise _too_many_parts(self.path)

    def storage(self, saved: Any) -> None:
        """Push what a persistent id stands for: a storage ("storage", kind, key, place, count, view).

        The old format also says so of a module's class, beside its source text: ("module", class, file, source).
        """
        if saved[0] == "module":
            self.push(saved[1])
            return
        _, kind, key, _, count, *view = saved
        word = kind.text.rpartition(".")[2].removesuffix("Storage") if isinstance(kind, _Name) else ""
        dtype, key = _STORAGES[word], _text(key)
        self.item_sizes[key] = ITEM_SIZES[dtype]
        if view and view[0] is not None and view[0][1] != 0:
            raise ValueError("a storage that is a part of another")
        self.push(_Storage(dtype, count, lambda needed: self.find(key, count, needed)))

    def build(self, state: Any) -> None:
        """Set the state of the object on top of the stack."""
        top = self.stack[-1]
        self.spend(state)
        if isinstance(top, _Module) and isinstance(state, dict):
            top.state.update(state)
        elif isinstance(top, _Dtype):
            top.order = state[1]
        elif isinstance(top, _Array):
            _, shape, dtype, is_fortran, data = state
            if is_fortran or not isinstance(dtype, _Dtype) or dtype.order not in "<|=" or not isinstance(data, bytes):
                raise ValueError("an array in an unknown order")
            top.shape, top.dtype, top.data = _sizes(shape), dtype.code, data

    def set_items(self, target: Any, items: list[Any]) -> None:
        """Put keys and values, one after the other, into a dict."""
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(target, dict):
                target[_key(key)] = value

    def recall(self, place: Any) -> None:
        """Push what was remembered."""
        self.push(self.memory[int(place)])

    def remember(self, place: Any) -> None:
        """Keep the top of the stack."""
        self.memory[int(place)] = self.stack[-1]


def _take(machine: _Machine, count: int) -> list[Any]:
    taken = machine.stack[-count:]
    if len(taken) != count:
        raise ValueError("a step without its values")
    del machine.stack[-count:]
    return taken


def _extend(machine: _Machine, items: list[Any]) -> None:
    if isinstance(machine.stack[-1], list):
        machine.stack[-1].extend(items)


def _dict_of(machine: _Machine, items: list[Any]) -> None:
    machine.push({})
    machine.set_items(machine.stack[-1], items)


_Step = Callable[[_Machine, Any], Any]


def _push_argument(machine: _Machine, argument: Any) -> None:
    machine.push(argument)


_VALUES = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING"),
    *("SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)
"""Steps that push what they bring with them."""

_STEPS: Mapping[str, _Step] = MappingProxyType(
    {
        **dict.fromkeys(_VALUES, _push_argument),
        "PROTO": lambda m, number: m.note_protocol(number),
        "FRAME": lambda m, _: None,
        "NONE": lambda m, _: m.push(None),
        "NEWTRUE": lambda m, _: m.push(True),
        "NEWFALSE": lambda m, _: m.push(False),
        **dict.fromkeys(("EMPTY_LIST", "EMPTY_SET"), lambda m, _: m.push([])),
        "EMPTY_DICT": lambda m, _: m.push({}),
        "EMPTY_TUPLE": lambda m, _: m.push(()),
        "MARK": lambda m, _: m.marks.append(len(m.stack)),
        "POP": lambda m, _: m.stack.pop(),
        "POP_MARK": lambda m, _: m.above_mark(),
        "DUP": lambda m, _: m.push(m.stack[-1]),
        "TUPLE": lambda m, _: m.push(tuple(m.above_mark())),
        "TUPLE1": lambda m, _: m.push(tuple(_take(m, 1))),
        "TUPLE2": lambda m, _: m.push(tuple(_take(m, 2))),
        "TUPLE3": lambda m, _: m.push(tuple(_take(m, 3))),
        **dict.fromkeys(("LIST", "FROZENSET"), lambda m, _: m.push(m.above_mark())),
        "DICT": lambda m, _: _dict_of(m, m.above_mark()),
        "APPEND": lambda m, _: _extend(m, _take(m, 1)),
        **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda m, _: _extend(m, m.above_mark())),
        "SETITEM": lambda m, _: m.set_items(m.stack[-3], _take(m, 2)),
        "SETITEMS": lambda m, _: _set_above_mark(m),
        **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda m, place: m.remember(place)),
        "MEMOIZE": lambda m, _: m.remember(len(m.memory)),
        **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, place: m.recall(place)),
        "GLOBAL": lambda m, text: m.push(m.name(text.replace(" ", ".", 1))),
        "STACK_GLOBAL": lambda m, _: m.push(m.name(".".join(_text(part) for part in _take(m, 2)))),
        **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda m, _: m.call(*reversed(_take(m, 2)))),
        "INST": lambda m, text: m.call(m.above_mark(), m.name(text.replace(" ", ".", 1))),
        "OBJ": lambda m, _: m.call((), m.above_mark()[0]),
        "BINPERSID": lambda m, _: m.storage(m.stack.pop()),
        "BUILD": lambda m, _: m.build(m.stack.pop()),
    }
)
"""What each step does. Those that are not here (of protocols' extensions, old classes, buffers) end the reading."""


def _set_above_mark(machine: _Machine) -> None:
    items = machine.above_mark()
    machine.set_items(machine.stack[-1], items)
