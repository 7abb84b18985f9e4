"""Files that would take years, gigabytes or somebody's machine: a sentence at once, and nothing is run."""

import contextlib
import io
import json
import pickle
import struct
import time
import tracemalloc
import zipfile

import numpy
import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from lib_embmerge.compatibility.facts import describe_file
from lib_embmerge.errors import FileError
from lib_embmerge.files import pickle_steps
from lib_embmerge.files.gguf_header import check_gguf_header
from lib_embmerge.files.pickles import read_pickle
from lib_embmerge.files.reading import load_embedding

L2 = torch.arange(2 * 768, dtype=torch.float32).reshape(2, 768)


def archive(pickled: bytes, **entries: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("x/data.pkl", pickled)
        for name, content in entries.items():
            file.writestr(f"x/{name}", content)
    return data.getvalue()


def old_format(pickled: bytes) -> bytes:
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    return magic + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + pickled + pickle.dumps([], 2)


def nested_key(depth: int) -> bytes:
    """A dict whose key is a pair of a pair of a pair …: 2 ** depth steps to hash it."""
    steps = b"\x80\x02}(K\x01K\x01\x86q\x00"
    for level in range(depth):
        steps += b"0h" + bytes([level]) + b"h" + bytes([level]) + b"\x86q" + bytes([level + 1])
    return steps + b"K\x01u."


def pairs(depth: int) -> bytes:
    """A pair of a pair of a pair …: 2 ** depth steps to write it."""
    return nested_key(depth)[4:-4]  # without the dict around it


MANY = b"\x80\x02](" + b"K\x01" * 5_000 + b"eq\x00"
"""A list of five thousand numbers, which can be got again with `h\\0`."""

MANY_PAIRS = b"\x80\x02K\x01K\x01\x86q\x02](" + b"h\x02" * 5_000 + b"eq\x00"


def asks_for(module: str, name: str, argument: str) -> bytes:
    """A pickle that calls a function with a text, in the oldest protocol."""
    return f"c{module}\n{name}\n(S'{argument}'\ntR.".encode()


PICKLES = {
    "a key of nested pairs": nested_key(40),
    "a set of nested pairs": b"\x80\x04\x8f(" + nested_key(40)[4:-4] + b"\x90.",
    "many steps": b"\x80\x02]" + b"K\x01a" * 60_000 + b".",
    "a text without an end": b"\x80\x02X\xff\xff\xff\x7fabc",
    "a step that nobody knows": b"\x80\x02\x82\x01.",
    "an end without a beginning": b"\x80\x02.",
    "a mark too few": b"\x80\x02u.",
    "a memory that is empty": b"\x80\x02h\x07.",
    "lists in lists": b"\x80\x02" + b"]" * 10_000 + b"a" * 9_999 + b".",
    "a list of itself": b"\x80\x02]q\x00h\x00a.",
    "a name of nested pairs": b"\x80\x04" + pairs(40) + b"X\x01\x00\x00\x00a\x93.",
    "a number format of nested pairs": b"\x80\x02cnumpy\ndtype\n" + pairs(40) + b"\x85R.",
    "a storage of nested pairs": (
        b"\x80\x02(X\x07\x00\x00\x00storagectorch\nFloatStorage\n" + pairs(40) + b"X\x03\x00\x00\x00cpuK\x01tQ."
    ),
    "a list copied again and again": MANY + b"ctorch\nSize\nq\x01" + b"h\x01h\x00\x85R" * 5_000 + b".",
    "a dict made again and again": (
        MANY_PAIRS + b"ccollections\nOrderedDict\nq\x01" + b"h\x01h\x00\x85R0" * 5_000 + b"."
    ),
    "a text copied again and again": (
        b"\x80\x02c_codecs\nencode\nq\x01X" + struct.pack("<I", 10**5) + b"a" * 10**5 + b"q\x00"
        b"" + b"h\x01h\x00\x85R" * 5_000 + b"."
    ),
    "a dict in a list again and again": (
        b"\x80\x02](}(" + b"".join(b"J" + struct.pack("<i", n) + b"N" for n in range(5_000)) + b"uq\x00"
        b"" + b"h\x00" * 10_000 + b"e."
    ),
}


@pytest.mark.parametrize("wrap", [archive, old_format], ids=["zip", "old"])
@pytest.mark.parametrize("kind", PICKLES)
def test_a_hostile_pickle_ends_in_a_sentence(tmp_path, monkeypatch, kind, wrap):
    monkeypatch.setattr(pickle_steps, "MOST_STEPS", pickle_steps.MOST_STEPS // 10)  # so that a tenth is as hostile
    path = tmp_path / "x.pt"
    path.write_bytes(wrap(PICKLES[kind]))
    for look in (load_embedding, describe_file):
        with pytest.raises(FileError) as caught:
            look(path)
        assert str(caught.value).startswith("x.pt ")


CALLS = [
    ("os", "system", "touch {proof}"),
    ("builtins", "eval", "open('{proof}', 'w')"),
    ("posix", "system", "touch {proof}"),
    ("torch.hub", "load", "{proof}"),
    ("numpy.testing._private.utils", "runstring", "{proof}"),
    ("collections", "OrderedDict.__init__", "{proof}"),
    ("torch.serialization", "load", "{proof}"),
]


@pytest.mark.parametrize("wrap", [archive, old_format, bytes], ids=["zip", "old", "bare"])
@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[0]}.{call[1]}")
def test_what_asks_for_a_function_is_named_and_not_run(tmp_path, call, wrap):
    proof = tmp_path / "proof"
    module, name, argument = call
    path = tmp_path / "x.pt"
    path.write_bytes(b"\x80\x02" + wrap(asks_for(module, name, argument.format(proof=proof))))
    if wrap is not bytes:
        path.write_bytes(wrap(asks_for(module, name, argument.format(proof=proof))))
    with pytest.raises(FileError, match=f"could run code: it asks for {module}.{name}"):
        load_embedding(path)
    assert not proof.exists()


def peak_of(path) -> int:
    """Bytes of Python's that reading a file takes at most."""
    tracemalloc.start()
    with contextlib.suppress(FileError):
        load_embedding(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_an_entry_that_grows_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"string_to_param": {"*": L2}}, path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "y.pt", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, b"little" + bytes(200_000_000) if name.endswith("byteorder") else old.read(name))
    assert peak_of(tmp_path / "y.pt") < 50_000_000


def test_one_array_under_many_names_is_there_once(tmp_path):
    array = numpy.ones((1000, 768), dtype=numpy.float32)
    path = tmp_path / "x.pt"
    torch.save({f"<{n}>": array for n in range(200)}, path, pickle_protocol=4)
    assert peak_of(path) < 50_000_000


def test_names_beside_tensors_are_named(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"string_to_param": {"*": L2}, "when": zipfile.ZipInfo}, path)
    with pytest.raises(FileError, match=r"it asks for zipfile\.ZipInfo"):
        load_embedding(path)


def test_a_directory_of_a_million_entries_is_not_listed(tmp_path):
    entry = b"PK\1\2" + bytes(24) + struct.pack("<H", 1) + bytes(16) + b"a"
    count = 1_200_000
    directory = entry * count
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, len(directory), 4, 0)
    path = tmp_path / "x.pt"
    path.write_bytes(b"PK\3\4" + directory + end)
    tracemalloc.start()
    with pytest.raises(FileError):
        load_embedding(path)
    assert tracemalloc.get_traced_memory()[1] < 100_000_000
    tracemalloc.stop()


def test_two_directories_are_read_as_one_and_hold_no_memory(tmp_path):
    """One directory at the end, another before it that says gigabytes: only one of them is looked at, by one reader."""
    inner = io.BytesIO()
    torch.save({"emb_params": L2}, inner)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x/data.pkl", b"\0" * 200_000_000)
    path = tmp_path / "x.pt"
    for data in (inner.getvalue() + bomb.getvalue(), bomb.getvalue() + inner.getvalue()):
        path.write_bytes(data)
        tracemalloc.start()
        with contextlib.suppress(FileError):
            assert torch.equal(load_embedding(path).vectors["clip_l"], L2)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
        tracemalloc.stop()


def test_a_file_of_many_tensors_is_opened_once_or_twice(tmp_path, monkeypatch):
    header = {f"x{n}": {"dtype": "F32", "shape": [1], "data_offsets": [4 * n, 4 * n + 4]} for n in range(4_000)}
    raw = json.dumps(header).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(16_000))
    opened = []
    real = type(path).open
    monkeypatch.setattr(type(path), "open", lambda self, *a, **k: (opened.append(self), real(self, *a, **k))[1])
    for look in (load_embedding, describe_file):
        with pytest.raises(FileError):
            look(path)
    assert len(opened) < 10


# What safetensors itself refuses, and so every program that reads with it.


def header_of(data: bytes) -> tuple[dict, bytes]:
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def joined(header: object, body: bytes) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + body


def spoiled(kind: str) -> bytes:
    header, body = header_of(save({"emb_params": L2}))
    entry = header["emb_params"]
    if kind == "bytes behind the tensors":
        return joined(header, body + b"1234")
    if kind == "a hole before a tensor":
        entry["data_offsets"] = [8, len(body) + 8]
        return joined(header, bytes(8) + body)
    if kind == "a hole between tensors":
        other = {"dtype": "F32", "shape": [1], "data_offsets": [len(body) + 4, len(body) + 8]}
        return joined({**header, "x": other}, body + bytes(8))
    if kind == "half of a surrogate pair as a name":
        return joined(json.dumps({"\ud800": entry}).encode(), body)
    if kind == "half of a surrogate pair in the metadata":
        return joined(json.dumps({"__metadata__": {"a": "\udc00"}, **header}).encode(), body)
    return joined({"__metadata__": json.loads(kind), **header}, body)


SPOILED = [
    "bytes behind the tensors",
    "a hole before a tensor",
    "a hole between tensors",
    "half of a surrogate pair as a name",
    "half of a surrogate pair in the metadata",
    *("[]", "0", "false", '""', '"text"', '{"a": 1}', '{"a": null}'),
]


@pytest.mark.parametrize("kind", SPOILED)
def test_what_safetensors_refuses_is_refused(tmp_path, kind):
    path = tmp_path / "x.safetensors"
    path.write_bytes(spoiled(kind))
    with pytest.raises(SafetensorError), safe_open(path, "pt"):
        pass
    for look in (load_embedding, describe_file):
        with pytest.raises(FileError):
            look(path)


@pytest.mark.parametrize("kind", ["null", "{}", '{"a": "\\ud83d\\ude00"}'])
def test_what_safetensors_takes_is_taken(tmp_path, kind):
    path = tmp_path / "x.safetensors"
    path.write_bytes(spoiled(kind))
    with safe_open(path, "pt"):
        pass
    assert torch.equal(load_embedding(path).vectors["clip_l"], L2)


def test_reading_is_quick_where_hashing_would_take_years(tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(archive(nested_key(60)))
    begun = time.process_time()
    with pytest.raises(FileError):
        read_pickle(path)
    assert time.process_time() - begun < 20  # where it was 2 ** 60 steps


def gguf(values: bytes, count: int = 1) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, 0, count) + values


def named(kind: int, rest: bytes) -> bytes:
    return struct.pack("<Q", 1) + b"a" + struct.pack("<I", kind) + rest


GGUFS = {
    "numbers without end": gguf(named(9, struct.pack("<IQ", 0, 2**40))),
    "texts without end": gguf(named(9, struct.pack("<IQ", 8, 2**40))),
    "arrays in arrays": gguf(named(9, struct.pack("<IQ", 9, 1) * 50)),
    "values without end": gguf(b"", 2**40),
    "a long text": gguf(named(8, struct.pack("<Q", 2**62))),
    "an unknown kind": gguf(named(77, b"")),
    "the other order of bytes": b"GGUF" + struct.pack(">IQQ", 3, 0, 2**40),
    "nothing": b"GGUF",
    "something else": bytes(100),
}


@pytest.mark.parametrize("name", GGUFS)
def test_a_gguf_s_counts_are_checked(tmp_path, name):
    path = tmp_path / "x.gguf"
    path.write_bytes(GGUFS[name])
    with pytest.raises(ValueError, match=r"its header|begin"):
        check_gguf_header(path)


def test_a_good_gguf_passes(tmp_path):
    path = tmp_path / "x.gguf"
    texts = named(9, struct.pack("<IQ", 8, 2) + (struct.pack("<Q", 3) + b"cat") * 2)
    number = named(9, struct.pack("<IQ", 4, 1) + b"1234")
    path.write_bytes(gguf(named(8, struct.pack("<Q", 2) + b"ab") + texts + number, 3))
    check_gguf_header(path)
