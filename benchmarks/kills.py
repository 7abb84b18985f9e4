"""Saving that is killed: whatever the moment, a file is whole or not there, and what a killed save leaves goes away.

A child process saves and replaces embeddings as fast as it can; it is killed at a moment by chance. Then every file
that has an embedding's name must be one of those that were to be written, byte for byte.

    python -m benchmarks.kills --count 500 --seed 1
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch

from lib_embmerge.files.writing import encode_embedding, write_embedding

NAMES = ("one", "two", "three")
LONGEST_LIFE_S = 0.05


def contents(number: int) -> dict[str, torch.Tensor]:
    """Return one of four different embeddings, of 0.1 to 0.5 MB."""
    rows = 12 * (1 + number % 4)
    return {"clip_l": torch.full((rows, 768), number % 4 + 1.0), "clip_g": torch.full((rows, 1280), number % 4 + 1.0)}


def save_for_ever(folder: Path, number: int) -> None:
    """Save and replace until somebody ends the process."""
    while True:
        number += 1
        write_embedding(contents(number), folder, NAMES[number % len(NAMES)], metadata={}, overwrite=True)


def kill_once(folder: Path, chance: random.Random) -> None:
    """Start a process that saves, and kill it after a moment."""
    number = chance.randrange(12)
    child = os.fork()
    if child == 0:
        try:
            save_for_ever(folder, number)
        finally:
            os._exit(1)
    time.sleep(chance.uniform(0, LONGEST_LIFE_S))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def main() -> int:
    """Kill, look, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)  # threads do not survive a fork
    whole = {encode_embedding(contents(number), metadata={}) for number in range(4)}
    chance = random.Random(options.seed)
    torn, written = 0, 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for _ in range(options.count):
            kill_once(folder, chance)
            found = list(folder.glob("*.safetensors"))
            written += len(found)
            torn += sum(path.read_bytes() not in whole for path in found)
        most = len(list(folder.glob(".embmerge-*")))
        for path in folder.glob(".embmerge-*"):
            os.utime(path, (0, 0))  # as if a day had gone by
        write_embedding(contents(0), folder, "last", metadata={})
        left = len(list(folder.glob(".embmerge-*")))
    print("| kills | files looked at | torn | unfinished | left by the next save, a day later |")
    print("|---|---|---|---|---|")
    print(f"| {options.count} | {written:,} | {torn} | {most} | {left} |")
    return 1 if torn or left or not written else 0


if __name__ == "__main__":
    sys.exit(main())
