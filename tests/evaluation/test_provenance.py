"""What an expression resolves to, and that the resolved one gives the same value whatever is installed later."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lib_embmerge.evaluation import Analysis
from lib_embmerge.files.writing import write_embedding
from lib_embmerge.host_protocol import InstalledEmbedding
from lib_embmerge.language import parse, write
from lib_embmerge.language.nodes import Apply, Expression, Text
from lib_embmerge.limits import Limits
from lib_embmerge.models.checkpoint import CheckpointModel, open_model
from lib_embmerge.models.memory import WORDS, MemoryEncoder, MemoryModel
from tests.analysed import entered, evaluate, read_parts, resolve

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


# --- Names in other spellings ----------------------------------------------------------------------------------------

NAMES = ("neg-xyzzy", "style", "style two", "Mc Cat", "né", "a", "😀x")

BETWEEN = st.sampled_from(
    ["", " ", "  ", "\n", "\t ", ", ", "-", "'", "é", "🫨", "\u3000", "x", "\u00a0", "&amp;", "ß"]
)


def spelled(name: str) -> st.SearchStrategy[str]:
    """A name as a person may write it and a tokenizer read it: blanks between its parts, other letters' case."""
    letters = st.tuples(*[st.sampled_from([c, c.upper(), c + " ", " " + c, c + "\n"]) for c in name])
    return st.one_of(st.just(name), letters.map("".join))


WRITTEN = st.lists(
    st.one_of(st.sampled_from(NAMES).flatmap(spelled), st.text(max_size=6), st.sampled_from(["cat", "red", "dogneg"])),
    max_size=5,
).flatmap(lambda parts: st.tuples(*[st.tuples(st.just(part), BETWEEN) for part in parts]))


def with_names(model: MemoryModel) -> MemoryModel:
    for number, name in enumerate(NAMES, start=1):
        length, value = number % 3 + 1, 0.25 * number
        vectors = {encoder.name: torch.full((length, encoder.width), value) for encoder in model.encoders}
        model.install(InstalledEmbedding(name, vectors))
    return model


OTHER_WORDS = MemoryEncoder("clip_g", width=16, words=[*WORDS, "é", "owl"])
UNEVEN = with_names(MemoryModel([MemoryEncoder("clip_l"), OTHER_WORDS]))
EVEN = with_names(MemoryModel.sdxl())


def is_writable(text: str) -> bool:
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)


@pytest.mark.parametrize("model", [EVEN, UNEVEN], ids=["even", "uneven"])
@given(parts=WRITTEN)
def test_a_recipe_of_any_text_gives_the_same_vectors(model: MemoryModel, parts: list[tuple[str, str]]) -> None:
    text = "".join(part + between for part, between in parts)
    assume(is_writable(text))
    asked = f"{write(Text(text))} * 2 - 'cat'"
    found = Analysis(entered(asked), model)
    again = evaluate(found.provenance().text, model, Limits().of_recipes())
    assert again.equals(found.value())
    bare = MemoryModel(model.encoders, embeddings=[one for one in model.installed if one.name != "style"])
    without = Analysis(entered(asked), model, stays_text="style")
    assert without.value().equals(Analysis(entered(asked), bare).value())
    assert evaluate(without.provenance().text, model, Limits().of_recipes()).equals(without.value())


SPELLINGS = [
    ("'🫨 neg - xyzzy'", "concat(text('🫨'), emb('neg-xyzzy'))"),
    ("'neg  -\nxyzzy cat'", "concat(emb('neg-xyzzy'), text('cat'))"),
    ("'é STYLE  two é'", "concat(text('é'), emb('style two'), text('é'))"),
    ("'a mc\tcat'", "concat(emb('a'), emb('Mc Cat'))"),
    ("'it''s style'", "concat(text('it''s'), emb('style'))"),
]


@pytest.mark.parametrize(("text", "resolved"), SPELLINGS, ids=[row[0] for row in SPELLINGS])
def test_a_recipe_keeps_the_text_s_own_letters(text: str, resolved: str) -> None:
    assert resolve(text, EVEN).text == write(parse(resolved))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> CheckpointModel:
    """CLIP's own tokenizers, and files of embeddings."""
    folder = tmp_path_factory.mktemp("embeddings")
    for number, name in enumerate((*NAMES, "neg"), start=1):
        vectors = {"clip_l": torch.full((number % 3 + 1, 768), 0.5), "clip_g": torch.full((number % 3 + 1, 1280), 0.25)}
        write_embedding(vectors, folder, name, metadata={})
    return open_model(None, embeddings=folder)


@settings(max_examples=60)
@given(parts=WRITTEN)
def test_the_same_with_clip_s_tokenizers(real: CheckpointModel, parts: list[tuple[str, str]]) -> None:
    text = "".join(part + between for part, between in parts)
    assume(is_writable(text))
    found = Analysis(entered(write(Text(text))), real)
    assert evaluate(found.provenance().text, real, Limits().of_recipes()).equals(found.value())


def test_what_no_letters_spell_is_kept_as_tokens(real: CheckpointModel) -> None:
    """Of `zzneg` the last token is the name's, and what stands before it is no word that could be written alone."""
    (ids,) = real.encoders[0].tokenize(["zzneg"])
    (name,) = real.encoders[0].tokenize(["neg"])
    assert ids[1:] == name
    assert resolve("'zzneg'", real).text == f"token({ids[0]}), emb('neg')"
