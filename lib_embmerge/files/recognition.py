"""What a file is, whatever its ending says: by its first bytes, and by the names of its tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ..errors import FileError
from .paths import unreadable
from .safetensors_reader import check_regular

__all__ = ["recognise", "recognise_keys"]

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "pickle"),
    (b"\x89PNG\r\n\x1a\n", "picture"),
    (b"\xff\xd8\xff", "a JPEG picture, which holds no embedding"),
    (b"GGUF", "a GGUF file, which holds no embedding"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; fetch it with git lfs pull"),
)

_OTHERS: tuple[tuple[str, str], ...] = (
    (r"^(unet|text_encoder):\d+:(up|down)$|(^|\.)lora_|\.lora_(up|down|A|B)\b|\.(hada|lokr)_w|\.oft_", "a LoRA"),
    (r"^control_model\.|^controlnet_|\.zero_convs\.", "a ControlNet"),
    (r"^(model\.diffusion_model|cond_stage_model|conditioner\.embedders)\.|^state_dict$", "a checkpoint"),
    (r"^(double_blocks|single_blocks|joint_blocks|down_blocks|input_blocks|transformer_blocks)\.", "an image model"),
    (r"^(first_stage_model\.)?(encoder|decoder)\.(down|up|mid|conv_in|mid_block|up_blocks|down_blocks)\b", "a VAE"),
    (r"(text_model\.|^)(encoder|transformer)\.(layers|resblocks|block)\.\d|^model\.layers\.\d", "a text encoder"),
    (r"^(layer_structure|activation_func)$", "a hypernetwork"),
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
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<"):
        raise FileError(f"{path.name} is a web page, not a file of tensors; the site wants you to log in, perhaps.")
    if text.startswith((b"{", b"[")):
        raise FileError(f"{path.name} is a text (JSON), not a file of tensors.{_quote(start, size)}")
    if start[:1] == b"\x80" or start[:1] in b"(]}c":
        return "pickle"
    if _is_text(start):
        raise FileError(f"{path.name} is a text, not a file of tensors.{_quote(start, size)}")
    if path.suffix.lower() == ".bin" and size % 4 == 0:
        raise FileError(f"{path.name} holds bare bytes, as TensorFlow.js keeps its weights, not an embedding.")
    raise FileError(f"{path.name} is damaged, or none of the files that embeddings come in.")


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
