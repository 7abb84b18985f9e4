"""The pane "Help": how expressions are written, and every function with an example."""

from __future__ import annotations

import gradio as gr

from ...host_protocol import PageHost
from ..page.help import draw_help

__all__ = ["add_help_pane"]


def add_help_pane(_host: PageHost) -> None:
    """Make the pane; its examples go into the box of the pane "Build"."""
    gr.HTML(draw_help(), elem_id="embmerge_help")
