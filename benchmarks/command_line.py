"""Measure the command line on a checkpoint of SDXL's layout and size, each figure against a baseline of the same run.

    python benchmarks/command_line.py [--rounds 11] [--dir DIR]

Makes two sparse files of 6.9 GB (half a megabyte on the disk), saves an embedding from one with `embmerge save`, checks
what was written to the bit, and compares. Prints a Markdown table; the exit status is 1 where a demand is missed.
Needs Linux for the figures of memory and of bytes read.
"""

from __future__ import annotations

import argparse
import array
import json
import math
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

WOMAN = 2308
"""The token id of the word."""
ROWS = (0, 320, 530, 1000, WOMAN, 2368, 49406, 49407)
"""Rows that are written; the rest of the file are holes, which read as zeros."""
VOCABULARY = 49408
FILE_SIZE = 6_938_078_334
"""Bytes of sd_xl_base_1.0.safetensors."""

KEYS = {
    "clip_l": "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight",
    "clip_g": "conditioner.embedders.1.model.token_embedding.weight",
}
WIDTHS = {"clip_l": 768, "clip_g": 1280}

MOST = {"save": 1.3, "bytes": 2_000_000, "memory": 60.0, "help": 0.2}
"""What is demanded: times of the baseline, bytes, MiB."""

BASELINE = ("-c", "import torch, safetensors")
BARE_TORCH = ("-c", "import torch")


# --- The checkpoint -------------------------------------------------------------------------------------------------


def text_encoder_shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the names and shapes of SDXL's two text encoders, as its file has them."""
    first = "conditioner.embedders.0.transformer.text_model."
    yield KEYS["clip_l"], (VOCABULARY, 768)
    yield f"{first}embeddings.position_embedding.weight", (77, 768)
    for layer in range(12):
        beginning = f"{first}encoder.layers.{layer}."
        for name in ("self_attn.k_proj", "self_attn.out_proj", "self_attn.q_proj", "self_attn.v_proj"):
            yield from _linear(f"{beginning}{name}", 768, 768)
        yield from _linear(f"{beginning}mlp.fc1", 3072, 768)
        yield from _linear(f"{beginning}mlp.fc2", 768, 3072)
        for name in ("layer_norm1", "layer_norm2"):
            yield from _norm(f"{beginning}{name}", 768)
    yield from _norm(f"{first}final_layer_norm", 768)
    second = "conditioner.embedders.1.model."
    yield KEYS["clip_g"], (VOCABULARY, 1280)
    yield f"{second}positional_embedding", (77, 1280)
    yield f"{second}text_projection", (1280, 1280)
    yield f"{second}logit_scale", ()
    for layer in range(32):
        beginning = f"{second}transformer.resblocks.{layer}."
        yield f"{beginning}attn.in_proj_weight", (3840, 1280)
        yield f"{beginning}attn.in_proj_bias", (3840,)
        yield from _linear(f"{beginning}attn.out_proj", 1280, 1280)
        yield from _linear(f"{beginning}mlp.c_fc", 5120, 1280)
        yield from _linear(f"{beginning}mlp.c_proj", 1280, 5120)
        for name in ("ln_1", "ln_2"):
            yield from _norm(f"{beginning}{name}", 1280)
    yield from _norm(f"{second}ln_final", 1280)


def _linear(name: str, rows: int, columns: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (rows, columns)
    yield f"{name}.bias", (rows,)


def _norm(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def make_checkpoint(path: Path, seed: int) -> Mapping[str, Mapping[int, list[float]]]:
    """Write a sparse file of SDXL's layout and size; give the rows that it holds, by encoder and id."""
    entries: dict[str, dict[str, object]] = {}
    at = 0
    for name, shape in text_encoder_shapes():
        at = _place(entries, name, shape, at)
    # The diffusion model and the VAE: as many keys of about that length as the real file has, sharing what is left.
    unet = "model.diffusion_model.input_blocks.{}.1.transformer_blocks.{}.attn2.to_out.0.weight"
    vae = "first_stage_model.decoder.up.{}.block.{}.norm1.weight"
    rest = [*(unet.format(*divmod(i, 99)) for i in range(1680)), *(vae.format(*divmod(i, 64)) for i in range(248))]
    for i, name in enumerate(rest):
        left = (FILE_SIZE - at) // 2
        at = _place(entries, name, (left // (len(rest) - i),), at)
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    numbers = random.Random(seed)
    rows: dict[str, dict[int, list[float]]] = {}
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for encoder, key in KEYS.items():
            start, width = 8 + len(header) + entries[key]["data_offsets"][0], WIDTHS[encoder]  # type: ignore[index]
            rows[encoder] = {}
            for id_ in ROWS:
                data = struct.pack(f"<{width}e", *(numbers.gauss(0, 0.03) for _ in range(width)))
                file.seek(start + 2 * width * id_)
                file.write(data)
                rows[encoder][id_] = list(struct.unpack(f"<{width}e", data))
        file.truncate(8 + len(header) + at)
    return rows


def _place(entries: dict[str, dict[str, object]], name: str, shape: tuple[int, ...], at: int) -> int:
    end = at + 2 * math.prod(shape)
    entries[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [at, end]}
    return end


def read_embedding(path: Path) -> dict[str, tuple[list[int], list[float]]]:
    """Read a written file with nothing but the format's description: shape and numbers by key."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    found = {}
    for name, entry in header.items():
        if name != "__metadata__":
            assert entry["dtype"] == "F32", entry
            begin, end = entry["data_offsets"]
            found[name] = (entry["shape"], array.array("f", data[8 + length + begin : 8 + length + end]).tolist())
    return found


# --- Measuring ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """What one process cost: wall and CPU time in seconds, peak memory in MiB, bytes it read."""

    wall: float
    cpu: float
    memory: float
    read: int


def run(arguments: Sequence[str]) -> Cost:
    """Run a process of this Python and measure it.

    Raises: SystemExit where it fails.
    """
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, *arguments], stdout=output, stderr=output)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and can still be asked
        wall = time.perf_counter() - start
        read = _bytes_read(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise SystemExit(f"{arguments} failed:\n{output.read().decode(errors='replace')}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, read)


def _bytes_read(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])


def measure(jobs: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[Cost]]:
    """Run the jobs in turn, so that what slows the machine slows all of them; the first round only warms the disk."""
    costs: dict[str, list[Cost]] = {name: [] for name in jobs}
    for number in range(rounds + 1):
        for name, arguments in jobs.items():
            cost = run(arguments)
            if number:
                costs[name].append(cost)
    return costs


def bytes_of_file(arguments: Sequence[str], checkpoint: Path, folder: Path) -> int | None:
    """Count the bytes that a process reads from a file, by strace; None where there is none."""
    if shutil.which("strace") is None:
        return None
    log = folder / "strace.log"
    calls = "trace=openat,read,pread64,readv,preadv,mmap"
    command = ["strace", "-f", "-y", "-e", calls, "-o", str(log), sys.executable, *arguments]
    subprocess.run(command, check=True, capture_output=True)
    own = [line for line in log.read_text(errors="replace").splitlines() if f"<{checkpoint}>" in line]
    if any("mmap(" in line for line in own):
        raise SystemExit("the file is mapped; bytes read of it cannot be counted this way")
    return sum(int(line.rsplit("= ", 1)[1].split()[0]) for line in own if "read" in line.split("(")[0])


# --- The checks -----------------------------------------------------------------------------------------------------


def check_written(path: Path, rows: Mapping[str, Mapping[int, list[float]]]) -> None:
    """Check that a file holds row 2308 of each table.

    Raises: SystemExit where it does not.
    """
    found = read_embedding(path)
    for encoder, width in WIDTHS.items():
        shape, numbers = found[encoder]
        if shape != [1, width] or numbers != rows[encoder][WOMAN]:
            raise SystemExit(f"{path}: {encoder} {shape} is not row {WOMAN} of its table")
    print(f"{path.name}: clip_l [1,768] and clip_g [1,1280], equal to row {WOMAN} of each table")


def check_compared(
    arguments: Sequence[str], a: Mapping[str, Mapping[int, list[float]]], b: Mapping[str, Mapping[int, list[float]]]
) -> None:
    """Check the figures of `embmerge compare` against plain arithmetic.

    Raises: SystemExit where they differ.
    """
    command = [sys.executable, *arguments]
    output = subprocess.run([*command, "--json"], check=True, capture_output=True, text=True).stdout
    shown = json.loads(output)["encoders"]
    for encoder in WIDTHS:
        x, y = a[encoder][WOMAN], b[encoder][WOMAN]
        off = [abs(p - q) for p, q in zip(x, y, strict=True)]
        cosine = math.fsum(p * q for p, q in zip(x, y, strict=True)) / math.hypot(*x) / math.hypot(*y)
        figures = shown[encoder]
        expected = (math.fsum(off) / len(off), max(off), cosine)
        found = (figures["mean_absolute"], figures["max_absolute"], figures["cosines"][0])
        if not all(math.isclose(p, q, rel_tol=1e-5, abs_tol=1e-7) for p, q in zip(found, expected, strict=True)):
            raise SystemExit(f"compare shows {found} for {encoder}, expected {expected}")
    print(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


# --- The report -----------------------------------------------------------------------------------------------------


def ratio(costs: Mapping[str, Sequence[Cost]], job: str, baseline: str) -> float:
    """Give the median of a job's wall times over that of a baseline."""
    return statistics.median(c.wall for c in costs[job]) / statistics.median(c.wall for c in costs[baseline])


def report(costs: Mapping[str, Sequence[Cost]], read: int | None) -> tuple[str, bool]:
    """Give the Markdown table, and whether all demands are met."""
    what = "read of the file"
    if read is None:  # without strace: with the process's own modules and the tokenizer's vocabulary in it
        read, what = round(_extra(costs, "read")), "bytes read beyond the baseline, all files"
    over = {
        "save": ratio(costs, "save", "torch and safetensors"),
        "help": ratio(costs, "help", "torch"),
        "memory": _extra(costs, "memory"),
        "bytes": read,
    }
    lines = [
        "| | demanded | measured |",
        "|---|---|---|",
        f"| `embmerge save` from 6.9 GB, wall time over importing torch and safetensors | ≤ 1.3 | {over['save']:.2f} |",
        f"| the same, {what} | < 2 MB | {over['bytes'] / 1e6:.2f} MB |",
        f"| the same, more memory at its peak | ≤ 60 MB | {over['memory']:.0f} MB |",
        f"| `embmerge --help`, wall time, over importing torch | < 0.2 | {over['help']:.3f} |",
        "",
        "| process | wall s, median | fastest | slowest | CPU s, median | fastest | peak MiB | bytes read, all files |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, found in costs.items():
        walls, cpus = sorted(c.wall for c in found), sorted(c.cpu for c in found)
        lines.append(
            f"| {name} | {statistics.median(walls):.3f} | {walls[0]:.3f} | {walls[-1]:.3f} "
            f"| {statistics.median(cpus):.3f} | {cpus[0]:.3f} "
            f"| {_typical(costs, name, 'memory'):.0f} | {_typical(costs, name, 'read'):,.0f} |"
        )
    return "\n".join(lines), all(over[name] <= most for name, most in MOST.items())


def _extra(costs: Mapping[str, Sequence[Cost]], field: str) -> float:
    return _typical(costs, "save", field) - _typical(costs, "torch and safetensors", field)


def _typical(costs: Mapping[str, Sequence[Cost]], job: str, field: str) -> float:
    return statistics.median(getattr(cost, field) for cost in costs[job])


def main() -> int:
    """Make the files, check, measure, report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--dir", type=Path, help="where to make the files; a temporary folder if not given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir) as name:
        folder = Path(name).resolve()
        a, b = folder / "sdxl-a.safetensors", folder / "sdxl-b.safetensors"
        rows_a, rows_b = make_checkpoint(a, 1), make_checkpoint(b, 2)
        print(f"{a.stat().st_size:,} bytes, {512 * a.stat().st_blocks:,} on the disk")
        embmerge = ("-m", "lib_embmerge")
        woman = (*embmerge, "save", "woman-of-xl", "'woman'", "--checkpoint")
        save = (*woman, str(a), "--dir", str(folder / "out"), "--overwrite")
        (folder / "out").mkdir()
        (folder / "out-b").mkdir()
        run(save)
        check_written(folder / "out" / "woman-of-xl.safetensors", rows_a)
        run((*woman, str(b), "--dir", str(folder / "out-b")))
        check_written(folder / "out-b" / "woman-of-xl.safetensors", rows_b)
        files = [str(folder / out / "woman-of-xl.safetensors") for out in ("out", "out-b")]
        check_compared((*embmerge, "compare", *files), rows_a, rows_b)
        both = ("--checkpoint", str(a), "--checkpoint", str(b))
        check_compared((*embmerge, "compare", "'woman'", *both), rows_a, rows_b)
        jobs = {
            "torch and safetensors": BASELINE,
            "save": save,
            "torch": BARE_TORCH,
            "help": (*embmerge, "--help"),
        }
        costs = measure(jobs, options.rounds)
        text, is_good = report(costs, bytes_of_file(save, a, folder))
    print(text)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
