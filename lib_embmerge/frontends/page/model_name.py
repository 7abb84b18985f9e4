"""What the page calls a model, to notice that another one was loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from ...errors import UnsupportedHost
from ...host_protocol import PageHost, TextModel

__all__ = ["REFUSED", "name_model", "name_models"]

REFUSED = "none"
"""What stands in the place of a model's name for one that cannot be read."""


def name_model(model: TextModel | None) -> str:
    """Return what the page calls a model: another one has another name; empty for none."""
    return "" if model is None else hashlib.sha256(model.identity.encode()).hexdigest()


def name_models(host: PageHost) -> dict[str, object]:
    """Return the names of the `model` that the tab works with, and of the one that `prompts` are encoded with."""
    return {"model": _name(host.loaded_text_model), "prompts": _name(host.prompt_text_model)}


def _name(ask: Callable[[], TextModel | None]) -> str:
    try:
        return name_model(ask())
    except UnsupportedHost:
        return REFUSED
