"""Warnings: what they say, and when they do not."""

from __future__ import annotations

import pytest
import torch

from lib_embmerge.evaluation import evaluate, find_warnings
from lib_embmerge.host_protocol import InstalledEmbedding
from lib_embmerge.language import parse
from lib_embmerge.limits import FAR_OFF
from lib_embmerge.models.memory import WORDS, MemoryEncoder, MemoryModel
from lib_embmerge.vectors.embedding import Embedding


def model() -> MemoryModel:
    encoders = [MemoryEncoder("clip_l"), MemoryEncoder("clip_g", width=16, words=[*WORDS, "owl"])]
    made = MemoryModel(encoders)
    made.install(InstalledEmbedding("old style", {"clip_l": torch.ones(1, 768)}))
    made.install(InstalledEmbedding("mine", {"clip_l": torch.ones(1, 12), "clip_g": torch.ones(1, 16)}))
    made.install(InstalledEmbedding("both", {"clip_l": torch.ones(1, 12)}))
    made.install(InstalledEmbedding("both", {"clip_l": torch.ones(1, 12), "clip_g": torch.ones(1, 16)}))
    return made


CASES = [
    ("'cat' - 'dog'", []),
    ("'mine, a both'", []),
    (
        "'cat' + 'red owl'",
        [
            "'red owl' has a different number of vectors per text encoder, 4 in clip_l and 2 in clip_g; "
            "the shorter is filled up with zero vectors."
        ],
    ),
    ("'cat':76", ["This has 76 vectors; a text encoder's chunk holds 75."]),
    (
        "'a cat, Old Style'",
        [
            "The embedding old style is made for SD 1 (clip_l 768), not for this model; here its name is plain text."
        ],
    ),
    ("text('old style')", []),
    ("'cat AND dog'", ["AND is a plain word inside quotes; it does not combine prompts."]),
]


@pytest.mark.parametrize(("text", "messages"), CASES, ids=[row[0] for row in CASES])
def test_warnings_in_words(text: str, messages: list[str]) -> None:
    assert [remark.text for remark in find_warnings(parse(text), model())] == messages


def test_a_warning_points_at_its_text() -> None:
    text = "'cat' + 'red owl' + 'red owl'"
    remarks = find_warnings(parse(text), model())
    assert [text[n.span.start : n.span.end] for n in remarks if n.span] == ["'red owl'", "'red owl'"]


VALUES = [
    ("'cat'", []),
    ("'cat' * 70000", ["half precision", "half precision", "norm", "norm"]),
    ("'cat' * 20", ["norm", "norm"]),
    ("'cat' * 0.01", ["norm", "norm"]),
    ("'cat' * 0", []),
    ("''", []),
]


@pytest.mark.parametrize(("text", "kinds"), VALUES, ids=[row[0] for row in VALUES])
def test_numbers_are_judged_with_the_value(text: str, kinds: list[str]) -> None:
    expression, sdxl = parse(text), MemoryModel.sdxl()
    value = evaluate(expression, sdxl)
    assert [remark.kind for remark in find_warnings(expression, sdxl, value=value)] == kinds
    assert find_warnings(expression, sdxl) == []


def test_a_long_vector_is_told_how_long() -> None:
    sd1 = MemoryModel.sd1()
    usual = sd1.encoder("clip_l").vocabulary().mean_norm
    expression = parse("'cat' * 20, 'dog'")
    (remark,) = find_warnings(expression, sd1, value=evaluate(expression, sd1))
    assert f"is {20 / usual:.1f} times as long as the vocabulary's mean" in remark.text


def test_what_is_longer_or_shorter_than_any_word_is_said_with_its_factor() -> None:
    sd1 = MemoryModel.sd1()
    vocabulary = sd1.encoder("clip_l").vocabulary()
    longest, shortest = float(vocabulary.sorted_norms[-1]), float(vocabulary.sorted_norms[0])
    for norm, said in (
        (longest * 1.01, "longer than any"),
        (shortest * 0.99, "shorter than any"),
        (longest * 0.999, ""),
        (shortest * 1.001, ""),
    ):
        ratio = norm / vocabulary.mean_norm
        assert 1 / FAR_OFF < ratio < FAR_OFF
        value = Embedding({"clip_l": vocabulary.row(0)[None].double() * (norm / float(vocabulary.row(0).norm()))})
        found = [remark.text for remark in find_warnings(parse("'cat'"), sd1, value=value)]
        sentence = f"A vector of clip_l is {ratio:.2g} × as long as a word, {said}."
        assert found == ([f"{sentence} normalize( ) gives it the usual length."] if said else [])


def test_an_enormous_factor_is_written_by_its_size() -> None:
    tree = parse("normalize('cat', 1e30)")
    messages = [remark.text for remark in find_warnings(tree, model(), value=evaluate(tree, model()))]
    assert any("e+" in message and "times as long" in message for message in messages)
    assert all(len(message) < 200 for message in messages)
