"""Converting: every repair that is offered, and what is kept."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from lib_embmerge.errors import FileError, FileExists, NameProblem, NotFinite
from lib_embmerge.files.convert import Treatment, convert_embeddings, equal_lengths, join_files, split_file
from lib_embmerge.files.reading import read_embedding


def convert_one(*arguments, **options):
    (done,) = convert_embeddings(*arguments, **options)
    return done


L1, L2, G3 = torch.full((1, 768), 0.5), torch.ones(2, 768), torch.ones(3, 1280)

REPAIRS = [
    ("a trainer's pickle", "x.pt", {"string_to_param": {"*": L2}}, {"emb_params": (2, 768)}, []),
    ("a bare tensor's name", "x.safetensors", {"<cat>": L2}, {"emb_params": (2, 768)}, []),
    ("one dimension", "x.bin", {"<cat>": L1[0]}, {"emb_params": (1, 768)}, ["it is read as one row"]),
    (
        "an extra tensor",
        "x.safetensors",
        {"clip_l": L2, "clip_g": G3[:2].clone(), "scale": torch.ones(1)},
        {"clip_l": (2, 768), "clip_g": (2, 1280)},
        ["the tensor scale was left out"],
    ),
    (
        "names that only widths explain",
        "x.safetensors",
        {"a": L2, "b": G3[:2].clone()},
        {"clip_l": (2, 768), "clip_g": (2, 1280)},
        [],
    ),
    (
        "float64",
        "x.safetensors",
        {"emb_params": L2.double()},
        {"emb_params": (2, 768)},
        ["were float64; they are float32"],
    ),
]


@pytest.mark.parametrize(
    ("name", "content", "shapes", "notes"), [row[1:] for row in REPAIRS], ids=[r[0] for r in REPAIRS]
)
def test_repairs(tmp_path, name, content, shapes, notes):
    source = tmp_path / name
    save_file(content, source) if name.endswith("safetensors") else torch.save(content, source)
    done = convert_one(source, tmp_path / "clean")
    written = load_file(done.path)
    assert {key: tuple(tensor.shape) for key, tensor in written.items()} == shapes
    assert all(tensor.dtype == torch.float32 for tensor in written.values())
    assert len(done.notes) == len(notes)
    assert all(part in note for note, part in zip(done.notes, notes, strict=True))
    assert done.path == tmp_path / "clean" / "x.safetensors"


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
@pytest.mark.parametrize("how", ["refuse", "pad", "cut"])
def test_float8(tmp_path, dtype, how):
    g = (G3 if how != "refuse" else G3[:2]).to(dtype).contiguous()
    save_file({"clip_l": L2.to(dtype), "clip_g": g}, tmp_path / "x.safetensors")
    done = convert_one(tmp_path / "x.safetensors", tmp_path / "out", Treatment(unequal=how))
    assert torch.equal(load_file(done.path)["clip_l"][:2], L2)
    assert any("are float32 now" in note for note in done.notes)


def unequal(tmp_path):
    save_file({"clip_l": L2, "clip_g": G3}, tmp_path / "x.safetensors")
    return tmp_path / "x.safetensors"


def test_unequal_rows_are_refused_unless_asked_for(tmp_path):
    with pytest.raises(FileError, match="unequal numbers of vectors: 2 for clip_l and 3 for clip_g"):
        convert_one(unequal(tmp_path), tmp_path / "out")


@pytest.mark.parametrize(
    ("how", "length", "note"),
    [("pad", 3, "clip_l was padded from 2 to 3 vectors."), ("cut", 2, "clip_g was cut from 3 to 2 vectors.")],
)
def test_unequal_rows_are_padded_or_cut(tmp_path, how, length, note):
    done = convert_one(unequal(tmp_path), tmp_path / "out", Treatment(unequal=how))
    vectors = read_embedding(done.path).vectors
    assert {name: len(rows) for name, rows in vectors.items()} == {"clip_l": length, "clip_g": length}
    assert note in done.notes
    assert torch.equal(vectors["clip_l"][:2], L2)
    assert not vectors["clip_l"][2:].any()


def test_a_recipe_goes_where_the_vectors_change(tmp_path):
    recipe = {"embmerge.resolved": "text('a b c')", "embmerge.expression": "'a b c'"}
    save_file({"clip_l": L2, "clip_g": G3}, tmp_path / "x.safetensors", metadata=recipe)
    done = convert_one(tmp_path / "x.safetensors", tmp_path / "out", Treatment(unequal="cut"))
    metadata = read_embedding(done.path).metadata
    assert "embmerge.resolved" not in metadata
    assert metadata["embmerge.expression"] == "'a b c'"


def test_equal_rows_stay():
    vectors, notes = equal_lengths({"clip_l": L2, "clip_g": G3[:2]}, "pad")
    assert notes == []
    assert torch.equal(vectors["clip_l"], L2)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(tmp_path, bad):
    save_file({"emb_params": torch.full((1, 768), bad)}, tmp_path / "x.safetensors")
    with pytest.raises(NotFinite):
        convert_one(tmp_path / "x.safetensors", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_half_precision_overflow_is_refused(tmp_path):
    save_file({"emb_params": torch.full((1, 768), 1e6)}, tmp_path / "x.safetensors")
    with pytest.raises(NotFinite, match="float16 ends at 65,504"):
        convert_one(tmp_path / "x.safetensors", tmp_path / "out", Treatment(dtype=torch.float16))


def test_metadata_are_kept_and_completed(tmp_path):
    save_file({"q": L2}, tmp_path / "x.safetensors", metadata={"embmerge.expression": "'a'", "modelspec.title": "mine"})
    metadata = read_embedding(convert_one(tmp_path / "x.safetensors", tmp_path / "out").path).metadata
    assert metadata["embmerge.expression"] == "'a'"
    assert metadata["modelspec.title"] == "mine"
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1/textual-inversion"
    assert metadata["embmerge.converted_from"] == "x.safetensors (one tensor named 'q')"


def test_name_and_overwrite(tmp_path):
    save_file({"q": L2}, tmp_path / "x.safetensors", metadata={"modelspec.title": "x"})
    renamed = convert_one(tmp_path / "x.safetensors", tmp_path, name="y").path
    assert renamed.name == "y.safetensors"
    assert read_embedding(renamed).metadata["modelspec.title"] == "y"
    with pytest.raises(FileExists):
        convert_one(tmp_path / "x.safetensors", tmp_path)
    convert_one(tmp_path / "x.safetensors", tmp_path, overwrite=True)
    assert set(load_file(tmp_path / "x.safetensors")) == {"emb_params"}
    with pytest.raises(NameProblem):
        convert_one(tmp_path / "x.safetensors", tmp_path, name="a/b")


def test_a_pair_is_split_into_two_files(tmp_path):
    source = tmp_path / "pair.safetensors"
    recipe = {"embmerge.resolved": "text('a')", "embmerge.tokens": "{}", "embmerge.expression": "'a'", "note": "kept"}
    save_file({"clip_l": torch.ones(2, 768), "clip_g": torch.ones(2, 1280)}, source, metadata=recipe)
    done = split_file(source, tmp_path / "out", Treatment(dtype=torch.float16))
    assert [one.path.name for one in done] == ["pair_l.safetensors", "pair_g.safetensors"]
    for one, encoder in zip(done, ("clip_l", "clip_g"), strict=True):
        made = read_embedding(one.path)
        assert list(made.vectors) == [encoder]
        assert made.vectors[encoder].dtype == torch.float16
        assert made.metadata["note"] == "kept"
        assert made.metadata["modelspec.title"] == one.path.stem
        assert "embmerge.resolved" not in made.metadata  # it would make both encoders again
        assert "The numbers were float32; they are float16 now." in one.notes


def test_nothing_is_split_where_a_name_is_taken(tmp_path):
    source = tmp_path / "pair.safetensors"
    save_file({"clip_l": torch.ones(2, 768), "clip_g": torch.ones(2, 1280)}, source)
    (tmp_path / "pair_g.safetensors").write_bytes(b"precious")
    with pytest.raises(FileExists):
        split_file(source, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pair.safetensors", "pair_g.safetensors"]
    assert len(split_file(source, tmp_path, overwrite=True)) == 2


def test_one_encoder_is_not_split(tmp_path):
    source = tmp_path / "one.safetensors"
    save_file({"emb_params": torch.ones(2, 768)}, source)
    with pytest.raises(FileError, match="nothing to split"):
        split_file(source, tmp_path / "out")


def test_each_embedding_of_a_file_becomes_one(tmp_path):
    save_file({"<s1>": L1[0].clone(), "<s2>": L1[0] * 2}, tmp_path / "two.safetensors")
    done = convert_embeddings(tmp_path / "two.safetensors", tmp_path / "new")
    assert [one.path.name for one in done] == ["s1.safetensors", "s2.safetensors"]
    assert torch.equal(read_embedding(done[1].path).vectors["clip_l"], L1 * 2)


def test_a_general_name_gives_way_to_the_word_and_none_is_replaced(tmp_path):
    taken: set[str] = set()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        torch.save({"<birb-style>": L2}, tmp_path / folder / "learned_embeds.bin")
        convert_embeddings(tmp_path / folder / "learned_embeds.bin", tmp_path / "new", taken=taken)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "birb-style-2.safetensors",
        "birb-style.safetensors",
    ]


def test_good_vectors_are_kept_and_the_bad_ones_said(tmp_path):
    save_file({"emb_params": torch.cat([L2, L2[:1] * float("nan")])}, tmp_path / "x.safetensors")
    with pytest.raises(NotFinite):
        convert_embeddings(tmp_path / "x.safetensors", tmp_path / "new")
    (done,) = convert_embeddings(tmp_path / "x.safetensors", tmp_path / "new", Treatment(drop_bad=True))
    assert "Left out for NaN or infinity: vector 3 of 3." in done.notes
    assert torch.equal(read_embedding(done.path).vectors["clip_l"], L2)


def test_split_and_joined_again_the_tensors_are_the_same(tmp_path):
    save_file({"clip_l": L2, "clip_g": G3[:2].clone()}, tmp_path / "x.safetensors")
    parts = [one.path for one in split_file(tmp_path / "x.safetensors", tmp_path / "parts")]
    whole = join_files(parts, tmp_path / "whole", "x")
    before, after = load_file(tmp_path / "x.safetensors"), load_file(whole.path)
    assert set(before) == set(after)
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_t5_s_part_and_what_a_trained_file_says_are_kept(tmp_path):
    save_file({"clip_l": L2, "t5": torch.ones(5, 4096)}, tmp_path / "x.safetensors")
    (done,) = convert_embeddings(tmp_path / "x.safetensors", tmp_path / "new")
    assert {key: tuple(rows.shape) for key, rows in load_file(done.path).items()} == {
        "clip_l": (2, 768),
        "t5xxl": (5, 4096),
    }
    content = {"string_to_param": {"*": L2}, "step": 7, "sd_checkpoint_name": "model"}
    torch.save(content, tmp_path / "y.pt")
    (done,) = convert_embeddings(tmp_path / "y.pt", tmp_path / "new")
    said = read_embedding(done.path).metadata
    assert (said["embmerge.source.step"], said["embmerge.source.sd_checkpoint_name"]) == ("7", "model")


def test_an_encoder_that_the_file_does_not_say_is_asked_for(tmp_path):
    save_file({"x": torch.ones(2, 4096)}, tmp_path / "x.safetensors")
    with pytest.raises(FileError, match="convert --as t5xxl says so"):
        convert_embeddings(tmp_path / "x.safetensors", tmp_path / "new")
    (done,) = convert_embeddings(tmp_path / "x.safetensors", tmp_path / "new", Treatment(encoder="umt5xxl"))
    assert list(load_file(done.path)) == ["umt5xxl"]
