"""The language's quotes, and what programs put in the place of its quotes, signs and brackets."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .write import quote

__all__ = [
    "BRACKET_LOOKALIKES",
    "CURLY_QUOTES",
    "QUOTES",
    "SIGN_LOOKALIKES",
    "find_quotes",
    "make_signs_plain",
    "straighten",
]

QUOTES = "'\""
"""The quotes that the language has."""

CURLY_QUOTES = "‘’‚‛“”„‟«»‹›`´′″＇＂「」『』"
APOSTROPHES = "’´′`"
"""Of these, the ones that stand within words, too."""

SIGN_LOOKALIKES = {
    **dict.fromkeys("−–—‐‑‒―－", "-"),
    **dict.fromkeys("×∗·✕＊", "*"),
    **dict.fromkeys("÷∕⁄／", "/"),
    **dict.fromkeys("，、", ","),
    "＋": "+", "：": ":", "＝": "=", "（": "(", "）": ")", "［": "[", "］": "]", "＠": "@",
}  # fmt: skip

BRACKET_LOOKALIKES = {**dict.fromkeys("‹〈⟨＜❮", "<"), **dict.fromkeys("›〉⟩＞❯", ">")}

_IN_A_WORD = rf"(?<=\w)[{APOSTROPHES}](?=\w)"
_QUOTE = re.compile(f"(?!{_IN_A_WORD})[{CURLY_QUOTES}]")
_PAIR = re.compile(rf"(?!{_IN_A_WORD})[{CURLY_QUOTES}]((?:[^{CURLY_QUOTES}]|{_IN_A_WORD})*)[{CURLY_QUOTES}]")
_STRAIGHT = re.compile(r"""('[^']*(?:''[^']*)*'|"[^"]*(?:""[^"]*)*")""")
_SIGN = re.compile(f"[{re.escape(''.join(SIGN_LOOKALIKES))}]")


def find_quotes(text: str) -> list[str]:
    """Return the typographic quotes in a text that stand neither in straight quotes nor as an apostrophe in a word."""
    return [quote for piece in _STRAIGHT.split(text)[::2] for quote in _QUOTE.findall(piece)]


def straighten(text: str) -> Sequence[str]:
    """Return what a text may be with plain quotes and signs: each quote alone made straight, in pairs, or all of them.

    An apostrophe in a word stays, and so does, but in the last, what stands in straight quotes already.

    Example:
        >>> straighten("‘don’t’ − “cat”")[0]
        "'don’t' - 'cat'"
        >>> straighten("“it's”")[1]
        "'it''s'"
    """
    each = "".join(
        _QUOTE.sub("'", piece) if i % 2 == 0 else piece for i, piece in enumerate(_STRAIGHT.split(text))
    )
    paired = _PAIR.sub(lambda match: quote(match[1]), text)
    return [make_signs_plain(candidate) for candidate in (each, paired, _QUOTE.sub("'", text))]


def make_signs_plain(text: str) -> str:
    """Return a text with the language's own signs for those that look like them, outside of straight quotes."""
    pieces = _STRAIGHT.split(text)
    pieces[::2] = [_SIGN.sub(lambda match: SIGN_LOOKALIKES[match[0]], piece) for piece in pieces[::2]]
    return "".join(pieces)
