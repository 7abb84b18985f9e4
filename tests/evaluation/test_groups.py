"""Models with several tokenizers: each group of text encoders has vectors of its own number."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given

from lib_embmerge.errors import EmbeddingMergeError, ShapeMismatch, WrongArgument
from lib_embmerge.evaluation import Analysis
from lib_embmerge.families import ENCODERS
from lib_embmerge.host_protocol import InstalledEmbedding
from lib_embmerge.language.nodes import Expression
from lib_embmerge.limits import Limits
from lib_embmerge.models.memory import WORDS, MemoryEncoder, MemoryModel
from lib_embmerge.vectors.embedding import describe_lengths
from tests.analysed import count, entered, evaluate, remarks, resolve

from .expressions import OF_WORDS

FLUX = MemoryModel.flux()  # to its T5 ' kitten' is seven bytes, ' dog' four
CLIP_ALONE, T5_ALONE = MemoryModel([FLUX.encoders[0]]), MemoryModel([FLUX.encoders[1]])
QWEN = MemoryModel.qwen()


def lengths(text: str, model: MemoryModel = FLUX) -> str:
    return describe_lengths(Analysis(entered(text), model).lengths)


COUNTS = [
    ("'cat'", "1 vector"),
    ("'cat child'", "2 vectors"),
    ("'kitten'", "1 vector in CLIP, 7 in T5"),
    ("'cat child'", "2 vectors"),
    ("'a dog'", "2 vectors in CLIP, 6 in T5"),
    ("'kitten' + 'cat'", "1 vector in CLIP, 7 in T5"),
    ("'kitten', 'cat'", "2 vectors in CLIP, 8 in T5"),
    ("'kitten', 'cat' : 3", "3 vectors"),
    ("'kitten' : 0", "0 vectors"),
    ("'kitten'[-1]", "1 vector"),
    ("'a dog'[2:]", "0 vectors in CLIP, 4 in T5"),
    ("repeat('kitten', 2)", "2 vectors in CLIP, 14 in T5"),
    ("sum('kitten')", "1 vector"),
    ("sum('a dog'[2:])", "0 vectors in CLIP, 1 in T5"),
    ("t5xxl('kitten')", "1 vector in CLIP, 7 in T5"),
    ("random(2, 7)", "2 vectors"),
    ("t5xxl(token(2))", "1 vector"),
    ("t5xxl(('cat', 2))", "2 vectors"),
    ("''", "0 vectors"),
    ("clip_l(start()), clip_l(pad())", "2 vectors"),
]


@pytest.mark.parametrize(("text", "said"), COUNTS)
def test_each_group_is_counted(text: str, said: str) -> None:
    assert lengths(text) == said
    value = evaluate(text, FLUX)
    assert describe_lengths(value.lengths) == said
    assert value.length == count(text, FLUX) == max(len(rows) for rows in value.values())


@given(OF_WORDS)
def test_each_group_is_as_if_alone(expression: Expression) -> None:
    found = evaluate(expression, FLUX)
    assert torch.equal(found["clip_l"], evaluate(expression, CLIP_ALONE)["clip_l"])
    assert torch.equal(found["t5xxl"], evaluate(expression, T5_ALONE)["t5xxl"])


def test_each_encoder_has_its_function() -> None:
    value, words = evaluate("'dog' + t5xxl('cat')", FLUX), evaluate("'dog'", FLUX)
    t5 = evaluate("'dog' + 'cat'", FLUX)
    assert torch.equal(value["clip_l"], words["clip_l"])
    assert torch.equal(value["t5xxl"], t5["t5xxl"])
    assert not evaluate("t5xxl('cat')", FLUX)["clip_l"].any()


@pytest.mark.parametrize("name", [name for name in ENCODERS if name not in ("clip_l", "t5xxl")])
def test_another_models_encoder_is_a_mistake(name: str) -> None:
    with pytest.raises(ShapeMismatch, match=f"{name} needs a model with that text encoder; this one is Flux, with"):
        evaluate(f"{name}('cat')", FLUX)


def test_an_encoder_alone_is_itself() -> None:
    assert evaluate("qwen3_4b('cat')", QWEN).equals(evaluate("'cat'", QWEN))


MISTAKES = [
    ("'kitten'[3]", "[3]", "There is no vector 3 in CLIP: the only one is vector 0."),
    ("'cat child', 'kitten'[-5]", "", "There is no vector -5 in CLIP: they are numbered 0 to 2."),
    ("token(5)", "token(5)", "A token's id is of one tokenizer; this model has those of CLIP and T5. "
     "Write t5xxl(token(5))."),
    ("'cat', 5", "5", "A token's id is of one tokenizer; this model has those of CLIP and T5. Write t5xxl(token(5))."),
    ("start()", "start()", "t5xxl has no start token."),
    ("'cat', 0000", "0000", "t5xxl has no start token."),
    ("t5xxl(token(99999))", "token(99999)", "There is no token 99999: the ids of t5xxl are 0 to 263."),
    ("normalize('kitten', 'a dog'[2:])", "", "The embedding that gives the norms has no vectors."),
]


@pytest.mark.parametrize(("text", "marked", "said"), MISTAKES)
def test_what_is_a_mistake(text: str, marked: str, said: str) -> None:
    with pytest.raises(EmbeddingMergeError) as raised:
        evaluate(text, FLUX)
    assert raised.value.sentence == said
    assert raised.value.span is not None
    if marked:
        assert text[raised.value.span.start : raised.value.span.end].endswith(marked)


def test_a_token_can_be_written_for_each_encoder() -> None:
    with pytest.raises(WrongArgument) as raised:
        evaluate("token(2)", FLUX)
    assert raised.value.alternatives == ("clip_l(token(2))", "t5xxl(token(2))")
    for text in raised.value.alternatives:
        value = evaluate(text, FLUX)
        assert [bool(rows.any()) for rows in value.values()] == [name in text for name in value]


def test_the_limit_is_for_each_group() -> None:
    evaluate("'kitten'", FLUX, Limits(vectors=7))
    with pytest.raises(EmbeddingMergeError, match="This has 7 vectors; at most 6"):
        evaluate("'kitten'", FLUX, Limits(vectors=6))


def test_groups_that_differ_are_not_uneven_encoders() -> None:
    assert [remark.kind for remark in remarks("'kitten dog'", FLUX)] == []
    assert "too long" not in [remark.kind for remark in remarks("'" + "kitten " * 20 + "'", FLUX)]
    assert "too long" in [remark.kind for remark in remarks("'" + "cat " * 76 + "'", FLUX)]


# --- Blanks ---


def test_a_word_has_a_blank_before_it_unless_it_begins_the_text() -> None:
    encoder = QWEN.encoders[0]
    behind, alone = encoder.tokenize([" cat", "cat"])
    assert behind != alone
    assert torch.equal(evaluate("'cat'", QWEN)["qwen3_4b"], encoder.rows(behind))
    begun = Analysis(entered("'cat', 'dog' + 'red' * 0"), QWEN).standing(begins=True).value()["qwen3_4b"]
    cat, dog = alone, encoder.tokenize([" dog"])[0]
    assert torch.equal(begun, encoder.rows(cat + dog))


def test_all_texts_that_begin_together_are_cut_alike() -> None:
    encoder = QWEN.encoders[0]
    begun = Analysis(entered("'cat' - 'adult' + 'child'"), QWEN).standing(begins=True).value()["qwen3_4b"]
    cat, adult, child = (encoder.rows(ids) for ids in encoder.tokenize(["cat", "adult", "child"]))
    assert torch.equal(begun, cat - adult + child)


# --- Installed embeddings ---


def installed(**vectors: int) -> MemoryModel:
    """Return Flux in small with an embedding `mine` that has so many vectors for some encoders."""
    model = MemoryModel.flux()
    widths = {encoder.name: encoder.width for encoder in model.encoders}
    model.install(InstalledEmbedding("mine", {k: torch.full((n, widths.get(k, 8)), 0.5) for k, n in vectors.items()}))
    return model


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ({"clip_l": 2, "t5xxl": 3}, "2 vectors in CLIP, 3 in T5"),
        ({"clip_l": 2}, "2 vectors in CLIP, 5 in T5"),  # its name, with the blank, is five bytes
        ({"t5xxl": 2}, "4 vectors in CLIP, 2 in T5"),
        ({"clip_l": 2, "t5xxl": 3, "qwen3_4b": 1}, "2 vectors in CLIP, 3 in T5"),
    ],
)
def test_an_embedding_need_not_be_for_every_tokenizer(vectors: dict[str, int], said: str) -> None:
    assert lengths("emb('mine')", installed(**vectors)) == said


@pytest.mark.parametrize("vectors", [{"clip_g": 1}, {"clip_l": 1, "clip_g": 1}, {"qwen3_4b": 1}])
def test_an_embedding_of_another_family_is_refused(vectors: dict[str, int]) -> None:
    with pytest.raises(EmbeddingMergeError, match="is made for"):
        evaluate("emb('mine')", installed(**vectors))


def test_a_resolved_expression_means_the_same() -> None:
    model = installed(clip_l=2, t5xxl=3)
    for text in ("'kitten' + 'dog'", "emb('mine')", "t5xxl('old mine') + 'cat'", "t5xxl(('a', 3))", "'a mine, cat'"):
        found = resolve(text, model)
        assert evaluate(found.text, model).equals(evaluate(text, model)), found.text
        assert set(found.tokens) == {"clip_l", "t5xxl"}


def test_encoders_of_a_group_have_one_length() -> None:
    encoders = [
        MemoryEncoder("clip_l"),
        MemoryEncoder("clip_g", width=16, words=[*WORDS, "owl"]),
        MemoryEncoder("t5xxl", width=20, words=WORDS[:3], blanks=True),
    ]
    value = evaluate("'owl'", MemoryModel(encoders))
    assert {name: len(rows) for name, rows in value.items()} == {"clip_l": 3, "clip_g": 3, "t5xxl": 4}
    value = evaluate("'kitten owl'", MemoryModel(encoders))
    assert {name: len(rows) for name, rows in value.items()} == {"clip_l": 4, "clip_g": 4, "t5xxl": 11}
