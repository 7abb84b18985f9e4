"""`embmerge explain` and `carry`, run in this process on the demonstration and on small checkpoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lib_embmerge.frontends import cli
from lib_embmerge.models.checkpoint import open_model
from tests.frontends.checkpoints import make_checkpoint

Ask = Callable[..., Any]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    def run(*arguments: object, status: int = 0) -> Any:
        assert cli.run_command([*map(str, arguments), "--json"] if not status else [*map(str, arguments)]) == status
        said = capsys.readouterr()
        return said.err if status else json.loads(said.out)

    return run


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return make_checkpoint(folder / "one.safetensors", seed=1), make_checkpoint(folder / "two.safetensors", seed=2)


def write_words(path: Path, *weights: float) -> Path:
    """Write an embedding of the demonstration's `cat` and `dog`, in clip_l alone and without a recipe."""
    rows = open_model(None).encoders[0].rows([2368, 1929])
    save_file({"emb_params": (torch.tensor(weights) @ rows)[None]}, path)
    return path


def test_an_expression_and_a_file_are_explained(ask: Ask, tmp_path: Path) -> None:
    found = ask("explain", "('cat' - 'adult'), ('dog' * 2)")
    assert found["expression"] == "('cat' - 'adult'), ('dog' * 2)"
    assert [one["verdict"] for one in found["vectors"]] == ["These 2 words are all of it.", "This word is all of it."]
    assert found["demonstration"]
    found = ask("explain", write_words(tmp_path / "w.safetensors", 1, -0.5))
    assert found["expression"] == "'cat' - 'dog' * 0.5"
    assert {word["text"]: word["weights"] for word in found["vectors"][0]["words"]} == {
        "cat": {"clip_l": 1},
        "dog": {"clip_l": -0.5},
    }


def test_a_file_with_its_words_is_made_again(ask: Ask, tmp_path: Path, checkpoints: tuple[Path, Path]) -> None:
    one, two = checkpoints
    ask("save", "kit-ten", "'cat' * 2", "--checkpoint", one, "--dir", tmp_path)
    made = ask("carry", tmp_path / "kit-ten.safetensors", "--to", two, "--name", "other", "--dir", tmp_path)
    assert made["saved"][0]["metadata"]["embmerge.expression"] == "'cat' * 2"
    expected = 2 * open_model(two).encoders[1].rows([2368])
    assert torch.equal(load_file(tmp_path / "other.safetensors")["clip_g"], expected)


def test_without_words_in_it_the_old_model_is_asked_for(
    ask: Ask, tmp_path: Path, checkpoints: tuple[Path, Path]
) -> None:
    file = write_words(tmp_path / "w.safetensors", 1, -0.5)
    said = ask("carry", file, "--to", checkpoints[0], "--dir", tmp_path, status=2)
    assert said.startswith("w.safetensors does not say what it was made of. Give the model that it was made for with")


def test_what_is_no_word_is_not_carried_in_silence(ask: Ask, tmp_path: Path, checkpoints: tuple[Path, Path]) -> None:
    noise = tmp_path / "noise.safetensors"
    save_file({"emb_params": torch.randn(1, 768, generator=torch.Generator().manual_seed(1))}, noise)
    where = ("--from", checkpoints[0], "--to", checkpoints[1], "--dir", tmp_path / "new")
    said = ask("carry", noise, *where, status=2)
    first, *ways = said.splitlines()
    assert first == "Words are only 0 % of noise.safetensors; nothing was written. Choose a way:"
    assert [way.partition(":")[0] for way in ways] == ["  --way words", "  --way shared"]
    assert max(map(len, ways)) <= 200
    assert not (tmp_path / "new").exists()
    made = ask("carry", noise, *where, "--way", "shared")
    written = load_file(tmp_path / "new" / "noise.safetensors")
    assert torch.equal(written["clip_l"], load_file(noise)["emb_params"])
    assert not written["clip_g"].any()
    assert made["saved"][0]["metadata"]["embmerge.carried"] == "shared, from one"


def test_words_are_carried_with_how_much_they_are(
    ask: Ask, tmp_path: Path, checkpoints: tuple[Path, Path]
) -> None:
    rows = open_model(checkpoints[0]).encoders[0].rows([2368, 1929])
    save_file({"emb_params": (rows[0] - 0.5 * rows[1])[None]}, tmp_path / "w.safetensors")
    where = ("--from", checkpoints[0], "--to", checkpoints[1], "--dir", tmp_path / "new")
    made = ask("carry", tmp_path / "w.safetensors", *where)
    assert made["share"] == pytest.approx(1, abs=1e-3)
    assert made["saved"][0]["metadata"]["embmerge.expression"] == "'cat' - 'dog' * 0.5"
    expected = open_model(checkpoints[1]).encoders[1].rows([2368, 1929])
    torch.testing.assert_close(
        load_file(tmp_path / "new" / "w.safetensors")["clip_g"], (expected[0] - 0.5 * expected[1])[None]
    )
