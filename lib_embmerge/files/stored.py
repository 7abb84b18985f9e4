"""What a file of tensors holds, before its numbers are read: so a LoRA of 500 MB costs no more than its names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ITEM_SIZES", "OUTSIDE", "WHOLE_FORMATS", "Content", "Stored"]

ITEM_SIZES: Mapping[str, int] = {
    "complex128": 16,
    **dict.fromkeys(("float64", "int64", "complex64"), 8),
    **dict.fromkeys(("float32", "int32"), 4),
    **dict.fromkeys(("float16", "bfloat16", "int16"), 2),
    **dict.fromkeys(("float8_e4m3fn", "float8_e5m2", "int8", "uint8", "bool"), 1),
}
"""Bytes per number of the number formats, by torch's names."""
WHOLE_FORMATS = frozenset(["int64", "int32", "int16", "int8", "uint8", "bool"])
"""Those whose numbers are whole, yes and no among them: no trainer's, but programs read them as numbers."""

OUTSIDE = "/"
"""What begins the name of an archive's entry that is not in the folder of the others."""


@dataclass(frozen=True)
class Stored:
    """A tensor in a file: its shape and number format, and `read`, which reads its numbers.

    `is_parameter` says that the pickle holds an `nn.Parameter`, which some programs take for no tensor, `is_array` that
    it holds an array of numpy, which all do. `reason` says why its numbers cannot be read, where they cannot.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], Tensor] = field(repr=False, compare=False)
    is_parameter: bool = False
    is_array: bool = False
    reason: str = ""

    @property
    def width(self) -> int:
        """The last dimension; 0 for a single number."""
        return self.shape[-1] if self.shape else 0

    @property
    def size(self) -> int:
        """How many bytes its numbers take."""
        count = 1
        for length in self.shape:
            count *= length
        return count * ITEM_SIZES.get(self.dtype, 8)

    @property
    def is_whole(self) -> bool:
        """Whether its numbers are whole ones."""
        return self.dtype in WHOLE_FORMATS

    @property
    def is_floating(self) -> bool:
        """Whether its numbers are fractions."""
        return "float" in self.dtype


@dataclass(frozen=True)
class Content:
    """What a file holds: `form` is its kind, `values` what stands in it by name, in the file's order.

    A list in a pickle is in `rows`, a tensor alone under the name "" of `values`. `globals` are the names of all that
    a pickle asks for, `entries` those of an archive without its folder's, with their bytes; `container` is what the
    outermost thing of a pickle is called, `protocol` the version of pickle that it is written in. `is_plain` says that
    its keys are texts, and a list's items dicts of tensors; `beside` is in words what else a list holds.
    """

    path: Path
    form: str
    values: Mapping[str, Any]
    metadata: Mapping[str, str] = field(default_factory=dict)
    rows: Sequence[Mapping[str, Any]] = ()
    container: str = "dict"
    globals: frozenset[str] = frozenset()
    entries: Mapping[str, int] = field(default_factory=dict)
    protocol: int = 0
    is_plain: bool = True
    beside: Sequence[str] = ()

    @property
    def tensors(self) -> dict[str, Stored]:
        """The tensors among the values."""
        return {name: value for name, value in self.values.items() if isinstance(value, Stored)}
