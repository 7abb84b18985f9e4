"""What is committed: no path of one machine, no picture of one person's set-up, nothing that drifted."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MACHINE_PATH = re.compile(
    r"(?<![\w.])/(?:home|Users|root|work|opt)/[\w.-]+|\b[A-Z]:\\\\?(?:Users|Program)|find-links|extra-index-url|index-url"
)


def committed_files() -> list[Path]:
    """Give the files that git knows, or that it would add; none where this is not a git checkout."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no git checkout")
    return [path for name in listed if name and (path := ROOT / name).is_file() and path != Path(__file__)]


def test_no_machine_path() -> None:
    found = []
    for path in committed_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in MACHINE_PATH.finditer(text)]
    assert found == []


def test_the_host_script_only_wires() -> None:
    for path in (ROOT / "scripts").glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 80


def test_installing_into_a_host_adds_only_a_missing_lark() -> None:
    tree = ast.parse((ROOT / "install.py").read_text(encoding="utf-8"))
    calls = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert [call for call in calls if "run" in call] == [
        "launch.run_pip('install lark', 'lark, for Embedding Merge')",
        "subprocess.run([sys.executable, '-m', 'pip', 'install', 'lark'], check=True)",
    ]


def test_installing_where_lark_is_there_does_nothing(tmp_path: Path) -> None:
    """As ComfyUI's manager runs it: no module of a WebUI is there."""
    (tmp_path / "pip.py").write_text("raise SystemExit('pip was run')")
    run = [sys.executable, str(ROOT / "install.py")]
    subprocess.run(run, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=True)
