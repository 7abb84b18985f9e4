"""The fold above the panes of a WebUI: what they work with, where that is not to be the loaded checkpoint."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ...errors import EmbeddingMergeError
from ...host_protocol import PageHost
from ..gradio_compat import on_click, then_javascript
from ..page.html import draw, draw_error
from ..page.source import LOADED, list_checkpoints

__all__ = ["add_checkpoint_choice"]

OPENED = "() => { window.embmerge.opened(); return []; }"


def add_checkpoint_choice(host: PageHost) -> None:
    """Make the list of checkpoints and the button that takes one of them."""
    is_refused = host.refusal != ""
    with gr.Accordion("Another checkpoint", open=is_refused, elem_id="embmerge_another"):
        with gr.Row():
            known = gr.Dropdown(
                list_checkpoints(host), value=LOADED, label="Work with", elem_id="embmerge_working", scale=4
            )
            refresh = gr.Button("Refresh", elem_id="embmerge_working_refresh", scale=1, min_width=100)
            take = gr.Button("Take", elem_id="embmerge_working_take", scale=1, min_width=100)
        said = gr.HTML(elem_id="embmerge_working_said")

    def work_with(name: str) -> str:
        try:
            host.work_with("" if name == LOADED else name)
        except EmbeddingMergeError as error:
            return draw_error(error)
        return draw("working", name=name, is_loaded=name == LOADED)

    def list_again() -> Any:
        return gr.update(choices=list_checkpoints(host))

    on_click(refresh, list_again, [], [known])
    taken = on_click(take, work_with, [known], [said])
    then_javascript(taken, OPENED)
