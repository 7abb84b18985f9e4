"""The text encoders that a CLIP object of ComfyUI holds: pairs of a tokenizer and a model under one name.

Touched of the host (read and run at a125cd84; read at 443393b4):

- of a CLIP object `tokenizer`, `cond_stage_model`, `load_model`
- of a tokenizer of one encoder `tokenizer` (called, gives `input_ids`), `tokens_start`, `tokenizer_adds_end_token`,
  `start_token`, `end_token`, `pad_token`, `embedding_key`, `tokenize_with_weights`; of one of several, those under its
  attributes
- of a model under the same attribute `transformer.get_input_embeddings()`, called as the host calls it
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ..encoders.encoder import HostEncoder
from ..encoders.token_table import CalledTable

__all__ = ["ComfyEncoder", "ComfyTable", "cut", "find_encoders", "find_tokenizers", "with_tokenizers"]

CLIP = ("clip_l", "clip_h", "clip_g")
"""Keys of the encoders that take vectors; others read an expression's words."""


class ComfyTable(CalledTable):
    """A table whose rows come as the host reads them: by calling the layer, patches of the weights included."""

    def rows(self, ids: Sequence[int]) -> Tensor:
        """Gather rows: (len(ids), width), float32, on the CPU."""
        places = torch.as_tensor(list(ids), dtype=torch.long, device=self.layer.weight.device)
        with torch.inference_mode(False), torch.no_grad():
            found: Tensor = self.layer(places, out_dtype=torch.float32)
            return found.to(device="cpu", dtype=torch.float32, copy=True)


class _Cutter:
    """What `HostEncoder` asks of a host's text engine, by a tokenizer of ComfyUI."""

    def __init__(self, tokenizer: Any) -> None:
        self._whole = tokenizer
        self.tokenizer = tokenizer.tokenizer
        special = (tokenizer.start_token, tokenizer.end_token, tokenizer.pad_token)
        self.id_start, self.id_end, self.id_pad = (-1 if token is None else token for token in special)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's ids, without special tokens."""
        return [cut(self._whole, text) for text in texts]


class ComfyEncoder(HostEncoder):
    """One CLIP text encoder: its tokenizer, and its table, which is brought into memory before it is read."""

    def __init__(self, tokenizer: Any, model: Any, load: Callable[[], object]) -> None:
        """Take the tokenizer and the model of one encoder, and what loads the model."""
        key = tokenizer.embedding_key
        super().__init__(_Cutter(tokenizer), model.transformer.get_input_embeddings(), name=key, key=key)
        self._load = load

    def make_table(self, layer: Any) -> ComfyTable:
        """Return what reads the rows of the table's layer."""
        return ComfyTable(layer)

    def rows(self, ids: Sequence[int]) -> Tensor:
        """Gather rows: (len(ids), width), float32, on the CPU."""
        self._load()
        return super().rows(ids)

    def fingerprint(self) -> tuple[object, ...]:
        """Change whenever the table may hold other values."""
        self._load()
        return super().fingerprint()


def cut(tokenizer: Any, text: str) -> list[int]:
    """Return a text's ids without special tokens, as the host's `tokenize_with_weights` cuts a word.

    Source: comfy/sd1_clip.py at a125cd84, `SDTokenizer.tokenize_with_weights`.
    """
    end = -1 if tokenizer.tokenizer_adds_end_token else None
    return list(tokenizer.tokenizer(text)["input_ids"][tokenizer.tokens_start : end])


def find_tokenizers(tokenizer: Any) -> Iterator[tuple[str, Any]]:
    """Yield each encoder's tokenizer with the attribute that it stands under."""
    for name, part in vars(tokenizer).items():
        if hasattr(part, "tokenize_with_weights") and hasattr(part, "embedding_key"):
            yield name, part


def find_encoders(clip: Any, load: Callable[[], object]) -> tuple[list[ComfyEncoder], bool]:
    """Return the encoders that take vectors, and whether one that takes only text stands beside them.

    `load` brings the models into memory.
    """
    encoders, has_words = [], False
    for name, tokenizer in find_tokenizers(clip.tokenizer):
        model = getattr(clip.cond_stage_model, name, None)
        if model is None:  # a file of fewer encoders than the model family has
            continue
        if tokenizer.embedding_key in CLIP:
            encoders.append(ComfyEncoder(tokenizer, model, load))
        else:
            has_words = True
    return encoders, has_words


def with_tokenizers(tokenizer: Any, replace: Callable[[Any], Any]) -> Any:
    """Return a copy of a CLIP's tokenizer in which each encoder cuts with what `replace` gives for its tokenizer."""
    twin = copy.copy(tokenizer)
    for name, part in find_tokenizers(tokenizer):
        own = copy.copy(part)
        own.tokenizer = replace(part)
        setattr(twin, name, own)
    return twin
