"""The text encoders' token tables of a checkpoint file or folder, read row by row.

Takes single files of SD 1, SD 2, SDXL, its refiner, SD 3 and Flux (with their text encoders inside), files of a text
encoder alone or of several, as ComfyUI and Forge users have them, and diffusers folders. A table is found by the end
of its key and named by its width, so a layout that nobody has thought of yet works as long as it keeps the modules'
names; the model family is told by the tables that are there and by the diffusion model's keys.

T5 and language models are read beside them or alone, where their tokenizer is there: beside the file, or named.

Only the header and the rows that are asked for are read, never the diffusion model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from ..errors import FileError
from ..families import (
    CLIP_VOCABULARY_SIZE,
    ENCODER_NAMES,
    ENCODER_WIDTHS,
    ENCODERS,
    FAMILIES,
    OTHER_ENCODER_WIDTHS,
    Family,
    family_of,
)
from .language_tables import (
    ENDINGS,
    GgufFile,
    find_language_table,
    find_tokenizer_beside,
    name_language_encoder,
    open_gguf,
)
from .paths import exists, full_path, is_file, is_folder, list_folder, read_small_text, walk_folders
from .safetensors_reader import DTYPES, SafetensorsFile, TensorEntry, open_safetensors

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Checkpoint", "TokenTable", "find_checkpoints", "hash_file", "open_checkpoint"]

TABLE_ENDING = "token_embedding.weight"


_PREFERRED = ("conditioner.", "cond_stage_model.", "text_encoders.", "clip_l.", "clip_g.", "clip_h.", "text_encoder")
"""Where two tables of one width are in a file, the one under the first of these beginnings is the model's own."""

_PICKLES = {".ckpt", ".pt", ".pth", ".bin"}

_FAMILY_OF_PIPELINE = {
    "StableDiffusion3": "sd3",
    "StableDiffusionXL": "sdxl",
    "StableDiffusion": "sd1",
    "Flux": "flux",
}

_NEWER = {
    frozenset(["clip_l"]): ("double_blocks.", "flux"),
    frozenset(["clip_l", "clip_g"]): ("joint_blocks.", "sd3"),
}
"""The newer family that has the same encoders as an older one, and a module of its diffusion model only."""

_FINGERPRINTED_ROWS = 8

AnyFile = Union[SafetensorsFile, GgufFile]

_SHOWN_NAMES = 5


@dataclass(frozen=True)
class TokenTable:
    """One encoder's token table within a file; `tokenizer` is the file of its tokenizer, where it is not CLIP's."""

    encoder: str
    file: AnyFile = field(repr=False)
    key: str
    tokenizer: Path | None = None

    @property
    def entry(self) -> TensorEntry:
        """The table's entry in the file's header."""
        return self.file.tensors[self.key]

    @property
    def size(self) -> int:
        """Rows of the table."""
        return self.entry.shape[0]

    @property
    def width(self) -> int:
        """Columns of the table."""
        return self.entry.shape[1]

    def rows(self, ids: Sequence[int]) -> Tensor:
        """Read rows: (len(ids), width), float32.

        Raises: FileError where the file has changed or its number format cannot be read.
        """
        import torch

        return self.file.read_rows(self.key, ids).to(torch.float32)


@dataclass(frozen=True)
class Checkpoint:
    """The token tables of one model, in the family's order of encoders.

    `identity` changes when the file does: it is a hash of its path, size, time of change, header and a few rows.
    """

    path: Path
    family: Family | None
    tables: tuple[TokenTable, ...]
    identity: str

    @property
    def title(self) -> str:
        """The file's or folder's name without its extension."""
        return self.path.name if is_folder(self.path) else self.path.stem

    def record(self, *, with_hash: bool = False) -> dict[str, str]:
        """Return what identifies the checkpoint in a saved file: name, size in bytes, the header's SHA-256.

        The SHA-256 of the whole file is there where the file's own metadata hold it, or, reading all of it, on request.
        """
        file = self.tables[0].file
        record = {"name": self.path.name, "size": str(file.size), "header_sha256": file.header_sha256}
        known = file.metadata.get("modelspec.hash_sha256", "").removeprefix("0x")
        if with_hash:
            record["sha256"] = hash_file(file.path)
        elif known:
            record["tensors_sha256"] = known
        return record


def open_checkpoint(path: Path, *, tokenizer: Path | None = None, has_tokenizers: bool = False) -> Checkpoint:
    """Find the token tables of a checkpoint file or diffusers folder.

    `tokenizer` is the file of the tokenizer of T5 or the language model in it; else it is looked for beside the file.
    `has_tokenizers` says that the caller has them: inside a program, whose own are used.
    Raises: FileError where it cannot be read, is a pickle, or holds no text encoder that can be read; the sentence says
    what it seems to be and what to give instead.
    """
    if is_folder(path):
        return _open_folder(path, tokenizer, has_tokenizers)
    _refuse_pickles(path)
    file: AnyFile = open_gguf(path) if path.suffix.lower() == ".gguf" else open_safetensors(path)
    tables = _find_tables([file]) if isinstance(file, SafetensorsFile) else []
    other = _find_other(file, path, tokenizer, is_wanted=has_tokenizers or not tables, has_tokenizer=has_tokenizers)
    family = _family(tables, file.tensors)
    if other is not None:
        tables.append(other)
    if not tables:
        raise FileError(_why_no_table(file))
    return _checkpoint(path, tables, family)


def find_checkpoints(folder: Path) -> list[Path]:
    """List what a folder holds that can be a checkpoint: safetensors files, in it or below, and diffusers folders.

    A diffusers folder is listed as itself, not by the files in it. No file is opened.
    """
    found: list[Path] = []
    for place, folders, files in walk_folders(folder):
        if "model_index.json" in files or "text_encoder" in folders:
            found.append(place)
            folders.clear()
        else:
            found += [place / name for name in files if name.lower().endswith((".safetensors", ".gguf"))]
    return found


def _checkpoint(path: Path, tables: Sequence[TokenTable], family: Family | None) -> Checkpoint:
    order = (*(family.encoders if family else ENCODER_WIDTHS), *OTHER_ENCODER_WIDTHS)
    kept = tuple(sorted((t for t in tables if t.encoder in order), key=lambda t: order.index(t.encoder)))
    return Checkpoint(path, family, kept, _identity(kept))


def _identity(tables: Iterable[TokenTable]) -> str:
    """Hash what tells files apart without reading them whole.

    Header and size are the same for every full finetune of one layout, so a few rows and the time of change join them.
    """
    digest = hashlib.sha256()
    for table in tables:
        facts = (str(full_path(table.file.path)), table.key, table.file.header_sha256, *table.file.stamp)
        digest.update(repr(facts).encode("utf-8", errors="surrogateescape"))
        ids = range(table.size // (2 * _FINGERPRINTED_ROWS), table.size, table.size // _FINGERPRINTED_ROWS)
        digest.update(table.rows(ids).numpy().tobytes())
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a whole file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


# --- Finding the tables --------------------------------------------------------------------------------------------


def _find_tables(files: Iterable[SafetensorsFile]) -> list[TokenTable]:
    found: dict[str, TokenTable] = {}
    for file in files:
        for key in sorted((k for k in file.tensors if k.endswith(TABLE_ENDING)), key=_preference):
            table = _table(file, key)
            if table is not None:
                found.setdefault(table.encoder, table)
    return list(found.values())


def _find_other(
    file: AnyFile, place: Path, tokenizer: Path | None, *, is_wanted: bool, has_tokenizer: bool = False
) -> TokenTable | None:
    """Return the table of T5 or a language model with its tokenizer; None where there is none, or it is not wanted.

    In a file with CLIP's encoders it is wanted only where its tokenizer was named: what lies beside need not be its.
    Raises: FileError where there is no tokenizer.
    """
    key = find_language_table(file.tensors)
    if key is None or not (is_wanted or tokenizer is not None):
        return None
    found = tokenizer or find_tokenizer_beside(place)
    entry = file.tensors[key]
    encoder = name_language_encoder(file.path, key, entry.shape, file.tensors, file.metadata)
    if found is None and not has_tokenizer:
        raise FileError(
            f"{place.name} holds {ENCODERS[encoder].title}, without its tokenizer.",
            suggestion="Put its tokenizer.json or spiece.model beside it, or name it with --tokenizer.",
        )
    if isinstance(file, SafetensorsFile) and entry.dtype not in DTYPES:
        raise FileError(f"{file.path.name}: the token table is kept as {entry.dtype}, which is not a float format.")
    return TokenTable(encoder, file, key, found)


def _preference(key: str) -> tuple[int, str]:
    rank = next((i for i, beginning in enumerate(_PREFERRED) if key.startswith(beginning)), len(_PREFERRED))
    return rank, key


def _table(file: SafetensorsFile, key: str) -> TokenTable | None:
    """Check the tensor under a table's key; None where another kind of model uses that key for something else."""
    entry = file.tensors[key]
    if len(entry.shape) != 2 or entry.shape[1] not in ENCODER_NAMES:
        return None
    if entry.shape[0] < CLIP_VOCABULARY_SIZE:
        raise FileError(
            f"{file.path.name}: the token table has {entry.shape[0]:,} rows;"
            f" CLIP's tokenizer needs {CLIP_VOCABULARY_SIZE:,}."
        )
    if entry.dtype not in DTYPES:
        raise FileError(
            f"{file.path.name}: the token table is kept as {entry.dtype}, which is not a float format."
            " Give a checkpoint whose text encoders are not quantized."
        )
    return TokenTable(ENCODER_NAMES[entry.shape[1]], file, key)


def _family(tables: Iterable[TokenTable], keys: Iterable[str]) -> Family | None:
    """Tell the family by the encoders; where two families have the same, by the newer one's own modules."""
    names = frozenset(table.encoder for table in tables)
    if names in _NEWER:
        module, key = _NEWER[names]
        if any(module in name or "t5xxl" in name for name in keys):
            return FAMILIES[key]
    return family_of(names)


def _why_no_table(file: AnyFile) -> str:
    """Return what a safetensors file without a token table seems to be, in words."""
    name, keys = file.path.name, file.tensors
    if any("lora_" in key or ".hada_" in key or ".lokr_" in key for key in keys):
        return f"{name} is a LoRA; it has no token table. Give the checkpoint it is used with."
    if set(keys) <= {"emb_params", "clip_l", "clip_g", "clip_h", "t5xxl"} and keys:
        return f"{name} is an embedding, not a checkpoint."
    if any(marker in key for key in keys for marker in ("diffusion_model.", "double_blocks.", "joint_blocks.")):
        return f"{name} holds a diffusion model without its text encoder. Give the text encoder's own file."
    if any(key.startswith(("down_blocks.", "transformer_blocks.")) for key in keys):
        return f"{name} holds a diffusion model without its text encoder. Give the diffusers folder it belongs to."
    if any("encoder.down" in key or key.startswith("first_stage_model.") for key in keys):
        return f"{name} is a VAE; it has no token table."
    if any("SelfAttention" in key or key.startswith("model.layers.") for key in keys):
        return f"{name} holds a part of a text encoder (T5 or a language model), without its token table."
    return f"{name} holds no token table of a text encoder."


def _refuse_pickles(path: Path) -> None:
    suffix = path.suffix.lower()
    if suffix in _PICKLES and exists(path):
        raise FileError(
            f"{path.name} is a pickle, which can run code when it is opened; it is not read."
            " Convert it to safetensors first: a WebUI's checkpoint merger does it, and ComfyUI's node Save Checkpoint."
        )


# --- Diffusers folders ---------------------------------------------------------------------------------------------


def _open_folder(folder: Path, tokenizer: Path | None, has_tokenizers: bool) -> Checkpoint:
    tables: list[TokenTable] = []
    problem: FileError | None = None
    for name in ("text_encoder", "text_encoder_2", "text_encoder_3", "text_encoder_4"):
        try:
            tables += _tables_of_encoder(folder / name, tokenizer, has_tokenizers) if is_folder(folder / name) else []
        except FileError as error:  # told where the others give no table, or it is not that a tokenizer is missing
            if error.suggestion is None:
                raise
            problem = error
    if not tables and (files := _weight_files(folder)):
        tables = _tables_of_files(folder, files, tokenizer, has_tokenizers)
    if not tables:
        raise problem or FileError(f"{folder} is not a diffusers folder: no text_encoder/model.safetensors is in it.")
    return _checkpoint(folder, tables, _family_of_folder(folder, [t for t in tables if t.encoder in ENCODER_WIDTHS]))


def _tables_of_encoder(folder: Path, tokenizer: Path | None, has_tokenizer: bool) -> list[TokenTable]:
    files = _weight_files(folder)
    if not files:
        if any(path.suffix == ".bin" for path in list_folder(folder)):
            raise FileError(f"{folder} holds only pickles (.bin), which are not read; convert them to safetensors.")
        raise FileError(f"{folder} holds no model.safetensors.")
    return _tables_of_files(folder, files, tokenizer, has_tokenizer)


def _tables_of_files(
    folder: Path, paths: Sequence[Path], tokenizer: Path | None, has_tokenizer: bool
) -> list[TokenTable]:
    files = [open_safetensors(path) for path in paths]
    tables = _find_tables(files)
    if tables:
        return tables
    others = [_find_other(one, folder, tokenizer, is_wanted=True, has_tokenizer=has_tokenizer) for one in files]
    return [table for table in others if table is not None][:1]


def _weight_files(folder: Path) -> list[Path]:
    """Return the file, or the shard, that holds an encoder's token table.

    Of several variants (model.safetensors, model.fp16.safetensors) the one without a variant's name, which is the
    most precise.

    Raises: FileError where several files have other names: which of them is meant cannot be known.
    """
    listed = list_folder(folder)
    indexes = [path for path in listed if fnmatch(path.name, "*.safetensors.index*.json")]
    for index in sorted(indexes, key=lambda path: len(path.name)):
        return [_inside(folder, name) for name in _shards_with_table(index)]
    whole = sorted(
        (path for path in listed if path.suffix == ".safetensors"), key=lambda path: (len(path.name), path.name)
    )
    variants = [path for path in whole if path.name.startswith("model.")]
    if len(whole) > 1 and not variants:
        names = sorted(path.name for path in whole)
        shown = ", ".join(names[:_SHOWN_NAMES]) + (", …" if len(names) > _SHOWN_NAMES else "")
        raise FileError(f"{folder} holds {len(names)} safetensors files; name the checkpoint among them: {shown}")
    return variants[:1] or whole


def _shards_with_table(index: Path) -> list[str]:
    places = _read_json(index).get("weight_map")
    if not isinstance(places, dict):
        raise FileError(f"{index} is not an index of shards: it has no weight_map.")
    return sorted({str(shard) for key, shard in places.items() if key.endswith((TABLE_ENDING, *ENDINGS))})


def _inside(folder: Path, name: str) -> Path:
    if Path(name).name != name:
        raise FileError(f"{folder}: the index names a shard outside the folder: {name}.")
    return folder / name


def _family_of_folder(folder: Path, tables: Sequence[TokenTable]) -> Family | None:
    index = folder / "model_index.json"
    pipeline = str(_read_json(index).get("_class_name", "")) if is_file(index) else ""
    by_encoders = _family(tables, ())
    for beginning, key in _FAMILY_OF_PIPELINE.items():
        family = FAMILIES[key]
        if pipeline.startswith(beginning) and set(family.encoders) == {table.encoder for table in tables}:
            return family
    return by_encoders


def _read_json(path: Path) -> Mapping[str, Any]:
    text = read_small_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} cannot be read as JSON.") from error
    if not isinstance(content, dict):
        raise FileError(f"{path} is not a JSON object.")
    return content
