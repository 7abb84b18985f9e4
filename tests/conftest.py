"""What holds for all tests: how many examples property tests try, and what is computed once for all."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from .examples import examples

os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch reads it; more threads cost more than they give on small tables

PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}  # a busy machine needs its time

settings.register_profile("ours", max_examples=examples(200), **PATIENT)
settings.load_profile("ours")


def pytest_configure() -> None:
    """Let memory that is free again be taken again: to get it anew costs ten times what is computed in it.

    Source: mallopt(3); what has no such function does without.
    """
    take_again = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if take_again is not None:
        m_trim_threshold, m_mmap_max = -1, -4
        take_again(m_mmap_max, 0)
        take_again(m_trim_threshold, 1 << 30)


def pytest_collection_finish() -> None:
    """Keep the collector of garbage from what stays, half a million objects, which it would walk over and over."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of one test's own; pytest would list its thousands of siblings, and make links for each."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=tmp_path_factory.getbasetemp()))


@pytest.fixture(autouse=True, scope="session")
def _cache_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what the program keeps for its user out of this user's folders; other processes inherit it."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
            patch.setenv(variable, str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _statistics_once() -> Iterator[None]:
    """Compute a table's statistics once, where tests have asked for checkpoints at all."""
    if "lib_embmerge.models.checkpoint" not in sys.modules:
        yield
        return
    from .statistics_once import kept_statistics

    with kept_statistics():
        yield
