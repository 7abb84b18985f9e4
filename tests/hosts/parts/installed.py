"""Databases of embeddings: what a folder holds for a model, found in prompts by the tokens of its names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from . import vocabulary


class Embedding:
    """One of them; `vec` is a tensor, or one for each text encoder."""

    def __init__(self, vec: Any, name: str, step: int | None = None) -> None:
        self.vec = vec
        self.name = name
        self.step = step
        self.vectors = 0
        self.shape: int | None = None
        self.filename: str | None = None
        self.hash: str | None = None
        self.shorthash: str | None = None


def read_embedding(path: Path, kind: type[Embedding] = Embedding) -> Any:
    """Read one from a file: of two text encoders, or of one whose name does not matter."""
    tensors = safetensors.torch.load_file(path)
    made = kind(tensors if len(tensors) > 1 else next(iter(tensors.values())), path.stem)
    rows = list(tensors.values())
    made.vectors, made.shape = len(rows[0]), sum(r.shape[-1] for r in rows)
    made.filename = str(path)
    made.hash = hashlib.sha256(path.read_bytes()).hexdigest()
    made.shorthash = made.hash[:10]
    return made


def files_in(folder: str) -> list[Path]:
    """Give the files of embeddings in a folder and in those below it."""
    return sorted(Path(folder).rglob("*.safetensors"))


def part_of(embedding: Any, key: str) -> Tensor:
    """Give the vectors for one text encoder."""
    vectors: Tensor = embedding.vec[key] if isinstance(embedding.vec, Mapping) else embedding.vec
    return vectors


class EmbeddingDatabase:
    """The embeddings of one folder that fit a model; the others are put aside."""

    embedding_class: type = Embedding

    def __init__(self, columns: Callable[[], int], folders: Sequence[str] = ()) -> None:
        self.columns = columns
        """Asks how many columns all tensors of a fitting file have together."""
        self.folders = list(folders)
        self.word_embeddings: dict[str, Any] = {}
        self.skipped_embeddings: dict[str, Any] = {}
        self.ids_lookup: dict[int, list[tuple[list[int], Any]]] = {}
        self.expected_shape = -1
        self._seen: list[int] = []

    def find_embedding_at_position(self, tokens: Sequence[int], offset: int) -> tuple[Any, int | None]:
        for name, embedding in self.ids_lookup.get(tokens[offset], ()):
            if list(tokens[offset : offset + len(name)]) == list(name):
                return embedding, len(name)
        return None, None

    def enter(self, embedding: Any, name: str) -> None:
        """Let prompts find an embedding; of two names that begin alike the longer one is looked for first."""
        self.word_embeddings[name] = embedding
        tokens = vocabulary.encode(name)
        same_start = [*self.ids_lookup.get(tokens[0], ()), (tokens, embedding)]
        self.ids_lookup[tokens[0]] = sorted(same_start, key=lambda found: -len(found[0]))

    def read_again(self) -> None:
        """Forget everything, and read the folders."""
        self.expected_shape = self.columns()
        for known in (self.word_embeddings, self.skipped_embeddings, self.ids_lookup):
            known.clear()
        for path in (path for folder in self.folders for path in files_in(folder)):
            found = read_embedding(path, self.embedding_class)
            if found.shape == self.expected_shape:
                self.enter(found, found.name)
            else:
                self.skipped_embeddings[found.name] = found


class WatchedDatabase(EmbeddingDatabase):
    """One for the whole host, which reads its folder anew when that has changed, sub-folders not counted."""

    def register_embedding_by_name(self, embedding: Any, model: Any, name: str) -> Any:
        self.enter(embedding, name)
        return embedding

    def load_textual_inversion_embeddings(self, force_reload: bool = False, sync_with_sd_model: bool = True) -> None:
        changes = [Path(folder).stat().st_mtime_ns for folder in self.folders]
        if force_reload or changes != self._seen:
            self._seen = changes
            self.read_again()


class EngineDatabase(EmbeddingDatabase):
    """One for each text encoder."""

    def register_embedding_by_name(self, embedding: Any, name: str) -> Any:
        self.enter(embedding, name)
        return embedding

    def load_textual_inversion_embeddings(self) -> None:
        self.read_again()


class CardDatabase(EmbeddingDatabase):
    """One for the page's list, whatever the model."""

    def load_textual_inversion_embeddings(self, force_reload: bool = False, sync_with_sd_model: bool = True) -> None:
        assert not sync_with_sd_model
        self.word_embeddings = {path.stem: read_embedding(path) for path in files_in(self.folders[0])}
