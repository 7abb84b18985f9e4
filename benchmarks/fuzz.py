"""Throw expressions at the language: a third of them right, the others random, mutated, deep and long.

    python benchmarks/fuzz.py --count 200000 --recipes 50000 --seed 1 [--checkpoint FILE]

An expression that is right by construction is evaluated a second time with numpy, by rules written here after
docs/language.md and not taken from the package, and the vectors are compared: of SDXL's two text encoders, and of
SD 3's three, of which T5 has a tokenizer of its own. Of anything else only a user's mistake may come out, quickly, with
a caret in its own text. Texts that name installed embeddings in other spellings are resolved into recipes, and these
have to give the same vectors to the bit, also where more embeddings are installed later. Prints a Markdown report; the
exit status is 1 where something failed.

Reading order: fuzzing/right.py (right expressions), fuzzing/reference.py (their values), fuzzing/wrong.py (wrong ones),
fuzzing/spelled.py (names), and here the checks.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from fuzzing.reference import Reference, Unclear, Value, Wrong
from fuzzing.right import Generator, Node
from fuzzing.small_model import OTHER, make_model
from fuzzing.spelled import Speller, install, models
from fuzzing.wrong import Mutator

from lib_embmerge.entered import Entered, read_expression
from lib_embmerge.errors import EmbeddingMergeError, ExpressionError
from lib_embmerge.evaluation import Analysis
from lib_embmerge.evaluation.plan import QUOTED, plan
from lib_embmerge.families import group_of
from lib_embmerge.host_protocol import TextModel
from lib_embmerge.language import Expression, find_islands, is_expression, parse, write
from lib_embmerge.limits import Limits
from lib_embmerge.models.checkpoint import open_model
from lib_embmerge.models.memory import WORDS, MemoryModel
from lib_embmerge.vectors.embedding import Embedding

MOST_SECONDS = 0.05
"""CPU time that an expression may take on the small encoder."""
LONG = 1000
"""Characters from which on a text is counted among the long ones: the limit is 16,384."""
MEMORY_SLACK = 16 * 2**20
"""Bytes that the process may have grown by between a tenth of the run and its end."""

# --- The run --------------------------------------------------------------------------------------------------------


@dataclass(order=True)
class Timed:
    """How long an expression took, in seconds of CPU time."""

    seconds: float
    text: str = field(compare=False)


@dataclass
class Run:
    """What was checked, and what came of it."""

    model: MemoryModel
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: list[Timed] = field(default_factory=list)
    slowest_long: list[Timed] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the references."""
        self.references = [Reference(self.model, encoder.name) for encoder in self.model.encoders]
        self.has_groups = len({group_of(encoder.name) for encoder in self.model.encoders}) > 1

    def check_right(self, text: str, node: Node, length: int) -> None:
        """Check an expression that is right by construction."""
        self.counts["right"] += 1
        try:
            expected = [reference.value(node) for reference in self.references]
        except Unclear as reason:
            self.counts["right, value unclear"] += 1
            self.check_any(text, f"unclear: {reason}")
            return
        except Wrong as reason:
            self.counts["right, but a mistake of numbers"] += 1
            if self._evaluate(text) is not None:
                self._fail(text, f"no error, expected {reason}")
            return
        value = self._evaluate(text, must_work=True)
        if value is None:
            return
        if value.length != length and not self.has_groups:
            self._fail(text, f"{value.length} vectors, expected {length}")
        for reference, wanted in zip(self.references, expected, strict=True):
            self._compare(text, value[reference.name].numpy(), wanted)
        self.counts["right, compared with numpy"] += 1

    def _compare(self, text: str, found: np.ndarray, wanted: Value) -> None:
        if found.shape != wanted.rows.shape:
            self._fail(text, f"shape {found.shape}, expected {wanted.rows.shape}")
        elif found.size:
            off = float(np.abs(found.astype(np.float64) - wanted.rows).max())
            if off > 8 * wanted.noise:
                self._fail(text, f"off by {off:.3g}, at most {8 * wanted.noise:.3g} is rounding")
            self.counts["right, equal to the bit"] += not off

    def check_any(self, text: str, kind: str = "") -> None:
        """Check that only a user's mistake comes out."""
        self.counts["any"] += not kind
        if self._evaluate(text) is not None:
            self.counts["any, evaluated"] += not kind
        try:
            is_expression(text)
            find_islands(f"a <{text}> b")
        except EmbeddingMergeError as error:
            self._check_message(f"a <{text}> b", error)
        except Exception:  # noqa: BLE001 - any but a user's mistake is what is looked for
            self._fail(text, traceback.format_exc(limit=-3))

    def check_recipe(self, text: str, name: str, model: MemoryModel, later: MemoryModel) -> None:
        """Check that what a text is resolved to gives the same vectors, now and with more embeddings installed."""
        self.counts[f"recipes, {name}"] += 1
        try:
            analysis = _analysis(text, model)
            value, recipe = analysis.value(), analysis.provenance().text
            entered = read_expression(recipe, kind="expression", limits=Limits().of_recipes())
            stays = any(step.name == QUOTED for step in plan(entered.tree))  # several tokenizers read it differently
            self.counts["recipes, a text stays as typed"] += stays
            for again, when in ((model, "now"), (model if stays else later, "with more embeddings")):
                if not Analysis(entered, again).value().equals(value):
                    self._fail(text, f"{name}: other vectors {when} by its recipe {recipe[:300]!r}")
        except ExpressionError as error:
            if error.source not in (None, text):
                self._fail(text, f"{name}: its recipe is refused: {error}")
            self.counts["recipes, a mistake in the text"] += 1
        except Exception:  # noqa: BLE001 - any but a user's mistake is what is looked for
            self._fail(text, traceback.format_exc(limit=-3))

    def _evaluate(self, text: str, *, must_work: bool = False) -> Embedding | None:
        """Parse and evaluate, with the clock running; then what must agree with it."""
        start = time.process_time()
        tree = value = None
        try:
            tree = parse(text)
            value = _analysis(text, self.model, tree).value()
        except EmbeddingMergeError as error:
            seconds = time.process_time() - start
            self._check_message(text, error)
            self.counts[type(error).__qualname__] += 1
            if must_work:
                self._fail(text, str(error))
        except Exception:  # noqa: BLE001 - any but a user's mistake is what is looked for
            seconds = time.process_time() - start
            self._fail(text, traceback.format_exc(limit=-3))
        else:
            seconds = time.process_time() - start
        self._note_time(Timed(seconds, text))
        if tree is not None and value is not None:
            self._check_agreement(text, tree, value.length)
        return value

    def _check_agreement(self, text: str, tree: Expression, length: int) -> None:
        try:
            if _analysis(text, self.model, tree).length != length:
                self._fail(text, "count and evaluate disagree")
            if parse(write(tree), limits=None) != tree:
                self._fail(text, f"written as {write(tree)!r}, which is another tree")
        except EmbeddingMergeError as error:
            if len(text) < LONG:  # the canonical text of a long one may be longer than the limit
                self._fail(text, f"counted or written and read again: {error}")
        except Exception:  # noqa: BLE001 - any but a user's mistake is what is looked for
            self._fail(text, traceback.format_exc(limit=-3))
        else:
            self.counts["count equal, writes and reads back"] += 1

    def _check_message(self, text: str, error: EmbeddingMergeError, *, is_located: bool = True) -> None:
        shown = str(error if error.source is not None else error.located(text))
        span = error.span
        if span is None:
            if isinstance(error, ExpressionError):
                self._fail(text, f"no place: {error.message}")
            self.counts["messages without a place"] += 1
            return
        if not 0 <= span.start <= span.end <= len(text) or (is_located and error.source != text):
            self._fail(text, f"the place {span} is not in the text: {error.message}")
        lines = shown.split("\n")
        carets = lines[1] if len(lines) > 2 else ""
        if not carets.strip() or set(carets) - {" ", "^"} or len(carets.rstrip("^")) > 2 * len(lines[0]):
            self._fail(text, f"no caret under the text:\n{shown}")
        if not error.message or len(shown) > 1200:
            self._fail(text, f"a message of {len(shown)} characters")
        self.counts["messages with a caret"] += 1

    def _note_time(self, timed: Timed) -> None:
        if timed.seconds > MOST_SECONDS:
            self.counts["over 50 ms when first measured"] += 1
            timed.seconds = min(timed.seconds, *(_time(timed.text, self.model) for _ in range(3)))
        slowest = self.slowest_long if len(timed.text) > LONG else self.slowest
        if len(slowest) < 8 or timed > slowest[-1]:
            slowest.append(timed)
            slowest.sort(reverse=True)
            del slowest[8:]
        if timed.seconds > MOST_SECONDS:
            self.counts["long ones over 50 ms" if len(timed.text) > LONG else "over 50 ms"] += 1
        self.counts["long ones"] += len(timed.text) > LONG

    def _fail(self, text: str, reason: str) -> None:
        self.failures.append(f"{text[:300]!r}{'…' if len(text) > 300 else ''}\n    {reason}")

    def absorb(self, other: Run, name: str) -> None:
        """Add what another run found, its counts under that name."""
        self.counts.update({name + kind: number for kind, number in other.counts.items()})
        self.failures += other.failures
        self.slowest = sorted([*self.slowest, *other.slowest], reverse=True)[:8]

    def note_memory(self) -> None:
        """Remember how much memory the process has now."""
        self.memory.append(_resident_memory())

    @property
    def is_good(self) -> bool:
        """Whether nothing failed, nothing was slow, and memory stayed flat."""
        return (
            not self.failures
            and not any(name.endswith("over 50 ms") for name in self.counts)
            and self.growth < MEMORY_SLACK
        )

    @property
    def growth(self) -> int:
        """Bytes that the process grew by from the first note of its memory to the last."""
        return self.memory[-1] - self.memory[0] if self.memory else 0


def fuzz(number: int, seed: int, *, model: MemoryModel | None = None, is_shown: bool = False) -> Run:
    """Check that many expressions, every third of them right by construction."""
    chance = random.Random(seed)
    generator = Generator(chance)
    mutator = Mutator(chance, generator)
    run = Run(model or make_model())
    warm = "normalize(nearest('cat' + random(1, 1)), 'dog')"
    _analysis(f"{warm} + ({warm})@{OTHER}", run.model).value()  # grammar and vocabularies, once per process
    for i in range(number):
        if i % 3 == 0:
            run.check_right(*generator.expression())
        else:
            run.check_any(mutator.text())
        if i == number // 10 or i == number - 1:
            run.note_memory()
        if is_shown and i and i % 20_000 == 0:
            print(f"{i:,} of {number:,}, {len(run.failures)} failures", file=sys.stderr, flush=True)
    return run


def fuzz_recipes(run: Run, number: int, seed: int) -> None:
    """Check the recipes of many texts that name embeddings, with models of all kinds of tokenizers."""
    chance = random.Random(seed)
    speller = Speller(chance)
    now, later = models(), models()
    for model in later.values():
        install(model, (*WORDS[:7], *WORDS[8:], "two", "neg", "xyzzy", "say", "é", "x", "cat cat"))
    names = list(now)
    for i in range(number):
        name = names[i % len(names)]
        run.check_recipe(speller.expression(), name, now[name], later[name])


def _analysis(text: str, model: TextModel, tree: Expression | None = None) -> Analysis:
    return Analysis(Entered(text, text, 0, parse(text) if tree is None else tree), model)


def _time(text: str, model: TextModel) -> float:
    """Measure an expression once more: a busy machine takes its time from whichever comes."""
    start = time.process_time()
    with contextlib.suppress(Exception):
        _analysis(text, model).value()
    return time.process_time() - start


def _resident_memory() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return pages * os.sysconf("SC_PAGE_SIZE")


# --- Real tables ----------------------------------------------------------------------------------------------------

GROWING = {
    "sum of two": "repeat('cat', {n}) + repeat('dog', {n})",
    "slerp": "slerp(repeat('cat', {n}), repeat('dog', {n}), 0.3)",
    "normalize": "normalize(repeat('cat', {n}))",
    "remove": "remove(repeat('cat', {n}), 'dog')",
    "random": "random({n}, 1)",
    "nearest": "nearest(random({n}, 1))",
}
SIZES = (16, 64, 256, 1024)


def growth_on(model: TextModel) -> Iterator[tuple[str, list[float]]]:
    """Yield, per kind of expression, the milliseconds of CPU time for each of `SIZES`, the best of several."""
    for name, pattern in GROWING.items():
        _analysis(pattern.format(n=1), model).value()
        best = []
        for size in SIZES:
            text = pattern.format(n=size)
            tree = parse(text)
            times = []
            for _ in range(5):
                start = time.process_time()
                _analysis(text, model, tree).value()
                times.append(time.process_time() - start)
            best.append(1000 * min(times))
        yield name, best


# --- The report -----------------------------------------------------------------------------------------------------


def report(run: Run, seconds: float) -> str:
    """Give what came of a run, as Markdown."""
    lines = [f"{run.counts['right'] + run.counts['any']:,} expressions in {seconds:.0f} s", ""]
    lines += [f"| {name} | {number:,} |" for name, number in sorted(run.counts.items())]
    if run.memory:
        lines += [f"| memory at a tenth, at the end, MiB | {run.memory[0] / 2**20:.1f}, {run.memory[-1] / 2**20:.1f} |"]
    lines += ["", f"Slowest of up to {LONG} characters, CPU time:"]
    lines += [_show_timed(timed) for timed in run.slowest]
    lines += ["", "Slowest of the longer ones:"]
    lines += [_show_timed(timed) for timed in run.slowest_long]
    lines += ["", f"{len(run.failures)} failures", *run.failures[:30]]
    return "\n".join(lines)


def _show_timed(timed: Timed) -> str:
    text = timed.text if len(timed.text) <= 160 else f"{timed.text[:80]}…{timed.text[-40:]}"
    return f"- {1000 * timed.seconds:6.1f} ms, {len(timed.text):,} characters: {text!r}"


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--recipes", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--checkpoint", type=Path, help="real tables, to see time grow with the vectors")
    options = parser.parse_args()
    torch.set_num_threads(1)  # CPU time of a waiting pool of threads is not the expression's
    gc.collect()
    gc.freeze()  # nor is a search for garbage among all that importing torch has left: 50 ms by itself
    start = time.perf_counter()
    run = fuzz(options.count, options.seed, is_shown=True)
    run.absorb(fuzz(options.count // 4, options.seed + 1, model=make_model(with_t5=True), is_shown=True), "with T5: ")
    fuzz_recipes(run, options.recipes, options.seed)
    print(report(run, time.perf_counter() - start))
    if options.checkpoint:
        print(f"\nCPU time on {options.checkpoint.name}, ms, for {', '.join(map(str, SIZES))} vectors:")
        for name, times in growth_on(open_model(options.checkpoint)):
            print(f"| {name} | " + " | ".join(f"{t:.1f}" for t in times) + " |")
    return 0 if run.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
