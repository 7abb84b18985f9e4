"""The command line, in this process and in processes of its own."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lib_embmerge.__main__ import main
from lib_embmerge.frontends import cli
from lib_embmerge.frontends.cli.arguments import COMMANDS, help_text
from lib_embmerge.models import checkpoint as checkpoint_models
from lib_embmerge.models.memory import MemoryModel
from lib_embmerge.operations import OPERATIONS, listed_operations
from lib_embmerge.prompts.text import plain_pieces
from lib_embmerge.saving import save_expression

from .checkpoints import make_checkpoint, row_of

KITTEN = "'cat' - 'adult' + 'child'"
DEMONSTRATION = "Made with the demonstration encoder"


class Result(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def figures(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in an empty folder, in a terminal as wide as none is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = int(stop.code or 0)
        return Result(status, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("models") / "first.safetensors", seed=1)


@pytest.fixture(scope="session")
def other(checkpoint: Path) -> Path:
    return make_checkpoint(checkpoint.with_name("other.safetensors"), seed=2)


@pytest.fixture
def memory_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command line open a small model in memory, whatever it is asked for."""
    monkeypatch.setattr(checkpoint_models, "open_model", lambda _checkpoint, **_folders: MemoryModel.sdxl())


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "lib_embmerge", *map(str, arguments)]
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    # What a shell starts in the background ignores Ctrl-C, and so would all that it starts.
    kept = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return subprocess.Popen(command, text=True, encoding="utf-8", env=environment, **streams)
    finally:
        signal.signal(signal.SIGINT, kept)


# --- help, and what it costs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["embmerge", *COMMANDS])
def test_every_command_teaches_by_example(run: Run, name: str) -> None:
    asked = run("--help") if name == "embmerge" else run(name, "--help")
    assert asked == (0, help_text(name) + "\n", "")
    assert f"embmerge {'save' if name == 'embmerge' else name} " in asked.out


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_names_every_option(name: str) -> None:
    import argparse

    parser = argparse.ArgumentParser(add_help=False)
    COMMANDS[name].add_options(parser)
    options = {option for action in parser._actions for option in action.option_strings}
    assert {option for option in options if option not in help_text(name)} == set()


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_names_no_option_that_is_none(name: str) -> None:
    import argparse
    import re

    parser = argparse.ArgumentParser(add_help=False)
    COMMANDS[name].add_options(parser)
    known = {o for action in parser._actions for o in action.option_strings} | {"--json", "--help"}
    assert set(re.findall(r"(?<![\w-])--[a-z-]*[a-z]", help_text(name))) <= known


def test_without_a_command_the_help_is_shown_and_the_status_is_2(run: Run) -> None:
    assert run()[:2] == (2, help_text("embmerge") + "\n")
    assert run("help", "save").out == help_text("save") + "\n"


def test_the_version(run: Run) -> None:
    assert run("--version").out.startswith("embmerge ")


@pytest.mark.parametrize("arguments", [["--help"], ["save", "--help"], ["functions"], ["--version"]])
def test_help_and_functions_do_not_import_torch(arguments: list[str]) -> None:
    code = f"""
import contextlib, sys
from lib_embmerge.__main__ import main
with contextlib.suppress(SystemExit):
    main({arguments})
assert not {{"torch", "numpy", "safetensors", "lark"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=Path(__file__).parents[2])


# --- functions -----------------------------------------------------------------------------------------------------


def test_functions_lists_all_of_the_table(run: Run) -> None:
    shown = run("functions")
    assert all(entry.summary in shown.out for entry in listed_operations())
    assert [f["name"] for f in run("functions", "--json").figures["functions"]] == list(OPERATIONS)


def test_functions_names_the_closest(run: Run) -> None:
    assert run("functions", "slrp") == (2, "", "There is no function slrp. Did you mean slerp or lerp?\n")


# --- limits --------------------------------------------------------------------------------------------------------

FOUR = "'cat', 'dog', 'red', 'blue'"
REFUSED = "This has 4 vectors; at most 3 are allowed."


@pytest.mark.parametrize(
    "command",
    [
        ["count", FOUR],
        ["count", f"a <{FOUR}>"],
        ["inspect", FOUR],
        ["nearest", FOUR],
        ["compare", FOUR, "'cat'"],
        ["save", "four", FOUR, "--dir", "{tmp}"],
    ],
)
def test_a_limit_holds_in_every_command(run: Run, tmp_path: Path, command: list[str]) -> None:
    shown = run(*(part.format(tmp=tmp_path) for part in command), "--limit", "vectors=3")
    assert (shown.status, shown.out) == (2, "")
    assert REFUSED in shown.err
    assert not list(tmp_path.iterdir())


def test_a_limit_can_be_raised(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = MemoryModel.sdxl(widths=(768, 1280))  # what is near to 2,000 vectors takes long to find in a large one
    monkeypatch.setattr(checkpoint_models, "open_model", lambda _checkpoint, **_folders: small)
    raised = ["--limit", "vectors=2000", "--limit", "depth=300"]
    text = f"{'(' * 200}repeat('cat', 2000){')' * 200}"
    assert run("count", text).status == 2
    assert run("count", text, *raised, "--json").figures["vectors"] == 2000
    assert run("save", "lots", text, *raised, "--long", "keep", "--dir", tmp_path).status == 0
    assert run("inspect", tmp_path / "lots.safetensors", "--json").status == 0
    assert run("rebuild", tmp_path / "lots.safetensors", "--overwrite", "--long", "keep").status == 2
    assert run("rebuild", tmp_path / "lots.safetensors", "--overwrite", "--long", "keep", *raised).status == 0


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("vectors", "vectors: it must be a whole number of at least 1"),
        ("vectors=", "vectors: it must be a whole number of at least 1"),
        ("vectors=0", "vectors: it must be a whole number of at least 1"),
        ("vectors=-1", "vectors: it must be a whole number of at least 1"),
        ("vectors=1e3", "vectors: it must be a whole number of at least 1"),
        ("vectors=8001", "vectors may be 8,000 at most"),
        ("tokens=5", "it must be NAME=NUMBER, with one of the names characters, depth, vectors, prompt, work"),
        ("", "it must be NAME=NUMBER, with one of the names characters, depth, vectors, prompt, work"),
    ],
)
def test_a_limit_that_is_none(run: Run, limit: str, message: str) -> None:
    expected = f"embmerge count: argument --limit: {message}. See embmerge count --help.\n"
    assert run("count", "'cat'", "--limit", limit) == (2, "", expected)


# --- count ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("'cat' - 'adult' + 'child'", [], {"clip_l": 1, "clip_g": 1}),
        ("-'cat'", [], {"clip_l": 1, "clip_g": 1}),
        ("--'cat'", [], {"clip_l": 1, "clip_g": 1}),
        ("- 'cat', 'dog'", [], {"clip_l": 2, "clip_g": 2}),
        ("-(0.5*'cat')", [], {"clip_l": 1, "clip_g": 1}),
        ("-normalize('cat')", [], {"clip_l": 1, "clip_g": 1}),
        ("<'cat', 'dog'>", [], {"clip_l": 2, "clip_g": 2}),
        ("a photo of a cat", [], {"clip_l": 5, "clip_g": 5}),
        ("a (photo:1.3) of [a] <'cat' + 'black dog'>, x <lora:y:1>", [], {"clip_l": 8, "clip_g": 8}),
        ("a cat AND a big dog", [], {"clip_l": 3, "clip_g": 3}),
        ("'quoted' words", ["--prompt"], {"clip_l": 4, "clip_g": 4}),
        ("", ["--prompt"], {"clip_l": 0, "clip_g": 0}),
        ("a [big cat:dog:0.5]", [], {"clip_l": 3, "clip_g": 3}),
        ("a [big|small black] [dog:5]", [], {"clip_l": 4, "clip_g": 4}),
        ("a [b:<'cat, dog'>:0.5]", [], {"clip_l": 4, "clip_g": 4}),
    ],
)
def test_count(run: Run, text: str, options: list[str], expected: dict[str, int]) -> None:
    counted = run("count", text, "--json", *options)
    assert counted.figures["encoders"] == expected
    assert counted.figures["demonstration"] is True
    assert (counted.status, counted.err) == (0, "")


def test_a_prompt_says_its_expressions(run: Run) -> None:
    counted = run("count", "a <'black cat'> and <'dog'>")
    assert counted.out.splitlines()[0] == "A prompt"
    assert "In it an expression of 2 vectors: 'black cat'" in counted.out
    assert "the demonstration encoder" in counted.err
    assert "Made with" not in counted.out + counted.err


@pytest.mark.parametrize(
    ("model", "text", "lines"),
    [
        (
            MemoryModel.flux(),
            "'a' + 'zebra'",
            ["An expression of 5 vectors in CLIP, 6 in T5 (clip_l, t5xxl); a chunk holds 75"],
        ),
        (MemoryModel.qwen(), "'a' + 'cat'", ["An expression of 1 vector (qwen3_4b)"]),
        (MemoryModel.qwen(), "a cat", ["A prompt", "qwen3_4b  2 tokens"]),
        (
            MemoryModel.flux(),
            "a <'zebra'>",
            [
                "A prompt",
                "clip_l  6 tokens  1 chunk",
                "t5xxl   7 tokens",
                "In it an expression of 5 vectors in CLIP, 6 in T5: 'zebra'",
            ],
        ),
    ],
)
def test_count_says_each_tokenizer_s_number(
    run: Run, monkeypatch: pytest.MonkeyPatch, model: MemoryModel, text: str, lines: list[str]
) -> None:
    monkeypatch.setattr(checkpoint_models, "open_model", lambda _checkpoint, **_folders: model)
    assert run("count", text).out.splitlines() == lines


def test_explain_says_each_tokenizer_s_words(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_models, "open_model", lambda _checkpoint, **_folders: MemoryModel.flux())
    assert run("explain", "clip_l('red') : 1 + t5xxl('cat')").out.splitlines() == [
        "CLIP, vector 0: clip_l('red' : 1)",
        "  This word is all of it.",
        "T5, vector 0: t5xxl('cat')",
        "  This word is all of it.",
        "",
        "All of it:",
        "  clip_l('red' : 1) + t5xxl('cat')",
    ]


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        ("a (b:1.2) c", ["a ", "b", " c"]),
        (r"a \(b\) c", ["a (b) c"]),
        ("((a)) [b]", ["a", "b"]),
        ("a BREAK b", ["a ", " b"]),
    ],
)
def test_plain_pieces(prompt: str, pieces: list[str]) -> None:
    assert plain_pieces(prompt) == pieces


# --- save and what follows -----------------------------------------------------------------------------------------


def test_save_writes_the_rows_of_the_checkpoint(run: Run, checkpoint: Path) -> None:
    saved = run("save", "lady", "'woman'", "--checkpoint", checkpoint, "--dir", "out", "--json")
    assert (saved.status, saved.figures["demonstration"]) == (0, False)
    tensors = load_file("out/lady.safetensors")
    assert {key: list(value.shape) for key, value in tensors.items()} == {"clip_l": [1, 768], "clip_g": [1, 1280]}
    for encoder, rows in tensors.items():
        assert np.array_equal(rows[0].numpy(), row_of("woman", encoder, seed=1))


def test_save_says_path_shapes_size_and_warnings(run: Run) -> None:
    saved = run("save", "kitten", KITTEN, "--dir", "out")
    path = Path("out", "kitten.safetensors")
    size = f"{path.stat().st_size:,} bytes"
    assert saved.out.splitlines()[:2] == [str(path), f"  clip_l [1,768], clip_g [1,1280]; {size}"]
    assert "Made with" not in saved.out
    assert DEMONSTRATION in saved.err
    assert saved.err.startswith("warning: kitten is a word of the model's own vocabulary")
    assert saved.status == 0


def test_what_save_keeps_in_the_file(run: Run) -> None:
    about = ["--author", "me", "--note", "-'x'", "--trigger", "kitten", "--tags", "a,b", "--negative"]
    saved = run("save", "k-1", KITTEN, *about, "--json")
    kept = saved.figures["saved"][0]["metadata"]
    assert kept["embmerge.checkpoint"] == "demonstration"
    assert kept["embmerge.expression"] == KITTEN
    assert kept["embmerge.resolved"] == "text('cat') - text('adult') + text('child')"
    assert kept["modelspec.architecture"] == "stable-diffusion-xl-v1-base/textual-inversion"
    assert (kept["modelspec.author"], kept["modelspec.description"]) == ("me", "-'x'")
    assert kept["modelspec.is_negative_embedding"] == "true"


@pytest.mark.parametrize("field", ["author", "note", "trigger", "tags"])
def test_what_a_file_says_of_itself_has_a_limit(run: Run, field: str) -> None:
    found = run("save", "k-x", KITTEN, f"--{field}", "x" * 10_001, "--dir", "out")
    assert found.status == 2
    assert f"The {field} has 10,001 characters; a file takes 10,000." in found.err
    assert not Path("out/k-x.safetensors").exists()
    assert run("save", "k-x", KITTEN, f"--{field}", "x" * 10_000, "--dir", "out").status == 0


def test_the_checkpoint_is_kept_by_name_and_by_hash_only_on_request(run: Run, checkpoint: Path) -> None:
    kept = run("save", "k-1", "'cat'", "--checkpoint", checkpoint, "--json").figures["saved"][0]["metadata"]
    assert kept["embmerge.checkpoint"] == "first.safetensors"
    assert kept["embmerge.checkpoint_size"] == str(checkpoint.stat().st_size)
    assert "embmerge.checkpoint_sha256" not in kept
    hashed = run("save", "k-2", "'cat'", "--checkpoint", checkpoint, "--hash", "--json").figures["saved"][0]["metadata"]
    assert hashed["embmerge.checkpoint_sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()


def test_an_existing_file_stays_unless_overwriting_is_asked_for(run: Run) -> None:
    run("save", "k", "'cat'")
    before = Path("k.safetensors").read_bytes()
    refused = run("save", "k", "'dog'")
    assert refused.status == 2
    assert "exists already" in refused.err
    assert Path("k.safetensors").read_bytes() == before
    assert run("save", "k", "'dog'", "--overwrite").status == 0
    assert Path("k.safetensors").read_bytes() != before


def test_half_precision(run: Run) -> None:
    assert run("save", "k", "'cat'", "--dtype", "float16").status == 0
    assert {rows.dtype for rows in load_file("k.safetensors").values()} == {torch.float16}
    assert "65,504" in run("save", "big", "'cat' * 1e8", "--dtype", "float16").err
    assert "65,504" in run("save", "large", "'cat' * 1e8").err


@pytest.mark.parametrize(
    "arguments",
    [
        ["save", "k", "'dog'", "--dir", "sub/.."],
        ["batch", "list.txt"],
        ["rebuild", "k.safetensors"],
        ["convert", "j.safetensors", "--name", "k", "--dir", "sub/.."],
    ],
)
def test_a_file_that_exists_is_told_with_its_option(run: Run, arguments: list[str]) -> None:
    run("save", "k", "'cat'")
    run("save", "j", "'dog'")
    Path("sub").mkdir()
    Path("list.txt").write_text("k = 'dog'")
    refused = run(*arguments)
    assert refused.status == 2
    assert str(Path().resolve()) in refused.err
    assert ".." not in refused.err
    assert "exists already" in refused.err
    assert refused.err.endswith("Add --overwrite to replace it.\n")


@pytest.mark.parametrize(
    ("choice", "names", "rows"),
    [
        ("cut", ["long"], [75]),
        ("pool", ["long"], [1]),
        ("split", ["long-1", "long-2"], [75, 25]),
        ("keep", ["long"], [100]),
    ],
)
def test_more_than_75_vectors_need_a_choice(run: Run, choice: str, names: list[str], rows: list[int]) -> None:
    refused = run("save", "long", "repeat('cat', 100)")
    assert refused.status == 2
    assert "This has 100 vectors" in refused.err
    assert list(Path().iterdir()) == []
    saved = run("save", "long", "repeat('cat', 100)", "--long", choice, "--json").figures["saved"]
    assert [one["name"] for one in saved] == names
    assert [one["encoders"]["clip_l"][0] for one in saved] == rows


@pytest.mark.parametrize("name", ["../x", "a/b", "con", ".x", "", "x" * 121, "a:b"])
def test_unsafe_names_are_refused(run: Run, name: str) -> None:
    assert run("save", name, "'cat'").status == 2
    assert list(Path().iterdir()) == []


def test_inspect_of_a_saved_file_shows_recipe_and_nearest_words(run: Run, checkpoint: Path) -> None:
    run("save", "kit-ten", KITTEN, "--checkpoint", checkpoint)
    looked = run("inspect", "kit-ten.safetensors", "--checkpoint", checkpoint, "-k", "3")
    assert KITTEN in looked.out
    assert "made with   first.safetensors" in looked.out
    near = run("inspect", "kit-ten.safetensors", "--checkpoint", checkpoint, "--json").figures["nearest"]
    assert {n["text"] for n in near if n["encoder"] == "clip_l" and n["cosine"] > 0.4} == {"cat", "child"}


def test_a_file_is_shown_without_a_checkpoint_but_not_against_the_demonstration(run: Run, checkpoint: Path) -> None:
    run("save", "ours", "'cat'", "--checkpoint", checkpoint)
    looked = run("inspect", "ours.safetensors", "--json").figures
    assert (looked["model"], looked["nearest"], looked["demonstration"]) == (None, [], False)
    run("save", "shown", "'cat'")
    looked = run("inspect", "shown.safetensors", "--json").figures
    assert (looked["demonstration"], looked["nearest"][0]["text"]) == (True, "cat")


@pytest.mark.parametrize(("by", "count"), [("part", 2), ("token", 3), ("vector", 3)])
@pytest.mark.usefixtures("memory_model")
def test_rows_of_inspect(capsys: pytest.CaptureFixture[str], by: str, count: int) -> None:
    assert cli.run_command(["inspect", "'a cat', 'dog'", "--rows", by, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert len([row for row in rows if row["encoder"] == "clip_g"]) == count


@pytest.mark.usefixtures("memory_model")
def test_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_command(["nearest", "-'cat' * -2", "-k", "1", "--json"]) == 0
    near = json.loads(capsys.readouterr().out)["nearest"]
    assert [(n["encoder"], n["text"], n["cosine"]) for n in near] == [("clip_l", "cat", 1.0), ("clip_g", "cat", 1.0)]
    assert cli.run_command(["nearest", "'cat', 'dog'"]) == 0
    assert "dog" in capsys.readouterr().out


def save_rows(name: str, *values: float) -> None:
    """Save an embedding for SDXL whose vectors each hold one number over and over."""
    columns = torch.tensor(values)[:, None]
    save_file({"clip_l": columns.repeat(1, 768), "clip_g": columns.repeat(1, 1280)}, name)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0.0], "warning: 1 vector of clip_l is zero: no word is near.\n"),
        ([0.0, 0.0], "warning: 2 vectors of clip_l are zero: no word is near.\n"),
        ([float("nan")], "warning: 1 vector of clip_l holds infinity or NaN: pictures come out black"),
        ([float("inf")], "warning: 1 vector of clip_l holds infinity or NaN: pictures come out black"),
    ],
)
def test_nearest_says_why_there_is_nothing(run: Run, values: list[float], reason: str) -> None:
    save_rows("x.safetensors", *values)
    shown = run("nearest", "x.safetensors")
    assert (shown.status, shown.out.splitlines()[0]) == (0, "No vector has nearest words.")
    assert shown.err.startswith(reason)
    assert run("nearest", "x.safetensors", "--json").figures["nearest"] == []


def test_nearest_shows_the_vectors_that_have_some(run: Run) -> None:
    save_rows("x.safetensors", float("nan"), 1.0)
    shown = run("nearest", "x.safetensors", "-k", "1")
    assert [line.split()[:2] for line in shown.out.splitlines()[1:3]] == [["clip_l", "1"], ["clip_g", "1"]]


def test_inspect_and_compare_warn_of_numbers_that_are_none(run: Run) -> None:
    save_rows("x.safetensors", float("nan"))
    save_rows("y.safetensors", 1.0)
    assert "warning: 1 vector of clip_g holds infinity or NaN" in run("inspect", "x.safetensors").err
    assert "warning: x.safetensors: 1 vector of clip_g holds" in run("compare", "x.safetensors", "y.safetensors").err
    assert "warning" not in run("inspect", "y.safetensors").err + run("compare", "y.safetensors", "y.safetensors").err


def test_compare_of_two_families_says_so(run: Run) -> None:
    save_file({"emb_params": torch.ones(1, 768)}, "one.safetensors")
    save_file({"emb_params": torch.ones(2, 1024)}, "two.safetensors")
    shown = run("compare", "one.safetensors", "two.safetensors")
    assert (shown.status, shown.out.splitlines()[3:]) == (
        0,
        [
            "encoder        A         B",
            "clip_l   [1,768]         –",
            "clip_h         –  [2,1024]",
            "They have no text encoder in common.",
        ],
    )


def test_a_file_wins_over_an_expression_unless_forced(run: Run) -> None:
    run("save", "k", "'dog'")
    Path("k.safetensors").rename("'cat'.safetensors")
    assert run("compare", "'cat'.safetensors", "'dog'", "--json").figures["is_equal"]
    Path("'cat'.safetensors").rename("'cat'")
    assert run("compare", "'cat'", "'dog'", "--json").figures["is_equal"]
    assert run("compare", "'cat'", "'dog'", "--expression").status == 0


# --- compare -------------------------------------------------------------------------------------------------------


def test_compare_two_files_needs_no_model(run: Run, checkpoint: Path, other: Path) -> None:
    run("save", "a", "'woman'", "--checkpoint", checkpoint)
    run("save", "b", "'woman'", "--checkpoint", other)
    compared = run("compare", "a.safetensors", "b.safetensors", "--json")
    for encoder, found in compared.figures["encoders"].items():
        a, b = (row_of("woman", encoder, seed=seed).astype(np.float64) for seed in (1, 2))
        assert found["mean_absolute"] == pytest.approx(np.abs(a - b).mean())
        assert found["max_absolute"] == pytest.approx(np.abs(a - b).max())
        assert found["cosines"] == [pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))]
    assert compared.figures["model"] is None
    assert "mean absolute" in run("compare", "a.safetensors", "b.safetensors").out


def test_compare_one_expression_on_two_checkpoints(run: Run, checkpoint: Path, other: Path) -> None:
    found = run("compare", "'woman'", "--checkpoint", checkpoint, "--checkpoint", other, "--json").figures
    a, b = (row_of("woman", "clip_g", seed=seed).astype(np.float64) for seed in (1, 2))
    assert found["encoders"]["clip_g"]["mean_absolute"] == pytest.approx(np.abs(a - b).mean())
    assert [model["title"] for model in found["models"]] == ["first", "other"]


def test_compare_a_file_with_an_expression(run: Run, checkpoint: Path) -> None:
    run("save", "a", "'cat'", "--checkpoint", checkpoint)
    compared = run("compare", "a.safetensors", "--checkpoint", checkpoint, "-'cat' * -1")
    assert compared.status == 0
    assert "Equal." in compared.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["'a'"], "There is nothing to compare with."),
        (["'a'", "'b'", "'c'"], "Two things are compared at a time."),
        (["'a'", "'b'", "--checkpoint", "x", "--checkpoint", "y"], "Compare one expression on two checkpoints"),
    ],
)
def test_compare_of_the_wrong_number(run: Run, arguments: list[str], message: str) -> None:
    result = run("compare", *arguments)
    assert (result.status, result.err[: len(message)]) == (2, message)


# --- other checkpoints, rebuilding, lists --------------------------------------------------------------------------


def test_words_of_another_checkpoint(run: Run, checkpoint: Path, other: Path) -> None:
    run("save", "mix", "'woman'@other", "--checkpoint", checkpoint)
    assert np.array_equal(load_file("mix.safetensors")["clip_l"][0].numpy(), row_of("woman", "clip_l", seed=2))
    missing = run("save", "mix2", "'woman'@nothing", "--checkpoint", checkpoint)
    assert missing.status == 2
    assert "^" in missing.err
    assert "nothing" in missing.err


def test_rebuild_makes_the_sibling_for_another_checkpoint(run: Run, checkpoint: Path, other: Path) -> None:
    run("save", "k-x", KITTEN, "--checkpoint", checkpoint, "--author", "me")
    refused = run("rebuild", "k-x.safetensors", "--checkpoint", other)
    assert refused.status == 2
    rebuilt = run("rebuild", "k-x.safetensors", "--checkpoint", other, "--dir", "out", "--json")
    assert rebuilt.status == 0
    run("save", "direct", KITTEN, "--checkpoint", other)
    a, b = load_file("out/k-x.safetensors"), load_file("direct.safetensors")
    assert all(torch.equal(a[encoder], b[encoder]) for encoder in b)
    kept = rebuilt.figures["saved"][0]["metadata"]
    assert (kept["modelspec.author"], kept["embmerge.expression"]) == ("me", KITTEN)
    assert kept["embmerge.checkpoint"] == "other.safetensors"


@pytest.mark.parametrize("options", [["--overwrite"], ["--dir", "out"]])
def test_rebuild_without_a_checkpoint_replaces_no_real_vectors(
    run: Run, checkpoint: Path, options: list[str]
) -> None:
    run("save", "k-x", KITTEN, "--checkpoint", checkpoint)
    before = Path("k-x.safetensors").read_bytes()
    refused = run("rebuild", "k-x.safetensors", *options)
    assert refused.status == 2
    assert "rebuild needs --checkpoint FILE: k-x.safetensors was made with first.safetensors." in refused.err
    assert Path("k-x.safetensors").read_bytes() == before
    assert not Path("out").exists()


def test_rebuild_without_a_checkpoint_of_what_the_demonstration_made(run: Run) -> None:
    run("save", "k-x", KITTEN)
    assert run("rebuild", "k-x.safetensors", "--overwrite").status == 0


def test_rebuild_of_a_foreign_file_says_why_not(run: Run) -> None:
    save_file({"emb_params": torch.ones(1, 768)}, "foreign.safetensors")
    result = run("rebuild", "foreign.safetensors")
    assert result.status == 2
    assert "does not say what it was made of" in result.err


def test_a_failed_line_of_a_list_fails_alone(run: Run) -> None:
    Path("list.txt").write_text(
        "# animals = no\n\nkitten-x = 'cat' - 'adult' + 'child'\nbad = 'cat' +\r\nno equals\npuppy-x = 'dog' =* 2\n"
    )
    result = run("batch", "list.txt", "--dir", "out", "--json")
    assert result.status == 2
    assert [one["name"] for one in result.figures["saved"]] == ["kitten-x", "puppy-x"]
    assert len(result.figures["errors"]) == 2
    assert "list.txt:4:\n'cat' +\n" in result.err
    assert "list.txt:5:\n" in result.err
    assert sorted(path.name for path in Path("out").iterdir()) == ["kitten-x.safetensors", "puppy-x.safetensors"]


def test_a_list_goes_on_where_it_was_stopped(run: Run) -> None:
    Path("list.txt").write_text("a-x = 'cat'\nb-x = 'dog'\nc-x = 'red' +\n")
    run("save", "a-x", "'blue'")
    before = Path("a-x.safetensors").read_bytes()
    result = run("batch", "list.txt", "--skip-existing", "--json")
    assert [one["name"] for one in result.figures["saved"]] == ["b-x"]
    assert (result.status, result.figures["skipped"], len(result.figures["errors"])) == (2, ["a-x"], 1)
    assert Path("a-x.safetensors").read_bytes() == before
    again = run("batch", "list.txt", "--skip-existing")
    assert again.out == "3 lines: 0 saved, 2 skipped, as they exist, 1 failed.\n"
    assert "Made with" not in again.err
    assert "not allowed with" in run("batch", "list.txt", "--skip-existing", "--overwrite").err


def test_a_line_of_which_parts_are_missing_is_not_done(run: Run) -> None:
    Path("list.txt").write_text("a-x = repeat('cat', 160)\n")
    assert run("batch", "list.txt", "--long", "split").status == 0
    assert run("batch", "list.txt", "--long", "split", "--skip-existing", "--json").figures["skipped"] == ["a-x"]
    Path("a-x-2.safetensors").unlink()
    result = run("batch", "list.txt", "--long", "split", "--skip-existing", "--json")
    assert (result.status, result.figures["skipped"]) == (2, [])
    assert "a-x-1.safetensors exists already, its part a-x-2 does not. Add --overwrite" in result.err
    assert not Path("a-x-2.safetensors").exists()


@pytest.mark.parametrize("content", ["", "\n\n", "# only = this\n"])
def test_a_list_without_lines(run: Run, content: str) -> None:
    Path("list.txt").write_text(content)
    assert run("batch", "list.txt") == (2, "", "There are no lines in list.txt.\n")


def test_a_list_from_the_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    given = io.BytesIO(b"\xef\xbb\xbfa-x = 'cat'\r\nb-x = 'cat' +\rc-x = 'a'")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(given))
    result = run("batch", "-")
    assert result.status == 2
    assert "\n-:2:\n" in result.err
    assert sorted(path.stem for path in Path().iterdir()) == ["a-x", "c-x"]
    monkeypatch.setattr(sys, "stdin", None)
    assert run("batch", "-").err == "There is nothing to read: the standard input is closed.\n"


def test_a_list_that_is_stopped_says_how_far_it_came(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(entered: Any, name: str, *rest: Any) -> Any:
        if name == "d-x":
            raise KeyboardInterrupt
        return save_expression(entered, name, *rest)

    monkeypatch.setattr("lib_embmerge.frontends.cli.writing.save", stop)
    Path("list.txt").write_text("a-x = 'a'\nb-x = '\nc-x = 'c'\nd-x = 'd'\ne-x = 'e'\n")
    assert run("batch", "list.txt") == (130, "", "Interrupted: 2 of 5 were saved.\n")


def test_installed_embeddings_can_be_named(run: Run) -> None:
    run("save", "blend-x", "'cat' + 'dog'", "--dir", "emb")
    run("save", "twice", "'blend-x' * 2", "--dir", "out", "--embeddings", "emb")
    one, two = load_file("emb/blend-x.safetensors"), load_file("out/twice.safetensors")
    assert torch.equal(one["clip_l"] * 2, two["clip_l"])
    assert run("save", "x", "emb('blendx')", "--embeddings", "emb").err.endswith("Did you mean 'blend-x'?\n")


# --- convert and check ---------------------------------------------------------------------------------------------


def test_convert_makes_clean_safetensors(run: Run) -> None:
    torch.save({"string_to_param": {"*": torch.ones(2, 768)}, "name": "old"}, "old.pt")
    assert run("convert", "old.pt", "--dir", "out").status == 0
    assert list(load_file("out/old.safetensors")) == ["emb_params"]


def test_convert_of_unequal_encoders(run: Run) -> None:
    save_file({"clip_l": torch.ones(2, 768), "clip_g": torch.ones(1, 1280)}, "odd.safetensors")
    assert run("convert", "odd.safetensors", "--dir", "out").status == 2
    assert run("convert", "odd.safetensors", "--dir", "out", "--unequal", "pad").status == 0
    assert load_file("out/odd.safetensors")["clip_g"].shape == (2, 1280)


def test_check_says_where_a_file_loads(run: Run) -> None:
    save_file({"emb_params": torch.ones(1, 768)}, "plain-x.safetensors")
    checked = run("check", "plain-x.safetensors", "--json")
    verdicts = {(v["program"], v["model"]): v["loads"] for v in checked.figures["checked"][0]["verdicts"]}
    assert verdicts["A1111", "sd1"]
    assert not verdicts["A1111", "sdxl"]
    assert "A1111" in run("check", "plain-x.safetensors").out


@pytest.mark.parametrize("command", ["check", "convert", "rebuild"])
def test_a_damaged_file_fails_alone(run: Run, command: str) -> None:
    Path("broken.safetensors").write_bytes(b"not a file")
    run("save", "good-x", "'cat'")
    folder = [] if command == "check" else ["--dir", "out"]
    result = run(command, "broken.safetensors", "good-x.safetensors", "--json", *folder)
    assert result.status == 2
    assert "broken.safetensors" in result.err
    assert "good-x" in result.out


@pytest.mark.skipif(os.name != "posix", reason="pipes and links of POSIX")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "pipe.safetensors"], "pipe.safetensors is not a regular file."),
        (["check", "pipe.pt"], "pipe.pt is not a regular file."),
        (["check", "linked.pt"], "linked.pt is not a regular file."),
        (["check", "loop.safetensors"], "loop.safetensors cannot be read: "),
        (["check", "loop.pt"], "loop.pt cannot be read: "),
        (["check", "none/x.pt"], "There is no file none/x.pt."),
        (["convert", "pipe.bin", "--dir", "out"], "pipe.bin is not a regular file."),
        (["convert", "folder.pt", "--dir", "out"], "There are no embedding files in folder.pt."),
        (["rebuild", "pipe.safetensors"], "pipe.safetensors is not a regular file."),
        (["count", "'cat'", "--checkpoint", "pipe.safetensors"], "pipe.safetensors is not a regular file."),
        (["count", "'cat'", "--checkpoint", "diffusers"], "index.json is not a regular file."),
        (["inspect", "pipe.pt"], "pipe.pt is not a regular file."),
        (["inspect", "folder.pt"], "folder.pt is a folder, not a file."),
    ],
)
def test_what_is_no_file_is_not_opened(run: Run, arguments: list[str], message: str) -> None:
    for name in ("pipe.safetensors", "pipe.pt", "pipe.bin"):
        os.mkfifo(name)
    Path("linked.pt").symlink_to("/dev/null")
    for name in ("loop.safetensors", "loop.pt"):
        Path(name).symlink_to(name)
    Path("folder.pt").mkdir()
    Path("diffusers/text_encoder").mkdir(parents=True)
    os.mkfifo("diffusers/text_encoder/model.safetensors.index.json")
    shown = run(*arguments)
    assert (shown.status, shown.out.strip()) == (2, "")
    assert message in shown.err


@pytest.mark.parametrize("path", ["~nosuch", "~nosuch/x.pt", "x" * 300, "x" * 300 + ".safetensors", "a/" * 3000])
def test_a_path_that_can_be_none_ends_no_command(run: Run, path: str) -> None:
    Path("list.txt").write_text("a = 'cat'\n")
    for arguments in (
        ["count", "'a'", "--checkpoint", path],
        ["count", "'a'", "--embeddings", path],
        ["count", "'a'", "--checkpoints", path],
        ["count", f"'a'@\"{path}\""],
        ["save", "x", "'a'", "--dir", path + "/" + path],
        ["inspect", path],
        ["compare", path, path],
        ["rebuild", path],
        ["batch", path],
        ["convert", path],
        ["check", path],
    ):
        shown = run(*arguments)
        assert shown.status == 2
        assert shown.err.strip().endswith((".", "?", "'"))
    assert [item.name for item in Path().iterdir()] == ["list.txt"]


def test_the_home_folder_is_meant_by_its_sign(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert run("save", "kittens", KITTEN, "--dir=~/x").status == 0
    assert not Path("~").exists()
    assert (tmp_path / "home" / "x" / "kittens.safetensors").is_file()


# --- wrong input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["count", "'cat' + *"], "'cat' + *\n        ^\n"),
        (["save", "x", "'cat' + "], "'cat' + \n"),
        (["save", "x", "<'cat' + >"], "<'cat' + >\n"),
        (["save", "x", "a cat's tail"], "This is a prompt, not an expression. To use its words, quote them: 'a cat''s"),
        (["save", "x", "big cat'"], "This is a prompt, not an expression. To use its words, quote them: 'big cat'."),
        (["save", "x", "a <'cat'>"], "This is a prompt with words around its expression"),
        (["save", "x", "<'cat'> <'dog'>"], "This is a prompt with more than one expression in it"),
        (["save", "x", "'cat':0"], "'cat':0\n"),
        (["save", "x", "cat"], "cat has no quotes around its words. A shell removes them; put double quotes around"),
        (["nearest", "king - man"], "king - man has no quotes around its words."),
        (["save", "x", "‘cat’"], "‘cat’\n^^^^^\n‘ and ’ are not quotes here. Did you mean 'cat'?"),
        (["save", "'cat' * 2", "cat-2"], "The name comes first, then the expression: embmerge save cat-2 "),
        (["count", "cat", "-", "adult"], "embmerge count does not know what to do with - adult. A shell takes quotes"),
        (["check", "x.pt", "--jsn"], "embmerge check has no option --jsn. Did you mean --json?"),
        (["batch", "a", "b"], "embmerge batch does not know what to do with b. See embmerge batch --help."),
        (["compare", "cat", "-", "dog"], "Two things are compared at a time. A shell takes quotes away"),
        (["count", ""], "There is nothing in the quotes."),
        (["inspect", " "], "There is nothing in the quotes."),
        (["compare", "'a'", ""], "There is nothing in the quotes."),
        (["inspect", "missing.ckpt"], "There is no file missing.ckpt."),
        (["inspect", "missing.PTH"], "There is no file missing.PTH."),
        (["save", "x"], "embmerge save: the following arguments are required: EXPRESSION."),
        (["save", "x", "'a'", "--nothing"], "embmerge save has no option --nothing. Did you mean --note or --long?"),
        (["save", "x", "'a'", "--dir", ""], "embmerge save: argument --dir: it is empty."),
        (["count", "'a'", "--checkpoint", ""], "embmerge count: argument --checkpoint: it is empty."),
        (["count", "'a'", "--embeddings="], "embmerge count: argument --embeddings: it is empty."),
        (["check", ""], "embmerge check: argument FILE: it is empty."),
        (["check", "~nosuch/x"], "embmerge check: argument FILE: There is no home folder ~nosuch. See embmerge"),
        (["save", "x.safetensors", "'a'"], "The name 'x.safetensors' ends in an extension. Leave out the extension: x"),
        (["save", "x", "'a'", "--dtype", "int8"], "embmerge save: argument --dtype: invalid choice"),
        (["nearest", "'a'", "-k", "0"], "embmerge nearest: argument -k: it must be a whole number of at least 1."),
        (["nearest", "'a'", "-k", "-5"], "embmerge nearest: argument -k: it must be a whole number of at least 1."),
        (["nearest", "'a'", "-k", "x"], "embmerge nearest: argument -k: it must be a whole number of at least 1."),
        (["count", "'a'", "--expression", "--prompt"], "embmerge count: argument --prompt: not allowed with"),
        (["count", "'a'", "--checkpoint", "missing.safetensors"], ""),
        (["count", "'a'", "--checkpoint", "."], ""),
        (["count", "'a'", "--embeddings", "missing"], "--embeddings: missing is not a folder."),
        (["inspect", "missing.safetensors"], "There is no file missing.safetensors."),
        (["inspect", "x/missing"], "There is no file x/missing."),
        (["batch", "missing.txt"], "There is no file missing.txt."),
        (["batch", "."], ""),
        (["check", "missing.safetensors"], "missing.safetensors:\n"),
        (["count", "<'EM_1'>"], "<'EM_1'>\n"),
        (["inspect", "'cat'" * 5000], ""),
        (["sav"], "There is no command sav. Did you mean save?"),
        (["--json", "count", "'a'"], "The command comes first, then its options:"),
        (["help", "sav"], "There is no command sav. Did you mean save?"),
    ],
)
def test_a_mistake_is_a_message_and_status_2(run: Run, arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.status == 2
    assert result.err.startswith(message)
    assert result.err.strip()
    assert "Traceback" not in result.err
    assert "\0" not in result.err


@pytest.mark.parametrize("option", ["--embeddings", "--checkpoints"])
def test_a_folder_that_may_not_be_read(run: Run, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    Path("locked").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: path != Path("locked"))  # root, who may be testing, may all
    assert run("count", "'cat'", option, "locked") == (2, "", f"{option}: locked may not be read.\n")


def test_a_pickle_checkpoint_is_refused(run: Run) -> None:
    Path("model.ckpt").write_bytes(b"\x80\x02")
    assert "pickle" in run("count", "'a'", "--checkpoint", "model.ckpt").err


def test_a_folder_that_cannot_be_written(run: Run) -> None:
    Path("file").write_text("")
    result = run("save", "x", "'a'", "--dir", "file")
    assert result.status == 2
    assert "file" in result.err


# --- processes of their own ----------------------------------------------------------------------------------------


def test_the_command_in_a_process_of_its_own(tmp_path: Path) -> None:
    process = start("save", "no-cat", "-'cat'", "--dir", tmp_path)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert err.startswith(DEMONSTRATION)
    assert err.count("\n") == 1
    assert str(tmp_path / "no-cat.safetensors") in out


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_reader_that_goes_away_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start("functions", stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")


@contextmanager
def open_for_writing(pipe: Path) -> Iterator[None]:
    """Wait until somebody reads from a pipe, and keep it open."""
    give_up = time.monotonic() + 60
    while True:
        try:
            end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError:
            assert time.monotonic() < give_up
            time.sleep(0.05)
    try:
        yield
    finally:
        os.close(end)


def interrupt(process: subprocess.Popen[str]) -> str:
    """Press Ctrl-C, and again if Python missed it: a signal just before a blocking call waits for that call's end."""
    for _ in range(10):
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=10)[1]
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError("The process does not end.")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_ends_without_a_traceback(tmp_path: Path) -> None:
    pipe = tmp_path / "list.txt"
    os.mkfifo(pipe)
    process = start("batch", pipe)
    with open_for_writing(pipe):  # the process reads from now on, and nothing comes
        err = interrupt(process)
    assert (process.returncode, err) == (130, "Interrupted.\n")


@pytest.mark.skipif(os.name != "posix", reason="bytes as arguments")
def test_bytes_that_are_no_text() -> None:
    root = Path(__file__).resolve().parents[2]
    command = [os.fsencode(sys.executable), b"-m", b"lib_embmerge", b"functions", b"'\xff'"]
    done = subprocess.run(command, capture_output=True, cwd=root, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Traceback" not in done.stderr


def test_text_of_such_bytes_is_refused(run: Run, tmp_path: Path) -> None:
    result = run("save", "x", os.fsdecode(b"'\xff'"), "--dir", tmp_path / "out")
    assert (result.status, result.out) == (2, "")
    assert not (tmp_path / "out").exists()


def test_output_that_the_terminal_cannot_show() -> None:
    process = start("functions", "slerp")
    process.communicate(timeout=60)
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "lib_embmerge", "functions", "slerp"]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0
    assert b"slerp(a, b, t)" in done.stdout


def test_progress_is_for_terminals(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    Path("list.txt").write_text("".join(f"n{i}-x = 'cat'\n" for i in range(4)))
    assert "\r" not in run("batch", "list.txt").err
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    run("batch", "list.txt", "--overwrite")
    assert "4/4 list.txt:4" in terminal.getvalue()


@pytest.mark.parametrize(("command", "status"), [("functions >&-", 0), ("functions nothing 2>&-", 2)])
def test_a_closed_stream_loses_what_goes_there_and_nothing_else(command: str, status: int) -> None:
    root = Path(__file__).resolve().parents[2]
    command = f'exec "{sys.executable}" -m lib_embmerge {command}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=root, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_json_is_read_whatever_the_terminals_encoding(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(terminal, encoding="ascii"))
    assert run("nearest", "'ÿ é 🎬'", "--json").status == 0
    sys.stdout.flush()
    assert json.loads(terminal.getvalue())["expression"] == "'ÿ é 🎬'"


@pytest.mark.parametrize(
    ("prompt", "tokens", "chunks"),
    [
        ("cat BREAK dog", 2, 2),
        ("cat BREAK", 1, 1),
        ("BREAK cat", 1, 2),
        ("cat BREAK <'red' + 'dog'> BREAK fox", 3, 3),
        ("cat AND red BREAK dog", 2, 2),
        ("<repeat('cat', 80)> BREAK dog", 81, 3),
    ],
)
def test_a_break_begins_a_chunk(run: Run, prompt: str, tokens: int, chunks: int) -> None:
    figures = run("count", prompt, "--json").figures
    assert (figures["encoders"]["clip_g"], figures["chunks"]) == (tokens, chunks)


@pytest.mark.parametrize(
    "arguments",
    [
        ["count", "'cat' +"],
        ["count", "a <'cat' +>"],
        ["inspect", "'cat' +"],
        ["nearest", "'cat' +"],
        ["save", "../x", "'cat' +"],
        ["compare", "'cat' +", "'dog'"],
        ["compare", "'cat' +", "--checkpoint", "other"],
    ],
)
def test_a_mistake_in_the_expression_comes_before_a_missing_checkpoint(run: Run, arguments: list[str]) -> None:
    shown = run(*arguments, "--checkpoint", "missing.safetensors")
    assert (shown.status, shown.out) == (2, "")
    assert "Expected a quoted text" in shown.err


def test_what_stands_behind_two_minuses_is_no_option(run: Run) -> None:
    assert run("count", "--json", "--", "-b").figures["encoders"] == {"clip_l": 2, "clip_g": 2}
    assert run("save", "--dir", "d", "--", "-b", "-'cat'").out.startswith(str(Path("d") / "-b.safetensors"))


@pytest.mark.parametrize("number", ["0", "x", "1.5", "-1", "9" * 5000])
def test_a_number_that_is_none(run: Run, number: str) -> None:
    shown = run("nearest", "'cat'", "-k", number)
    assert (shown.status, shown.out) == (2, "")
    assert "it must be a whole number of at least 1" in shown.err


def test_a_folder_and_a_missing_file_are_called_so(run: Run) -> None:
    Path("some").mkdir()
    assert run("inspect", "some").err == "some is a folder, not a file.\n"
    assert run("check", "none").err == "none:\nThere is no file none.\n"
    assert run("check", "none").out == ""
    assert run("inspect", "a/" * 5000).status == 2


def test_the_app_at_a_port_that_is_taken(run: Run) -> None:
    pytest.importorskip("gradio")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        shown = run("app", "--port", port)
    assert (shown.status, shown.out) == (2, "")
    assert f"Port {port} cannot be taken: address already in use. Give another one" in shown.err
    assert not Path("embeddings").exists()


def test_inspect_shows_what_a_trained_file_says_of_itself(run: Run) -> None:
    said = {"name": "birb", "step": 700, "sd_checkpoint": "ab12", "sd_checkpoint_name": "model"}
    torch.save({**said, "string_to_token": {"*": 265}, "string_to_param": {"*": torch.ones(1, 768)}}, "old.pt")
    assert run("convert", "old.pt").status == 0
    for file in ("old.pt", "old.safetensors"):
        shown = run("inspect", file).out
        assert [text for text in ("birb", "700", "ab12", "model", "265") if text not in shown] == []


def test_batch_of_words(run: Run) -> None:
    Path("animals.txt").write_text("red cat\n# none\n2::dog\n")
    assert run("batch", "animals.txt", "--words").status == 0
    assert sorted(path.name for path in Path().glob("*.safetensors")) == ["dog-emb.safetensors", "red-cat.safetensors"]
