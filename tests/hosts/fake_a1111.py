"""AUTOMATIC1111 in small: its modules (`a1111/`) in `sys.modules`, models for it, and what a user does with it.

The conditioning of these models is the list of vectors that would enter their transformers, one row per position with
start token and padding, so a test can compare `<'cat'>` with `cat` to the bit.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from lib_embmerge.hosts.a1111 import A1111
from lib_embmerge.hosts.webui.extension import WebUI

FOLDER = Path(__file__).parent / "a1111"
FOREIGN = ("modules", "modules_forge", "open_clip")
WIDTHS = {"sd1": (768,), "sd2": (1024,), "sdxl": (768, 1280), "refiner": (1280,)}
ENCODERS = {"sd1": ("clip_l",), "sd2": ("clip_h",), "sdxl": ("clip_l", "clip_g"), "refiner": ("clip_g",)}


@contextlib.contextmanager
def installed_modules(*overlays: Path) -> Iterator[None]:
    """Let `import modules.…` find the fake, freshly loaded, and take it away again.

    An overlay is the folder of a fork's packages, for the modules in which it differs; of a fork of a fork that one's
    comes first.
    """
    with found_modules(FOREIGN, lambda name: _place_of(name, overlays)):
        sys.modules["open_clip"] = types.ModuleType("open_clip")
        tokenizer = sys.modules["open_clip.tokenizer"] = types.ModuleType("open_clip.tokenizer")
        sys.modules["open_clip"].tokenizer = tokenizer  # type: ignore[attr-defined]
        tokenizer._tokenizer = importlib.import_module("modules.bpe").OpenClipTokenizer()  # type: ignore[attr-defined]
        yield


def _place_of(name: Sequence[str], overlays: Sequence[Path]) -> Path | None:
    """Find `modules.…` in a fork's folder, else in the fake's; `modules.common.…` in the fake's only."""
    first, *rest = name
    places = [overlay / first for overlay in overlays]
    if rest[:1] == ["common"]:
        places, rest = [], rest[1:]
    if first == "modules":
        places.append(FOLDER)
    found = (place.joinpath(*rest) for place in places)
    return next((place for place in found if file_of(place).is_file()), None)


@contextlib.contextmanager
def found_modules(packages: Sequence[str], place_of: Callable[[Sequence[str]], Path | None]) -> Iterator[None]:
    """Let modules be found where `place_of` says, a file without suffix or a folder, and take them away again."""
    kept = _taken_away(packages)
    finder = _Finder(place_of)
    sys.meta_path.insert(0, finder)  # type: ignore[arg-type]
    try:
        yield
    finally:
        sys.meta_path.remove(finder)  # type: ignore[arg-type]
        _taken_away(packages)
        sys.modules.update(kept)


class _Finder:
    """Finds a fake's modules in its folder."""

    def __init__(self, place_of: Callable[[Sequence[str]], Path | None]) -> None:
        self.place_of = place_of

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        place = self.place_of(name.split("."))
        if place is None or not file_of(place).is_file():
            return None
        file = file_of(place)
        spec = importlib.util.spec_from_file_location(name, file, loader=_Loader(name, str(file)))
        if spec is not None and spec.submodule_search_locations:
            spec.submodule_search_locations.clear()  # what the host has not must not be found in the folder either
        return spec


def file_of(place: Path) -> Path:
    """Give the file of a module whose place is a file without suffix or a folder."""
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


class _Loader(SourceFileLoader):
    """Compiles each file once, though every test loads it anew."""

    @functools.cache  # noqa: B019
    def get_code(self, fullname: str) -> types.CodeType | None:
        return super().get_code(fullname)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Loader) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)


@contextlib.contextmanager
def library_kept() -> Iterator[None]:
    """Let our script file import the library anew; the tests have theirs back afterwards."""
    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "lib_embmerge"}
    try:
        yield
    finally:
        _taken_away(["lib_embmerge"])
        sys.modules.update(kept)


def _taken_away(names: Sequence[str]) -> dict[str, Any]:
    found = [name for name in sys.modules if name.split(".")[0] in names]
    return {name: sys.modules.pop(name) for name in found}


class FakeA1111:
    """The host, its loaded model, and what users and other extensions do in it."""

    kinds = ("sd1", "sd2", "sdxl", "refiner")

    def __init__(self, folder: Path) -> None:
        self.embeddings_folder = folder / "embeddings"
        self.embeddings_folder.mkdir()
        self.checkpoints_folder = folder / "checkpoints"
        self.modules = SimpleNamespace(
            **{
                name: importlib.import_module(f"modules.{name}")
                for name in (
                    "bpe", "devices", "processing", "prompt_parser", "script_callbacks", "scripts", "sd_hijack",
                    "sd_hijack_clip", "sd_models", "shared", "ui",
                )
            },
            textual_inversion=importlib.import_module("modules.textual_inversion.textual_inversion"),
        )  # fmt: skip
        self.opts = self.modules.shared.opts
        self.database = self.modules.sd_hijack.model_hijack.embedding_db
        self.modules.shared.cmd_opts.embeddings_dir = str(self.embeddings_folder)
        self.database.add_embedding_dir(str(self.embeddings_folder))
        self.model: Any = None
        self.scripts: list[Any] = []

    def adapter(self) -> A1111:
        return A1111()

    def webui(self) -> WebUI:
        """Give the whole extension, not yet started."""
        return WebUI(self.adapter(), self.modules.script_callbacks)

    def load(self, kind: str, *, seed: int = 0, name: str | None = None) -> Any:
        """Load another checkpoint."""
        self.model = make_model(kind, seed, self.checkpoints_folder / f"{name or f'{kind}-{seed}'}.safetensors")
        return self.modules.sd_models.load_model(self.model)

    def embedders(self) -> list[Any]:
        """Give the model's text encoders, in order."""
        stage = self.model.cond_stage_model
        return [e for e in getattr(stage, "embedders", [stage]) if hasattr(e, "tokenize_line")]

    def tables(self) -> dict[str, Any]:
        """Give the model's token tables (`torch.nn.Embedding`) by encoder name."""
        found = []
        for embedder in self.embedders():
            wrapped = embedder.wrapped
            place = wrapped.model if hasattr(wrapped, "model") else wrapped.transformer.text_model.embeddings
            found.append(place.token_embedding.wrapped)
        return dict(zip(ENCODERS[self.model.kind], found, strict=True))

    def rows(self, text: str, encoder: str = "clip_l") -> Tensor:
        """Give a text's rows of the table, as the host would look them up."""
        return self.tables()[encoder].weight.detach()[self.modules.bpe.encode(text)].clone()

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
        ((_, ((_, cond),)),) = self.condition(prompt)[0:1][0]
        return cond["crossattn"] if isinstance(cond, dict) else cond

    def texts_encoded(self) -> list[str]:
        """Give all texts that the model has been given, in order."""
        return self.model.encoded

    def processing(self, prompt: str, negative_prompt: str = "", **settings: Any) -> Any:
        """Make a generation."""
        return self.modules.processing.StableDiffusionProcessing(
            prompt, negative_prompt, scripts=self.scripts, **settings
        )

    def generate(self, prompt: str, negative_prompt: str = "", **settings: Any) -> Any:
        """Run a generation up to its conditioning."""
        return self.modules.processing.process_images(self.processing(prompt, negative_prompt, **settings))

    def count(self, prompt: str, styles: Sequence[str] = (), *, is_positive: bool = True) -> str:
        """Give what the token counter shows, `12/75`."""
        shown = self.modules.ui.update_token_counter(prompt, 20, list(styles), is_positive=is_positive)
        return shown.removeprefix("<span class='gr-box gr-text-input'>").removesuffix("</span>")

    def save_embedding(self, name: str, vectors: Mapping[str, Tensor] | Tensor, folder: str = "") -> Path:
        """Write a file as training would, replacing one of that name."""
        path = self.embeddings_folder / folder / f"{name}.safetensors"
        path.parent.mkdir(exist_ok=True)
        tensors = {"emb_params": vectors} if isinstance(vectors, Tensor) else dict(vectors)
        before = path.stat().st_mtime_ns if path.exists() else None
        written = path.with_suffix(".new")
        safetensors.torch.save_file(tensors, written)
        if before is not None:
            os.utime(written, ns=(before + 10**9, before + 10**9))  # the clock of a file system may be coarse
        written.replace(path)
        return path

    def reload_embeddings(self) -> None:
        """Press the refresh button."""
        self.database.load_textual_inversion_embeddings(force_reload=True)

    def registered(self) -> Any:
        """Give a copy of everything in the databases of embeddings."""
        lookup = {first: [(tuple(ids), id(e)) for ids, e in found] for first, found in self.database.ids_lookup.items()}
        return lookup, dict(self.database.word_embeddings), dict(self.database.skipped_embeddings)

    def hook_points(self) -> dict[str, tuple[Any, str]]:
        """Give owner and name of every function that we wrap."""
        modules = self.modules
        return {
            "conditioning": (modules.prompt_parser, "get_learned_conditioning"),
            "conditioning of parts": (modules.prompt_parser, "get_multicond_learned_conditioning"),
            "tokenizing": (self.owner_of_tokenize_line(), "tokenize_line"),
            "key of the cache": (modules.processing.StableDiffusionProcessing, "cached_params"),
            "counting": (modules.sd_hijack.StableDiffusionModelHijack, "get_prompt_lengths"),
        }

    def owner_of_tokenize_line(self) -> Any:
        return self.modules.sd_hijack_clip.TextConditionalModel

    def reload_ui(self, start: Callable[[], Any]) -> Any:
        """Press "Reload UI": scripts are told to unload, callbacks are forgotten, scripts run again."""
        self.modules.script_callbacks.script_unloaded_callback()
        self.modules.script_callbacks.clear_callbacks()
        return start()


class FrozenCLIPEmbedder:
    """The first text encoder: transformers' CLIP."""

    def __init__(self, table: torch.nn.Embedding) -> None:
        self.tokenizer = importlib.import_module("modules.bpe").TransformersTokenizer()
        self.transformer = SimpleNamespace(
            text_model=SimpleNamespace(embeddings=SimpleNamespace(token_embedding=table))
        )


class FrozenOpenCLIPEmbedder:
    """The text encoder of SD 2: open_clip's."""

    def __init__(self, table: torch.nn.Embedding) -> None:
        self.model = SimpleNamespace(token_embedding=table)


class FrozenOpenCLIPEmbedder2(FrozenOpenCLIPEmbedder):
    """The second text encoder of SDXL."""


class ConcatTimestepEmbedderND:
    """The encoder of sizes that stands among SDXL's text encoders."""

    def __call__(self, width: int, height: int) -> Tensor:
        return torch.tensor([float(height), float(width)])


class GeneralConditioner:
    """SDXL's list of encoders."""

    def __init__(self, embedders: Sequence[Any]) -> None:
        self.embedders = list(embedders)

    def _text_encoders(self) -> list[Any]:
        return [e for e in self.embedders if hasattr(e, "tokenize")]

    def tokenize(self, texts: Sequence[str]) -> Any:
        return self._text_encoders()[0].tokenize(texts)

    def process_texts(self, texts: Sequence[str]) -> Any:
        return self._text_encoders()[0].process_texts(texts)

    def get_target_prompt_token_count(self, token_count: int) -> Any:
        return self._text_encoders()[0].get_target_prompt_token_count(token_count)

    def encode_embedding_init_text(self, text: str, length: int) -> Tensor:
        return torch.cat([e.encode_embedding_init_text(text, length) for e in self._text_encoders()], dim=1)

    def __call__(self, texts: Sequence[str], width: int, height: int) -> dict[str, Tensor]:
        crossattn = torch.cat([e(texts) for e in self._text_encoders()], dim=2)
        vector = torch.cat([e(width, height) for e in self.embedders if not hasattr(e, "tokenize")])
        return {"crossattn": crossattn, "vector": vector.repeat(len(texts), 1)}


class LatentDiffusion:
    """A model of SD 1 or 2."""

    def __init__(self, kind: str, embedder: Any, info: Any) -> None:
        self.kind = kind
        self.cond_stage_model = embedder
        self.sd_checkpoint_info = info
        self.encoded: list[str] = []
        self.before_encoding: Callable[[], object] = bool

    def get_learned_conditioning(self, texts: Sequence[str]) -> Any:
        self.encoded += texts
        self.before_encoding()
        return self.cond_stage_model(texts)


class DiffusionEngine:
    """A model of SDXL."""

    def __init__(self, kind: str, embedders: Sequence[Any], info: Any) -> None:
        self.kind = kind
        self.conditioner = GeneralConditioner([*embedders, ConcatTimestepEmbedderND()])
        self.sd_checkpoint_info = info
        self.encoded: list[str] = []
        self.before_encoding: Callable[[], object] = bool

    def get_learned_conditioning(self, texts: Any) -> Any:
        self.encoded += texts
        self.before_encoding()
        return self.conditioner(texts, texts.width, texts.height)


def make_model(kind: str, seed: int, path: Path) -> Any:
    """Make a model that is not hijacked yet, with a checkpoint in the host's list."""
    info = importlib.import_module("modules.sd_models").CheckpointInfo(path)
    info.register()
    tables = [make_table(width, seed) for width in WIDTHS[kind]]
    if kind == "sd1":
        return LatentDiffusion(kind, FrozenCLIPEmbedder(tables[0]), info)
    if kind == "sd2":
        return LatentDiffusion(kind, FrozenOpenCLIPEmbedder(tables[0]), info)
    second = FrozenOpenCLIPEmbedder2(tables[-1])
    return DiffusionEngine(kind, [second] if kind == "refiner" else [FrozenCLIPEmbedder(tables[0]), second], info)


def make_table(width: int, seed: int) -> torch.nn.Embedding:
    """Make a text encoder's token table."""
    return torch.nn.Embedding.from_pretrained(_numbers(width, seed).clone())


@functools.cache
def _numbers(width: int, seed: int) -> Tensor:
    """Give rows of small fractions of two, so that sums of a few are exact."""
    size = importlib.import_module("modules.bpe").SIZE
    generator = torch.Generator().manual_seed(1000 * width + seed)
    return torch.randint(-127, 128, (size, width), generator=generator) / 256


def same(one: Any, other: Any) -> bool:
    """Say whether two conditionings are equal to the bit."""
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
