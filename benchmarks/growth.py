"""Measure how the language's time grows with the length of a text: a text four times as long takes about four times.

    python benchmarks/growth.py [--characters 4000] [--rounds 5]

Takes the texts with which the tests try to hang the parser and the search for expressions in a prompt. Prints a
Markdown table of times and their ratios; the exit status is 1 where something grows faster than the demand.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib_embmerge.errors import EmbeddingMergeError
from lib_embmerge.language import find_islands, parse, plain_text_warnings
from tests.language.huge_texts import huge_expressions, huge_plain_texts, huge_prompts

TIMES = 4
"""How many times as long the longer text is."""
MOST_GROWTH = 8.0
"""Between what is linear (4) and what is quadratic (16)."""
MOST_SCAN = 5.0
"""What the search for expressions may cost in a prompt that has none, in times of splitting it into words."""
NOISE = 0.001
"""Seconds below which a time says nothing."""


def seconds(work: Callable[[str], object], text: str, rounds: int) -> float:
    """Return the least CPU time of one call."""
    least = float("inf")
    for _ in range(rounds):
        gc.collect()
        start = time.process_time()
        with contextlib.suppress(EmbeddingMergeError):
            work(text)
        least = min(least, time.process_time() - start)
    return least


def growths(characters: int, rounds: int) -> Iterator[tuple[str, float, float]]:
    """Yield a name, the time of the shorter text and that of the longer one, in seconds."""
    works: list[tuple[Callable[[str], object], Callable[[int], dict[str, str]]]] = [
        (parse, huge_expressions),
        (find_islands, huge_prompts),
        (plain_text_warnings, huge_plain_texts),
    ]
    for work, texts in works:
        longer = texts(characters * TIMES)
        for name, text in texts(characters).items():
            yield f"{work.__name__}: {name}", seconds(work, text, rounds), seconds(work, longer[name], rounds)


def scan_over_split(rounds: int) -> float:
    """Return the cost of the search in a long prompt without expressions, in times of splitting it into words."""
    prompt = "a photo of (a cat:1.2), <lora:x:0.5>, [b|c], {wild|card}, masterpiece, " * 1_000
    return seconds(find_islands, prompt, rounds) / seconds(str.split, prompt, rounds)


def main() -> int:
    """Run all and print the report."""
    parser = argparse.ArgumentParser(description="Measure how the language's time grows with a text's length.")
    parser.add_argument("--characters", type=int, default=4_000, help="of the shorter text")
    parser.add_argument("--rounds", type=int, default=5, help="of which the best counts")
    options = parser.parse_args()

    failed = 0
    print(f"| {options.characters} characters, then {TIMES} times as many | ms | ms | ratio |\n|---|---|---|---|")
    for name, short, long in growths(options.characters, options.rounds):
        ratio = long / max(short, NOISE)
        failed += ratio > MOST_GROWTH
        print(f"| {name} | {short * 1e3:.2f} | {long * 1e3:.2f} | {ratio:.1f} |")
    scan = scan_over_split(options.rounds)
    failed += scan > MOST_SCAN
    print(f"\nA prompt without expressions: {scan:.2f} of splitting it into words (at most {MOST_SCAN}).")
    print(f"{failed} over the demand (growth at most {MOST_GROWTH})." if failed else "All within the demand.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
