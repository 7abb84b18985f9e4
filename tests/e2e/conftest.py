"""The host under test: a WebUI that is already running at WEBUI_URL, with this extension installed.

Its checkpoints are those of `make_checkpoints.py`. Without WEBUI_URL everything here is skipped. What was seen is
written to `results/<host>.json` when E2E_RESULTS is set, beside what was seen before in the same version.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .record import keep_results
from .webui import WebUI

_seen: dict[str, str] = {}
_identity: dict[str, Any] = {}


@pytest.fixture(scope="session")
def webui() -> WebUI:
    url = os.environ.get("WEBUI_URL")
    if not url:
        pytest.skip("WEBUI_URL names no running WebUI")
    host = WebUI(url.rstrip("/"))
    _identity.update(host.identity())
    if host.is_sdnext():
        host.set_options({"server_rate_limit": 0})  # 60 pictures a minute by default
    elif host.option("live_previews_enable") is None and host.option("show_progress_type") is not None:
        host.set_options({"show_progress_type": "Approx cheap"})  # ersatzForge's default one is a download
    host.set_options({"live_previews_enable": False, "embmerge_angle_brackets": True, "embmerge_curly_brackets": True})
    return host


@pytest.fixture(autouse=True)
def _nothing_left_behind(webui: WebUI) -> Iterator[None]:
    before = webui.embeddings()
    yield
    left = set(webui.embeddings()) - set(before)
    assert not {name for name in left if name.startswith("embm")}


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Put each file's cases of one checkpoint together: a change of checkpoint takes some hosts many seconds."""
    ours = [item for item in items if item.path.parent == Path(__file__).parent]
    files = list(dict.fromkeys(item.path for item in ours))

    def place(item: Any) -> tuple[int, str]:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        return files.index(item.path), str(parameters.get("checkpoint", ""))

    items[:] = [item for item in items if item not in ours] + sorted(ours, key=place)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if "e2e" in report.nodeid and (report.when == "call" or report.skipped):
        _seen[report.nodeid.split("::", 1)[-1]] = report.outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    keep_results(_identity, _seen)
