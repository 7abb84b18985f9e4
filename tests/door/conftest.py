"""The app, and a WebUI with a login that has our tab, each on every gradio that is tried; see tests/browser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from lib_embmerge.files.writing import write_embedding

from ..browser.app_server import OUR_APP, AppServer, start_server
from ..browser.gradios import interpreters, miss
from .client import Client

SECRET = "TOPSECRET"
"""What stands in a file beside the embeddings folder, which nobody has opened."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name in ("app", "webui"):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, interpreters(), indirect=True, scope="package")


@pytest.fixture(scope="package")
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """`embmerge app` with the demonstration encoder."""
    yield from serve("app", request, tmp_path_factory, OUR_APP)


@pytest.fixture(scope="package")
def webui(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """A program of gradio's with a login, in which our tab is one of several."""
    yield from serve("webui", request, tmp_path_factory, [str(Path(__file__).with_name("fake_webui.py"))])


def serve(
    name: str, request: pytest.FixtureRequest, folders: pytest.TempPathFactory, program: Sequence[str]
) -> Iterator[AppServer]:
    if request.param is None:
        miss("gradio is not installed: pip install -e '.[app]'")
    label, python = request.param
    place = folders.mktemp(f"{name}-{label}")
    plant(place)
    with start_server(label, python, place, program=program) as running:
        yield running


def plant(place: Path) -> None:
    write_embedding({"clip_l": torch.ones(1, 768)}, place, "secret", metadata={"embmerge.expression": SECRET})
    (place / "secret.txt").write_text(f"a = '{SECRET}'")


@pytest.fixture
def client(app: AppServer) -> Client:
    return Client(app.url)
