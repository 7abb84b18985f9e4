"""The tab "Save embedding", for every gradio that a host ships: components and events; what they do stands in `page`.

Begin with `build_tab`. Each pane is a module with one function `build` that makes its components.
"""

from __future__ import annotations

import gradio as gr

from ...host_protocol import PageHost
from ..page.html import draw
from .build import add_build_pane
from .channel import add_channel
from .checkpoint_choice import add_checkpoint_choice
from .convert_pane import add_convert_pane
from .help_pane import add_help_pane
from .inspect_pane import add_inspect_pane
from .many import add_many_pane

__all__ = ["ELEM_ID", "TITLE", "build_tab", "fill_tab"]

TITLE = "Save embedding"
ELEM_ID = "embmerge"
"""The WebUI's name for the tab, and its id among the page's elements."""


def build_tab(host: PageHost) -> gr.Blocks:
    """Return the tab as blocks of its own, as a WebUI takes it."""
    with gr.Blocks(analytics_enabled=False) as blocks:
        fill_tab(host, chooses_checkpoint=True)
    return blocks


def fill_tab(host: PageHost, *, chooses_checkpoint: bool = False) -> None:
    """Make the tab's components inside the blocks that are open; the app has its own choice of checkpoint."""
    with gr.Column(elem_id="embmerge_page", elem_classes=["embmerge-page"]):
        add_channel(host)
        gr.HTML(draw("warnings", warnings=host.warnings()), visible=bool(host.warnings()))
        if chooses_checkpoint:
            add_checkpoint_choice(host)
        with gr.Tabs(elem_id="embmerge_tabs"):
            with gr.Tab("Build", elem_id="embmerge_tab_build"):
                add_build_pane(host)
            with gr.Tab("Inspect & compare", elem_id="embmerge_tab_look") as tab:
                add_inspect_pane(host, tab)
            with gr.Tab("Many at once", elem_id="embmerge_tab_many"):
                add_many_pane(host)
            with gr.Tab("Convert & check", elem_id="embmerge_tab_convert"):
                add_convert_pane(host)
            with gr.Tab("Help", elem_id="embmerge_tab_help"):
                add_help_pane(host)
