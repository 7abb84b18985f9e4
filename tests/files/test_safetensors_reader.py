"""The header reader: what it takes, and that every broken or hostile file ends in a sentence."""

import contextlib
import json
import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file

from lib_embmerge.errors import FileError
from lib_embmerge.files.safetensors_reader import HEADER_LIMIT, open_safetensors
from tests.examples import examples
from tests.files.builders import header_bytes, write_checkpoint

TABLE = torch.arange(60, dtype=torch.float32).reshape(10, 6)


def entry(begin=0, end=4, *, dtype="F32", shape=(1,)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def test_a_tensor_is_read_whole_and_by_rows(tmp_path):
    save_file({"a": TABLE.half(), "b": TABLE}, tmp_path / "x.safetensors", metadata={"k": "v"})
    file = open_safetensors(tmp_path / "x.safetensors")
    assert file.metadata == {"k": "v"}
    assert torch.equal(file.read("b"), TABLE)
    assert torch.equal(file.read_rows("a", [3, 4, 5, 0, 3]), TABLE.half()[[3, 4, 5, 0, 3]])
    assert file.read_rows("a", []).shape == (0, 6)


@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2],
    ids=str,
)
def test_every_float_format_is_read(tmp_path, dtype):
    save_file({"a": TABLE.to(dtype)}, tmp_path / "x.safetensors")
    rows = open_safetensors(tmp_path / "x.safetensors").read_rows("a", [9, 2])
    assert rows.dtype == dtype
    assert torch.equal(rows.float(), TABLE.to(dtype).float()[[9, 2]])


@settings(max_examples=examples(60), deadline=None)
@given(ids=st.lists(st.integers(0, 9), max_size=20))
def test_rows_in_any_order_are_those_of_the_table(tmp_path_factory, ids):
    path = tmp_path_factory.getbasetemp() / "rows.safetensors"
    save_file({"a": TABLE}, path)
    assert torch.equal(open_safetensors(path).read_rows("a", ids), TABLE[ids])


@settings(max_examples=examples(300), deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_sentence_or_a_file(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(data)
    with contextlib.suppress(FileError):
        open_safetensors(path)


@settings(max_examples=examples(300), deadline=None)
@given(st.data())
def test_a_damaged_header_ends_in_a_sentence_or_a_file(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    raw = bytearray(save({"a": TABLE, "b": TABLE.half()}, metadata={"k": "v"}))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, 200))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    try:
        file = open_safetensors(path)
        for name in file.tensors:
            file.read(name)
    except FileError:
        pass


def nested(depth):
    return b"[" * depth + b"]" * depth


MALICIOUS = [
    (b"", "is empty: it has 0 bytes."),
    (b"\x08\x00", "is cut off: it has 2 bytes."),
    (b"PK\x03\x04" + b"\0" * 60, "is a zip or pickle archive, not a safetensors file."),
    (b"\x80\x02}q\x00." + b"\0" * 60, "is a pickle, not a safetensors file."),
    (b"GGUF" + b"\0" * 60, "is a GGUF file, not a safetensors file."),
    (b"\x89PNG\r\n" + b"\0" * 60, "is a PNG image, not a safetensors file."),
    (b"<!DOCTYPE html><html>", "is a web page, perhaps a failed download, not a safetensors file."),
    (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer, not the file itself"),
    (b"just some text that is long enough", "is not a safetensors file."),
    ((100_000_000).to_bytes(8, "little") + b"{" * 50, "claims a header of 100,000,000 bytes"),
    ((2**63).to_bytes(8, "little") + b"{}", "claims a header of 9,223,372,036,854,775,808 bytes"),
    ((500).to_bytes(8, "little") + b"{}", "is cut off within its header; download it again."),
    (b"\x05\x00\x00\x00\x00\x00\x00\x00{'a'}", "broken header: it is not the JSON"),
    ((4).to_bytes(8, "little") + b'{"\xff}', "broken header: it is not the JSON"),
    ((200_006).to_bytes(8, "little") + b'{"a":' + nested(100_000) + b"}", "broken header: "),
    (header_bytes({"a": 3}), "broken header: the entry of a is incomplete."),
    (header_bytes({"a": {"dtype": "F32"}}), "broken header: the entry of a is incomplete."),
    (header_bytes({"a": entry(-4, 0)}) + b"1234", "broken header: the entry of a has impossible numbers."),
    (header_bytes({"a": entry(0, 4, shape=[True])}) + b"1234", "broken header: the entry of a has impossible numbers."),
    (header_bytes({"a": entry(4, 0)}) + b"1234", "broken header: tensor a ends before it begins."),
    (header_bytes({"a": entry(0, 4, shape=[9])}) + b"1234", "tensor a has 4 bytes, which its shape [9] does not fill."),
    (header_bytes({"a": entry(0, 0, shape=[0, 2**63])}), "the entry of a has an impossible shape."),
    (header_bytes({"a": entry(0, 0, shape=[2**40, 2**40, 0])}), "the entry of a has an impossible shape."),
    (header_bytes({"a": entry(0, 4, shape=[1] * 9)}) + b"1234", "the entry of a has an impossible shape."),
    (header_bytes({"a": entry(0, 0, shape=[10**4000] * 800)}), "the entry of a has an impossible shape."),
    (header_bytes({"a": entry(0, 400, shape=[100])}) + b"1234", "cut off: tensor a should end 396 bytes past its end."),
    (
        header_bytes({"a": entry(0, 8, shape=[2]), "b": entry(4, 8)}) + b"12345678",
        "broken header: tensors a and b overlap.",
    ),
    (header_bytes({"__metadata__": {"a": 1}}), "broken header: its metadata are not texts."),
    (
        (66).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{}}    ' + b" ",
        "broken header: it is not the JSON",
    ),
]


@pytest.mark.parametrize(("data", "sentence"), MALICIOUS, ids=[sentence[:40] for _, sentence in MALICIOUS])
def test_malicious_files(tmp_path, data, sentence):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(data)
    with pytest.raises(FileError) as caught:
        open_safetensors(path)
    assert caught.value.message.startswith("bad.safetensors ")
    assert sentence in caught.value.message


def test_a_huge_header_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as file:
        file.write((100_000_000).to_bytes(8, "little") + b"{")
        file.truncate(200_000_000)
    with pytest.raises(FileError, match=f"no real file has one beyond {HEADER_LIMIT:,}"):
        open_safetensors(path)


def test_a_zip_is_named_as_one(tmp_path):
    with zipfile.ZipFile(tmp_path / "z.safetensors", "w") as archive:
        archive.writestr("x", "y")
    with pytest.raises(FileError, match="zip"):
        open_safetensors(tmp_path / "z.safetensors")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileError, match="There is no file"):
        open_safetensors(tmp_path / "none.safetensors")
    with pytest.raises(FileError, match="is a folder"):
        open_safetensors(tmp_path)


def test_a_file_that_changes_is_noticed(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"a": TABLE}, path)
    file = open_safetensors(path)
    save_file({"a": TABLE, "b": TABLE * 2}, path)
    with pytest.raises(FileError, match="has changed since it was opened"):
        file.read("a")


def test_a_file_that_is_deleted_is_noticed(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file({"a": TABLE}, path)
    file = open_safetensors(path)
    path.unlink()
    with pytest.raises(FileError, match="cannot be read"):
        file.read("a")


def test_whole_numbers_are_no_vectors(tmp_path):
    write_checkpoint(tmp_path / "x.safetensors", {"a": (2, 2)}, dtype="I64")
    with pytest.raises(FileError, match="format I64, not a float format"):
        open_safetensors(tmp_path / "x.safetensors").read("a")


def test_agrees_with_safetensors_on_a_header_with_blanks_and_unicode(tmp_path):
    path = tmp_path / "x.safetensors"
    raw = json.dumps({"ключ": entry(), "__metadata__": {"é": "漢"}}, ensure_ascii=False).encode() + b"   "
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + b"\0\0\x80?")
    file = open_safetensors(path)
    assert file.read("ключ").tolist() == [1.0]
    assert file.metadata == {"é": "漢"}
