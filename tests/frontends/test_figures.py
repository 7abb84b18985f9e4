"""Figures for people."""

from __future__ import annotations

import pytest

from lib_embmerge.frontends.figures import figure

WRITTEN = [
    (0.0012346, "0.001235"),
    (-0.0012346, "-0.001235"),
    (0.012345, "0.01235"),
    (0.5, "0.5000"),
    (1.0, "1.000"),
    (12.345, "12.35"),
    (1234.5, "1234"),
    (123456.7, "123457"),
    (1e6, "1.000e+06"),
    (0.00099, "9.900e-04"),
    (0, "0"),
    (None, "–"),
    (float("inf"), "inf"),
]


@pytest.mark.parametrize(("value", "written"), WRITTEN, ids=[row[1] for row in WRITTEN])
def test_four_digits_are_shown(value: float | None, written: str) -> None:
    assert figure(value) == written
