"""What a user can do wrong, as one family of exceptions that show alike everywhere.

    EmbeddingMergeError
    ├── ExpressionError            a mistake in an expression, with its place
    │   ├── SyntaxProblem              it cannot be read
    │   ├── UnknownFunction            a function of that name does not exist
    │   ├── UnknownEmbedding           no (or no single) embedding of that name, or another model family's
    │   ├── WrongArgument              the number, kind or range of an argument
    │   ├── ShapeMismatch              an encoder that this model has not, or of another width
    │   ├── NotFinite                  a step gave infinity or NaN, or left the range of half precision
    │   └── LimitExceeded              too long, too deep, too many vectors
    ├── HostError
    │   ├── ModelNotLoaded             no model is loaded (yet)
    │   └── UnsupportedHost            this WebUI or model has no place for embeddings
    └── FileError                  a file, a name or a folder that cannot be used
        ├── NameProblem                a name under which nothing may be saved
        └── FileExists                 saving would replace a file

WebUIs show `type(error).__name__` in front of the message, so that is the program's name, the same for all of these;
`__qualname__` is the class's own.
"""

# ruff: noqa: N818 - phrases that say what is wrong carry no "Error"

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = [
    "SPEAKER",
    "EmbeddingMergeError",
    "ExpressionError",
    "FileError",
    "FileExists",
    "HostError",
    "LimitExceeded",
    "ModelNotLoaded",
    "NameProblem",
    "NotFinite",
    "ShapeMismatch",
    "Span",
    "SyntaxProblem",
    "UnknownEmbedding",
    "UnknownFunction",
    "UnsupportedHost",
    "WrongArgument",
    "closest_names",
    "did_you_mean",
    "draw_caret",
    "printable",
    "shorten",
]

SPEAKER = "Embedding merge"
"""What WebUIs show in front of our messages."""

CONTEXT = 40
"""Characters of the source line that are shown on either side of the caret."""

DIRECTION_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of writing; shown, they would move the line away from its carets."""


@dataclass(frozen=True)
class Span:
    """A stretch of the source text: offsets of its first character and of the one past its last."""

    start: int
    end: int

    def shifted(self, offset: int) -> Span:
        """Return the same stretch in a text in which this one's source begins at `offset`."""
        return Span(self.start + offset, self.end + offset)

    def to(self, other: Span) -> Span:
        """Return the stretch from this one's start to the other's end."""
        return Span(self.start, other.end)


class EmbeddingMergeError(Exception):
    """A user's mistake: what is wrong, where, and what to write instead.

    `str()` of it is the whole message for a person, caret included; `message` is the sentence alone. Each of the
    `alternatives` may stand in the source where `span` is; without a span they are names for what was asked for. The
    `choices` are what can be done instead, in sentences that stand in a line each.
    """

    def __init_subclass__(cls) -> None:
        """Let WebUIs show who speaks, in the place of the class's name."""
        cls.__name__ = SPEAKER

    def __init__(
        self,
        message: str,
        *,
        source: str | None = None,
        span: Span | None = None,
        suggestion: str | None = None,
        alternatives: Iterable[str] = (),
        choices: Iterable[str] = (),
    ) -> None:
        """Keep the parts; `span` is a stretch of `source`. Alternatives make a suggestion where none is given."""
        message = printable(message)
        super().__init__(message)
        self.message = message
        self.source = source
        self.span = span
        self.alternatives = tuple(alternatives)
        self.choices = tuple(map(printable, choices))
        self._suggestion = suggestion and printable(suggestion)

    def __str__(self) -> str:
        """Return the line with its carets, below it the sentence with the suggestion, and each choice in a line."""
        return "\n".join(part for part in (self.excerpt, self.sentence, *map("  {}".format, self.choices)) if part)

    @property
    def suggestion(self) -> str | None:
        """What to write or do instead, as a sentence."""
        return self._suggestion or (printable(did_you_mean(self.alternatives)) if self.alternatives else None)

    @suggestion.setter
    def suggestion(self, sentence: str | None) -> None:
        self._suggestion = sentence and printable(sentence)

    @property
    def excerpt(self) -> str:
        """The line of the source with carets below the span; empty where there is none."""
        return "" if self.source is None or self.span is None else draw_caret(self.source, self.span)

    @property
    def in_a_row(self) -> str:
        """The sentence and what it is about, without carets: for where blanks and line ends count for nothing."""
        said = " ".join([self.sentence, *self.choices])
        return f"{said} In: {shorten(self.source, 2 * CONTEXT)}" if self.source else said

    @property
    def sentence(self) -> str:
        """The message with the suggestion, without the line."""
        return self.message if self.suggestion is None else f"{self.message} {self.suggestion}"

    def located(self, source: str, offset: int = 0) -> EmbeddingMergeError:
        """Place this error into a longer text in which its own source begins at `offset`; return itself."""
        self.source = source
        if self.span is not None:
            self.span = self.span.shifted(offset)
        return self


EmbeddingMergeError.__name__ = SPEAKER


class ExpressionError(EmbeddingMergeError):
    """A mistake in an expression."""


class SyntaxProblem(ExpressionError):
    """The expression cannot be read."""


class UnknownFunction(ExpressionError):
    """A function of that name does not exist."""


class UnknownEmbedding(ExpressionError):
    """No embedding, or no single embedding, of that name fits this model."""


class WrongArgument(ExpressionError):
    """An argument of the wrong number, kind or range."""


class ShapeMismatch(ExpressionError):
    """An encoder that this model does not have, or one of another width."""


class NotFinite(ExpressionError):
    """A step of the calculation left the range of the numbers it is kept in."""


class LimitExceeded(ExpressionError):
    """An expression that is too long, too deep or has too many vectors."""


class HostError(EmbeddingMergeError):
    """The WebUI or its model cannot do what is asked."""


class ModelNotLoaded(HostError):
    """No model is loaded (yet)."""


class UnsupportedHost(HostError):
    """This WebUI or this model has no place for embeddings; `places` names what it lacks in its own code.

    Those names are for the console, where who repairs it looks: no sentence to a user has them. `reads_words` says that
    a model reads the words of expressions instead, as the settings let it.
    """

    places: Sequence[str] = ()
    reads_words = False


class FileError(EmbeddingMergeError):
    """A file or folder that cannot be used."""


class NameProblem(FileError):
    """A name under which nothing may be saved."""


class FileExists(FileError):
    """Saving would replace a file that is there; of several, `missing` names those that are not."""

    missing: Sequence[str] = ()


def draw_caret(source: str, span: Span) -> str:
    """Draw the line of `source` on which `span` begins and, below it, carets under the span.

    Control characters count as one blank (a tab, too), wide characters as two columns, combining ones as none; what
    turns the direction of writing is left out. A long line is clipped to `CONTEXT` characters on either side, a long
    span to twice that; a span over several lines ends with the first.
    """
    start = min(max(span.start, 0), len(source))
    line_start = source.rfind("\n", 0, start) + 1
    line = source[line_start:].partition("\n")[0]
    first = start - line_start
    last = min(max(first + 1, min(span.end - line_start, len(line))), first + 2 * CONTEXT)
    left, right = max(0, first - CONTEXT), min(len(line), last + CONTEXT)
    before = _shown(("…" if left else "") + line[left:first])
    marked = _shown(line[first:last])
    after = _shown(line[last:right]) + ("…" if right < len(line) else "")
    return f"{before}{marked}{after}\n{' ' * _columns(before)}{'^' * max(1, _columns(marked))}"


def shorten(text: str, most: int = 40) -> str:
    """Return a text in at most that many characters, an ellipsis for the rest: a sentence stays one to read."""
    return text if len(text) <= most else text[: most - 1] + "…"


def closest_names(name: str, known: Iterable[str]) -> list[str]:
    """Return at most three of the known names that are spelled most like `name`, upper and lower case alike."""
    by_spelling: dict[str, list[str]] = {}
    for other in known:
        by_spelling.setdefault(other.casefold(), []).append(other)
    found = difflib.get_close_matches(name.casefold(), by_spelling, n=3, cutoff=0.6)
    return [other for spelling in found for other in by_spelling[spelling]][:3]


def did_you_mean(names: Sequence[str]) -> str:
    """Return the question that offers names, of which there is at least one: `Did you mean a, b or c?`."""
    others, last = names[:-1], names[-1]
    return f"Did you mean {', '.join(others)} or {last}?" if others else f"Did you mean {last}?"


def printable(text: str) -> str:
    r"""Return a line with what would steer a terminal or cannot be written out made visible: `\x1b`, `\n`, `\u202e`.

    File names and headers come from strangers. Halves of surrogate pairs, in which a name that is no UTF-8 comes, are
    replaced.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cs":
        return "\N{REPLACEMENT CHARACTER}"
    steers = (category in ("Cc", "Zl", "Zp") and character != "\t") or character in DIRECTION_MARKS
    return character.encode("unicode_escape").decode("ascii") if steers else character


def _shown(text: str) -> str:
    return "".join(map(_shown_character, text))


def _shown_character(character: str) -> str:
    if character in DIRECTION_MARKS:
        return ""
    category = unicodedata.category(character)
    if category == "Cs":
        return "\N{REPLACEMENT CHARACTER}"  # half a surrogate pair cannot be written out
    return " " if category in ("Cc", "Zl", "Zp") else character


def _columns(text: str) -> int:
    return sum(map(_column_width, text))


def _column_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
