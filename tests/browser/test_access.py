"""The page for keyboards and screen readers: WCAG 2.1 AA as axe-core checks it, and what no program can check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .gradios import miss
from .tab import Tab
from .visitor import Visitor

AXE = Path(__file__).resolve().parents[1] / "javascript" / "node_modules" / "axe-core" / "axe.min.js"

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]

NOT_OURS: dict[str, str] = {}
"""Rules by selector that gradio's own parts break, where neither our style nor our javascript can mend it."""


def fill_build(tab: Tab) -> None:
    tab.write("'king' - 'man' + 'woman'").write("em_new", into="name").sees("nearest")
    for fold, text in (("table", "percentile"), ("pictures", "Norms"), ("loads", "loads in")):
        tab.unfold(fold).sees(text, at=fold)
    tab.write("'king' * 50").sees("burnt", at="messages").sees("nearest")
    tab.press("save").sees("made", at="result")


def refuse_build(tab: Tab) -> None:
    tab.write("'cat'").sees("nearest").write("'cat' + * 'dog'").sees("^", at="messages").sees_greyed()
    tab.write("con", into="name").sees("device", at="name check").press("save").sees("^", at="result")
    tab.open_choice().choose_checkpoint("/nowhere.safetensors").sees("There is no file", at="opened")


def fill_prompt(tab: Tab) -> None:
    tab.write("a photo of <'cat' - 'adult'>, sitting BREAK red").sees("in 2 chunks")


def fill_inspect(tab: Tab) -> None:
    tab.open_pane("Inspect & compare").write("'black cat'", into="inspect_expression").press("inspect")
    tab.sees("[2,768]", "nearest words", at="inspect_result")


def fill_many(tab: Tab) -> None:
    tab.open_pane("Many at once").write("em_a = 'cat'\nem_b = 'dog' *", into="many_lines")
    tab.sees("1 with a mistake", at="many_preview").press("many_run").sees("1 failed", at="many_run_result")


def fill_convert(tab: Tab) -> None:
    tab.open_pane("Convert & check").sees("Convert", at="convert")


def open_help(tab: Tab) -> None:
    tab.open_pane("Help").sees("slerp(a, b, t)", at="help")


PANES = {
    "the first look": lambda tab: None,
    "Build": fill_build,
    "a mistake": refuse_build,
    "a prompt": fill_prompt,
    "Inspect": fill_inspect,
    "Many at once": fill_many,
    "Convert & check": fill_convert,
    "Help": open_help,
}


def violations(tab: Tab) -> list[str]:
    """Give what axe-core finds: the rule, where, and why."""
    if not AXE.is_file():
        miss("axe-core is not installed: npm --prefix tests/javascript ci")
    tab.page.evaluate(AXE.read_text(encoding="utf-8"))
    found: Any = tab.page.evaluate(
        """([rules, excluded]) => axe.run(
            { include: document, exclude: excluded.map((selector) => [selector]) },
            { runOnly: rules },
        )""",
        [RULES, list(NOT_OURS)],
    )
    return [
        f"{one['id']} at {node['target']}: {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("pane", PANES)
def test_everybody_can_use_the_pane(visitor: Visitor, theme: str, pane: str) -> None:
    tab = visitor.open(theme=theme)
    PANES[pane](tab)
    tab.page.wait_for_function("document.querySelector('.pending') === null")  # gradio pales what is being answered
    tab.page.wait_for_timeout(300)  # for colours that fade in
    assert violations(tab) == []


def test_a_fold_says_whether_it_is_open_and_opens_by_key(tab: Tab) -> None:
    from playwright.sync_api import expect

    label = tab.one("#embmerge_table .label-wrap")
    expect(label).to_have_attribute("aria-expanded", "false")
    label.focus()
    tab.key("Enter")
    expect(label).to_have_attribute("aria-expanded", "true")


def test_arrow_keys_go_from_tab_to_tab(tab: Tab) -> None:
    from playwright.sync_api import expect

    first = tab.page.locator("#embmerge_tabs [role=tab][aria-selected=true]").locator("visible=true").first
    first.focus()
    steps = {"ArrowRight": "Inspect & compare", "ArrowLeft": "Build", "End": "Help", "Home": "Build"}
    for key, title in steps.items():
        tab.key(key)
        chosen = tab.page.locator("#embmerge_tabs [role=tab]:focus")
        expect(chosen.first).to_have_text(title)
        assert tab.page.evaluate("document.activeElement.textContent.trim()") == title


def test_the_page_begins_with_one_heading_and_one_sentence(tab: Tab) -> None:
    assert tab.page.locator("h1").count() == 1
    tab.sees("Makes embeddings for Stable Diffusion out of words", at="welcome")
    assert not tab.area("choice").is_visible()
    tab.open_choice()
    assert tab.area("choice").is_visible()


def test_every_field_has_a_name(tab: Tab) -> None:
    nameless = tab.open_choice().page.evaluate(
        """() => [...document.querySelectorAll("input, textarea, select")]
            .filter((field) => field.getClientRects().length)
            .filter((field) => !field.labels?.length && !field.getAttribute("aria-label") && !field.title)
            .map((field) => field.outerHTML)"""
    )
    assert nameless == []


def test_what_is_longer_than_its_place_says_so(tab: Tab) -> None:
    words = " ".join(["cat", "dog", "red", "blue", "old"] * 5)[:-4]
    tab.write(f"'{words}'").sees("24 vectors")
    parts = tab.page.locator("#embmerge_summary .embmerge-parts").first
    if parts.evaluate("node => node.scrollHeight > node.clientHeight + 2"):
        assert "embmerge-has-more" in (parts.get_attribute("class") or "")
        assert parts.get_attribute("tabindex") == "0"
    tab.write("repeat('cat', 75)").sees("75 vectors")
    tab.write(f"'{words}', '{words}', '{words}'").sees("72 vectors")
    assert "embmerge-has-more" in (parts.get_attribute("class") or "")
    parts.evaluate("node => node.scrollTo(0, node.scrollHeight)")
    tab.page.wait_for_function("!document.querySelector('.embmerge-parts').classList.contains('embmerge-has-more')")
