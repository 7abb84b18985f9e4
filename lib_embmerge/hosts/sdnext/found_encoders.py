"""The text encoders of a pipeline of diffusers, each with the tokenizers that cut texts for it.

Source: diffusers 0.39.0, the pipelines' `__init__`; SD.Next 058a7f0c, pipelines/anima/pipeline.py:91-115 (a tokenizer
of T5 beside the model's own, whose ids go to an adapter with a table of its own), pipelines/omnigen2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from ...families import ENCODER_NAMES
from ...files.language_tables import GROUP_OF_TYPE
from ..encoders.language_encoder import find_key, without_pictures
from .standing_tokenizers import can_stand

__all__ = ["FoundEncoder", "find_text_encoders", "other_tokenizers"]

PLACES = (
    ("text_encoder", "tokenizer"),
    ("text_encoder_2", "tokenizer_2"),
    ("text_encoder_3", "tokenizer_3"),
    ("text_encoder_4", "tokenizer_4"),
    ("mllm", "processor"),
)
"""Where a pipeline has its text encoders and what cuts texts for them, in order. The last is OmniGen 2's."""

START_TOKEN = "<|startoftext|>"
"""A token of CLIP's vocabulary that no other has."""

MISTRALS = ("mistral3", "ministral3")
"""The same type of model may hold either."""


@dataclass(frozen=True)
class FoundEncoder:
    """A text encoder of a pipeline."""

    model: Any
    tokenizer: Any
    """transformers' tokenizer, or None."""

    @property
    def is_clip(self) -> bool:
        """Whether it is CLIP, of a known width, in the form of a torch module."""
        if not isinstance(self.model, torch.nn.Module) or not hasattr(self.tokenizer, "get_vocab"):
            return False
        start = self.tokenizer.convert_tokens_to_ids(START_TOKEN)
        if start is None or start != self.tokenizer.bos_token_id:  # Qwen's tokenizer has neither
            return False
        return getattr(self.layer, "embedding_dim", None) in ENCODER_NAMES

    @cached_property
    def layer(self) -> Any:
        """The input-embedding module; None where it cannot be reached."""
        for part in (getattr(self.model, "encoder", None), self.model):
            found = getattr(part, "get_input_embeddings", None)
            if found is not None:
                return found()
        return None

    def layers(self) -> list[Any]:
        """Return the modules that may look tokens up: a T5 has two of the same weights.

        Source: transformers 5.13.0, models/t5/modeling_t5.py (`shared`, `encoder.embed_tokens`).
        """
        shape = (self.layer.num_embeddings, self.layer.embedding_dim)
        alike = [part for part in self.model.modules() if isinstance(part, type(self.layer))]
        return [part for part in alike if (part.num_embeddings, part.embedding_dim) == shape]

    @cached_property
    def key(self) -> str | None:
        """The key of a T5 or language model in files, or a name of ours for another; None where it is out of reach."""
        if not isinstance(self.layer, torch.nn.Module) or not can_stand(self.tokenizer):
            return None
        kind = str(getattr(getattr(self.model, "config", None), "model_type", "")) or "text_encoder"
        width = int(self.layer.embedding_dim)  # type: ignore[arg-type]
        groups = MISTRALS if kind in MISTRALS else (GROUP_OF_TYPE.get(kind),)
        return find_key(groups, width, sees=kind.startswith("qwen3_vl")) or f"{kind}_{width}"


def find_text_encoders(sd_model: Any) -> list[FoundEncoder]:
    """Return the text encoders that are loaded, in order; some of the host's models wrap a pipeline."""
    pipe = _pipeline_of(sd_model)
    found = [(getattr(pipe, model, None), getattr(pipe, tokenizer, None)) for model, tokenizer in PLACES]
    return [FoundEncoder(model, without_pictures(tokenizer)) for model, tokenizer in found if model is not None]


def other_tokenizers(sd_model: Any, encoders: Sequence[FoundEncoder]) -> list[tuple[Any, FoundEncoder | None]]:
    """Return a pipeline's tokenizers beside those of its encoders, and whose vocabulary each has, if any's.

    A processor of pictures and texts may hold another object of an encoder's tokenizer.
    """
    known = [id(one.tokenizer) for one in encoders]
    parts = [without_pictures(part) for part in vars(_pipeline_of(sd_model)).values()]
    others = {id(part): part for part in parts if can_stand(part) and hasattr(part, "get_vocab")}
    return [(part, _of_same_words(part, encoders)) for place, part in others.items() if place not in known]


def _pipeline_of(sd_model: Any) -> Any:
    has_any = any(hasattr(sd_model, model) for model, _ in PLACES)
    return sd_model if has_any else getattr(sd_model, "pipe", sd_model)


def _of_same_words(tokenizer: Any, encoders: Sequence[FoundEncoder]) -> FoundEncoder | None:
    words = tokenizer.get_vocab()
    return next((one for one in encoders if can_stand(one.tokenizer) and one.tokenizer.get_vocab() == words), None)
