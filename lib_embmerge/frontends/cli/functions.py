"""`embmerge functions`: the table of operators and functions. Needs no torch."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from ...errors import EmbeddingMergeError, closest_names
from ...operations import OPERATIONS, Operation, listed_operations, signature
from .report import Report

__all__ = ["list_functions", "markdown_table"]


def list_functions(options: argparse.Namespace) -> Report:
    """Return every operator and function, or those named."""
    entries = [_find(name) for name in options.name] or list(OPERATIONS.values())
    figures: dict[str, object] = {"functions": [_fields(entry) for entry in entries]}
    shown = entries if options.name else listed_operations()
    if options.markdown:
        return Report(figures, markdown_table(shown).splitlines())
    lines = [line for entry in shown for line in (*_list_entry(entry), "")]
    return Report(figures, lines[:-1])


def markdown_table(entries: Iterable[Operation]) -> str:
    """Return the entries as a table for the README."""
    lines = ["| written | gives | example |", "|---|---|---|"]
    for entry in entries:
        lines.append(f"| `{signature(entry)}` | {entry.summary} | `{entry.example}` |")
    return "\n".join(lines)


def _find(name: str) -> Operation:
    entry = OPERATIONS.get(name)
    if entry is None:
        raise EmbeddingMergeError(f"There is no function {name}.", alternatives=closest_names(name, OPERATIONS))
    return entry


def _list_entry(entry: Operation) -> list[str]:
    return [signature(entry), f"    {entry.summary}", f"    {entry.formula}", f"    {entry.example}"]


def _fields(entry: Operation) -> dict[str, object]:
    return {
        "name": entry.name,
        "signature": signature(entry),
        "summary": entry.summary,
        "formula": entry.formula,
        "example": entry.example,
        "is_function": entry.is_function,
        "parameters": [
            {"name": p.name, "kind": p.kind, "optional": p.optional, "repeated": p.repeated} for p in entry.parameters
        ],
    }
