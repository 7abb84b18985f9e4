"""What is said of a file: a program's verdict for a model family, and the kinds of rules that lead to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..remarks import Remark
from .facts import FileFacts, Repair

__all__ = ["Problem", "Verdict"]


@dataclass(frozen=True)
class Problem:
    """Why a program will not load a file; `splits` says that it takes a file for each encoder instead."""

    reason: str
    splits: bool = False


@dataclass(frozen=True)
class Verdict:
    """Whether a program loads a file for a model family; why not, what helps, and what to know if it does.

    `is_served` says whether the program takes any embedding for the family.
    """

    program: str
    model: str
    loads: bool
    reason: str
    repair: Repair | None = None
    remarks: tuple[Remark, ...] = ()
    is_served: bool = True


Rule = Callable[[FileFacts, str], "Problem | None"]
ProgramRemark = Callable[[FileFacts, str], "str | None"]
