"""`embmerge app`: the page, on loopback."""

from __future__ import annotations

import argparse
import importlib.util
import sys

from ...errors import EmbeddingMergeError
from .report import Report

__all__ = ["serve_app"]


def serve_app(options: argparse.Namespace) -> Report:
    """Serve the page until it is interrupted.

    Raises: EmbeddingMergeError where gradio, which nothing else here needs, is not installed.
    """
    if importlib.util.find_spec("gradio") is None:
        raise EmbeddingMergeError(
            "The app needs gradio, which is not installed.",
            suggestion=f"Install it with: {sys.executable} -m pip install gradio",
        )
    from ..app.server import run_app

    return run_app(options)
