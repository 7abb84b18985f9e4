"""Warnings: what they say, and when they do not."""

from __future__ import annotations

import pytest
import torch

from lib_embmerge.evaluation import Analysis
from lib_embmerge.evaluation.remarks import remark_on_value
from lib_embmerge.host_protocol import InstalledEmbedding
from lib_embmerge.limits import FAR_OFF
from lib_embmerge.merge import MergeSettings, warn_of_strangers
from lib_embmerge.models.memory import WORDS, MemoryEncoder, MemoryModel
from lib_embmerge.vectors.embedding import Embedding
from tests.analysed import entered, remarks


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
    ("'red'*0,3", ["0,3 means 0 times, then token 3. A decimal number has a point: 0.3."]),
    ("'red' / 2,5", ["2,5 means divided by 2, then token 5. A decimal number has a point: 2.5."]),
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
    assert [remark.text for remark in remarks(text, model())] == messages


def test_a_warning_points_at_its_text() -> None:
    text = "'cat' + 'red owl' + 'red owl'"
    found = remarks(text, model())
    assert [text[one.span.start : one.span.end] for one in found if one.span] == ["'red owl'", "'red owl'"]


VALUES = [
    ("'cat'", []),
    ("'cat' * 70000", ["half precision", "half precision", "norm"]),
    ("'cat' * 20", ["norm"]),
    ("'cat' * 0.01", ["norm"]),
    ("('cat' * 20), ('dog' * 0.01)", ["norm", "norm"]),
    ("'cat' * 0", []),
    ("''", []),
]


@pytest.mark.parametrize(("text", "kinds"), VALUES, ids=[row[0] for row in VALUES])
def test_numbers_are_judged_with_the_value(text: str, kinds: list[str]) -> None:
    analysis = Analysis(entered(text), MemoryModel.sdxl())
    assert [remark.kind for remark in analysis.remarks_on_value()] == kinds
    assert analysis.remarks() == []


def test_a_long_vector_is_told_how_long() -> None:
    sd1 = MemoryModel.sd1()
    usual = sd1.encoder("clip_l").vocabulary().mean_norm
    (remark,) = Analysis(entered("'cat' * 20, 'dog'"), sd1).remarks_on_value()
    assert remark.text == (
        f"Vector 0 is {20 / usual:.0f} × (clip_l) as long as a word: expect burnt pictures. "
        "normalize( ) gives it the usual length."
    )


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
        found = [remark.text for remark in remark_on_value(value, sd1)]
        sentence = f"This vector is {ratio:.2g} × (clip_l) as long as a word: {said}."
        assert found == ([f"{sentence} normalize( ) gives it the usual length."] if said else [])


def test_an_enormous_factor_is_written_by_its_size() -> None:
    messages = [one.text for one in Analysis(entered("normalize('cat', 1e30)"), model()).remarks_on_value()]
    assert any("e+" in message and "as long as a word" in message for message in messages)
    assert all(len(message) < 200 for message in messages)


def test_all_names_are_asked_for_at_once() -> None:
    """A WebUI looks through thousands of embeddings for each question."""
    sdxl = model()
    asked: list[int] = []

    class Asked(MemoryModel):
        def embeddings_named(self, *stems: str) -> list[InstalledEmbedding]:
            asked.append(len(stems))
            return super().embeddings_named(*stems)

    counted = Asked(sdxl.encoders, embeddings=sdxl.installed)
    words = " ".join(f"word{number}" for number in range(75))
    text = f"'{words}' + 'a cat, Old Style' + '{words} end'"
    assert [remark.kind for remark in remarks(text, counted)] == ["other family", "too long"]
    assert len(asked) == 1
    asked.clear()
    settings = MergeSettings()
    assert len(warn_of_strangers([f"<{text}> <'old style'>", f"<'mine'> <{text}>"], counted, settings)) == 1
    assert len(asked) == 1
