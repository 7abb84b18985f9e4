"""The pane "Build": write an expression, see what it means, save it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ...host_protocol import PageHost
from ..gradio_compat import on_click, then_javascript
from ..page.build.saving import LONG_CHOICES, SAME_NAME, save_from_page
from ..page.build.table import TABLE_ROWS
from ..page.html import draw

__all__ = ["add_build_pane"]

SAVED = "() => { window.embmerge.saved(); return []; }"


def add_build_pane(host: PageHost) -> None:
    """Make the pane in the order of its work: what one writes, what it means, what it is saved as, and the folds.

    style.css puts what it means beside the rest where there is room.
    """
    with gr.Column(elem_id="embmerge_build"):
        with gr.Column(elem_id="embmerge_write", min_width=320):
            expression = gr.Textbox(
                label="Expression",
                lines=4,
                max_lines=12,
                placeholder="'king' - 'man' + 'woman'",
                elem_id="embmerge_expression",
            )
            gr.HTML(
                draw("slots", slots=["gone", "replaced", "messages", "judged"]),
                elem_id="embmerge_messages",
                elem_classes=["embmerge-place"],
            )
        with gr.Column(elem_id="embmerge_meaning", min_width=320):
            gr.HTML(draw("slots", slots=["summary"]), elem_id="embmerge_summary")
        with gr.Column(elem_id="embmerge_saving", min_width=320):
            _build_saving(host, expression)
        with gr.Column(elem_id="embmerge_folds", min_width=320):
            _build_folds()


def _build_saving(host: PageHost, expression: Any) -> None:
    with gr.Row(elem_classes=["embmerge-name-row"]):
        name = gr.Textbox(label="Name", max_lines=1, elem_id="embmerge_name")
        folder = gr.Textbox(
            label="Subfolder",
            max_lines=1,
            placeholder="optional",
            elem_id="embmerge_folder",
        )
    with gr.Row(elem_id="embmerge_save_row"):
        save = gr.Button("Save", variant="primary", elem_id="embmerge_save", scale=0, min_width=110)
        with gr.Column(elem_id="embmerge_save_place", min_width=160):
            gr.HTML(draw("build/keys") + draw("slots", slots=["gone", "name"]), elem_id="embmerge_name_check")
            with gr.Row(elem_classes=["embmerge-ticks"]):
                overwrite = gr.Checkbox(label="Overwrite", elem_id="embmerge_overwrite")
                same_name = gr.Checkbox(label=SAME_NAME, elem_id="embmerge_same_name")
            result = gr.HTML(elem_id="embmerge_result")
    # The javascript shows it where there are so many.
    long = gr.Radio(list(LONG_CHOICES), value=LONG_CHOICES[0], label="More than 75 vectors", elem_id="embmerge_long")
    with gr.Accordion("Author, note, precision", open=False, elem_id="embmerge_about"):
        author = gr.Textbox(label="Author", max_lines=1, elem_id="embmerge_author")
        note = gr.Textbox(label="Note", lines=2, elem_id="embmerge_note")
        with gr.Row():
            trigger = gr.Textbox(label="Trigger phrase", max_lines=1, elem_id="embmerge_trigger")
            tags = gr.Textbox(label="Tags", max_lines=1, elem_id="embmerge_tags")
        dtype = gr.Radio(["float32", "float16"], value="float32", label="Precision", elem_id="embmerge_dtype")
        negative = gr.Checkbox(label="For the negative prompt", elem_id="embmerge_negative")
    wish = [expression, name, folder, overwrite, same_name, dtype, long, author, note, trigger, tags, negative]
    saved = on_click(save, lambda *values: save_from_page(host, *values), wish, [result])
    then_javascript(saved, SAVED)


def _build_folds() -> None:
    with gr.Accordion("Table", open=False, elem_id="embmerge_table"):
        # No event of gradio's reads it, so gradio would take it for an output.
        gr.Radio(
            list(TABLE_ROWS),
            value=TABLE_ROWS[0],
            label="A row for each",
            interactive=True,
            elem_id="embmerge_table_by",
        )
        gr.HTML(draw("slots", slots=["table"]))
    with gr.Accordion("Pictures", open=False, elem_id="embmerge_pictures"):
        gr.HTML(draw("slots", slots=["pictures"]))
    with gr.Accordion("Where will it load?", open=False, elem_id="embmerge_loads"):
        gr.HTML(draw("slots", slots=["loads"]))
