"""Write an embedding file: safetensors, the tensors that every loader knows, and atomically.

Written are `emb_params` for SD 1 and SD 2, `clip_l` and `clip_g` for SDXL, nothing else among the tensors unless a text
encoder beyond CLIP has vectors too; everything else stands in the metadata.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ..errors import FileError, FileExists, NotFinite
from ..families import ENCODER_WIDTHS
from ..limits import HALF_PRECISION_MAX
from .names import check_name
from .paths import full_path, list_folder, make_folder

__all__ = ["encode_embedding", "tensors_to_write", "write_atomically", "write_embedding"]

_WRITTEN = MappingProxyType({torch.float32: "F32", torch.float16: "F16"})

LEFT_OVER = 3600
"""Seconds after which a temporary file is nobody's any more: writing takes less than one."""

_TEMPORARY = ".embmerge-"

_NO_LINKS = frozenset(
    [errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK, errno.EINVAL]
)
"""How file systems without hard links (FAT, some network shares, Android) say so."""


def write_embedding(
    vectors: Mapping[str, Tensor],
    folder: Path,
    name: str,
    *,
    metadata: Mapping[str, str],
    dtype: torch.dtype = torch.float32,
    overwrite: bool = False,
) -> Path:
    """Save vectors as `folder/name.safetensors` and return the path; the folder is made where it is missing.

    The file appears whole or not at all. Of two processes that save one name at once, one wins and the other gets
    FileExists. `modelspec.hash_sha256` is added to the metadata.

    Shapes: each (n, width), the same n for all CLIP encoders.
    Raises: NameProblem for a refused name; FileExists where the file is there and `overwrite` is not asked for;
    NotFinite for a NaN, an infinity, or a value that float16 cannot hold; FileError where the disk refuses.
    """
    check_name(name)
    data = encode_embedding(vectors, metadata=metadata, dtype=dtype)
    target = folder / f"{name}.safetensors"
    try:
        make_folder(folder)
        write_atomically(data, target, overwrite=overwrite)
    except FileExistsError as error:
        raise FileExists(
            f"{target.name} exists already in {full_path(folder)}.", suggestion="Ask for overwrite to replace it."
        ) from error
    except OSError as error:
        raise FileError(f"{target} cannot be written: {error.strerror or error}.") from error
    return target


def encode_embedding(
    vectors: Mapping[str, Tensor], *, metadata: Mapping[str, str], dtype: torch.dtype = torch.float32
) -> bytes:
    """Return the bytes of the safetensors file; equal arguments give equal bytes.

    safetensors' own writer keeps the metadata in a hash map and so writes them in another order each time.

    Raises: NotFinite for a NaN, an infinity, or a value that `dtype` cannot hold.
    Source: https://github.com/huggingface/safetensors#format
    """
    header: dict[str, Any] = {}
    body = bytearray()
    for key, tensor in sorted(tensors_to_write(vectors, dtype=dtype).items()):
        raw = tensor.numpy().tobytes()
        header[key] = {
            "dtype": _WRITTEN[dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(body), len(body) + len(raw)],
        }
        body += raw
    texts = {**metadata, "modelspec.hash_sha256": "0x" + hashlib.sha256(body).hexdigest()}
    content = json.dumps({"__metadata__": dict(sorted(texts.items())), **header}, ensure_ascii=False)
    encoded = content.encode("utf-8", errors="replace")  # of a text with half of a surrogate pair, which has no UTF-8
    encoded += b" " * (-len(encoded) % 8)  # the format wants the tensors aligned to 8 bytes
    return len(encoded).to_bytes(8, "little") + encoded + bytes(body)


def tensors_to_write(vectors: Mapping[str, Tensor], *, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Return the tensors by the keys that every loader knows: contiguous, in `dtype`.

    Raises: NotFinite for a NaN, an infinity, or a value that `dtype` cannot hold; ValueError for unequal lengths, no
    vectors or another `dtype`: programming errors.
    """
    if dtype not in _WRITTEN:
        raise ValueError(f"embeddings are written as float32 or float16, not {dtype}")
    lengths = {len(rows) for encoder, rows in vectors.items() if encoder in ENCODER_WIDTHS}
    if len(lengths) > 1 or not vectors or not all(len(rows) for rows in vectors.values()):
        raise ValueError(f"lengths of the encoders' vectors: {sorted(len(rows) for rows in vectors.values())}")
    written = {encoder: _in_precision(encoder, rows, dtype) for encoder, rows in vectors.items()}
    if set(written) in ({"clip_l"}, {"clip_h"}):
        return {"emb_params": next(iter(written.values()))}
    return written


def _in_precision(encoder: str, rows: Tensor, dtype: torch.dtype) -> Tensor:
    rows = rows.detach().cpu().to(torch.float64)  # which holds all others; torch cannot ask float8 for infinity
    if not bool(torch.isfinite(rows).all()):
        raise NotFinite(f"The vectors of {encoder} hold infinity or NaN; they are not saved.")
    result = rows.to(dtype).contiguous()
    if not bool(torch.isfinite(result).all()):
        largest = float(rows.abs().max())
        limit = f"{HALF_PRECISION_MAX:,.0f}" if dtype == torch.float16 else "3.4e38"
        raise NotFinite(
            f"The vectors of {encoder} reach {largest:,.6g}; {str(dtype).removeprefix('torch.')} ends at {limit}."
        )
    return result


def write_atomically(data: bytes, target: Path, *, overwrite: bool) -> None:
    """Write a temporary file beside the target, to the disk, then give it the target's name in one step.

    Raises: FileExistsError where the target is there and `overwrite` is not asked for; OSError.
    """
    if not overwrite and os.path.lexists(target):
        raise FileExistsError(target)  # before anything is written; the link below decides a race
    target = full_path(target)  # of a link, what it leads to is replaced, not the link
    _clear_leftovers(target.parent)
    temporary = target.with_name(f"{_TEMPORARY}{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            temporary.replace(target)
        else:
            _rename_without_replacing(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


@lru_cache(maxsize=1_000)
def _clear_leftovers(folder: Path) -> None:
    """Delete the temporary files of runs that were killed: once in a process for each folder, as listing takes time."""
    now = time.time()
    with suppress(FileError):  # a folder that may be written in but not listed
        for path in list_folder(folder):
            if path.name.startswith(_TEMPORARY) and path.suffix == ".tmp":
                with suppress(OSError):  # another process was quicker, or it belongs to somebody else
                    if now - path.lstat().st_mtime > LEFT_OVER:
                        path.unlink()


def _rename_without_replacing(temporary: Path, target: Path) -> None:
    """Name a file; the name must be free: a hard link fails where the name is taken, a rename would replace."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _reserve_then_replace(temporary, target)


def _reserve_then_replace(temporary: Path, target: Path) -> None:
    """Take the name with an empty file, which only one process can, then replace that. Hosts skip empty files."""
    target.open("xb").close()
    try:
        temporary.replace(target)
    except OSError:
        target.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # network shares refuse it; the file is complete all the same
    finally:
        os.close(descriptor)
