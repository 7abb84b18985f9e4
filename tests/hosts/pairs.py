"""Two tables against each other, without the pairs that go through no other code."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest


def pairs(firsts: Sequence[Any], seconds: Collection[str], everywhere: Collection[str]) -> list[Any]:
    """Give all of `seconds` beside the first of `firsts`, and beside each other one those that are `everywhere`."""
    assert set(everywhere) <= set(seconds)
    return [
        pytest.param(first, second, id=f"{first if isinstance(first, str) else ' '.join(first)}-{second}")
        for first in firsts
        for second in seconds
        if first == firsts[0] or second in everywhere
    ]
