"""Convert and check: real layouts, their repairs, and files that must do no harm."""

import html
import json
import os
import pickle
import re
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lib_embmerge.entered import read_expression
from lib_embmerge.files.names import CONVERTIBLE
from lib_embmerge.files.reading import read_embedding
from lib_embmerge.frontends.app.host import AppHost
from lib_embmerge.frontends.page.convert.converting import (
    REPAIR_FIELD,
    ConvertOptions,
    check_from_page,
    convert_from_page,
    repair,
)
from lib_embmerge.frontends.page.convert.sources import MOST_FILES, list_choices
from lib_embmerge.saving import SaveOptions, save_expression
from tests.files.builders import sd1
from tests.files.kinds import FILES, make
from tests.files.variants import OTHERS

L, G = torch.full((4, 768), 0.25), torch.full((4, 1280), 0.5)


class Host(AppHost):
    """The app, which counts how often its folder was listed again."""

    refreshed = 0

    def refresh_embeddings(self):
        self.refreshed += 1
        super().refresh_embeddings()


@pytest.fixture
def host(tmp_path):
    (tmp_path / "embeddings").mkdir()
    return Host(None, tmp_path / "embeddings", None)


@pytest.fixture
def uploads(tmp_path):
    folder = tmp_path / "uploads"
    folder.mkdir()
    return folder


def made(host):
    root = host.embeddings_folder
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def plain(text):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))


def buttons(drawn):
    """What the page's buttons ask for: (file, what to do), by what is written on them."""
    pattern = rf'data-embmerge-target="embmerge_{REPAIR_FIELD}" data-embmerge-value="([^"]*)">([^<]*)</button>'
    found = re.findall(pattern, drawn)
    return {html.unescape(label): html.unescape(value) for value, label in found}


# --- Layouts -------------------------------------------------------------------------------------------------------


def trained(path):
    torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": L}, "name": "old", "step": 9}, path)


LAYOUTS = {
    "trained.pt": (trained, ["string_to_param"], {"clip_l": [4, 768]}, ["It is a pickle"]),
    "learned.bin": (
        lambda path: torch.save({"<cat>": L[0]}, path),
        ["one tensor named '<cat>'"],
        {"clip_l": [1, 768]},
        ["the vector had one dimension", "It looks for .safetensors, .pt, not .bin."],
    ),
    "extra.safetensors": (
        lambda path: save_file({"clip_l": L, "clip_g": G, "more": torch.ones(1, 2)}, path),
        ["clip_g, clip_l"],
        {"clip_l": [4, 768], "clip_g": [4, 1280]},
        ["the tensor more was left out", "skips a file with more than one per encoder"],
    ),
    "half.safetensors": (
        lambda path: save_file({"emb_params": L.half()}, path),
        ["emb_params"],
        {"clip_l": [4, 768]},
        ["The numbers were float16; they are float32 now."],
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_checked_and_converted(host, uploads, name):
    write, layouts, shapes, said = LAYOUTS[name]
    write(uploads / name)
    checked = plain(check_from_page(host, [str(uploads / name)], []))
    assert [layout for layout in layouts if f"stored as {layout}" not in checked] == []
    assert made(host) == []
    converted = plain(convert_from_page(host, [str(uploads / name)], [], ConvertOptions()))
    assert [sentence for sentence in said if sentence not in checked + converted] == []
    stem = Path(name).stem
    assert made(host) == [f"{stem}.safetensors"]
    vectors = read_embedding(host.embeddings_folder / f"{stem}.safetensors").vectors
    assert {encoder: list(rows.shape) for encoder, rows in vectors.items()} == shapes
    assert all(rows.dtype == torch.float32 for rows in vectors.values())
    assert "of 8 programs" in converted
    assert host.refreshed == 1
    assert (uploads / name).is_file()


# --- Files that must do no harm ------------------------------------------------------------------------------------


class Touch:
    """Runs code where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def write_bad(path, marker):
    name = path.name
    if name.startswith("code"):
        path.write_bytes(pickle.dumps({"string_to_param": Touch(marker)}))
    elif name.startswith("zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.txt", "a")
    elif name.startswith("cut"):
        whole = path.with_name(f"whole{path.suffix}")
        if path.suffix == ".pt":
            trained(whole)
        else:
            save_file({"emb_params": L}, whole)
        path.write_bytes(whole.read_bytes()[:1500])
        whole.unlink()
    elif name.startswith("header"):
        size = 100 * 1024 * 1024
        with path.open("wb") as file:
            file.write(struct.pack("<Q", size))
            file.truncate(size + 8)
    elif name.startswith("claims"):
        path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    elif name.startswith("folder"):
        path.mkdir()
    elif name.startswith("image"):
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    elif not name.startswith("missing"):
        path.write_bytes(b"")


BAD = [
    ("code.pt", "could run code"),
    ("code.bin", "could run code"),
    ("zip.zip", "is a zip archive, not an embedding"),
    ("zip.pt", "is a zip archive, not an embedding"),
    ("zip.safetensors", "zip.safetensors"),
    ("cut.pt", "damaged or not a torch file"),
    ("cut.safetensors", "is cut off"),
    ("header.safetensors", "is damaged, or none of the files"),
    ("claims.safetensors", "claims.safetensors"),
    ("image.png", "is cut off"),
    ("empty.pt", "is empty"),
    ("empty.safetensors", "is empty"),
    ("missing.pt", "There is no file"),
    ("missing.safetensors", "missing.safetensors"),
    ("folder.pt", "folder.pt"),
    ("folder.safetensors", "folder.safetensors"),
]


@pytest.mark.parametrize(("name", "said"), BAD)
def test_a_bad_file_is_a_sentence_and_the_others_go_on(host, uploads, tmp_path, name, said):
    marker = tmp_path / "ran"
    write_bad(uploads / name, marker)
    trained(uploads / "good.pt")
    chosen = [str(uploads / name), str(uploads / "good.pt")]
    before = sorted(uploads.iterdir())
    for drawn in (check_from_page(host, chosen, []), convert_from_page(host, chosen, [], ConvertOptions())):
        assert said in plain(drawn)
        assert "clip_l [4,768]" in plain(drawn)
        assert "Traceback" not in drawn
    for do in ("convert", "pad", "rename", "remake", "split"):
        request = json.dumps({"file": f"0:{name}", "do": do})
        assert "embmerge-error" in repair(host, request, chosen, [], ConvertOptions())
    assert made(host) == ["good.safetensors"]
    assert not marker.exists()
    assert sorted(uploads.iterdir()) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["embeddings", "uploads"]


def test_numbers_that_are_none_are_not_written(host, uploads):
    save_file({"emb_params": torch.full((1, 768), float("nan"))}, uploads / "black.safetensors")
    chosen = [str(uploads / "black.safetensors")]
    assert "pictures come out black" in plain(check_from_page(host, chosen, []))
    assert "every vector holds NaN or infinity" in plain(convert_from_page(host, chosen, [], ConvertOptions()))
    assert made(host) == []


def test_nothing_from_a_file_is_markup(host, uploads):
    name = "<img src=x onerror=alert(1)>.safetensors"
    content = {"<b>l</b>": L}
    save_file(content, uploads / name, metadata={"modelspec.title": "<script>"})
    chosen = [str(uploads / name)]
    drawn = check_from_page(host, chosen, []) + convert_from_page(host, chosen, [], ConvertOptions())
    assert "<img" not in drawn
    assert "<b>l" not in drawn
    assert "is not allowed in a file name" not in check_from_page(host, chosen, [])
    assert "holds <, which is not allowed" in plain(drawn)
    wish = buttons(drawn)["copy as img_src_x_onerror_alert_1"]
    assert "img_src_x_onerror_alert_1.safetensors" in repair(host, wish, chosen, [], ConvertOptions())


# --- Where it goes -------------------------------------------------------------------------------------------------

PLACES = [
    (ConvertOptions(), ["a.safetensors"], "a.safetensors"),
    (ConvertOptions(name="b"), ["b.safetensors"], "b.safetensors"),
    (ConvertOptions(name="b", folder="sub/deep"), ["sub/deep/b.safetensors"], "b.safetensors"),
    (ConvertOptions(name="../b"), [], "not allowed in a file name"),
    (ConvertOptions(name="con"), [], "device"),
    (ConvertOptions(name="x" * 300), [], "300 characters"),
    (ConvertOptions(folder="../out"), [], "plain path below"),
    (ConvertOptions(folder="/etc"), [], "plain path below"),  # as in Build
    (ConvertOptions(folder="sub/"), ["sub/a.safetensors"], "a.safetensors"),
    (ConvertOptions(folder="C:\\"), [], "not allowed"),
]


@pytest.mark.parametrize(("options", "files", "said"), PLACES)
def test_a_file_stays_in_the_folder(host, uploads, tmp_path, options, files, said):
    trained(uploads / "a.pt")
    drawn = plain(convert_from_page(host, [str(uploads / "a.pt")], [], options))
    assert said in drawn
    assert made(host) == files
    assert sorted(path.name for path in tmp_path.iterdir()) == ["embeddings", "uploads"]


def test_a_file_is_replaced_only_when_it_is_asked_for(host, uploads):
    trained(uploads / "a.pt")
    target = host.embeddings_folder / "a.safetensors"
    target.write_bytes(b"precious")
    chosen = [str(uploads / "a.pt")]
    assert 'Tick "Overwrite"' in plain(convert_from_page(host, chosen, [], ConvertOptions()))
    assert target.read_bytes() == b"precious"
    assert host.refreshed == 0
    convert_from_page(host, chosen, [], ConvertOptions(overwrite=True))
    assert read_embedding(target).vectors["clip_l"].shape == (4, 768)


def test_a_picked_file_is_converted_beside_itself(host):
    folder = host.embeddings_folder / "styles"
    folder.mkdir()
    trained(folder / "old.pt")
    assert list_choices(host) == ["styles/old.pt"]
    drawn = plain(convert_from_page(host, [], ["styles/old.pt"], ConvertOptions()))
    assert made(host) == ["styles/old.pt", "styles/old.safetensors"]
    assert "old.pt has this name, too: only one of them will be found." in drawn


@pytest.mark.parametrize("picked", ["../uploads/a.pt", "/etc/passwd", "", "gone.pt", "a\\b.pt"])
def test_a_picked_path_stays_in_the_folder(host, uploads, picked):
    trained(uploads / "a.pt")
    assert "embmerge-error" in check_from_page(host, [], [picked])
    assert "embmerge-error" in convert_from_page(host, [], [picked], ConvertOptions())


def test_several_files_have_no_one_name(host, uploads):
    trained(uploads / "a.pt")
    trained(uploads / "b.pt")
    chosen = [str(uploads / "a.pt"), str(uploads / "b.pt")]
    assert "One name cannot serve several files." in convert_from_page(host, chosen, [], ConvertOptions(name="c"))
    assert made(host) == []


def test_nothing_chosen(host):
    assert "Give embedding files" in check_from_page(host, [], [])
    assert "No file is chosen." in convert_from_page(host, [], [], ConvertOptions())


SEVERAL = {
    "two.safetensors": (
        lambda path: save_file({"<s1>": L[0].clone(), "<s2>": L[1] * 2}, path),
        ["s1.safetensors", "s2.safetensors"],
    ),
    "lora.safetensors": (
        lambda path: save_file(
            {"bundle_emb.one.clip_l": L, "bundle_emb.one.clip_g": G, "lora_te1_x.lora_up.weight": L[:1].clone()}, path
        ),
        ["one.safetensors"],
    ),
    "t5.safetensors": (lambda path: save_file({"t5xxl": torch.ones(2, 4096)}, path), ["t5.safetensors"]),
    "learned_embeds.bin": (lambda path: torch.save({"<birb-style>": L}, path), ["birb-style.safetensors"]),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_each_embedding_becomes_a_file_by_its_word(host, uploads, name):
    write, files = SEVERAL[name]
    write(uploads / name)
    chosen = [str(uploads / name)]
    assert "embmerge-error" not in check_from_page(host, chosen, [])
    if name != "t5.safetensors":  # which is clean already
        press(host, chosen, f"convert to {len(files)} files" if len(files) > 1 else "convert")
    assert "embmerge-error" not in convert_from_page(host, chosen, [], ConvertOptions())
    assert made(host) == files


def test_two_files_are_joined(host, uploads):
    save_file({"clip_l": L}, uploads / "learned_embeds.safetensors")
    save_file({"<x>": G}, uploads / "learned_embeds_2.safetensors")
    chosen = [str(uploads / "learned_embeds.safetensors"), str(uploads / "learned_embeds_2.safetensors")]
    assert "need a name" in convert_from_page(host, chosen, [], ConvertOptions(join=True))
    said = plain(convert_from_page(host, chosen, [], ConvertOptions(name="pair", join=True)))
    assert "2 files: 1 made of 2." in said
    vectors = read_embedding(host.embeddings_folder / "pair.safetensors").vectors
    assert torch.equal(vectors["clip_l"], L)
    assert torch.equal(vectors["clip_g"], G)
    refused = plain(convert_from_page(host, [chosen[0]] * 2, [], ConvertOptions(name="twice", join=True)))
    assert "2 files: 0 made, 2 refused." in refused


def test_bad_vectors_are_left_out_where_it_is_asked_for(host, uploads):
    save_file({"emb_params": torch.cat([L, L[:1] * float("nan")])}, uploads / "x-nan.safetensors")
    chosen = [str(uploads / "x-nan.safetensors")]
    said = plain(convert_from_page(host, chosen, [], ConvertOptions()))
    assert 'NaN or infinity in vector 5 of 5. Tick "Leave out vectors with NaN or infinity"' in said
    press(host, chosen, "convert without the bad vectors")
    assert torch.equal(read_embedding(host.embeddings_folder / "x-nan.safetensors").vectors["clip_l"], L)
    again = convert_from_page(host, chosen, [], ConvertOptions(drop_bad=True, name="again"))
    assert "Left out for NaN or infinity: vector 5 of 5." in plain(again)


def test_an_encoder_that_the_file_does_not_say_is_a_button(host, uploads):
    save_file({"x": torch.ones(2, 4096)}, uploads / "x-wide.safetensors")
    chosen = [str(uploads / "x-wide.safetensors")]
    for shown in (check_from_page(host, chosen, []), convert_from_page(host, chosen, [], ConvertOptions())):
        assert plain(shown).count("holds vectors of 4096 numbers, which may be for t5xxl or ") == 1
        assert "--as" not in shown
        assert 'Choose it at "Whose vectors".' in plain(shown)
    press(host, chosen, "they are umt5xxl's")
    assert list(load_file(host.embeddings_folder / "x-wide.safetensors")) == ["umt5xxl"]
    convert_from_page(host, chosen, [], ConvertOptions(encoder="t5xxl", name="other"))
    assert list(load_file(host.embeddings_folder / "other.safetensors")) == ["t5xxl"]


def test_a_folder_of_everything_and_the_total(host):
    folder = host.embeddings_folder / "mixed"
    files = make(folder, {**FILES, **{name: content for name, (content, _) in OTHERS.items()}})
    (choice, *_) = list_choices(host)
    assert choice == "mixed/*"
    listed = [file for file in list_choices(host) if file != choice]
    assert set(listed) == {f"mixed/{name}" for name in files if Path(name).suffix.lower() in CONVERTIBLE}
    unreadable = [name for name in OTHERS if f"mixed/{name}" in listed]
    for some in (listed[start : start + MOST_FILES] for start in range(0, len(listed), MOST_FILES)):
        checked = plain(check_from_page(host, [], some))
        converted = plain(convert_from_page(host, [], some, ConvertOptions(folder="clean")))
        refused = [file for file in some if file.removeprefix("mixed/") in unreadable]
        assert re.search(rf"{len(some)} files: \d+ can be read, \d+ cannot\.", checked)
        total = re.search(rf"{len(some)} files: (\d+) made( of \d+)?(, \d+ kept)?, (\d+) refused\.", converted)
        assert int(total[4]) >= len(refused)
        assert [file for file in refused if f"✗ {file} " not in converted] == []
    again = plain(convert_from_page(host, [], listed[:60], ConvertOptions(folder="clean")))
    assert " 0 made, " in again


def test_what_cannot_be_read_is_marked_so(host, uploads):
    (uploads / "bad.pt").write_bytes(b"x")
    heading = check_from_page(host, [str(uploads / "bad.pt")], []).split("</summary>")[0]
    assert "✗" in heading
    assert "cannot be read" in heading


# --- Repairs -------------------------------------------------------------------------------------------------------


def press(host, chosen, label, options=None):
    wish = buttons(check_from_page(host, chosen, []))[label]
    return plain(repair(host, wish, chosen, [], options or ConvertOptions()))


@pytest.fixture
def unequal(uploads):
    save_file({"clip_l": L, "clip_g": torch.cat([G, G])}, uploads / "odd.safetensors")
    return [str(uploads / "odd.safetensors")]


@pytest.mark.parametrize(
    ("label", "length", "said"),
    [
        ("pad with zero vectors", 8, "clip_l was padded from 4 to 8 vectors."),
        ("cut to the shortest", 4, "clip_g was cut from 8 to 4 vectors."),
    ],
)
def test_unequal_lengths_are_mended(host, unequal, label, length, said):
    assert "unequal numbers of vectors: 4 for clip_l and 8 for clip_g" in plain(
        convert_from_page(host, unequal, [], ConvertOptions())
    )
    assert said in press(host, unequal, label)
    vectors = read_embedding(host.embeddings_folder / "odd.safetensors").vectors
    assert {len(rows) for rows in vectors.values()} == {length}
    assert said in plain(convert_from_page(host, unequal, [], ConvertOptions(name="again", unequal=label)))


def test_a_pair_is_split(host, uploads):
    save_file({"clip_l": L, "clip_g": G}, uploads / "pair.safetensors")
    said = press(host, [str(uploads / "pair.safetensors")], "split into pair_l and pair_g")
    assert made(host) == ["pair_g.safetensors", "pair_l.safetensors"]
    assert torch.equal(read_embedding(host.embeddings_folder / "pair_g.safetensors").vectors["clip_g"], G)
    assert list(read_embedding(host.embeddings_folder / "pair_l.safetensors").vectors) == ["clip_l"]
    assert "It holds the vectors for clip_l alone." in said


def test_a_name_that_no_prompt_can_hold_is_changed(host, uploads):
    save_file({"emb_params": L}, uploads / "my cat (old).safetensors")
    press(host, [str(uploads / "my cat (old).safetensors")], "copy as my_cat_old")
    assert made(host) == ["my_cat_old.safetensors"]


def test_a_vocabulary_word_is_changed(host, uploads):
    save_file({"emb_params": L}, uploads / "cat.safetensors")
    press(host, [str(uploads / "cat.safetensors")], "copy as cat-emb")
    assert made(host) == ["cat-emb.safetensors"]


def test_a_pickle_is_converted(host, uploads):
    trained(uploads / "old-one.pt")
    press(host, [str(uploads / "old-one.pt")], "convert", ConvertOptions(dtype="float16"))
    assert read_embedding(host.embeddings_folder / "old-one.safetensors").vectors["clip_l"].dtype == torch.float16


def test_a_repair_takes_the_next_free_name(host, unequal):
    for name in ("odd", "odd-2"):
        (host.embeddings_folder / f"{name}.safetensors").write_bytes(b"of somebody else")
    for _ in range(2):  # the second time it is there already
        said = press(host, unequal, "pad with zero vectors")
    assert made(host) == ["odd-2.safetensors", "odd-3.safetensors", "odd.safetensors"]
    assert "was kept" in said
    press(host, unequal, "cut to the shortest", ConvertOptions(overwrite=True))
    assert len(read_embedding(host.embeddings_folder / "odd.safetensors").vectors["clip_l"]) == 4


@pytest.fixture
def other_family(tmp_path):
    return Host(sd1(tmp_path / "old.safetensors"), tmp_path / "embeddings", None)


def test_a_recipe_is_followed_for_the_loaded_family(host, other_family, uploads):
    options = SaveOptions(folder=uploads)
    save_expression(read_expression("'cat' - 'dog'"), "catlike", host.model, options)
    chosen = [str(uploads / "catlike.safetensors")]
    label = "make it again with the loaded checkpoint"
    assert label not in buttons(check_from_page(host, chosen, []))  # it is the family that the file is of
    said = press(other_family, chosen, label)
    assert made(other_family) == ["catlike-sd1.safetensors"]
    assert list(read_embedding(other_family.embeddings_folder / "catlike-sd1.safetensors").vectors) == ["clip_l"]
    assert "Made again with old; the old file stays." in said


def test_a_file_without_a_recipe_is_not_made_again(other_family, uploads):
    save_file({"clip_l": L, "clip_g": G}, uploads / "pair.safetensors")
    chosen = [str(uploads / "pair.safetensors")]
    assert not [label for label in buttons(check_from_page(other_family, chosen, [])) if "again" in label]
    wish = json.dumps({"file": "0:pair.safetensors", "do": "remake"})
    assert "does not say what it was made of" in plain(repair(other_family, wish, chosen, [], ConvertOptions()))


@pytest.mark.parametrize("resolved", ["text('cat')@'/etc/passwd'", "text('cat')@'../x.safetensors'"])
def test_a_recipe_opens_no_file(other_family, uploads, resolved):
    metadata = {"embmerge.resolved": resolved, "embmerge.expression": "'cat'"}
    save_file({"clip_l": L, "clip_g": G}, uploads / "pair.safetensors", metadata=metadata)
    wish = json.dumps({"file": "0:pair.safetensors", "do": "remake"})
    said = plain(repair(other_family, wish, [str(uploads / "pair.safetensors")], [], ConvertOptions()))
    assert "it is not opened" in said
    assert made(other_family) == []


@pytest.mark.parametrize(
    "request_",
    ["", "x", "[]", "null", "{}", '{"file": 1, "do": []}', '{"file": "0:odd.safetensors", "do": "delete"}', "[" * 9999],
)
def test_a_request_that_is_none(host, unequal, request_):
    assert "a repair that nobody knows" in repair(host, request_, unequal, [], ConvertOptions())
    assert made(host) == []


def test_a_request_for_another_file(host, unequal):
    for key in ("1:odd.safetensors", "/etc/passwd", "../odd.safetensors"):
        wish = json.dumps({"file": key, "do": "pad"})
        assert "no longer among those that are chosen" in repair(host, wish, unequal, [], ConvertOptions())


def test_a_closed_file_with_broken_numbers_is_marked_in_its_heading(host, uploads):
    whole = {"emb_params": torch.ones(1, 768)}
    save_file(whole, uploads / "whole.safetensors")
    save_file({"emb_params": torch.full((1, 768), float("nan"))}, uploads / "nan.safetensors")
    save_file({"clip_l": torch.ones(2, 768), "clip_g": torch.ones(1, 1280)}, uploads / "unequal.safetensors")
    (uploads / "bad.pt").write_bytes(b"x")
    for name, is_marked in (("whole.safetensors", False), ("nan.safetensors", True), ("bad.pt", False)):
        heading = check_from_page(host, [str(uploads / name)], []).split("</summary>")[0]
        assert ("⚠" in heading) == is_marked, name
    heading = check_from_page(host, [str(uploads / "unequal.safetensors")], []).split("</summary>")[0]
    assert "⚠" in heading
