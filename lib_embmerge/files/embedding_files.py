"""Embedding files: read in every layout that is met in the wild, written in one.

Written is safetensors only: `emb_params` for SD 1 and SD 2, `clip_l` and `clip_g` for SDXL, nothing else among the
tensors, everything else in the metadata. Pickles are read with torch's restricted unpickler and never written.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import secrets
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ..errors import FileError, FileExists, NotFinite
from ..families import ENCODER_WIDTHS
from ..limits import HALF_PRECISION_MAX, HIGHEST
from .names import EXTENSIONS, check_name
from .paths import exists, full_path, make_folder
from .safetensors_reader import check_regular, open_safetensors

__all__ = [
    "EXTENSIONS",
    "IMAGES",
    "EmbeddingFile",
    "check_lengths",
    "digest_of",
    "encode_embedding",
    "load_embedding",
    "read_embedding",
    "read_tensors",
    "tensors_to_write",
    "write_embedding",
]

IMAGES = (".png", ".webp", ".jxl", ".avif", ".jpg", ".jpeg")

SIZE_LIMIT = 64 * 1024 * 1024
"""Bytes. 8,000 vectors of both SDXL encoders have 65 MB, the usual 1,024 have 8; training files with optimizer state
about three times that."""

MOST_ROWS = HIGHEST["vectors"]
"""Of a file's tensor; a pickle may claim any number without having them."""

_NAME_OF_WIDTH = MappingProxyType({width: name for name, width in ENCODER_WIDTHS.items()})

_DAMAGED = (
    *(OSError, RuntimeError, EOFError, ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError),
    *(struct.error, zipfile.BadZipFile),
)
"""What torch's reader answers a damaged archive with."""

_WRITTEN = MappingProxyType({torch.float32: "F32", torch.float16: "F16"})

_NO_LINKS = frozenset(
    [errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK, errno.EINVAL]
)
"""How file systems without hard links (FAT, some network shares, Android) say so."""


@dataclass(frozen=True)
class EmbeddingFile:
    """An embedding as a file holds it.

    `vectors` is by encoder name, each (n, width), number format as stored. `layout` says how they were kept, `notes`
    what was left out or had to be made of it, in sentences.
    """

    path: Path
    vectors: Mapping[str, Tensor] = field(repr=False)
    layout: str
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The word that stands for it in a prompt."""
        return self.path.stem

    @cached_property
    def digest(self) -> str:
        """A hash of the vectors."""
        return digest_of(self.vectors)


# --- Reading -------------------------------------------------------------------------------------------------------


def read_embedding(path: Path) -> EmbeddingFile:
    """Read an embedding whose encoders have equally many vectors.

    Raises: FileError as `load_embedding` does, and where the encoders' lengths differ.
    """
    found = load_embedding(path)
    check_lengths(found.path.name, found.vectors)
    return found


def load_embedding(path: Path) -> EmbeddingFile:
    """Read an embedding as it is, unequal encoders included.

    Raises: FileError where the file cannot be read, could run code, or holds no embedding of a known width.
    """
    content, metadata = read_tensors(path)
    tensors, layout, notes = _pick_tensors(path.name, content)
    vectors = {}
    for encoder, tensor in tensors.items():
        rows, more = _as_rows(path.name, tensor)
        vectors[encoder] = rows
        notes += more
    named = _name_encoders(path.name, vectors)
    order = [encoder for encoder in ENCODER_WIDTHS if encoder in named]
    return EmbeddingFile(path, {e: named[e] for e in order}, layout, metadata, tuple(notes))


def check_lengths(name: str, vectors: Mapping[str, Tensor]) -> None:
    """Refuse encoders of unequal length.

    Raises: FileError that names the lengths and the repair.
    """
    if len({len(rows) for rows in vectors.values()}) > 1:
        lengths = " and ".join(f"{len(rows)} for {encoder}" for encoder, rows in vectors.items())
        raise FileError(
            f"{name} holds unequal numbers of vectors: {lengths}.",
            suggestion="convert can pad the shorter with zero vectors or cut the longer.",
        )


def read_tensors(path: Path) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Read a file's content, tensors by name and in pickles what stands beside them, and its metadata.

    Raises: FileError where the file cannot be read, is of another kind, or could run code.
    """
    suffix = path.suffix.lower()
    if suffix in IMAGES:
        raise FileError(
            f"{path.name} is an image. Embeddings inside images are not read; ask for the embedding's own file, or"
            " let AUTOMATIC1111's WebUI load the image and save it as .pt."
        )
    if suffix == ".safetensors":
        return _read_safetensors(path)
    if suffix in (".pt", ".bin"):
        return _read_pickle(path), {}
    if not exists(path):
        raise FileError(f"There is no file {path}.")
    raise FileError(f"{path.name} is not an embedding file: {', '.join(EXTENSIONS)} are.")


def _read_safetensors(path: Path) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    file = open_safetensors(path)
    if file.size > SIZE_LIMIT:
        raise _too_large(path, file.size)
    return {name: file.read(name) for name in file.tensors}, file.metadata


def _read_pickle(path: Path) -> Mapping[str, Any]:
    _check_pickle_size(path)
    try:
        with _parameter_dicts_allowed(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old pickle protocols and storages: of no use to people
            # Not torch.load: a WebUI may have put its own in that place, which refuses the files of today's torch.
            content = _without_modules(torch.serialization.load(path, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError as error:
        raise FileError(
            f"{path.name} holds more than tensors, so opening it could run code, or it is damaged. It is not read.",
            suggestion="Ask its author for a safetensors file.",
        ) from error
    except _DAMAGED as error:
        raise FileError(f"{path.name} is damaged or not a torch file.") from error
    except (MemoryError, RecursionError, OverflowError) as error:
        raise FileError(f"{path.name} claims impossible sizes; it is not read.") from error
    if isinstance(content, Tensor):
        content = {"": content}
    if not isinstance(content, Mapping):
        raise FileError(f"{path.name} holds a {type(content).__name__}, not an embedding.")
    _check_tensors(path.name, content)
    return {str(name): value for name, value in content.items()}


def _check_tensors(name: str, content: Mapping[Any, Any]) -> None:
    """Refuse tensors that cannot be looked at like others, or whose few stored numbers claim to be endlessly many."""
    trained = content.get("string_to_param")
    for value in (*content.values(), *(trained.values() if isinstance(trained, Mapping) else ())):
        if not isinstance(value, Tensor):
            continue
        if value.is_nested or value.layout != torch.strided or value.device.type != "cpu":
            raise FileError(f"{name} holds a sparse tensor, or one without its numbers; only plain ones are read.")
        if value.numel() * value.element_size() > SIZE_LIMIT:
            raise FileError(f"{name} claims a tensor of {value.numel():,} numbers, far more than an embedding has.")


def _check_pickle_size(path: Path) -> None:
    """Refuse what cannot be an embedding before it is unpacked: an archive may claim to grow a thousandfold."""
    try:
        check_regular(path)
        size = path.stat().st_size
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                size = max(size, sum(entry.file_size for entry in archive.infolist()))
    except FileNotFoundError as error:
        raise FileError(f"There is no file {path}.") from error
    except _DAMAGED as error:
        raise FileError(f"{path.name} is damaged or cannot be read.") from error
    if size == 0:
        raise FileError(f"{path.name} is empty.")
    if size > SIZE_LIMIT:
        raise _too_large(path, size)


def _too_large(path: Path, size: int) -> FileError:
    return FileError(f"{path.name} has {size:,} bytes, far more than an embedding; it seems to be a checkpoint.")


@contextmanager
def _parameter_dicts_allowed() -> Iterator[None]:
    """Let the restricted unpickler take `ParameterDict`, which the first trainers kept `string_to_param` in.

    The class holds tensors only. torch before 2.5 has no such list; it then refuses those files.
    """
    if hasattr(torch.serialization, "safe_globals"):
        with torch.serialization.safe_globals([torch.nn.ParameterDict]):
            yield
    else:
        yield


def _without_modules(content: Any) -> Any:
    """Make plain dicts of the ParameterDicts in a file.

    Their tensors are in `_parameters` whatever torch wrote them; the class's own methods fail on those of torch 1.11.
    Source: A1111 textual_inversion.py:288.
    """
    if not isinstance(content, Mapping):
        return content
    is_module = torch.nn.ParameterDict
    return {k: dict(v._parameters) if isinstance(v, is_module) else v for k, v in content.items()}


# --- Layouts -------------------------------------------------------------------------------------------------------


def _pick_tensors(name: str, content: Mapping[str, Any]) -> tuple[dict[str, Tensor], str, list[str]]:
    """Choose the tensors that are the embedding, as the hosts do; give also the layout's name and notes.

    Keys of the result are encoder names, or arbitrary where the width has to tell.
    """
    if "string_to_param" in content:
        return _pick_trained(name, content["string_to_param"])
    tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    named = {key: value for key, value in tensors.items() if key in ENCODER_WIDTHS}
    if named:
        notes = [f"{name}: the tensor {key} was left out." for key in tensors if key not in named]
        return named, ", ".join(named), notes
    if len(tensors) == 1:
        key = next(iter(tensors))
        return tensors, key if key == "emb_params" else f"one tensor named {key!r}", []
    if not tensors:
        raise FileError(f"{name} holds no tensors.")
    return _pick_by_width(name, tensors), "one tensor for each width", []


def _pick_trained(name: str, parameters: Any) -> tuple[dict[str, Tensor], str, list[str]]:
    values = list(parameters.values()) if isinstance(parameters, Mapping) else []
    if len(values) != 1 or not isinstance(values[0], Tensor):
        raise FileError(f"{name}: string_to_param should hold one tensor; it has {len(values)} entries.")
    return {"": values[0].detach()}, "string_to_param", []


def _pick_by_width(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take several tensors under unknown names where every one has another encoder's width, as SD.Next does."""
    widths = [tensor.shape[-1] if tensor.dim() else 0 for tensor in tensors.values()]
    if len(set(widths)) == len(widths) and all(width in _NAME_OF_WIDTH for width in widths):
        return dict(tensors)
    shown = ", ".join(sorted(tensors)[:3]) + (", …" if len(tensors) > 3 else "")
    raise FileError(f"{name} holds {len(tensors)} tensors ({shown}); it is not an embedding.")


def _as_rows(name: str, tensor: Tensor) -> tuple[Tensor, list[str]]:
    """Give a tensor as (n, width); a note where a single vector had only one dimension."""
    if not tensor.is_floating_point():
        raise FileError(f"{name} holds whole numbers, not vectors.")
    if tensor.dim() == 1:
        return tensor.detach()[None], [f"{name}: the vector had one dimension; it is read as one row."]
    if tensor.dim() != 2:
        raise FileError(f"{name} holds a tensor of shape {list(tensor.shape)}; an embedding has [vectors, width].")
    if len(tensor) == 0:
        raise FileError(f"{name} holds no vectors.")
    if len(tensor) > MOST_ROWS:
        raise FileError(f"{name} holds {len(tensor):,} vectors; an embedding has at most {MOST_ROWS:,}.")
    return tensor.detach(), []


def _name_encoders(name: str, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = {}
    for key, rows in vectors.items():
        encoder = _NAME_OF_WIDTH.get(rows.shape[1])
        if encoder is None:
            raise FileError(f"{name} holds vectors of {rows.shape[1]} numbers; {_known_widths()}.")
        if key in ENCODER_WIDTHS and encoder != key:
            raise FileError(f"{name}: {key} holds vectors of {rows.shape[1]} numbers, which are {encoder}'s.")
        named[encoder] = rows
    return named


def _known_widths() -> str:
    return "SD 1 has 768, SD 2 1024, SDXL 768 and 1280"


# --- Writing -------------------------------------------------------------------------------------------------------


def write_embedding(
    vectors: Mapping[str, Tensor],
    folder: Path,
    name: str,
    *,
    metadata: Mapping[str, str],
    dtype: torch.dtype = torch.float32,
    overwrite: bool = False,
) -> Path:
    """Save vectors as `folder/name.safetensors` and give the path; the folder is made where it is missing.

    The file appears whole or not at all. Of two processes that save one name at once, one wins and the other gets
    FileExists. `modelspec.hash_sha256` is added to the metadata.

    Shapes: each (n, width), the same n.
    Raises: NameProblem for a refused name; FileExists where the file is there and `overwrite` is not asked for;
    NotFinite for a NaN, an infinity, or a value that float16 cannot hold; FileError where the disk refuses.
    """
    check_name(name)
    data = encode_embedding(vectors, metadata=metadata, dtype=dtype)
    target = folder / f"{name}.safetensors"
    try:
        make_folder(folder)
        _write_atomically(data, target, overwrite=overwrite)
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
    """Give the bytes of the safetensors file; equal arguments give equal bytes.

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
    """Give the tensors by the keys that every loader knows: contiguous, in `dtype`.

    Raises: NotFinite for a NaN, an infinity, or a value that `dtype` cannot hold; ValueError for unequal lengths, no
    vectors or another `dtype`: programming errors.
    """
    if dtype not in _WRITTEN:
        raise ValueError(f"embeddings are written as float32 or float16, not {dtype}")
    lengths = {len(rows) for rows in vectors.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(f"lengths of the encoders' vectors: {sorted(lengths)}")
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


def _write_atomically(data: bytes, target: Path, *, overwrite: bool) -> None:
    """Write a temporary file beside the target, to the disk, then give it the target's name in one step.

    Raises: FileExistsError where the target is there and `overwrite` is not asked for; OSError.
    """
    if not overwrite and os.path.lexists(target):
        raise FileExistsError(target)  # before anything is written; the link below decides a race
    temporary = target.with_name(f".embmerge-{secrets.token_hex(8)}.tmp")
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


def _rename_without_replacing(temporary: Path, target: Path) -> None:
    """Give a file a name that must be free: a hard link fails where the name is taken, a rename would replace."""
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


def digest_of(vectors: Mapping[str, Tensor]) -> str:
    """Hash vectors by encoder: the SHA-256 of names, shapes and their float32 bytes."""
    digest = hashlib.sha256()
    for encoder in sorted(vectors):
        rows = vectors[encoder].detach().cpu().to(torch.float32).contiguous()
        digest.update(f"{encoder}{list(rows.shape)}".encode())
        digest.update(rows.numpy().tobytes())
    return digest.hexdigest()
