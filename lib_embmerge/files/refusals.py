"""What is said of a file that holds no embedding: what stands in it instead, and whether there is any tensor at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from ..errors import FileError, shorten
from .pickle_names import NumpyArray, PickledModule, tensor_of_array
from .stored import Stored

__all__ = ["describe_value", "holds_tensors", "refuse_contents", "tell_apart"]

MOST_LOOKED_AT = 1_000
"""Items of a list whose kinds are told apart."""

MOST_NESTED = 4
"""How many lists in lists are told apart."""

_SHOWN = 3


def refuse_contents(name: str, value: Any) -> FileError:
    """Return the refusal of a file by what it holds where an embedding has its tensors."""
    parts = _say_parts(value)
    if holds_tensors(value):
        return FileError(f"{name} has its tensors where no embedding has them; {parts}.")
    return FileError(f"{name} holds no tensors; {parts}.")


def _say_parts(value: Any) -> str:
    """Return what the parts of a dict are, or what else stands in its place."""
    if not isinstance(value, Mapping) or not value:
        return f"it is {describe_value(value)}"
    shown = [f"{shorten(key, 30)} is {describe_value(part)}" for key, part in islice(tell_apart(value).items(), _SHOWN)]
    return ", ".join(shown) + (f", and {len(value) - _SHOWN:,} more" if len(value) > _SHOWN else "")


def tell_apart(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a dict by texts; of two keys that read alike, as 1 and "1", the one that is no text says so."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        text = key if isinstance(key, str) else _key_as_text(key)
        found[text if isinstance(key, str) or text not in values else f"{text} (no text)"] = value
    return found


def _key_as_text(key: Any) -> str:
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def holds_tensors(value: Any) -> bool:
    """Return whether there is a tensor anywhere in a value. Each part is looked at once: it may hold itself."""
    left = [value]
    seen: set[int] = set()
    while left:
        one = left.pop()
        if isinstance(one, (Stored, NumpyArray)):
            return True
        if id(one) not in seen:
            seen.add(id(one))
            left += _inside(one)
    return False


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, PickledModule):
        return value.state.values()
    return value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()


def describe_value(value: Any) -> str:
    """Return what a value is, in words: "a list of tensors", "a number"."""
    if isinstance(value, (list, tuple, Mapping)) and not value:
        return f"an empty {_kind(value)}"
    if isinstance(value, (list, tuple)):
        return f"a {_kind(value)} of {_say_items(value, MOST_NESTED)}"
    if isinstance(value, Mapping) and holds_tensors(value):
        return "a dict with tensors in it"
    kind = _kind(value)
    return kind if kind in _UNCOUNTED else f"a {kind}"


def _say_items(items: Sequence[Any], depth: int) -> str:
    """Return of what kinds a list's items are, and what stands in those that are lists."""
    kinds = dict.fromkeys(map(_kind, items[:MOST_LOOKED_AT]))
    if list(kinds) == ["tensor"]:
        return _say_tensors([_as_tensor(item) for item in items[:MOST_LOOKED_AT]])
    shown = " and ".join(kind if kind in _UNCOUNTED else f"{kind}s" for kind in islice(kinds, _SHOWN))
    inner = list(islice(_items_of_all(items[:MOST_LOOKED_AT]), MOST_LOOKED_AT))
    is_nested = depth and len(kinds) == 1 and isinstance(items[0], (list, tuple)) and inner
    return f"{shown} of {_say_items(inner, depth - 1)}" if is_nested else shown


def _items_of_all(lists: Sequence[Sequence[Any]]) -> Iterator[Any]:
    return (item for one in lists if isinstance(one, (list, tuple)) for item in one)


def _as_tensor(value: Stored | NumpyArray) -> Stored:
    return value if isinstance(value, Stored) else tensor_of_array(value)


def _say_tensors(tensors: Sequence[Stored]) -> str:
    shapes = list(dict.fromkeys(str(list(tensor.shape)) for tensor in tensors))
    kinds = "" if all(tensor.is_floating for tensor in tensors) else ", not all of fractions"
    return f"tensors of shape {' and '.join(shapes[:_SHOWN])}{kinds}"


_UNCOUNTED = ("nothing", "yes or no", "bytes", "something else")


def _kind(value: Any) -> str:
    if isinstance(value, (Stored, NumpyArray)):
        return "tensor"
    if isinstance(value, bool) or value is None:
        return "nothing" if value is None else "yes or no"
    for types, kind in _KINDS:
        if isinstance(value, types):
            return kind
    return "something else"


_KINDS: tuple[tuple[Any, str], ...] = (
    ((Mapping, PickledModule), "dict"),
    (list, "list"),
    (tuple, "tuple"),
    (str, "text"),
    ((bytes, bytearray), "bytes"),
    ((int, float), "number"),
)
