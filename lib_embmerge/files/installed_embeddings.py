"""A folder of embedding files, as a WebUI sees it: names found in a text by their tokens.

Source: A1111 modules/textual_inversion/textual_inversion.py: load_from_dir (walk, 0-byte files, previews),
register_embedding_by_name and find_embedding_at_position (longest run of tokens first).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from ..errors import FileError
from ..families import CLIP, group_of, is_for
from ..host_protocol import EXTENSIONS, InstalledEmbedding
from ..language.quoted_text import divide_ids, divide_text
from .paths import size_of, walk_folders
from .reading import EmbeddingFile, load_embedding

__all__ = ["EmbeddingFolder", "Pieces", "as_installed"]

Pieces = list["Sequence[int] | EmbeddingFile"]
"""A text's tokens for one encoder, and in their place the embeddings whose names stood there."""

Tokenize = Callable[[Sequence[str]], "list[list[int]]"]
Wanted = tuple[Sequence[str], str]
"""The encoders that an embedding is to fit, and the one that is to read it."""


class EmbeddingFolder:
    """The embedding files in a folder and below it, or in several.

    The folder is listed on first use and after `refresh`; a file is read when it is needed, and again if it changes.
    """

    def __init__(self, *roots: Path | None) -> None:
        """Take the folder, or more than one; None for no embeddings at all."""
        self.roots = [root for root in roots if root is not None]
        self._read: dict[Path, tuple[tuple[int, int], EmbeddingFile | str]] = {}
        """By path the state of the file that was read last, and what it holds, or why it cannot be read."""
        self._by_first_token: dict[str, dict[int, list[tuple[list[int], str]]]] = {}

    @cached_property
    def _files(self) -> Mapping[str, list[Path]]:
        """The files by name, in the order of the walk: of two of one name the host keeps the later."""
        files: dict[str, list[Path]] = {}
        for path in (path for root in self.roots for path in _walk(root)):
            files.setdefault(path.stem, []).append(path)
        listed = {path for paths in files.values() for path in paths}
        self._read = {path: known for path, known in self._read.items() if path in listed}
        return files

    @cached_property
    def _by_caseless_name(self) -> Mapping[str, list[Path]]:
        files: dict[str, list[Path]] = {}
        for name, paths in self._files.items():
            files.setdefault(name.casefold(), []).extend(paths)
        return files

    def refresh(self) -> None:
        """List the folder again on the next use: call it after a file has been saved."""
        self.__dict__.pop("_files", None)
        self.__dict__.pop("_by_caseless_name", None)
        self._by_first_token.clear()

    def paths(self) -> Mapping[str, list[Path]]:
        """Return all embedding files by name, of every model family; none is read."""
        return self._files

    def names(self, encoders: Iterable[str]) -> list[str]:
        """Return the names of the embeddings that fit these encoders, sorted. Reads every file."""
        wanted = list(encoders)
        return sorted((name for name in self._files if self._fitting(name, wanted)), key=str.casefold)

    def named(self, *stems: str) -> list[tuple[Path, EmbeddingFile | str]]:
        """Return all embedding files of these stems, case ignored, of every model family.

        For each its path, and what it holds, or the sentence that says why it cannot be read.
        """
        wanted = dict.fromkeys(map(str.casefold, stems))
        return [(path, self._load(path)) for stem in wanted for path in self._by_caseless_name.get(stem, ())]

    def read(self, encoder: str, texts: Sequence[str], tokenize: Tokenize, encoders: Sequence[str]) -> list[Pieces]:
        """Tokenize texts for one encoder, and split each where an embedding that fits the encoders is named.

        To CLIP's tokenizers a name is a run of tokens wherever it stands. Others cut it by what is around it, so its
        letters are looked for.
        """
        if group_of(encoder) == CLIP:
            if not self._files:
                return [[ids] if ids else [] for ids in tokenize(texts)]
            return [self.split(encoder, ids, tokenize, encoders) for ids in tokenize(texts)]
        return [self._split_text(text, encoder, tokenize, encoders) for text in texts]

    def _split_text(self, text: str, encoder: str, tokenize: Tokenize, encoders: Sequence[str]) -> Pieces:
        def find(name: str) -> EmbeddingFile | None:
            same = [self._by_caseless_name[name][-1].stem] if name in self._by_caseless_name else []
            return next((found for one in same if (found := self._fitting(one, encoders, encoder))), None)

        return divide_text(text, find, tokenize)

    def split(self, encoder: str, ids: Sequence[int], tokenize: Tokenize, encoders: Sequence[str]) -> Pieces:
        """Split one encoder's token ids where an embedding that fits the encoders is named.

        A name is a run of tokens, so case and spacing are the tokenizer's; the longest run wins. What fits another
        family, or cannot be read, is no name: a host puts it aside.
        """
        lookup = self._lookup(encoder, tokenize)
        return divide_ids(ids, lambda place: self._find(lookup, ids, place, (encoders, encoder)))

    def _find(
        self, lookup: Mapping[int, list[tuple[list[int], str]]], ids: Sequence[int], at: int, wanted: Wanted
    ) -> tuple[EmbeddingFile, int] | None:
        for run, name in lookup.get(ids[at], ()):
            if list(ids[at : at + len(run)]) == run and (embedding := self._fitting(name, *wanted)):
                return embedding, len(run)
        return None

    def _lookup(self, encoder: str, tokenize: Tokenize) -> Mapping[int, list[tuple[list[int], str]]]:
        if encoder not in self._by_first_token:
            lookup: dict[int, list[tuple[list[int], str]]] = {}
            names = list(self._files)
            for name, run in zip(names, tokenize(names), strict=True):
                if run:
                    lookup.setdefault(run[0], []).append((run, name))
            for candidates in lookup.values():
                candidates.sort(key=lambda candidate: len(candidate[0]), reverse=True)
            self._by_first_token[encoder] = lookup
        return self._by_first_token[encoder]

    def _fitting(self, name: str, encoders: Iterable[str], encoder: str = "") -> EmbeddingFile | None:
        """Return the embedding of a name that fits the encoders, and has vectors for the one that reads it."""
        wanted = dict.fromkeys(encoders)
        found = [self._load(path) for path in self._files[name]]
        fitting = [e for e in found if isinstance(e, EmbeddingFile) and is_for(dict.fromkeys(e.all_vectors), wanted)]
        fitting = [e for e in fitting if not encoder or encoder in e.all_vectors]
        return fitting[-1] if fitting else None

    def _load(self, path: Path) -> EmbeddingFile | str:
        try:
            status = path.stat()
        except OSError:
            return f"{path} is no longer there."
        state = (status.st_size, status.st_mtime_ns)
        kept = self._read.get(path)
        if kept is None or kept[0] != state:
            kept = self._read[path] = (state, _try(path))
        return kept[1]


def _try(path: Path) -> EmbeddingFile | str:
    try:
        return load_embedding(path)
    except FileError as error:
        return error.message


def _walk(root: Path) -> Iterator[Path]:
    """Yield the embedding files below a folder, links followed as A1111 does, each folder once."""
    for folder, _, files in walk_folders(root, follow_links=True):
        paths = (folder / name for name in files)
        yield from (path for path in paths if path.suffix.lower() in EXTENSIONS and _holds_anything(path))


def _holds_anything(path: Path) -> bool:
    """Return whether a file is there with a byte in it; one that nobody lets us look at is none."""
    try:
        return size_of(path) > 0
    except FileError:
        return False


def as_installed(path: Path, found: EmbeddingFile | str) -> InstalledEmbedding:
    """Return what a file in the folder is to expressions; `found` is what `EmbeddingFolder.named` gives for it."""
    if isinstance(found, str):
        return InstalledEmbedding(path.stem, {}, found, path)
    return InstalledEmbedding(found.name, found.all_vectors, path=path)
