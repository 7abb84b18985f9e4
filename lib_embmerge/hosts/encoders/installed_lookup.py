"""Embeddings as words of a prompt in a WebUI's database: finding them, and adding ours for a while.

A database has `ids_lookup`: by a word's first token a list of (all its tokens, embedding), the longest first.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ...families import ENCODER_NAMES
from ...host_protocol import InstalledEmbedding, TextPieces
from ...language.quoted_text import divide_ids
from ...placeholders import SPELLING, find_names, spelled_ids
from ...vectors.embedding import Embedding
from .encoder import HostEncoder

__all__ = [
    "PlaceholderSpelling",
    "ReadFiles",
    "as_loaded",
    "copy_installed",
    "file_of",
    "file_state",
    "find_pieces",
    "is_made_for",
    "looked_up",
    "mentioned_states",
    "of_names",
    "replace_installed",
]


def find_pieces(
    ids: Sequence[int], database: Any, take: Callable[[Any], InstalledEmbedding | None]
) -> TextPieces:
    """Resolve tokens as the host would: embeddings by their names' tokens, the longest name first.

    `take` gives what the host's embedding stands for, None where it is not this model's word.
    """
    if database.ids_lookup.keys().isdisjoint(ids):
        return [ids] if ids else []

    def find(place: int) -> tuple[InstalledEmbedding, int] | None:
        embedding, length = database.find_embedding_at_position(ids, place)
        taken = None if embedding is None else take(embedding)
        return None if taken is None else (taken, length)

    return divide_ids(ids, find)


def is_made_for(embedding: Any, encoders: Sequence[HostEncoder], *, exactly: bool = False) -> bool:
    """Return whether the host's embedding has vectors for these encoders, of their widths; `exactly`: for no others."""
    widths = {e.key: e.width for e in encoders}
    vectors = embedding.vec if isinstance(embedding.vec, dict) else dict.fromkeys(widths, embedding.vec)
    found = {key: rows.shape[-1] for key, rows in vectors.items()}
    return found == widths if exactly else found.items() >= widths.items()


def copy_installed(embedding: Any, encoders: Sequence[HostEncoder]) -> InstalledEmbedding:
    """Copy the host's embedding, its vectors by the names of our encoders."""
    names = {(e.key, e.width): e.name for e in encoders}
    vectors = embedding.vec
    if not isinstance(vectors, dict):
        vectors = {_name_by_width(vectors.shape[-1], encoders): vectors}
    copies = {names.get((k, v.shape[-1]), k): v.detach().to(device="cpu", copy=True) for k, v in vectors.items()}
    return InstalledEmbedding(embedding.name, copies, path=file_of(embedding))


def as_loaded(value: Embedding, encoders: Sequence[HostEncoder], device: Any = None) -> Any:
    """Return a value as the hosts' loaders keep a file's vectors: of one encoder the tensor, of several by their keys.

    Extensions and a host's own older code read the shape of the tensor.
    Source: A1111 1.10.1, modules/textual_inversion/textual_inversion.py:286-316, `create_embedding_from_data`.
    """
    vectors = {e.key: value[e.name].to(device=device, dtype=torch.float32) for e in encoders}
    return next(iter(vectors.values())) if len(vectors) == 1 else vectors


def file_of(embedding: Any) -> Path | None:
    """Return the file of a host's embedding, where the host has kept it."""
    name = getattr(embedding, "filename", None)
    return Path(name) if name else None


def of_names(stems: Sequence[str], *held: Mapping[str, Any]) -> list[Any]:
    """Return the entries of these names, case ignored, of what a host holds by name; each is looked at once."""
    wanted = {stem.casefold() for stem in stems}
    return [entry for entries in held for name, entry in entries.items() if name.casefold() in wanted]


class PlaceholderSpelling:
    """The tokens of placeholders' names, put together from those of their parts."""

    def __init__(self) -> None:
        """Begin without any; the first encoder that is asked serves all."""
        self._known: dict[str, Sequence[int]] = {}

    def ids(self, name: str, encoder: HostEncoder) -> list[int]:
        """Return a name's tokens; every CLIP encoder has the same vocabulary."""
        if not self._known:
            self._known.update(zip(SPELLING, encoder.tokenize(SPELLING), strict=True))
        return spelled_ids(name, self._known.__getitem__)


_WRITING = threading.Lock()
"""Pictures and the token counter write in threads of their own; who reads meets whole lists, replaced in one step."""


@contextlib.contextmanager
def looked_up(lookup: dict[int, Any], entries: Iterable[tuple[list[int], Any]]) -> Iterator[None]:
    """Let a database find entries by their tokens while the context lasts, whatever is loaded anew meanwhile.

    Only `ids_lookup` is written, the one place where conditioning looks: no list of embeddings shows them.
    """
    added = list(entries)
    by_first: dict[int, list[tuple[list[int], Any]]] = {}
    for ids, entry in added:
        by_first.setdefault(ids[0], []).append((ids, entry))
    with _WRITING:
        for first, ours in by_first.items():
            lookup[first] = [*ours, *lookup.get(first, [])]
    try:
        yield
    finally:
        identities = {id(entry) for _, entry in added}
        with _WRITING:
            for first in by_first:
                rest = [x for x in lookup.get(first, []) if id(x[1]) not in identities]
                if rest:
                    lookup[first] = rest
                else:
                    lookup.pop(first, None)


def replace_installed(lookup: dict[int, Any], found: Mapping[int, Any]) -> None:
    """Put embeddings in the place of those that a database finds by their tokens; placeholders stay, and no others."""
    with _WRITING:
        for first in {*lookup, *found}:
            kept = [entry for entry in lookup.get(first, []) if find_names(entry[1].name)]
            entries = kept + [entry for entry in found.get(first, []) if not find_names(entry[1].name)]
            if entries:
                lookup[first] = entries
            else:
                lookup.pop(first, None)


def mentioned_states(files: Mapping[str, str], text: str) -> Mapping[str, tuple[int, int]]:
    """Return the files, each with its `file_state`, whose names the text may hold, however they are spaced and quoted.

    A tokenizer takes `My  Style` for `my style`, so letters and digits are compared alone.
    """
    letters = _letters(text)
    return {path: file_state(path) for name, path in files.items() if _letters(name) in letters}


class ReadFiles:
    """Which embedding files a host has read, as far as we can tell from outside."""

    def __init__(self) -> None:
        """Take all that is there for read."""
        self._states: dict[str, tuple[int, int]] = {}
        self._since = time.time_ns()

    def note_reading(self) -> None:
        """Take all that is there for read again."""
        self._states.clear()
        self._since = time.time_ns()

    def have_changed(self, states: Mapping[str, tuple[int, int]]) -> bool:
        """Return whether one of these files, each with its `file_state`, is another than the host has read.

        Of a file that is met for the first time only its time can tell.
        """
        changed = any(self._states.get(path, state) != state for path, state in states.items())
        changed |= any(path not in self._states and state[0] > self._since for path, state in states.items())
        if changed:
            self.note_reading()
        self._states.update(states)
        return changed


def file_state(path: str) -> tuple[int, int]:
    """Return a file's time of change and its size, zeros where there is none."""
    try:
        found = Path(path).stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)


def _name_by_width(width: int, encoders: Sequence[HostEncoder]) -> str:
    # A file with one tensor does not say whose it is; the host goes by the width as well.
    fitting = [e.name for e in encoders if e.width == width]
    return fitting[0] if fitting else ENCODER_NAMES.get(width, f"of width {width}")


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
