"""The pane "Many at once": a list or a sweep, what it will make, and its progress."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from ...host_protocol import PageHost
from ..gradio_compat import on_change
from ..lists import Sweep
from ..page.build.saving import LONG_CHOICES
from ..page.html import draw
from ..page.jobs import Jobs
from ..page.many.batch import LONG_FIELD, MODES, TICK, ManyOptions, run_many
from .running import build_run_buttons, connect_run

__all__ = ["add_many_pane"]


def add_many_pane(host: PageHost) -> None:
    """Make the pane: at the left the lines, at the right the files that they make."""
    with gr.Row(elem_classes=["embmerge-columns"], elem_id="embmerge_many"):
        with gr.Column(scale=5, min_width=320):
            lines = _build_lines()
            options = _build_options()
            buttons = build_run_buttons("Save all", "embmerge_many_run")
        with gr.Column(scale=6, min_width=320):
            result = gr.HTML(elem_id="embmerge_many_run_result")
            gr.HTML(draw("slots", slots=["many"]), elem_id="embmerge_many_preview")
    jobs = Jobs()

    def work(job: str, *values: Any) -> Iterator[str]:
        return run_many(host, jobs, job, _read(*values))

    connect_run(buttons, jobs, work, [*lines, *options], result)


def _build_lines() -> list[Any]:
    mode = gr.Radio(list(MODES), value=MODES[0], label="Make", elem_id="embmerge_many_mode")
    text = gr.Textbox(
        label="Lines",
        lines=10,
        max_lines=20,
        placeholder="young-cat = 'cat' - 'adult' + 'child'\nold-car = normalize('old' + 'car')",
        elem_id="embmerge_many_lines",
    )
    expression = gr.Textbox(
        label="Expression with {t}",
        lines=3,
        placeholder="slerp('red', 'blue', {t})",
        visible=False,
        elem_id="embmerge_many_expression",
    )
    with gr.Row(visible=False, elem_classes=["embmerge-range"]) as numbers:
        start = gr.Textbox("0", label="t from", max_lines=1, min_width=80, elem_id="embmerge_many_start")
        stop = gr.Textbox("1", label="to", max_lines=1, min_width=80, elem_id="embmerge_many_stop")
        steps = gr.Textbox("5", label="steps", max_lines=1, min_width=80, elem_id="embmerge_many_steps")
    pattern = gr.Textbox(
        label="Names, with {t} or {n}",
        max_lines=1,
        placeholder="red_blue_{t}",
        visible=False,
        elem_id="embmerge_many_pattern",
    )

    def choose(chosen: str) -> tuple[Any, ...]:
        is_sweep = chosen == MODES[1]
        return gr.update(visible=not is_sweep), *(gr.update(visible=is_sweep) for _ in range(3))

    on_change(mode, choose, [mode], [text, expression, numbers, pattern], at_once=True)
    return [mode, text, expression, start, stop, steps, pattern]


def _build_options() -> list[Any]:
    folder = gr.Textbox(
        label="Subfolder", max_lines=1, placeholder="optional", elem_id="embmerge_many_folder"
    )
    with gr.Row(elem_classes=["embmerge-ticks"]):
        overwrite = gr.Checkbox(label="Overwrite", elem_id="embmerge_many_overwrite")
        same_name = gr.Checkbox(label=TICK, elem_id="embmerge_many_same_name")
    with gr.Accordion("Author, note, precision", open=False, elem_id="embmerge_many_about"):
        author = gr.Textbox(label="Author", max_lines=1, elem_id="embmerge_many_author")
        note = gr.Textbox(label="Note", lines=2, elem_id="embmerge_many_note")
        dtype = gr.Radio(["float32", "float16"], value="float32", label="Precision", elem_id="embmerge_many_dtype")
    # The javascript shows it where a line has so many.
    long = gr.Radio(
        list(LONG_CHOICES), value=LONG_CHOICES[0], label="More than 75 vectors", elem_id=f"embmerge_{LONG_FIELD}"
    )
    return [folder, overwrite, same_name, dtype, long, author, note]


def _read(*values: Any) -> ManyOptions:
    """Read the components' values in the order in which they were made; gradio gives None for an untouched box."""
    mode, text, *sweep = [_text(value) for value in values[:7]]
    folder, overwrite, same_name, dtype, long, author, note = values[7:]
    return ManyOptions(
        mode,
        text,
        Sweep(*sweep),
        folder=_text(folder),
        overwrite=bool(overwrite),
        same_name=bool(same_name),
        dtype=_text(dtype),
        long=_text(long),
        author=_text(author),
        note=_text(note),
    )


def _text(value: Any) -> str:
    return "" if value is None else str(value)
