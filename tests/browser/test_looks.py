"""The page on small screens, in both themes, and by keyboard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from .tab import Tab
from .visitor import Visitor

LONG = "'a photo of a very big black cat that sits on a red sofa' + normalize('old' + 'car', 'house')"
WORD = "'" + "kitten" * 60 + "'"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_never_scrolled_to_the_side(visitor: Visitor, width: int) -> None:
    tab = visitor.open(width=width)
    assert not tab.is_wider_than_the_screen
    for text in (LONG, WORD):
        tab.write(text).sees("vectors", "nearest")
        assert not tab.is_wider_than_the_screen
    tab.write(LONG * 3 + "*").sees("^", at="messages")
    assert not tab.is_wider_than_the_screen


def test_no_pane_is_wider_than_a_small_screen(visitor: Visitor, tmp_path: Path) -> None:
    tab = visitor.open(width=390)
    tab.save(f"'a', {LONG}", "em_" + "n" * 60).sees("✓", at="result")
    for fold, text in (("table", "percentile"), ("pictures", "Similarity"), ("loads", "of 8 programs")):
        tab.unfold(fold).sees(text, at=fold)
        assert not tab.is_wider_than_the_screen, fold
    tab.open_pane("Inspect & compare").write(LONG, into="inspect_expression").press("inspect")
    tab.sees("nearest words", at="inspect_result")
    assert not tab.is_wider_than_the_screen
    tab.open_pane("Compare").write(LONG, into="a_expression").write(WORD, into="b_expression").press("compare")
    tab.sees("cosine", at="compare_result")
    assert not tab.is_wider_than_the_screen
    tab.open_pane("Many at once").write(f"em_{'n' * 60} = {LONG}\nem_b = {WORD}", into="many_lines")
    tab.sees("1 with a mistake", at="many_preview").press("many_run").sees("2 failed", at="many_run_result")
    tab.is_done("many_run")  # gradio 3.43 forgets an upload during which another answer comes in
    assert not tab.is_wider_than_the_screen
    torch.save({"string_to_param": {"*": torch.ones(2, 768)}}, tmp_path / f"{'old' * 20}.pt")
    tab.open_pane("Convert & check").give_files(tmp_path / f"{'old' * 20}.pt", to="convert_upload")
    tab.sees("of 8 programs", at="convert_checked").press("convert_run").sees("✓", at="convert_made")
    assert not tab.is_wider_than_the_screen
    tab.open_pane("Help").sees("slerp(a, b, t)", at="help")
    assert not tab.is_wider_than_the_screen


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_can_be_read_in_both_themes(visitor: Visitor, theme: str) -> None:
    tab = visitor.open(theme=theme)
    tab.write("'cat' - 'adult'").sees("1 vector", "nearest")
    for selector in (".embmerge-count", ".embmerge-chip b", ".embmerge-chip small", ".embmerge-near dt"):
        text, behind = tab.colours(f"#embmerge_summary {selector}")
        assert contrast(text, behind) >= 4.5, selector
    tab.open_pane("Help").sees("slerp(a, b, t)", at="help")
    assert contrast(*tab.colours("#embmerge_help .embmerge-formula")) >= 4.5


def test_the_order_of_tab_keys_follows_the_eye(tab: Tab) -> None:
    tab.write("'cat'").sees("1 vector")
    assert reached_by_tab(tab, "name", "folder", "save") == ["name", "folder", "save"]
    tab.open_pane("Inspect & compare").write("'cat'", into="inspect_expression")
    assert reached_by_tab(tab, "inspect_checkpoint", "inspect") == ["inspect_checkpoint", "inspect"]
    tab.open_pane("Many at once").write("em_a = 'cat'", into="many_lines")
    order = ["many_folder", "many_overwrite", "many_same_name", "many_run"]
    assert reached_by_tab(tab, *order) == order
    tab.open_pane("Convert & check").write("em_b", into="convert_name")
    order = ["convert_folder", "convert_dtype", "convert_overwrite", "convert_run"]
    assert reached_by_tab(tab, *order) == order


def reached_by_tab(tab: Tab, *parts: str) -> list[str]:
    """Press the Tab key until the last of these parts is reached; give those that were, in their order."""
    seen: list[str] = []
    for _ in range(30):
        tab.key("Tab")
        part = tab.page.evaluate("document.activeElement.closest('[id^=embmerge_]')?.id") or ""
        name = part.removeprefix("embmerge_")
        if name in parts and name not in seen[-1:]:  # newer gradios stop at each choice of a part
            seen.append(name)
        if parts[-1] in seen:
            break
    return seen


def contrast(one: str, other: str) -> float:
    """Give the contrast of two CSS colours. Source: WCAG 2.2, relative luminance."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    numbers = re.findall(r"[\d.]+(?:e-?\d+)?", colour)[:3]  # "rgb(1, 2, 3)" or "color(srgb 0.1 0.2 0.3)"
    parts = [float(part) / (1 if colour.startswith("color(") else 255) for part in numbers]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
