"""The page in a real browser: `embmerge app` on each gradio that EMBMERGE_GRADIO names, seen with Debian's Chromium.

    EMBMERGE_GRADIO='3.41.2=/some/python 4.40.0=/other/python' python -m pytest tests/browser

Each `version=python` is a Python that has that gradio and what embmerge needs; Playwright is needed in the Python of
pytest only. Without the variable the gradio of this Python is taken, and all is skipped, in words, where something is
missing. With it, what is missing is an error.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .app_server import AppServer, start_server
from .gradios import interpreters, miss
from .tab import PATIENCE_MS, Tab
from .visitor import Visitor

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        metafunc.parametrize("server", interpreters(), indirect=True, scope="package")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests."""
    if importlib.util.find_spec("playwright") is None:
        miss("playwright is not installed: pip install -e '.[browser]'")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        miss("there is no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def server(
    request: pytest.FixtureRequest, browser: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AppServer]:
    """`embmerge app` with the demonstration encoder, on one gradio for all tests."""
    if request.param is None:
        miss("gradio is not installed: pip install -e '.[app]'")
    label, python = request.param
    with start_server(label, python, tmp_path_factory.mktemp(f"gradio-{label}")) as running:
        yield running


@pytest.fixture
def folder(server: AppServer) -> Path:
    """The embeddings folder, empty."""
    server.empty_folder()
    return server.embeddings


@pytest.fixture(scope="package")
def window(server: AppServer, browser: Any) -> Iterator[Visitor]:
    """A window whose memory of gradio's own files is kept from test to test."""
    someone = Visitor(browser, server.url)
    yield someone
    someone.context.close()


@pytest.fixture(autouse=True)
def visitor(server: AppServer, folder: Path, window: Visitor) -> Iterator[Visitor]:
    """Somebody at the browser. After each test: no error there or in the server's log, no file where none belongs."""
    before = server.files_outside()
    server.forget_log()
    window.troubles.clear()
    yield window
    window.leave()
    assert window.troubles == []
    assert "Traceback" not in server.new_log()
    assert server.files_outside() == before


@pytest.fixture
def tab(visitor: Visitor) -> Tab:
    """The tab, opened in a page of ordinary size."""
    return visitor.open()


@pytest.fixture
def another_tab(visitor: Visitor) -> Callable[[], Tab]:
    """Open the tab once more, beside the first."""
    return visitor.open
