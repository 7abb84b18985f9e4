"""What to do about a prompt whose expressions cannot be used at all."""

from __future__ import annotations

from typing import TypeVar

from ..errors import HostError

__all__ = ["say_way_out"]

WAY_OUT = "To keep a bracket as text write \\<, or switch expressions off in the settings, under Embedding merge."

Refusal = TypeVar("Refusal", bound=HostError)


def say_way_out(refusal: Refusal) -> Refusal:
    """Return a WebUI's or a model's refusal of an expression in a prompt with what can be done about it."""
    if refusal.suggestion is None:
        refusal.suggestion = WAY_OUT
    return refusal
