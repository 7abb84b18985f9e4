"""A GGUF file's header, walked before the `gguf` package reads it: what a count promises has to be in the file.

That package reads on for as long as a count says, past the file's end: one of 2⁴⁰ numbers is never read to its end.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

__all__ = ["check_gguf_header"]

STRING, ARRAY = 8, 9
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value, by its type; of numbers and truth values."""
MOST_NESTED = 4
"""Arrays inside each other; files have one."""


def check_gguf_header(path: Path) -> None:
    """Check that all of the header's values are in the file.

    Raises: ValueError where they are not, or it is no header; OSError where the file cannot be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[:4] != b"GGUF":
            raise ValueError("it does not begin as one")
        order = ">" if content[4:6] == b"\0\0" else "<"  # the version is a small number
        walk = _Walk(content, order, 8)
        try:
            walk.number("Q")  # tensors: their package reads them to the first that is not there
            for _ in range(walk.number("Q")):
                walk.string()
                walk.value(walk.number("I"))
        except struct.error:
            raise ValueError("its header is cut off") from None


@dataclass
class _Walk:
    content: mmap.mmap
    order: str
    place: int

    def number(self, kind: str) -> int:
        found: int = struct.unpack_from(self.order + kind, self.content, self.place)[0]
        self.place += 8 if kind == "Q" else 4
        return found

    def string(self) -> None:
        self.skip(self.number("Q"))

    def skip(self, count: int) -> None:
        self.place += count
        if self.place > len(self.content):
            raise ValueError("its header is cut off")

    def value(self, kind: int, depth: int = 0) -> None:
        if kind == STRING:
            self.string()
        elif kind == ARRAY and depth < MOST_NESTED:
            inner, count = self.number("I"), self.number("Q")
            if inner in SIZES:
                self.skip(count * SIZES[inner])
            else:
                for _ in range(count):
                    self.value(inner, depth + 1)
        else:
            self.skip(_size_of(kind))


def _size_of(kind: int) -> int:
    if kind not in SIZES:
        raise ValueError(f"its header has a value of an unknown kind, {kind}")
    return SIZES[kind]
