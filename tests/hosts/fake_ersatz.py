"""ersatzForge in small: Forge's table with what differs; see `fake_forge.py`."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from .fake_forge import CLIP, FakeForge
from .parts import engines, jobs
from .parts.assembly import Maker, Modules
from .parts.installed import EmbeddingDatabase, files_in, read_embedding


class FoundDatabase(EmbeddingDatabase):
    """The page's list, of the class that the engines have, too."""

    def load_textual_inversion_embeddings(self, find_only: bool = False) -> None:
        assert find_only
        self.word_embeddings = {path.stem: read_embedding(path) for path in files_in(self.folders[0])}


def clip_engines(modules: Modules) -> Mapping[str, Any]:
    return {"ATextEngine": engines.clip_engine(modules, "ATextEngine")}


def cards(modules: Modules) -> Mapping[str, Any]:
    return {"embedding_db": FoundDatabase(lambda: 0, [str(modules.embeddings_folder)])}


def processing(modules: Modules) -> Mapping[str, Any]:
    """Make the module of jobs, whose key of the conditioning cache is a number."""
    made = jobs.processing(modules)
    kind = made["StableDiffusionProcessing"]
    inherited = kind.cached_params
    kind.cached_params = functools.wraps(inherited)(lambda *args, **kwargs: hash(str(inherited(*args, **kwargs))))
    return made


def note_nothing(modules: Modules, texts: Sequence[str], used: Sequence[Any]) -> None:
    """Name no embeddings in the infotext."""


class FakeErsatz(FakeForge):
    """The host, its loaded model, and what users and other extensions do in it."""

    engines_of = (CLIP.replace("ClassicTextProcessingEngine", "ATextEngine"), FakeForge.engines_of[1])
    table: ClassVar[Mapping[str, Maker]] = {
        **FakeForge.table,
        "modules.processing": processing,
        "modules.ui_extra_networks_textual_inversion": cards,
        "backend.text_processing.classic_engine": clip_engines,
    }
    facts: ClassVar[Mapping[str, Any]] = {
        **FakeForge.facts,
        "note": note_nothing,
        "take_notes": lambda modules: {},
    }
