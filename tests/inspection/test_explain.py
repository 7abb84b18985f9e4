"""Embeddings explained: an expression that makes them again, and an honest word on what it leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lib_embmerge.errors import NotFinite, ShapeMismatch
from lib_embmerge.inspection.explain import describe_uneven, explain, join_explained
from lib_embmerge.language import write
from lib_embmerge.models.checkpoint import CheckpointModel, open_model
from lib_embmerge.models.memory import MemoryModel
from lib_embmerge.vectors.embedding import Embedding
from tests.analysed import evaluate


@pytest.fixture(scope="module")
def model() -> CheckpointModel:
    return open_model(None)


def value_of(text: str, model: CheckpointModel) -> Embedding:
    return evaluate(text, model)


EXPLAINED = [
    ("'cat'", "'cat'", "This word is all of it."),
    ("'cat' * 2", "'cat' * 2", "This word is all of it."),
    ("-'cat'", "-'cat'", "This word is all of it."),
    ("'dog' * 2 - 'cat'", "'dog' * 2 - 'cat'", "These 2 words are all of it."),
    ("'cat' * 0.3L * 0.7G - 2 * 'dog'", "'cat' * 0.3L * 0.7G - 'dog' * 2", "These 2 words are all of it."),
    ("clip_l('cat')", "'cat' * 0G", "This word is all of it."),
    ("clip_l('cat') + clip_g('dog')", "'dog' * 0L + 'cat' * 0G", "These 2 words are all of it."),
    ("token(1)", "token(1)", "This word is all of it."),
    ("'cat' - 'cat'", "pad() * 0", "This vector is zero."),
]


@pytest.mark.parametrize(("text", "expression", "verdict"), EXPLAINED)
def test_what_was_made_of_words_is_found_again(
    model: CheckpointModel, text: str, expression: str, verdict: str
) -> None:
    (found,) = explain(value_of(text, model), model)
    assert (found.expression, found.verdict) == (expression, verdict)


def test_several_vectors_become_one_expression(model: CheckpointModel) -> None:
    text = "'a photo of a cat' * 0.5, ('red' - 'blue'), pad() * 0, 'dog'"
    value = value_of(text, model)
    tree = join_explained(list(explain(value, model)), model)
    again = evaluate(tree, model)
    assert again.length == value.length == 8
    for name, rows in value.items():
        torch.testing.assert_close(again[name], rows, rtol=1e-3, atol=1e-5)


def test_what_is_no_word_is_said(model: CheckpointModel) -> None:
    noise = value_of("normalize(random(1, 5))", model)
    half = value_of("normalize('red' + 'blue') + normalize(random(1, 5))", model)
    (of_noise,), (of_half,) = explain(noise, model), explain(half, model)
    assert of_noise.verdict.startswith("No words: ")
    assert of_noise.verdict.endswith(" % at 8, no more than chance.")
    assert {word.text for word in of_half.words} == {"red", "blue"}
    assert of_half.verdict.startswith("These 2 words are ")
    assert of_half.verdict.endswith("; what is left is no word.")


def test_a_word_that_is_an_embedding_s_name_stays_the_word(tmp_path: Path) -> None:
    save_file({"clip_l": torch.ones(1, 768), "clip_g": torch.ones(1, 1280)}, tmp_path / "cat.safetensors")
    model = open_model(None, embeddings=tmp_path)
    (found,) = explain(value_of("text('cat') * 3", model), model)
    assert found.expression == "text('cat') * 3"


def test_another_family_s_embedding_is_refused(model: CheckpointModel) -> None:
    with pytest.raises(ShapeMismatch, match="This embedding is for clip_h; demonstration has clip_l and clip_g"):
        list(explain(Embedding({"clip_h": torch.ones(1, 1024)}), model))
    with pytest.raises(ShapeMismatch, match="clip_l have 12 columns; 768"):
        list(explain(Embedding({"clip_l": torch.ones(1, 12)}), model))


def test_what_is_no_number_is_refused(model: CheckpointModel) -> None:
    rows = torch.ones(3, 768)
    rows[2, 4] = float("nan")
    with pytest.raises(NotFinite, match=r"Vector \[2\] of clip_l holds infinity or NaN"):
        next(explain(Embedding({"clip_l": rows}), model))


FLUX = MemoryModel.flux()  # to its T5 ' kitten' is seven bytes, ' dog' four
BY_GROUP = [
    ("'cat' - 'adult' * 0.5", "'cat' - 'adult' * 0.5"),
    ("'cat', 'child'", "'cat', 'child'"),
    ("clip_l('cat')", "clip_l('cat') + t5xxl(pad() * 0)"),
    ("clip_l('cat') + t5xxl('child' * 2)", "clip_l('cat') + t5xxl('child' * 2)"),
    ("clip_l('kitten' : 1) + t5xxl('cat')", "clip_l('kitten' : 1) + t5xxl('cat')"),
    ("clip_l(token(5)) + t5xxl(token(20))", "clip_l('red' : 1) + t5xxl(token(20))"),
]


@pytest.mark.parametrize(("text", "expression"), BY_GROUP)
def test_each_tokenizer_s_words_are_its_own(text: str, expression: str) -> None:
    value = evaluate(text, FLUX)
    found = list(explain(value, FLUX))
    assert {one.group for one in found} == {"clip", "t5"}
    tree = join_explained(found, FLUX)
    assert write(tree) == expression
    assert describe_uneven(found) == ""
    for name, rows in value.items():
        torch.testing.assert_close(evaluate(tree, FLUX)[name], rows, rtol=1e-3, atol=1e-3)


def test_groups_of_unequal_length_are_said() -> None:
    value = evaluate("'kitten'", FLUX)
    found = list(explain(value, FLUX))
    assert [one.group for one in found] == ["clip"] + 7 * ["t5"]
    assert describe_uneven(found) == (
        "Here are 1 vector in CLIP, 7 in T5; the expression gives each 7, the last ones zero."
    )
    made = evaluate(join_explained(found, FLUX), FLUX)
    torch.testing.assert_close(made["t5xxl"], value["t5xxl"], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(made["clip_l"][:1], value["clip_l"], rtol=1e-3, atol=1e-3)
    assert not made["clip_l"][1:].any()
