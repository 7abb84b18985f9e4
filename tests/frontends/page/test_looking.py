"""Inspect, compare, rebuild: what the pane shows of real files, of bad ones, and of hostile ones."""

import json
import os
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from lib_embmerge.entered import read_expression
from lib_embmerge.errors import FileError, NameProblem, UnsupportedHost
from lib_embmerge.files.layouts import ALL_WIDTHS
from lib_embmerge.files.reading import load_embedding, read_embedding
from lib_embmerge.files.writing import write_embedding
from lib_embmerge.frontends.app.host import AppHost
from lib_embmerge.frontends.page.inspect.comparing import compare_from_page
from lib_embmerge.frontends.page.inspect.inspecting import inspect_from_page, inspect_source
from lib_embmerge.frontends.page.inspect.rebuilding import list_rebuildable, rebuild_from_page
from lib_embmerge.frontends.page.inspect.verifying import verify
from lib_embmerge.frontends.page.jobs import Jobs
from lib_embmerge.frontends.page.source import KINDS, LOADED, Choice, find_file, list_checkpoints, list_files
from lib_embmerge.frontends.source import StoredFile
from lib_embmerge.models.checkpoint import open_model
from lib_embmerge.models.memory import MemoryEncoder, MemoryModel
from lib_embmerge.saving import SaveOptions, save_expression
from lib_embmerge.vectors.embedding import Embedding
from tests.files.builders import SD1, SDXL_G, SDXL_L, header_bytes, sd1, sdxl

EXPRESSION, FILE, UPLOAD = KINDS
CAT, DOG = 2368, 1929


class Host(AppHost):
    """The app, which counts how often its folder was listed again."""

    refreshed = 0

    def refresh_embeddings(self):
        self.refreshed += 1
        super().refresh_embeddings()


@pytest.fixture
def host(tmp_path):
    """The demonstration encoder."""
    return Host(None, tmp_path / "embeddings", None)


@pytest.fixture
def real(tmp_path):
    """Two SDXL checkpoints and one of SD 1: cat is 0.5 in the first, 0.25 in the second."""
    folder = tmp_path / "checkpoints"
    sdxl(folder / "one.safetensors", rows={SDXL_L: {CAT: 0.5, DOG: 1.0}, SDXL_G: {CAT: 0.5, DOG: 1.0}})
    sdxl(folder / "two.safetensors", rows={SDXL_L: {CAT: 0.25, DOG: 1.0}, SDXL_G: {CAT: 0.25, DOG: 1.0}})
    sd1(folder / "old.safetensors")
    return Host(folder / "one.safetensors", tmp_path / "embeddings", None)


@pytest.fixture
def small(tmp_path):
    """The same in SD 1: what is looked at in one encoder is looked at in a third of the time."""
    folder = tmp_path / "checkpoints"
    sd1(folder / "one.safetensors", rows={SD1: {CAT: 0.5, DOG: 1.0}})
    sd1(folder / "two.safetensors", rows={SD1: {CAT: 0.25, DOG: 1.0}})
    return Host(folder / "one.safetensors", tmp_path / "embeddings", None)


def save(host, name, text="'cat'", folder="", **options):
    wishes = SaveOptions(folder=host.embeddings_folder / folder, **options)
    return save_expression(read_expression(text), name, host.model, wishes)[0].path


def expression(text, checkpoint=LOADED):
    return Choice(EXPRESSION, expression=text, checkpoint=checkpoint)


def upload(path):
    return Choice(UPLOAD, uploads=[str(path)])


def file(relative):
    return Choice(FILE, file=relative)


# --- The list of files ---------------------------------------------------------------------------------------------


def test_files_of_the_whole_tree_are_listed_those_of_the_folder_itself_first(host):
    for name, folder in (("zebra", ""), ("Ape", ""), ("fox", "animals"), ("owl", "animals/birds")):
        save(host, name, folder=folder)
    (host.embeddings_folder / "notes.txt").write_text("no embedding")
    assert list_files(host) == [
        "Ape.safetensors",
        "zebra.safetensors",
        "animals/fox.safetensors",
        "animals/birds/owl.safetensors",
    ]


def test_a_folder_that_is_not_there_yet_has_no_files(host):
    assert not host.embeddings_folder.exists()
    assert list_files(host) == []


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text")
def test_a_name_that_is_no_text_is_not_sent_to_the_page(host):
    path = save(host, "cat-x")
    os.link(path, os.fsencode(host.embeddings_folder) + b"/\xff.safetensors")
    assert list_files(host) == ["cat-x.safetensors"]


@pytest.mark.parametrize(
    "relative",
    [
        "../secret.safetensors",
        "a/../../secret.safetensors",
        "/etc/passwd",
        "..\\secret.pt",
        "a//b.pt",
        "./a.pt",
        "a/..",
    ],
)
def test_nothing_outside_the_folder_is_found(host, relative):
    (host.embeddings_folder.parent / "secret.safetensors").write_bytes(b"x")
    with pytest.raises(NameProblem):
        find_file(host, relative)
    assert "secret" not in inspect_from_page(host, file("../x.pt"))


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
def test_a_linked_folder_of_embeddings_is_read_but_another_link_out_is_not(host, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    save(host, "cat-x").rename(shared / "cat-x.safetensors")
    (host.embeddings_folder / "linked").symlink_to(shared)
    assert list_files(host) == ["linked/cat-x.safetensors"]
    assert "embmerge-inspected" in inspect_from_page(host, file("linked/cat-x.safetensors"))
    (shared / "passwd").write_text("root")
    with pytest.raises(NameProblem):
        find_file(host, "linked/passwd")
    (host.embeddings_folder / "words").symlink_to(shared / "passwd")
    with pytest.raises(FileError, match="is a link"):
        find_file(host, "words")


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (file(""), "No file is chosen."),
        (file("gone.safetensors"), "There is no file gone.safetensors in the embeddings folder. Refresh the list."),
        (Choice(UPLOAD), "No file is uploaded."),
        (expression("  "), "There is no expression."),
        (expression("'cat"), "quote"),
        (expression("'cat'", "no-such"), "There is no checkpoint no-such in the list."),
        (expression("'cat'", "/etc/passwd"), "There is no checkpoint /etc/passwd in the list."),
        (expression("a photo"), "This is a prompt, not an expression."),
    ],
)
def test_what_is_missing_or_wrong_is_said(host, choice, said):
    drawn = inspect_from_page(host, choice)
    assert said in drawn
    assert 'role="alert"' in drawn


# --- Inspect -------------------------------------------------------------------------------------------------------


def test_an_expression_shows_shapes_figures_words_and_recipe(real):
    drawn = inspect_from_page(real, expression("'cat' * 2"))
    assert "[1,768] float32" in drawn
    assert "[1,1280] float32" in drawn
    assert "text(&#39;cat&#39;) * 2" in drawn
    assert 'cat</span> <span class="embmerge-figure">1.00' in drawn
    assert 'data-embmerge-text="&#39;cat&#39; * 2"' in drawn


def test_a_file_shows_what_its_header_says(real):
    about = {"author": "Ann", "description": "for cats", "trigger_phrase": "catty", "tags": "a, b"}
    save(real, "cat-x", folder="animals", about=about, dtype="float16")
    drawn = inspect_from_page(real, file("animals/cat-x.safetensors"))
    for shown in ("float16", "clip_g, clip_l", *about.values(), "one.safetensors", "embmerge.tokens", "fingerprint"):
        assert shown in drawn
    assert str(real.embeddings_folder / "animals" / "cat-x.safetensors") in drawn
    assert 'data-embmerge-text="&#39;cat&#39;"' in drawn


def test_an_upload_is_shown_without_the_place_where_it_was_put(small, tmp_path):
    path = save(small, "cat-x").rename(tmp_path / "cat-x.safetensors")
    drawn = inspect_from_page(small, upload(path))
    assert "cat-x.safetensors" in drawn
    assert str(tmp_path) not in drawn.replace(str(small.embeddings_folder), "")


def test_a_file_of_another_family_is_shown_with_a_warning(real, tmp_path):
    path = write_embedding({"clip_l": torch.ones(2, 768)}, tmp_path, "old", metadata={})
    drawn = inspect_from_page(real, upload(path))
    assert "old.safetensors holds clip_l; one has clip_l and clip_g: it does not fit that model." in drawn
    assert "It does not say what it was made of." in drawn
    assert "Norms and words are compared with those of one." in drawn
    assert "Made with" not in drawn


FITTING = [
    ("clip_l", "clip_l t5xxl", True),
    ("t5xxl", "clip_l t5xxl", True),
    ("clip_l t5xxl", "clip_l t5xxl", True),
    ("clip_l clip_g", "clip_l clip_g t5xxl", True),
    ("clip_l", "clip_l clip_g", False),
    ("clip_l", "clip_l clip_g t5xxl", False),
    ("clip_l t5xxl", "clip_l", False),
    ("clip_h", "clip_l t5xxl", False),
    ("t5xxl", "clip_l", False),
]


@pytest.mark.parametrize(("own", "encoders", "fits"), FITTING)
def test_a_file_fits_a_model_whose_clip_it_serves_whole_or_not_at_all(tmp_path, own, encoders, fits):
    vectors = {encoder: torch.ones(1, ALL_WIDTHS[encoder]) for encoder in own.split()}
    path = write_embedding(vectors, tmp_path, "x", metadata={})
    model = MemoryModel([MemoryEncoder(encoder, width=ALL_WIDTHS[encoder]) for encoder in encoders.split()])
    found = load_embedding(path)
    warnings = inspect_source(StoredFile(found, Embedding(found.all_vectors)), model).warnings
    assert any("does not fit that model" in warning for warning in warnings) != fits


def test_a_file_is_shown_without_a_model_and_without_one_that_takes_embeddings(real, monkeypatch):
    save(real, "cat-x")
    monkeypatch.setattr(real, "loaded_text_model", lambda: None)
    assert "No model is loaded to verify it with." in inspect_from_page(real, file("cat-x.safetensors"))

    def refuse():
        raise UnsupportedHost("This model takes none.")

    monkeypatch.setattr(real, "loaded_text_model", refuse)
    drawn = inspect_from_page(real, file("cat-x.safetensors"))
    assert "embmerge-inspected" in drawn
    assert "nearest words" not in drawn


def test_the_demonstration_s_words_are_no_neighbours_of_a_real_file(real, host, tmp_path):
    path = save(real, "cat-x").rename(tmp_path / "cat-x.safetensors")
    drawn = inspect_from_page(host, upload(path))
    assert "need a real checkpoint" in drawn
    assert "nearest words</th>" not in drawn
    save(host, "dog-x", "'dog'")
    assert "nearest words</th>" in inspect_from_page(host, file("dog-x.safetensors"))


def test_numbers_that_are_none_are_said_and_shown(real, tmp_path):
    rows = torch.tensor([[float("nan")] * 768, [1.0] * 768, [float("inf")] * 768])
    path = tmp_path / "holes.pt"
    torch.save({"string_to_param": {"*": rows}}, path)
    drawn = inspect_from_page(real, upload(path))
    assert "clip_l: 2 of 3 vectors with infinity or NaN" in drawn
    assert "nan</td>" in drawn


def test_of_a_very_long_file_the_first_vectors_are_shown(host, tmp_path):
    path = write_embedding({"clip_l": torch.ones(1000, 768)}, tmp_path, "long", metadata={})
    drawn = inspect_from_page(host, upload(path))
    assert "and 850 more vectors" in drawn
    assert drawn.count("<tr>") < 160


def test_a_file_is_not_kept_open(small, tmp_path):
    path = save(small, "cat-x")
    inspect_from_page(small, file("cat-x.safetensors"))
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert str(path) not in maps.read_text()
        assert str(path) not in [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.exists()]
    path.unlink()


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def test_nothing_in_a_file_is_markup(small, tmp_path):
    metadata = {
        "embmerge.expression": HOSTILE,
        "embmerge.resolved": HOSTILE,
        "embmerge.checkpoint": HOSTILE,
        "modelspec.author": HOSTILE,
        HOSTILE: HOSTILE,
    }
    path = write_embedding({"clip_l": torch.ones(1, 768)}, tmp_path, "a'b", metadata=metadata)
    for drawn in (
        inspect_from_page(small, upload(path)),
        inspect_from_page(small, expression(HOSTILE)),
        inspect_from_page(small, file(HOSTILE)),
        compare_from_page(small, upload(path), expression("'<b>' + 'cat'")),
        *rebuild_from_page(small, Jobs(), "1", [HOSTILE], False, HOSTILE),
    ):
        assert "<script" not in drawn
        assert "<img" not in drawn
        assert "<b>" not in drawn


# --- Bad files -----------------------------------------------------------------------------------------------------


class Code:
    def __reduce__(self):
        return os.system, ("exit 1",)


def _zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")


def _huge_header(path):
    path.write_bytes(struct.pack("<Q", 100 * 1024 * 1024) + b"{")
    os.truncate(path, 8 + 100 * 1024 * 1024)


def _cut(path):
    data = write_embedding({"clip_l": torch.ones(1, 768)}, path.parent, "whole", metadata={}).read_bytes()
    path.write_bytes(data[:-100])


def _unequal(path):
    entries = {"clip_l": {"dtype": "F32", "shape": [2, 768], "data_offsets": [0, 6144]}}
    entries["clip_g"] = {"dtype": "F32", "shape": [1, 1280], "data_offsets": [6144, 11264]}
    path.write_bytes(header_bytes(entries) + bytes(11264))


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("cut.safetensors", _cut, "is cut off"),
        ("empty.safetensors", Path.touch, "is empty"),
        ("empty.pt", Path.touch, "is empty"),
        ("archive.safetensors", _zip, "is a zip archive, not an embedding"),
        ("archive.pt", _zip, "is a zip archive, not an embedding"),
        ("code.pt", lambda path: path.write_bytes(pickle.dumps(Code())), "could run code"),
        ("code2.bin", lambda path: torch.save({"string_to_param": {"*": Code()}}, path), "could run code"),
        ("header.safetensors", _huge_header, "claims a header of 104,857,600 bytes"),
        ("unequal.safetensors", _unequal, "unequal numbers of vectors: 2 for clip_l and 1 for clip_g"),
        ("picture.png", lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"), "is cut off"),
        ("picture.safetensors", lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(9)), "is cut off"),
        ("notes.txt", lambda path: path.write_text("hello"), "is a text, not a file of tensors"),
        ("gone.pt", lambda path: None, "There is no file"),
        ("folder.safetensors", Path.mkdir, "is a folder"),
    ],
)
def test_a_bad_file_is_one_sentence(host, tmp_path, name, write, said):
    write(tmp_path / name)
    for drawn in (
        inspect_from_page(host, upload(tmp_path / name)),
        compare_from_page(host, upload(tmp_path / name), expression("'cat'")),
    ):
        assert said in drawn
        assert "embmerge-error" in drawn
        assert "Traceback" not in drawn


# --- Verify --------------------------------------------------------------------------------------------------------


def test_the_checkpoint_that_made_a_file_gives_exactly_that(real):
    found = verify(read_embedding(save(real, "cat-x", "'cat' + 'dog'")), real.model)
    assert found.is_equal
    assert found.same_rows
    assert found.verdict == "one gives exactly this file."


def test_a_file_in_half_precision_is_exact_in_that(real):
    save(real, "third", "'cat' / 3", dtype="float16")
    found = verify(read_embedding(real.embeddings_folder / "third.safetensors"), real.model)
    assert not found.is_equal
    assert found.is_rounded
    assert found.verdict == "one gives exactly this file, in float16."


def test_another_checkpoint_gives_other_vectors_and_another_fingerprint(small):
    path = save(small, "cat-x")
    found = verify(read_embedding(path), small.model.checkpoint("two"))
    assert found.same_rows is False
    assert found.verdict == "two gives other vectors for these words."
    assert [(one.mean_absolute, one.max_absolute) for one in found.differences] == [(0.25, 0.25)]
    small.model = small.model.checkpoint("two")
    drawn = inspect_from_page(small, file("cat-x.safetensors"))
    assert "two gives other vectors for these words. The fingerprint differs" in drawn
    assert "<td>0.2500</td><td>0.2500</td><td>1.000000</td>" in drawn


def test_vectors_that_were_changed_after_saving_are_told_from_another_checkpoint(real):
    path = save(real, "cat-x")
    kept = read_embedding(path)
    changed = {name: rows + 1 for name, rows in kept.vectors.items()}
    write_embedding(changed, path.parent, "cat-x", metadata=kept.metadata, overwrite=True)
    found = verify(read_embedding(path), real.model)
    assert found.same_rows
    assert "were changed after saving" in found.verdict


def test_a_file_without_a_fingerprint_and_one_of_another_family(real):
    old = Host(real.checkpoint.parent / "old.safetensors", real.embeddings_folder, None)
    found = verify(read_embedding(save(old, "cat-old")), real.model)
    assert not found.same_rows
    assert [one.encoder for one in found.differences] == ["clip_l", "clip_g"]
    made = {"embmerge.resolved": "text('cat')"}
    bare = read_embedding(write_embedding({"clip_l": torch.ones(1, 768)}, real.embeddings_folder, "b", metadata=made))
    assert verify(bare, real.model).same_rows is None
    other = read_embedding(write_embedding({"clip_h": torch.ones(1, 1024)}, real.embeddings_folder, "h", metadata=made))
    assert "is of another family" in verify(other, real.model).verdict


@pytest.mark.parametrize(
    "place", ["/etc/passwd", "//share/x.safetensors", r"\\share\x.safetensors", "../x.safetensors"]
)
def test_a_recipe_opens_no_checkpoint_by_its_path(small, place):
    made = {"embmerge.resolved": f"text('cat') @ '{place}'", "embmerge.expression": "'cat'"}
    write_embedding({"clip_l": torch.ones(1, 768)}, small.embeddings_folder, "spy", metadata=made)
    assert "by its path" in inspect_from_page(small, file("spy.safetensors"))
    assert "by its path" in list(rebuild_from_page(small, Jobs(), "1", ["spy.safetensors"], False, "-2"))[-1]


def test_a_recipe_may_name_a_checkpoint_of_the_list(small):
    save(small, "both", "'cat' @ two + 'dog'")
    assert "gives exactly this file" in inspect_from_page(small, file("both.safetensors"))


@pytest.mark.parametrize("recipe", ["text('cat'", "pool(", "emb('gone')", "text('x') @ gone", "9" * 20000])
def test_a_recipe_that_cannot_be_computed_leaves_the_rest(small, recipe):
    made = {"embmerge.resolved": recipe}
    write_embedding({"clip_l": torch.ones(1, 768)}, small.embeddings_folder, "odd", metadata=made)
    drawn = inspect_from_page(small, file("odd.safetensors"))
    assert "Not verified." in drawn
    assert "[1,768]" in drawn


# --- Compare -------------------------------------------------------------------------------------------------------


def test_two_expressions(real):
    drawn = compare_from_page(real, expression("'cat', 'cat'"), expression("'dog', 'cat'"))
    assert "<td>0.2500</td><td>0.5000</td><td>1.000000</td>" in drawn
    assert "Equal." not in drawn


def test_equal_ones_are_called_equal(real):
    save(real, "cat-x")
    assert "Equal." in compare_from_page(real, expression("'cat'"), file("cat-x.safetensors"))


@pytest.mark.parametrize("first", [True, False])
def test_one_expression_on_two_checkpoints_is_written_once(real, first):
    assert list_checkpoints(real) == [LOADED, "old", "one", "two"]
    a, b = ("'cat'", "") if first else ("", "'cat'")
    drawn = compare_from_page(real, expression(a), expression(b, "two"))
    assert "with one" in drawn
    assert "with two" in drawn
    assert "<td>0.2500</td><td>0.2500</td><td>1.000000</td>" in drawn


@pytest.mark.parametrize("text", ["'cat'", ""])
def test_nothing_to_compare_with_is_said(real, text):
    said = compare_from_page(real, expression(text), expression(""))
    assert "There is nothing to compare with." in said or "There is no expression." in said


def test_which_of_the_two_is_wrong_is_said(real):
    assert "B: " in compare_from_page(real, expression("'cat'"), expression("'cat' +"))
    assert "A: There is no file x.pt" in compare_from_page(real, file("x.pt"), expression("'cat'"))


def test_other_families_are_named_in_words(real, tmp_path):
    old = write_embedding({"clip_l": torch.ones(1, 768)}, tmp_path, "old", metadata={})
    drawn = compare_from_page(real, upload(old), expression("'cat'"))
    assert "A is made for SD 1 (clip_l), B for SDXL (clip_l and clip_g)." in drawn
    assert "only B has it" in drawn
    second = write_embedding({"clip_h": torch.ones(1, 1024)}, tmp_path, "second", metadata={})
    drawn = compare_from_page(real, upload(old), upload(second))
    assert "A is made for SD 1 (clip_l), B for SD 2 (clip_h): they have no encoder in common" in drawn
    assert "cosine by vector" not in drawn


def test_other_lengths_are_said_and_every_cosine_is_there(real, tmp_path):
    long = write_embedding(
        {n: torch.ones(90, w) for n, w in (("clip_l", 768), ("clip_g", 1280))}, tmp_path, "l", metadata={}
    )
    drawn = compare_from_page(real, upload(long), expression("'cat'"))
    assert "A has 90 and B 1 vectors" in drawn
    assert drawn.count("<li>") == 180
    assert drawn.count("one of them is zero") == 178


# --- Rebuild -------------------------------------------------------------------------------------------------------


def rebuilt(host, files, overwrite=False, suffix="-2", jobs=None):
    return list(rebuild_from_page(host, jobs or Jobs(), "1", files, overwrite, suffix))


def test_files_are_made_again_beside_the_old_ones_with_the_loaded_checkpoint(real):
    save(real, "cat-x", folder="animals", about={"author": "Ann"}, dtype="float16")
    save(real, "dog-x", "'dog'")
    real.model = real.model.checkpoint("two")
    drawn = rebuilt(real, ["animals/cat-x.safetensors", "dog-x.safetensors"])[-1]
    assert "2 of 2" in drawn
    made = read_embedding(real.embeddings_folder / "animals" / "cat-x-2.safetensors")
    assert torch.equal(made.vectors["clip_l"], torch.full((1, 768), 0.25, dtype=torch.float16))
    assert made.metadata["modelspec.author"] == "Ann"
    assert made.metadata["modelspec.title"] == "cat-x-2"
    assert (real.embeddings_folder / "dog-x-2.safetensors").exists()
    assert real.refreshed == 1
    assert 'data-embmerge-name="cat-x-2"' in drawn


def test_an_old_file_is_replaced_only_when_asked(real):
    path = save(real, "cat-x")
    before = path.read_bytes()
    real.model = real.model.checkpoint("two")
    assert "other names" in rebuilt(real, ["cat-x.safetensors"], suffix=" ")[-1]
    assert path.read_bytes() == before
    rebuilt(real, ["cat-x.safetensors"], overwrite=True)
    assert float(read_embedding(path).vectors["clip_l"][0, 0]) == 0.25


def test_each_file_fails_alone_with_its_own_name(real, tmp_path):
    save(real, "cat-x")
    save(real, "cat-x-2")
    save(real, "dog-x", "'dog'")
    write_embedding({"clip_l": torch.ones(1, 768)}, real.embeddings_folder, "bare", metadata={})
    (real.embeddings_folder / "bad.pt").write_bytes(b"x")
    wished = ["cat-x.safetensors", "bare.safetensors", "bad.pt", "../out.pt", "gone.pt", "dog-x.safetensors"]
    drawn = rebuilt(real, wished)[-1]
    assert "1 saved, <span class=\"embmerge-bad\">5 failed" in drawn
    for said in ("cat-x-2.safetensors exists already", "bare.safetensors does not say", "bad.pt", "gone.pt"):
        assert said in drawn
    assert (real.embeddings_folder / "dog-x-2.safetensors").exists()


@pytest.mark.parametrize("suffix", ["/../x", "\\x", ":", "x" * 200, "."])
def test_a_suffix_that_no_name_may_have_is_refused(real, suffix):
    save(real, "cat-x")
    drawn = rebuilt(real, ["cat-x.safetensors"], suffix=suffix)[-1]
    assert "1 failed" in drawn
    assert [path.name for path in real.embeddings_folder.parent.rglob("*cat-x*")] == ["cat-x.safetensors"]


def test_more_than_a_chunk_of_vectors_stays_one_file(real):
    save(real, "long", ", ".join(["'cat'"] * 80), long="keep")
    rebuilt(real, ["long.safetensors"])
    assert len(read_embedding(real.embeddings_folder / "long-2.safetensors").vectors["clip_l"]) == 80


def test_one_made_of_another_that_was_just_made_again_takes_the_new_one(real):
    save(real, "base")
    real.refresh_embeddings()
    save(real, "twice", "emb('base') * 2")
    real.model = open_model(real.checkpoint.parent / "two.safetensors", embeddings=real.embeddings_folder)
    real.refreshed = 0
    rebuilt(real, ["base.safetensors", "twice.safetensors"], overwrite=True)
    assert float(read_embedding(real.embeddings_folder / "twice.safetensors").vectors["clip_l"][0, 0]) == 0.5
    assert real.refreshed == 2


def test_cancelling_keeps_what_is_done_and_lists_it(real):
    names = [save(real, f"cat-{n}").name for n in range(5)]
    jobs = Jobs(clock=iter(range(1000)).__next__)
    run = rebuild_from_page(real, jobs, "1", names, False, "-2")
    next(run)
    next(run)
    assert jobs.cancel("1")
    last = list(run)[-1]
    assert "cancelled after 1 of 5" in last
    assert (real.embeddings_folder / "cat-0-2.safetensors").exists()
    assert not (real.embeddings_folder / "cat-1-2.safetensors").exists()
    assert real.refreshed == 1
    assert len(jobs) == 0


def test_a_page_that_goes_away_leaves_what_is_done_listed(real):
    names = [save(real, f"cat-{n}").name for n in range(5)]
    run = rebuild_from_page(real, Jobs(clock=iter(range(1000)).__next__), "1", names, False, "-2")
    next(run)
    next(run)
    run.close()
    assert real.refreshed == 1


def test_the_demonstration_s_vectors_replace_no_real_ones(real, host):
    path = save(real, "cat-x")
    before = path.read_bytes()
    drawn = rebuilt(host, ["cat-x.safetensors"], overwrite=True)[-1]
    assert "the demonstration may not replace it" in drawn
    assert path.read_bytes() == before


def test_all_that_can_be_made_again_are_found_by_their_headers(real):
    save(real, "cat-x")
    save(real, "dog-x", folder="animals")
    write_embedding({"clip_l": torch.ones(1, 768)}, real.embeddings_folder, "bare", metadata={})
    (real.embeddings_folder / "bad.safetensors").write_bytes(b"x")
    (real.embeddings_folder / "bad.pt").write_bytes(b"x")
    assert list_rebuildable(real) == ["cat-x.safetensors", "animals/dog-x.safetensors"]


def test_no_choice_is_said(real):
    assert "No file is chosen." in rebuilt(real, [])[-1]


def test_the_tokens_in_the_header_are_those_of_the_tables(real):
    assert json.loads(read_embedding(save(real, "cat-x")).metadata["embmerge.tokens"])["clip_l"] == [CAT]


def test_only_the_first_cosines_are_drawn(real):
    texts = [f"repeat('{word}', 400)" for word in ("cat", "dog")]
    drawn = compare_from_page(real, *(Choice(KINDS[0], text) for text in texts))
    assert drawn.count("<li>") == 2 * 150
    assert drawn.count("and 250 more vectors") == 2
