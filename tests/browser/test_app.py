"""The app's own row: another checkpoint is opened, and everything follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lib_embmerge.frontends.app.host import DEMONSTRATION_CHOICE

from ..frontends.checkpoints import make_checkpoint
from .expected import are_equal, compute, read_file
from .tab import Tab
from .visitor import Visitor


@pytest.fixture
def checkpoint(tmp_path: Path, visitor: Visitor) -> Iterator[Path]:
    """A small checkpoint in a file; the demonstration encoder is opened again when the test is over."""
    yield make_checkpoint(tmp_path / "small.safetensors", seed=1)
    visitor.open().choose_checkpoint(DEMONSTRATION_CHOICE).sees("Using: the demonstration encoder", at="opened")


def test_the_preview_follows_another_checkpoint(
    tab: Tab, folder: Path, checkpoint: Path, another_tab: Callable[[], Tab]
) -> None:
    other = another_tab().write("'dog'").sees("Demonstration encoder")
    tab.come_to_front().write("'cat'").sees("Demonstration encoder").choose_checkpoint(str(checkpoint))
    tab.sees("Using: small · SDXL · clip_l + clip_g", at="opened").sees_no("Made with", at="opened")
    tab.sees("Made with small")
    other.come_to_front().sees("Made with small")  # a page that nobody sees does not ask
    tab.come_to_front().write("em_small", into="name").press("save").sees("✓", at="result")
    tab.sees_no("Demonstration", at="result")
    assert are_equal(read_file(folder / "em_small.safetensors"), compute("'cat'", checkpoint=checkpoint))


COUNT = """() => {
    const { ask, glance } = window.embmerge;
    Object.assign(window, { asked: 0, looks: 0, answered: 0 });
    window.embmerge.ask = (purpose, ...rest) => {
        window.asked += purpose === "follow";
        return ask(purpose, ...rest);
    };
    window.embmerge.glance = async (kind) => {
        window.looks += 1;
        const answer = await glance(kind);
        window.answered += answer?.state?.model !== undefined;
        return answer;
    };
}"""


def test_an_open_page_looks_for_another_model_when_somebody_comes(tab: Tab) -> None:
    tab.write("'cat'").sees("Demonstration encoder")
    tab.page.evaluate(COUNT)
    tab.page.wait_for_timeout(5500)
    assert tab.page.evaluate("window.asked") == 0  # each answer of gradio 3's costs a WebUI's whole page
    assert 1 <= tab.page.evaluate("window.looks") <= 3
    assert tab.page.evaluate("window.answered") >= 1
    tab.page.wait_for_function("before => window.looks > before", arg=tab.page.evaluate("window.looks"))
    before = tab.page.evaluate("window.looks")
    tab.page.wait_for_timeout(700)
    for _ in range(3):
        tab.one("#embmerge_expression").dispatch_event("pointerover", {"bubbles": True})
    assert tab.page.evaluate("window.looks") in (before + 1, before + 2)  # the regular one may have come between


def test_a_checkpoint_that_is_none_is_refused_in_a_sentence(tab: Tab, tmp_path: Path) -> None:
    tab.sees("Using: the demonstration encoder", at="opened").open_choice()
    tab.choose_checkpoint("/nowhere/x.safetensors").sees("There is no file /nowhere/x.safetensors", at="opened")
    tab.sees("Using: the demonstration encoder", at="opened")
    (tmp_path / "torn.safetensors").write_bytes(b"x" * 100)
    tab.choose_checkpoint(str(tmp_path / "torn.safetensors")).sees("torn.safetensors", at="opened")
    tab.write("'cat'").sees("1 vector", "Demonstration encoder")


def test_a_known_checkpoint_is_taken_from_the_list(tab: Tab) -> None:
    tab.open_choice()
    for _ in range(2):
        tab.write("/nowhere/x.safetensors", into="checkpoint").pick(DEMONSTRATION_CHOICE, of="known")
        tab.holds(DEMONSTRATION_CHOICE, into="checkpoint")
    tab.press("open").sees("demonstration encoder", at="opened")
