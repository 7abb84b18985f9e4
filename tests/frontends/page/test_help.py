"""The pane "Help" follows the table of operations."""

from __future__ import annotations

import html
import re

import pytest

from lib_embmerge.frontends.page.help import RULES, draw_help, group_operations
from lib_embmerge.language import parse
from lib_embmerge.operations import listed_operations, signature


def test_every_operation_is_there_with_its_example() -> None:
    drawn = html.unescape(draw_help())
    for entry in listed_operations():
        assert f"<dt>{signature(entry)}</dt>" in drawn
        assert f'data-embmerge-text="{entry.example}"' in drawn
        assert entry.summary in drawn
        assert entry.formula in drawn


def test_the_groups_hold_each_once() -> None:
    names = [entry.name for entries in group_operations().values() for entry in entries]
    assert sorted(names) == sorted(entry.name for entry in listed_operations())


@pytest.mark.parametrize("example", [rule.example for rule in RULES if rule.example])
def test_examples_can_be_read(example: str) -> None:
    parse(example)


def test_every_button_opens_the_pane_with_the_box() -> None:
    buttons = re.findall(r"<button[^>]*>", draw_help())
    assert buttons
    assert all('data-embmerge-pane="build"' in button for button in buttons)
