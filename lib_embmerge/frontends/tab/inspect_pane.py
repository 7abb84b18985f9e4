"""The pane "Inspect & compare": look at one source, compare two, make files again from their recipes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import gradio as gr

from ...host_protocol import PageHost
from ..gradio_compat import file_input, on_change, on_click, on_select, uploaded_paths
from ..page.first_reading import show_first_reading
from ..page.html import draw
from ..page.inspect.comparing import compare_from_page
from ..page.inspect.explaining import WISHED_WAYS, carry_from_page, explain_from_page
from ..page.inspect.inspecting import inspect_from_page
from ..page.inspect.rebuilding import SUFFIX, list_rebuildable, rebuild_from_page
from ..page.jobs import Jobs
from ..page.source import KINDS, LOADED, Choice, list_checkpoints, list_files
from .running import build_run_buttons, connect_run

__all__ = ["add_inspect_pane"]

ANY_FILE = ("file",)
"""Uploads of every kind: what is no embedding is told so in a sentence of ours."""


def add_inspect_pane(host: PageHost, tab: Any) -> None:
    """Make the pane inside `tab`; the lists of files and checkpoints are read again whenever it is opened."""
    files, checkpoints = list_files(host), list_checkpoints(host)
    with gr.Tabs(elem_id="embmerge_inspect_tabs"):
        with gr.Tab("Inspect", elem_id="embmerge_tab_inspect") as first:
            inspected = _build_inspect(host, files, checkpoints)
        with gr.Tab("Compare", elem_id="embmerge_tab_compare") as second:
            compared = _build_compare(host, files, checkpoints)
        with gr.Tab("Rebuild", elem_id="embmerge_tab_rebuild") as third:
            rebuilt, refresh = _build_rebuild(host, files)
        with gr.Tab("Carry", elem_id="embmerge_tab_carry") as fourth:
            carried = _build_carry(host, files, checkpoints)
    inputs = [inspected, *compared, carried]
    lists = [*(one.file for one in inputs), rebuilt, *(one.checkpoint for one in inputs)]

    def read_lists() -> list[Any]:
        found, known = list_files(host), list_checkpoints(host)
        return [gr.update(choices=found)] * (len(inputs) + 1) + [gr.update(choices=known)] * len(inputs)

    for button in (*(one.refresh for one in inputs), refresh):
        on_click(button, read_lists, [], lists, at_once=True)
    for opened in (tab, first, second, third, fourth):
        on_select(opened, read_lists, lists)


class _SourceInputs:
    """The components with which a source is chosen; only those of the chosen kind are shown."""

    def __init__(
        self,
        prefix: str,
        label: str,
        files: Sequence[str],
        checkpoints: Sequence[str],
        empty: str = "",
        *,
        of_files: bool = False,
    ) -> None:
        kinds = KINDS[1:] if of_files else KINDS
        self.kind = gr.Radio(list(kinds), value=kinds[0], label=label, elem_id=f"{prefix}_kind")
        self.expression = gr.Textbox(
            label="Expression",
            lines=2,
            max_lines=8,
            placeholder=empty,
            visible=not of_files,
            elem_id=f"{prefix}_expression",
        )
        self.checkpoint = gr.Dropdown(
            list(checkpoints),
            value=LOADED,
            label="Made for" if of_files else "Computed with",
            elem_id=f"{prefix}_checkpoint",
        )
        with gr.Row(visible=of_files, elem_classes=["embmerge-file-row"]) as of_folder:
            self.file = gr.Dropdown(
                list(files), label="File", allow_custom_value=True, elem_id=f"{prefix}_file", scale=4
            )
            self.refresh = gr.Button("Refresh", elem_id=f"{prefix}_refresh", size="sm", scale=1, min_width=80)
        with gr.Row(visible=False) as of_upload:
            self.upload = file_input("Upload", extensions=ANY_FILE, elem_id=f"{prefix}_upload")
        shown = [self.expression, self.checkpoint, of_folder, of_upload]
        on_change(self.kind, partial(_show_kind, of_files), [self.kind], shown, at_once=True)

    @property
    def values(self) -> list[Any]:
        """The components whose values `_read` takes."""
        return [self.kind, self.expression, self.checkpoint, self.file, self.upload]


def _show_kind(of_files: bool, kind: str) -> list[Any]:
    shown = [kind == KINDS[0], of_files or kind == KINDS[0], kind == KINDS[1], kind == KINDS[2]]
    return [gr.update(visible=visible) for visible in shown]


def _read(kind: Any, expression: Any, checkpoint: Any, file: Any, upload: Any) -> Choice:
    """Take the values of a source's components."""
    return Choice(_text(kind), _text(expression), _text(checkpoint), _text(file), uploaded_paths(upload))


def _text(value: Any) -> str:
    """Return a component's text; an empty Dropdown has None or an empty list, by the version."""
    return value if isinstance(value, str) else ""


def _build_inspect(host: PageHost, files: Sequence[str], checkpoints: Sequence[str]) -> _SourceInputs:
    with gr.Row(elem_classes=["embmerge-columns"]):
        with gr.Column(scale=5, min_width=320):
            one = _SourceInputs("embmerge_inspect", "Inspect", files, checkpoints, "'cat' - 'adult' + 'child'")
            button = gr.Button("Inspect", variant="primary", elem_id="embmerge_inspect")
            jobs = Jobs()
            words = build_run_buttons("Explain in words", "embmerge_explain", is_primary=False)
        with gr.Column(scale=6, min_width=320):
            result = gr.HTML(draw("inspect/empty"), elem_id="embmerge_inspect_result")

    def inspect(*values: Any) -> Iterator[str]:
        choice = _read(*values)
        yield from show_first_reading(choice, host)
        yield inspect_from_page(host, choice)

    def inspect_chosen(*values: Any) -> Iterator[Any]:
        yield from inspect(*values) if _read(*values).is_file else [gr.update()]

    def explain(job: str, *values: Any) -> Any:
        return explain_from_page(host, jobs, job, _read(*values))

    on_click(button, inspect, one.values, [result])
    connect_run(words, jobs, explain, one.values, result)
    for component in (one.file, one.upload):
        on_change(component, inspect_chosen, one.values, [result])
    return one


def _build_compare(
    host: PageHost, files: Sequence[str], checkpoints: Sequence[str]
) -> tuple[_SourceInputs, _SourceInputs]:
    with gr.Row(elem_classes=["embmerge-columns"]):
        with gr.Column(min_width=320):
            a = _SourceInputs("embmerge_a", "A", files, checkpoints, "'woman', or empty: the same as B")
        with gr.Column(min_width=320):
            b = _SourceInputs("embmerge_b", "B", files, checkpoints, "'man', or empty: the same as A")
    with gr.Row(elem_classes=["embmerge-run"]):
        button = gr.Button("Compare", variant="primary", elem_id="embmerge_compare")
        swap = gr.Button("Swap A and B", elem_id="embmerge_swap")
    result = gr.HTML(elem_id="embmerge_compare_result")

    def compare(*values: Any) -> str:
        return compare_from_page(host, _read(*values[:5]), _read(*values[5:]))

    def exchange(*values: Any) -> list[Any]:
        before, after = values[:5], values[5:]
        is_complete = _read(*before).is_made and _read(*after).is_made
        return [*_as_outputs(after), *_as_outputs(before), compare(*after, *before) if is_complete else ""]

    both = [*a.values, *b.values]
    on_click(button, compare, both, [result])
    on_click(swap, exchange, both, [*both, result])
    return a, b


def _as_outputs(values: Sequence[Any]) -> list[Any]:
    """Return a source's values as gradio takes them: of an upload its path."""
    return [*values[:4], next(iter(uploaded_paths(values[4])), None)]


def _build_rebuild(host: PageHost, files: Sequence[str]) -> tuple[Any, Any]:
    jobs = Jobs()
    with gr.Row(elem_classes=["embmerge-file-row"]):
        every = gr.Button("All with a recipe", elem_id="embmerge_rebuild_all", size="sm", scale=1, min_width=80)
        refresh = gr.Button("Refresh", elem_id="embmerge_rebuild_refresh", size="sm", scale=1, min_width=80)
    # Below its buttons: hundreds of files may be chosen.
    chosen = gr.Dropdown(list(files), label="Files", multiselect=True, value=[], elem_id="embmerge_rebuild_files")
    with gr.Row(elem_classes=["embmerge-columns"]):
        suffix = gr.Textbox(label="Added to the name", value=SUFFIX, max_lines=1, elem_id="embmerge_rebuild_suffix")
        overwrite = gr.Checkbox(label="Overwrite the old files instead", elem_id="embmerge_rebuild_overwrite")

    def choose_all() -> Any:
        return gr.update(choices=list_files(host), value=list_rebuildable(host))

    on_click(every, choose_all, [], [chosen])

    def work(job: str, wished: Any, in_place: Any, added: Any) -> Any:
        return rebuild_from_page(host, jobs, job, list(wished or []), bool(in_place), str(added or ""))

    buttons = build_run_buttons("Rebuild", "embmerge_rebuild")
    result = gr.HTML(elem_id="embmerge_rebuild_result")
    connect_run(buttons, jobs, work, [chosen, overwrite, suffix], result)
    return chosen, refresh


def _build_carry(host: PageHost, files: Sequence[str], checkpoints: Sequence[str]) -> _SourceInputs:
    jobs = Jobs()
    with gr.Row(elem_classes=["embmerge-columns"]):
        with gr.Column(scale=5, min_width=320):
            one = _SourceInputs("embmerge_carry", "Carry", files, checkpoints, of_files=True)
            way = gr.Radio(list(WISHED_WAYS), value=next(iter(WISHED_WAYS)), label="How", elem_id="embmerge_carry_way")
            with gr.Row(elem_classes=["embmerge-name-row"]):
                name = gr.Textbox(
                    label="Name", placeholder="the old one", max_lines=1, elem_id="embmerge_carry_name"
                )
                folder = gr.Textbox(
                    label="Subfolder",
                    placeholder="optional",
                    max_lines=1,
                    elem_id="embmerge_carry_folder",
                )
            overwrite = gr.Checkbox(label="Overwrite", elem_id="embmerge_carry_overwrite")
            buttons = build_run_buttons("Carry to the loaded model", "embmerge_carry")
        with gr.Column(scale=6, min_width=320):
            result = gr.HTML(draw("inspect/carry_empty"), elem_id="embmerge_carry_result")

    def carry(job: str, *values: Any) -> Any:
        chosen, (wished, new_name, place, in_place) = _read(*values[:5]), values[5:]
        return carry_from_page(
            host, jobs, job, chosen, _text(wished), _text(new_name), _text(place), in_place is True
        )

    connect_run(buttons, jobs, carry, [*one.values, way, name, folder, overwrite], result)
    return one
