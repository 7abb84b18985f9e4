"""Expressions and nearest words on a language model's table: 150,000 rows of 2,560 columns, in bfloat16.

    python -m benchmarks.encoders tokenizer.json [--rows 150000] [--columns 2560]

The tokenizer is a real one, as of Qwen 3. Times are of the CPU, the least of some runs. Demands: 50 expressions of
three words take at most 3 times the tokenizer, the rows and the sums alone; nearest words at most 1.5 times one product
with the whole table; neither needs 200 MB beside the table. Linux.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import tokenizers
import torch

from lib_embmerge.host_protocol import TextPieces
from lib_embmerge.hosts.encoders.language_encoder import LanguageEncoder
from lib_embmerge.merge import merge_prompts
from lib_embmerge.models.memory import MemoryModel

EXPRESSIONS = 50
BLOCK = 8192
PAGE = 4096
RUNS = 5


class Tokenizer:
    """A tokenizer's file, called as transformers' are."""

    def __init__(self, rows: int, path: Path) -> None:
        """Take how many rows the table has, and the file."""
        self.rows = rows
        self.inner = tokenizers.Tokenizer.from_file(str(path))

    def __call__(self, text: Sequence[str], **_: object) -> dict[str, list[list[int]]]:
        """Cut texts."""
        found = self.inner.encode_batch(list(text), add_special_tokens=False)
        return {"input_ids": [[token % self.rows for token in one.ids] for one in found]}

    def convert_ids_to_tokens(self, token: int) -> str:
        """Spell a token."""
        return str(self.inner.id_to_token(token))


class Model(MemoryModel):
    """A model without embeddings of its own."""

    def pieces(self, texts: Sequence[str]) -> list[Mapping[str, TextPieces]]:
        """Cut texts, in which no names stand."""
        (encoder,) = self.encoders
        return [{encoder.name: [ids]} for ids in encoder.tokenize(texts)]


def main() -> int:
    """Print the figures; 1 where a demand is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--rows", type=int, default=150_000)
    parser.add_argument("--columns", type=int, default=2_560)
    options = parser.parse_args()
    torch.set_num_threads(1)
    layer = make_layer(options.rows, options.columns)
    tokenizer = Tokenizer(options.rows, options.tokenizer)
    model = Model([LanguageEncoder(tokenizer, layer, key="qwen3_4b")])  # type: ignore[list-item]
    bare = least(lambda seed: sums_of(seed, tokenizer, layer))
    queries = torch.randn(4, options.columns)
    product = least(lambda _: products(queries, layer.weight))
    with watched() as more:
        merging = least(lambda seed: merge_prompts([prompt_of(seed)], model))
        begun = time.process_time()
        vocabulary = model.encoders[0].vocabulary()
        _ = vocabulary.mean_norm
        statistics_time = time.process_time() - begun
        nearest = least(lambda _: vocabulary.nearest(queries, k=8))
    figures = [
        ("50 expressions of three words over tokenizer, rows and sums", merging / bare, 3.0),
        ("nearest words of 4 vectors over one product with the whole table", nearest / product, 1.5),
        ("memory beside the table, MB", more[0] / 1e6, 200.0),
    ]
    print(f"| {options.rows:,} rows of {options.columns:,} columns, bfloat16 | | demand |\n|---|---|---|")
    for what, found, demand in figures:
        print(f"| {what} | {found:.2f} | {demand:g} |")
    print(f"| the table's statistics, once a model, seconds | {statistics_time:.2f} | |")
    return int(any(found > demand for _, found, demand in figures))


def make_layer(rows: int, columns: int) -> torch.nn.Embedding:
    """Make a table block by block: drawn at once it would need twice the memory."""
    layer = torch.nn.Embedding(rows, columns, dtype=torch.bfloat16, device="meta").to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for start in range(0, rows, BLOCK):
            size = min(BLOCK, rows - start)
            layer.weight[start : start + size] = torch.randn(size, columns, generator=generator) * 0.03
    return layer


def words_of(seed: int) -> list[tuple[str, str, str]]:
    """Give the words of the expressions, other ones for each seed."""
    return [(f"{name(seed, n)}king", f"{name(seed, n)}man", f"{name(seed, n)}woman") for n in range(EXPRESSIONS)]


def name(seed: int, number: int) -> str:
    """Write letters for two numbers, so that no text is one that was met before."""
    return f"{chr(97 + seed)}{chr(97 + number // 26)}{chr(97 + number % 26)}"


def prompt_of(seed: int) -> str:
    """Write the expressions of a seed."""
    return " ".join(f"<'{a}' - '{b}' + '{c}'>" for a, b, c in words_of(seed))


def sums_of(seed: int, tokenizer: Tokenizer, layer: torch.nn.Embedding) -> list[torch.Tensor]:
    """Compute nothing but what has to be: each text cut, its rows, and the sums, one expression at a time."""
    found = []
    with torch.no_grad():
        for words in words_of(seed):
            ids = [tokenizer([f" {word}"])["input_ids"][0] for word in words]
            value = torch.zeros(max(map(len, ids)), layer.embedding_dim)
            for sign, one in zip((1, -1, 1), ids, strict=True):
                value[: len(one)] += sign * layer(torch.tensor(one)).float()
            found.append(value)
    return found


def products(queries: torch.Tensor, table: torch.Tensor) -> None:
    """Multiply with the whole table, block by block in float32, as there is no room for all of it."""
    with torch.no_grad():
        for start in range(0, len(table), BLOCK):
            _ = queries @ table[start : start + BLOCK].float().T


def least(work: Callable[[int], object]) -> float:
    """Return the least CPU time of some runs in seconds, each with another number; the first warms up."""
    times = []
    for seed in range(RUNS + 1):
        begun = time.process_time()
        work(seed)
        times.append(time.process_time() - begun)
    return min(times[1:])


@contextmanager
def watched() -> Iterator[list[float]]:
    """Give the most bytes of memory beyond the first ones, in a list of one."""
    first, most, stop = resident(), [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.01):
            most[0] = max(most[0], resident() - first)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        stop.set()
        thread.join()


def resident() -> float:
    """Return the bytes of memory that this process has."""
    return float(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE


if __name__ == "__main__":
    sys.exit(main())
