"""The pane "Build": write an expression, see what it means, save it."""

from __future__ import annotations

import gradio as gr

from ...host_protocol import PageHost
from ..gradio_compat import on_click, then_javascript
from ..page.build.saving import LONG_CHOICES, save_from_page
from ..page.build.table import TABLE_ROWS
from ..page.html import draw

__all__ = ["add_build_pane"]

SAVED = "() => { window.embmerge.saved(); return []; }"


def add_build_pane(host: PageHost) -> None:
    """Make the pane: at the left what one writes, at the right what it means."""
    with gr.Row(elem_classes=["embmerge-columns"]):
        with gr.Column(scale=5, min_width=320):
            _build_left(host)
        with gr.Column(scale=6, min_width=320):
            _build_right(host)


def _build_left(host: PageHost) -> None:
    expression = gr.Textbox(
        label="Expression",
        lines=4,
        max_lines=12,
        placeholder="'cat' - 'adult' + 'child'",
        elem_id="embmerge_expression",
    )
    gr.HTML(draw("slots", slots=["replaced", "messages", "judged"]), elem_id="embmerge_messages")
    with gr.Row(elem_classes=["embmerge-name-row"]):
        name = gr.Textbox(label="Name", max_lines=1, elem_id="embmerge_name")
        folder = gr.Textbox(
            label="Folder",
            max_lines=1,
            placeholder="below the embeddings folder",
            elem_id="embmerge_folder",
        )
    gr.HTML(draw("slots", slots=["name"]), elem_id="embmerge_name_check")
    with gr.Row(elem_classes=["embmerge-ticks"]):
        overwrite = gr.Checkbox(label="Overwrite", elem_id="embmerge_overwrite")
        same_name = gr.Checkbox(label="Use this name anyway", elem_id="embmerge_same_name")
    with gr.Accordion("Author, note, precision", open=False, elem_id="embmerge_about"):
        author = gr.Textbox(label="Author", max_lines=1, elem_id="embmerge_author")
        note = gr.Textbox(label="Note", lines=2, elem_id="embmerge_note")
        with gr.Row():
            trigger = gr.Textbox(label="Trigger phrase", max_lines=1, elem_id="embmerge_trigger")
            tags = gr.Textbox(label="Tags", max_lines=1, elem_id="embmerge_tags")
        dtype = gr.Radio(["float32", "float16"], value="float32", label="Precision", elem_id="embmerge_dtype")
        negative = gr.Checkbox(label="For the negative prompt", elem_id="embmerge_negative")
    # The javascript shows it where there are so many.
    long = gr.Radio(list(LONG_CHOICES), value=LONG_CHOICES[0], label="More than 75 vectors", elem_id="embmerge_long")
    save = gr.Button("Save", variant="primary", elem_id="embmerge_save")
    result = gr.HTML(elem_id="embmerge_result")
    wish = [expression, name, folder, overwrite, same_name, dtype, long, author, note, trigger, tags, negative]
    saved = on_click(save, lambda *values: save_from_page(host, *values), wish, [result])
    then_javascript(saved, SAVED)


def _build_right(host: PageHost) -> None:
    gr.HTML(draw("slots", slots=["summary"]), elem_id="embmerge_summary")
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
