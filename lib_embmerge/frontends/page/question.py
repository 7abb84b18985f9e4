"""Questions of the page and their answers, as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...errors import EmbeddingMergeError

__all__ = ["Answer", "Question"]

LONGEST_TEXT = 100_000
"""Characters of a field: what is longer was not typed."""


@dataclass(frozen=True)
class Question:
    """A question: its number, its kind and its fields, which come from outside and may be anything."""

    id: int
    kind: str
    fields: Mapping[str, object] = field(default_factory=dict)

    @staticmethod
    def read(text: str) -> Question:
        """Read a question from JSON.

        Raises: EmbeddingMergeError where it is none.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise EmbeddingMergeError("The page sent a question that cannot be read.") from error
        if not isinstance(content, dict):
            raise EmbeddingMergeError("The page sent a question that is no object.")
        number = content.get("id")
        return Question(number if isinstance(number, int) else 0, str(content.get("kind", "")), content)

    def text(self, name: str) -> str:
        """Return a field that is a text, empty where it is absent.

        Raises: EmbeddingMergeError where it is no text, or longer than `LONGEST_TEXT`.
        """
        value = self.fields.get(name, "")
        if not isinstance(value, str):
            raise EmbeddingMergeError(f"The field {name} must be a text.")
        if len(value) > LONGEST_TEXT:
            raise EmbeddingMergeError(f"The text has {len(value):,} characters; at most {LONGEST_TEXT:,} are read.")
        return value

    def place(self, name: str) -> int | None:
        """Return a field that is a place in a text; None where it is anything else."""
        value = self.fields.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return a field that is one of `choices`; the first of them where it is anything else."""
        value = self.fields.get(name)
        return value if isinstance(value, str) and value in choices else choices[0]


@dataclass
class Answer:
    """An answer: HTML by slot, values for the javascript, and the kind to ask next."""

    slots: dict[str, str] = field(default_factory=dict)
    state: dict[str, object] = field(default_factory=dict)
    then: str | None = None
