"""`embmerge convert` and `check`: other people's files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap

import torch

from ...compatibility.facts import MODELS
from ...compatibility.rules import HOSTS, Verdict
from ...compatibility.view import LEGEND, MARKS, REPAIRS, group_reasons, headlines, mark_of, name_places
from ...errors import EmbeddingMergeError
from ...files.convert import convert_file
from ...library import check
from .report import Progress, Report, align, describe_error

__all__ = ["check_files", "convert_files"]

WIDTH = 118
"""Columns of a line about a file."""


def convert_files(options: argparse.Namespace) -> Report:
    """Write each file as clean safetensors; a file that fails, fails alone."""
    report = Report({}, [])
    converted = []
    progress = Progress(len(options.file))
    for path in options.file:
        progress.step(str(path))
        try:
            done = convert_file(
                path,
                options.dir,
                unequal=options.unequal or "refuse",
                dtype=getattr(torch, options.dtype),
                overwrite=options.overwrite,
            )
        except EmbeddingMergeError as error:
            report.errors.append(f"{path}:\n{describe_error(error)}")
            continue
        converted.append({"source": str(path), "path": str(done.path), "notes": list(done.notes)})
        report.lines += [str(done.path), *(f"  {note}" for note in done.notes)]
    progress.finish()
    report.figures["converted"] = converted
    return report


def check_files(options: argparse.Namespace) -> Report:
    """Report for each file where it loads, and why it does not; a file that cannot be read fails alone."""
    report = Report({}, [])
    checked = []
    for path in options.file:
        try:
            found = check(path)
        except EmbeddingMergeError as error:
            report.errors.append(f"{path}:\n{describe_error(error)}")
            continue
        lines = headlines(found.facts, found.verdicts)
        verdicts = [_fields(verdict) for verdict in found.verdicts]
        checked.append({"file": str(path), "summary": lines, "verdicts": verdicts})
        report.lines += [""] if report.lines else []
        report.lines += _list_verdicts(path, lines, found.verdicts, found.facts.families)
    report.figures["checked"] = checked
    return report


def _list_verdicts(path: Path, summary: list[str], verdicts: Sequence[Verdict], families: Sequence[str]) -> list[str]:
    by_place = {(verdict.host, verdict.model): verdict for verdict in verdicts}
    rows = [[host, *(MARKS[mark_of(by_place[host, model])] for model in MODELS)] for host in HOSTS]
    table = align([["", *(target.title for target in MODELS.values())], *rows])
    home = [verdict for verdict in verdicts if verdict.model in families]
    home = home or [verdict for verdict in verdicts if verdict.loads or verdict.repair not in (None, "remake")]
    shown = [remark for line in _remarks(home) for remark in wrap(line, WIDTH, subsequent_indent="  ")]
    return [str(path), *(f"  {line}" for line in [*summary, "", *table, LEGEND, "", *shown])]


def _fields(verdict: Verdict) -> dict[str, object]:
    return asdict(verdict) | {"cautions": [remark.text for remark in verdict.cautions]}


def _remarks(verdicts: Sequence[Verdict]) -> list[str]:
    """Return each reason and caution once, with what helps and the places that it holds for."""
    lines = []
    for refused, remark, found in group_reasons(verdict for verdict in verdicts if verdict.is_served):
        helps = f" {REPAIRS[refused.repair]}" if refused is not None and refused.repair is not None else ""
        lines.append(f"{', '.join(name_places(found))}: {remark.text}{helps}")
    return lines
