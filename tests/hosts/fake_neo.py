"""Forge Neo in small, older and newest: Forge's table with what differs; see `fake_forge.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

from lib_embmerge.hosts.forge_neo import ForgeNeo, NewestForgeNeo

from .fake_forge import FakeForge, add_names, count
from .parts import engines, webui
from .parts.assembly import Maker, Modules, fresh
from .parts.page import without
from .parts.weights import weighted_texts

COMMENTS = (r"/\*.*?\*/", r"(?:#|//)[^\n]*")
NEWEST_CLIP, NEWEST_WORDS = "sd_engine.ClipEngine", "flux_engine.T5XXLEngine"


def args(_: Modules) -> Mapping[str, Any]:
    return {"dynamic_args": SimpleNamespace(last_extra_generation_params={})}


def clip_engines(name: str) -> Maker:
    return lambda modules: {name: engines.clip_engine(modules, name)}


def newest_words_engines(modules: Modules) -> Mapping[str, Any]:
    return {"T5XXLEngine": fresh(engines.NewerWordsEngine, "T5XXLEngine", opts=modules["modules.shared"].opts)}


def notes_of(modules: Modules) -> dict[str, str]:
    return modules["backend.args"].dynamic_args.last_extra_generation_params  # type: ignore[no-any-return]


def note_names(modules: Modules, texts: Sequence[str], used: Sequence[Any]) -> None:
    """Note for the infotext the names of embeddings, and of whatever kind the emphasis is."""
    add_names(notes_of(modules), used)
    if any(weight != 1 for text in texts for _, weight in weighted_texts(text)):
        notes_of(modules)["Emphasis"] = modules["modules.shared"].opts.emphasis


def take_notes(modules: Modules) -> Mapping[str, str]:
    """Keep the notes with what was encoded, and empty them."""
    kept = dict(notes_of(modules))
    notes_of(modules).clear()
    return kept


def count_without_emphasis(modules: Modules, text: str) -> Any:
    plain = "".join(piece or " " for piece, _ in weighted_texts(without(COMMENTS, text)))
    return count(modules, plain)


class FakeNeo(FakeForge):
    """The host, its loaded model, and what users and other extensions do in it."""

    kinds = ("sd1", "sdxl", "refiner", "flux", "chroma")
    table: ClassVar[Mapping[str, Maker]] = {
        **FakeForge.table,
        "modules.shared": webui.shared(enable_prompt_comments=True),
        "backend.args": args,
        "backend.text_processing.classic_engine": clip_engines("ClassicTextProcessingEngine"),
    }
    facts: ClassVar[Mapping[str, Any]] = {
        **FakeForge.facts,
        "comments": COMMENTS,
        "count": count_without_emphasis,
        "has_old_scheduling": False,
        "note": note_names,
        "take_notes": take_notes,
    }

    @property
    def parameters(self) -> Mapping[str, str]:
        """What the engines have noted for the infotext."""
        return notes_of(self.of)

    def adapter(self) -> Any:
        return ForgeNeo()


class FakeNewestNeo(FakeNeo):
    """The same after its text engines were renamed."""

    engines_of = (NEWEST_CLIP, NEWEST_WORDS)
    table: ClassVar[Mapping[str, Maker]] = {
        **{name: make for name, make in FakeNeo.table.items() if "classic_engine" not in name and "t5" not in name},
        "backend.text_processing.sd_engine": clip_engines("ClipEngine"),
        "backend.text_processing.flux_engine": newest_words_engines,
    }

    def adapter(self) -> Any:
        return NewestForgeNeo()
