"""Operators by name: each a pure function over the vectors of one encoder.

A function takes the vectors of its embedding arguments, then the other arguments in the order of the table in
`lib_embmerge.operations`, and gives new vectors: (n, width) float32 in and out, on the CPU. It changes no input. What
it needs beside them it declares: `@operator("nearest", needs=("vocabulary",))` receives `vocabulary=` as a keyword.

`lib_embmerge.vectors.operators` registers all of them when it is imported and then seals the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeVar

import torch
from torch import Tensor

from ..operations import OPERATIONS
from .vocabulary import Vocabulary

__all__ = ["OPERATORS", "READ_FROM_TABLES", "Need", "Operator", "operator", "pad_to", "seal"]

Need = Literal["vocabulary", "encoder"]
Function = Callable[..., Tensor]
F = TypeVar("F", bound=Function)

READ_FROM_TABLES = frozenset({"text", "emb", "token", "pad", "end", "start"})
"""Entries of the table that have no mathematics: they read vectors, see `lib_embmerge.evaluation.reading`."""


@dataclass(frozen=True)
class Operator:
    """A registered function and what it declares.

    `hides` says that the result may be finite though an operand is not: evaluation then checks the operands first.
    `selects` says that it takes some of its operand's vectors as they are: of a file's a bad one among the others does
    no harm.
    `together` says that it treats each of its only operand's vectors by itself, and many of them at a time for little
    more than one: evaluation then waits until all that can be is given to it at once.
    """

    name: str
    function: Function
    needs: frozenset[Need]
    hides: bool
    selects: bool
    together: bool
    pads: bool

    def __call__(
        self, operands: Sequence[Tensor], values: Sequence[object], vocabulary: Vocabulary | None, encoder: str
    ) -> Tensor:
        """Apply it to one encoder's vectors.

        Shapes: operands (n, width) each; shorter ones are padded with zero vectors first where the table says so.
        Raises: what the function raises.
        """
        if self.pads:
            operands = _padded(operands)
        if not self.needs:
            return self.function(*operands, *values)
        given = {"vocabulary": vocabulary, "encoder": encoder}
        return self.function(*operands, *values, **{need: given[need] for need in self.needs})


_registered: dict[str, Operator] = {}
_sealed = False

OPERATORS: Mapping[str, Operator] = MappingProxyType(_registered)
"""All registered operators by name."""


def operator(
    name: str, *, needs: Sequence[Need] = (), hides: bool = False, selects: bool = False, together: bool = False
) -> Callable[[F], F]:
    """Register the decorated function under an entry of the table; the function stays callable bare.

    Raises: ValueError for a name that the table does not have, one that reads from tables, one that is taken, and after
    `seal()`.
    """
    if _sealed:
        raise ValueError(f"the registry is sealed; {name!r} comes too late")
    if name not in OPERATIONS or name in READ_FROM_TABLES:
        raise ValueError(f"{name!r} is no operator of lib_embmerge.operations")
    if name in _registered:
        raise ValueError(f"{name!r} is registered twice")

    def register(function: F) -> F:
        pads = OPERATIONS[name].pads
        _registered[name] = Operator(name, function, frozenset(needs), hides, selects, together, pads)
        return function

    return register


def seal() -> None:
    """Make the registry read-only."""
    global _sealed
    _sealed = True


def pad_to(rows: Tensor, length: int) -> Tensor:
    """Return the vectors with zero vectors behind them, `length` in all; itself where it has as many or more."""
    missing = length - rows.shape[0]
    return rows if missing <= 0 else torch.cat((rows, torch.zeros((missing, rows.shape[1]), dtype=rows.dtype)))


def _padded(operands: Sequence[Tensor]) -> Sequence[Tensor]:
    lengths = [rows.shape[0] for rows in operands]
    longest = max(lengths)
    return operands if min(lengths) == longest else [pad_to(rows, longest) for rows in operands]
