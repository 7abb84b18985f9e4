"""Damaged files of every layout: each is read or refused in a sentence, in bounded time and memory; no code runs.

Good files of all kinds, pictures and GGUF among them, are spoiled at random (bytes changed, cut, swapped, doubled;
pickles whose globals are replaced by a call that would leave a mark; archives whose entries are packed so that a
gigabyte comes out) and given to whatever opens a file that somebody has got: reading, the check of where it loads, the
folder of embeddings, and of a GGUF the opening as a checkpoint. Where the package `gguf` is missing, of such files the
header alone is read. Needs the test packages.

    python -m benchmarks.hostile_files --count 3000 --seed 1
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import os
import pickle
import random
import resource
import struct
import sys
import tempfile
import time
import warnings
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import torch
from safetensors.torch import save

from lib_embmerge.errors import EmbeddingMergeError, FileError
from lib_embmerge.files.checkpoint_files import open_checkpoint
from lib_embmerge.files.gguf_header import check_gguf_header
from lib_embmerge.files.installed_embeddings import EmbeddingFolder
from lib_embmerge.files.reading import load_embeddings
from lib_embmerge.frontends.cli import run_command
from tests.files.kinds import png_with_text
from tests.files.variants import hidden

LONGEST_S = 5.0
"""CPU seconds that a file may take."""
MOST_MEMORY = 300e6
"""Bytes by which the process may have grown at the end."""


def _pt(content: object, **options: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)  # type: ignore[arg-type]
    return file.getvalue()


def good_files() -> dict[str, bytes]:
    """Return a small file of each kind, by its name."""
    l_rows, g_rows = torch.ones(3, 768), torch.ones(3, 1280)
    trained = {"string_to_param": {"*": l_rows}, "string_to_token": {"*": 265}, "name": "x", "step": 5}
    return {
        "one.safetensors": save({"emb_params": l_rows}, {"embmerge.expression": "'cat'"}),
        "two.safetensors": save({"clip_l": l_rows, "clip_g": g_rows}),
        "lora.safetensors": save({"bundle_emb.x.clip_l": l_rows, "lora_unet_a.lora_up.weight": torch.ones(2, 2)}),
        "trained.pt": _pt(trained),
        "old.pt": _pt(trained, _use_new_zipfile_serialization=False),
        "plain.bin": _pt({"<birb>": l_rows[0]}),
        "rows.pt": _pt([{"emb": l_rows[0]}, {"emb": l_rows[1]}]),
        "parameter.pt": _pt({"string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(l_rows)})}),
        "bare.pt": _pt(l_rows),
        "text.png": png_with_text(),
        "hidden.png": hidden("PNG"),
        "hidden.webp": hidden("WEBP"),
        "text.gguf": _gguf(),
    }


def _gguf() -> bytes:
    """Return a GGUF of one small table, with a list of tokens in its header."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    tokens = b"".join(map(text, ("a", "cat", "<end>")))
    values = text("general.architecture") + struct.pack("<I", 8) + text("gemma2")
    values += text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 3) + tokens
    values += text("tokenizer.ggml.scores") + struct.pack("<IIQ3f", 9, 6, 3, 0, 1, 2)
    table = text("token_embd.weight") + struct.pack("<IQQIQ", 2, 4, 3, 0, 0)
    header = b"GGUF" + struct.pack("<IQQ", 3, 1, 3) + values + table
    return header + bytes(-len(header) % 32) + bytes(48)


class Calls:
    """Something that unpickling would call, and so leave a mark."""

    def __init__(self, mark: Path) -> None:
        """Take the folder that the call would make."""
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        """Return the call."""
        return (os.mkdir, (str(self.mark),))


def spoil(raw: bytes, chance: random.Random, mark: Path) -> bytes:
    """Return the bytes changed in one of several ways."""
    ways = (_flip, _cut, _double, _swap, _number, _with_call, _bomb)
    return chance.choice(ways)(raw, chance, mark)


def _flip(raw: bytes, chance: random.Random, _mark: Path) -> bytes:
    changed = bytearray(raw)
    near_the_start = chance.random() < 0.7
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(min(len(raw), 400) if near_the_start else len(raw))] = chance.randrange(256)
    return bytes(changed)


def _cut(raw: bytes, chance: random.Random, _mark: Path) -> bytes:
    return raw[: chance.randrange(len(raw))]


def _double(raw: bytes, chance: random.Random, _mark: Path) -> bytes:
    start = chance.randrange(len(raw))
    return raw + raw[start : start + chance.randrange(1, 4000)]


def _swap(raw: bytes, chance: random.Random, _mark: Path) -> bytes:
    a, b = sorted(chance.randrange(len(raw)) for _ in range(2))
    return raw[:a] + raw[b : b + 50] + raw[a + 50 : b] + raw[a : a + 50] + raw[b + 50 :]


def _number(raw: bytes, chance: random.Random, _mark: Path) -> bytes:
    """Put a huge number where a length or a count may stand."""
    at = chance.randrange(max(1, min(len(raw), 600) - 8))
    return raw[:at] + chance.choice([2**31 - 1, 2**62, 2**64 - 1, 0]).to_bytes(8, "little") + raw[at + 8 :]


def _with_call(raw: bytes, chance: random.Random, mark: Path) -> bytes:
    """Put a pickle that calls something in the place of the file's own, in the archive where it is one."""
    evil = pickle.dumps({"string_to_param": {"*": Calls(mark)}}, protocol=chance.choice([0, 2, 4]))
    if not zipfile.is_zipfile(io.BytesIO(raw)):
        return evil
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(made, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, evil if entry.filename.endswith("data.pkl") else old.read(entry))
    return made.getvalue()


def _bomb(raw: bytes, chance: random.Random, _mark: Path) -> bytes:
    """Pack an entry of the archive, a storage or another, so that very much comes out of it."""
    if not zipfile.is_zipfile(io.BytesIO(raw)):
        return _number(raw, chance, _mark)
    made = io.BytesIO()
    way = chance.choice([zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED])
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(made, "w") as new:
        spoilt = chance.choice(old.infolist()).filename
        for entry in old.infolist():
            if entry.filename != spoilt:
                new.writestr(entry.filename, old.read(entry))
                continue
            with _packed(new, entry.filename, way) as written:
                for _ in range(chance.choice([1, 64, 256])):
                    written.write(bytes(2**20))
    return made.getvalue()


def _packed(archive: zipfile.ZipFile, name: str, way: int) -> IO[bytes]:
    entry = zipfile.ZipInfo(name)
    entry.compress_type = way
    return archive.open(entry, "w")


def _open(path: Path) -> None:
    if path.suffix != ".gguf":
        load_embeddings(path)
        return
    try:
        check_gguf_header(path)
    except ValueError as error:
        raise FileError(f"{path.name}: {error}.") from error
    if find_spec("gguf"):
        open_checkpoint(path)


def main() -> int:
    """Spoil, open, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    chance = random.Random(options.seed)
    good = good_files()
    came: collections.Counter[str] = collections.Counter()
    slowest, longest_line, began = 0.0, 0, _memory()
    with tempfile.TemporaryDirectory() as place:
        folder, mark = Path(place) / "embeddings", Path(place) / "mark"
        folder.mkdir()
        for _ in range(options.count):
            name = chance.choice(list(good))
            path = folder / name
            path.write_bytes(spoil(good[name], chance, mark))
            started = time.process_time()
            try:
                _open(path)
                came["read"] += 1
            except EmbeddingMergeError as error:
                came["refused"] += 1
                longest_line = max(longest_line, *map(len, str(error).split("\n")))
            except Exception as error:  # noqa: BLE001  # what this looks for
                came[f"{type(error).__qualname__}: {error}"] += 1
            longest_line = max(longest_line, _longest_line_of_check(path))
            slowest = max(slowest, time.process_time() - started)
            with contextlib.suppress(EmbeddingMergeError):
                EmbeddingFolder(folder).named(path.stem)
            path.unlink()
        has_run = mark.exists()
    grown = _memory() - began
    print("| files | read | refused | anything else | slowest | longest line | memory grown | code ran |")
    print("|---|---|---|---|---|---|---|---|")
    others = options.count - came["read"] - came["refused"]
    print(
        f"| {options.count:,} | {came.pop('read', 0):,} | {came.pop('refused', 0):,} | {others} | {slowest:.2f} s "
        f"| {longest_line} | {grown / 1e6:.0f} MB | {'yes' if has_run else 'no'} |"
    )
    for fault, number in came.most_common(20):
        print(f"\n{number} × {fault}")
    return 1 if others or has_run or slowest > LONGEST_S or grown > MOST_MEMORY or longest_line > 200 else 0


def _longest_line_of_check(path: Path) -> int:
    """Run the command `check` on a file; return the length of the longest line that it prints without the path."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        run_command(["check", str(path)])
    return max((len(line.replace(str(path), path.name)) for line in said.getvalue().split("\n")), default=0)


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main())
