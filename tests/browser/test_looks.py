"""The page on small screens, in both themes, and by keyboard."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_can_be_read_in_both_themes(visitor: Visitor, theme: str) -> None:
    tab = visitor.open(theme=theme)
    tab.write("'cat' - 'adult'").sees("1 vector", "nearest")
    for selector in (".embmerge-count", ".embmerge-chip b", ".embmerge-chip small", ".embmerge-near dt"):
        text, behind = tab.colours(f"#embmerge_summary {selector}")
        assert contrast(text, behind) >= 3, selector


def test_the_order_of_tab_keys_follows_the_eye(tab: Tab) -> None:
    tab.write("'cat'").sees("1 vector")
    seen = []
    for _ in range(30):
        tab.page.keyboard.press("Tab")
        seen.append(tab.page.evaluate("document.activeElement.closest('[id^=embmerge_]')?.id"))
        if seen[-1] == "embmerge_save":
            break
    order = [name for name in seen if name in ("embmerge_name", "embmerge_folder", "embmerge_save")]
    assert order == ["embmerge_name", "embmerge_folder", "embmerge_save"]


def contrast(one: str, other: str) -> float:
    """Give the contrast of two CSS colours. Source: WCAG 2.2, relative luminance."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
