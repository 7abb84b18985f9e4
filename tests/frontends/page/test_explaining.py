"""Explained in words, and carried to another model, as the page shows it."""

from __future__ import annotations

import html
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lib_embmerge.entered import read_expression
from lib_embmerge.frontends.app.host import AppHost
from lib_embmerge.frontends.page.inspect.explaining import WISHED_WAYS, carry_from_page, explain_from_page
from lib_embmerge.frontends.page.jobs import Jobs
from lib_embmerge.frontends.page.source import FILE, LOADED, Choice
from lib_embmerge.models.checkpoint import open_model
from lib_embmerge.saving import SaveOptions, save_expression
from tests.frontends.checkpoints import KEYS_OF_SD1, make_checkpoint

SUITED, IN_WORDS, RIDGE, _, SHARED = WISHED_WAYS


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_checkpoint(folder / "new.safetensors", seed=1)
    make_checkpoint(folder / "old.safetensors", seed=2, keys=KEYS_OF_SD1)
    return folder


@pytest.fixture
def host(models: Path, tmp_path: Path) -> AppHost:
    (tmp_path / "embeddings").mkdir()
    return AppHost(models / "new.safetensors", tmp_path / "embeddings", None)


def explained(host: AppHost, choice: Choice) -> str:
    return list(explain_from_page(host, Jobs(), "job", choice))[-1]


def carried(host: AppHost, file: str, checkpoint: str = "old", way: str = IN_WORDS, **others: object) -> str:
    choice = Choice(FILE, file=file, checkpoint=checkpoint)
    options = {"name": "", "folder": "", "overwrite": False, **others}
    return list(carry_from_page(host, Jobs(), "job", choice, way, **options))[-1]  # type: ignore[arg-type]


def test_vectors_are_explained_one_by_one(models: Path, tmp_path: Path) -> None:
    host = AppHost(models / "old.safetensors", tmp_path, None)
    shown = explained(host, Choice("an expression", "('cat' - 'dog'), ('red' * 2)"))
    assert "2 of 2" in shown
    assert "These 2 words are all of it." in shown
    assert "data-embmerge-text=\"('cat' - 'dog'), ('red' * 2)\" data-embmerge-pane" in html.unescape(shown)


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        (Choice("an expression", "'cat"), "is never closed"),
        (Choice("an expression", ""), "There is no expression."),
        (Choice(FILE), "No file is chosen."),
        (Choice(FILE, file="wide.safetensors"), "This embedding is for clip_h; new has clip_l and clip_g."),
    ],
)
def test_what_cannot_be_explained_is_told(host: AppHost, choice: Choice, sentence: str) -> None:
    save_file({"emb_params": torch.ones(3, 1024)}, host.embeddings_folder / "wide.safetensors")
    shown = explained(host, choice)
    assert sentence in shown.replace("&#39;", "'")
    assert shown.count(sentence) == 1


def test_a_file_is_carried_in_words(host: AppHost, models: Path) -> None:
    rows = open_model(models / "old.safetensors").encoders[0].rows([2368, 1929])
    save_file({"emb_params": (rows[0] - 2 * rows[1])[None]}, host.embeddings_folder / "mine.safetensors")
    shown = carried(host, "mine.safetensors", name="yours", folder="new")
    assert "Words are 100 % of it" in shown
    assert "yours.safetensors" in shown
    expected = host.model.encoders[1].rows([2368, 1929])
    made = load_file(host.embeddings_folder / "new" / "yours.safetensors")
    torch.testing.assert_close(made["clip_g"], (expected[0] - 2 * expected[1])[None])
    assert host.model.embeddings_named("yours")


def test_a_file_with_its_words_is_made_again(host: AppHost, models: Path) -> None:
    old = open_model(models / "old.safetensors")
    save_expression(read_expression("'cat' - 'dog'"), "catlike", old, SaveOptions(folder=host.embeddings_folder))
    shown = carried(host, "catlike.safetensors", LOADED, way=SUITED, name="again")
    assert "Made again from the words in the file." in shown
    rows = host.model.encoders[0].rows([2368, 1929])
    made = load_file(host.embeddings_folder / "again.safetensors")
    torch.testing.assert_close(made["clip_l"], (rows[0] - rows[1])[None])


def test_too_few_words_are_refused_unless_they_are_wished(host: AppHost) -> None:
    noise = torch.randn(1, 768, generator=torch.Generator().manual_seed(0))
    save_file({"emb_params": noise}, host.embeddings_folder / "noise.safetensors")
    shown = carried(host, "noise.safetensors", way=SUITED, name="loud")
    assert "Words are only 0 % of noise.safetensors; nothing was written." in shown
    assert f"<li>{SHARED}: " in shown
    assert not (host.embeddings_folder / "loud.safetensors").exists()
    assert "the other 100 % are left out" in carried(host, "noise.safetensors", way=IN_WORDS, name="loud")


def test_the_remainder_is_said_before_anything_is_written(host: AppHost, models: Path) -> None:
    rows = open_model(models / "old.safetensors").encoders[0].rows([2368, 1929])
    save_file({"emb_params": (rows[0] + rows[1])[None]}, host.embeddings_folder / "mine.safetensors")
    choice = Choice(FILE, file="mine.safetensors", checkpoint="old")
    steps = carry_from_page(host, Jobs(), "job", choice, SUITED, "yours", "", False)
    before = next(shown for shown in steps if "Words are 100 %" in shown)
    assert "yours.safetensors" not in before
    assert not (host.embeddings_folder / "yours.safetensors").exists()
    assert "Words are 100 %" in list(steps)[-1]
    assert (host.embeddings_folder / "yours.safetensors").exists()


def test_another_way_says_what_it_is(host: AppHost) -> None:
    save_file({"emb_params": torch.ones(1, 768)}, host.embeddings_folder / "mine.safetensors")
    shown = carried(host, "mine.safetensors", way=SHARED, name="half")
    assert "clip_l as in the file; zeros for what the other encoders have" in shown
    assert not load_file(host.embeddings_folder / "half.safetensors")["clip_g"].any()
    assert "share only" in carried(host, "mine.safetensors", way=RIDGE, name="mapped")


def test_what_cannot_be_carried_is_told_and_nothing_written(host: AppHost) -> None:
    save_file({"emb_params": torch.ones(1, 768)}, host.embeddings_folder / "mine.safetensors")
    before = sorted(host.embeddings_folder.rglob("*"))
    assert "The model that the file was made for is not chosen." in carried(host, "mine.safetensors", LOADED)
    assert "There is no checkpoint ../x in the list." in carried(host, "mine.safetensors", "../x")
    assert "exists already" in carried(host, "mine.safetensors", way=SHARED)
    assert "No file is chosen." in carried(host, "")
    assert sorted(host.embeddings_folder.rglob("*")) == before
