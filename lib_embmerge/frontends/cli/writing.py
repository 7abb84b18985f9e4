"""`embmerge save`, `rebuild` and `batch`: expressions become files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import EmbeddingMergeError, FileError, FileExists, SyntaxProblem, shorten
from ...files.paths import is_below, unreadable
from ...files.reading import EmbeddingFile, read_embedding
from ...language.typography import QUOTES
from ...library import rebuild, save
from ...saving import Saved, SaveOptions, read_recipe
from ..lists import Line, read_lines, read_words
from ..save_form import SaveForm
from .inputs import open_chosen_model, read_source
from .report import Progress, Report, amount, describe_error, describe_model, made_with

if TYPE_CHECKING:
    from ...models.checkpoint import CheckpointModel

__all__ = ["rebuild_files", "report_saved", "save_list", "save_one", "save_options"]

STDIN = Path("-")

LONGEST_LIST = 10_000_000
"""Bytes of a list file: what is longer was given by mistake."""


def save_one(options: argparse.Namespace) -> Report:
    """Save one expression."""
    if set(options.name) & {*QUOTES} and not set(options.text) & {*QUOTES}:
        right = f'embmerge save {shorten(options.text)} "{shorten(options.name)}"'
        raise SyntaxProblem(f"The name comes first, then the expression: {right}.")
    entered = read_source(options.text, options.kind, options.limits)
    model = open_chosen_model(options)
    saved = save(entered, options.name, model, save_options(options, model, options.dir))
    return report_saved(saved, [], model)


def rebuild_files(options: argparse.Namespace) -> Report:
    """Make files again from their recipes, each in its own folder or in `--dir`."""
    model = open_chosen_model(options)
    common = save_options(options, model, Path())

    def remake(path: Path) -> list[Saved]:
        file = read_embedding(path)
        if model.is_demonstration:
            _refuse_demonstration(file)
        return rebuild(file, model, replace(common, folder=options.dir or path.parent))

    jobs = [(str(path), _bind(remake, path)) for path in options.file]
    return report_saved(*_do_all(jobs), model)


def _refuse_demonstration(file: EmbeddingFile) -> None:
    """Refuse the demonstration's vectors for a file of real ones: a checkpoint has been forgotten."""
    recipe = read_recipe(file.path.name, file.metadata)
    if not recipe.is_demonstration:
        shown = recipe.checkpoint or "a checkpoint"
        raise FileError(f"rebuild needs --checkpoint FILE: {file.path.name} was made with {shown}.")


def save_list(options: argparse.Namespace) -> Report:
    """Save every line of a list; a line that fails, fails alone."""
    lines = (read_words if options.words else read_lines)(_read_list(options.list_file))
    if not lines:
        raise FileError(f"There are no lines in {options.list_file}.")
    model = open_chosen_model(options)
    wishes = save_options(options, model, options.dir)
    skipped: list[str] = []

    def save_line(line: Line) -> list[Saved]:
        name, entered = line.read(options.limits)
        try:
            return save(entered, name, model, wishes)
        except FileExists as error:
            if not options.skip_existing or error.missing:
                raise
            skipped.append(name)
            return []

    jobs = [(f"{options.list_file}:{line.number}", _bind(save_line, line)) for line in lines]
    saved, errors = _do_all(jobs)
    report = report_saved(saved, errors, model)
    if options.skip_existing:
        report.figures["skipped"] = skipped
    report.lines.append(_summarize(len(lines), len(saved), len(skipped), len(errors)))
    return report


def _summarize(lines: int, made: int, skipped: int, failed: int) -> str:
    """Return what became of a list's lines, of which one may have made several files."""
    parts = [f"{made:,} saved"]
    parts += [f"{skipped:,} skipped, as they exist"] if skipped else []
    parts += [f"{failed:,} failed"] if failed else []
    return f"{amount(lines, 'line')}: {', '.join(parts)}."


def _bind(do: Callable[..., list[Saved]], what: object) -> Callable[[], list[Saved]]:
    return lambda: do(what)


def _do_all(jobs: Sequence[tuple[str, Callable[[], list[Saved]]]]) -> tuple[list[Saved], list[str]]:
    """Do all jobs; return what was saved, and for each that failed its place and its message.

    Raises: KeyboardInterrupt that says how many were saved.
    """
    saved: list[Saved] = []
    errors = []
    done = 0  # jobs, of which one may have made several files
    progress = Progress(len(jobs))
    for place, do in jobs:
        progress.step(place)
        try:
            made = do()
        except EmbeddingMergeError as error:
            errors.append(f"{place}:\n{describe_error(error)}")
            continue
        except KeyboardInterrupt:
            progress.finish()
            raise KeyboardInterrupt(f"{done:,} of {len(jobs):,} were saved.") from None
        saved += made
        done += bool(made)
    progress.finish()
    return saved, errors


def _read_list(path: Path) -> str:
    content = _read_bytes(path)
    if len(content) > LONGEST_LIST:
        raise FileError(f"{path} is too long for a list.")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is not a text in UTF-8.") from error


def _read_bytes(path: Path) -> bytes:
    if path == STDIN:
        if sys.stdin is None:
            raise FileError("There is nothing to read: the standard input is closed.")
        return sys.stdin.buffer.read(LONGEST_LIST + 1)
    try:
        with path.open("rb") as file:
            return file.read(LONGEST_LIST + 1)
    except FileNotFoundError as error:
        raise FileError(f"There is no file {path}.") from error
    except OSError as error:
        raise unreadable(path, error) from error


def save_options(options: argparse.Namespace, model: CheckpointModel, folder: Path) -> SaveOptions:
    """Return how to save, by the options of a command that writes."""
    form = SaveForm(
        options.overwrite,
        options.dtype,
        options.long,
        options.author,
        options.note,
        options.trigger,
        options.tags,
        is_negative=options.negative,
        with_hash=options.hash,
    )
    is_installed_here = options.embeddings is not None and is_below(folder, options.embeddings)
    return form.options(folder, options.limits, is_installed_here=is_installed_here)


def report_saved(saved: Sequence[Saved], errors: Sequence[str], model: CheckpointModel) -> Report:
    """Report what was saved, and what went wrong."""
    figures = {"saved": [_fields(one) for one in saved], **describe_model(model)}
    lines = [line for one in saved for line in _list_saved(one)]
    warnings = [f"{one.name}: {text}" if len(saved) > 1 else text for one in saved for text in one.warnings]
    return Report(figures, lines, warnings, list(errors), note=made_with(model) if saved else "")


def _fields(saved: Saved) -> dict[str, object]:
    return {
        "name": saved.name,
        "path": str(saved.path),
        "encoders": {encoder: list(shape) for encoder, shape in saved.shapes.items()},
        "bytes": saved.size,
        "metadata": dict(saved.metadata),
        "warnings": list(saved.warnings),
    }


def _list_saved(saved: Saved) -> list[str]:
    shapes = ", ".join(f"{encoder} [{rows},{width}]" for encoder, (rows, width) in saved.shapes.items())
    return [str(saved.path), f"  {shapes}; {saved.size:,} bytes"]
