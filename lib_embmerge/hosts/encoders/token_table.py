"""A text encoder's token table inside a WebUI, read in place.

Rows are gathered on the table's own device and handed over as float32 copies on the CPU. A table that is stored in
less than its values need (GGUF) is read by calling its layer, as the host itself reads it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ...errors import ModelNotLoaded
from ...vectors.vocabulary import Vocabulary

__all__ = ["CalledTable", "HostTable", "find_layer"]

SAMPLED_ROWS = 64
SAMPLED_COLUMNS = 4
"""How much of a table is looked at to tell it from another checkpoint's."""


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
        device = "cpu" if self.layer.weight.is_meta else self.layer.weight.device
        places = torch.as_tensor(list(ids), dtype=torch.long, device=device)
        with torch.inference_mode(False), torch.no_grad():
            found: Tensor = self.layer(places)
            return found.to(device="cpu", dtype=torch.float32)

    def is_absent(self) -> bool:
        """Return False: calling the layer brings it."""
        return False


_VOCABULARIES: weakref.WeakKeyDictionary[Any, tuple[object, Vocabulary]] = weakref.WeakKeyDictionary()


def _gathered(layer: Any, weight: Tensor, ids: Tensor) -> Tensor:
    if not weight.dtype.is_floating_point:
        return layer(ids)  # type: ignore[no-any-return]
    if weight.element_size() == 1:
        # torch cannot pick rows of 8-bit floats on every device; their bytes it can.
        return weight.detach().view(torch.uint8).index_select(0, ids).view(weight.dtype)
    # index_select copies rows without waking other threads, which indexing does for a handful of rows.
    return weight.index_select(0, ids)
