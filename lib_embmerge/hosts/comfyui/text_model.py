"""A CLIP object of ComfyUI as a text model: what expressions read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ...errors import UnknownEmbedding, UnsupportedHost
from ...families import ENCODERS, family_of, is_for
from ...files.installed_embeddings import as_installed
from ...files.reading import EmbeddingFile
from ...host_protocol import InstalledEmbedding, TextModel, TextPieces
from ...prompt_rules import PromptRules
from ..webui.checkpoint_list import read_record
from ..webui.settings import say_no_vectors
from .encoders import ComfyEncoder, find_encoders

if TYPE_CHECKING:
    from .adapter import ComfyUI

__all__ = ["ComfyTextModel"]

_ORDER = tuple(ENCODERS)
"""In which order a model's encoders are shown."""

NAMED = re.compile(r"(?:(?<=\s)|^)embedding:([^\s\[<]+)")
"""How the host's prompts name an embedding; the commas behind it are text. Source: comfy/sd1_clip.py at 443393b4."""


class ComfyTextModel:
    """The text encoders of one CLIP object, with the embedding files in the host's folders."""

    is_demonstration = False
    prompt_rules = PromptRules(before_names="embedding:", syntax=("weights",))
    half_precision = False
    """The host reads token vectors, and adds positions to them, in float32. Source: comfy/sd1_clip.py at a125cd84."""

    def __init__(self, clip: Any, host: ComfyUI, title: str | None = None) -> None:
        """Take the host's object, the adapter, and the name of the checkpoint where it is known.

        Raises: UnsupportedHost where there is no text encoder that takes vectors, or the settings refuse another.
        """
        # The host runs nodes in torch's inference mode; what it loads meanwhile has to be of the mode it is used in.
        is_inference = torch.is_inference_mode_enabled()

        # Newer versions ask some models how much memory the tokens will take, which fails where there are none.
        takes_tokens = "tokens" in signature(clip.load_model).parameters
        tokens = (clip.tokenize(""),) if takes_tokens else ()

        def load() -> None:
            with torch.inference_mode(is_inference), torch.no_grad():
                clip.load_model(*tokens)

        others = host.others()
        found, has_words = find_encoders(clip, load, others)
        if not found:
            raise host.refused()
        if has_words and others == "refuse":
            raise UnsupportedHost(say_no_vectors(others, any_clip=True))
        self.encoders: Sequence[ComfyEncoder] = sorted(found, key=lambda encoder: _ORDER.index(encoder.name))
        self.family = family_of((encoder.name for encoder in found), has_words=has_words)
        self.info = host.checkpoint_info(title) if title else None
        self.title = title or "the loaded model"
        self.host = host
        self.installed = host.installed()

    @property
    def identity(self) -> str:
        """Change with the tables' values."""
        return repr(tuple(encoder.fingerprint() for encoder in self.encoders))

    def pieces(self, texts: Sequence[str]) -> list[Mapping[str, TextPieces]]:
        """Resolve texts: `embedding:name` as in the host's prompts, and the bare name as in expressions elsewhere.

        Raises: UnknownEmbedding for `embedding:name` where no file of that name fits the model.
        """
        return [{encoder.name: list(self._pieces(text, encoder)) for encoder in self.encoders} for text in texts]

    def record(self, *, with_hash: bool = False) -> Mapping[str, str]:
        """Return the name of the file that the CLIP object was loaded from, where it is known, and what that says."""
        return {"name": self.title} if self.info is None else read_record(self.info)

    def embeddings_named(self, *stems: str) -> list[InstalledEmbedding]:
        """Return all embeddings of these file stems, case ignored, those of other families included."""
        return [as_installed(path, file) for path, file in self.installed.named(*stems)]

    def embedding_names(self) -> list[str]:
        """Return the names of the embeddings that fit this model."""
        return self.installed.names(self._names)

    def checkpoint(self, name: str) -> TextModel:
        """Return another checkpoint of the host's list by its name or file stem.

        Raises: FileError where the list has none or two of that name.
        """
        return self.host.checkpoints.open(name, self)

    @property
    def _names(self) -> list[str]:
        return [encoder.name for encoder in self.encoders]

    def _pieces(self, text: str, encoder: ComfyEncoder) -> Iterator[Sequence[int] | InstalledEmbedding]:
        at = 0
        for found in NAMED.finditer(text):
            yield from self._bare(text[at : found.start()], encoder)
            name = found[1].strip(",")
            embedding = self._named(name)
            if encoder.name in embedding.vectors:  # the host leaves the name out of what an encoder reads, too
                yield embedding
            at = found.start(1) + found[1].index(name) + len(name)
        yield from self._bare(text[at:], encoder)

    def _bare(self, text: str, encoder: ComfyEncoder) -> Iterator[Sequence[int] | InstalledEmbedding]:
        for pieces in self.installed.read(encoder.name, [text], encoder.tokenize, self._names) if text.strip() else ():
            for piece in pieces:
                yield as_installed(piece.path, piece) if isinstance(piece, EmbeddingFile) else piece

    def _is_for_this(self, file: EmbeddingFile) -> bool:
        return is_for(dict.fromkeys(file.all_vectors), dict.fromkeys(self._names))

    def _named(self, name: str) -> InstalledEmbedding:
        stem = re.split(r"[/\\]", name)[-1]
        fitting = [
            file
            for each in dict.fromkeys((stem, stem.rpartition(".")[0]))
            for path, file in (self.installed.named(each) if each else ())
            if isinstance(file, EmbeddingFile) and self._is_for_this(file) and _is_called(path, name)
        ]
        if not fitting:
            raise UnknownEmbedding(f"No embedding {name} that fits this model is in ComfyUI's folders.")
        exact = [file for file in fitting if _is_called(file.path, name, any_case=False)]
        file = (exact or fitting)[-1]
        return as_installed(file.path, file)


def _is_called(path: Path, name: str, *, any_case: bool = True) -> bool:
    """Return whether a name as the host's prompts have it, with folders, leads to a file; its ending may be left out.

    The case of letters is the disk's matter in the host.
    """
    wanted = re.split(r"[/\\]", name)
    for found in (path.parts, path.with_suffix("").parts):
        end = list(found[-len(wanted) :])
        if end == wanted or (any_case and [part.casefold() for part in end] == [part.casefold() for part in wanted]):
            return True
    return False
