"""SD.Next in small: a table of its modules, and what a user does with it.

What a user does is as with `fake_a1111.py`, and so is the conditioning that a test compares.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from lib_embmerge.hosts.sdnext.adapter import SDNext

from .fake_a1111 import FakeA1111, enlist
from .parts import pipelines, webui
from .parts.assembly import Maker, Modules


class FakeSDNext(FakeA1111):
    """The host, its loaded model, and what users and other extensions do in it."""

    kinds = tuple(pipelines.KINDS)
    table: ClassVar[Mapping[str, Maker]] = {
        "modules.devices": webui.devices,
        "modules.call_queue": webui.call_queue,
        "modules.shared": webui.shared(prompt_attention="native"),
        "modules.scripts": webui.scripts,
        "modules.script_callbacks": webui.callbacks(takes_names=False, lacking=["before_token_counter"]),
        "modules.modeldata": pipelines.modeldata,
        "modules.sd_checkpoint": pipelines.sd_checkpoint,
        "modules.sd_models": pipelines.sd_models,
        "modules.textual_inversion": pipelines.textual_inversion,
        "modules.prompt_parser_diffusers": pipelines.prompt_parser_diffusers,
        "modules.sd_hijack_te": pipelines.sd_hijack_te,
        "modules.processing_diffusers": pipelines.processing_diffusers,
        "modules.processing": pipelines.processing,
        "modules.control.run": pipelines.control_run,
        "modules.styles": pipelines.styles,
        "modules.ui_common": pipelines.ui_common,
    }
    facts: ClassVar[Mapping[str, Any]] = {"checkpoint_names": ("model_name",)}
    names = (
        "devices", "modeldata", "processing", "processing_diffusers", "prompt_parser_diffusers", "script_callbacks",
        "scripts", "sd_checkpoint", "sd_models", "shared", "styles", "ui_common",
    )  # fmt: skip

    def __init__(self, modules: Modules) -> None:
        super().__init__(modules)
        self.modules.textual_inversion = modules["modules.textual_inversion"]
        self.opts.embeddings_dir = str(modules.embeddings_folder)

    def adapter(self) -> Any:
        return SDNext()

    def load(self, kind: str, *, seed: int = 0, name: str | None = None) -> Any:
        """Load another checkpoint."""
        self.model = self.make(kind, seed=seed, name=name)
        return self.modules.sd_models.load_diffuser(self.model)

    def make(self, kind: str, *, seed: int = 0, name: str | None = None) -> Any:
        """Make a pipeline, with a checkpoint in the host's list."""
        info = enlist(self.checkpoints_folder / f"{name or f'{kind}-{seed}'}.safetensors")
        return pipelines.CLASSES[pipelines.KINDS[kind][0]](kind, seed, info)

    def tables(self) -> Mapping[str, Any]:
        return {encoder.name: encoder.get_input_embeddings() for encoder, _ in self.model.clip_parts()}

    def condition(self, *prompts: str, steps: int = 10, width: int = 512) -> Any:
        """Encode prompts as the host does positive ones: per prompt its schedule."""
        return self._embedder(prompts, [""] * len(prompts), steps).prompt_embeds

    def condition_negative(self, *prompts: str, steps: int = 10) -> Any:
        """Encode prompts as the host does negative ones: per prompt its schedule."""
        return self._embedder([""] * len(prompts), prompts, steps).negative_prompt_embeds

    def _embedder(self, prompts: Sequence[str], negative_prompts: Sequence[str], steps: int) -> Any:
        p = self.processing()
        self.modules.processing_diffusers.set_pipeline_args(
            p=p, model=self.model, prompts=self._chosen(prompts), negative_prompts=self._chosen(negative_prompts),
            num_inference_steps=steps,
        )  # fmt: skip
        return p.embedder

    def _chosen(self, prompts: Sequence[str]) -> list[str]:
        return [self.modules.styles.apply_curly_braces_to_prompt(prompt) for prompt in prompts]

    def positions(self, prompt: str) -> Any:
        return self.condition(prompt)[0][0]

    def count(self, prompt: str, styles: Sequence[str] = (), *, is_positive: bool = True) -> str:
        shown = str(self.modules.ui_common.update_token_counter(prompt)["value"])
        return shown.rpartition("<div class='token-counter-totals'>")[2].replace("</div>", "")

    def reload_embeddings(self) -> None:
        """Press the refresh button of the cards."""
        self.model.embedding_db.load_textual_inversion_embeddings(force_reload=True)
        self.modules.prompt_parser_diffusers.cache.clear()

    def register(self, name: str, vectors: Any) -> None:
        """Load an embedding as a Lora that has one inside does."""
        parts = vectors if isinstance(vectors, dict) else {"": vectors}
        self.model.embedding_db.load_diffusers_embedding(None, {name: parts})

    def registered(self) -> Any:
        """Give all in which something of ours could stay: tokens, rows, hooks, embeddings, the host's cache."""
        clip, t5 = self.model.clip_parts(), self.model.t5_part()
        layers = [encoder.get_input_embeddings() for encoder, _ in clip]
        layers += [] if t5 is None else [t5[0].shared, t5[0].encoder.embed_tokens]
        return (
            [(id(layer), len(layer.weight), len(layer._forward_hooks), len(layer._forward_pre_hooks))
             for layer in layers],
            [type(tokenizer) for _, _, tokenizer in self.model.text_parts()],
            [dict(tokenizer.added_tokens_encoder) for _, tokenizer in clip],
            [len(encoder._forward_hooks) for encoder, _ in clip],
            dict(self.model.embedding_db.word_embeddings),
            id(self.modules.prompt_parser_diffusers.cache),
            id(sys.modules["modules.sd_hijack_te"].prompt_cache),
        )

    def hook_points(self) -> dict[str, tuple[Any, str]]:
        modules = self.modules
        return {
            "base": (modules.processing_diffusers, "process_base"),
            "hires": (modules.processing_diffusers, "process_hires"),
            "refiner": (modules.processing_diffusers, "process_refine"),
            "conditioning of parts": (modules.processing_diffusers, "set_pipeline_args"),
            "the second layer": (modules.prompt_parser_diffusers.PromptEmbedder, "__init__"),
            "choices": (modules.styles, "apply_curly_braces_to_prompt"),
            "a job": (modules.processing, "process_images_inner"),
            "the first step of a job": (modules.processing_diffusers, "process_diffusers"),
            "the Control tab": (sys.modules["modules.control.run"], "control_run"),
            "counting": (modules.ui_common, "update_token_counter"),
            "reading the folder": (modules.textual_inversion.EmbeddingDatabase, "load_textual_inversion_embeddings"),
        }
