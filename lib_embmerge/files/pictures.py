"""Read the embedding that a picture carries: as a text of its own, or in the low bits of its margins.

Both are AUTOMATIC1111's ways to share an embedding. Nothing is unpickled; every size is bounded before it is used.

Sources: A1111 1.10.1 modules/textual_inversion/image_embedding.py (what the text and the pixels hold),
textual_inversion.py load_from_file (the text comes first); https://www.w3.org/TR/png-3/#11tEXt.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FileError
from .stored import Content, Stored

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["read_picture"]

KEYWORD = b"sd-ti-embedding"
"""The text chunk's name."""

LARGEST_PICTURE = 64 * 1024 * 1024
LARGEST_TEXT = 24 * 1024 * 1024
"""Bytes of the embedding's JSON; 75 vectors of 768 numbers have about 1.3 million."""

MOST_PIXELS = 64_000_000
MOST_HIDDEN = 16_000_000
"""Half bytes in a margin."""

_NUMBERS = "TORCHTENSOR"
"""The key under which the JSON keeps a tensor's numbers."""


def read_picture(path: Path) -> Content:
    """Read what a picture says of the embedding in it.

    Raises: FileError where there is none in it, it is damaged, or its pixels are asked for and pillow is not there.
    """
    try:
        if path.stat().st_size > LARGEST_PICTURE:
            raise FileError(f"{path.name} is too large a picture to look for an embedding in it.")
        raw = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    text = _text_of(path, raw)
    data = _decode(path, text) if text is not None else _hidden(path)
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path.name} carries a damaged embedding.") from error
    if not isinstance(content, dict):
        raise FileError(f"{path.name} carries no embedding.")
    return Content(path, "picture", {name: _with_tensors(path, value) for name, value in content.items()})


def _with_tensors(path: Path, value: Any) -> Any:
    """Put tensors in the places of the numbers, in what a trained file has: at the top, and one level below."""
    if not isinstance(value, dict):
        return value
    if _NUMBERS in value:
        return _stored(path, value[_NUMBERS])
    return {key: _with_tensors(path, below) if _is_tensor(below) else below for key, below in value.items()}


def _is_tensor(value: Any) -> bool:
    return isinstance(value, dict) and _NUMBERS in value


def _stored(path: Path, numbers: Any) -> Stored:
    import torch

    try:
        tensor = torch.tensor(numbers, dtype=torch.float64)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise FileError(f"{path.name} carries a damaged embedding.") from error
    return Stored(tuple(tensor.shape), "float64", lambda: tensor)


# --- As a text -----------------------------------------------------------------------------------------------------


def _text_of(path: Path, raw: bytes) -> bytes | None:
    """Return the embedding's text of a PNG; None where it has none.

    Raises: FileError where the PNG is cut off: programs read it to its end before they take the text.
    """
    chunks = list(_chunks(raw))
    if raw.startswith(b"\x89PNG") and (not chunks or chunks[-1][0] != b"IEND"):
        _check_pixels(path)
    for kind, data in chunks:
        keyword, _, rest = data.partition(b"\0")
        if keyword == KEYWORD and kind == b"tEXt":
            return rest
        if keyword == KEYWORD and kind == b"zTXt":
            return _unpack(path, rest[1:])
        if keyword == KEYWORD and kind == b"iTXt":
            _language, _, rest = rest[2:].partition(b"\0")
            text = rest.partition(b"\0")[2]
            return _unpack(path, text) if data[len(KEYWORD) + 1 :][:1] == b"\1" else text
    return None


def _check_pixels(path: Path) -> None:
    """Refuse a picture that ends before its pixels do; what stands behind them may be missing."""
    try:
        _pixels(path)
    except FileError as error:
        raise FileError(f"{path.name} is cut off.") from error


def _unpack(path: Path, packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, LARGEST_TEXT)
    except zlib.error as error:
        raise FileError(f"{path.name} carries a damaged embedding.") from error


def _chunks(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while raw.startswith(b"\x89PNG") and at + 8 <= len(raw):
        length, kind = struct.unpack_from(">I4s", raw, at)
        if at + 12 + length > len(raw):
            return
        yield kind, raw[at + 8 : at + 8 + length] if kind in (b"tEXt", b"zTXt", b"iTXt") else b""
        if kind == b"IEND":
            return
        at += 12 + length


def _decode(path: Path, text: bytes) -> bytes:
    if len(text) > LARGEST_TEXT:
        raise FileError(f"{path.name} carries far more than an embedding.")
    try:
        return base64.b64decode(text)
    except binascii.Error as error:
        raise FileError(f"{path.name} carries a damaged embedding.") from error


# --- In the pixels -------------------------------------------------------------------------------------------------


def _hidden(path: Path) -> bytes:
    """Return the text that stands in the low four bits of the margins, low halves left, high halves right."""
    bits = _crop(_pixels(path)) & 0x0F
    gaps = (bits.sum(dim=(0, 2)) == 0).nonzero().flatten().tolist()
    if len(gaps) < 2:
        raise FileError(f"{path.name} is a picture without an embedding in it.")
    low, high = (_unmask(block) for block in (bits[:, : gaps[0]], bits[:, gaps[-1] + 1 :]))
    if low.shape != high.shape or not len(low):
        raise FileError(f"{path.name} is a picture without an embedding in it.")
    machine = zlib.decompressobj()
    try:
        data = machine.decompress(((high << 4) | low).numpy().tobytes(), LARGEST_TEXT)
    except zlib.error as error:
        raise FileError(f"{path.name} is a picture without an embedding in it.") from error
    if machine.unconsumed_tail:
        raise FileError(f"{path.name} carries far more than an embedding.")
    return data


def _pixels(path: Path) -> Tensor:
    """Read the pixels: (height, width, 3)."""
    import torch

    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise FileError(
            f"{path.name} is a picture, and pillow is not installed, which reads its pixels.",
            suggestion="pip install pillow",
        ) from error
    try:
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise FileError(f"{path.name} is too large a picture to look for an embedding in it.")
            size = (image.height, image.width, 3)
            return torch.frombuffer(bytearray(image.convert("RGB").tobytes()), dtype=torch.uint8).view(size)
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise FileError(f"{path.name} is a damaged picture.") from error


def _crop(pixels: Tensor) -> Tensor:
    """Cut off the rows and columns at the edges that have only pixels with a dark channel, as the reader there does."""
    bright = (pixels > 0).all(dim=2)
    rows, columns = bright.any(dim=1).nonzero().flatten(), bright.any(dim=0).nonzero().flatten()
    if not len(rows):
        return pixels[:0]
    return pixels[int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1]


def _unmask(block: Tensor) -> torch.Tensor:
    """Take off the noise that covers a margin's bits: low bits of a congruential generator, modulo 255."""
    import torch

    flat = block.flatten()
    if len(flat) > MOST_HIDDEN:
        return flat[:0]
    noise = bytearray(len(flat))
    state = 0
    for place in range(len(flat)):
        state = (1664525 * state + 1013904223) & 0xFFFFFFFF
        noise[place] = state % 255 & 0x0F
    return flat ^ torch.frombuffer(noise, dtype=torch.uint8) if len(flat) else flat
