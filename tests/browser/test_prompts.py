"""What stands under a WebUI's prompt boxes: javascript/prompts.js in the app's page, which gets two such boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lib_embmerge.frontends.page.html import draw
from lib_embmerge.frontends.page.prompt.view import ExpressionLine

from .app_server import REPOSITORY
from .tab import Tab

if TYPE_CHECKING:
    from playwright.sync_api import Locator

ADD_BOXES = """
for (const id of ["txt2img_neg_prompt", "txt2img_prompt"]) {
    const row = document.createElement("div");
    row.id = `${id}_row`;
    row.innerHTML = `<div id="${id}"><textarea></textarea></div>`;
    document.body.prepend(row);
}
"""


@pytest.fixture
def webui(tab: Tab) -> Tab:
    """The tab in a page that has the prompt boxes of a WebUI."""
    tab.page.evaluate(f"() => {{{ADD_BOXES}}}")
    tab.page.add_script_tag(path=REPOSITORY / "javascript" / "prompts.js")
    return tab


def prompt(webui: Tab, place: str = "prompt") -> Locator:
    return webui.page.locator(f"#txt2img_{place} textarea")


def lines(webui: Tab, place: str = "prompt") -> Locator:
    return webui.page.locator(f"#embmerge_lines_txt2img_{place}")


def test_each_expression_of_a_prompt_is_counted(webui: Tab) -> None:
    from playwright.sync_api import expect

    prompt(webui).fill("a photo of <'black cat', 'hat'> on {'red'*0.5}")
    expect(lines(webui)).to_contain_text("3 vectors")
    expect(lines(webui)).to_contain_text("1 vector")
    prompt(webui, "neg_prompt").fill("<'dog'>")
    expect(lines(webui, "neg_prompt")).to_contain_text("1 vector")
    prompt(webui).fill("a photo of (a cat:1.2) <lora:x:1>")
    expect(lines(webui)).to_be_empty()


def test_a_mistake_has_its_caret_there(webui: Tab) -> None:
    from playwright.sync_api import expect

    prompt(webui).fill("a photo of <'black cat' + > on a mat")
    expect(lines(webui)).to_contain_text("mistake")
    expect(lines(webui).locator(".embmerge-source")).to_contain_text("^")


def test_an_expression_is_opened_in_the_tab_and_its_file_named_in_the_prompt(webui: Tab) -> None:
    from playwright.sync_api import expect

    webui.open_pane("Help")
    prompt(webui).fill("a <'cat' - 'adult'>")
    lines(webui).get_by_text("open in Save embedding").click()
    webui.sees("1 vector").holds("'cat' - 'adult'")
    prompt(webui).fill("a photo of")
    webui.write("em_sent", into="name").press("save").sees("✓", at="result").mend("→ txt2img", at="result")
    expect(prompt(webui)).to_have_value("a photo of, em_sent")


def test_the_lines_follow_when_the_host_has_loaded_its_model(webui: Tab) -> None:
    from playwright.sync_api import expect

    line = ExpressionLine(number=1, colour=1, text="'cat'", vectors=None, problem=None)
    unloaded = draw("prompt/lines", lines=[line], more=0, problem=None)
    webui.page.evaluate(
        """html => {
            const ask = embmerge.ask;
            embmerge.ask = (_purpose, _question, _fields, answer) => {
                embmerge.ask = ask;
                answer({ slots: { lines: html } });
            };
        }""",
        unloaded,
    )
    prompt(webui).fill("a photo of <'cat'>")
    expect(lines(webui)).to_contain_text("no model is loaded")
    expect(lines(webui)).to_contain_text("1 vector")
