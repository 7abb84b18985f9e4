"""What the smallest parts of an expression look like: the grammar, the search in prompts and the hints read it here."""

from __future__ import annotations

__all__ = ["BARE_NAME", "NAME", "NUMBER", "TEXT", "write_terminals"]

TEXT = r"""'[^']*(?:''[^']*)*'(?!')|"[^"]*(?:""[^"]*)*"(?!")"""
"""A quoted text. A quote inside it is doubled; the look-ahead keeps half a pair from closing it."""

NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
"""A number, without a sign."""

NAME = r"[^\W\d]\w*"
"""A function's name."""

BARE_NAME = r"[\w.]+"
"""A checkpoint's name that needs no quotes."""


def write_terminals() -> str:
    """Return these as terminals of grammar.lark."""
    patterns = {"TEXT": TEXT, "NUMBER": NUMBER, "NAME": NAME, "BARE_NAME": BARE_NAME}
    return "".join(f"{name}: /{pattern}/\n" for name, pattern in patterns.items())
