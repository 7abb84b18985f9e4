"""Many at once: a list of `name = expression`, or a sweep over a number, becomes one file a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ....entered import Entered
from ....errors import EmbeddingMergeError, LimitExceeded
from ....host_protocol import PageHost, TextModel
from ....limits import CHUNK
from ....remarks import Remark
from ....saving import Saved, TooLong
from ...lists import Line, Sweep, read_lines, read_words
from ...save_form import SaveForm
from ..build.saving import (
    LONG_CHOICES,
    NameCheck,
    check_length,
    check_ticks,
    choose_length,
    list_embeddings,
    long_choice,
    save_or_ask,
)
from ..html import draw, draw_error
from ..jobs import Jobs, Standing, Task, draw_progress
from ..question import LONGEST_TEXT, Answer, Question

__all__ = ["LONG_FIELD", "MODES", "TICK", "LineView", "ManyOptions", "answer_many", "run_many"]

MODES = ("A list", "A sweep over a number", "Words, one a line")
"""What the lines are made of, in the page's words."""

TICK = "Use doubtful names anyway"
"""The tick that lets names through which `NameCheck` has doubts about."""

LONG_FIELD = "many_long"
"""The field that says what becomes of more than 75 vectors."""

MOST_LINES = 2000
MOST_CHECKED = 200
"""Lines that the preview reads: as many as can be read between two keys."""
SHOWN_LINES = 12
SHOWN_MISTAKES = 5
SHOWN_WHILE_RUNNING = 8

Files = Mapping[str, Sequence[Path]]


@dataclass(frozen=True)
class ManyOptions:
    """What the pane's boxes say."""

    mode: str
    text: str
    sweep: Sweep
    folder: str = ""
    overwrite: bool = False
    same_name: bool = False
    dtype: str = "float32"
    long: str = ""
    author: str = ""
    note: str = ""

    def lines(self) -> Sequence[Line]:
        """Return the lines to make.

        Raises: WrongArgument for a sweep that is none; LimitExceeded for more text or lines than anybody means.
        """
        if self.mode == MODES[1]:
            return self.sweep.lines()
        if len(self.text) > LONGEST_TEXT:
            raise LimitExceeded(f"The list has {len(self.text):,} characters; at most {LONGEST_TEXT:,} are read.")
        lines = (read_words if self.mode == MODES[2] else read_lines)(self.text)
        if len(lines) > MOST_LINES:
            raise LimitExceeded(f"The list has {len(lines):,} lines; at most {MOST_LINES:,} are allowed.")
        return lines


# --- While one types -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LineView:
    """A line as the preview shows it: its vectors where a model is loaded, and what is wrong with it or its name."""

    line: Line
    vectors: int | None = None
    mistake: str = ""
    is_long: bool = False
    doubts: tuple[Remark, ...] = ()
    exists: bool = False


def answer_many(question: Question, host: PageHost) -> Answer:
    """Answer which files the lines would make, and what is wrong with the first of them."""
    wish = _read_wish(question)
    if _is_empty(wish):
        return Answer(slots={"many": draw("many/empty", modes=MODES, mode=wish.mode)})
    try:
        lines = wish.lines()
        views = _view(lines[:MOST_CHECKED], wish, host)
    except EmbeddingMergeError as error:
        return Answer(slots={"many": draw_error(error, is_quiet=True)}, state={"broken": True})
    mistakes = [view for view in views if view.mistake]
    drawn = draw(
        "many/preview",
        total=len(lines),
        checked=len(views),
        shown=views[:SHOWN_LINES],
        mistakes=mistakes[:SHOWN_MISTAKES],
        mistaken=len(mistakes),
        existing=[view.line.name for view in views if view.exists],
        doubts=[doubt for view in views for doubt in view.doubts],
        is_model_loaded=host.loaded_text_model() is not None,
        wish=wish,
        tick=TICK,
        actions=choose_length(LONG_FIELD) if any(view.is_long and view.mistake for view in views) else (),
    )
    is_long = any(view.is_long for view in views)
    return Answer(slots={"many": drawn}, state={"count": len(lines), "isLong": is_long})


def _read_wish(question: Question) -> ManyOptions:
    texts = {key: question.text(key) for key in ("expression", "start", "stop", "steps", "pattern")}
    return ManyOptions(
        mode=question.choice("mode", MODES),
        text=question.text("text"),
        sweep=Sweep(**texts),
        folder=question.text("folder"),
        overwrite=question.fields.get("overwrite") is True,
        same_name=question.fields.get("same_name") is True,
        long=question.choice("long", LONG_CHOICES),
    )


def _is_empty(wish: ManyOptions) -> bool:
    if wish.mode == MODES[1]:
        return not wish.sweep.expression.strip()
    return not wish.text.strip()


def _view(lines: Sequence[Line], wish: ManyOptions, host: PageHost) -> list[LineView]:
    model = host.loaded_text_model()
    files = dict(list_embeddings(host))
    views = []
    for line in lines:
        views.append(_view_line(line, wish, host, model, files))
        files.setdefault(line.name or "", [])  # the names of a list can be mixed up with each other, too
    return views


def _view_line(line: Line, wish: ManyOptions, host: PageHost, model: TextModel | None, files: Files) -> LineView:
    try:
        name, entered = line.read(host.limits)
        place = NameCheck(host, name, wish.folder, model, files)
        vectors = None if model is None else check_length(entered, model, wish.long)
    except EmbeddingMergeError as error:
        return LineView(line, mistake=draw_error(error, is_quiet=True), is_long=isinstance(error, TooLong))
    is_long = vectors is not None and vectors > CHUNK
    return LineView(line, vectors, is_long=is_long, doubts=tuple(place.doubts), exists=place.exists)


# --- Making the files ----------------------------------------------------------------------------------------------


def run_many(host: PageHost, jobs: Jobs, job: str, wish: ManyOptions) -> Iterator[str]:
    """Make the files, and yield HTML as often as there is news: how far it is, then what came of each line."""
    try:
        lines = wish.lines()
        if not lines:
            raise EmbeddingMergeError("There are no lines yet.", suggestion="Write lines of name = expression.")
        if host.loaded_text_model() is None:
            yield draw("loading")
        model = host.load_text_model()
        yield from _work(host, jobs, job, _tasks(lines, wish, host, model), model)
    except EmbeddingMergeError as error:
        yield draw_error(error)


def _work(host: PageHost, jobs: Jobs, job: str, tasks: Sequence[Task[list[Saved]]], model: TextModel) -> Iterator[str]:
    steps = jobs.work(job, tasks)
    last = None
    try:
        for last in steps:
            if not last.is_over:
                yield _draw(last, model)
    finally:  # also where the page was closed meanwhile
        if last is not None and last.done > last.failed:
            host.refresh_embeddings()
    if last is not None:
        yield _draw(last, model)


def _draw(standing: Standing[list[Saved]], model: TextModel) -> str:
    shown = standing.outcomes if standing.is_over else standing.outcomes[-SHOWN_WHILE_RUNNING:]
    errors = [None if outcome.error is None else draw_error(outcome.error) for outcome in shown]
    rows = list(zip(shown, errors, strict=True))
    are_long = any(isinstance(outcome.error, TooLong) for outcome in shown)
    actions = choose_length(LONG_FIELD) if standing.is_over and are_long else ()
    return draw_progress(standing) + draw("many/result", rows=rows, standing=standing, model=model, actions=actions)


def _tasks(lines: Sequence[Line], wish: ManyOptions, host: PageHost, model: TextModel) -> list[Task[list[Saved]]]:
    maker = _Maker(wish, host, model)
    return [Task(line.name or f"line {line.number}", partial(maker.make, line)) for line in lines]


class _Maker:
    """Makes one line's file after the other; it knows those that it has made, which nobody has listed yet."""

    def __init__(self, wish: ManyOptions, host: PageHost, model: TextModel) -> None:
        self._wish = wish
        self._host = host
        self._model = model
        self._files: dict[str, Sequence[Path]] = dict(list_embeddings(host))

    def make(self, line: Line) -> list[Saved]:
        """Make a line's files: several where more than 75 vectors are split."""
        name, entered = line.read(self._host.limits)
        place = NameCheck(self._host, name, self._wish.folder, self._model, self._files)
        check_ticks(place, overwrite=self._wish.overwrite, same_name=self._wish.same_name, tick=TICK)
        saved = self._save(entered, name, place)
        for one in saved:
            self._files[one.name] = [*(path for path in self._files.get(one.name, []) if path != one.path), one.path]
        return saved

    def _save(self, entered: Entered, name: str, place: NameCheck) -> list[Saved]:
        wish = self._wish
        form = SaveForm(wish.overwrite, wish.dtype, long_choice(wish.long), wish.author, wish.note)
        options = form.options(place.folder, self._host.limits, is_installed_here=True)
        return save_or_ask(entered, name, self._model, options)
