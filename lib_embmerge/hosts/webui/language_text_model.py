"""A loaded model whose text encoders are CLIP's, T5 or language models: the host has embeddings for the first alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from ...families import Family
from ...files.installed_embeddings import as_installed
from ...files.reading import EmbeddingFile
from ...host_protocol import InstalledEmbedding, TextPieces
from ..encoders.encoder import HostEncoder
from .running_host import RunningHost, RunningTextModel

__all__ = ["LanguageTextModel"]


class LanguageTextModel(RunningTextModel):
    """As `RunningTextModel`; for encoders that are no CLIP's embeddings are looked for in the host's folder."""

    def __init__(
        self,
        sd_model: Any,
        host: RunningHost,
        clip: Sequence[HostEncoder],
        others: Sequence[HostEncoder],
        family: Family | None,
    ) -> None:
        """Take the host's model object, its adapter, the encoders with embeddings of the host, and the others.

        Raises: UnsupportedHost where there is no encoder.
        """
        super().__init__(sd_model, host, [*clip, *others], family)
        self.clip = clip
        """The encoders that have databases of embeddings."""
        self.used: list[str] = []
        """The names of the host's embeddings that were read."""
        self.folder = host.folder if others else None
        """Where embeddings for the others are looked for, which the host does not load."""

    def pieces_of(self, encoder: Any, texts: Sequence[str]) -> list[TextPieces]:
        """Resolve texts for one encoder: for CLIP by the host's embeddings first, then by the files in the folder."""
        if self.folder is None:
            return super().pieces_of(encoder, texts)
        if encoder in self.clip:
            return [self._with_files(pieces, encoder) for pieces in super().pieces_of(encoder, texts)]
        read = self.folder.read(encoder.name, texts, encoder.tokenize, [encoder.name])
        return [[self._of_file(p) if isinstance(p, EmbeddingFile) else p for p in pieces] for pieces in read]

    def _with_files(self, pieces: TextPieces, encoder: Any) -> TextPieces:
        """Put embeddings that the host leaves aside, as they are for T5 too, in the places of their names' tokens."""
        assert self.folder is not None
        found: list[Any] = []
        for piece in pieces:
            if isinstance(piece, InstalledEmbedding):
                found.append(piece)
                continue
            parts = self.folder.split(encoder.name, piece, encoder.tokenize, [e.name for e in self.encoders])
            found += [self._of_file(part) if isinstance(part, EmbeddingFile) else part for part in parts]
        return found

    def embeddings_named(self, *stems: str) -> list[InstalledEmbedding]:
        """Return all embeddings of these names, case ignored, those that the host put aside included."""
        listed = [] if self.folder is None else self.folder.named(*stems)
        files = {path: file for path, file in listed if isinstance(file, EmbeddingFile)}
        # Of a file of several encoders the host has read only what is CLIP's.
        loaded = [one for one in self.loaded_named(stems) if one.path is None or one.path.absolute() not in files]
        return loaded + [as_installed(path, file) for path, file in files.items()]

    def embedding_names(self) -> list[str]:
        """Return the names of the embeddings that this model can read."""
        names = [e.name for e in self.encoders if e not in self.clip]
        return list(dict.fromkeys([*self.loaded_names(), *(self.folder.names(names) if self.folder else ())]))

    @abstractmethod
    def loaded_named(self, stems: Sequence[str]) -> list[InstalledEmbedding]:
        """Return the embeddings of these names that the host has read itself."""

    @abstractmethod
    def loaded_names(self) -> list[str]:
        """Return the names of the embeddings that the host has loaded for this model itself."""

    def _of_file(self, file: EmbeddingFile) -> InstalledEmbedding:
        self.used.append(file.name)
        return as_installed(file.path, file)
