"""A text model without a WebUI: a checkpoint file, or the built-in demonstration encoder.

What it gives is what `host_protocol` asks for: tokenizers, tables by `files`, a folder of
embeddings searched as A1111 does, and other checkpoints for `@name`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from torch import Tensor

from ..errors import FileError, closest_names
from ..families import DEMONSTRATION, FAMILIES, Family
from ..files.checkpoint_files import Checkpoint, find_checkpoints, open_checkpoint
from ..files.installed_embeddings import EmbeddingFolder, as_installed
from ..files.names import is_path
from ..files.norm_cache import NormCache
from ..files.paths import exists, full_path, is_folder, read_path
from ..files.reading import EmbeddingFile
from ..host_protocol import InstalledEmbedding, TextPieces
from ..prompt_rules import WEBUI
from ..vectors.vocabulary import Vocabulary
from ..version import __version__
from .demonstration import demonstration_tables
from .language_tokenizers import open_tokenizer
from .tokenizers import END, START, spell, tokenizer

__all__ = ["CheckpointModel", "FileEncoder", "Table", "TokenizedEncoder", "open_model"]

_PADDING = {"clip_l": END, "clip_h": 0, "clip_g": 0}
"""Ids of the padding token. Source: A1111 modules/sd_hijack_clip.py:220 (end), sd_hijack_open_clip.py:14,46 (0)."""


def open_model(
    checkpoint: Path | None,
    *,
    embeddings: Path | EmbeddingFolder | None = None,
    checkpoints: Path | None = None,
    tokenizer: Path | None = None,
    opens_paths: bool = True,
) -> CheckpointModel:
    """Open a checkpoint file or diffusers folder as a text model; the demonstration encoder where it is None.

    `embeddings` is the folder whose embeddings can be named in expressions, `checkpoints` the one that `@name` is
    looked up in, beside the checkpoint's own folder. An `EmbeddingFolder` need not be there yet. `opens_paths` says
    that `@` takes any path, not only of files in these folders: not where expressions come from other people.

    `tokenizer` is the file of the tokenizer of T5 or a language model; else it is looked for beside the checkpoint.

    Raises: FileError where the checkpoint holds no text encoder that can be read, or a folder is missing.
    """
    for folder in (embeddings, checkpoints):
        if isinstance(folder, Path) and not is_folder(folder):
            raise FileError(f"There is no folder {folder}.")
    installed = embeddings if isinstance(embeddings, EmbeddingFolder) else EmbeddingFolder(embeddings)
    folders = [folder for folder in (checkpoint.parent if checkpoint else None, checkpoints) if folder is not None]
    places = _Places(installed, tuple(folders), opens_paths, tokenizer)
    if checkpoint is None:
        tables = demonstration_tables("sdxl")
        return CheckpointModel(None, FAMILIES["sdxl"], _encoders(tables, f"{DEMONSTRATION} {__version__}"), places)
    return _open(checkpoint, places)


@dataclass(frozen=True)
class _Places:
    """Where a model finds embeddings, and what `@` names; one for all checkpoints that are opened beside each other."""

    installed: EmbeddingFolder
    folders: tuple[Path, ...]
    opens_paths: bool
    tokenizer: Path | None = None

    def checkpoints(self) -> list[Path]:
        """Return what can be a checkpoint in the folders."""
        return [path for folder in self.folders for path in find_checkpoints(folder)]


def _open(path: Path, places: _Places) -> CheckpointModel:
    source = open_checkpoint(path, tokenizer=places.tokenizer)
    encoders = [
        FileEncoder(table.encoder, table, source.identity)
        if table.tokenizer is None
        else TokenizedEncoder(table.encoder, table, table.tokenizer, source.identity)
        for table in source.tables
    ]
    return CheckpointModel(source, source.family, encoders, places)


def _encoders(tables: Mapping[str, Table], identity: str) -> list[FileEncoder]:
    return [FileEncoder(name, table, identity) for name, table in tables.items()]


class Table(Protocol):
    """A token table of which single rows can be had."""

    @property
    def size(self) -> int:
        """Rows."""
        ...

    @property
    def width(self) -> int:
        """Columns."""
        ...

    def rows(self, ids: Sequence[int]) -> Tensor:
        """Gather rows: (len(ids), width), float32, a copy."""
        ...


class FileEncoder:
    """One CLIP text encoder: the tokenizer that belongs to its name, and a table."""

    start_id: int | None = START
    end_id: int | None = END
    padding_id: int | None

    def __init__(self, name: str, table: Table, identity: str = "") -> None:
        """Take the encoder's name and its table; nothing is read yet.

        `identity` is what the table is known by from one run to the next; without it nothing of it is kept.
        """
        self.identity = identity
        self.name = name
        self.table = table
        self.width = table.width
        self.size = table.size
        self.padding_id = _PADDING.get(name)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids, as the tokenizer that the encoder was trained with."""
        return list(map(tokenizer(self.name), texts))

    def spell(self, ids: Sequence[int]) -> list[str]:
        """Return each token's spelling, a blank for the end of a word."""
        return spell(ids)

    def rows(self, ids: Sequence[int]) -> Tensor:
        """Read rows of the table: (len(ids), width), float32."""
        return self.table.rows(ids)

    def vocabulary(self) -> Vocabulary:
        """Return the statistics of the table; the same object every time."""
        return self._vocabulary

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(
            lambda start, stop: self.table.rows(range(start, stop)),
            size=self.size,
            width=self.width,
            excluded=[token for token in (self.start_id, self.end_id) if token is not None],
            memory=NormCache(f"{self.identity} {self.name}") if self.identity else None,
        )


class TokenizedEncoder(FileEncoder):
    """T5 or a language model: a table, and the tokenizer in the file that belongs to it."""

    def __init__(self, name: str, table: Table, tokenizer: Path, identity: str = "") -> None:
        """Take the encoder's name, its table, the tokenizer's file, and what the table is known by.

        Raises: FileError where the tokenizer cannot be read.
        """
        super().__init__(name, table, identity)
        self._tokenizer = open_tokenizer(tokenizer, name)
        special = self._tokenizer
        self.start_id, self.end_id, self.padding_id = special.start_id, special.end_id, special.padding_id

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids, cut as it stands: with a blank before it, or none."""
        return self._tokenizer.tokenize(texts)

    def spell(self, ids: Sequence[int]) -> list[str]:
        """Return each token's spelling, a blank before it where it begins a word."""
        return self._tokenizer.spell(ids)


class CheckpointModel:
    """The text encoders of a checkpoint file, of a diffusers folder, or of the demonstration (`source` is None)."""

    def __init__(
        self,
        source: Checkpoint | None,
        family: Family | None,
        encoders: Sequence[FileEncoder],
        places: _Places,
    ) -> None:
        """Take what `open_model` has found."""
        self.source = source
        self.family = family
        self.encoders = tuple(encoders)
        self._encoder_names = [encoder.name for encoder in self.encoders]
        self._places = places
        self.installed = places.installed
        self.title = source.title if source else DEMONSTRATION
        self.identity = source.identity if source else DEMONSTRATION
        self.half_precision = False  # nothing here runs the model, so nothing is cast
        self.is_demonstration = source is None
        self.prompt_rules = WEBUI
        self._others: dict[Path, CheckpointModel] = {}

    def record(self, *, with_hash: bool = False) -> Mapping[str, str]:
        """Return what is known of the checkpoint's file."""
        return self.source.record(with_hash=with_hash) if self.source else {}

    def pieces(self, texts: Sequence[str]) -> list[Mapping[str, TextPieces]]:
        """Resolve quoted texts into token ids and the installed embeddings named in them, per encoder."""
        by_encoder = [self._pieces_of(encoder, texts) for encoder in self.encoders]
        return [dict(zip(self._encoder_names, pieces, strict=True)) for pieces in zip(*by_encoder, strict=True)]

    def _pieces_of(self, encoder: FileEncoder, texts: Sequence[str]) -> list[TextPieces]:
        found = self.installed.read(encoder.name, texts, encoder.tokenize, self._encoder_names)
        return [
            [as_installed(one.path, one) if isinstance(one, EmbeddingFile) else one for one in pieces]
            for pieces in found
        ]

    def embeddings_named(self, *stems: str) -> list[InstalledEmbedding]:
        """Return all embeddings of these file stems, case ignored, those of other families included."""
        return [as_installed(path, found) for path, found in self.installed.named(*stems)]

    def embedding_names(self) -> list[str]:
        """Return the names of the embeddings in the folder that fit this model."""
        return self.installed.names(self._encoder_names)

    def checkpoint(self, name: str) -> CheckpointModel:
        """Open the checkpoint of a path, or of a file stem beside this one or in the folder of checkpoints.

        Raises: FileError where there is none of that name, or two.
        """
        path = self._find_checkpoint(name)
        if path not in self._others:
            self._others[path] = _open(path, self._places)
        return self._others[path]

    def checkpoint_names(self) -> list[str]:
        """Return the stems of the checkpoints beside this one and in the folder of checkpoints, sorted."""
        return sorted({_stem(path) for path in self._places.checkpoints()}, key=str.casefold)

    def refresh_embeddings(self) -> None:
        """List the folder of embeddings again on the next use."""
        self.installed.refresh()

    def _find_checkpoint(self, name: str) -> Path:
        given = full_path(read_path(name)) if is_path(name) else None
        if given is not None and self._places.opens_paths and exists(given):
            return given
        known = {full_path(path): path for path in self._places.checkpoints()}
        if given in known:
            return given
        found = [path for path, listed in known.items() if name in (listed.name, _stem(listed))]
        if len(found) > 1:
            raise FileError(
                f"Two checkpoints are named {name}: {found[0]} and {found[1]}.",
                suggestion="Quote the path of one.",
                alternatives=map(str, found),
            )
        if not found:
            close = _close_to(name, list(known.values()))
            suggestion = None if close else self._where()
            raise FileError(f"There is no checkpoint {name}.", suggestion=suggestion, alternatives=close)
        return found[0]

    def _where(self) -> str:
        if not self._places.folders:
            return "Give the folder that it lies in with --checkpoints, or quote its path: './name'."
        return f"Looked in {', '.join(map(str, self._places.folders))}; a path is quoted: './name'."


def _close_to(name: str, paths: Sequence[Path]) -> list[str]:
    """Return names like this one that each mean one file: where several have it, their paths."""
    by_stem: dict[str, list[Path]] = {}
    for path in sorted(paths):
        by_stem.setdefault(_stem(path), []).append(path)
    close = [(stem, by_stem[stem]) for stem in closest_names(name, by_stem)]
    return [other for stem, found in close for other in ([stem] if len(found) == 1 else map(str, found))]


def _stem(path: Path) -> str:
    return path.stem if path.suffix.lower() == ".safetensors" else path.name
