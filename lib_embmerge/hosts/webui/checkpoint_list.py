"""A WebUI's list of checkpoints: what `@name` knows, and what a saved file says of the one it was made with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import FileError, closest_names
from ...files.checkpoint_files import open_checkpoint
from ...files.installed_embeddings import EmbeddingFolder
from ...host_protocol import TextModel
from ...models.beside import OtherCheckpoint
from ...models.checkpoint import open_model
from ..encoders.installed_lookup import file_state

__all__ = ["CheckpointList", "name_checkpoint", "read_record"]


class CheckpointList:
    """The entries of the host's `checkpoints_list`, by their names."""

    def __init__(self, known: Mapping[str, Any], whose: str = "the WebUI's list") -> None:
        """Take the host's own dictionary, which changes while the host runs, and what messages call it."""
        self.known = known
        self.whose = whose

    def names(self) -> list[str]:
        """Return the names for people."""
        return sorted({name_checkpoint(info) for info in self.known.values()}, key=str.casefold)

    def open(self, name: str, beside: TextModel) -> TextModel:
        """Open another checkpoint for `@name`; a path is never taken.

        Raises: FileError where the list has none or two of that name.
        """
        return self.open_info(self._find(name), beside)

    def open_alone(self, name: str, embeddings: EmbeddingFolder) -> TextModel:
        """Open a checkpoint without any model of the host's, with the embeddings of a folder.

        Raises: FileError where the list has none or two of that name, or it cannot be read.
        """
        return open_model(Path(self._find(name).filename), embeddings=embeddings, opens_paths=False)

    def _find(self, name: str) -> Any:
        infos = {id(i): i for i in self.known.values() if name in _names(i)}
        if len(infos) != 1:
            problem = "No checkpoint" if not infos else "More than one checkpoint"
            known = self._unmistakable(infos.values() if infos else self.known.values())
            raise FileError(
                f"{problem} in {self.whose} is named {name}.",
                alternatives=known[:3] if infos else closest_names(name, known),
            )
        return next(iter(infos.values()))

    def open_info(self, info: Any, beside: TextModel) -> TextModel:
        """Open the checkpoint of one of the host's own entries.

        Raises: FileError where it cannot be read.
        """
        return OtherCheckpoint(open_checkpoint(Path(info.filename), has_tokenizers=True), beside)

    def open_later(self, info: Any, beside: TextModel, embeddings: EmbeddingFolder) -> TextModel:
        """Open the checkpoint of an entry that a job will use later, which may have other text encoders.

        Raises: FileError where it cannot be read, or its text encoders not without the host.
        """
        opened = open_checkpoint(Path(info.filename), has_tokenizers=True)
        if {table.encoder for table in opened.tables} <= {encoder.name for encoder in beside.encoders}:
            return OtherCheckpoint(opened, beside)
        return open_model(Path(info.filename), embeddings=embeddings, opens_paths=False)

    def _unmistakable(self, infos: Iterable[Any]) -> list[str]:
        """Return for each of some checkpoints the shortest name that no other one has."""
        taken = Counter(name for info in {id(i): i for i in self.known.values()}.values() for name in _names(info))
        own = ([name for name in _names(info) if taken[name] == 1] for info in infos)
        return sorted({min(names, key=lambda name: (len(name), name)) for names in own if names})

    def states(self, prompts: str) -> Sequence[tuple[object, ...]]:
        """Return the files' states of those that prompts may name behind an `@`."""
        return [
            (info.filename, *file_state(info.filename))
            for info in self.known.values()
            if "@" in prompts and any(name in prompts for name in _names(info))
        ]


def name_checkpoint(info: Any) -> str:
    """Return a checkpoint's name for people; not every host has a short one beside the one with folders."""
    return str(getattr(info, "name_for_extra", None) or getattr(info, "model_name", None) or info.name)


def read_record(info: Any | None) -> Mapping[str, str]:
    """Return a checkpoint's name, its SHA-256 where the host knows it, and what the file's header says."""
    if info is None:
        return {}
    try:
        record = dict(open_checkpoint(Path(info.filename), has_tokenizers=True).record())
    except FileError:  # a pickle, which is not opened for this
        record = {"name": Path(info.filename).name}
    return record | ({"sha256": str(info.sha256)} if info.sha256 else {})


def _names(info: Any) -> set[str]:
    stem = Path(info.filename).stem
    return {stem, getattr(info, "name", ""), name_checkpoint(info)} - {""}
