"""Forge in small: a table of its modules, and what a user does with it.

What a user does is as with `fake_a1111.py`, and so is the conditioning that a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, ClassVar

import pytest

from lib_embmerge.hosts.forge import Forge

from .fake_a1111 import FACTS, FakeA1111, enlist, registered_in
from .fake_a1111 import TABLE as A1111_TABLE
from .parts import engines, webui
from .parts.assembly import Maker, Modules, fresh
from .parts.installed import CardDatabase

OF_A1111 = ("call_queue", "devices", "processing", "prompt_parser", "script_callbacks", "scripts", "ui")
"""Modules in which the hosts do not differ, as far as tests go."""

CLIP, WORDS = "classic_engine.ClassicTextProcessingEngine", "t5_engine.T5TextProcessingEngine"


def clip_engines(modules: Modules) -> Mapping[str, Any]:
    name = CLIP.partition(".")[2]
    return {name: engines.clip_engine(modules, name), "last_extra_generation_params": {}}


def words_engines(_: Modules) -> Mapping[str, Any]:
    name = WORDS.partition(".")[2]
    return {name: fresh(engines.WordsEngine, name)}


def cards(modules: Modules) -> Mapping[str, Any]:
    return {"embedding_db": CardDatabase(lambda: 0, [str(modules.embeddings_folder)])}


def note_names(modules: Modules, texts: Sequence[str], used: Sequence[Any]) -> None:
    """Note for the infotext the names of embeddings, once for each encoder, and the kind of emphasis."""
    notes = modules["backend.text_processing.classic_engine"].last_extra_generation_params
    add_names(notes, used)
    webui.note_emphasis(modules["modules.shared"].opts, texts, notes)


def add_names(notes: dict[str, str], used: Sequence[Any]) -> None:
    names = [e.name for e in used]
    if names:
        notes["TI"] = ", ".join([*filter(None, [notes.get("TI")]), *names])


def take_notes(modules: Modules) -> Mapping[str, str]:
    """Keep the notes with what was encoded, and begin new ones."""
    module = modules["backend.text_processing.classic_engine"]
    notes: Mapping[str, str] = module.last_extra_generation_params
    module.last_extra_generation_params = {}
    return notes


def count(modules: Modules, text: str) -> Any:
    return modules["modules.sd_models"].model_data.sd_model.get_prompt_lengths_on_ui(text)


class FakeForge(FakeA1111):
    """The host, its loaded model, and what users and other extensions do in it."""

    kinds: Sequence[str] = tuple(engines.KINDS)
    engines_of = (CLIP, WORDS)
    """Module and class of the text engines with and without embeddings."""
    table: ClassVar[Mapping[str, Maker]] = {
        "modules.shared": webui.shared(enable_prompt_comments=True, sd3_enable_t5=False),
        **{f"modules.{name}": A1111_TABLE[f"modules.{name}"] for name in OF_A1111},
        "modules.sd_models": engines.sd_models,
        "modules.ui_extra_networks_textual_inversion": cards,
        "modules_forge.main_thread": webui.main_thread,
        "backend.text_processing.textual_inversion": engines.embedding_module,
        "backend.text_processing.classic_engine": clip_engines,
        "backend.text_processing.t5_engine": words_engines,
        "backend.diffusion_engine.base": engines.base,
        "backend.diffusion_engine.models": engines.models,
    }
    facts: ClassVar[Mapping[str, Any]] = {
        **FACTS,
        "begin_job": lambda modules: None,
        "count": count,
        "end_job": lambda modules, p: None,
        "in_inference_mode": True,
        "note": note_names,
        "take_notes": take_notes,
    }
    names = ("devices", "processing", "prompt_parser", "script_callbacks", "scripts", "sd_models", "shared", "ui")

    def __init__(self, modules: Modules) -> None:
        super().__init__(modules)
        more = {name.partition(".")[0]: self.engine_module(name) for name in self.engines_of}
        vars(self.modules).update(
            more,
            textual_inversion=self.engine_module("textual_inversion"),
            cards=modules["modules.ui_extra_networks_textual_inversion"],
            main_thread=modules["modules_forge.main_thread"],
            models=modules["backend.diffusion_engine.models"],
        )

    def engine_module(self, name: str) -> ModuleType:
        """Give the module of a string like `classic_engine.ClassicTextProcessingEngine`."""
        return self.of.found[f"backend.text_processing.{name.partition('.')[0]}"]

    def engine_class(self, name: str) -> Any:
        return getattr(self.engine_module(name), name.partition(".")[2])

    def adapter(self) -> Any:
        return Forge()

    def load(self, kind: str, *, seed: int = 0, name: str | None = None) -> Any:
        """Load another checkpoint."""
        if kind not in self.kinds:
            pytest.skip("the host has no such model")
        self.choose(kind, seed=seed, name=name)
        self.model, _ = self.modules.sd_models.forge_model_reload()
        return self.model

    def choose(self, kind: str, *, seed: int = 0, name: str | None = None) -> None:
        """Choose a checkpoint; the next job loads it."""
        info = enlist(self.checkpoints_folder / f"{name or f'{kind}-{seed}'}.safetensors")
        clip, words = map(self.engine_class, self.engines_of)
        info.make = lambda: engines.make_engine_model(self.of, kind, seed, clip, words)
        self.modules.sd_models.model_data.forge_loading_parameters = {"checkpoint_info": info}

    def unload(self) -> None:
        """Begin as the host does after its start: no model, and none chosen."""
        data = self.modules.sd_models.model_data
        data.sd_model, data.forge_loading_parameters, data.loaded_with = engines.InitialModel(), {}, None

    def engines(self) -> list[Any]:
        """Give the model's text engines that take embeddings, in order."""
        return self.model.clip_engines()  # type: ignore[no-any-return]

    def tables(self) -> Mapping[str, Any]:
        return {
            engine.embedding_key: engine.text_encoder.transformer.text_model.embeddings.token_embedding.wrapped
            for engine in self.engines()
        }

    def words(self, prompt: str) -> Any:
        """Give what T5 makes of a prompt, part by part."""
        return [[cond["words"] for _, cond in schedule] for _, schedule in self.condition(prompt)[0]]

    def reload_embeddings(self) -> None:
        """Let every engine read the folder again, as loading the model does; the host has no button for it."""
        for engine in self.engines():
            engine.embeddings.load_textual_inversion_embeddings()

    def register(self, name: str, vectors: Any) -> None:
        """Register an embedding with every engine, as another extension does."""
        entry = self.modules.textual_inversion.Embedding(vectors, name)
        rows = next(iter(vectors.values())) if isinstance(vectors, dict) else vectors
        entry.vectors = len(rows)
        for engine in self.engines():
            engine.embeddings.register_embedding_by_name(entry, name)

    def registered(self) -> Any:
        words = self.model.words_engine()
        kept = [] if words is None else [type(words.tokenizer), len(words.layer._forward_hooks)]
        return [registered_in(engine.embeddings) for engine in self.engines()] + kept

    def hook_points(self) -> dict[str, tuple[Any, str]]:
        modules = self.modules
        engine = self.engine_class(self.engines_of[0])
        return {
            "conditioning": (modules.prompt_parser, "get_learned_conditioning"),
            "conditioning of parts": (modules.prompt_parser, "get_multicond_learned_conditioning"),
            "tokenizing": (engine, "tokenize_line"),
            "running": (engine, "__call__"),
            "conditioning of a model": (modules.models.StableDiffusion, "get_learned_conditioning"),
            "key of the cache": (modules.processing.StableDiffusionProcessing, "cached_params"),
            "counting": (modules.models.StableDiffusion, "get_prompt_lengths_on_ui"),
            "counting for two": (modules.models.StableDiffusionXL, "get_prompt_lengths_on_ui"),
            "reading the folder": (modules.textual_inversion.EmbeddingDatabase, "load_textual_inversion_embeddings"),
        }
