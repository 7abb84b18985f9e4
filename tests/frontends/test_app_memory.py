"""The app runs for days: what is opened after something else takes its place."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from lib_embmerge.frontends.app.host import AppHost

from .checkpoints import KEYS_OF_SD1, KEYS_OF_SD2, make_checkpoint

ROOT = Path(__file__).resolve().parents[2]

OPEN_BY_TURNS = """
import sys
import threading
from pathlib import Path
from lib_embmerge.frontends.app.host import AppHost
from lib_embmerge.frontends.app.memory import give_large_blocks_back

def resident():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024

def open_one(path):
    host.choose(path, folder)
    for _ in host.read_tables():
        pass

folder, *paths = map(Path, sys.argv[1:])
give_large_blocks_back()
host = AppHost(None, folder, None)
for number in range(4):
    thread = threading.Thread(target=open_one, args=(paths[number % 2],))  # as gradio calls its events
    thread.start()
    thread.join()
    if number == 1:
        before = resident()
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="how much memory a process has is read as Linux says it")
def test_opening_checkpoints_by_turns_takes_no_more_memory_each_time(tmp_path: Path) -> None:
    paths = [make_checkpoint(tmp_path / f"{name}.safetensors", seed=1, keys=KEYS_OF_SD2) for name in ("a", "b")]
    command = [sys.executable, "-c", OPEN_BY_TURNS, str(tmp_path), *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 10  # MB, for two of them; it was 25


def test_a_model_that_was_closed_is_gone(tmp_path: Path) -> None:
    host = AppHost(make_checkpoint(tmp_path / "a.safetensors", seed=1, keys=KEYS_OF_SD1), tmp_path, None)
    list(host.read_tables())
    vocabulary = weakref.ref(host.model.encoders[0].vocabulary())
    gc.disable()
    try:
        host.choose(None, tmp_path)
        assert vocabulary() is None
    finally:
        gc.enable()
