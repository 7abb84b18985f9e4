"""A button that starts long work, one that stops it, and where its progress is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import gradio as gr

from ..gradio_compat import on_click, on_run, then_call, then_javascript
from ..page.jobs import Jobs

__all__ = ["RunButtons", "build_run_buttons", "connect_run"]

NAME_JOB = "(...values) => [window.embmerge.jobOfThisPage(), ...values.slice(1)]"
WORKED = "() => { window.embmerge.worked(); return []; }"


class RunButtons(NamedTuple):
    """The buttons, and the box through which the page names its job."""

    run: Any
    cancel: Any
    job: Any


def build_run_buttons(label: str, elem_id: str, *, is_primary: bool = True) -> RunButtons:
    """Make the buttons, one beside the other."""
    job = gr.Textbox(visible=False)
    with gr.Row(elem_classes=["embmerge-run"]):
        run = gr.Button(label, variant="primary" if is_primary else "secondary", elem_id=elem_id)
        cancel = gr.Button("Cancel", interactive=False, elem_id=f"{elem_id}_cancel")
    return RunButtons(run, cancel, job)


def connect_run(
    buttons: RunButtons, jobs: Jobs, work: Callable[..., Iterator[str]], inputs: Sequence[Any], result: Any
) -> None:
    """Let a click start the work and show what it gives.

    `work` takes the job's id and the inputs' values, and gives HTML as often as there is news; the last stays.
    """

    def start(name: str, *values: object) -> Iterator[tuple[Any, Any, Any]]:
        for shown in work(name, *values):
            yield shown, gr.update(interactive=False), gr.update(interactive=True)

    def end() -> tuple[Any, Any]:
        return gr.update(interactive=True), gr.update(interactive=False)

    def stop(name: str) -> None:
        jobs.cancel(name)

    outputs = [result, buttons.run, buttons.cancel]
    done = on_run(buttons.run, start, [buttons.job, *inputs], outputs, javascript=NAME_JOB)
    then_call(done, end, [buttons.run, buttons.cancel])
    then_javascript(done, WORKED)
    on_click(buttons.cancel, stop, [buttons.job], javascript=NAME_JOB, at_once=True)
