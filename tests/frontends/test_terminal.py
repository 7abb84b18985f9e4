"""What the command line shows on a terminal: help that fits, colours, nothing that steers it; and completion."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

from lib_embmerge.__main__ import main
from lib_embmerge.frontends.cli.arguments import COMMANDS, help_text
from lib_embmerge.frontends.cli.terminal import WORD, fit_help, terminal_width
from lib_embmerge.models import checkpoint
from lib_embmerge.models.memory import MemoryModel

HELPS = ["embmerge", *COMMANDS]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


OpenTerminal = Callable[[], tuple[Terminal, Terminal]]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> OpenTerminal:
    """Let stdout and stderr be terminals that show colours, once the test asks for it: pytest has them until then."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def become() -> tuple[Terminal, Terminal]:
        out, err = Terminal(), Terminal()
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        return out, err

    return become


# --- help ----------------------------------------------------------------------------------------------------------


def words(text: str) -> list[str]:
    """Give what a text says, however its lines are divided."""
    return [word for word in text.split() if word not in ("\\", "`")]


@pytest.mark.parametrize("width", [118, 100, 80, 60, 48])
@pytest.mark.parametrize("name", HELPS)
def test_help_fits(name: str, width: int) -> None:
    fitted = fit_help(help_text(name), width)
    wide = [line for line in fitted.split("\n") if len(line) > width]
    assert [line for line in wide if len(WORD.findall(line.strip(" \\`"))) > 1] == []  # a text in quotes stays whole
    assert sorted(words(fitted)) == sorted(words(help_text(name)))


@pytest.mark.parametrize("name", HELPS)
def test_a_command_in_narrow_help_is_still_one(name: str) -> None:
    def commands(text: str) -> list[list[str]]:
        joined = text.replace(" \\\n", " ").replace(" `\n", " ")
        return [words(line) for line in joined.split("\n") if line.startswith("    embmerge ")]

    assert commands(fit_help(help_text(name), 60)) == commands(help_text(name))


def test_the_width_is_the_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = {}
    for columns in ("30", "80", "300"):
        monkeypatch.setenv("COLUMNS", columns)
        widths[columns] = terminal_width()
    assert widths == {"30": 40, "80": 80, "300": 118}


def test_help_is_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    assert main(["help", "save"]) == 0
    shown = capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["save", "--help"])
    assert shown == capsys.readouterr().out
    assert max(map(len, shown.split("\n"))) <= 70


# --- colours -------------------------------------------------------------------------------------------------------


def use_everything() -> None:
    save_file({"clip_l": torch.ones(1, 768), "clip_g": torch.ones(1, 1280)}, "mine-x.safetensors")
    main(["check", "mine-x.safetensors"])
    main(["save", "kitten", "'cat'"])
    main(["count", "'cat' +"])


def test_colours_on_a_terminal(terminal: OpenTerminal) -> None:
    streams = terminal()
    use_everything()
    out, err = (stream.getvalue() for stream in streams)
    assert "\033[32myes\033[0m" in out
    assert "\033[33mwarning:\033[0m kitten is a word" in err
    assert "\033[31m       ^\033[0m" in err


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colours_where_they_are_not_wanted(
    terminal: OpenTerminal, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    out, err = terminal()
    use_everything()
    assert "yes*" in out.getvalue()
    assert "\033" not in out.getvalue() + err.getvalue()


def test_no_colours_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    use_everything()
    assert "\033" not in "".join(capsys.readouterr())


def test_json_has_no_colours_and_no_note(terminal: OpenTerminal) -> None:
    out, err = terminal()
    main(["count", "'cat'", "--json"])
    assert out.getvalue().startswith("{")
    assert err.getvalue() == ""


# --- names and headers that would steer ----------------------------------------------------------------------------

STEERING = "\x1b]0;owned\x07\x1b[2J\r\x9b1A\u202e"
WRITING = ["convert", "rebuild", "carry", "batch"]
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows refuses")
@pytest.mark.parametrize("command", ["inspect", "nearest", "explain", "compare", "check", *WRITING])
def test_no_file_steers_the_terminal(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    if command not in WRITING:  # what is near to the files' vectors takes long to find in a whole vocabulary
        small = MemoryModel.sdxl(widths=(768, 1280))
        monkeypatch.setattr(checkpoint, "open_model", lambda _checkpoint, **_folders: small)
    vectors = {"clip_l": torch.ones(1, 768), "clip_g": torch.ones(1, 1280)}
    about = dict.fromkeys(("modelspec.author", "modelspec.description", "embmerge.checkpoint"), f"x{STEERING}")
    bad, good = f"bad{STEERING}.safetensors", "good.safetensors"
    for name in (bad, good):
        save_file(vectors, name, metadata=about)
    Path(f"list{STEERING}.txt").write_text(f"a{STEERING} = 'cat'\nb-x = 'a{STEERING}b' +\n")
    Path(f"torn{STEERING}.safetensors").write_bytes(b"torn")
    arguments = {
        "compare": [[bad, good], [bad, f"'{STEERING}'"], [f"torn{STEERING}.safetensors", good]],
        "carry": [[bad, "--to", bad], [f"none{STEERING}", "--to", good]],
        "batch": [[f"list{STEERING}.txt"], [f"none{STEERING}.txt"]],
        "convert": [[bad, "--dir", "out"], [f"torn{STEERING}.safetensors"]],
    }
    for given in arguments.get(command, [[bad], [good], [f"torn{STEERING}.safetensors"], [f"none{STEERING}.pt"]]):
        main([command, *given])
        shown = "".join(capsys.readouterr())
        assert shown.strip()
        assert CONTROL.findall(shown) == []


@pytest.mark.parametrize(
    "arguments",
    [
        [f"c{STEERING}"],
        ["help", STEERING],
        ["count", f"'{STEERING}"],
        ["count", f"a {STEERING}"],
        ["count", "'a'", f"--{STEERING}"],
        ["count", "'a'", STEERING],
        ["count", "'a'", "--limit", STEERING],
        ["nearest", "'a'", "-k", STEERING],
        ["save", f"a{STEERING}", "'a'"],
        ["functions", STEERING],
        ["inspect", f"'a' + lurp{STEERING}('b')"],
        ["count", "'a'", "--embeddings", STEERING],
    ],
)
def test_no_argument_steers_the_terminal(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    main(arguments)
    shown = "".join(capsys.readouterr())
    assert shown.strip()
    assert CONTROL.findall(shown) == []


def test_progress_does_not_steer(terminal: OpenTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    _, err = terminal()
    name = f"list{STEERING}.txt"
    Path(name).write_text("".join(f"n{i}-x = 'cat'\n" for i in range(4)))
    main(["batch", name])
    steps = err.getvalue().split("\r\033[K")
    assert "4/4 list" in steps[4]
    assert CONTROL.findall("".join(steps)) == []
    assert max(len(step) for step in steps[1:5]) < 50


# --- completion ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_reads_the_script(shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name in COMMANDS)
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell}")
    (tmp_path / "script").write_text(script)
    assert subprocess.run([program, "-n", str(tmp_path / "script")], check=False).returncode == 0


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        (["embmerge", "ins"], ["inspect"]),
        (["embmerge", "save", "--over"], ["--overwrite"]),
        (["embmerge", "inspect", "--rows", "t"], ["token"]),
        (["embmerge", "inspect", "mine"], ["mine-x.safetensors"]),
        (["embmerge", "check", "mine"], ["mine-x.safetensors"]),
        (["embmerge", "save", "--dir", "out"], ["outputs"]),
    ],
)
def test_what_bash_completes(
    line: list[str], offered: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("shtab")
    main(["completion", "bash"])
    (tmp_path / "script").write_text(capsys.readouterr().out)
    (tmp_path / "mine-x.safetensors").touch()
    (tmp_path / "outputs").mkdir()
    asked = f"COMP_WORDS=({' '.join(line)}); COMP_CWORD={len(line) - 1}; _shtab_embmerge embmerge"
    ask = f"source ./script; {asked}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    bash = [str(shutil.which("bash")), "-c", ask]
    done = subprocess.run(bash, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.split() == offered, done.stderr


def test_completion_without_its_library(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for missing in (None, ModuleType("shtab")):  # an empty folder of that name can be imported, too
        monkeypatch.setitem(sys.modules, "shtab", missing)
        assert main(["completion", "bash"]) == 2
        assert capsys.readouterr().err.endswith("-m pip install shtab\n")
