"""The fixture of a running ComfyUI, and the record of what was seen on it.

    COMFYUI_URL       its address; without it all of this is skipped
    E2E_RESULTS       with a name, what was seen is written to tests/e2e/results/NAME.json

It needs the checkpoints `comfy-…` of `make_checkpoints.py` and the LoRA, as is said there, and in its `custom_nodes`
this folder and `tests/e2e/comfyui/bench`, linked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ..record import keep_results
from .server import ComfyServer

_seen: dict[str, str] = {}


@pytest.fixture(scope="session")
def comfy() -> ComfyServer:
    url = os.environ.get("COMFYUI_URL")
    if not url:
        pytest.skip("COMFYUI_URL is not set")
    return ComfyServer(url.rstrip("/"))


@pytest.fixture(autouse=True)
def _nothing_left_behind(comfy: ComfyServer) -> Iterator[None]:
    """Take away what a test has saved; in the place of the WebUIs' fixture of this name."""
    folder = comfy.folder("embeddings")
    yield
    for path in folder.glob("e2e_*.safetensors"):
        path.unlink()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if "e2e/comfyui" in report.nodeid and report.when == "call":
        _seen[report.nodeid.split("::", 1)[-1]] = report.outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    url = os.environ.get("COMFYUI_URL")
    if url and _seen:
        version = ComfyServer(url.rstrip("/")).version()
        keep_results({"version": version, "commit": os.environ.get("COMFYUI_COMMIT", "")}, _seen)
