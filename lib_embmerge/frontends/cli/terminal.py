"""What a terminal is like: its width, whether it shows colours, and texts that fit it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from functools import partial
from textwrap import wrap as wrap_text
from typing import IO

__all__ = ["fit_help", "fit_sentence", "paint", "shows_colours", "terminal_width"]

WIDEST = 118
"""Columns of a line where the terminal is wider, or nobody knows how wide it is."""

NARROWEST = 40
"""Columns that a line may have anyway: below that nothing would be left of a table."""

COLOURS = {"bold": "1", "red": "31", "green": "32", "yellow": "33"}
"""Source: https://en.wikipedia.org/wiki/ANSI_escape_code#Select_Graphic_Rendition_parameters"""

wrap = partial(wrap_text, break_on_hyphens=False)
"""A name with hyphens stays whole."""

ENTRY = re.compile(r"(?P<term> +\S+(?: \S+)*)(?P<gap> {2,})(?P<text>(?!--)\S.*)")
"""A line of a list: an option, say, a gap, and what it does."""

COMMAND = re.compile(r" *embmerge .*[^.]")

WORD = re.compile(r"""(?:--?[\w-]+ (?=[^-\s]))?(?:[^\s"']|"[^"]*"|'[^']*')+""")
"""A word of a command; an option stays with its value."""

LEAST_TEXT = 30
"""Columns for the second part of a list's line; where fewer are left, it stands below the first."""


def terminal_width() -> int:
    """Return how many columns a line may have. The variable `COLUMNS` goes before what the terminal says."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns))


def shows_colours(stream: IO[str]) -> bool:
    """Return whether a stream is a terminal with colours that nobody has switched off.

    Source: https://no-color.org
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return False
    return os.name != "nt" or any(name in os.environ for name in ("WT_SESSION", "ANSICON", "TERM"))


def paint(text: str, colour: str, stream: IO[str]) -> str:
    """Return a text in a colour of `COLOURS`, where the stream shows any."""
    return f"\033[{COLOURS[colour]}m{text}\033[0m" if text and shows_colours(stream) else text


LONGEST_LINE = 200
"""Characters of a sentence's line; what is longer goes on in the next one."""


def fit_sentence(line: str) -> list[str]:
    """Return a sentence's line, in several as wide as the terminal where it is far too long; a name stays whole."""
    if len(line) <= LONGEST_LINE:
        return [line]
    below = " " * (len(line) - len(line.lstrip()) + 2)
    return wrap(line, terminal_width(), subsequent_indent=below, break_long_words=False)


# --- Help that fits ------------------------------------------------------------------------------------------------


def fit_help(text: str, width: int) -> str:
    """Return a help text in lines of at most so many columns; what fits already stays as it is written.

    A command that is too long goes on in the next line, as a shell reads it.
    """
    blocks = (block.split("\n") for block in text.split("\n\n"))
    return "\n\n".join("\n".join(_fit_block(block, width)) for block in blocks)


def _fit_block(lines: list[str], width: int) -> list[str]:
    if all(len(line) <= width for line in lines):
        return lines
    if any(ENTRY.fullmatch(line) for line in lines):
        return [fitted for entry in _entries(lines) for fitted in _fit_entry(*entry, width=width)]
    if any(COMMAND.fullmatch(line) for line in lines):
        return [fitted for line in lines for fitted in _fit_command(line, width)]
    if lines[0].startswith(" "):
        return [fitted for line in lines for fitted in _fit_indented(line, width)]
    return wrap(" ".join(lines), width)


def _fit_indented(line: str, width: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()))
    return wrap(line.strip(), width, initial_indent=indent, subsequent_indent=indent)


def _entries(lines: list[str]) -> Iterator[tuple[str, str, int]]:
    """Yield each entry of a list: its first part with the indent, its text, and the column where the text begins."""
    term, text, column = "", "", 0
    for line in lines:
        found = ENTRY.fullmatch(line)
        indent = len(line) - len(line.lstrip())
        if found is None and text and indent >= column:
            text += " " + line.strip()
        elif found is None and term and not text and indent > 2:
            text, column = line.strip(), indent
        else:
            if term:
                yield term, text, column
            term = found["term"] if found else line
            text = found["text"] if found else ""
            column = found.start("text") if found else 0
    yield term, text, column


def _fit_entry(term: str, text: str, column: int, *, width: int) -> list[str]:
    indent = len(term) - len(term.lstrip())
    if not text or len(term) > width:
        return wrap(term, width, subsequent_indent=" " * (indent + 4), break_long_words=False) + (
            wrap(text, width, initial_indent=" " * (indent + 4), subsequent_indent=" " * (indent + 4)) if text else []
        )
    if width - column < LEAST_TEXT:
        indent = min(indent, 4)
        below = " " * (indent + 4)
        return [" " * indent + term.lstrip(), *wrap(text, width, initial_indent=below, subsequent_indent=below)]
    if len(term) + 2 > column:
        return [term, *wrap(text, width, initial_indent=" " * column, subsequent_indent=" " * column)]
    return wrap(text, width, initial_indent=term.ljust(column), subsequent_indent=" " * column)


def _fit_command(line: str, width: int) -> list[str]:
    """Divide a command at blanks outside its quotes."""
    if len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    is_typed = bool(indent)  # what stands at the margin is a command's form, not to be typed
    mark = (" `" if os.name == "nt" else " \\") if is_typed else ""
    lines = [indent]
    for word in WORD.findall(line):
        longer = f"{lines[-1]}{' ' if lines[-1].strip() else ''}{word}"
        if len(longer) + len(mark) > width and lines[-1].strip():
            lines.append(f"{indent}    {word}")
        else:
            lines[-1] = longer
    return [*(one + mark for one in lines[:-1]), lines[-1]]
