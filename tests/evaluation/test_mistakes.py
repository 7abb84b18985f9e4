"""Every mistake that only shows when an expression meets a model: its kind, its sentence and its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from lib_embmerge.entered import read_expression
from lib_embmerge.errors import (
    EmbeddingMergeError,
    FileError,
    LimitExceeded,
    NotFinite,
    ShapeMismatch,
    UnknownEmbedding,
    UnsupportedHost,
    WrongArgument,
)
from lib_embmerge.evaluation import Analysis, analyse
from lib_embmerge.families import ENCODERS
from lib_embmerge.host_protocol import InstalledEmbedding
from lib_embmerge.limits import Limits
from lib_embmerge.models.memory import MemoryEncoder, MemoryModel
from lib_embmerge.vectors.registry import OPERATORS
from tests.analysed import count, entered, evaluate


def sd1() -> MemoryModel:
    model = MemoryModel.sd1()
    for name in ("style", "Twin", "twin"):
        model.install(InstalledEmbedding(name, {"clip_l": torch.ones(2, 12)}))
    model.install(InstalledEmbedding("big", {"clip_l": torch.ones(2, 12), "clip_g": torch.ones(2, 16)}))
    model.install(InstalledEmbedding("broken", {"clip_l": torch.full((1, 12), float("nan"))}))
    holes = torch.ones(4, 12)
    holes[1:3, 5] = float("nan")
    model.install(InstalledEmbedding("holes", {"clip_l": holes}))
    model.install(InstalledEmbedding("hole", {"clip_l": holes[:2]}))
    model.checkpoints = {"sdxl": MemoryModel.sdxl(), "sd2": MemoryModel.sd2(), "wide": MemoryModel.sd1(width=20)}
    model.checkpoints["small"] = MemoryModel([MemoryEncoder(words=["cat"])], title="small")
    return model


def sdxl() -> MemoryModel:
    model = MemoryModel.sdxl()
    model.install(InstalledEmbedding("uneven", {"clip_l": torch.ones(2, 12), "clip_g": torch.ones(3, 16)}))
    model.install(InstalledEmbedding("small", {"clip_l": torch.ones(2, 12)}))
    model.checkpoints = {"sd1": MemoryModel.sd1()}
    return model


ON_SD1 = [
    ("'cat' + 'dog'[1]", "'dog'[1]", WrongArgument, "There is no vector 1: the only one is vector 0."),
    ("'red cat'[-3]", "'red cat'[-3]", WrongArgument, "There is no vector -3: they are numbered 0 to 1."),
    ("''[0]", "''[0]", WrongArgument, "There is no vector 0: there are no vectors."),
    ("'cat' + emb('none')", "'none'", UnknownEmbedding, "There is no embedding named none."),
    ("emb('none.safetensors')", "'none.safetensors'", UnknownEmbedding, "There is no embedding named none."),
    ("emb(' ')", "' '", UnknownEmbedding,
     "The name is empty. Write that of a file, for example emb('my_style')."),
    ("emb('stile')", "'stile'", UnknownEmbedding,
     "There is no embedding named stile. Did you mean 'style'?"),
    ("emb('twin')", "'twin'", UnknownEmbedding, "There are 2 embeddings named twin. Rename one of the files."),
    ("emb('big')", "'big'", UnknownEmbedding,
     "The embedding big is made for SDXL (clip_l 12, clip_g 16); this model is SD 1 (clip_l 12)."),
    ("'cat' * 2L", "'cat' * 2L", ShapeMismatch,
     "L and G need a model with two text encoders (SDXL); this one is SD 1."),
    ("'dog' + 'cat' / 2G", "'cat' / 2G", ShapeMismatch,
     "L and G need a model with two text encoders (SDXL); this one is SD 1."),
    ("clip_g('cat')", "clip_g('cat')", ShapeMismatch,
     "clip_g needs a model with that text encoder; this one is SD 1, with clip_l."),
    ("'cat', 300", "300", WrongArgument, "There is no token 300: the ids of clip_l are 0 to 267."),
    ("normalize('cat', '')", "normalize('cat', '')", WrongArgument,
     "The embedding that gives the norms has no vectors."),
    ("normalize('cat', 'dog'*0)", "normalize('cat', 'dog'*0)", WrongArgument,
     "The embedding that gives the norms has only zero vectors."),
    ("normalize('':2, '':2)", "normalize('':2, '':2)", WrongArgument,
     "The embedding that gives the norms has only zero vectors."),
    ("'dog' + 'cat'@missing", "missing", FileError, "There is no checkpoint named missing."),
    ("('cat'@sdxl)@missing", "missing", FileError, "There is no checkpoint named missing."),
    ("'cat'@sd2", "sd2", ShapeMismatch, "memory-sd2 has no text encoder clip_l, which this model has."),
    ("'cat'@wide", "wide", ShapeMismatch,
     "The vectors of clip_l have 20 columns in memory-sd1, 12 in this model."),
    ("token(262)@small", "token(262)", WrongArgument,
     "There is no token 262: the ids of clip_l are 0 to 258."),
    ("'cat' : 1025", "'cat' : 1025", LimitExceeded, "This has 1025 vectors; at most 1024 are allowed."),
    ("repeat('red cat', 513)[0]", "repeat('red cat', 513)", LimitExceeded,
     "This has 1026 vectors; at most 1024 are allowed."),
    ("random(1025, 1)", "random(1025, 1)", LimitExceeded, "This has 1025 vectors; at most 1024 are allowed."),
    ("repeat('cat', 10000000000000)", "repeat('cat', 10000000000000)", LimitExceeded,
     "This has an enormous number of vectors; at most 1024 are allowed."),
    ("'cat' + 'dog' * 1e30 * 1e30", "'dog' * 1e30 * 1e30", NotFinite,
     "a * t gives infinity or NaN: the numbers are too large for float32."),
    ("('cat' * 1e30 * 1e30) : 0", "('cat' * 1e30 * 1e30)", NotFinite,
     "a * t gives infinity or NaN: the numbers are too large for float32."),
    *[
        (text, "'cat' * 1e39", NotFinite, "a * t gives infinity or NaN: the numbers are too large for float32.")
        for text in (
            "repeat('cat' * 1e39, 0)",
            "('cat' * 1e39, 'dog')[1]",
            "'cat' * 1e39[0:0]",
            "remove('dog', 'cat' * 1e39)",
            "normalize('cat' * 1e39, 0)",
            "sum(repeat('cat' * 1e39, 2))",
        )
    ],
    ("nearest('cat' * 1e39)", "'cat' * 1e39", NotFinite,
     "a * t gives infinity or NaN: the numbers are too large for float32."),
    ("project('dog', 'cat' * 1e39)", "'cat' * 1e39", NotFinite,
     "a * t gives infinity or NaN: the numbers are too large for float32."),
    ("'cat' + 'broken'", "'broken'", NotFinite, "The vectors of 'broken' hold infinity or NaN."),
    ("'cat' + emb('broken')[0]", "emb('broken')[0]", NotFinite,
     "The vectors of 'broken' hold infinity or NaN."),
    ("'hole'", "'hole'", NotFinite, "Vector [1] of 'hole' holds infinity or NaN."),
    ("emb('hole')[1]", "emb('hole')[1]", NotFinite, "Vector [1] of 'hole' holds infinity or NaN."),
    ("emb('holes')[0:2]", "emb('holes')[0:2]", NotFinite, "Vectors [1], [2] of 'holes' hold infinity or NaN."),
]  # fmt: skip

UNEVEN = (
    "The embedding uneven has unequal numbers of vectors: clip_l 2, clip_g 3. "
    "Convert makes a file with equal numbers."
)

ON_SDXL = [
    ("'cat' + emb('uneven')", "'uneven'", ShapeMismatch,
     UNEVEN),
    ("emb('small')", "'small'", UnknownEmbedding,
     "The embedding small is made for SD 1 (clip_l 12); this model is SDXL (clip_l 12, clip_g 16)."),
    ("'cat'@sd1", "sd1", ShapeMismatch, "memory-sd1 has no text encoder clip_g, which this model has."),
    ("'cat red uneven'", "'cat red uneven'", ShapeMismatch,
     UNEVEN),
    ("clip_l('cat' * 1e39G)", "'cat' * 1e39G", NotFinite,
     "a * t gives infinity or NaN: the numbers are too large for float32."),
]  # fmt: skip

CASES = [(sd1, *row) for row in ON_SD1] + [(sdxl, *row) for row in ON_SDXL]


@pytest.mark.parametrize(("make", "text", "at", "kind", "message"), CASES, ids=[row[1] for row in CASES])
def test_a_mistake_has_its_place(make: object, text: str, at: str, kind: type, message: str) -> None:
    model = make()  # type: ignore[operator]
    with pytest.raises(EmbeddingMergeError) as problem:
        evaluate(text, model)
    error = problem.value
    assert type(error) is kind
    assert error.source == text
    assert str(error).endswith(f"\n{message}")
    assert error.span is not None
    assert text[error.span.start : error.span.end] == at


NUMBERS_ONLY = ("has only zero vectors", "gives infinity", "hold infinity", "Vector [")


@pytest.mark.parametrize(("make", "text", "at", "kind", "message"), CASES, ids=[row[1] for row in CASES])
def test_counting_finds_it_too(make: object, text: str, at: str, kind: type, message: str) -> None:
    """All but what only the numbers show."""
    model = make()  # type: ignore[operator]
    if any(part in message for part in NUMBERS_ONLY):
        assert count(text, model) >= 0
        return
    with pytest.raises(kind) as problem:
        count(text, model)
    assert str(problem.value).endswith(f"\n{message}")


TABLE = "looks at the whole vocabulary, and the row of token 3 of clip_l holds infinity or NaN."

BROKEN = [
    ("random(1, 1)", f"random(n, seed) {TABLE}"),
    ("normalize('cat' + 'dog')", f"normalize(a[, norm]) {TABLE}"),
    ("'kitten'", "The vectors of 'kitten' hold infinity or NaN."),
    ("token(3)", "The vectors of token(3) hold infinity or NaN."),
    ("nearest('cat') * 1e39", "a * t gives infinity or NaN: the numbers are too large for float32."),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[row[0] for row in BROKEN])
def test_a_broken_row_of_the_table_is_named(text: str, message: str) -> None:
    table = MemoryModel.sd1().encoders[0].table.clone()
    table[3, 0] = float("nan")
    with pytest.raises(NotFinite) as problem:
        evaluate(text, MemoryModel([MemoryEncoder(table=table)]))
    assert problem.value.message == message


def test_normalize_brings_one_encoder_s_vectors_to_the_norms_of_that_encoder() -> None:
    """That the other one has only zero vectors, on both sides, is no mistake."""
    found = evaluate("normalize(clip_l('cat' * 3), clip_l('dog'))", sdxl())
    assert found["clip_l"].norm() == pytest.approx(1)
    assert not found["clip_g"].any()


def test_limits_can_be_set() -> None:
    with pytest.raises(LimitExceeded):
        evaluate("'red cat'", sd1(), limits=Limits(vectors=1))
    assert evaluate("'cat':2000", sd1(), limits=Limits(vectors=2000)).length == 2000


def test_many_large_values_at_once_are_too_many() -> None:
    """Each is allowed; together they would take gigabytes."""
    text = "mean(" + ", ".join(["repeat('cat', 1024)"] * 65) + ")"
    with pytest.raises(LimitExceeded, match="more than 65536 vectors at once"):
        count(text, sd1())
    chain = " + ".join(["repeat('cat', 1024)"] * 200)
    assert count(chain, sd1()) == 1024


def test_an_infinite_number_in_a_wide_sum_is_no_false_alarm() -> None:
    """The sum of large numbers leaves float32, the numbers do not."""
    found = evaluate("repeat('cat', 4) * 3e38", sd1())
    assert torch.isfinite(found["clip_l"]).all()


def test_of_several_expressions_the_first_mistake_is_told_with_its_source() -> None:
    texts = ["'cat'", "'dog'[7]", "'cat'@missing", "emb('none')"]
    prompt = "x" * 5 + "'dog'[7]"
    read = [entered(text) for text in texts]
    read[1] = replace(read[1], text=prompt, offset=5)
    asked: list[Callable[[Analysis], object]] = [Analysis.value, lambda one: one.length]
    for ask in asked:
        with pytest.raises(WrongArgument) as problem:
            [ask(one) for one in analyse(read, sd1())]
        assert problem.value.span is not None
        assert (problem.value.span.start, problem.value.span.end) == (5, 13)
        assert str(problem.value) == (
            "xxxxx'dog'[7]\n     ^^^^^^^^\nThere is no vector 7: the only one is vector 0."
        )


def test_a_mistake_of_a_value_comes_before_one_of_a_later_length() -> None:
    read = [entered("'cat' * 1e39"), entered("'dog'[7]")]
    with pytest.raises(NotFinite):
        [one.value() for one in analyse(read, sd1())]


def test_brackets_are_part_of_the_source() -> None:
    with pytest.raises(WrongArgument) as problem:
        Analysis(read_expression("<'dog'[7]>"), sd1()).value()
    assert str(problem.value).startswith("<'dog'[7]>\n ^^^^^^^^\n")


def test_a_model_without_encoders_is_refused() -> None:
    model = MemoryModel(title="chroma")
    model.encoders = ()
    with pytest.raises(UnsupportedHost, match="chroma has no text encoder that takes embeddings"):
        evaluate("'cat'", model)


HIDING = {
    "clip_g": "clip_g('cat' * 1e39L)",
    "clip_l": "clip_l('cat' * 1e39G)",
    "t5xxl": "t5xxl('cat' * 1e39)",
    "index": "('dog', 'cat' * 1e39)[0]",
    "nearest": "nearest('cat' * 1e39)",
    "normalize": "normalize('cat' * 1e39)",
    "project": "project('dog', 'cat' * 1e39)",
    "remove": "remove('dog', 'cat' * 1e39)",
    "repeat": "repeat('cat' * 1e39, 0)",
    "resize": "('dog', 'cat' * 1e39) : 1",
    "slice": "('dog', 'cat' * 1e39)[0:1]",
}
"""By operator an infinite operand of which its value shows nothing."""


@pytest.mark.parametrize(("name", "text"), HIDING.items(), ids=HIDING)
def test_what_an_operator_would_hide_is_said(name: str, text: str) -> None:
    assert OPERATORS[name].hides
    with pytest.raises(NotFinite, match="gives infinity or NaN"):
        evaluate(text, MemoryModel.flux() if name == "t5xxl" else MemoryModel.sdxl())


def test_every_operator_that_hides_is_tried() -> None:
    alike = set(ENCODERS) - set(HIDING)  # one function for each text encoder
    assert set(HIDING) == {name for name, operator in OPERATORS.items() if operator.hides} - alike
