"""Loaded models, as far as prompts go, and the list of checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .encoders import BareOpenClip, BareTransformersClip, make_table

ENCODERS = {"sd1": ("clip_l",), "sd2": ("clip_h",), "sdxl": ("clip_l", "clip_g"), "refiner": ("clip_g",)}


class CheckpointInfo:
    """An entry of the host's list; `names` are attributes with its short name."""

    def __init__(self, path: Path, folder: Path, names: Sequence[str]) -> None:
        self.filename = str(path)
        self.name = path.relative_to(folder).as_posix()
        self.sha256: str | None = None
        for name in names:
            setattr(self, name, path.stem)


class Model:
    """A model that keeps what it was given to encode."""

    def __init__(self, kind: str, info: Any) -> None:
        self.kind = kind
        self.sd_checkpoint_info = info
        self.encoded: list[str] = []
        self.before_encoding: Callable[[], object] = bool

    def get_learned_conditioning(self, texts: Sequence[str]) -> Any:
        self.encoded += texts
        self.before_encoding()
        return self.encode(texts)

    def encode(self, texts: Sequence[str]) -> Any:
        raise NotImplementedError


class OneEncoderModel(Model):
    """One with a single text encoder in a place of its own."""

    def __init__(self, kind: str, bare: Sequence[Any], info: Any) -> None:
        super().__init__(kind, info)
        (self.cond_stage_model,) = bare

    def encode(self, texts: Sequence[str]) -> Tensor:
        return self.cond_stage_model(texts)  # type: ignore[no-any-return]


class Conditioner:
    """A list of encoders, in which one stands that reads no text."""

    def __init__(self, bare: Sequence[Any]) -> None:
        self.embedders = [*bare, SizeEncoder()]

    def first(self) -> Any:
        return self.embedders[0]

    def tokenize(self, texts: Sequence[str]) -> Any:
        return self.first().tokenize(texts)

    def process_texts(self, texts: Sequence[str]) -> Any:
        return self.first().process_texts(texts)

    def get_target_prompt_token_count(self, token_count: int) -> Any:
        return self.first().get_target_prompt_token_count(token_count)

    def encode_embedding_init_text(self, text: str, length: int) -> Tensor:
        return torch.cat([e.encode_embedding_init_text(text, length) for e in self.embedders[:-1]], dim=1)


class SizeEncoder:
    """Encodes a picture's size."""

    def __call__(self, width: int, height: int) -> Tensor:
        return torch.tensor([float(width), float(height)])


class ManyEncodersModel(Model):
    """SDXL's kind; its conditioner has a second name while its encoders are wrapped."""

    def __init__(self, kind: str, bare: Sequence[Any], info: Any) -> None:
        super().__init__(kind, info)
        self.conditioner = Conditioner(bare)

    def encode(self, texts: Any) -> Mapping[str, Tensor]:
        return join(self.conditioner.embedders[:-1], self.conditioner.embedders[-1], texts)


def join(encoders: Sequence[Any], sizes: SizeEncoder, texts: Any) -> Mapping[str, Tensor]:
    """Encode texts by several encoders, beside each other."""
    vector = sizes(getattr(texts, "width", None) or 1024, getattr(texts, "height", None) or 1024)
    crossattn = torch.cat([encoder(texts) for encoder in encoders], dim=2)
    return {"crossattn": crossattn, "vector": vector.repeat(len(texts), 1)}


def make_bare_model(kind: str, seed: int, info: Any, *, has_open_clip: bool) -> Any:
    """Make a model as it is loaded, before the host has wrapped its encoders."""
    bare = [
        (BareOpenClip if has_open_clip and name != "clip_l" else BareTransformersClip)(name, make_table(name, seed))
        for name in ENCODERS[kind]
    ]
    return (OneEncoderModel if kind in ("sd1", "sd2") else ManyEncodersModel)(kind, bare, info)


def is_bare(encoder: Any) -> bool:
    return isinstance(encoder, (BareOpenClip, BareTransformersClip))


def wrap_encoders(model: Any, wrapper: Callable[[Any], Any]) -> None:
    """Put the host's wrappers around a model's text encoders."""
    if hasattr(model, "conditioner"):
        embedders = model.conditioner.embedders
        embedders[:] = [wrapper(e) if is_bare(e) else e for e in embedders]
        *texts, _ = embedders
        model.cond_stage_model = model.conditioner if len(texts) > 1 else texts[0]
    elif is_bare(getattr(model, "cond_stage_model", None)):
        model.cond_stage_model = wrapper(model.cond_stage_model)


def unwrap_encoders(model: Any) -> None:
    """Take the host's wrappers off."""
    if hasattr(model, "conditioner"):
        embedders = model.conditioner.embedders
        embedders[:] = [e.unwrap() if hasattr(e, "unwrap") else e for e in embedders]
        del model.cond_stage_model
    else:
        model.cond_stage_model = model.cond_stage_model.unwrap()


def encoders_of(model: Any) -> list[Any]:
    """Give a model's wrapped text encoders, in order."""
    stage = getattr(model, "cond_stage_model", None)
    return [e for e in getattr(stage, "embedders", [stage]) if hasattr(e, "tokenize_line")]
