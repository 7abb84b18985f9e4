"""The text encoders that a CLIP object of ComfyUI holds: pairs of a tokenizer and a model under one name.

Touched of the host (read and run at a125cd84; read at 443393b4 and 033046cc):

- of a CLIP object `tokenizer`, `cond_stage_model`, `load_model`; in newer versions `patcher.load_device`
- of a tokenizer of one encoder `tokenizer` (called, gives `input_ids`), `tokens_start`, `tokenizer_adds_end_token`,
  `start_token`, `end_token`, `pad_token`, `embedding_key`, `tokenize_with_weights`; of one of several, those under its
  attributes
- of a model under the same attribute `transformer.get_input_embeddings()`, called as the host calls it
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import MethodType
from typing import Any

import torch
from torch import Tensor

from ...families import ENCODERS
from ..encoders.language_encoder import PlacedEncoder
from ..encoders.token_table import PickedTable
from ..webui.settings import Others

__all__ = ["ComfyEncoder", "ComfyTable", "cut", "find_encoders", "find_tokenizers", "takes_vectors", "with_tokenizers"]


class ComfyTable(PickedTable):
    """A table whose rows come as the host reads them: by calling the layer, patches of the weights included.

    `device` is where the host calls it, or None for where its weights are. Newer versions leave weights on the CPU and
    bring them, with their patches, only to a call on the device that the encoder runs on.
    """

    def __init__(self, layer: Any, device: Any = None) -> None:
        """Take the layer, and where it is called."""
        super().__init__(layer)
        self._device = device

    def maker(self) -> Callable[[Any], ComfyTable]:
        """Return what makes the same of the layer again, without holding it."""
        return partial(ComfyTable, device=self._device)

    def call(self, layer: Any, ids: Tensor) -> Tensor:
        """Return what a layer gives for ids in float32, as the host asks it."""
        rows: Tensor = layer(ids, out_dtype=torch.float32)
        return rows

    def holds_rows(self, weight: Any) -> bool:
        """Return whether a weight is the table's rows: as floats, or as the bytes of a GGUF file."""
        return super().holds_rows(weight) or _packed_rows(weight, self.size) is not None

    def picked(self, ids: Tensor) -> Tensor:
        """Return rows as the table holds them."""
        weight: Any = self.layer.weight
        packed = _packed_rows(weight, self.size)
        if packed is None:
            return super().picked(ids)
        rows = packed.index_select(0, ids.to(packed.device))
        shape = torch.Size((len(ids), self.width))
        picked: Tensor = type(weight)(rows, tensor_type=weight.tensor_type, tensor_shape=shape)
        return picked

    def device(self) -> Any:
        """Return where the layer is called."""
        return self.layer.weight.device if self._device is None else self._device


def _packed_rows(weight: Any, size: int) -> Tensor | None:
    """Return a table's bytes by row, as the nodes for GGUF files keep them; None where it is none of theirs.

    Source: city96/ComfyUI-GGUF 795e451, ops.py `GGMLTensor`: each row is made of whole blocks.
    """
    if getattr(weight, "tensor_type", None) is None or not hasattr(weight, "tensor_shape"):
        return None
    stored: Tensor = weight.as_subclass(Tensor)
    is_by_row = stored.dim() == 2 and len(stored) == size
    return stored if is_by_row and not getattr(weight, "patches", None) else None


class _Cutter:
    """What `HostEncoder` asks of a host's text engine, by a tokenizer of ComfyUI."""

    def __init__(self, tokenizer: Any) -> None:
        self._whole = tokenizer
        self.tokenizer = tokenizer.tokenizer
        self.id_start, self.id_end, self.id_pad = tokenizer.start_token, tokenizer.end_token, tokenizer.pad_token

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's ids, without special tokens."""
        return [cut(self._whole, text) for text in texts]


class ComfyEncoder(PlacedEncoder):
    """One text encoder: its tokenizer, and its table, which is brought into memory before it is read."""

    def __init__(self, tokenizer: Any, model: Any, load: Callable[[], object], device: Any = None) -> None:
        """Take the tokenizer and the model of one encoder, what loads the model, and where its table is called."""
        key = tokenizer.embedding_key
        self._device = device
        super().__init__(_Cutter(tokenizer), model.transformer.get_input_embeddings(), name=key, key=key)
        self._load = load

    def make_table(self, layer: Any) -> ComfyTable:
        """Return what reads the rows of the table's layer."""
        return ComfyTable(layer, self._device)

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


def takes_vectors(tokenizer: Any, others: Others) -> bool:
    """Return whether an encoder gets vectors by its tokenizer: CLIP's do, others as the user has set it."""
    kind = ENCODERS.get(tokenizer.embedding_key)
    return kind is not None and (kind.is_clip or others == "vectors")


def find_encoders(clip: Any, load: Callable[[], object], others: Others) -> tuple[list[ComfyEncoder], bool]:
    """Return the encoders that take vectors, and whether one that takes only text stands beside them.

    `load` brings the models into memory; `others` is what the user has set for encoders that are no CLIP's.
    """
    encoders, has_words = [], False
    for name, tokenizer in find_tokenizers(clip.tokenizer):
        model = _find_model(clip, name)
        if model is None:  # a file of fewer encoders than the model family has
            continue
        if takes_vectors(tokenizer, others):
            encoders.append(ComfyEncoder(tokenizer, model, load, _device_of(clip, model)))
        else:
            has_words = True
    return encoders, has_words


def _device_of(clip: Any, model: Any) -> Any:
    """Return the device that the host calls an encoder's table on; None where that is where the weights are.

    Source: comfy/sd.py at 033046cc, `encode_from_tokens` (an encoder has an `execution_device` then).
    """
    return clip.patcher.load_device if hasattr(model, "execution_device") else None


def _find_model(clip: Any, name: str) -> Any | None:
    """Return the model of an encoder by its tokenizer's attribute; a model of one may have it under another.

    Source: comfy/sd1_clip.py at a125cd84, `SD1ClipModel.clip`, and comfy/text_encoders/wan.py, genmo.py, pixart_t5.py.
    """
    whole = clip.cond_stage_model
    found = getattr(whole, name, None)
    is_only = len(list(find_tokenizers(clip.tokenizer))) == 1
    return getattr(whole, getattr(whole, "clip", name), None) if found is None and is_only else found


def with_tokenizers(tokenizer: Any, replace: Callable[[Any], Any]) -> Any:
    """Return a copy of a CLIP's tokenizer in which each encoder cuts with what `replace` gives for its tokenizer."""
    twin = copy.copy(tokenizer)
    for name, part in find_tokenizers(tokenizer):
        own = copy.copy(part)
        own.tokenizer = replace(part)
        vars(own).update((key, _rebound(value, part, own)) for key, value in list(vars(own).items()))
        setattr(twin, name, own)
    return twin


def _rebound(value: Any, part: Any, own: Any) -> Any:
    """Return a method that another pack has laid upon one tokenizer as one of its copy; all else as it is."""
    if isinstance(value, MethodType) and value.__self__ is part:
        return MethodType(value.__func__, own)
    if isinstance(value, partial) and any(given is part for given in value.args):
        return partial(value.func, *(own if given is part else given for given in value.args), **value.keywords)
    return value
