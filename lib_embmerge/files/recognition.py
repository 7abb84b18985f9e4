"""What a file is, whatever its ending says: by its first bytes, and by the names of its tensors."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from pathlib import Path

from ..errors import FileError
from .paths import check_regular, unreadable

__all__ = ["recognise", "recognise_keys"]

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "pickle"),
    (b"\x89PNG\r\n\x1a\n", "picture"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"sys_info\0", "a file of torch before 0.1.10; load it with torch and save it anew"),
    (b"\xff\xd8\xff", "a JPEG picture, which holds no embedding"),
    (b"GIF8", "a GIF picture, which holds no embedding"),
    (b"\xff\x0a", "a JPEG XL picture; save it as PNG, without changing it"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture; save it as PNG, without changing it"),
    (b"GGUF", "a GGUF file, which holds no embedding"),
    (b"\x93NUMPY", "an array of numpy, not an embedding"),
    (b"\x89HDF", "an HDF5 file, as Keras keeps its weights, not an embedding"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"BZh", "a bzip2 archive; unpack it first"),
    (b"\xfd7zXZ\0", "an xz archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"%PDF", "a PDF"),
    (b"MZ", "a program for Windows"),
    (b"\x7fELF", "a program for Linux"),
)
_PARTS: tuple[tuple[int, bytes, str], ...] = (
    (257, b"ustar", "a tar archive; unpack it first"),
    (4, b"ftypavif", "an AVIF picture; save it as PNG, without changing it"),
    (4, b"ftyp", "a video"),
)
"""What stands at some place behind a file's beginning."""

_TEXTS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", _POINTER := "a Git LFS pointer, not the file itself; fetch it with git lfs pull"),
    (b"version https://hawser", _POINTER),
    (b"/annex/objects/", "a git-annex pointer, not the file itself; fetch it with git annex get"),
)
"""How texts begin that stand in a file's place."""

_OTHERS: tuple[tuple[str, str], ...] = (
    (r"^(unet|text_encoder):\d+:(up|down)$|(^|\.)lora_([^.]*\.|[abAB]$)", "a LoRA"),
    (r"[._]lora[._](up|down|A|B|embedding)\b", "a LoRA"),
    (r"\.((hada|lokr)_w\d|oft_|on_input$|diff(_b)?$|dora_scale$)", "a LoRA"),
    (r"^control_model\.|^controlnet_|\.zero_convs\.", "a ControlNet"),
    (r"^(model\.diffusion_model|cond_stage_model|conditioner\.embedders)\.|^state_dict$", "a checkpoint"),
    (r"^(double_blocks|single_blocks|joint_blocks|down_blocks|input_blocks|transformer_blocks)\.", "an image model"),
    (r"^(first_stage_model\.)?(encoder|decoder)\.(down|up|mid|conv_in|mid_block|up_blocks|down_blocks)\b", "a VAE"),
    (r"(text_model\.|^)(encoder|transformer)\.(layers|resblocks|block)\.\d|^model\.layers\.\d", "a text encoder"),
    (r"^(layer_structure|activation_func|320|640)$", "a hypernetwork"),
    (r"^optimizer_state_dict$", "a trainer's optimizer state"),
)
"""Names by which other kinds of files are told."""


def recognise(path: Path) -> str:
    """Return the form in which a file keeps tensors: "safetensors", "pickle" or "picture".

    Raises: FileError where it is missing or empty, or says by its first bytes that it is something else.
    """
    try:
        check_regular(path)
        with path.open("rb") as file:
            start = file.read(512)
            size = file.seek(0, 2)
    except FileNotFoundError as error:
        raise FileError(f"There is no file {path}.") from error
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if size == 0:
        raise FileError(f"{path.name} is empty.")
    # The brace comes first: a header of 640 bytes begins like a pickle.
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 2**40:
        return "safetensors"
    return _by_beginning(path, start, size)


def _by_beginning(path: Path, start: bytes, size: int) -> str:
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "picture"
    for beginning, kind in _BEGINNINGS:
        if start.startswith(beginning):
            if kind in ("pickle", "picture"):
                return kind
            raise FileError(f"{path.name} is {kind}.")
    for place, part, kind in _PARTS:
        if start.startswith(part, place):
            raise FileError(f"{path.name} is {kind}.")
    _refuse_texts(path, _in_utf8(start), size)
    if start[:1] == b"\x80" or start[:1] in b"(]}c":
        return "pickle"
    if _is_text(start):
        raise FileError(f"{path.name} is a text, not a file of tensors.{_quote(start, size)}")
    if path.suffix.lower() == ".bin" and size % 4 == 0 and _may_be_numbers(start):
        raise FileError(f"{path.name} holds bare bytes, as TensorFlow.js keeps its weights, not an embedding.")
    raise FileError(f"{path.name} is damaged, or none of the files that embeddings come in.")


def _refuse_texts(path: Path, start: bytes, size: int) -> None:
    """Refuse pages, pointers and messages: what a site or a program gives in a file's place."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for beginning, kind in _TEXTS:
        if text.startswith(beginning):
            raise FileError(f"{path.name} is {kind}.")
    if text.startswith(b"<"):
        raise FileError(f"{path.name} is a web page, not a file of tensors; the site wants you to log in, perhaps.")
    if text.startswith((b"{", b"[")):
        raise FileError(f"{path.name} is a text (JSON), not a file of tensors.{_quote(start, size)}")


def _in_utf8(start: bytes) -> bytes:
    """Return a text of UTF-16, which begins with a mark of its order, in UTF-8; anything else as it is."""
    if start[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return start
    return start[: len(start) // 2 * 2].decode("utf-16", errors="replace").encode("utf-8", errors="replace")


def _may_be_numbers(start: bytes) -> bool:
    """Return whether bytes may be float32 numbers as weights have: none of them huge, tiny or none at all."""
    numbers = struct.unpack(f"<{len(start) // 4}f", start[: len(start) // 4 * 4])
    return all(number == 0 or 1e-9 < abs(number) < 1e4 for number in numbers) and any(numbers)


def _is_text(start: bytes) -> bool:
    if any(byte < 32 and byte not in b"\t\r\n" for byte in start):
        return False
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(start) - 3  # a letter of several bytes that the end cuts
    return True


def _quote(start: bytes, size: int) -> str:
    text = " ".join(start[:120].decode("utf-8", errors="replace").split()).replace("\ufffd", "?")
    shown = "".join(character for character in text if character.isprintable())
    return f" It says: {shown}{' …' if size > 120 else ''}"


def recognise_keys(names: Iterable[str]) -> str | None:
    """Return what a file is that holds tensors or anything else under these names; None where they do not tell."""
    seen = list(names)[:20_000]
    for pattern, kind in _OTHERS:
        if any(re.search(pattern, name) for name in seen):
            return kind
    return None
