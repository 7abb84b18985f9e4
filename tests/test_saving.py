"""Expressions into files that know what they were made of, and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from lib_embmerge import saving as saving_module
from lib_embmerge.entered import Entered, read_expression
from lib_embmerge.errors import (
    ExpressionError,
    FileError,
    FileExists,
    LimitExceeded,
    ModelNotLoaded,
    NameProblem,
    UnknownEmbedding,
)
from lib_embmerge.families import DEMONSTRATION
from lib_embmerge.files.checkpoint_files import TokenTable
from lib_embmerge.files.convert import convert_embeddings
from lib_embmerge.files.reading import EmbeddingFile, read_embedding
from lib_embmerge.files.safetensors_reader import open_safetensors
from lib_embmerge.host_protocol import InstalledEmbedding, TextPieces
from lib_embmerge.language import parse
from lib_embmerge.models.checkpoint import open_model
from lib_embmerge.models.memory import MemoryEncoder, MemoryModel
from lib_embmerge.saving import Long, SaveOptions, read_recipe, rebuild, save_expression
from lib_embmerge.vectors.embedding import digest_vectors, former_digests
from tests.analysed import evaluate
from tests.frontends.checkpoints import make_checkpoint

KITTEN = "'cat' - 'adult' + 'child'"


@pytest.fixture
def model() -> MemoryModel:
    """Two encoders of the real widths, so that what is saved can be read again."""
    return MemoryModel.sdxl(widths=(768, 1280))


def embedding(name: str, value: float, rows: int = 1) -> InstalledEmbedding:
    vectors = {"clip_l": torch.full((rows, 768), value), "clip_g": torch.full((rows, 1280), value)}
    return InstalledEmbedding(name, vectors)


def header(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return dict(file.metadata())


# --- what was entered ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expression", "offset"),
    [("'a'", "'a'", 0), ("<'a'>", "'a'", 1), ("  {'a'} ", "'a'", 3), ("-'a'", "-'a'", 0), ("sum('a')", "sum('a')", 0)],
)
def test_an_expression_or_a_prompt_that_is_one(text: str, expression: str, offset: int) -> None:
    entered = read_expression(text)
    assert (entered.text, entered.expression, entered.offset) == (text, expression, offset)
    assert entered.tree == parse(expression)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a cat", "This is a prompt, not an expression. To use its words, quote them: 'a cat'."),
        ("", "The expression is empty. Quote the words that it is to be made of: 'a photo of a cat'."),
        ("word " * 50, "This is a prompt, not an expression. To use its words, put them in quotes."),
        ("<'a'> <'b'>", "This is a prompt with more than one expression in it; one expression is needed."),
        ("a <'b'>", "This is a prompt with words around its expression; the expression alone is needed."),
        ("<'a' + >", "<'a' + >"),
        ("<'EM_1'>", "<'EM_1'>"),
    ],
)
def test_other_prompts_are_mistakes_that_say_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        read_expression(text)
    assert str(caught.value).startswith(message)


def test_the_caret_stands_in_the_text_as_it_was_entered() -> None:
    with pytest.raises(ExpressionError) as caught:
        read_expression("<'a' + *>")
    assert str(caught.value).splitlines()[:2] == ["<'a' + *>", "       ^"]


# --- saving --------------------------------------------------------------------------------------------------------


def test_a_saved_file_holds_the_value_and_its_recipe(model: MemoryModel, tmp_path: Path) -> None:
    model.known = {"name": "m.safetensors", "size": "12"}
    options = SaveOptions(tmp_path, about={"author": "me"})
    (saved,) = save_expression(read_expression(f"<{KITTEN}>"), "k-1", model, options)
    value = evaluate(KITTEN, model)
    written = load_file(saved.path)
    assert set(written) == set(value)
    assert all(torch.equal(written[encoder], value[encoder]) for encoder in value)
    assert saved.shapes == {"clip_l": (1, 768), "clip_g": (1, 1280)}
    assert saved.size == saved.path.stat().st_size
    kept = header(saved.path)
    assert kept["embmerge.expression"] == KITTEN
    assert kept["embmerge.resolved"] == "text('cat') - text('adult') + text('child')"
    assert kept["embmerge.tokens"] == '{"clip_l": [0, 1, 2], "clip_g": [0, 1, 2]}'
    assert (kept["embmerge.checkpoint"], kept["embmerge.checkpoint_size"]) == ("m.safetensors", "12")
    assert (kept["modelspec.author"], kept["modelspec.title"]) == ("me", "k-1")
    assert "embmerge.embeddings" not in kept
    assert set(saved.metadata.items()) <= set(kept.items())


@pytest.mark.parametrize(("text", "is_zero"), [("'cat' - 'cat'", True), ("'cat' : 3", False), ("'cat' * 0L", False)])
def test_what_has_nothing_in_it_is_said(model: MemoryModel, tmp_path: Path, text: str, is_zero: bool) -> None:
    (saved,) = save_expression(read_expression(text), "k-1", model, SaveOptions(tmp_path))
    assert ("All its vectors are zero: it does nothing." in saved.warnings) == is_zero


def test_the_demonstration_encoder_is_named(tmp_path: Path) -> None:
    encoders = [MemoryEncoder("clip_l", width=768)]
    model = MemoryModel(encoders, is_demonstration=True)
    (saved,) = save_expression(read_expression("'cat'"), "k-1", model, SaveOptions(tmp_path))
    assert saved.metadata["embmerge.checkpoint"] == DEMONSTRATION


@pytest.mark.parametrize(
    ("long", "resolved"),
    [
        ("cut", {"k": "repeat(text('cat'), 80) : 75"}),
        ("pool", {"k": "pool(repeat(text('cat'), 80))"}),
        ("keep", {"k": "repeat(text('cat'), 80)"}),
        ("split", {"k-1": "repeat(text('cat'), 80)[0:75]", "k-2": "repeat(text('cat'), 80)[75:80]"}),
    ],
)
def test_a_choice_for_long_ones_is_part_of_the_recipe(
    model: MemoryModel, tmp_path: Path, long: str, resolved: dict[str, str]
) -> None:
    options = SaveOptions(tmp_path, long=long)  # type: ignore[arg-type]
    saved = save_expression(read_expression("repeat('cat', 80)"), "k", model, options)
    found = {one.name: one.metadata["embmerge.resolved"] for one in saved}
    assert {name: parse(text) for name, text in found.items()} == {name: parse(text) for name, text in resolved.items()}
    for one in saved:
        again = rebuild(read_embedding(one.path), model, SaveOptions(tmp_path / "again", long="keep"))
        assert again[0].path.name == one.path.name
        assert load_file(again[0].path)["clip_l"].equal(load_file(one.path)["clip_l"])


def test_long_ones_are_refused_without_a_choice(model: MemoryModel, tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="This has 76 vectors") as caught:
        save_expression(read_expression("'cat' : 76"), "k", model, SaveOptions(tmp_path))
    assert "split into k-1, k-2" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("long", [None, "cut", "pool", "split", "keep"])
def test_a_full_chunk_is_not_long(model: MemoryModel, tmp_path: Path, long: Long | None) -> None:
    (saved,) = save_expression(read_expression("'cat' : 75"), "k", model, SaveOptions(tmp_path, long=long))
    assert saved.path == tmp_path / "k.safetensors"
    assert saved.shapes == {"clip_l": (75, 768), "clip_g": (75, 1280)}
    assert saved.metadata["embmerge.resolved"] == "text('cat') : 75"


def test_a_split_writes_all_parts_or_none(model: MemoryModel, tmp_path: Path) -> None:
    (tmp_path / "k-2.safetensors").write_bytes(b"mine")
    with pytest.raises(FileExists):
        save_expression(read_expression("'cat' : 80"), "k", model, SaveOptions(tmp_path, long="split"))
    assert [path.name for path in tmp_path.iterdir()] == ["k-2.safetensors"]


@pytest.mark.parametrize(
    ("text", "name", "error"),
    [
        ("''", "k", ExpressionError),
        ("'cat' : 0", "k", ExpressionError),
        ("'cat'[3]", "k", ExpressionError),
        ("'cat'@nowhere", "k", FileError),
        ("emb('nothing')", "k", UnknownEmbedding),
        ("'cat'", "../k", NameProblem),
        ("'cat' * 1e38 * 100", "k", ExpressionError),
    ],
)
def test_nothing_is_written_after_a_mistake(
    model: MemoryModel, tmp_path: Path, text: str, name: str, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        save_expression(read_expression(text), name, model, SaveOptions(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    if name == "k":
        assert "^" in str(caught.value)


def test_warnings(model: MemoryModel, tmp_path: Path) -> None:
    (tmp_path / "Cat.pt").write_bytes(b"x")
    (saved,) = save_expression(read_expression("'dog' * 1e6"), "cat", model, SaveOptions(tmp_path))
    text = "\n".join(saved.warnings)
    assert "65,504" in text
    assert "vocabulary" in text
    assert "differs only by case from Cat" in text


# --- names that resolve to the file being written ------------------------------------------------------------------


BURNS = "as long as a word: expect burnt pictures."
LENGTHS = [
    ("normalize('cat')", ""),
    ("normalize('cat') * 50", f"This vector is 50 × (clip_l) and 50 × (clip_g) {BURNS}"),
    ("normalize('cat'), (normalize('dog') * 50)", f"Vector 1 is 50 × (clip_l) and 50 × (clip_g) {BURNS}"),
    ("normalize('cat') * 50L", f"This vector is 50 × (clip_l) {BURNS}"),
]


@pytest.mark.parametrize(("text", "said"), LENGTHS, ids=[row[0] for row in LENGTHS])
def test_a_length_that_burns_pictures_is_said_when_saving_and_rebuilding(
    model: MemoryModel, tmp_path: Path, text: str, said: str
) -> None:
    (saved,) = save_expression(read_expression(text), "em_long", model, SaveOptions(tmp_path))
    (again,) = rebuild(read_embedding(saved.path), model, SaveOptions(tmp_path, overwrite=True))
    for one in (saved, again):
        assert [sentence for sentence in one.warnings if "long as" in sentence] == (
            [f"{said} normalize( ) gives it the usual length."] if said else []
        )


def test_a_save_reads_a_few_rows_of_a_large_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(make_checkpoint(tmp_path / "model.safetensors", seed=1))
    read, rows = [], TokenTable.rows

    def count_rows(table: TokenTable, ids: Sequence[int]) -> torch.Tensor:
        read.append(len(ids))
        return rows(table, ids)

    monkeypatch.setattr(TokenTable, "rows", count_rows)
    save_expression(read_expression("'cat' - 'adult' + 'child'"), "em_few", model, SaveOptions(tmp_path))
    assert 0 < sum(read) < 1000


def test_a_text_that_names_the_file_being_written_stays_text(model: MemoryModel, tmp_path: Path) -> None:
    model.install(embedding("dog", 5.0))
    model.install(embedding("red", 7.0))
    options = SaveOptions(tmp_path, is_installed_here=True)
    (saved,) = save_expression(read_expression("'a dog' + 'red'"), "dog", model, options)
    resolved = saved.metadata["embmerge.resolved"]
    assert "emb('dog')" not in resolved
    assert "emb('red')" in resolved
    bare = MemoryModel.sdxl(widths=(768, 1280))
    expected = evaluate("'a dog'", bare)["clip_l"] + torch.cat([torch.full((1, 768), 7.0), torch.zeros(1, 768)])
    assert torch.equal(load_file(saved.path)["clip_l"], expected)


@pytest.mark.parametrize("text", ["'a D O G'", "'a dog\n'", "'adog, DOG'", "'\U0001fae8 d og red'"])
def test_a_name_in_another_spelling_stays_text_too(model: MemoryModel, tmp_path: Path, text: str) -> None:
    """The tokens of a name are found in other letters than its own: a blank, a capital, the end of a longer word."""
    model.install(embedding("d og", 5.0))
    model.install(embedding("red", 7.0))
    options = SaveOptions(tmp_path, is_installed_here=True)
    (saved,) = save_expression(read_expression(text), "d og", model, options)
    without = MemoryModel(model.encoders, embeddings=[embedding("red", 7.0)])
    expected = evaluate(text, without)
    assert torch.equal(load_file(saved.path)["clip_l"], expected["clip_l"])
    assert torch.equal(load_file(saved.path)["clip_g"], expected["clip_g"])
    (again,) = rebuild(read_embedding(saved.path), model, SaveOptions(tmp_path / "again"))
    assert torch.equal(load_file(again.path)["clip_l"], expected["clip_l"])


def test_elsewhere_the_name_is_the_embedding(model: MemoryModel, tmp_path: Path) -> None:
    model.install(embedding("dog", 5.0))
    (saved,) = save_expression(read_expression("'dog'"), "dog", model, SaveOptions(tmp_path))
    assert torch.equal(load_file(saved.path)["clip_l"], torch.full((1, 768), 5.0))
    assert "dog" in saved.metadata["embmerge.embeddings"]


def test_a_file_cannot_be_made_of_itself(model: MemoryModel, tmp_path: Path) -> None:
    model.install(embedding("dog", 5.0))
    with pytest.raises(UnknownEmbedding, match="the file that is being written") as caught:
        save_expression(read_expression("2 * emb('Dog')"), "dog", model, SaveOptions(tmp_path, is_installed_here=True))
    assert "^" in str(caught.value)


def test_thousands_of_terms_are_no_trouble(model: MemoryModel, tmp_path: Path) -> None:
    model.install(embedding("dog", 5.0))
    text = "+".join(["'dog'"] * 2500)
    options = SaveOptions(tmp_path, is_installed_here=True)
    assert len(save_expression(read_expression(text), "dog", model, options)) == 1


def test_an_expression_is_tokenized_and_read_once(model: MemoryModel, tmp_path: Path) -> None:
    """And the name once, which may be a word of the vocabulary."""
    text = "normalize('cat' - 'adult', 0.5), repeat('dog', 100), 'red'"
    saved = save_expression(read_expression(text), "k", model, SaveOptions(tmp_path, long="split"))
    assert len(saved) == 2
    assert model.calls["pieces"] == 1
    assert [encoder.calls["rows"] for encoder in model.encoders] == [1, 1]
    assert [encoder.calls["tokenize"] for encoder in model.encoders] == [1 + len(saved)] * 2


@pytest.mark.parametrize(("long", "names"), [(None, ["k"]), ("split", ["k"])])
def test_exactly_a_chunk_is_one_file(
    model: MemoryModel, tmp_path: Path, long: Long | None, names: list[str]
) -> None:
    saved = save_expression(read_expression("repeat('cat', 75)"), "k", model, SaveOptions(tmp_path, long=long))
    assert [one.name for one in saved] == names
    assert saved[0].metadata["embmerge.resolved"] == "repeat(text('cat'), 75)"
    assert load_file(saved[0].path)["clip_l"].shape == (75, 768)


def test_a_recipe_may_be_longer_than_what_may_be_written(model: MemoryModel, tmp_path: Path) -> None:
    """Of both limits, characters and parentheses, the recipe takes more than the expression it is of."""
    for name, text in (("long", "+".join(["'dog'"] * 2700)), ("deep", "sum(" * 99 + "('dog')" + ")" * 99)):
        (saved,) = save_expression(read_expression(text), name, model, SaveOptions(tmp_path))
        (again,) = rebuild(read_embedding(saved.path), model, SaveOptions(tmp_path / "again"))
        assert load_file(again.path)["clip_l"].equal(load_file(saved.path)["clip_l"])


class Changing(MemoryModel):
    """A host's model whose weights are replaced while it is asked for the texts of an expression."""

    def pieces(self, texts: Sequence[str]) -> list[Mapping[str, TextPieces]]:
        self.encoders[0].table[0] += 1.0
        return super().pieces(texts)


def test_nothing_is_saved_of_two_checkpoints(tmp_path: Path) -> None:
    model = Changing([MemoryEncoder("clip_l", width=768)])
    with pytest.raises(ModelNotLoaded, match="The checkpoint was changed in the meantime; nothing was saved"):
        save_expression(read_expression("'cat'"), "k", model, SaveOptions(tmp_path))
    assert list(tmp_path.iterdir()) == []


# --- rebuilding ----------------------------------------------------------------------------------------------------


def save_and_read(entered: Entered, name: str, model: MemoryModel, folder: Path) -> EmbeddingFile:
    (saved,) = save_expression(entered, name, model, SaveOptions(folder, about={"author": "me", "tags": "x"}))
    return read_embedding(saved.path)


def test_a_rebuild_reads_no_name_that_was_a_word(model: MemoryModel, tmp_path: Path) -> None:
    file = save_and_read(read_expression("'dog'"), "k-1", model, tmp_path)
    model.install(embedding("dog", 5.0))
    (again,) = rebuild(file, model, SaveOptions(tmp_path / "again"))
    assert torch.equal(load_file(again.path)["clip_l"], file.vectors["clip_l"])
    assert again.metadata["embmerge.expression"] == "'dog'"
    assert again.metadata["modelspec.author"] == "me"


@pytest.mark.parametrize("name", ["k.safetensors", "k.pt", "k.BIN"])
def test_a_name_has_no_extension_but_a_file_that_has_one_keeps_it(
    model: MemoryModel, tmp_path: Path, name: str
) -> None:
    with pytest.raises(NameProblem, match=r"ends in an extension. Leave out the extension: k\.") as caught:
        save_expression(read_expression("'cat'"), name, model, SaveOptions(tmp_path))
    assert caught.value.suggestion == "Leave out the extension: k."
    (saved,) = save_expression(read_expression("'cat'"), "k", model, SaveOptions(tmp_path))
    old = saved.path.rename(tmp_path / f"{name}.safetensors")
    assert rebuild(read_embedding(old), model, SaveOptions(tmp_path, overwrite=True))[0].path == old
    assert convert_embeddings(old, tmp_path / "out")[0].path.name == old.name


def test_the_demonstration_replaces_no_file_of_a_real_checkpoint(model: MemoryModel, tmp_path: Path) -> None:
    (saved,) = save_expression(read_expression("'cat'"), "k", model, SaveOptions(tmp_path))
    before = saved.path.read_bytes()
    demonstration = MemoryModel([MemoryEncoder("clip_l", width=768)], is_demonstration=True)
    with pytest.raises(FileError, match="made with a real checkpoint; the demonstration may not replace it"):
        rebuild(read_embedding(saved.path), demonstration, SaveOptions(tmp_path, overwrite=True))
    assert saved.path.read_bytes() == before
    assert rebuild(read_embedding(saved.path), demonstration, SaveOptions(tmp_path / "out"))


def test_a_rebuild_says_that_an_embedding_has_changed(model: MemoryModel, tmp_path: Path) -> None:
    model.install(embedding("red", 5.0))
    file = save_and_read(read_expression("'red' * 2"), "k-1", model, tmp_path)
    model.remove("red")
    model.install(embedding("red", 6.0))
    (again,) = rebuild(file, model, SaveOptions(tmp_path / "again"))
    assert "The embedding red is not the one that the file was made of." in again.warnings
    model.remove("red")
    with pytest.raises(UnknownEmbedding):
        rebuild(file, model, SaveOptions(tmp_path / "more"))


def test_what_is_said_now_wins_over_what_the_file_says(model: MemoryModel, tmp_path: Path) -> None:
    file = save_and_read(read_expression("'dog'"), "k-1", model, tmp_path)
    (again,) = rebuild(file, model, SaveOptions(tmp_path / "again", about={"author": "you"}))
    assert (again.metadata["modelspec.author"], again.metadata["modelspec.tags"]) == ("you", "x")


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"embmerge.resolved": ""},
        {"embmerge.resolved": "'a'", "embmerge.embeddings": "{"},
        {"embmerge.resolved": "'a'", "embmerge.embeddings": "[]"},
        {"embmerge.resolved": "'a'", "embmerge.embeddings": '{"x": []}'},
    ],
)
def test_a_file_without_a_recipe(metadata: dict[str, str]) -> None:
    with pytest.raises(FileError):
        read_recipe("x.safetensors", metadata)


@pytest.mark.parametrize("place", ["/etc/hostname", "\\\\host\\share", "C:x", "./secret.safetensors"])
def test_a_recipe_opens_no_path(model: MemoryModel, tmp_path: Path, place: str) -> None:
    file = save_and_read(read_expression("'dog'"), "k-1", model, tmp_path)
    hostile = replace(file, metadata={**file.metadata, "embmerge.resolved": f"text('a')@\"{place}\""})
    with pytest.raises(FileError, match="reads a checkpoint by its path"):
        rebuild(hostile, model, SaveOptions(tmp_path / "again"))


@pytest.mark.parametrize("name", ["secret.safetensors", "secret", "~", "sd_v1.5"])
def test_a_recipe_s_name_is_one_of_the_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Not a file of the folder that the command happens to run in."""
    real = tmp_path / "real"
    real.mkdir()
    made = make_checkpoint(tmp_path / name, seed=1)
    model = open_model(made.rename(real / "model.safetensors"))
    make_checkpoint(tmp_path / name, seed=2)
    monkeypatch.chdir(tmp_path)
    (saved,) = save_expression(read_expression("'cat'"), "k", model, SaveOptions(tmp_path / "out"))
    file = read_embedding(saved.path)
    hostile = replace(file, metadata={**file.metadata, "embmerge.resolved": f"text('cat')@'{name}'"})
    with pytest.raises(FileError, match="There is no checkpoint"):
        rebuild(hostile, model, SaveOptions(tmp_path / "again"))


def test_digests_of_older_versions_are_known(model: MemoryModel, tmp_path: Path) -> None:
    """Without shapes inside some WebUIs, of the whole file in A1111."""
    (made,) = save_expression(read_expression("'dog'"), "mine", model, SaveOptions(tmp_path))
    vectors = read_embedding(made.path).vectors
    model.install(InstalledEmbedding("mine", vectors, path=made.path))
    file = save_and_read(read_expression("'mine' * 2"), "k-1", model, tmp_path)
    known = [digest_vectors(vectors), *former_digests(vectors), hashlib.sha256(made.path.read_bytes()).hexdigest()]
    for digest in [*known, "0" * 64]:
        old = replace(file, metadata={**file.metadata, "embmerge.embeddings": json.dumps({"mine": digest})})
        (again,) = rebuild(old, model, SaveOptions(tmp_path / "again", overwrite=True))
        said = "The embedding mine is not the one that the file was made of." in again.warnings
        assert said == (digest not in known)


def test_half_of_a_character_in_a_note_is_marked(model: MemoryModel, tmp_path: Path) -> None:
    about = {"description": "\ud83d"}  # an emoji that was cut in two
    (saved,) = save_expression(read_expression("'dog'"), "k", model, SaveOptions(tmp_path, about=about))
    assert header(saved.path)["modelspec.description"] == "?"


def test_the_header_is_read_by_our_own_reader_too(model: MemoryModel, tmp_path: Path) -> None:
    file = save_and_read(read_expression("'dog'"), "k-1", model, tmp_path)
    assert open_safetensors(file.path).metadata["embmerge.expression"] == "'dog'"


def test_a_mistake_in_the_expression_comes_before_one_in_the_name(model: MemoryModel, tmp_path: Path) -> None:
    with pytest.raises(ExpressionError, match="There is no vector 5"):
        save_expression(read_expression("'cat'[5]"), "../x", model, SaveOptions(tmp_path))
    with pytest.raises(NameProblem):
        save_expression(read_expression("'cat'"), "../x", model, SaveOptions(tmp_path))


def test_a_folder_is_listed_once_for_many_saves_and_again_when_others_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[Path] = []
    real = saving_module.list_folder
    monkeypatch.setattr(saving_module, "list_folder", lambda folder: listed.append(folder) or real(folder))
    model, options = MemoryModel.sd1(), SaveOptions(folder=tmp_path / "new")
    entered = read_expression("'cat'", kind="expression")
    for number in range(5):
        save_expression(entered, f"mine{number}", model, options)
    assert len(listed) <= 2  # before the folder was there, and with the first file in it
    (tmp_path / "new" / "OTHER.safetensors").write_bytes(b"x")
    (saved,) = save_expression(entered, "other", model, options)
    assert any("differs only by case from OTHER" in warning for warning in saved.warnings)
    (saved,) = save_expression(entered, "MINE3", model, options)
    assert any("differs only by case from mine3" in warning for warning in saved.warnings)
