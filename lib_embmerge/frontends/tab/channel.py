"""The hidden way from the page's javascript to `page.answers` and back: it obeys the login that the page obeys."""

from __future__ import annotations

import gradio as gr

from ...host_protocol import PageHost
from ..gradio_compat import on_click, then_javascript
from ..page.answers import answer

__all__ = ["add_channel"]

TAKE_QUESTION = "() => [window.embmerge.takeQuestion()]"
GIVE_ANSWER = "(answer) => { window.embmerge.giveAnswer(answer); return []; }"


def add_channel(host: PageHost) -> None:
    """Make the button that the javascript presses, and the box from which it reads the answer."""
    question = gr.Textbox(visible=False)
    response = gr.Textbox(visible=False)
    button = gr.Button("ask", elem_id="embmerge_ask", elem_classes=["embmerge-hidden"])
    asked = on_click(
        button, lambda text: answer(text, host), [question], [response], javascript=TAKE_QUESTION, at_once=True
    )
    then_javascript(asked, GIVE_ANSWER, [response])
