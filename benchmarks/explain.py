"""`explain` on random tables of SDXL's size: what it finds, and its time over one product of a vector with the tables.

    OMP_NUM_THREADS=1 python -m benchmarks.explain
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from lib_embmerge.vectors.sparse_fit import WordFit, WordTable, fit_words
from lib_embmerge.vectors.vocabulary import Vocabulary

ROWS = 49_408
WIDTHS = 768, 1280
EXCLUDED = ROWS - 2, ROWS - 1
KINDS = ["1 word", "2 words", "4 words", "8 words", "noise", "2 words, half noise", "4 words, half noise"]
ALONE, TOGETHER = 9.0, 4.0
"""Products with the tables whose time a vector may take, by itself and among many."""
RUNS = 9


def main() -> int:
    """Explain vectors of all kinds; return 1 where a demand is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=24, help="vectors that are explained together")
    options = parser.parse_args()
    made = torch.Generator().manual_seed(0)
    tables = [torch.randn(ROWS, width, generator=made) * 0.014 for width in WIDTHS]
    words = [_as_table(table) for table in tables]
    for _ in range(2):  # statistics, and rows in memory
        list(fit_words(_vectors("noise", 1, 0, tables)[0], words))
    product = _product_seconds(tables)
    print(f"A product of one vector with both tables: {1000 * product:.0f} ms\n")
    print("| | alone, products | ms | together, products | ms | found |\n|---|---|---|---|---|---|")
    bad = False
    for kind in KINDS:
        alone = [_explain(kind, 1, seed, tables, words) for seed in range(RUNS)]
        together = _explain(kind, options.count, 100, tables, words)
        seconds = [statistics.median(took for took, _ in alone), together[0]]
        found, tried = sum(right for _, right in alone) + together[1], RUNS + options.count
        ratios = [each / product for each in seconds]
        bad |= ratios[0] > ALONE or ratios[1] > TOGETHER or found < tried
        shown = " | ".join(f"{ratio:.1f} | {1000 * each:.0f}" for ratio, each in zip(ratios, seconds, strict=True))
        print(f"| {kind} | {shown} | {found} of {tried} |", flush=True)
    return int(bad)


def _as_table(rows: Tensor) -> WordTable:
    vocabulary = Vocabulary(lambda start, stop: rows[start:stop], size=ROWS, width=rows.shape[1], excluded=EXCLUDED)
    return WordTable(vocabulary, lambda ids: rows[list(ids)])


def _vectors(kind: str, count: int, seed: int, tables: list[Tensor]) -> tuple[list[Tensor], list[set[int]]]:
    """Return vectors by table, and the words in each."""
    made = torch.Generator().manual_seed(1000 + seed)
    words = int(kind[0]) if kind != "noise" else 1
    ids = torch.stack([torch.randperm(ROWS - 2, generator=made)[:words] for _ in range(count)])
    signs = torch.randint(0, 2, (count, words, 1), generator=made) * 2.0 - 1
    sums = [(table[ids] * signs).sum(dim=1) for table in tables]
    if "noise" not in kind:
        return sums, [set(each) for each in ids.tolist()]
    noise = [torch.nn.functional.normalize(torch.randn(one.shape, generator=made)) for one in sums]
    if kind == "noise":
        return noise, [set() for _ in range(count)]
    both = [torch.nn.functional.normalize(one) + other for one, other in zip(sums, noise, strict=True)]
    return both, [set(each) for each in ids.tolist()]


def _explain(kind: str, count: int, seed: int, tables: list[Tensor], words: list[WordTable]) -> tuple[float, int]:
    """Return seconds of CPU a vector, and in how many the words were found and no more."""
    vectors, planted = _vectors(kind, count, seed, tables)
    start = time.process_time()
    fits = list(fit_words(vectors, words))
    took = (time.process_time() - start) / count
    return took, sum(_is_right(fit, ids) for fit, ids in zip(fits, planted, strict=True))


def _is_right(fit: WordFit, planted: set[int]) -> bool:
    return set(fit.ids) == planted if planted else fit.is_chance


def _product_seconds(tables: list[Tensor]) -> float:
    vectors = [torch.randn(1, table.shape[1]) for table in tables]

    def multiply() -> None:
        for one, table in zip(vectors, tables, strict=True):
            one @ table.T

    return min(_seconds(multiply) for _ in range(RUNS))


def _seconds(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    sys.exit(main())
