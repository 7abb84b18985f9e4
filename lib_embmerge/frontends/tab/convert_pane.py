"""The pane "Convert & check": files in, where they load, what repairs them, clean files out."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ...host_protocol import PageHost
from ..gradio_compat import file_input, on_change, on_click, then_javascript, uploaded_paths
from ..page.convert.converting import (
    ENCODER_CHOICES,
    REPAIR_FIELD,
    UNEQUAL_CHOICES,
    ConvertOptions,
    check_from_page,
    convert_from_page,
    repair,
)
from ..page.convert.sources import list_choices
from ..page.html import draw

__all__ = ["add_convert_pane"]

WORKED = "() => { window.embmerge.worked(); return []; }"


def add_convert_pane(host: PageHost) -> None:
    """Make the pane: at the left the files and what to make of them, at the right what was made and what they are."""
    with gr.Row(elem_classes=["embmerge-columns"], elem_id="embmerge_convert"):
        with gr.Column(scale=5, min_width=320):
            uploads, picked, refresh = _build_files(host)
            options, wanted = _build_options()
            with gr.Row():
                convert = gr.Button("Convert", variant="primary", elem_id="embmerge_convert_run")
                check = gr.Button("Check", elem_id="embmerge_convert_check")
        with gr.Column(scale=6, min_width=320):
            made = gr.HTML(elem_id="embmerge_convert_made")
            checked = gr.HTML(draw("convert/empty"), elem_id="embmerge_convert_checked")
    files = [uploads, picked]

    def look(upload: Any, chosen: Any) -> str:
        return check_from_page(host, uploaded_paths(upload), _texts(chosen))

    def make(upload: Any, chosen: Any, *values: Any) -> tuple[Any, Any]:
        return convert_from_page(host, uploaded_paths(upload), _texts(chosen), _read(*values)), list_again()

    def repair_chosen(request: Any, upload: Any, chosen: Any, *values: Any) -> tuple[Any, Any, Any]:
        if not request:
            return gr.update(), gr.update(), gr.update()
        drawn = repair(host, request, uploaded_paths(upload), _texts(chosen), _read(*values))
        return drawn, list_again(), ""

    def list_again() -> Any:
        return gr.update(choices=list_choices(host))

    for component in files:
        on_change(component, look, files, [checked])
    on_click(check, look, files, [checked])
    then_javascript(on_click(convert, make, [*files, *options], [made, picked]), WORKED)
    then_javascript(on_change(wanted, repair_chosen, [wanted, *files, *options], [made, picked, wanted]), WORKED)
    on_click(refresh, list_again, [], [picked])


def _build_files(host: PageHost) -> tuple[Any, Any, Any]:
    uploads = file_input("Files", extensions=(), several=True, elem_id="embmerge_convert_upload")
    with gr.Row(elem_classes=["embmerge-file-row"]):
        picked = gr.Dropdown(
            list_choices(host),
            label="From the embeddings folder",
            multiselect=True,
            value=[],
            elem_id="embmerge_convert_picked",
            scale=4,
        )
        refresh = gr.Button("Refresh", elem_id="embmerge_convert_refresh", scale=1, min_width=80)
    return uploads, picked, refresh


def _build_options() -> tuple[list[Any], Any]:
    with gr.Row():
        name = gr.Textbox(
            label="Name", max_lines=1, placeholder="the file's own", elem_id="embmerge_convert_name", min_width=120
        )
        folder = gr.Textbox(
            label="Subfolder",
            max_lines=1,
            placeholder="the file's own",
            elem_id="embmerge_convert_folder",
            min_width=120,
        )
    unequal = gr.Radio(
        list(UNEQUAL_CHOICES),
        value=UNEQUAL_CHOICES[0],
        label="Encoders with unequal numbers of vectors",
        elem_id="embmerge_convert_unequal",
    )
    encoder = gr.Dropdown(
        list(ENCODER_CHOICES), value=ENCODER_CHOICES[0], label="Whose vectors", elem_id="embmerge_convert_encoder"
    )
    dtype = gr.Radio(["float32", "float16"], value="float32", label="Precision", elem_id="embmerge_convert_dtype")
    with gr.Row(elem_classes=["embmerge-ticks"]):
        overwrite = gr.Checkbox(label="Overwrite", elem_id="embmerge_convert_overwrite")
        drop_bad = gr.Checkbox(label="Leave out vectors with NaN or infinity", elem_id="embmerge_convert_drop_bad")
        join = gr.Checkbox(label="Join into one file (SDXL's L and G)", elem_id="embmerge_convert_join")
    wanted = gr.Textbox(label="Repair", elem_id=f"embmerge_{REPAIR_FIELD}", elem_classes=["embmerge-hidden"])
    return [name, folder, unequal, dtype, encoder, overwrite, drop_bad, join], wanted


def _read(
    name: Any, folder: Any, unequal: Any, dtype: Any, encoder: Any, overwrite: Any, drop_bad: Any, join: Any
) -> ConvertOptions:
    return ConvertOptions(
        str(name or "").strip(),
        str(folder or ""),
        str(unequal or ""),
        str(dtype or ""),
        bool(overwrite),
        str(encoder or ""),
        bool(drop_bad),
        bool(join),
    )


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
