"""The value of expressions: what they mean, what they leave alone, and what a batch costs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given

from lib_embmerge.errors import NotFinite
from lib_embmerge.host_protocol import InstalledEmbedding
from lib_embmerge.language import parse
from lib_embmerge.language.nodes import Apply, Expression, Text
from lib_embmerge.models.memory import WORDS, MemoryEncoder, MemoryModel
from lib_embmerge.vectors.embedding import Embedding
from tests.analysed import count, count_all, evaluate, evaluate_all

from .expressions import EXPRESSIONS, by_numpy

SD1 = MemoryModel.sd1()
SDXL = MemoryModel.sdxl()


def value(text: str, model: MemoryModel = SDXL) -> Embedding:
    return evaluate(text, model)


def rows_of(words: str, encoder: MemoryEncoder) -> torch.Tensor:
    return encoder.table[encoder.tokenize([words])[0]]


@given(EXPRESSIONS)
def test_it_agrees_with_a_second_evaluation(expression: Expression) -> None:
    found = evaluate(expression, SDXL)
    for encoder in SDXL.encoders:
        np.testing.assert_allclose(found[encoder.name], by_numpy(expression, encoder), rtol=1e-5, atol=1e-5)


@given(EXPRESSIONS)
def test_counting_agrees_with_evaluating(expression: Expression) -> None:
    assert count(expression, SDXL) == evaluate(expression, SDXL).length


SAME = [
    ("'red' + 'a', 'photo'", "'red' + ('a','photo')"),
    ("'red'*2,'cat'", "('red'*2), 'cat'"),
    ("'red','cat'*2", "('red','cat')*2"),
    ("'red cat','dog'[0]", "('red cat','dog')[0]"),
    ("0.5*'red','cat'", "('red'*0.5), 'cat'"),
    ("-'red','cat'", "-('red','cat')"),
    ("'red' + 'cat', 'dog' =* 0.5 + 'child'", "(('red' + ('cat','dog'))*0.5) + 'child'"),
    ("'red'+'cat' =:5:+2", "(('red'+'cat'):5):+2"),
    ("'red'*3/4", "'red'*0.75"),
    ("1/2*'red'", "'red'*0.5"),
    ("'red',5*2", "('red',5)*2"),
    ("'red',00,000,0000", "concat('red', pad(), end(), start())"),
    ("'a photo of a cat'", "'a','photo','of','a','cat'"),
    ("'RED'", "'red'"),
    ("'a' - 'a' + 'cat'", "'cat'"),
    ("'cat' =* 2 - 'cat'", "'cat'"),
    ("'cat' * 2L", "'cat' + clip_l('cat')"),
    ("'cat' / 2 G", "'cat' - clip_g('cat') * 0.5"),
    ("clip_l('cat') + clip_g('cat')", "'cat'"),
    ("lerp('cat', 'dog', 0.25)", "'cat'*0.75 + 'dog'*0.25"),
    ("mean('cat', 'dog', 'red cat')", "('cat' + 'dog' + 'red cat') / 3"),
    ("pool('red cat')", "sum('red cat') / 2"),
    ("'red cat'[0], ('red cat'[-1])", "'red cat'"),
    ("'red cat'[1:9]", "'cat'"),
    ("repeat('cat', 2)", "'cat', 'cat'"),
    ("normalize('cat'*7, 'cat')", "'cat'"),
    ("normalize('cat'*7, 1)", "'cat'"),
    ("remove('cat'*2 + 'dog', 'dog')", "'cat'*2"),
    ("project('cat'*2 + 'dog', 'dog')", "'dog'"),
    ("nearest('cat' * 3)", "'cat'"),
    ("nearest(0*'cat')", "0*'cat'"),
    ("slerp('cat', 'cat'*3, 0.5)", "'cat'*2"),
    ("random(3, 7)[0]", "random(1, 7)"),
    ("sum('')", "''"),
    ("token(4)", "'dog'"),
]


@pytest.mark.parametrize(("text", "same"), SAME, ids=[row[0] for row in SAME])
def test_both_mean_the_same(text: str, same: str) -> None:
    left, right = value(text), value(same)
    assert left.length == right.length
    for name in left:
        torch.testing.assert_close(left[name], right[name], rtol=1e-5, atol=1e-6)


def test_every_encoder_reads_its_own_table() -> None:
    found = value("'red cat' + 'photo'")
    for encoder in SDXL.encoders:
        expected = rows_of("red cat", encoder).clone()
        expected[0] += rows_of("photo", encoder)[0]
        assert torch.equal(found[encoder.name], expected)


def test_each_has_its_own_special_tokens() -> None:
    found = value("pad(), 000, 0000")
    for encoder in SDXL.encoders:
        assert torch.equal(found[encoder.name], encoder.table[[encoder.padding_id, encoder.end_id, encoder.start_id]])


@pytest.mark.parametrize("text", ["''", "'cat':0", "'cat'[5:]", "repeat('cat', 0)", "random(0, 1)", "nearest('')"])
def test_a_value_may_have_no_vectors(text: str) -> None:
    found = value(text)
    assert found.is_empty()
    assert {name: tuple(rows.shape) for name, rows in found.items()} == {"clip_l": (0, 12), "clip_g": (0, 16)}


@pytest.mark.parametrize("text", ["'cat'", "'cat' + 'dog'", "emb('style')", "'style'"])
def test_results_are_float32_in_memory_of_their_own(text: str) -> None:
    model = MemoryModel.sd1()
    installed = model.install(InstalledEmbedding("style", {"clip_l": torch.ones(2, 12, dtype=torch.float16)}))
    one, other = evaluate_all([parse(text), parse(text)], model)
    before = model.encoder("clip_l").table.clone()
    one["clip_l"].fill_(7.0)
    assert one["clip_l"].dtype == torch.float32
    assert one["clip_l"].is_contiguous()
    assert not other["clip_l"].eq(7.0).any()
    assert torch.equal(model.encoder("clip_l").table, before)
    assert installed.vectors["clip_l"].eq(1.0).all()
    assert not one["clip_l"].requires_grad


def test_it_works_inside_of_inference_mode_for_use_outside() -> None:
    with torch.inference_mode():
        found = value("normalize('cat' + 'dog')")
    assert not found["clip_l"].is_inference()


def test_a_long_chain_needs_no_recursion() -> None:
    expression: Expression = Text("cat")
    for _ in range(4000):
        expression = Apply("add", (expression, Text("cat")))
    assert evaluate(expression, SD1)["clip_l"][0, 0] == 4001.0
    assert count(expression, SD1) == 1


def test_a_batch_asks_each_encoder_once() -> None:
    model = MemoryModel.sdxl()
    texts = [f"'cat {n}' - 'adult' + 'child', text('dog'), text('red')" for n in range(20)]
    expressions = [parse(text) for text in texts]
    found = evaluate_all(expressions, model)
    assert model.calls["pieces"] == 1
    assert [encoder.calls["rows"] for encoder in model.encoders] == [1, 1]
    assert [encoder.calls["tokenize"] for encoder in model.encoders] == [2, 2]
    alone = [evaluate(expression, model) for expression in expressions]
    assert all(a.equals(b) for a, b in zip(found, alone, strict=True))
    assert [a.length for a in found] == count_all(expressions, model)


def test_counting_reads_no_table() -> None:
    model = MemoryModel.sdxl()
    assert count_all([parse("nearest('cat' + 'dog'), random(3, 1), 5"), parse("normalize('a cat')")], model) == [5, 2]
    assert [encoder.calls["rows"] + encoder.calls["vocabulary"] for encoder in model.encoders] == [0, 0]
    assert model.calls["pieces"] == 1


def test_nothing_is_nothing() -> None:
    assert evaluate_all([], SDXL) == []
    assert count_all([], SDXL) == []


def test_the_shorter_encoder_is_padded_with_zero_vectors() -> None:
    model = MemoryModel([MemoryEncoder("clip_l"), MemoryEncoder("clip_g", width=16, words=[*WORDS, "owl"])])
    found = evaluate("'owl cat'", model)
    assert found.length == count("'owl cat'", model) == 4
    assert torch.equal(found["clip_g"][:2], rows_of("owl cat", model.encoder("clip_g")))
    assert not found["clip_g"][2:].any()
    assert torch.equal(found["clip_l"], rows_of("owl cat", model.encoder("clip_l")))


# Installed embeddings


def with_style(model: MemoryModel, *names: str, length: int = 2, dtype: torch.dtype = torch.float32) -> MemoryModel:
    for number, name in enumerate(names or ("style",), start=1):
        vectors = {e.name: torch.full((length, e.width), 0.5 * number, dtype=dtype) for e in model.encoders}
        model.install(InstalledEmbedding(name, vectors))
    return model


def test_a_name_in_a_text_stands_for_its_vectors() -> None:
    model = with_style(MemoryModel.sdxl(), dtype=torch.bfloat16)
    found = evaluate("'red style cat'", model)
    for encoder in model.encoders:
        red, cat = rows_of("red", encoder), rows_of("cat", encoder)
        assert torch.equal(found[encoder.name], torch.cat([red, torch.full((2, encoder.width), 0.5), cat]))


def test_text_is_literal_where_an_embedding_has_that_name() -> None:
    model = with_style(MemoryModel.sd1(), "cat")
    assert evaluate("'cat'", model).length == 2
    assert evaluate("text('cat')", model).equals(evaluate("token(0)", model))


@pytest.mark.parametrize("name", ["style", "STYLE", "style.safetensors", "Style.PT", "style.bin"])
def test_emb_ignores_case_and_ending(name: str) -> None:
    assert evaluate(f"emb('{name}')", with_style(MemoryModel.sd1()))["clip_l"].eq(0.5).all()


def test_an_embedding_of_another_family_stays_text() -> None:
    model = MemoryModel.sd1()
    model.install(InstalledEmbedding("red", {"clip_h": torch.ones(3, 14)}))
    assert evaluate("'red'", model).equals(evaluate("token(5)", model))


def test_of_two_embeddings_of_a_name_the_fitting_one_is_taken() -> None:
    model = with_style(MemoryModel.sd1(), "style")
    model.install(InstalledEmbedding("style", {"clip_h": torch.ones(3, 14)}))
    assert evaluate("emb('style')", model).length == 2


# Other checkpoints


def with_other() -> MemoryModel:
    model, other, third = with_style(MemoryModel.sdxl()), MemoryModel.sdxl(title="other"), MemoryModel.sdxl()
    for encoder in other.encoders:
        encoder.table *= 2.0
    for encoder in third.encoders:
        encoder.table *= 3.0
    model.checkpoints = {"other": other, "third one": third}
    return model


AT = [
    ("'cat'@other", "'cat' * 2"),
    ("'cat' + 'cat'@other", "'cat' * 3"),
    ("('cat' + 'dog')@other", "'cat' * 2 + 'dog' * 2"),
    ("('cat' + 'dog'@\"third one\")@other", "'cat' * 2 + 'dog' * 3"),
    ("(('cat'@other) + 'dog')@other", "'cat' * 2 + 'dog' * 2"),
    ("token(4)@other", "'dog' * 2"),
    ("pad()@other", "pad() * 2"),
    ("text('cat')@other", "'cat' * 2"),
    ("'style'@other", "'style'"),
    ("'red style'@other", "('red'*2), 'style'"),
    ("emb('style')@other", "'style'"),
    ("nearest('cat')@other", "'cat' * 2"),
    ("nearest('cat'@other)", "'cat'"),
    ("random(2, 5)@other", "random(2, 5) * 2"),
    ("normalize('cat')@other", "normalize('cat') * 2"),
]


@pytest.mark.parametrize(("text", "same"), AT, ids=[row[0] for row in AT])
def test_at_reads_the_other_checkpoint(text: str, same: str) -> None:
    model = with_other()
    left, right = evaluate(text, model), evaluate(same, model)
    for name in left:
        torch.testing.assert_close(left[name], right[name], rtol=1e-5, atol=1e-6)


def test_the_other_checkpoint_is_asked_once_for_its_rows() -> None:
    model = with_other()
    evaluate_all([parse("'cat'@other + 'dog'@other"), parse("'red'@other")], model)
    assert [encoder.calls["rows"] for encoder in model.checkpoints["other"].encoders] == [1, 1]


def test_the_other_checkpoint_may_have_more_encoders() -> None:
    model = MemoryModel.sd1()
    model.checkpoints = {"xl": MemoryModel.sdxl()}
    assert evaluate("'cat'@xl", model)["clip_l"].shape == (1, 12)


def test_an_embedding_digest_is_that_of_its_vectors() -> None:
    model = MemoryModel.sd1()
    one = model.install(InstalledEmbedding("one", {"clip_l": torch.ones(1, 12)}))
    two = model.install(InstalledEmbedding("two", {"clip_l": torch.ones(1, 12, dtype=torch.float16)}))
    other = model.install(InstalledEmbedding("other", {"clip_l": torch.ones(2, 12)}))
    assert one.digest == two.digest != other.digest


def test_half_a_surrogate_pair_is_read_as_a_question_mark() -> None:
    """JSON can carry one, and no tokenizer can encode it."""
    model = MemoryModel.sdxl()
    assert evaluate(Text("a \ud800"), model).equals(evaluate("'a ?'", model))


FROM_HOLES = ("emb('holes')[0]", "emb('holes')[0:1]", "emb('holes'):1", "normalize(emb('holes')[0])")


@pytest.mark.parametrize("text", FROM_HOLES)
def test_a_good_vector_of_a_file_with_bad_ones_can_be_used(text):
    model = MemoryModel.sd1()
    rows = torch.ones(2, 12)
    rows[1, 3] = float("nan")
    model.install(InstalledEmbedding("holes", {"clip_l": rows}))
    assert bool(torch.isfinite(evaluate(text, model)["clip_l"]).all())
    with pytest.raises(NotFinite, match=r"a \* t gives"):
        evaluate(f"{text} + 'cat' * 1e39", model)
