"""Tests against faults: which tests run which lines, and whether those fail where a line has a fault.

All is imported and collected once; each fault is tried in a fork of this process. A function gets its faulty code in
place, whoever has imported it. What runs while a module is imported is tried by importing all anew in the fork.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.abc
import importlib.util
import os
import pickle
import signal
import sys
import time
import types
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .mutants import Mutant

PATIENCE = 2
"""A fault may make its tests this much slower, and take some seconds more, before it counts as seen."""


@dataclass
class Baseline:
    """What the tests do with the code as it is: seconds by test, and tests by the line that they run."""

    seconds: dict[str, float] = field(default_factory=dict)
    tests: dict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    failed: list[str] = field(default_factory=list)


class Trial:
    """A plugin of pytest: in the place of running the tests it runs the trial."""

    def __init__(self, mutants: Sequence[Mutant], paths: Sequence[str], deadline: float) -> None:
        """Take the faults, the tests, and when to end, by `time.monotonic`."""
        self.mutants = mutants
        self.paths = paths
        self.deadline = deadline
        self.watched = {str(mutant.path) for mutant in mutants}
        self.results: dict[Mutant, str] = {}
        self.failures: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what fails."""
        if report.failed:
            self.failures.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Measure the tests, and try each fault with those that run its line."""
        items = {item.nodeid: item for item in session.items}
        baseline: Baseline = in_fork(lambda: self._measure(items), limit=None)
        if baseline.failed:
            raise pytest.UsageError(f"These fail without any fault: {baseline.failed[:5]}")
        functions = functions_of(self.watched)
        for mutant in self.mutants:
            if time.monotonic() > self.deadline:
                break
            self.results[mutant] = self._try(mutant, items, baseline, functions)
        return True

    def _measure(self, items: Mapping[str, Any]) -> Baseline:
        found = Baseline()
        for name, item in items.items():
            begun = time.perf_counter()
            with traced(self.watched) as lines:
                run_item(item)
            found.seconds[name] = time.perf_counter() - begun
            for line in lines:
                found.tests[line].add(name)
        found.failed = self.failures
        return found

    def _try(self, mutant: Mutant, items: Mapping[str, Any], baseline: Baseline, functions: Any) -> str:
        names = baseline.tests.get((str(mutant.path), mutant.line))
        compiled = compile(mutant.tree(), str(mutant.path), "exec", dont_inherit=True)
        changed = changed_codes(compiled, compile(mutant.path.read_text("utf-8"), str(mutant.path), "exec"))
        is_in_functions = changed is not None and all(key in functions for key in changed)
        if names and is_in_functions:
            ordered = sorted(names, key=baseline.seconds.__getitem__)
            limit = 1 + PATIENCE * (1 + sum(baseline.seconds[name] for name in ordered))
            return in_fork(lambda: self._run_with(changed, functions, [items[name] for name in ordered]), limit=limit)
        if names is None and is_in_functions:
            return "not run"
        limit = PATIENCE * (10 + sum(baseline.seconds.values()))
        return in_fork(lambda: self._import_anew(mutant, compiled), limit=limit)

    def _run_with(self, changed: Any, functions: Any, items: Sequence[Any]) -> str:
        for key, code in changed.items():
            for function in functions[key]:
                function.__code__ = code
        for item in items:
            run_item(item)
            if self.failures:
                return "seen"
        return "lived"

    def _import_anew(self, mutant: Mutant, compiled: types.CodeType) -> str:
        for name in [name for name in sys.modules if name.split(".")[0] in ("lib_embmerge", "tests")]:
            del sys.modules[name]
        sys.meta_path.insert(0, FaultyModule(str(mutant.path), compiled))
        status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *self.paths])
        return "lived" if status == pytest.ExitCode.OK else "seen"


def run_item(item: Any) -> None:
    """Run a test with all its fixtures, which are taken down again, as pytest does for the last test."""
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)


def functions_of(paths: set[str]) -> dict[tuple[str, int], list[types.FunctionType]]:
    """Give all functions that come from these files, wherever they are kept, by name and line."""
    found: dict[tuple[str, int], list[types.FunctionType]] = defaultdict(list)
    for thing in gc.get_objects():
        if isinstance(thing, types.FunctionType) and thing.__code__.co_filename in paths:
            found[key_of(thing.__code__)].append(thing)
    return found


def key_of(code: types.CodeType) -> tuple[str, int]:
    """Tell functions apart: by file and name, and by line."""
    return code.co_filename + " " + code.co_qualname, code.co_firstlineno


def changed_codes(faulty: types.CodeType, right: types.CodeType) -> dict[tuple[str, int], types.CodeType] | None:
    """Give the outermost functions whose code differs; None where anything else of the module does."""
    ours, theirs = inner_codes(right), inner_codes(faulty)
    if stripped(faulty) != stripped(right) or ours.keys() != theirs.keys():
        return None
    found: dict[tuple[str, int], types.CodeType] = {}
    for key, code in theirs.items():
        if code == ours[key]:
            continue
        if not code.co_flags & 0x02:  # not a function's: a class's
            below = changed_codes(code, ours[key])
            if below is None:
                return None
            found |= below
        else:
            found[key] = code
    return found


def inner_codes(code: types.CodeType) -> dict[tuple[str, int], types.CodeType]:
    """Give the codes of what is defined directly in one."""
    return {key_of(inner): inner for inner in code.co_consts if isinstance(inner, types.CodeType)}


def stripped(code: types.CodeType) -> tuple[Any, ...]:
    """Give what a code itself does, the functions in it apart."""
    constants = [c for c in code.co_consts if not isinstance(c, types.CodeType)]
    return code.co_code, [(type(c), c) for c in constants], code.co_names


class FaultyModule(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Gives one module its faulty code when it is imported."""

    def __init__(self, path: str, code: types.CodeType) -> None:
        """Take the module's file and the code."""
        self.path = path
        self.code = code

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        """Take that module alone."""
        if name.split(".")[0] != "lib_embmerge":
            return None
        place = Path(*name.split(".")).resolve()
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if str(file) == self.path:
                return importlib.util.spec_from_file_location(name, file, loader=self)
        return None

    def get_source(self, name: str) -> None:
        """Give none: it is not that of the code."""

    def get_code(self, name: str) -> types.CodeType:
        """Give the faulty code."""
        return self.code


@contextlib.contextmanager
def traced(paths: set[str]) -> Iterator[set[tuple[str, int]]]:
    """Note the lines of some files that run while the context lasts."""
    lines: set[tuple[str, int]] = set()

    def note(frame: types.FrameType, event: str, _: Any) -> Any:
        if event == "line":
            lines.add((frame.f_code.co_filename, frame.f_lineno))
        return note

    sys.settrace(lambda frame, *_: note if frame.f_code.co_filename in paths else None)
    try:
        yield lines
    finally:
        sys.settrace(None)


def in_fork(work: Any, *, limit: float | None) -> Any:
    """Do something in a fork of this process and give its result; "too slow" where it does not end in time."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        if limit is not None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, 4 * limit)
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_PROF, limit)
        try:
            result = pickle.dumps(work())
        except BaseException:  # noqa: BLE001 (a fault may raise anything, also out of pytest)
            result = pickle.dumps("seen")
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(result)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        result = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(result) if result else "too slow"
