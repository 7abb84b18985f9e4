"""`embmerge app`: the tab alone in a page on loopback, with a choice of checkpoint and embeddings folder."""

from __future__ import annotations

import argparse
from pathlib import Path

import gradio as gr

from .app_host import AppHost
from .assets import read_javascript, read_style
from .cli.inputs import OpenModel
from .cli.report import Report
from .gradio_compat import launch, on_load, open_page
from .tab import TITLE, fill_tab

__all__ = ["build_app", "run_app"]


def run_app(options: argparse.Namespace, opener: OpenModel) -> Report:
    """Serve the page until it is interrupted."""
    host = AppHost(opener, options.checkpoint, options.embeddings or Path("embeddings"), options.checkpoints)
    launch(build_app(host), port=options.port)
    return Report({}, [])


def build_app(host: AppHost) -> gr.Blocks:
    """Give the page."""
    page = open_page(f"{TITLE} · embmerge")
    with page:
        gr.HTML(f"<style>{read_style()}</style>", elem_classes=["embmerge-hidden"])
        fill_tab(host)
        on_load(page, read_javascript())
    return page
