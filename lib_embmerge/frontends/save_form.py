"""What a person fills in to save, on the page and on the command line, and what of it saving is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import LimitExceeded
from ..limits import Limits
from ..saving import DTYPES, Long, SaveOptions

__all__ = ["LONGEST_ABOUT", "SaveForm"]

LONGEST_ABOUT = 10_000
"""Characters of what a file says about itself, in each of its fields."""


@dataclass(frozen=True)
class SaveForm:
    """The fields: an untouched one is empty, or None where the front end knows no text."""

    overwrite: bool = False
    dtype: str = "float32"
    long: Long | None = None
    author: str | None = None
    note: str | None = None
    trigger: str | None = None
    tags: str | None = None
    is_negative: bool = False
    with_hash: bool = False

    def options(self, folder: Path, limits: Limits, *, is_installed_here: bool = False) -> SaveOptions:
        """Return how to save into a folder; a number format that nobody offers is the usual one.

        Raises: LimitExceeded for a field of more than `LONGEST_ABOUT` characters.
        """
        for field in ("author", "note", "trigger", "tags"):
            if len(text := getattr(self, field) or "") > LONGEST_ABOUT:
                raise LimitExceeded(f"The {field} has {len(text):,} characters; a file takes {LONGEST_ABOUT:,}.")
        about = {
            "author": self.author,
            "description": self.note,
            "trigger_phrase": self.trigger,
            "tags": self.tags,
            "is_negative_embedding": "true" if self.is_negative else None,
        }
        return SaveOptions(
            folder=folder,
            overwrite=self.overwrite,
            dtype=self.dtype if self.dtype in DTYPES else "float32",
            long=self.long,
            about={key: value.strip() for key, value in about.items() if value and value.strip()},
            with_hash=self.with_hash,
            is_installed_here=is_installed_here,
            limits=limits,
        )
