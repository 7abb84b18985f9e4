"""SD.Next in small: its modules (`sdnext/`) in `sys.modules`, models for it, and what a user does with it.

What a user does is as with the fake of AUTOMATIC1111, and so is the conditioning that a test compares.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from lib_embmerge.hosts.sdnext.adapter import SDNext

from .fake_a1111 import FOLDER as A1111_FOLDER
from .fake_a1111 import FakeA1111, found_modules

FOLDER = Path(__file__).parent / "sdnext"
KEPT_OF_A1111 = ("call_queue", "devices", "prompt_parser", "scripts")
"""Modules of the first host that this one has unchanged, as far as the fakes go."""

WIDTHS = {"clip_l": 768, "clip_h": 1024, "clip_g": 1280}
ENCODERS = {
    "sd1": {0: "clip_l"},
    "sd2": {0: "clip_h"},
    "sdxl": {0: "clip_l", 1: "clip_g"},
    "refiner": {1: "clip_g"},
    "sd3": {0: "clip_l", 1: "clip_g", 2: "t5"},
    "flux": {0: "clip_l", 1: "t5"},
    "hidream": {0: "clip_l", 1: "clip_g", 2: "t5"},
    "qwen": {0: "t5"},
}
"""By kind: which text encoder stands at which place of the pipeline."""

PIPELINES = {
    "sd1": "StableDiffusionPipeline",
    "sd2": "StableDiffusionPipeline",
    "sdxl": "StableDiffusionXLPipeline",
    "refiner": "StableDiffusionXLPipeline",
    "sd3": "StableDiffusion3Pipeline",
    "flux": "FluxPipeline",
    "hidream": "HiDreamImagePipeline",
    "qwen": "QwenImagePipeline",
}


def installed_modules() -> contextlib.AbstractContextManager[None]:
    """Let the host's package be found, freshly loaded, and take it away again."""
    return found_modules(("modules", "modules_forge", "backend"), _place_of)


def _place_of(name: Sequence[str]) -> Path | None:
    if name[0] != "modules":
        return None
    return (A1111_FOLDER if name[-1] in KEPT_OF_A1111 else FOLDER).joinpath(*name[1:])


class FakeSDNext(FakeA1111):
    """The host, its loaded model, and what users and other extensions do in it."""

    def __init__(self, folder: Path) -> None:
        self.embeddings_folder = folder / "embeddings"
        self.embeddings_folder.mkdir()
        self.checkpoints_folder = folder / "checkpoints"
        names = (
            "bpe", "devices", "modeldata", "pipelines", "processing", "processing_diffusers", "prompt_parser",
            "prompt_parser_diffusers", "script_callbacks", "scripts", "sd_checkpoint", "sd_models", "shared", "styles",
            "textual_inversion", "ui_common",
        )  # fmt: skip
        self.modules = SimpleNamespace(**{name: importlib.import_module(f"modules.{name}") for name in names})
        self.opts = self.modules.shared.opts
        self.opts.embeddings_dir = str(self.embeddings_folder)
        self.model: Any = None
        self.scripts: list[Any] = []

    def adapter(self) -> Any:
        return SDNext()

    def load(self, kind: str, *, seed: int = 0, name: str | None = None) -> Any:
        """Load another checkpoint."""
        self.model = self.make(kind, seed=seed, name=name)
        return self.modules.sd_models.load_diffuser(self.model)

    def make(self, kind: str, *, seed: int = 0, name: str | None = None) -> Any:
        """Make a pipeline, with a checkpoint in the host's list."""
        info = self.modules.sd_checkpoint.CheckpointInfo(
            self.checkpoints_folder / f"{name or f'{kind}-{seed}'}.safetensors"
        )
        info.register()
        parts = {place: self._part(key, seed) for place, key in ENCODERS[kind].items()}
        model = getattr(self.modules.pipelines, PIPELINES[kind])(parts, info)
        model.kind = kind
        return model

    def _part(self, key: str, seed: int) -> tuple[Any, Any]:
        pipelines = self.modules.pipelines
        if key == "t5":
            return pipelines.T5EncoderModel(), pipelines.T5Tokenizer()
        bpe = self.modules.bpe
        table = torch.nn.Embedding.from_pretrained(_numbers(bpe.SIZE, WIDTHS[key], seed).clone())
        return pipelines.CLIPTextModel(table), pipelines.CLIPTokenizer(bpe.END if key == "clip_l" else 0)

    def text_encoders(self) -> dict[str, Any]:
        """Give the pipeline's CLIP text encoders by name."""
        suffixes = ("", "_2", "_3")
        places = {place: key for place, key in ENCODERS[self.model.kind].items() if key != "t5"}
        return {key: getattr(self.model, f"text_encoder{suffixes[place]}") for place, key in places.items()}

    def tables(self) -> dict[str, Any]:
        return {key: encoder.get_input_embeddings() for key, encoder in self.text_encoders().items()}

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

    def processing(self, prompt: str = "", negative_prompt: str = "", **settings: Any) -> Any:
        return self.modules.processing.StableDiffusionProcessing(
            prompt, negative_prompt, scripts=self.scripts, **settings
        )

    def generate(self, prompt: str, negative_prompt: str = "", **settings: Any) -> Any:
        return self.modules.processing.process_images(self.processing(prompt, negative_prompt, **settings))

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
        encoders = self.text_encoders().values()
        tables = [(id(layer), len(layer.weight), len(layer._forward_hooks)) for layer in self.tables().values()]
        tokenizers = [t for t in vars(self.model).values() if hasattr(t, "added_tokens_encoder")]
        database = self.model.embedding_db
        return (
            tables,
            [dict(tokenizer.added_tokens_encoder) for tokenizer in tokenizers],
            [len(encoder._forward_hooks) for encoder in encoders],
            dict(database.word_embeddings),
            id(self.modules.prompt_parser_diffusers.cache),
        )

    def hook_points(self) -> dict[str, tuple[Any, str]]:
        modules = self.modules
        return {
            "base": (modules.processing_diffusers, "process_base"),
            "hires": (modules.processing_diffusers, "process_hires"),
            "refiner": (modules.processing_diffusers, "process_refine"),
            "conditioning of parts": (modules.processing_diffusers, "set_pipeline_args"),
            "the second layer": (modules.prompt_parser_diffusers.PromptEmbedder, "__init__"),
            "text of each encoder": (modules.prompt_parser_diffusers, "split_prompts"),
            "choices": (modules.styles, "apply_curly_braces_to_prompt"),
            "counting": (modules.ui_common, "update_token_counter"),
        }


@functools.cache
def _numbers(size: int, width: int, seed: int) -> torch.Tensor:
    """Give rows of small fractions of two, so that sums of a few are exact."""
    generator = torch.Generator().manual_seed(1000 * width + seed)
    return torch.randint(-127, 128, (size, width), generator=generator) / 256
