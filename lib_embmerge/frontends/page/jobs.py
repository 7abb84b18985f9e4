"""Long work, one task after the other: how far it is, what came of each task, and stopping it.

A pane holds one `Jobs`; each page that it is shown in names its own job, so two pages never disturb each other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ...errors import EmbeddingMergeError, FileError
from .html import draw

__all__ = ["Jobs", "Outcome", "Standing", "Task", "draw_progress"]

INTERVAL = 1.0
"""Seconds between two looks at a job: what is drawn more often, nobody reads."""

R = TypeVar("R")


@dataclass(frozen=True)
class Task(Generic[R]):
    """One thing to do: how it is called, and the function that does it or raises a user's mistake."""

    name: str
    do: Callable[[], R]


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What came of a task: its result, or the mistake that it failed by."""

    name: str
    result: R | None = None
    error: EmbeddingMergeError | None = None


@dataclass(frozen=True)
class Standing(Generic[R]):
    """How far a job is: the outcomes so far, the seconds since it began, and what is being done."""

    total: int
    seconds: float
    outcomes: tuple[Outcome[R], ...] = ()
    doing: str = ""
    is_over: bool = False
    is_cancelled: bool = False

    @property
    def done(self) -> int:
        """How many tasks have been tried."""
        return len(self.outcomes)

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return sum(outcome.error is not None for outcome in self.outcomes)

    @property
    def rate(self) -> float | None:
        """How many tasks a second are done; None before the first is."""
        return self.done / self.seconds if self.done and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes if it goes on like this; None before the first task is done."""
        return self.seconds / self.done * (self.total - self.done) if self.done else None


class Jobs:
    """The jobs that are at work, each under an id that its page made up."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none; `clock` gives seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._stops: dict[str, threading.Event] = {}

    def __len__(self) -> int:
        """Return how many jobs are at work."""
        return len(self._stops)

    def cancel(self, job: str) -> bool:
        """Let a job stop before its next task; return whether there is one of that id."""
        with self._lock:
            stop = self._stops.get(job)
        if stop is not None:
            stop.set()
        return stop is not None

    def work(self, job: str, tasks: Sequence[Task[R]]) -> Iterator[Standing[R]]:
        """Do the tasks in their order; a task that fails, fails alone. The last standing is the one that `is_over`.

        Edge: closing the iterator ends the job where it is.
        Raises: EmbeddingMergeError where a job of that id is at work already.
        """
        stop = self._begin(job)
        try:
            yield from self._work(stop, tasks)
        finally:
            with self._lock:
                del self._stops[job]

    def _begin(self, job: str) -> threading.Event:
        with self._lock:
            if job in self._stops:
                raise EmbeddingMergeError("This page is at work already.", suggestion="Wait for it, or cancel it.")
            return self._stops.setdefault(job, threading.Event())

    def _work(self, stop: threading.Event, tasks: Sequence[Task[R]]) -> Iterator[Standing[R]]:
        began = shown = self._clock()
        outcomes: list[Outcome[R]] = []
        for task in tasks:
            if stop.is_set():
                break
            now = self._clock()
            if not outcomes or now - shown >= INTERVAL:
                shown = now
                yield Standing(len(tasks), now - began, tuple(outcomes), task.name)
            if stop.is_set():  # it may have been told so while its page was shown the standing
                break
            outcomes.append(_try(task))
        cancelled = stop.is_set() and len(outcomes) < len(tasks)
        seconds = self._clock() - began
        yield Standing(len(tasks), seconds, tuple(outcomes), is_over=True, is_cancelled=cancelled)


def draw_progress(standing: Standing[R]) -> str:
    """Draw how far a job is: a bar and a line, without the outcomes."""
    return draw("progress", standing=standing)


def _try(task: Task[R]) -> Outcome[R]:
    try:
        return Outcome(task.name, task.do())
    except EmbeddingMergeError as error:
        return Outcome(task.name, error=error)
    except OSError as error:
        return Outcome(task.name, error=FileError(f"{error.filename or task.name}: {error.strerror or error}."))
