"""`embmerge app` as a process of its own, in a temporary folder, on a free port."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
START_S = 120
"""How long torch and gradio may take to be imported on a busy machine."""


@dataclass
class AppServer:
    """A running app. `place` is all that it may write into; its files belong into `embeddings` alone."""

    gradio: str
    url: str
    place: Path
    process: subprocess.Popen[bytes]
    read: int = 0

    @property
    def embeddings(self) -> Path:
        return self.place / "embeddings"

    @property
    def log(self) -> Path:
        return self.place / "log"

    def forget_log(self) -> None:
        self.read = self.log.stat().st_size

    def new_log(self) -> str:
        """Give what the app printed since `forget_log`."""
        return self.log.read_bytes()[self.read :].decode(errors="replace")

    def files_outside(self) -> set[str]:
        """List what lies beside the embeddings folder; gradio's own folder of uploads is left out."""
        beside = (path.relative_to(self.place) for path in self.place.rglob("*"))
        return {str(path) for path in beside if path.parts[0] not in ("embeddings", "uploads")}

    def empty_folder(self) -> None:
        for path in self.embeddings.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


OUR_APP = ("-m", "lib_embmerge", "app", "--no-browser")


@contextlib.contextmanager
def start_server(
    gradio: str, python: str, place: Path, *arguments: str, program: Sequence[str] = OUR_APP
) -> Iterator[AppServer]:
    """Serve the app, or another program that takes a port and a folder, until the block is left.

    Raises: AssertionError where that Python has another gradio, and where the app ends or is silent.
    """
    has = subprocess.run(
        [python, "-c", "from importlib.metadata import version; print(version('gradio'))"],
        capture_output=True,
        text=True,
        timeout=START_S,
    )
    assert has.stdout.strip() == gradio, f"{python} has gradio {has.stdout.strip() or has.stderr}, not {gradio}"
    for name in ("embeddings", "uploads", "home"):
        (place / name).mkdir()
    port = _free_port()
    command = [python, *program, "--port", str(port), "--embeddings", "embeddings", *arguments]
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=place, env=_environment(place), stdout=log, stderr=subprocess.STDOUT)
    server = AppServer(gradio, f"http://127.0.0.1:{port}/", place, process)
    try:
        _wait_until_served(server)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(place: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(place / "uploads"),
        "HF_HUB_OFFLINE": "1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_served(server: AppServer) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        assert server.process.poll() is None, f"the app ended:\n{server.log.read_text()}"
        try:
            with opener.open(server.url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"the app does not answer after {START_S} s:\n{server.log.read_text()}")
