"""How a program reads its prompts, as far as it decides what is worth advising there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["WEBUI", "PromptRules", "Syntax"]

Syntax = Literal["weights", "editing", "AND", "BREAK", "extra networks"]
"""What can mean something in a prompt beside its words."""


@dataclass(frozen=True)
class PromptRules:
    """How embeddings are named in a program's prompts, and which syntax means something there.

    `before_names` is what a prompt has to have before an embedding's name; with nothing the bare word names it, in any
    case of letters.
    """

    before_names: str = ""
    syntax: tuple[Syntax, ...] = ("weights", "editing", "AND", "BREAK", "extra networks")


WEBUI = PromptRules()
"""AUTOMATIC1111's WebUI and its forks; files that are made without a program are for these, too."""
