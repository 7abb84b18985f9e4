"""Files of every kind, made once, with what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from lib_embmerge.compatibility.facts import FileFacts, describe_file
from lib_embmerge.compatibility.judging import judge
from lib_embmerge.compatibility.verdicts import Verdict

from ..files.kinds import FILES, make
from ..files.variants import VARIANTS

Judged = Callable[[str], tuple[FileFacts, list[Verdict]]]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the files by name, to be read only."""
    return make(tmp_path_factory.mktemp("kinds"), {**FILES, **VARIANTS})


@pytest.fixture(scope="session")
def judged(made: dict[str, Path]) -> Judged:
    """Return what gives a file's facts and verdicts, found once for all tests."""

    @cache
    def find(name: str) -> tuple[FileFacts, list[Verdict]]:
        facts = describe_file(made[name])
        return facts, judge(facts)

    return find
