"""Modules of a host that not every one of its kind has."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

__all__ = ["is_module_there", "load_if_there"]


def is_module_there(name: str) -> bool:
    """Return whether a module exists, by looking for it: an import that fails is a fault to be seen, not an answer."""
    package = name.rpartition(".")[0]
    return (not package or is_module_there(package)) and importlib.util.find_spec(name) is not None


def load_if_there(name: str) -> Any | None:
    """Return a module, or None where there is none of that name."""
    return importlib.import_module(name) if is_module_there(name) else None
