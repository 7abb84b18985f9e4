"""What a command found, in the two forms it is shown in."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...errors import EmbeddingMergeError, FileExists, printable
from ..figures import amount, figure
from .terminal import terminal_width

if TYPE_CHECKING:
    from ...host_protocol import TextModel

__all__ = [
    "DEMONSTRATION_NOTE",
    "Progress",
    "Report",
    "amount",
    "describe_error",
    "describe_model",
    "figure",
    "made_with",
    "seen_with",
]

DEMONSTRATION_NOTE = (
    "the demonstration encoder: real word vectors (GloVe), not CLIP's; its files are for trying only."
    " Give --checkpoint FILE for real ones."
)


@dataclass
class Report:
    """The answer of a command: figures for programs, lines for people; all else goes to stderr.

    `note` says to people which model the answer is from. `colours` are of words that stand alone in the lines.
    """

    figures: dict[str, object]
    lines: list[str]
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    note: str = ""
    colours: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> str:
        """Return the figures, warnings and errors as JSON; infinity and NaN, which JSON lacks, as null.

        In ASCII: a terminal or a pipe may have another encoding than UTF-8, and a program reads it all the same.
        """
        content = self.figures | {"warnings": self.warnings, "errors": self.errors}
        return json.dumps(_plain(content), indent=2, allow_nan=False)

    def as_text(self) -> str:
        """Return the lines, with what would steer a terminal made visible."""
        return "\n".join(map(printable, self.lines))


def describe_error(error: EmbeddingMergeError) -> str:
    """Return an error's message; where a file would be replaced, with the option that lets it be."""
    if isinstance(error, FileExists):
        error.suggestion = "Add --overwrite to replace it."
    return str(error)


def describe_model(model: TextModel | None) -> dict[str, object]:
    """Return the model's fields for JSON."""
    if model is None:
        return {"model": None, "demonstration": False}
    return {
        "model": {
            "title": model.title,
            "family": None if model.family is None else model.family.key,
            "encoders": {encoder.name: encoder.width for encoder in model.encoders},
        },
        "demonstration": model.is_demonstration,
    }


def made_with(model: TextModel) -> str:
    """Return the line that says what a file's vectors are from."""
    return f"Made with {_describe(model)}"


def seen_with(model: TextModel) -> str:
    """Return the line that says what figures and words are from."""
    return f"Words and figures are of {_describe(model)}"


def _describe(model: TextModel) -> str:
    if model.is_demonstration:
        return DEMONSTRATION_NOTE
    family = "unknown family" if model.family is None else model.family.title
    return f"{model.title} ({family}: {', '.join(encoder.name for encoder in model.encoders)})."


class Progress:
    """A line on stderr that counts long work; silent where nobody sees it or there is little to count."""

    def __init__(self, total: int, *, least: int = 3) -> None:
        """Take the number of things to do, and the least that is worth a line."""
        self.total = total
        self.shown = total >= least and sys.stderr.isatty()
        self.done = 0

    def step(self, what: str) -> None:
        """Say what is being worked on."""
        self.done += 1
        if self.shown:
            line = printable(f"{self.done:,}/{self.total:,} {what}")[: terminal_width() - 1]
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Take the line away."""
        if self.shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _plain(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
