"""Embedding files: every layout that is read, the exact bytes that are written, and hostile files."""

import contextlib
import errno
import hashlib
import io
import itertools
import multiprocessing
import os
import pickle
import time
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from lib_embmerge.compatibility.facts import describe_file
from lib_embmerge.errors import FileError, FileExists, NameProblem, NotFinite
from lib_embmerge.files import writing
from lib_embmerge.files.reading import load_embedding, read_embedding
from lib_embmerge.files.writing import encode_embedding, tensors_to_write, write_embedding
from lib_embmerge.host_protocol import EXTENSIONS
from tests.examples import examples

from .builders import write_checkpoint


def rows(count, width, *, start=0.0):
    return torch.arange(count * width, dtype=torch.float32).reshape(count, width) / 1024 + start


L2, G2, H1 = rows(2, 768), rows(2, 1280, start=1), rows(1, 1024)


def store(path, content):
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    return path


# --- Reading ---

LAYOUTS = [
    ("emb_params", "x.safetensors", {"emb_params": L2}, {"clip_l": L2}, "emb_params", 0),
    ("SD 2", "x.safetensors", {"emb_params": H1}, {"clip_h": H1}, "emb_params", 0),
    ("the refiner's", "x.safetensors", {"emb_params": G2}, {"clip_g": G2}, "emb_params", 0),
    ("SDXL", "x.safetensors", {"clip_l": L2, "clip_g": G2}, {"clip_l": L2, "clip_g": G2}, "clip_g, clip_l", 0),
    ("only L by name", "x.safetensors", {"clip_l": L2}, {"clip_l": L2}, "clip_l", 0),
    (
        "SD 3 with T5",
        "x.safetensors",
        {"clip_l": L2, "clip_g": G2, "t5xxl": rows(2, 4096)},
        {"clip_l": L2, "clip_g": G2},
        "clip_g, clip_l, t5xxl",
        0,
    ),
    ("a bare tensor's name", "x.safetensors", {"<cat-toy>": L2}, {"clip_l": L2}, "one tensor named '<cat-toy>'", 0),
    ("one dimension", "x.safetensors", {"x": L2[0].clone()}, {"clip_l": L2[:1]}, "one tensor named 'x'", 1),
    (
        "other names, told by width",
        "x.safetensors",
        {"first": L2, "second": G2},
        {"clip_l": L2, "clip_g": G2},
        "one tensor for each width",
        0,
    ),
    ("diffusers", "x.bin", {"<cat>": L2}, {"clip_l": L2}, "one tensor named '<cat>'", 0),
    ("SDXL in a pickle", "x.pt", {"clip_l": L2, "clip_g": G2}, {"clip_l": L2, "clip_g": G2}, "clip_l, clip_g", 0),
    (
        "A1111's trainer",
        "x.pt",
        {"string_to_token": {"*": 265}, "string_to_param": {"*": L2}, "name": "n", "step": 4},
        {"clip_l": L2},
        "string_to_param",
        0,
    ),
    (
        "the first trainer",
        "x.pt",
        {"string_to_token": {"*": 265}, "string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(L2)})},
        {"clip_l": L2},
        "string_to_param",
        0,
    ),
    ("a bare tensor in a pickle", "x.pt", L2, {"clip_l": L2}, "a bare tensor", 0),
    ("a parameter", "x.bin", {"a": torch.nn.Parameter(L2)}, {"clip_l": L2}, "one tensor named 'a'", 0),
]


@pytest.mark.parametrize(
    ("name", "content", "vectors", "layout", "notes"), [row[1:] for row in LAYOUTS], ids=[row[0] for row in LAYOUTS]
)
def test_layouts(tmp_path, name, content, vectors, layout, notes):
    found = read_embedding(store(tmp_path / name, content))
    assert list(found.vectors) == list(vectors)
    assert all(torch.equal(found.vectors[encoder], vectors[encoder]) for encoder in vectors)
    assert found.layout == layout
    assert len(found.notes) == notes
    assert found.name == "x"
    assert not any(tensor.requires_grad for tensor in found.vectors.values())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_number_formats_are_kept(tmp_path, dtype):
    found = read_embedding(store(tmp_path / "x.safetensors", {"emb_params": L2.to(dtype)}))
    assert found.vectors["clip_l"].dtype == dtype


def test_old_pickles_are_read(tmp_path):
    torch.save({"string_to_param": {"*": L2}}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert torch.equal(read_embedding(tmp_path / "old.pt").vectors["clip_l"], L2)


def test_metadata_are_read(tmp_path):
    save_file({"emb_params": L2}, tmp_path / "x.safetensors", metadata={"modelspec.title": "é"})
    assert read_embedding(tmp_path / "x.safetensors").metadata == {"modelspec.title": "é"}


def test_unequal_rows_are_read_only_on_request(tmp_path):
    path = store(tmp_path / "x.safetensors", {"clip_l": L2, "clip_g": rows(3, 1280)})
    with pytest.raises(FileError) as caught:
        read_embedding(path)
    assert str(caught.value) == (
        "x.safetensors holds unequal numbers of vectors: 2 for clip_l and 3 for clip_g."
        " convert can pad the shorter with zero vectors or cut the longer."
    )
    assert [len(tensor) for tensor in load_embedding(path).vectors.values()] == [2, 3]


REFUSED = [
    ("an unknown width", "x.safetensors", {"emb_params": rows(1, 512)}, "vectors of 512 numbers"),
    ("a key with no encoder's width", "x.safetensors", {"clip_l": rows(1, 512)}, "clip_l holds vectors of 512 numbers"),
    ("a width of several", "x.safetensors", {"a": rows(1, 4096)}, "which may be for t5xxl or umt5xxl or qwen3_8b"),
    ("three dimensions", "x.safetensors", {"a": rows(4, 768).view(2, 2, 768)}, "a tensor of shape [2, 2, 768]"),
    ("only behind the encoder", "x.safetensors", {"clip_l_out": L2}, "holds vectors for behind the text encoder only"),
    ("a single number", "x.safetensors", {"a": torch.tensor(1.0)}, "a tensor of shape []"),
    ("no vectors", "x.safetensors", {"a": rows(0, 768)}, "holds no vectors"),
    ("more vectors than anybody uses", "x.safetensors", {"emb_params": rows(8001, 768)}, "holds 8,001 vectors"),
    ("numbers that it has not", "x.pt", {"a": torch.zeros(1).expand(10**12)}, "claims a tensor of [1000000000000]"),
    (
        "trained vectors that it has not",
        "x.pt",
        {"string_to_param": {"*": torch.zeros(1, 1).expand(10**12, 768)}},
        "claims a tensor of [1000000000000, 768] numbers",
    ),
    ("complex numbers", "x.pt", {"a": torch.zeros(1, 768, dtype=torch.complex64)}, "holds complex numbers"),
    ("a LoRA", "x.safetensors", {"lora_a": rows(1, 4), "lora_b": rows(1, 8)}, "is a LoRA, not an embedding"),
    ("two of a width", "x.safetensors", {"a": L2, "b": L2 * 2}, "holds 2 embeddings: a, b"),
    ("other tensors", "x.safetensors", {"a": rows(1, 4), "b": rows(1, 8)}, "holds 2 tensors (a, b); it is not an"),
    ("two words trained", "x.pt", {"string_to_param": {"*": L2, "+": L2}}, "holds 2 embeddings: *, +"),
    ("no tensor trained", "x.pt", {"string_to_param": {"*": 3}}, "string_to_param holds no tensor"),
    ("no tensors", "x.pt", {"a": 1}, "holds no tensors"),
    ("a list", "x.pt", [3], "holds no tensors"),
]


def test_a_host_that_took_the_place_of_torch_load_is_passed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"string_to_param": {"*": L2}}, tmp_path / "old.pt")
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: None)  # A1111 1.10.1, modules/safe.py:195
    assert read_embedding(tmp_path / "old.pt").vectors["clip_l"].equal(L2)


@pytest.mark.parametrize(("name", "content", "sentence"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_refused(tmp_path, name, content, sentence):
    with pytest.raises(FileError) as caught:
        read_embedding(store(tmp_path / name, content))
    assert caught.value.message.startswith("x.")
    assert sentence in caught.value.message


def test_the_content_counts_not_the_ending(tmp_path):
    for name, content in (("a.txt", {"emb_params": L2}), ("b.pt", {"clip_l": L2}), ("c.sft", {"x": L2})):
        save_file(content, tmp_path / name)
        assert torch.equal(read_embedding(tmp_path / name).vectors["clip_l"], L2)
    for name in ("a.ckpt", "b.safetensors", "c.pth"):
        torch.save({"string_to_param": {"*": L2}}, tmp_path / name)
        assert torch.equal(read_embedding(tmp_path / name).vectors["clip_l"], L2)


class Evil:
    """A pickle that writes a file when it is opened by a careless reader."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("new_format", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", ["evil.pt", "evil.bin"])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path, name, new_format):
    proof = tmp_path / "proof"
    torch.save({"a": Evil(f"touch {proof}")}, tmp_path / name, _use_new_zipfile_serialization=new_format)
    with pytest.raises(FileError) as caught:
        read_embedding(tmp_path / name)
    assert "holds more than tensors, so opening it could run code" in caught.value.message
    assert not proof.exists()


def test_a_bare_pickle_that_runs_code_is_refused(tmp_path):
    proof = tmp_path / "proof"
    (tmp_path / "e.pt").write_bytes(pickle.dumps(Evil(f"touch {proof}")))
    with pytest.raises(FileError):
        read_embedding(tmp_path / "e.pt")
    assert not proof.exists()


def bomb():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 100_000_000)
    return data.getvalue()


def truncated():
    data = io.BytesIO()
    torch.save({"a": L2}, data)
    return data.getvalue()[:2000]


def impossible_archive():
    """An archive of a zip version that does not exist."""
    data = io.BytesIO()
    torch.save({"a": L2}, data)
    raw = bytearray(data.getvalue())
    raw[raw.index(b"PK\x01\x02") + 6] = 99
    return bytes(raw)


def packed_by(way):
    """An archive whose entries are packed in a way of which Python unpacks all at once, and torch nothing."""
    made = io.BytesIO()
    stored = io.BytesIO()
    torch.save({"a": L2}, stored)
    with zipfile.ZipFile(stored) as old, zipfile.ZipFile(made, "w", way) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    return made.getvalue()


DAMAGED = [
    ("an archive packed by bzip2", packed_by(zipfile.ZIP_BZIP2), "packed in a way that torch does not read"),
    ("an archive packed by lzma", packed_by(zipfile.ZIP_LZMA), "packed in a way that torch does not read"),
    ("an archive of the future", impossible_archive(), "damaged"),
    ("nothing", b"", "is empty"),
    ("noise", b"\x93\x11" * 100 + b"x", "damaged"),
    ("bare numbers", b"\x93\x11" * 100, "is damaged, or none of the files that embeddings come in"),
    ("text", b"hello world, this is no pickle", "x.pt"),
    ("a cut archive", truncated(), "damaged"),
    ("an archive of something else", None, "is a zip archive, not an embedding"),
    ("an archive that grows", bomb(), "far more than an embedding"),
]


@pytest.mark.parametrize(("data", "sentence"), [row[1:] for row in DAMAGED], ids=[row[0] for row in DAMAGED])
def test_damaged_pickles(tmp_path, data, sentence):
    if data is None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("readme.txt", "hello")
        data = buffer.getvalue()
    (tmp_path / "x.pt").write_bytes(data)
    with pytest.raises(FileError) as caught:
        read_embedding(tmp_path / "x.pt")
    assert sentence in caught.value.message


def test_missing_files(tmp_path):
    for name in ("a.pt", "a.safetensors"):
        with pytest.raises(FileError, match="There is no file"):
            read_embedding(tmp_path / name)


@pytest.mark.parametrize("name", ["big.pt", "big.safetensors"])
def test_a_checkpoint_is_not_read(tmp_path, name):
    write_checkpoint(tmp_path / name, {"model.diffusion_model.x": (10_000, 10_000), "cond_stage_model.y": (4, 4)})
    with pytest.raises(FileError, match="is a checkpoint, not an embedding"):
        read_embedding(tmp_path / name)


@settings(max_examples=examples(150), deadline=None)
@given(st.data())
def test_a_damaged_pickle_ends_in_a_sentence_or_an_embedding(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzz.pt"
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(1, 768)}, buffer, _use_new_zipfile_serialization=data.draw(st.booleans()))
    raw = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    with contextlib.suppress(FileError):
        read_embedding(path)


# --- Writing ---


def test_every_length_of_header_is_read(tmp_path):
    """A header of 640 bytes begins with the bytes of a pickle."""
    for length in range(300):
        path = write_embedding({"clip_l": L2}, tmp_path, "x", metadata={"k": "v" * length * 8}, overwrite=True)
        assert len(read_embedding(path).metadata["k"]) == length * 8


def test_exact_bytes():
    data = encode_embedding({"clip_l": torch.zeros(1, 768)}, metadata={"z": "ü", "a": "1"})
    digest = hashlib.sha256(bytes(3072)).hexdigest()
    header = (
        '{"__metadata__": {"a": "1", "modelspec.hash_sha256": "0x' + digest + '", "z": "ü"}, '
        '"emb_params": {"dtype": "F32", "shape": [1, 768], "data_offsets": [0, 3072]}}'
    ).encode()
    header += b" " * (-len(header) % 8)
    assert data == len(header).to_bytes(8, "little") + header + bytes(3072)


@pytest.mark.parametrize(
    ("vectors", "keys"),
    [
        ({"clip_l": L2}, {"emb_params"}),
        ({"clip_h": H1}, {"emb_params"}),
        ({"clip_g": G2}, {"clip_g"}),
        ({"clip_l": L2, "clip_g": G2}, {"clip_l", "clip_g"}),
    ],
    ids=["SD 1", "SD 2", "refiner", "SDXL"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_safetensors_reads_what_is_written(tmp_path, vectors, keys, dtype):
    path = write_embedding(vectors, tmp_path, "x", metadata={"embmerge.expression": "'a' + \"b\"\n漢"}, dtype=dtype)
    assert path == tmp_path / "x.safetensors"
    read = load_file(path)
    assert set(read) == keys
    assert all(tensor.dtype == dtype and tensor.is_contiguous() for tensor in read.values())
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert metadata["embmerge.expression"] == "'a' + \"b\"\n漢"
    raw = path.read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    assert start % 8 == 0
    assert metadata["modelspec.hash_sha256"] == "0x" + hashlib.sha256(raw[start:]).hexdigest()
    again = read_embedding(path)
    assert all(torch.equal(again.vectors[name], vectors[name].to(dtype)) for name in vectors)


@settings(max_examples=examples(40), deadline=None)
@given(
    numbers=st.lists(st.floats(-60000, 60000, width=32), min_size=1, max_size=6),
    metadata=st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")), max_size=5),
)
def test_what_is_written_is_what_is_read(tmp_path_factory, numbers, metadata):
    folder = tmp_path_factory.getbasetemp()
    vectors = {"clip_l": torch.tensor(numbers)[:, None].repeat(1, 768)}
    path = write_embedding(vectors, folder, "round", metadata=metadata, overwrite=True)
    found = read_embedding(path)
    assert torch.equal(found.vectors["clip_l"], vectors["clip_l"])
    assert metadata.items() <= found.metadata.items() or "modelspec.hash_sha256" in metadata


def test_views_are_written_contiguous():
    column = torch.arange(768 * 4, dtype=torch.float32).reshape(768, 4).T
    assert tensors_to_write({"clip_l": column})["emb_params"].is_contiguous()
    assert not column.is_contiguous()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_none_are_refused(tmp_path, bad):
    with pytest.raises(NotFinite, match="The vectors of clip_l hold infinity or NaN"):
        write_embedding({"clip_l": torch.full((1, 768), bad)}, tmp_path, "x", metadata={})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "dtype", "fits"),
    [
        (65504.0, torch.float16, True),
        (65519.0, torch.float16, True),
        (65520.0, torch.float16, False),
        (-1e5, torch.float16, False),
        (1e5, torch.float32, True),
    ],
)
def test_what_half_precision_holds(tmp_path, value, dtype, fits):
    vectors = {"clip_l": torch.full((1, 768), value)}
    if fits:
        write_embedding(vectors, tmp_path, "x", metadata={}, dtype=dtype)
    else:
        with pytest.raises(NotFinite, match="float16 ends at 65,504"):
            write_embedding(vectors, tmp_path, "x", metadata={}, dtype=dtype)


def test_programming_errors():
    with pytest.raises(ValueError, match="lengths"):
        tensors_to_write({"clip_l": L2, "clip_g": rows(3, 1280)})
    with pytest.raises(ValueError, match="lengths"):
        tensors_to_write({"clip_l": rows(0, 768)})
    with pytest.raises(ValueError, match="float32 or float16"):
        tensors_to_write({"clip_l": L2}, dtype=torch.bfloat16)


def test_an_existing_file_is_replaced_only_on_request(tmp_path):
    write_embedding({"clip_l": L2}, tmp_path, "x", metadata={})
    before = (tmp_path / "x.safetensors").read_bytes()
    with pytest.raises(FileExists) as caught:
        write_embedding({"clip_l": L2 * 2}, tmp_path, "x", metadata={})
    assert "x.safetensors exists already" in caught.value.message
    assert (tmp_path / "x.safetensors").read_bytes() == before
    write_embedding({"clip_l": L2 * 2}, tmp_path, "x", metadata={}, overwrite=True)
    assert torch.equal(read_embedding(tmp_path / "x.safetensors").vectors["clip_l"], L2 * 2)
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_overwriting_a_link_replaces_what_it_leads_to(tmp_path):
    (tmp_path / "real").mkdir()
    path = write_embedding({"clip_l": L2}, tmp_path / "real", "x", metadata={})
    (tmp_path / "x.safetensors").symlink_to(path)
    write_embedding({"clip_l": L2 * 2}, tmp_path, "x", metadata={}, overwrite=True)
    assert (tmp_path / "x.safetensors").is_symlink()
    assert torch.equal(read_embedding(path).vectors["clip_l"], L2 * 2)


def test_what_killed_runs_left_is_deleted_when_it_is_old(tmp_path):
    for name, age in ((".embmerge-old.tmp", 7200), (".embmerge-new.tmp", 0), ("mine.tmp", 7200)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    write_embedding({"clip_l": L2}, tmp_path, "x", metadata={})
    assert sorted(path.name for path in tmp_path.iterdir()) == [".embmerge-new.tmp", "mine.tmp", "x.safetensors"]


def test_names_are_checked(tmp_path):
    with pytest.raises(NameProblem):
        write_embedding({"clip_l": L2}, tmp_path, "../x", metadata={})


def test_folders(tmp_path):
    assert write_embedding({"clip_l": L2}, tmp_path / "new" / "deep", "x", metadata={}).exists()
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="is not a folder"):
        write_embedding({"clip_l": L2}, tmp_path / "file", "x", metadata={})
    (tmp_path / "x.safetensors").mkdir()
    with pytest.raises(FileError):
        write_embedding({"clip_l": L2}, tmp_path, "x", metadata={}, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "new", "x.safetensors"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_are_those_of_any_new_file(tmp_path):
    old = os.umask(0o022)
    try:
        path = write_embedding({"clip_l": L2}, tmp_path, "x", metadata={})
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_a_failure_leaves_nothing_behind_and_the_old_file_alone(tmp_path, monkeypatch, step, overwrite):
    if overwrite:
        write_embedding({"clip_l": L2}, tmp_path, "x", metadata={})
    before = [path.read_bytes() for path in tmp_path.iterdir()]

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full) if step == "fsync" else None
    if step == "rename":
        monkeypatch.setattr(os, "link", full)
        monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(FileError, match=r"cannot be written: No space left on device\."):
        write_embedding({"clip_l": L2 * 2}, tmp_path, "x", metadata={}, overwrite=overwrite)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == before


def refuse_links(*_args):
    raise OSError(errno.EPERM, "Operation not permitted")


def test_without_hard_links(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse_links)
    path = write_embedding({"clip_l": L2}, tmp_path, "x", metadata={})
    assert torch.equal(read_embedding(path).vectors["clip_l"], L2)
    monkeypatch.setattr(os.path, "lexists", lambda _path: False)  # the other process came in between
    with pytest.raises(FileExists):
        write_embedding({"clip_l": L2 * 2}, tmp_path, "x", metadata={})
    assert torch.equal(read_embedding(path).vectors["clip_l"], L2)
    assert [found.name for found in tmp_path.iterdir()] == ["x.safetensors"]


def save_all(folder, number, links, barrier, results):
    """Save forty names as one of the processes of a race."""
    if links == "no":
        writing.os.link = refuse_links
    writing.os.path.lexists = lambda _path: False  # leave it all to the last step
    won = []
    for i in range(40):
        barrier.wait()
        with contextlib.suppress(FileExists):
            write_embedding({"clip_l": torch.full((1, 768), float(number))}, folder, f"x{i}", metadata={})
            won.append(i)
    results.put((number, won))


@pytest.mark.parametrize("links", ["yes", "no"], ids=["with hard links", "without"])
def test_of_processes_that_save_one_name_at_once_one_wins(tmp_path, links):
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    barrier, results = context.Barrier(3), context.Queue()
    racers = [context.Process(target=save_all, args=(tmp_path, n, links, barrier, results)) for n in range(3)]
    for racer in racers:
        racer.start()
    won = dict(results.get(timeout=60) for _ in racers)
    for racer in racers:
        racer.join(60)
    assert sorted(itertools.chain.from_iterable(won.values())) == list(range(40))
    for number, names in won.items():
        for i in names:
            vectors = read_embedding(tmp_path / f"x{i}.safetensors").vectors["clip_l"]
            assert torch.equal(vectors, torch.full((1, 768), float(number)))
    assert len(list(tmp_path.iterdir())) == 40


def test_all_extensions_are_those_of_the_hosts():
    assert EXTENSIONS == (".safetensors", ".pt", ".bin")


NOT_PLAIN = [
    torch.eye(768).to_sparse(),
    torch.empty(2, 768, device="meta"),
    torch.nested.nested_tensor([torch.zeros(1, 768), torch.zeros(2, 768)]),
    torch.quantize_per_tensor(torch.zeros(2, 768), 1.0, 0, torch.qint8),
]


@pytest.mark.parametrize("tensor", NOT_PLAIN, ids=["sparse", "meta", "nested", "quantized"])
def test_tensors_without_plain_numbers_are_refused(tmp_path, tensor):
    for look in (load_embedding, describe_file):
        with pytest.raises(FileError, match=r"x\.pt holds a sparse or quantized tensor, or one without its numbers"):
            look(store(tmp_path / "x.pt", {"emb_params": tensor}))
