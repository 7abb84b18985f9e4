"""Typing at a person's pace: what is right is never told to be wrong, and nothing moves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lib_embmerge.frontends.page.build.preview import EXAMPLES

from .tab import Tab
from .visitor import Visitor

README = Path(__file__).resolve().parents[2] / "README.md"
KEY_MS = 300
REST_MS = 1500
"""After which a text rests: in javascript/tab.js."""

WATCH = """() => {
    let typed = 0;
    // Not what the page writes itself.
    const noteKey = ({ isTrusted }) => (typed = isTrusted ? performance.now() : typed);
    document.addEventListener("input", noteKey, true);
    window.embmergeAlerts = [];
    window.embmergeShifts = [];
    const loud = "[role=alert], [aria-live=assertive]";
    const note = (node) => {
        if (node instanceof Element) {
            [node, ...node.querySelectorAll("*")].filter((one) => one.closest(loud) && one.textContent.trim())
                .forEach((one) => window.embmergeAlerts.push([one.textContent.trim(), performance.now() - typed]));
        }
    };
    new MutationObserver((changes) => changes.forEach(({ target, addedNodes }) => {
        addedNodes.forEach(note);
        if (target instanceof Element && target.closest(loud)) note(target);
    })).observe(document, { childList: true, subtree: true, characterData: true });
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
        for (const { node, previousRect, currentRect } of entry.sources) {
            const name = node?.id || node?.parentElement?.id || node?.nodeName;
            window.embmergeShifts.push([name, previousRect.y, currentRect.y]);
        }
    })).observe({ type: "layout-shift", buffered: false });
}"""

PLACES = """() => [
    "expression", "messages", "summary", "name", "save", "save_place", "about", "folds",
].map((id) => [id, document.querySelector(`#embmerge_${id}`).getBoundingClientRect()])
 .map(([id, { x, y, width }]) => [id, x, y, width])"""


def readme_examples() -> list[str]:
    """Give the expressions that the README and the page begin with."""
    prose = re.findall(r"`<([^`]+)>`", README.read_text(encoding="utf-8").split("## ")[0])
    return list(dict.fromkeys([*prose, *(text for text, _ in EXAMPLES), "'cat' - 'adult' + 'child'"]))


@pytest.mark.parametrize("width", [1280, 390])
def test_typing_what_is_right_alarms_nobody_and_moves_nothing(visitor: Visitor, width: int) -> None:
    tab = visitor.open(width=width)
    tab.write("'cat'").sees("1 vector", "nearest").write("")
    tab.sees("An embedding is", at="messages")
    tab.page.evaluate(WATCH)
    before = tab.page.evaluate(PLACES)
    for example in readme_examples() if width == 1280 else readme_examples()[:1]:
        tab.box("expression").press_sequentially(example, delay=KEY_MS)
        tab.sees("vector").sees_no("Not finished", at="messages")
        assert tab.page.evaluate(PLACES) == before, example
        tab.write("").sees("An embedding is", at="messages")
    assert alerts(tab) == []
    assert tab.page.evaluate("window.embmergeShifts") == []


def alerts(tab: Tab) -> list[str]:
    """Give what was read out while somebody typed: on a busy machine a key may come so late that the text did rest."""
    return [text for text, ms in tab.page.evaluate("window.embmergeAlerts") if ms < REST_MS]


def test_what_is_wrong_is_told_when_it_rests(tab: Tab) -> None:
    tab.page.evaluate(WATCH)
    tab.box("expression").press_sequentially("'cat' - ", delay=KEY_MS)
    tab.sees("Not finished yet. Expected a quoted text", at="messages")
    assert alerts(tab) == []
    tab.sees("^", at="messages").sees_greyed()
    assert any("Expected a quoted text" in text for text, _ in tab.page.evaluate("window.embmergeAlerts"))
    assert tab.box("expression").get_attribute("aria-invalid") == "true"


def test_what_is_wrong_at_its_place_is_told_at_once(tab: Tab) -> None:
    tab.write("'cat' - 'adult' + * 'child'").sees("^", at="messages")
    assert tab.area("messages").locator("[role=alert]").count() == 1
    tab.write("'cat'").sees("1 vector").sees_no("^", at="messages")
    assert tab.box("expression").get_attribute("aria-invalid") == "false"
