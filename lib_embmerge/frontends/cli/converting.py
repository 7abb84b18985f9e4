"""`embmerge convert` and `check`: other people's files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path
from textwrap import wrap

import torch

from ...compatibility.facts import MODELS
from ...compatibility.judging import PROGRAMS
from ...compatibility.verdicts import Verdict
from ...compatibility.view import (
    LEGEND,
    MARKS,
    REPAIRS,
    group_reasons,
    headlines,
    mark_of,
    name_places,
    shown_families,
)
from ...errors import EmbeddingMergeError, FileError
from ...files.convert import Conversion, Treatment, convert_embeddings, join_files, split_file
from ...files.names import CONVERTIBLE
from ...files.paths import exists, is_folder, list_folder
from ...library import Checked, check
from ..figures import align, count_conversions
from .report import Progress, Report, amount, describe_error
from .terminal import fit_sentence, terminal_width

__all__ = ["check_files", "convert_files"]

COLOURS = {"yes": "green", "yes*": "yellow", "–": "red"}
"""Of what a cell shows: see `MARKS`."""


def convert_files(options: argparse.Namespace) -> Report:
    """Write each file's embeddings as clean safetensors; a file that fails, fails alone."""
    files = _find_files(options.file)
    if options.name is not None and len(files) > 1 and not options.join:
        raise FileError("One name cannot serve several files.", suggestion="Leave out --name, or join them (--join).")
    if options.join and options.name is None:
        raise FileError("The files that are joined need a name.", suggestion="Give --name NAME.")
    report = Report({}, [])
    converted: list[dict[str, object]] = []
    outcomes: list[list[Conversion]] = []
    taken: set[str] = set()
    progress = Progress(len(files))
    for group in [files] if options.join else [[path] for path in files]:
        progress.step(str(group[0]))
        try:
            done = _convert(group, options, taken)
        except EmbeddingMergeError as error:
            report.errors.append(f"{group[0]}:\n{describe_error(error)}")
            continue
        outcomes.append(done)
        for one in done:
            notes = list(one.notes)
            converted.append({"source": str(group[0]), "path": str(one.path), "notes": notes, "kept": one.is_kept})
            report.lines += [str(one.path), *(f"  {note}" for note in one.notes)]
    progress.finish()
    refused = len(files) if options.join and report.errors else len(report.errors)
    if len(files) > 1:
        report.lines.append(count_conversions(len(files), outcomes, refused))
    report.figures["converted"] = converted
    return report


def _convert(group: list[Path], options: argparse.Namespace, taken: set[str]) -> list[Conversion]:
    how = Treatment(options.unequal or "refuse", getattr(torch, options.dtype), options.encoder, options.drop_bad)
    name, overwrite = options.name, options.overwrite
    if options.join:
        return [join_files(group, options.dir, name, how, overwrite=overwrite)]
    if options.split:
        return split_file(group[0], options.dir, how, name=name, overwrite=overwrite)
    return convert_embeddings(group[0], options.dir, how, name=name, overwrite=overwrite, taken=taken)


def _find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files that paths name: of a folder its embeddings, of a pattern that no shell has expanded its files.

    Raises: FileError where a folder or a pattern has none.
    """
    found: list[Path] = []
    for path in paths:
        if is_folder(path):
            inside = [one for one in list_folder(path) if one.suffix.lower() in CONVERTIBLE]
        elif any(sign in path.name for sign in "*?[") and not exists(path):
            inside = [one for one in list_folder(path.parent) if fnmatch(one.name, path.name)]
        else:
            inside = [path]
        if not inside:
            raise FileError(f"There are no embedding files in {path}.")
        found += inside
    return found


def check_files(options: argparse.Namespace) -> Report:
    """Report for each file where it loads, and why it does not; a file that cannot be read fails alone."""
    report = Report({}, [], colours=COLOURS)
    checked = []
    loading = 0
    files = _find_files(options.file)
    for path in files:
        try:
            found = check(path)
        except EmbeddingMergeError as error:
            report.errors.append(f"{path}:\n{describe_error(error)}")
            continue
        lines = headlines(found.facts, found.verdicts)
        verdicts = [_fields(verdict) for verdict in found.verdicts]
        checked.append({"file": str(path), "summary": lines, "verdicts": verdicts})
        report.lines += [""] if report.lines else []
        report.lines += _list_verdicts(path, lines, found)
        loading += any(verdict.loads for verdict in found.verdicts)
    if len(files) > 1:
        report.lines += [""] if report.lines else []
        nowhere, unread = len(checked) - loading, len(report.errors)
        report.lines.append(f"{amount(len(files), 'file')}: {loading:,} load, {nowhere:,} nowhere, {unread:,} unread.")
    report.figures["checked"] = checked
    return report


def _list_verdicts(path: Path, summary: list[str], found: Checked) -> list[str]:
    verdicts, shown = found.verdicts, shown_families(found.facts, found.verdicts)
    by_place = {(verdict.program, verdict.model): verdict for verdict in verdicts}
    rows = [[program, *(MARKS[mark_of(by_place[program, model])] for model in shown)] for program in PROGRAMS]
    table = align([["", *(MODELS[model].title for model in shown)], *rows])
    home = [verdict for verdict in verdicts if verdict.model in found.facts.families]
    home = home or [verdict for verdict in verdicts if verdict.loads or verdict.repair not in (None, "remake")]
    said = [remark for line in _remarks(home) for remark in wrap(line, terminal_width() - 2, subsequent_indent="  ")]
    fitted = chain.from_iterable(map(fit_sentence, summary))
    return [str(path), *(f"  {line}" for line in [*fitted, "", *table, LEGEND, "", *said])]


def _fields(verdict: Verdict) -> dict[str, object]:
    return {**vars(verdict), "remarks": [remark.text for remark in verdict.remarks]}


def _remarks(verdicts: Sequence[Verdict]) -> list[str]:
    """Return each reason and remark once, with what helps and the places that it holds for."""
    lines = []
    for refused, remark, found in group_reasons(verdict for verdict in verdicts if verdict.is_served):
        helps = f" {REPAIRS[refused.repair]}" if refused is not None and refused.repair is not None else ""
        lines.append(f"{', '.join(name_places(found))}: {remark.text}{helps}")
    return lines
