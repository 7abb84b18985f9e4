"""A text model without a WebUI: checkpoint files, the demonstration encoder, and `@name`."""

import hashlib
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lib_embmerge.entered import read_expression
from lib_embmerge.errors import EmbeddingMergeError, FileError, Span
from lib_embmerge.evaluation import Analysis
from lib_embmerge.host_protocol import InstalledEmbedding, TextModel
from lib_embmerge.inspection import find_neighbours
from lib_embmerge.models.checkpoint import open_model
from lib_embmerge.models.demonstration import DemonstrationTable
from tests.analysed import evaluate
from tests.files.builders import SDXL_G, SDXL_L, sd1, sdxl

REAL = Path(os.environ.get("EMBMERGE_CHECKPOINTS", "nowhere"), "tiny-sdxl.safetensors")
"""Written by tests/e2e/make_checkpoints.py, where somebody has run it."""


@pytest.fixture
def model(tmp_path):
    rows = {SDXL_L: {2368: 0.5, 320: 0.25}, SDXL_G: {2368: -0.5}}
    return open_model(sdxl(tmp_path / "models" / "big.safetensors", rows=rows))


def test_a_checkpoint_is_a_text_model(model):
    protocol: TextModel = model
    assert protocol.title == "big"
    assert protocol.family is not None
    assert protocol.family.key == "sdxl"
    assert [(e.name, e.width, e.size, e.padding_id) for e in protocol.encoders] == [
        ("clip_l", 768, 49408, 49407),
        ("clip_g", 1280, 49408, 0),
    ]
    assert (protocol.half_precision, protocol.is_demonstration) == (False, False)


def test_texts_become_tokens_and_rows(model):
    (pieces,) = model.pieces(["a cat"])
    assert pieces == {"clip_l": [[320, 2368]], "clip_g": [[320, 2368]]}
    left, right = model.encoders
    assert left.rows(pieces["clip_l"][0])[:, 0].tolist() == [0.25, 0.5]
    assert right.rows(pieces["clip_g"][0])[:, 0].tolist() == [0.0, -0.5]
    assert left.spell([320, 2368]) == ["a ", "cat "]
    assert model.pieces([]) == []
    assert model.pieces([""]) == [{"clip_l": [], "clip_g": []}]


def test_the_two_encoders_have_their_own_tokenizers(model):
    (pieces,) = model.pieces(["don’t"])
    assert len(pieces["clip_l"][0]) != len(pieces["clip_g"][0])


def test_rows_are_a_copy(model):
    encoder = model.encoders[0]
    encoder.rows([2368]).zero_()
    assert encoder.rows([2368])[0, 0] == 0.5


def test_the_vocabulary_is_computed_once_and_leaves_out_the_special_tokens(tmp_path):
    encoder = open_model(sd1(tmp_path / "m.safetensors")).encoders[0]
    assert encoder.vocabulary() is encoder.vocabulary()
    assert encoder.vocabulary().excluded == {49406, 49407}


# --- Embeddings ---


def test_installed_embeddings_are_found_in_every_encoder(tmp_path):
    folder = tmp_path / "embeddings"
    folder.mkdir()
    save_file({"clip_l": torch.ones(2, 768), "clip_g": torch.ones(2, 1280)}, folder / "mystyle.safetensors")
    save_file({"emb_params": torch.ones(1, 768)}, folder / "small.safetensors")
    model = open_model(sdxl(tmp_path / "m.safetensors"), embeddings=folder)
    (pieces,) = model.pieces(["cat MyStyle small"])
    for name in ("clip_l", "clip_g"):
        assert [type(piece) for piece in pieces[name]] == [list, InstalledEmbedding, list]
    assert pieces["clip_l"][1].path == pieces["clip_g"][1].path
    assert len(pieces["clip_l"][1].digest) == 64
    assert model.embedding_names() == ["mystyle"]
    assert [e.name for e in model.embeddings_named("SMALL")] == ["small"]
    assert model.embeddings_named("none") == []


# --- Other checkpoints ---


@pytest.fixture
def library(tmp_path):
    sd1(tmp_path / "models" / "main.safetensors")
    sd1(tmp_path / "models" / "sub" / "beside.safetensors")
    sd1(tmp_path / "more" / "v1.5.safetensors")
    sd1(tmp_path / "more" / "twin.safetensors")
    sd1(tmp_path / "more" / "sub" / "twin.safetensors")
    return open_model(tmp_path / "models" / "main.safetensors", checkpoints=tmp_path / "more")


@pytest.mark.parametrize("name", ["main", "beside", "v1.5", "v1.5.safetensors"])
def test_a_checkpoint_by_its_stem(library, name):
    found = library.checkpoint(name)
    assert found.title == name.removesuffix(".safetensors")
    assert found is library.checkpoint(name)
    assert found.installed is library.installed


def test_a_checkpoint_by_its_path(library, tmp_path):
    assert library.checkpoint(str(tmp_path / "more" / "sub" / "twin.safetensors")).title == "twin"


def test_checkpoints_that_are_not_found(library, tmp_path, monkeypatch):
    with pytest.raises(FileError, match=r"Two checkpoints are named twin: .* Quote the path of one"):
        library.checkpoint("twin")
    with pytest.raises(FileError) as caught:
        library.checkpoint("besid")
    assert str(caught.value) == "There is no checkpoint besid. Did you mean beside?"
    with pytest.raises(FileError, match=r"There is no checkpoint zzz"):
        library.checkpoint("zzz")
    sd1(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match="There is no checkpoint elsewhere"):
        library.checkpoint("elsewhere")


def test_one_file_in_two_places_is_one(tmp_path):
    sd1(tmp_path / "main.safetensors")
    model = open_model(tmp_path / "main.safetensors", checkpoints=tmp_path)
    assert model.checkpoint("main").title == "main"


def test_the_demonstration_knows_no_checkpoints():
    with pytest.raises(FileError, match="Give the folder that it lies in with --checkpoints"):
        open_model(None).checkpoint("main")


def test_missing_folders(tmp_path):
    with pytest.raises(FileError, match="There is no folder"):
        open_model(None, embeddings=tmp_path / "none")
    with pytest.raises(FileError, match="There is no file"):
        open_model(tmp_path / "none.safetensors")


# --- The demonstration encoder ---


def test_the_demonstration_is_an_sdxl():
    model = open_model(None)
    assert model.family is not None
    assert (model.title, model.family.key, model.is_demonstration) == ("demonstration", "sdxl", True)
    assert model.record() == {}
    assert model.pieces(["woman"]) == [{"clip_l": [[2308]], "clip_g": [[2308]]}]
    assert open_model(None).identity == model.identity


def test_the_demonstrations_rows_are_the_same_everywhere():
    """Pinned: files made with it name it, so its rows may never change."""
    rows = torch.cat([encoder.rows([0, 2308, 49407]).flatten() for encoder in open_model(None).encoders])
    assert hashlib.sha256(rows.numpy().astype("<f4").tobytes()).hexdigest() == PINNED


PINNED = "e9c272a0ed548ad0d14c09c9e9c412d6e5e5ebcd1f58ba400729f2684ff8daf3"


def test_a_row_does_not_depend_on_its_company():
    table = DemonstrationTable("clip_l", norm=0.4)
    together = table.rows(range(100))
    assert torch.equal(table.rows([42, 7]), together[[42, 7]])
    assert table.rows([]).shape == (0, 768)


def test_the_demonstrations_rows_have_lengths_like_a_vocabulary():
    left, right = (encoder.vocabulary() for encoder in open_model(None).encoders)
    assert left.mean_norm == pytest.approx(0.4, rel=0.01)
    assert right.mean_norm == pytest.approx(0.5, rel=0.01)
    assert float(left.mean.abs().max()) < 0.02


NEIGHBOURS = [
    ("'king' - 'man' + 'woman'", "queen"),
    ("'actor' - 'man' + 'woman'", "actress"),
    ("'paris' - 'france' + 'germany'", "berlin"),
    ("'french' - 'france' + 'japan'", "japanese"),
    ("'german' - 'germany' + 'italy'", "italian"),
    ("'cars' - 'car' + 'dog'", "dogs"),
    ("'stronger' - 'strong' + 'fast'", "faster"),
    ("'moscow' - 'russia' + 'france'", "paris"),
]


@pytest.fixture(scope="module")
def demonstration():
    return open_model(None)


@pytest.mark.parametrize(("text", "expected"), NEIGHBOURS)
def test_the_demonstrations_words_mean_something(text, expected, demonstration):
    """The first of the nearest words that is not in the expression, in both encoders."""
    model = demonstration
    value = evaluate(text, model)
    for encoder in ("clip_l", "clip_g"):
        near = [word.text for word in find_neighbours(value, model, k=5) if word.encoder == encoder]
        assert next(word for word in near if f"'{word}'" not in text) == expected


def test_made_up_rows_are_near_nothing():
    rows = open_model(None).encoders[0].rows(list(range(256)))  # single characters: no words
    units = rows / rows.norm(dim=1, keepdim=True)
    cosines = units @ units.T - torch.eye(256)
    assert float(cosines.abs().max()) < 0.25


def test_a_word_is_nearest_to_itself():
    encoder = open_model(None).encoders[0]
    ids, cosines = encoder.vocabulary().nearest(encoder.rows([2308, 5]), k=2)
    assert ids[:, 0].tolist() == [2308, 5]
    assert cosines[:, 0].tolist() == pytest.approx([1.0, 1.0])


# --- Real layouts, where the machine has them ---


@pytest.mark.skipif(not REAL.exists(), reason="EMBMERGE_CHECKPOINTS names no folder of tests/e2e/make_checkpoints.py")
@pytest.mark.parametrize(
    ("kind", "family"), [("sd1", "sd1"), ("sd2", "sd2"), ("sdxl", "sdxl"), ("refiner", "sdxl-refiner")]
)
def test_rows_of_a_real_layout_are_those_that_safetensors_reads(kind, family):
    from safetensors import safe_open

    path = REAL.with_name(f"tiny-{kind}.safetensors")
    model = open_model(path)
    assert model.family is not None
    assert model.family.key == family
    with safe_open(path, "pt") as file:
        for encoder, table in zip(model.encoders, model.source.tables, strict=True):
            whole = file.get_slice(table.key)
            for token in (0, 2308, 49407):
                assert torch.equal(encoder.rows([token])[0], whole[token].float())


# --- A damaged file in the folder ---


@pytest.mark.parametrize("content", [b"", b"garbage" * 9, b"PK\x03\x04 no archive", b"\x80\x02 no pickle"])
def test_an_unreadable_file_stops_nothing(tmp_path, content):
    """Its name is a plain word, as in the WebUI; only `emb` has to read it."""
    (tmp_path / "cat.pt").write_bytes(content)
    model = open_model(None, embeddings=tmp_path)
    bare = Analysis(read_expression("'a cat' - 'dog'"), open_model(None))
    analysis = Analysis(read_expression("'a cat' - 'dog'"), model)
    assert analysis.value().equals(bare.value())
    assert analysis.provenance().text == "text('a cat') - text('dog')"
    assert model.embedding_names() == []
    with pytest.raises(EmbeddingMergeError) as caught:
        Analysis(read_expression("emb('cat')"), model).value()
    if content:
        assert "cat.pt" in caught.value.message
        (remark,) = analysis.remarks()
        assert (remark.kind, remark.span) == ("other family", Span(0, 7))
        assert remark.text.endswith("Here its name is plain text.")
