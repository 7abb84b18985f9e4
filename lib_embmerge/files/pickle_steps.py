"""The steps of a pickle, followed with a table of them: nothing is called, imported or hashed.

Source: https://docs.python.org/3/library/pickletools.html
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NoReturn

from ..errors import FileError, printable, shorten
from .pickle_names import (
    MAKERS,
    STORAGES,
    NotRead,
    NumpyArray,
    NumpyFormat,
    PickledModule,
    PickledName,
    PickledStorage,
    UnknownObject,
    as_key,
    as_text,
    fill_array,
    is_known_name,
)
from .stored import ITEM_SIZES

__all__ = ["DAMAGED", "LARGEST_PICKLE", "PickleMachine", "check_parts", "refuse_names"]

MOST_STEPS = 500_000
"""Of a pickle. An embedding takes some fifty, a checkpoint with its optimizer's state about a hundred thousand."""

CHARACTERS_A_STEP = 64
"""Characters, or bytes, that are copied in the time of a step."""

LARGEST_PICKLE = 64 * 1024 * 1024
"""Bytes of the pickle itself, without the tensors; those that hold numpy's arrays hold their numbers too."""

DAMAGED = (OSError, RuntimeError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError)
"""How a pickle says that it is not as it should be."""


def refuse_names(path: Path, unknown: list[str]) -> NoReturn:
    """Refuse a file for what it asks for.

    Raises: FileError that names the first of it.
    """
    shown = printable(", ".join(dict.fromkeys(unknown[:3])))
    raise FileError(
        f"{path.name} holds more than tensors, so opening it could run code: it asks for {shorten(shown, 60)}."
        " It is not read.",
        suggestion="Ask its author for a safetensors file.",
    )


def check_parts(path: Path, value: Any) -> None:
    """Refuse what is small only because the same list or dict stands in it again and again."""
    top = value.state.get("_parameters") if isinstance(value, PickledModule) else value
    below = top.values() if isinstance(top, dict) else top if isinstance(top, (list, tuple)) else ()
    inner = (one.state.get("_parameters") if isinstance(one, PickledModule) else one for one in below)
    if sum(len(one) for one in inner if isinstance(one, (dict, list, tuple))) > MOST_STEPS:
        raise _too_many_parts(path)


def _too_many_parts(path: Path) -> FileError:
    return FileError(f"{path.name} has far more parts than an embedding; it is not read.")


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


class PickleMachine:
    """The stack and the memory that a pickle's steps work on.

    `find` gives a storage by its key, its count of numbers and the bytes that are needed of it.
    """

    def __init__(self, path: Path, find: Callable[[str, int, int], Callable[[], bytearray]]) -> None:
        """Take the file, and where its storages are found; nothing is read yet."""
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
        except DAMAGED:
            if self.unknown:
                refuse_names(self.path, self.unknown)
            raise

    def _follow(self, stream: _Bounded) -> Any:
        for opcode, argument, _ in pickletools.genops(stream):  # type: ignore[arg-type]  # it reads and nothing else
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise _too_many_parts(self.path)
            if opcode.name == "STOP":
                break
            if opcode.name not in _STEPS:
                raise NotRead(f"takes a step of pickles that no embedding needs ({opcode.name}); it is not read.")
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

    def name(self, text: str) -> PickledName:
        """Return a name; what is not in the tables is remembered as unknown."""
        self.named.add(text)
        if not is_known_name(text):
            self.unknown.append(text)
        return PickledName(text)

    def call(self, arguments: Any, named: Any) -> None:
        """Push what a name makes of its arguments."""
        make = MAKERS.get(named.text) if isinstance(named, PickledName) else None
        self.spend(*arguments)
        self.push(make(*arguments) if make is not None else UnknownObject())

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
        word = kind.text.rpartition(".")[2].removesuffix("Storage") if isinstance(kind, PickledName) else ""
        dtype, key = STORAGES[word], as_text(key)
        self.item_sizes[key] = ITEM_SIZES[dtype]
        if view and view[0] is not None and view[0][1] != 0:
            raise NotRead("holds a storage of numbers that is a part of another; it is not read.")
        self.push(PickledStorage(dtype, count, lambda needed: self.find(key, count, needed)))

    def build(self, state: Any) -> None:
        """Set the state of the object on top of the stack."""
        top = self.stack[-1]
        self.spend(state)
        if isinstance(top, PickledModule) and isinstance(state, dict):
            top.state.update(state)
        elif isinstance(top, NumpyFormat):
            top.order = state[1]
        elif isinstance(top, NumpyArray):
            fill_array(top, state)

    def set_items(self, target: Any, items: list[Any]) -> None:
        """Put keys and values, one after the other, into a dict."""
        for key, value in zip(items[::2], items[1::2], strict=True):
            if isinstance(target, dict):
                target[as_key(key)] = value

    def recall(self, place: Any) -> None:
        """Push what was remembered."""
        self.push(self.memory[int(place)])

    def remember(self, place: Any) -> None:
        """Keep the top of the stack."""
        self.memory[int(place)] = self.stack[-1]


def _take(machine: PickleMachine, count: int) -> list[Any]:
    taken = machine.stack[-count:]
    if len(taken) != count:
        raise ValueError("a step without its values")
    del machine.stack[-count:]
    return taken


def _extend(machine: PickleMachine, items: list[Any]) -> None:
    if isinstance(machine.stack[-1], list):
        machine.stack[-1].extend(items)


def _dict_of(machine: PickleMachine, items: list[Any]) -> None:
    machine.push({})
    machine.set_items(machine.stack[-1], items)


_Step = Callable[[PickleMachine, Any], Any]


def _push_argument(machine: PickleMachine, argument: Any) -> None:
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
        "STACK_GLOBAL": lambda m, _: m.push(m.name(".".join(as_text(part) for part in _take(m, 2)))),
        **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda m, _: m.call(*reversed(_take(m, 2)))),
        "INST": lambda m, text: m.call(m.above_mark(), m.name(text.replace(" ", ".", 1))),
        "OBJ": lambda m, _: m.call((), m.above_mark()[0]),
        "BINPERSID": lambda m, _: m.storage(m.stack.pop()),
        "BUILD": lambda m, _: m.build(m.stack.pop()),
    }
)
"""What each step does. Those that are not here (of protocols' extensions, old classes, buffers) end the reading."""


def _set_above_mark(machine: PickleMachine) -> None:
    items = machine.above_mark()
    machine.set_items(machine.stack[-1], items)
