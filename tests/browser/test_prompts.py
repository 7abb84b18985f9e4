"""What stands under a WebUI's prompt boxes: javascript/prompts.js in the app's page, which gets two such boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lib_embmerge.errors import Span
from lib_embmerge.frontends.page.html import draw
from lib_embmerge.frontends.page.prompt.lines import PromptLine
from lib_embmerge.frontends.page.prompt.view import ExpressionLine

from .app_server import REPOSITORY
from .tab import Tab

if TYPE_CHECKING:
    from playwright.sync_api import Locator

TYPED = "a photo of <'cat' - 'adult' + 'child'>"

ADD_BOXES = """
for (const id of ["txt2img_neg_prompt", "txt2img_prompt"]) {
    const row = document.createElement("div");
    row.id = `${id}_row`;
    row.innerHTML = `<div id="${id}"><textarea></textarea></div>`;
    document.body.prepend(row);
}
"""


ANSWER_NEXT_LINES = """([html, before]) => {
    const ask = embmerge.ask;
    embmerge.ask = (purpose, question, fields, answer) => {
        if (!purpose.startsWith("lines of")) {
            ask(purpose, question, fields, answer);
            return;
        }
        embmerge.ask = ask;
        eval(before);
        window.wasAnswered = true;
        answer({ slots: { lines: html }, state: {} });
    };
}"""


@pytest.fixture
def webui(tab: Tab) -> Tab:
    """The tab in a page that has the prompt boxes of a WebUI."""
    tab.page.evaluate(f"() => {{{ADD_BOXES}}}")
    tab.page.add_script_tag(path=REPOSITORY / "javascript" / "prompts.js")
    return tab


def prompt(webui: Tab, place: str = "prompt") -> Locator:
    return webui.page.locator(f"#txt2img_{place} textarea")


def answer_next_lines(webui: Tab, html: str, before: str = "") -> None:
    """Give the next question of a prompt's lines this answer; the page's other questions go their way."""
    webui.page.evaluate(ANSWER_NEXT_LINES, [html, before])


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
    expect(lines(webui)).to_be_in_viewport()
    expect(lines(webui).locator(".embmerge-source")).to_contain_text("^")


def test_an_expression_is_opened_in_the_tab_and_its_file_named_in_the_prompt(webui: Tab) -> None:
    from playwright.sync_api import expect

    webui.open_pane("Help")
    prompt(webui).fill("a <'cat' - 'adult'>")
    lines(webui).get_by_role("button", name="1 vector").click()
    lines(webui).get_by_text("open in Save embedding").click()
    webui.sees("1 vector").holds("'cat' - 'adult'")
    prompt(webui).fill("a photo of")
    webui.write("em_sent", into="name").press("save").sees("✓", at="result").mend("→ txt2img", at="result")
    expect(prompt(webui)).to_have_value("a photo of, em_sent")


def test_the_lines_follow_when_the_host_has_loaded_its_model(webui: Tab) -> None:
    from playwright.sync_api import expect

    line = PromptLine(ExpressionLine(number=1, colour=1, text="'cat'", span=Span(11, 18)))
    unloaded = draw("prompt/lines", lines=[line], more=0, told=3, refusal=None)
    answer_next_lines(webui, unloaded)
    prompt(webui).fill("a photo of <'cat'>")
    expect(lines(webui)).to_contain_text("no model is loaded")
    expect(lines(webui)).to_contain_text("1 vector")


def test_while_one_types_nothing_is_wrong_and_the_row_stays_one(webui: Tab) -> None:
    from playwright.sync_api import expect

    for end in range(1, len(TYPED)):
        prompt(webui).press_sequentially(TYPED[end - 1])
        webui.page.wait_for_timeout(500)
        assert "mistake" not in (lines(webui).inner_text() if lines(webui).count() else "")
    expect(lines(webui)).to_contain_text("still open")
    prompt(webui).blur()
    expect(lines(webui)).to_contain_text("mistake")
    prompt(webui).press_sequentially(">")
    expect(lines(webui)).to_contain_text("1 vector")


def test_ten_expressions_are_one_row_each_reached_by_the_keyboard(webui: Tab) -> None:
    from playwright.sync_api import expect

    prompt(webui).fill(", ".join(f"<'cat' * {number}>" for number in range(1, 11)))
    chips = lines(webui).locator("[data-embmerge-line]")
    expect(chips).to_have_count(10)
    for width in (1280, 390):
        webui.page.set_viewport_size({"width": width, "height": 900})
        box = lines(webui).bounding_box()
        assert box is not None
        assert box["height"] < 45
        assert box["x"] + box["width"] <= width
    prompt(webui).focus()
    for number in range(1, 11):
        webui.key("Tab")
        expect(chips.nth(number - 1)).to_be_focused()
        expect(chips.nth(number - 1)).to_be_in_viewport()
    webui.key("Enter")
    expect(chips.nth(9)).to_have_attribute("aria-expanded", "true")
    expect(lines(webui).get_by_role("button", name="open in Save embedding: expression 10")).to_be_visible()


def test_what_was_meant_as_an_expression_is_one_after_a_click(webui: Tab) -> None:
    from playwright.sync_api import expect

    prompt(webui).fill("a photo of <cat - adult>, <lora:x:1>")
    expect(lines(webui)).to_contain_text("stays text")
    lines(webui).get_by_role("button", name="write").click()
    expect(prompt(webui)).to_have_value("a photo of <'cat' - 'adult'>, <lora:x:1>")
    expect(lines(webui)).to_contain_text("1 vector")


def test_an_answer_that_comes_after_the_boxes_are_gone(webui: Tab) -> None:
    answer_next_lines(webui, "1 vector", before="document.getElementById('txt2img_prompt_row').remove()")
    prompt(webui).fill("a photo of <'cat'>")
    webui.page.wait_for_function("window.wasAnswered")
