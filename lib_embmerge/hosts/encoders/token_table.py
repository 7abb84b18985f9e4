"""A text encoder's token table inside a WebUI, read in place.

Rows are gathered on the table's own device and handed over as float32 copies on the CPU. A table that is stored in
less than its values need (GGUF) is read by calling its layer, as the host itself reads it.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...errors import ModelNotLoaded
from ...vectors.vocabulary import Vocabulary

__all__ = ["CalledTable", "HostTable", "PickedTable", "find_layer"]

SAMPLED_ROWS = 64
SAMPLED_COLUMNS = 4
"""How much of a table is looked at to tell it from another checkpoint's."""

PATCHES = ("weight_function", "weight_lowvram_function", "forge_online_loras")
"""Attributes of a layer that hold what is added to its weights at each call, LoRAs mostly.

Source: Forge dfdcbab6, backend/operations.py:14-40; Forge Neo 5692d2d, backend/operations.py:45-57; ComfyUI 4f874c5e,
comfy/ops.py:300-400.
"""
BROUGHT = "_v"
"""An attribute of layers whose weights are brought to the GPU by a call. Source: ComfyUI 4f874c5e, comfy/ops.py."""


def find_layer(outer: Any, *paths: str) -> Any | None:
    """Return the layer under the first path of attributes that leads to one; None where none does."""
    for path in paths:
        found: Any = outer
        for part in path.split("."):
            found = getattr(found, part, None)
        if found is not None:
            return found
    return None


class HostTable:
    """The rows and the statistics of a `torch.nn.Embedding`, or of a host's own layer that stands for one."""

    def __init__(self, layer: Any) -> None:
        """Take the layer, with or without what hosts wrap around it; nothing is read yet."""
        while hasattr(getattr(layer, "wrapped", None), "weight"):
            layer = layer.wrapped
        self.layer = layer
        self.size, self.width = self.measure()

    def measure(self) -> tuple[int, int]:
        """Return how many rows the table has, and how wide they are."""
        size, width = self.layer.weight.shape
        return int(size), int(width)

    def rows(self, ids: Sequence[int]) -> Tensor:
        """Gather rows: (len(ids), width), float32, on the CPU.

        Raises: ModelNotLoaded where the host keeps the table in no memory at the moment.
        """
        weight = self._weight()
        places = torch.as_tensor(list(ids), dtype=torch.long, device=weight.device)
        with torch.inference_mode(False), torch.no_grad():
            return _gathered(self.layer, weight, places).to(device="cpu", dtype=torch.float32)

    def vocabulary(self, excluded: Sequence[int]) -> Vocabulary:
        """Return the table's statistics, kept for as long as the table's values stay."""
        fingerprint = self.fingerprint()
        kept = _VOCABULARIES.get(self.layer)
        if kept is not None and kept[0] == fingerprint:
            return kept[1]
        layer, make = weakref.ref(self.layer), self.maker()

        def read(start: int, stop: int) -> Tensor:
            module = layer()
            if module is None or make(module).is_absent():
                raise ModelNotLoaded("The model was changed while its vocabulary was being read.")
            return make(module).rows(range(start, stop))

        vocabulary = Vocabulary(read, size=self.size, width=self.width, excluded=excluded)
        _VOCABULARIES[self.layer] = (fingerprint, vocabulary)
        return vocabulary

    def maker(self) -> Callable[[Any], HostTable]:
        """Return what makes the same of the layer again, without holding it."""
        return type(self)

    def fingerprint(self) -> tuple[object, ...]:
        """Change whenever the table may hold other values, not when the host moves them to another device."""
        if self.is_absent():
            return ("nowhere",)
        weight = self.layer.weight
        version = 0 if weight.is_inference() else weight._version
        step = max(1, self.size // SAMPLED_ROWS)
        return (version, self.rows(range(0, self.size, step))[:, :SAMPLED_COLUMNS].numpy().tobytes())

    def is_absent(self) -> bool:
        """Return whether the host keeps the table in no memory at the moment."""
        return bool(self.layer.weight.is_meta)

    def _weight(self) -> Tensor:
        weight: Tensor = self.layer.weight
        if self.is_absent():
            raise ModelNotLoaded(
                "The model's text encoder is not in memory at the moment; generate once, then try again."
            )
        return weight


class CalledTable(HostTable):
    """A table whose rows only its layer can give: quantized, or brought into memory by a hook for each call."""

    def measure(self) -> tuple[int, int]:
        """Return the layer's own measures: numbers of four bits are stored in a single row."""
        return int(self.layer.num_embeddings), int(self.layer.embedding_dim)

    def rows(self, ids: Sequence[int]) -> Tensor:
        """Gather rows: (len(ids), width), float32, on the CPU."""
        places = torch.as_tensor(list(ids), dtype=torch.long)
        with torch.inference_mode(False), torch.no_grad():
            layer, places = self.with_rows(places)
            return self.call(layer, places.to(self.device())).to(device="cpu", dtype=torch.float32)

    def with_rows(self, ids: Tensor) -> tuple[Any, Tensor]:
        """Return a layer that has some rows of the table, and the ids that they have there."""
        return self.layer, ids

    def call(self, layer: Any, ids: Tensor) -> Tensor:
        """Return what a layer gives for ids."""
        rows: Tensor = layer(ids)
        return rows

    def device(self) -> Any:
        """Return where the layer is called."""
        return "cpu" if self.layer.weight.is_meta else self.layer.weight.device

    def is_absent(self) -> bool:
        """Return False: calling the layer brings it."""
        return False


class PickedTable(CalledTable):
    """A called table of a host whose layers copy or convert all of their rows at each call.

    For a language model's table that is a gigabyte. So the rows that are asked for are put into a copy of the layer,
    and that is called.
    """

    def with_rows(self, ids: Tensor) -> tuple[Any, Tensor]:
        """Return a copy of the layer that has these rows alone; the layer itself where its rows are more than that."""
        if not self.can_pick():
            return super().with_rows(ids)
        twin = copy.copy(self.layer)
        twin.padding_idx = None  # an id of the whole table
        rows = torch.nn.Parameter(self.picked(ids), requires_grad=False)
        vars(twin)["_parameters"] = {**self.layer._parameters, "weight": rows}
        return twin, torch.arange(len(ids))

    def can_pick(self) -> bool:
        """Return whether each row is what the table holds in its place, before the layer does anything to it."""
        layer, weight = self.layer, self.layer.weight
        return (
            vars(layer)["_parameters"].get("weight") is weight
            and not weight.is_meta
            and "forward" not in vars(layer)  # one that is put there belongs to the layer itself
            and not any(getattr(layer, name, None) for name in PATCHES)
            and not hasattr(layer, BROUGHT)
            and self.holds_rows(weight)
        )

    def holds_rows(self, weight: Any) -> bool:
        """Return whether a weight is the table's rows as floats, one below the other."""
        return (
            type(weight) is torch.nn.Parameter
            and weight.dtype.is_floating_point
            and tuple(weight.shape) == (self.size, self.width)
        )

    def picked(self, ids: Tensor) -> Tensor:
        """Return rows as the table holds them."""
        weight: Tensor = self.layer.weight
        return _gathered(self.layer, weight, ids.to(weight.device))


_VOCABULARIES: weakref.WeakKeyDictionary[Any, tuple[object, Vocabulary]] = weakref.WeakKeyDictionary()


def _gathered(layer: Any, weight: Tensor, ids: Tensor) -> Tensor:
    if not weight.dtype.is_floating_point:
        return layer(ids)  # type: ignore[no-any-return]
    if weight.element_size() == 1:
        # torch cannot pick rows of 8-bit floats on every device; their bytes it can.
        return weight.detach().view(torch.uint8).index_select(0, ids).view(weight.dtype)
    # index_select copies rows without waking other threads, which indexing does for a handful of rows.
    return weight.index_select(0, ids)
