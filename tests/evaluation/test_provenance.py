"""What an expression resolves to, and that the resolved one gives the same value whatever is installed later."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given

from lib_embmerge.host_protocol import InstalledEmbedding
from lib_embmerge.language import parse
from lib_embmerge.language.nodes import Apply, Expression, Text
from lib_embmerge.models.memory import MemoryModel
from tests.analysed import evaluate, read_parts, resolve

from .expressions import EXPRESSIONS


def with_styles() -> MemoryModel:
    model = MemoryModel.sdxl()
    for number, name in enumerate(("style", "style two", "Mc Cat"), start=1):
        vectors = {encoder.name: torch.full((number, encoder.width), 0.5 * number) for encoder in model.encoders}
        model.install(InstalledEmbedding(name, vectors))
    model.checkpoints = {"other": MemoryModel.sdxl(title="other")}
    for encoder in model.checkpoints["other"].encoders:
        encoder.table *= 2.0
    return model


CASES = [
    ("'cat'", "text('cat')"),
    ("'A Cat'", "text('A Cat')"),
    ("''", "text('')"),
    ("'style'", "emb('style')"),
    ("'STYLE'", "emb('style')"),
    ("'red style, cat'", "concat(text('red'), emb('style'), text(', cat'))"),
    ("'style two style'", "concat(emb('style two'), emb('style'))"),
    ("'a mc  cat of mc cat'", None),
    ("'style' - 'cat' * 2", "emb('style') - text('cat') * 2"),
    ("text('style') + emb('style')", "text('style') + emb('style')"),
    ("('red style')@other", "concat(text('red'), emb('style'))@other"),
    ("lerp('style', 'cat', 0.5)[0:1]", "lerp(emb('style'), text('cat'), 0.5)[0:1]"),
    ("'cat', 5, 00", "text('cat'), 5, 00"),
    ("\"it's style\"", "concat(text('it''s'), emb('style'))"),
]


@pytest.mark.parametrize(("text", "resolved"), CASES, ids=[row[0] for row in CASES])
def test_names_are_resolved(text: str, resolved: str | None) -> None:
    model = with_styles()
    found = resolve(text, model)
    if resolved is not None:
        assert parse(found.text) == parse(resolved)
    before = evaluate(text, model)
    assert before.equals(evaluate(found.text, model))
    assert before.equals(evaluate(found.expression, model))
    for word in ("cat", "red", "a"):
        vectors = {encoder.name: torch.ones(1, encoder.width) for encoder in model.encoders}
        model.install(InstalledEmbedding(word, vectors))
    assert before.equals(evaluate(found.text, model))


@given(EXPRESSIONS)
def test_any_expression_resolves_to_the_same_value(expression: Expression) -> None:
    model = MemoryModel.sdxl()
    assert evaluate(expression, model).equals(evaluate(resolve(expression, model).expression, model))


def test_tokens_and_digests_are_kept() -> None:
    found = resolve("'red style cat' + 'style two' + token(5) + pad()", with_styles())
    assert found.tokens == {"clip_l": [5, 0, 5, 267], "clip_g": [5, 0, 5, 20]}
    installed = {embedding.name: embedding.digest for embedding in with_styles().installed}
    assert found.embeddings == {name: installed[name] for name in ("style", "style two")}


def test_the_fingerprint_is_of_the_rows_that_are_read() -> None:
    model = with_styles()
    base = resolve("'cat' + 'dog'", model).rows
    assert resolve("'dog' * 3 - 'cat' + 'dog', 'style'", model).rows == base
    assert resolve("'cat' + 'red'", model).rows != base
    assert resolve("'cat' + 'dog'@other", model).rows != base
    model.encoders[0].table[6] += 1.0
    assert resolve("'cat' + 'dog'", model).rows == base
    model.encoders[1].table[4, 0] += 0.5
    assert resolve("'cat' + 'dog'", model).rows != base


def test_a_long_chain_resolves() -> None:
    expression: Expression = Text("cat")
    for _ in range(3000):
        expression = Apply("add", (expression, Text("cat")))
    assert resolve(expression, MemoryModel.sd1()).text.count("text('cat')") == 3001


def test_parts_are_what_is_read_in_order() -> None:
    model = with_styles()
    first, second, third = read_parts("'red style' * 2 - emb('style two'), 5", model)
    assert (first.text, second.text, third.text) == ("red style", "style two", "")
    assert [list(run) if not isinstance(run, InstalledEmbedding) else run.name for run in first.runs["clip_g"]] == [
        [5],
        "style",
    ]
    assert [part.vectors.length for part in (first, second, third)] == [2, 2, 1]
    assert torch.equal(first.vectors["clip_l"][1], torch.full((12,), 0.5))
    assert (first.span.start, first.span.end) == (0, 11)


@pytest.mark.parametrize(
    ("text", "subtracted"),
    [
        ("'cat' - 'dog'", ["dog"]),
        ("'cat' - ('dog' - 'owl')", ["dog"]),
        ("'cat' * -1 + 'dog'", ["cat"]),
        ("'cat' * -1L + 'dog'", []),
        ("-('cat' / -2)", []),
    ],
)
def test_what_enters_negatively(text: str, subtracted: list[str]) -> None:
    found = read_parts(text, MemoryModel.sdxl())
    assert [part.text for part in found if part.is_subtracted] == subtracted
