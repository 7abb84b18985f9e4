"""Put small faults into the code that decides, and count those that the tests see.

    python -m benchmarks.mutation [PART …] [--sample 60] [--seed 1] [--minutes 5]

From the repository's root, with Python 3.11 or newer, on Linux or macOS. For each part a sample of all faults of its
files is drawn; a fault is tried with the tests that run its line, the quickest first. Prints a Markdown table and each
fault that lived. A fault that changes nothing that anybody could notice lives rightly; see which before writing a test.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch

from .mutants import Mutant, find_mutants
from .trial import Trial

ROOT = Path(__file__).resolve().parents[2]
PARTS: dict[str, tuple[list[str], list[str]]] = {
    "language": (["language/*.py"], ["tests/language"]),
    "vectors": (["vectors/**/*.py"], ["tests/vectors", "tests/evaluation"]),
    "evaluation": (["evaluation/*.py"], ["tests/evaluation", "tests/test_saving.py", "tests/test_merge.py"]),
    "merge": (["merge.py"], ["tests/test_merge.py", "tests/test_alternatives.py", "tests/hosts/test_forge.py"]),
    "placeholders": (
        ["placeholders.py"],
        ["tests/test_placeholders.py", "tests/test_merge.py", "tests/hosts/test_neo.py"],
    ),
    "conditioning": (
        ["hosts/pipeline/conditioning.py"],
        [f"tests/hosts/test_{name}.py" for name in ("conditioning", "a1111", "forge", "neo")],
    ),
}
"""By part: its files in the package, and its tests."""

SEEN = ("seen", "too slow")


def main() -> int:
    """Try the faults of the wanted parts; give the exit status."""
    wanted = _arguments()
    torch.set_num_threads(1)
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    print("| part | faults | tried | seen | not run | score |\n|---|---|---|---|---|---|", flush=True)
    lived: list[str] = []
    for part in wanted.parts or PARTS:
        child = os.fork()  # each part imports the package for itself
        if child == 0:
            os._exit(_try_part(part, wanted))
        _, status = os.waitpid(child, 0)
        lived += [part] if status else []
    return 1 if lived else 0


def _try_part(part: str, wanted: argparse.Namespace) -> int:
    files, tests = PARTS[part]
    paths = [path for pattern in files for path in sorted((ROOT / "lib_embmerge").glob(pattern))]
    all_mutants = [mutant for path in paths for mutant in find_mutants(path)]
    drawn = random.Random(wanted.seed).sample(all_mutants, min(wanted.sample, len(all_mutants)))
    trial = Trial(drawn, tests, time.monotonic() + 60 * wanted.minutes)
    output = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    status = pytest.main(["-q", "-p", "no:cacheprovider", "--no-header", *tests], plugins=[trial])
    if not trial.results:
        return int(status) or 1
    os.write(output, _report(part, len(all_mutants), trial.results).encode())
    return 0


def _report(part: str, faults: int, results: dict[Mutant, str]) -> str:
    counted = Counter(results.values())
    seen = sum(counted[result] for result in SEEN)
    row = f"| {part} | {faults} | {len(results)} | {seen} | {counted['not run']} | {seen / len(results):.0%} |\n"
    living = sorted((m for m, result in results.items() if result not in SEEN), key=lambda m: (m.path, m.line))
    lines = (f"    {m.path.relative_to(ROOT)}:{m.line} {results[m]}: {m.what}\n" for m in living)
    return row + "".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutation", description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}")
    parser.add_argument("--sample", type=int, default=60, help="faults of each part")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5, help="for each part, at most")
    found = parser.parse_args()
    if set(found.parts) - set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    return found


if __name__ == "__main__":
    sys.exit(main())
