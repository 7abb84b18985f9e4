"""`embmerge convert` and `check`: other people's files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from ...errors import EmbeddingMergeError, FileError
from ...families import FAMILIES
from ...files.convert import convert_file
from ...files.names import EXTENSIONS
from ...files.paths import list_folder
from ...files.publish_check import HOSTS, MODELS, Verdict, check_file
from ...models.tokenizers import tokenizer
from .report import Progress, Report, align, describe_error

__all__ = ["check_files", "convert_files"]

YES, CARE, NO = "yes", "yes*", "–"
"""What a cell of the table says; `*` leads to a remark below it."""


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
            verdicts = check_file(path, neighbours=_neighbours(path), is_vocabulary_word=_is_vocabulary_word)
        except EmbeddingMergeError as error:
            report.errors.append(f"{path}:\n{describe_error(error)}")
            continue
        checked.append({"file": str(path), "verdicts": [_fields(verdict) for verdict in verdicts]})
        report.lines += ([""] if report.lines else []) + _list_verdicts(path, verdicts)
    report.figures["checked"] = checked
    return report


def _is_vocabulary_word(text: str) -> bool:
    return any(len(tokenizer(encoder)(text)) == 1 for encoder in ("clip_l", "clip_g"))


def _neighbours(path: Path) -> list[str]:
    """Return the names of the embeddings beside a file; none where its folder is missing or may not be listed."""
    try:
        others = [other for other in list_folder(path.parent) if other.suffix.lower() in EXTENSIONS]
    except FileError:
        return []
    return [other.stem for other in others if other.name != path.name]


def _list_verdicts(path: Path, verdicts: Sequence[Verdict]) -> list[str]:
    by_place = {(verdict.host, verdict.model): verdict for verdict in verdicts}
    rows = [[host, *(_cell(by_place[host, model]) for model in MODELS)] for host in HOSTS]
    table = align([["", *(FAMILIES[model].title for model in MODELS)], *rows])
    return [str(path), *(f"  {line}" for line in table), *(f"  {line}" for line in _remarks(verdicts))]


def _fields(verdict: Verdict) -> dict[str, object]:
    return asdict(verdict) | {"cautions": [remark.text for remark in verdict.cautions]}


def _cell(verdict: Verdict) -> str:
    return NO if not verdict.loads else CARE if verdict.cautions else YES


def _remarks(verdicts: Sequence[Verdict]) -> list[str]:
    """Return each reason and caution once, with the places that it holds for."""
    places: dict[str, list[str]] = {}
    for verdict in verdicts:
        place = f"{verdict.host} {FAMILIES[verdict.model].title}"
        said = [remark.text for remark in verdict.cautions] if verdict.loads else [verdict.reason]
        for text in said:
            places.setdefault(text, []).append(place)
    return [f"{text} ({_places(found)})" for text, found in places.items()]


def _places(found: Sequence[str]) -> str:
    return ", ".join(found) if len(found) <= 4 else f"{', '.join(found[:3])} and {len(found) - 3} more"
