"""Many embeddings into one folder: the last thousand takes no longer than the first.

Runs `embmerge batch` on a list of lines, and takes the time after each thousand. With `--no-sync` the disk is not
waited for, and the time is the processor's: what the program itself takes, also on a machine that is busy.

    python -m benchmarks.batch --lines 20000 --no-sync
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from lib_embmerge.frontends.cli import run_command

MOST_GROWTH = 1.5
"""What the last thousand may take, in times of the second; the first has the imports in it."""

LEAST_A_SECOND = 200
"""Files in each second, where the disk is not waited for."""

STEP = 1000


@contextlib.contextmanager
def times_of_files(step: int, clock: Callable[[], float]) -> Iterator[list[float]]:
    """Note the time at each `step` files that are put in place."""
    replace, link = os.replace, os.link
    times = [clock()]
    made = 0

    def count(call: object) -> object:
        def counted(*arguments: object, **options: object) -> object:
            nonlocal made
            done = call(*arguments, **options)  # type: ignore[operator]
            made += 1
            if made % step == 0:
                times.append(clock())
            return done

        return counted

    with mock.patch.object(os, "replace", count(replace)), mock.patch.object(os, "link", count(link)):
        yield times


def main() -> int:
    """Write the list, run the command, and print a row for each thousand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--no-sync", action="store_true")
    options = parser.parse_args()
    step = min(STEP, max(1, options.lines // 4))
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        listed = Path(place, "list.txt")
        listed.write_text("".join(f"made-{n} = 'cat' * 0.{n:05} + 'dog'\n" for n in range(options.lines)))
        if options.no_sync:
            stack.enter_context(mock.patch.object(os, "fsync", return_value=None))
        times = stack.enter_context(times_of_files(step, time.process_time if options.no_sync else time.perf_counter))
        with contextlib.redirect_stdout(io.StringIO()):
            status = run_command(["batch", str(listed), "--dir", str(Path(place, "made"))])
        made = len(list(Path(place, "made").glob("*.safetensors")))
    seconds = [after - before for before, after in itertools.pairwise(times)]
    print("| files | seconds | a second |\n|---|---|---|")
    for number, taken in enumerate(seconds, 1):
        print(f"| {number * step:,} | {taken:.2f} | {step / taken:.0f} |")
    growth = seconds[-1] / seconds[min(1, len(seconds) - 1)]
    print(f"\n{made:,} files; the last {step:,} took {growth:.2f} times the second {step:,}.")
    slow = options.no_sync and made / sum(seconds) < LEAST_A_SECOND
    return 1 if status or made != options.lines or growth > MOST_GROWTH or slow else 0


if __name__ == "__main__":
    sys.exit(main())
