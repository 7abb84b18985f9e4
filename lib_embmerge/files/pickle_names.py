"""What a torch file's pickle may ask for by name, each of which only makes a description of what it would have made.

Sources: torch/_utils.py (_rebuild_*) and torch/serialization.py for the names that stand in torch's files; numpy's for
those of its arrays.
"""

from __future__ import annotations

import re
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from .stored import ITEM_SIZES, Stored

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "MAKERS",
    "STORAGES",
    "NotRead",
    "NumpyArray",
    "NumpyFormat",
    "PickledModule",
    "PickledName",
    "PickledStorage",
    "UnknownObject",
    "as_key",
    "as_sizes",
    "as_text",
    "fill_array",
    "is_known_name",
    "tensor_of_array",
]

MOST_DIMENSIONS = 64
"""Of a tensor; torch has no more."""


@dataclass(frozen=True)
class PickledName:
    """Something that a pickle asks for by name."""

    text: str


@dataclass(frozen=True)
class PickledStorage:
    """Where the numbers of tensors are: `find` gives a reader of its first so many bytes."""

    dtype: str
    count: int
    find: Callable[[int], Callable[[], bytearray]]


@dataclass
class PickledModule:
    """A ParameterDict or ParameterList: what torch knows of it, by name."""

    state: dict[Any, Any] = field(default_factory=dict)


@dataclass
class NumpyFormat:
    """numpy's number format: a letter and its bytes, then the order of bytes."""

    code: str
    order: str = "="


@dataclass
class NumpyArray:
    """numpy's array, filled when its state comes. `reason` says why its numbers cannot be read, where they cannot."""

    shape: tuple[int, ...] = ()
    dtype: str = ""
    data: bytes = b""
    is_turned: bool = False
    reason: str = ""


@dataclass
class UnknownObject:
    """What a name would have made that is not in the table, or makes nothing that is read."""


class NotRead(ValueError):  # noqa: N818 - a phrase that says what is wrong
    """Something sound that is not read all the same; its text is the rest of a sentence that the file's name begins."""


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
        "u2": ("uint16", "<H"),
        "u4": ("uint32", "<I"),
        "u8": ("uint64", "<Q"),
        "b1": ("bool", "<?"),
    }
)
"""torch's name and struct's sign of numpy's number formats."""

STORAGES = MappingProxyType(
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
        "ComplexDouble": "complex128",
    }
)


def as_text(value: Any) -> str:
    """Return a text or a number as a text; of anything nested that can take years."""
    if isinstance(value, (str, int)):
        return str(value)
    raise ValueError("something nested where a text belongs")


def as_key(key: Any) -> Any:
    """Return a key of a dict: a text, a number or a tuple of such, never more nested, whose hash can take years."""
    parts = key if isinstance(key, tuple) and len(key) <= MOST_DIMENSIONS else (key,)
    if all(part is None or isinstance(part, (str, int, float, bytes)) for part in parts):
        return key
    raise NotRead("has a key of a dict that is neither a text nor a number; it is not read.")


def _ordered(*arguments: Any) -> OrderedDict[Any, Any]:
    result: OrderedDict[Any, Any] = OrderedDict()
    for key, value in arguments[0] if arguments else ():
        result[as_key(key)] = value
    return result


def _tensor(storage: Any, offset: int, shape: Any, stride: Any, *_rest: Any, dtype: str = "") -> Stored:
    if not isinstance(storage, PickledStorage):
        raise ValueError("a tensor without a storage")
    shape, stride = as_sizes(shape), as_sizes(stride)
    if not all(type(n) is int and 0 <= n < 2**63 for n in (offset, *shape, *stride)) or len(shape) != len(stride):
        raise ValueError("a tensor of impossible sizes")
    dtype = dtype or storage.dtype
    if dtype not in ITEM_SIZES:
        return _unread(shape, f"holds numbers of the format {dtype}")
    item = ITEM_SIZES[dtype]
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True)) + 1 if 0 not in shape else 0
    raw = storage.find(last * item)
    return Stored(shape, dtype, lambda: _read_tensor(raw(), dtype, shape, stride, offset))


def as_sizes(numbers: Any) -> tuple[Any, ...]:
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
    dtype = rest[2].text.removeprefix("torch.") if len(rest) > 2 and isinstance(rest[2], PickledName) else ""
    return _tensor(storage, offset, shape, stride, dtype=dtype)


def _parameter(data: Any, *_rest: Any) -> Any:
    return replace(data, is_parameter=True) if isinstance(data, Stored) else data


def _of_numpy(array: Any, dtype: Any, *_rest: Any) -> Stored:
    """Make a tensor of an array: so torch writes those of machines whose memory it cannot store, as of Macs."""
    if not isinstance(array, NumpyArray):
        raise ValueError("a tensor without an array")
    found = tensor_of_array(array)
    wished = dtype.text.removeprefix("torch.") if isinstance(dtype, PickledName) else found.dtype
    return Stored(found.shape, wished, lambda: _in_format(found.read(), wished))


def _in_format(tensor: Tensor, dtype: str) -> Tensor:
    import torch

    return tensor.to(getattr(torch, dtype))


def tensor_of_array(array: NumpyArray) -> Stored:
    """Return a numpy array as a tensor.

    Raises: ValueError where its numbers are of another size than it says; KeyError for an unknown number format.
    """
    if array.reason:
        return _unread(array.shape, array.reason)
    dtype, _ = _NUMPY_FORMATS[array.dtype]
    strides = []
    step = 1
    for length in array.shape if array.is_turned else reversed(array.shape):
        strides.append(step)
        step *= length
    if dtype not in ITEM_SIZES:
        return _unread(array.shape, f"holds numbers of the format {dtype}")
    if step * ITEM_SIZES[dtype] != len(array.data):
        raise ValueError("an array of another size than it says")
    data, shape, stride = array.data, array.shape, tuple(strides if array.is_turned else reversed(strides))
    return Stored(shape, dtype, lambda: _read_tensor(bytearray(data), dtype, shape, stride, 0))


def _items_of(items: Any = ()) -> list[Any]:
    return list(items) if isinstance(items, (list, tuple)) else []


def _scalar(dtype: Any, data: Any = b"") -> Any:
    if not isinstance(dtype, NumpyFormat) or not isinstance(data, bytes):
        return UnknownObject()  # a number of numpy's other kinds; none that a file says of itself
    if dtype.order not in "<|=" or (dtype.code[:1] != "U" and dtype.code not in _NUMPY_FORMATS):
        return UnknownObject()
    if dtype.code[:1] == "U":
        return data.decode("utf-32-le").rstrip("\0")
    return struct.unpack(_NUMPY_FORMATS[dtype.code][1], data)[0]


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any = "C", *_axes: Any) -> NumpyArray:
    """Make an array as pickles of version 5 have it."""
    array = NumpyArray()
    fill_array(array, (1, shape, dtype, order == "F", bytes(data) if isinstance(data, (bytes, bytearray)) else data))
    return array


def fill_array(array: NumpyArray, state: Any) -> None:
    """Set what a pickle says of an array: (version, shape, format, whether by columns, its numbers as bytes)."""
    _, shape, dtype, is_turned, data = state
    array.shape, array.is_turned = as_sizes(shape), bool(is_turned)
    if not isinstance(dtype, NumpyFormat) or not isinstance(data, bytes) or dtype.code not in _NUMPY_FORMATS:
        kind = f" ({dtype.code})" if isinstance(dtype, NumpyFormat) else ""
        array.reason = f"holds an array of numpy of another kind{kind}"
    elif dtype.order not in "<|=":
        array.reason = "holds an array of numpy with another order of bytes"
    else:
        array.dtype, array.data = dtype.code, data


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise NotRead("holds bytes in an unknown encoding; it is not read.")
    return text.encode("latin-1")


def _not_plain(*_arguments: Any) -> Stored:
    return _unread((), "holds a sparse or quantized tensor, or one without its numbers")


def _unread(shape: tuple[int, ...], reason: str) -> Stored:
    def read() -> NoReturn:
        raise ValueError("a tensor without plain numbers")

    return Stored(shape, "", read, reason=reason)


def _typed(_rebuild: Any, _type: Any, arguments: Any, *_state: Any) -> Any:
    """Make a tensor to which somebody has added attributes; those are left out."""
    if not isinstance(_rebuild, PickledName) or _rebuild.text not in MAKERS or _rebuild.text == _TYPED:
        raise ValueError("a tensor of an unknown kind")
    return MAKERS[_rebuild.text](*arguments)


_TYPED = "torch._tensor._rebuild_from_type_v2"
_PARAMETERS = tuple(f"torch.nn.modules.container.Parameter{kind}" for kind in ("Dict", "List"))

MAKERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
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
        **dict.fromkeys(_PARAMETERS, PickledModule),
        "copyreg._reconstructor": lambda *_: PickledModule(),
        "copy_reg._reconstructor": lambda *_: PickledModule(),
        "torch.Size": lambda sizes=(): as_sizes(sizes),
        "torch.device": lambda *_: None,
        "torch.serialization._get_layout": lambda *_: None,
        **dict.fromkeys(("builtins.set", "__builtin__.set", "builtins.frozenset", "__builtin__.frozenset"), _items_of),
        **{f"{module}.complex": lambda *_: UnknownObject() for module in ("builtins", "__builtin__")},
        "_codecs.encode": _encode,
        "numpy.dtype": lambda code="", *_: NumpyFormat(as_text(code)),
        **{
            f"{module}.multiarray.{name}": make
            for module in ("numpy.core", "numpy._core")
            for name, make in (("scalar", _scalar), ("_reconstruct", lambda *_: NumpyArray()))
        },
        **{f"{module}.numeric._frombuffer": _from_buffer for module in ("numpy.core", "numpy._core")},
    }
)
"""What each name makes that a torch file may ask for: descriptions only."""

_MENTIONED = frozenset(
    ["numpy.ndarray", "builtins.object", "__builtin__.object", "torch.Tensor", "torch.nn.parameter.Parameter"]
    + ["torch._tensor.Tensor", "torch.serialization._get_layout"]
    + [f"torch.{kind}Storage" for kind in STORAGES]
    + ["torch.storage.UntypedStorage", "torch.storage.TypedStorage", "torch.per_tensor_affine"]
    + [f"torch.{dtype}" for dtype in (*ITEM_SIZES, "qint8", "quint8", "qint32", "sparse_coo", "strided", "jagged")]
)
"""Names that stand beside those, as values."""

_NUMBER_FORMAT = re.compile(r"torch\.(q?u?int\d+\w*|b?float\d\w*|complex\d+|bits\w+|bool)")
"""torch's names of number formats, of which there are more with each of its versions."""


def is_known_name(text: str) -> bool:
    """Return whether a torch file may ask for a name, and opening it runs nothing for that."""
    return text in MAKERS or text in _MENTIONED or _NUMBER_FORMAT.fullmatch(text) is not None
