"""Which gradios are tried: those that EMBMERGE_GRADIO names, each `version=python`, or the one of this Python."""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.metadata import version
from typing import Any

import pytest

WISHED = os.environ.get("EMBMERGE_GRADIO", "")


def interpreters() -> list[Any]:
    if WISHED:
        pairs = [item.split("=", 1) for item in WISHED.split()]
        return [pytest.param((label, python), id=f"gradio-{label}") for label, python in pairs]
    if importlib.util.find_spec("gradio") is None:
        return [pytest.param(None, id="no-gradio")]
    return [pytest.param((version("gradio"), sys.executable), id=f"gradio-{version('gradio')}")]


def miss(what: str) -> None:
    if WISHED:
        pytest.fail(f"EMBMERGE_GRADIO is set, but {what}")
    pytest.skip(what)
