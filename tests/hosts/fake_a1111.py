"""AUTOMATIC1111 in small: a table of its modules, and what a user does with it.

What it conditions is the list of vectors that would enter a transformer; see `parts/encoders.py`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import safetensors.torch
from torch import Tensor

from lib_embmerge.hosts.a1111 import A1111
from lib_embmerge.hosts.webui.extension import WebUI

from .parts import vocabulary, webui
from .parts.assembly import Maker, Modules, installed, library_kept
from .parts.conditioning import prompt_parser
from .parts.counter import ui
from .parts.jobs import processing
from .parts.models import ENCODERS, CheckpointInfo, encoders_of, make_bare_model

__all__ = ["ENCODERS", "FakeA1111", "library_kept", "make_model", "same"]

HASH_COMMENTS = (r"#[^\n]*",)

TABLE: Mapping[str, Maker] = {
    "open_clip.tokenizer": webui.open_clip_tokenizer,
    "modules.devices": webui.devices,
    "modules.call_queue": webui.call_queue,
    "modules.shared": webui.shared(
        enable_prompt_comments=True, sd_checkpoints_limit=1, textual_inversion_add_hashes_to_infotext=True
    ),
    "modules.scripts": webui.scripts,
    "modules.script_callbacks": webui.callbacks(),
    "modules.textual_inversion.textual_inversion": webui.embedding_module,
    "modules.sd_hijack": webui.sd_hijack,
    "modules.sd_hijack_clip": webui.sd_hijack_clip("TextConditionalModel", "FrozenCLIPEmbedderWithCustomWordsBase"),
    "modules.sd_models": webui.sd_models(webui.load_whole),
    "modules.prompt_parser": prompt_parser,
    "modules.processing": processing,
    "modules.ui": ui,
}

FACTS: Mapping[str, Any] = {
    "begin_job": webui.clear_notes_and_look_at_folder,
    "checkpoint_names": ("name_for_extra", "model_name"),
    "comments": HASH_COMMENTS,
    "count": webui.count_by_hijack,
    "end_job": webui.give_notes,
    "has_old_scheduling": True,
    "has_open_clip": True,
    "in_inference_mode": False,
    "loaded": webui.checkpoint_of,
    "take_notes": lambda modules: {},
}


class FakeA1111:
    """The host, its loaded model, and what users and other extensions do in it."""

    kinds: Sequence[str] = ("sd1", "sd2", "sdxl", "refiner")
    table: ClassVar[Mapping[str, Maker]] = TABLE
    facts: ClassVar[Mapping[str, Any]] = FACTS
    names = (
        "devices", "processing", "prompt_parser", "script_callbacks", "scripts", "sd_hijack", "sd_hijack_clip",
        "sd_models", "shared", "ui",
    )  # fmt: skip
    """Modules that tests look into."""

    def __init__(self, modules: Modules) -> None:
        self.of = modules
        self.embeddings_folder, self.checkpoints_folder = modules.embeddings_folder, modules.checkpoints_folder
        self.modules: Any = SimpleNamespace(
            bpe=vocabulary,
            textual_inversion=modules.found.get("modules.textual_inversion.textual_inversion"),
            **{name: modules[f"modules.{name}"] for name in self.names},
        )
        self.opts = self.modules.shared.opts
        self.model: Any = None
        self.scripts: list[Any] = []

    @classmethod
    def installed(cls, folder: Path) -> contextlib.AbstractContextManager[Modules]:
        """Let imports find the host's modules while the context lasts."""
        return installed(cls.table, folder, **cls.facts)

    @property
    def database(self) -> Any:
        return self.modules.sd_hijack.model_hijack.embedding_db

    def adapter(self) -> Any:
        return A1111()

    def webui(self) -> WebUI:
        """Give the whole extension, not yet started."""
        return WebUI(self.adapter(), self.modules.script_callbacks)

    def load(self, kind: str, *, seed: int = 0, name: str | None = None) -> Any:
        """Load another checkpoint."""
        path = self.checkpoints_folder / f"{name or f'{kind}-{seed}'}.safetensors"
        self.model = make_model(kind, seed, path)
        return self.modules.sd_models.load_model(self.model)

    def embedders(self) -> list[Any]:
        """Give the model's text encoders, in order."""
        return encoders_of(self.model)

    def tables(self) -> Mapping[str, Any]:
        """Give the model's token tables (`torch.nn.Embedding`) by encoder name."""
        return {encoder.wrapped.name: encoder.table for encoder in self.embedders()}

    def rows(self, text: str, encoder: str = "clip_l") -> Tensor:
        """Give a text's rows of the table, as the host would look them up."""
        return self.tables()[encoder].weight.detach()[vocabulary.encode(text)].clone()  # type: ignore[no-any-return]

    def condition(self, *prompts: str, steps: int = 10, width: int = 512) -> Any:
        """Encode prompts as the host does positive ones: per prompt and part of AND its weight and schedule."""
        texts = self.modules.prompt_parser.SdConditioning(prompts, width=width, height=width)
        learned = self.modules.prompt_parser.get_multicond_learned_conditioning(self.model, texts, steps)
        return [[(part.weight, list(part.schedules)) for part in parts] for parts in learned.batch]

    def condition_negative(self, *prompts: str, steps: int = 10) -> Any:
        """Encode prompts as the host does negative ones: per prompt its schedule."""
        texts = self.modules.prompt_parser.SdConditioning(prompts, is_negative_prompt=True, width=512, height=512)
        return self.modules.prompt_parser.get_learned_conditioning(self.model, texts, steps)

    def positions(self, prompt: str) -> Tensor:
        """Give the vectors of a prompt without editing, a row for each position: (77 · chunks, sum of widths)."""
        (((_, ((_, cond),)),),) = self.condition(prompt)
        return cond["crossattn"] if isinstance(cond, dict) else cond

    def texts_encoded(self) -> list[str]:
        """Give all texts that the model has been given, in order."""
        return self.model.encoded  # type: ignore[no-any-return]

    def processing(self, prompt: str = "", negative_prompt: str = "", **settings: Any) -> Any:
        """Make a job."""
        kind = self.modules.processing.StableDiffusionProcessing
        return kind(prompt, negative_prompt, scripts=self.scripts, **settings)

    def generate(self, prompt: str, negative_prompt: str = "", **settings: Any) -> Any:
        """Run a job up to its conditioning."""
        return self.modules.processing.process_images(self.processing(prompt, negative_prompt, **settings))

    def job_without_conditioning(self, prompt: str) -> Any:
        """Make a job and let the scripts see it."""
        p = self.processing(prompt)
        p.setup_prompts()
        for script in self.scripts:
            script.process(p)
        return p

    def count(self, prompt: str, styles: Sequence[str] = (), *, is_positive: bool = True) -> str:
        """Give what the token counter shows, `12/75`."""
        shown: str = self.modules.ui.update_token_counter(prompt, 20, list(styles), is_positive=is_positive)
        return shown.partition(">")[2].removesuffix("</span>")

    def save_embedding(self, name: str, vectors: Mapping[str, Tensor] | Tensor, folder: str = "") -> Path:
        """Write a file as training would, replacing one of that name."""
        path = self.embeddings_folder / folder / f"{name}.safetensors"
        path.parent.mkdir(exist_ok=True)
        before = path.stat().st_mtime_ns if path.exists() else None
        written = path.with_suffix(".new")
        safetensors.torch.save_file({"emb_params": vectors} if isinstance(vectors, Tensor) else dict(vectors), written)
        if before is not None:
            os.utime(written, ns=(before + 10**9, before + 10**9))  # the clock of a file system may be coarse
        written.replace(path)
        return path

    def reload_embeddings(self) -> None:
        """Press the refresh button."""
        self.database.load_textual_inversion_embeddings(force_reload=True)

    def registered(self) -> Any:
        """Give a copy of everything in the databases of embeddings."""
        return registered_in(self.database)

    def hook_points(self) -> dict[str, tuple[Any, str]]:
        """Give owner and name of every function that we wrap."""
        modules = self.modules
        return {
            "conditioning": (modules.prompt_parser, "get_learned_conditioning"),
            "conditioning of parts": (modules.prompt_parser, "get_multicond_learned_conditioning"),
            "tokenizing": (self.owner_of_tokenize_line(), "tokenize_line"),
            "key of the cache": (modules.processing.StableDiffusionProcessing, "cached_params"),
            "counting": (modules.sd_hijack.StableDiffusionModelHijack, "get_prompt_lengths"),
            "reading the folder": (modules.textual_inversion.EmbeddingDatabase, "load_textual_inversion_embeddings"),
        }

    def owner_of_tokenize_line(self) -> Any:
        return self.modules.sd_hijack_clip.TextConditionalModel

    def reload_ui(self, start: Callable[[], Any]) -> Any:
        """Press "Reload UI": scripts are told to unload, callbacks are forgotten, scripts run again."""
        self.modules.script_callbacks.script_unloaded_callback()
        self.modules.script_callbacks.clear_callbacks()
        return start()


def registered_in(database: Any) -> Any:
    """Give a copy of everything in a database."""
    lookup = {first: [(tuple(ids), id(e)) for ids, e in found] for first, found in database.ids_lookup.items()}
    return lookup, dict(database.word_embeddings), dict(database.skipped_embeddings)


def enlist(path: Path, kind: type[CheckpointInfo] = CheckpointInfo) -> Any:
    """Put a checkpoint into the running host's list."""
    modules = Modules.current
    info = kind(path, modules.checkpoints_folder, modules.facts["checkpoint_names"])
    place = "modules.sd_checkpoint" if "modules.sd_checkpoint" in modules.found else "modules.sd_models"
    modules[place].checkpoints_list[str(path)] = info
    return info


def make_model(kind: str, seed: int, path: Path) -> Any:
    """Make a model that the running host has not wrapped yet, with a checkpoint in the host's list."""
    return make_bare_model(kind, seed, enlist(path), has_open_clip=Modules.current.facts["has_open_clip"])


def same(one: Any, other: Any) -> bool:
    """Say whether two conditionings are equal to the bit."""
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and one.equal(other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
