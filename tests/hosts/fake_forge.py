"""Forge in small: its modules (`forge/`) in `sys.modules`, models for it, and what a user does with it.

What a user does is as with the fake of AUTOMATIC1111, and so is the conditioning that a test compares.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lib_embmerge.hosts.forge import Forge

from .fake_a1111 import FOLDER as A1111_FOLDER
from .fake_a1111 import FakeA1111, file_of, found_modules, make_table

FOLDER = Path(__file__).parent / "forge"
PACKAGES = ("modules", "modules_forge", "backend")
KEPT_OF_A1111 = ("bpe", "call_queue", "devices", "prompt_parser", "script_callbacks", "scripts", "shared")
"""Modules of the first host that this one has unchanged, as far as the fakes go."""

WIDTHS = {"clip_l": 768, "clip_h": 1024, "clip_g": 1280}
ENCODERS = {
    "sd1": ("clip_l",),
    "sd2": ("clip_h",),
    "sdxl": ("clip_l", "clip_g"),
    "refiner": ("clip_g",),
    "sd3": ("clip_l", "clip_g"),
    "flux": ("clip_l",),
    "chroma": (),
}
EXPECTED_SHAPES = {"sdxl": 2048, "refiner": 2048}
"""Columns of all tensors in an embedding's file, where it is not the engine's own width."""
WITH_T5 = ("sd3", "flux", "chroma")


def installed_modules(*overlays: Path, gone: Sequence[str] = ()) -> contextlib.AbstractContextManager[None]:
    """Let the host's packages be found, freshly loaded, and take them away again.

    Overlays are folders of a fork's packages, for the modules in which it differs, the newest first; `gone` are modules
    that it has no more.
    """
    return found_modules(PACKAGES, lambda name: None if ".".join(name) in gone else _place_of(name, overlays))


def _place_of(name: Sequence[str], overlays: Sequence[Path]) -> Path | None:
    """Find a module in a fork's folders, else in the fake's; `backend.common.…` in the fake's only."""
    first, *rest = name
    if first not in PACKAGES:
        return None
    if rest[:1] == ["common"]:
        overlays, rest = (), rest[1:]
    found = (overlay.joinpath(first, *rest) for overlay in overlays)
    place = next((place for place in found if file_of(place).is_file()), None)
    if place is not None:
        return place
    if first == "modules" and rest and rest[-1] in KEPT_OF_A1111:
        return A1111_FOLDER.joinpath(*rest)
    return FOLDER.joinpath(first, *rest)


class FakeForge(FakeA1111):
    """The host, its loaded model, and what users and other extensions do in it."""

    kinds = tuple(ENCODERS)
    engines_of = ("classic_engine.ClassicTextProcessingEngine", "t5_engine.T5TextProcessingEngine")
    """Module and class of the text engines with and without embeddings."""

    def __init__(self, folder: Path) -> None:
        self.embeddings_folder = folder / "embeddings"
        self.embeddings_folder.mkdir()
        self.checkpoints_folder = folder / "checkpoints"
        names = (
            "bpe", "devices", "processing", "prompt_parser", "script_callbacks", "scripts", "sd_models", "shared", "ui",
        )  # fmt: skip
        self.modules = SimpleNamespace(
            **{name: importlib.import_module(f"modules.{name}") for name in names},
            **{name: engine_module(name) for name in (e.split(".")[0] for e in self.engines_of)},
            textual_inversion=engine_module("textual_inversion"),
            cards=importlib.import_module("modules.ui_extra_networks_textual_inversion"),
            main_thread=importlib.import_module("modules_forge.main_thread"),
            models=importlib.import_module("backend.diffusion_engine.models"),
        )
        self.opts = self.modules.shared.opts
        self.opts.sd3_enable_t5 = False
        self.modules.shared.cmd_opts.embeddings_dir = str(self.embeddings_folder)
        self.model: Any = None
        self.scripts: list[Any] = []

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
        sd_models = self.modules.sd_models
        info = sd_models.CheckpointInfo(self.checkpoints_folder / f"{name or f'{kind}-{seed}'}.safetensors")
        info.register()
        sd_models.forge_loader = lambda filename: self.make_model(kind, seed)
        sd_models.model_data.forge_loading_parameters = {"checkpoint_info": info}

    def unload(self) -> None:
        """Begin as the host does after its start: no model, and none chosen."""
        sd_models = self.modules.sd_models
        sd_models.model_data = sd_models.SdModelData()

    def engines(self) -> list[Any]:
        """Give the model's text engines that take embeddings, in order."""
        found = [part for part in vars(self.model).values() if hasattr(part, "embedding_key")]
        return sorted(found, key=lambda engine: engine.embedding_key != "clip_l")

    def tables(self) -> dict[str, Any]:
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
        return [self._registered(engine.embeddings) for engine in self.engines()]

    def hook_points(self) -> dict[str, tuple[Any, str]]:
        modules = self.modules
        engine, words = map(engine_class, self.engines_of)
        return {
            "conditioning": (modules.prompt_parser, "get_learned_conditioning"),
            "conditioning of parts": (modules.prompt_parser, "get_multicond_learned_conditioning"),
            "tokenizing": (engine, "tokenize_line"),
            "running": (engine, "__call__"),
            "tokenizing words": (words, "tokenize_line"),
            "words": (words, "tokenize"),
            "key of the cache": (modules.processing.StableDiffusionProcessing, "cached_params"),
            "counting": (modules.models.StableDiffusion, "get_prompt_lengths_on_ui"),
            "counting for two": (modules.models.StableDiffusionXL, "get_prompt_lengths_on_ui"),
        }

    def _registered(self, database: Any) -> Any:
        lookup = {first: [(tuple(ids), id(e)) for ids, e in found] for first, found in database.ids_lookup.items()}
        return lookup, dict(database.word_embeddings), dict(database.skipped_embeddings)

    def make_model(self, kind: str, seed: int) -> Any:
        """Make a model as the host's loader does."""
        engine, words = map(engine_class, self.engines_of)
        engines = [engine(*_parts_of_engine(kind, key, seed, self.embeddings_folder)) for key in ENCODERS[kind]]
        if kind in WITH_T5:
            engines.append(words(SimpleNamespace(transformer=None), self.t5_tokenizer()))
        model = self.modules.models.KINDS[kind](engines)
        model.kind = kind
        return model

    def t5_tokenizer(self) -> Any:
        return self.modules.t5_engine.T5Tokenizer()


def engine_module(name: str) -> Any:
    return importlib.import_module(f"backend.text_processing.{name}")


def engine_class(name: str) -> Any:
    """Give the class that a string like `classic_engine.ClassicTextProcessingEngine` names."""
    module, _, kind = name.partition(".")
    return getattr(engine_module(module), kind)


def _parts_of_engine(kind: str, key: str, seed: int, folder: Path) -> tuple[Any, ...]:
    tokenizer = importlib.import_module("modules.bpe").TransformersTokenizer()
    tokenizer.pad_token_id = tokenizer.eos_token_id if key == "clip_l" else 0
    place = SimpleNamespace(token_embedding=make_table(WIDTHS[key], seed))
    encoder = SimpleNamespace(transformer=SimpleNamespace(text_model=SimpleNamespace(embeddings=place)))
    return encoder, tokenizer, str(folder), key, EXPECTED_SHAPES.get(kind, WIDTHS[key])
