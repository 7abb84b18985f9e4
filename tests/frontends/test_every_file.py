"""What the command line answers for every kind of file: `every_file.json` has the verdict, the new files, the refusal.

The verdicts in it are held to the programs' own loaders in tests/compatibility; here they are as people read them.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from lib_embmerge.frontends import cli

from ..files.kinds import FILES, L, before_zip, packed, trained
from ..files.variants import OTHERS, VARIANTS, zipped

ANSWERS: Mapping[str, Any] = json.loads((Path(__file__).parent / "every_file.json").read_text(encoding="utf-8"))
"""By file: `check` and `convert`, each with the exit status and what is said: lines, or the names of new files."""

MADE: Mapping[str, Callable[[], bytes]] = {**FILES, **VARIANTS, **{name: make for name, (make, _) in OTHERS.items()}}
LONGEST_LINE = 200


def answers(path: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Check and convert a file; all that is printed has to be short."""
    checked = run(capsys, "check", path)
    new.mkdir()
    converted = run(capsys, "convert", path, "--dir", new)
    files = sorted(file.name for file in new.iterdir())
    return {
        "check": [checked[0], headlines(checked[1]) if checked[0] == 0 else refusal(checked[2])],
        "convert": [converted[0], files if converted[0] == 0 else refusal(converted[2])],
    }


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    status = cli.run_command([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    shown = [line for line in (out + err).splitlines() if not line.rstrip(":").endswith(str(arguments[1]))]
    assert max((len(line) for line in shown if str(arguments[-1]) not in line), default=0) <= LONGEST_LINE
    return status, out, err


def headlines(text: str) -> list[str]:
    _, *lines = [line.strip() for line in text.splitlines()]
    return lines[: lines.index("")]


def refusal(text: str) -> list[str]:
    return text.splitlines()[1:]


def test_every_kind_has_an_answer() -> None:
    assert set(ANSWERS) == set(MADE)


@pytest.mark.parametrize("name", sorted(MADE))
def test_what_is_answered(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / name
    path.write_bytes(MADE[name]())
    assert answers(path, tmp_path / "new", capsys) == ANSWERS[name]


ASKED = (("--drop-bad",), ("--unequal", "pad"), ("--as", "t5xxl"), ("--as", "qwen3_4b"))
"""What people may add to `convert`, where it asks for it."""

REFUSED = sorted(name for name, answer in ANSWERS.items() if answer["convert"][0] == 2)


def test_what_check_refuses_convert_refuses() -> None:
    assert {name for name, answer in ANSWERS.items() if answer["check"][0] == 2} <= set(REFUSED)


@pytest.mark.parametrize("name", REFUSED)
def test_what_convert_refuses_whatever_is_asked_check_refuses(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(MADE[name]())
    is_made = any(run(capsys, "convert", *more, "--dir", tmp_path / "new", path)[0] != 2 for more in ASKED)
    assert (ANSWERS[name]["check"][0] == 2) is not is_made


class Planted:
    """Writes a file where it is unpickled by what runs pickles."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, ("it-ran", "w")


PLANTED: Mapping[str, Callable[[], bytes]] = {
    "alone.pt": lambda: pickle.dumps(Planted(), protocol=2),
    "lines.bin": lambda: pickle.dumps(Planted(), protocol=0),
    "newest.pt": lambda: pickle.dumps({"emb_params": Planted()}, protocol=4),
    "archive.pt": lambda: packed({"emb_params": L, "step": Planted()}),
    "trained.pt": lambda: packed(trained(L, step=Planted())),
    "value.bin": lambda: packed(trained(Planted())),
    "key.pt": lambda: packed([{"emb": L[0], "emb2": Planted()}]),
    "before_zip.pt": lambda: before_zip(trained(L, sd_checkpoint=Planted())),
    "called.safetensors": lambda: packed({"emb_params": L, "step": Planted()}),
    "called.png": lambda: before_zip({"emb_params": L, "step": Planted()}),
    "called.zip": lambda: zipped({"archive/data.pkl": pickle.dumps(Planted(), protocol=2)}),
}


def test_what_is_planted_would_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pt").write_bytes(PLANTED["trained.pt"]())
    torch.load("x.pt", weights_only=False)["step"].close()
    assert (tmp_path / "it-ran").exists()


@pytest.mark.parametrize("name", sorted(PLANTED))
def test_nothing_in_a_pickle_is_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(PLANTED[name]())
    for command in ("check", "convert", "inspect", "explain"):
        status, _, err = run(capsys, command, tmp_path / name)
        assert status == 2
        assert "asks for " in err
        assert ".open" in err
    assert [file.name for file in tmp_path.iterdir()] == [name]
