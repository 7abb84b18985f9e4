"""What a mistake says could have been meant: each alternative in its place, and the mistake is gone."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lib_embmerge.errors import EmbeddingMergeError, FileError
from lib_embmerge.files.writing import write_embedding
from lib_embmerge.frontends.app.host import AppHost
from lib_embmerge.frontends.page.answers import answer
from lib_embmerge.frontends.page.repairs import repair_error
from lib_embmerge.host_protocol import InstalledEmbedding
from lib_embmerge.hosts.webui.checkpoint_list import CheckpointList
from lib_embmerge.models.memory import MemoryEncoder, MemoryModel
from tests.analysed import evaluate
from tests.files.builders import sd1
from tests.language.test_mistakes import MISTAKES

STRANGE = ["mystyle", "my, or yours", "this or that", "it's", 'say "x"', "Mean?", "a-b"]
"""Names that a sentence which offers them could be read wrongly of."""


def model() -> MemoryModel:
    others = {name: MemoryModel([MemoryEncoder("clip_l")]) for name in ("big_b", "my model", "it's", "this or that")}
    made = MemoryModel([MemoryEncoder("clip_l")], checkpoints=others)
    for name in STRANGE:
        made.install(InstalledEmbedding(name, {"clip_l": torch.ones(1, 12)}))
    return made


def mistake(text: str) -> EmbeddingMergeError | None:
    try:
        evaluate(text, model())
    except EmbeddingMergeError as error:
        return error
    return None


OFFERED = [
    ("lurp('cat', 'dog', 1)", ["lerp('cat', 'dog', 1)", "slerp('cat', 'dog', 1)"]),
    ("'cat' + Meen('dog')", ["'cat' + mean('dog')"]),
    ("emb('mystile')", ["emb('mystyle')"]),
    ("emb( 'MYSTILE' ) * 2", ["emb( 'mystyle' ) * 2"]),
    ('emb("mystile")', ["emb('mystyle')"]),
    ("emb('my or yours')", ["emb('my, or yours')"]),
    ("emb('this or tat')", ["emb('this or that')"]),
    ("emb('its')", ["emb('it''s')"]),
    ("emb('sax \"x')", ["emb('say \"x\"')"]),
    ("'woman'@big_bb", ["'woman'@big_b"]),
    ("('woman' + 'man')@big_bb * 2", ["('woman' + 'man')@big_b * 2"]),
    ("('woman'@big_bb) + 'cat'", ["('woman'@big_b) + 'cat'"]),
    ("'woman'@mymodel", ["'woman'@'my model'"]),
    ("'woman'@\"its\"", ["'woman'@'it''s'"]),
    ("'woman'@'this or tat'", ["'woman'@'this or that'"]),
    ("emb('nothing like it at all')", []),
    ("a cat", ["'a cat'"]),
    ("'cat' + my dog", ["'cat' + 'my dog'"]),
    ("'cat' − 'dog'", ["'cat' - 'dog'"]),
    ("'cat' * 2l", ["'cat' * 2L"]),
    ("'cat'@models/big", ["'cat'@'models/big'"]),
    ("'cat' + 12", ["'cat' + '12'", "'cat' + token(12)"]),
    ("2, 'cat'", ["'2', 'cat'", "token(2), 'cat'"]),
    ("0.5", ["'0.5'"]),
    ("cat - adult", ["'cat' - 'adult'"]),
    ("lerp(black cat, dog, 0.5)", ["lerp('black cat', 'dog', 0.5)"]),
    ("‘cat’ − “dog”", ["'cat' - 'dog'"]),
    ("'cat’ - 'dog’", ["'cat' - 'dog'"]),
    ("‹cat› - ‹dog›", ["'cat' - 'dog'"]),
    ("'cat':1.2", ["'cat' * 1.2"]),
    ("'cat' :1.2 + 'dog'", ["'cat'  * 1.2 + 'dog'"]),
]


@pytest.mark.parametrize(("text", "mended"), OFFERED, ids=[row[0] for row in OFFERED])
def test_a_click_gives_the_name_its_place(text: str, mended: Sequence[str]) -> None:
    error = mistake(text)
    assert error is not None
    error.located(text)
    assert [action.value for action in repair_error(error, text)] == mended
    for other in mended:
        again = mistake(other)
        assert again is None or again.message != error.message


LANGUAGE = [row[0] for row in MISTAKES]


@pytest.mark.parametrize("text", LANGUAGE)
def test_no_mistake_of_the_language_offers_what_keeps_it(text: str) -> None:
    error = mistake(text)
    assert error is not None
    for other in error.alternatives:
        assert error.span is not None
        again = mistake(text[: error.span.start] + other + text[error.span.end :])
        assert again is None or (again.message, again.span) != (error.message, error.span)


@pytest.fixture
def app(tmp_path: Path) -> AppHost:
    """A checkpoint beside which lies one of the same name as one in the folder of checkpoints."""
    folder = tmp_path / "embeddings"
    for name in ("mystyle", "this or that"):
        write_embedding({"clip_l": torch.ones(1, 768)}, folder, name, metadata={})
    paths = [tmp_path / f"{name}.safetensors" for name in ("one/model_b", "two/model_b", "two/other model", "one/own")]
    for path in paths:
        sd1(path)
    return AppHost(paths[-1], folder, tmp_path / "two")


def offered(app: AppHost, text: str) -> tuple[str, list[str]]:
    """Give the sentence of the preview's error, and the texts of its buttons."""
    found = json.loads(answer(json.dumps({"id": 1, "kind": "preview", "text": text}), app))
    drawn = found["state"].get("rested", found["slots"]["messages"])
    sentence = re.search(r'embmerge-sentence">([^<]*)', drawn)
    found = re.findall(r'data-embmerge-text="([^"]*)"', drawn)
    return html.unescape(sentence[1]) if sentence else "", [html.unescape(text) for text in found]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("emb('mystile')", 1),
        ("'cat', emb('this or tat')", 1),
        ("'cat'@modelb", 2),  # two have that name, so that it alone would be no help
        ("'cat'@model_b", 2),
        ("'cat'@othermodel", 1),
        ("'a photo' + lurp('a', 'b', 0.5)", 2),
    ],
)
def test_the_page_s_buttons_end_the_mistake(app: AppHost, text: str, number: int) -> None:
    sentence, buttons = offered(app, text)
    assert sentence
    assert len(buttons) == number
    for other in buttons:
        assert offered(app, other)[0] == ""


LISTED = ["a/model.safetensors", "b/model.safetensors", "b/model_x.safetensors", "this or that.safetensors"]


@pytest.mark.parametrize(
    ("name", "alternatives"),
    [
        ("model", ("a/model.safetensors", "b/model.safetensors")),
        ("modelx", ("model_x",)),
        ("this or tat", ("this or that",)),
        ("zzz", ()),
    ],
)
def test_a_webui_s_list_offers_names_that_mean_one_checkpoint(name: str, alternatives: Sequence[str]) -> None:
    infos = [SimpleNamespace(filename=f"/models/{entry}", name=entry, model_name=Path(entry).stem) for entry in LISTED]
    with pytest.raises(FileError) as caught:
        CheckpointList({info.name: info for info in infos}).open(name, MemoryModel.sd1())
    assert caught.value.alternatives == alternatives
