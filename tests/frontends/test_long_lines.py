"""No line of the command line is longer than 200 letters, whatever stands in a file; what is copied stays whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lib_embmerge.errors import EmbeddingMergeError
from lib_embmerge.frontends import cli
from lib_embmerge.frontends.cli import run
from lib_embmerge.frontends.page.html import draw_error

from ..files.kinds import LORA, PAIR, G, L, old_torch, trained
from ..files.variants import T5

LONGEST_LINE = 200
LONG = "k" * 180
WIDE_NAME = "n" * 150
SUM = " + ".join(["'cat'"] * 80)
NAN = torch.full((100, 768), float("nan"))


def file(tensors: dict[str, torch.Tensor], **metadata: str) -> Callable[[Path], None]:
    return lambda path: save_file({key: one.clone().contiguous() for key, one in tensors.items()}, path, metadata)


def pickle(content: object) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(old_torch(content)) and None


FILES: dict[str, Callable[[Path], None]] = {
    f"{WIDE_NAME}.safetensors": file({"emb_params": L}),
    f"p{WIDE_NAME}.safetensors": file({"x": T5}),
    f"q{WIDE_NAME}.safetensors": file({"a": torch.ones(3), "b": torch.ones(4)}),
    f"r{WIDE_NAME}.safetensors": file({"clip_l": L, "clip_g": G[:1]}),
    f"s{WIDE_NAME}.pt": pickle({LONG: [[L]], f"{LONG}1": {"a": 1}, f"{LONG}2": (L, "x")}),
    f"t{WIDE_NAME}.safetensors": file({"clip_l_out": L, "clip_g_out": G, "t5_out": T5, "llama_out": T5}),
    "key.safetensors": file({LONG: L}),
    "keys.safetensors": file({f"{LONG}{number}": torch.ones(3) for number in range(9)}),
    "beside.safetensors": file({"emb_params": L, **{f"{LONG}{number}": torch.ones(3) for number in range(9)}}),
    "words.safetensors": file({f"<{LONG}{number}>": L for number in range(99)}),
    "lora.safetensors": file({**LORA, **{f"bundle_emb.{LONG}{number}.clip_l": L for number in range(9)}}),
    "holes.safetensors": file({"emb_params": torch.cat([NAN, L])}),
    "pair.safetensors": file(PAIR),
    "said.pt": pickle({**trained(L), "name": LONG * 3, "string_to_token": {f"w{number}": 1 for number in range(99)}}),
    "header.safetensors": file({"emb_params": L}, **{"modelspec.description": "d " * 400, LONG * 2: LONG * 9}),
}

COMMANDS = (["check"], ["inspect"], ["convert"], ["convert", "--split"], ["convert", "--as", "clip_g"], ["verify"])

MISTAKES = (
    ["count", SUM + " + frob('x')"],
    ["count", f"emb('{'n ' * 150}')"],
    ["count", "'" + "z " * 600 + "'"],
    ["compare", SUM, "'dog'"],
    ["save", "'cat'", "--name", "bad/ " * 60],
    ["check", *(f"missing {number} " * 9 for number in range(5))],
    ["frob"],
    ["check", "--frob"],
)


def lines_of(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> list[str]:
    capsys.readouterr()
    cli.run_command(arguments)
    return [line for shown in capsys.readouterr() for line in shown.splitlines()]


def is_short(line: str) -> bool:
    """A name without a blank is never divided: it may be what somebody copies."""
    return len(line) <= LONGEST_LINE or max(map(len, line.split())) > LONGEST_LINE // 2 > len(line.split())


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("name", FILES)
def test_lines_about_files(
    name: str, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    FILES[name](tmp_path / name)
    first, *options = command
    into = ["--dir", "new"] if first == "convert" else []
    lines = lines_of(capsys, [first, name, *options, *into])
    assert [line for line in lines if not is_short(line)] == []
    assert not any(r"\n" in line for line in lines)


@pytest.mark.parametrize("arguments", MISTAKES, ids=[row[0] + str(place) for place, row in enumerate(MISTAKES)])
def test_lines_about_mistakes(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert [line for line in lines_of(capsys, arguments) if not is_short(line)] == []


def test_a_long_sentence_goes_on_below(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_arguments: list[str]) -> int:
        raise EmbeddingMergeError("word " * 60 + "end.", suggestion="Choose:", choices=["a: " + "way " * 60, "b\nc"])

    monkeypatch.setattr(run, "_run", refuse)
    lines = lines_of(capsys, ["check"])
    assert max(map(len, lines)) <= LONGEST_LINE
    assert " ".join(lines[0].split()).startswith("word word")
    assert [line.split()[0] for line in lines if not line.startswith("    ")][-2:] == ["a:", r"b\nc"]


def test_the_page_lists_choices() -> None:
    drawn = draw_error(EmbeddingMergeError("No.", suggestion="Choose:", choices=["a: one <way>", "b: another"]))
    assert "<li>a: one &lt;way&gt;</li>" in drawn
    assert drawn.count("<li>") == 2
    assert "<ul" not in draw_error(EmbeddingMergeError("No."))
