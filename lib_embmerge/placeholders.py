"""Names of placeholders: words that stand for vectors while a prompt is being encoded.

A name is a fixed prefix and alternating digits and letters, because CLIP's tokenizers cut such a word into single
characters: every name has the same number of tokens, so none is the beginning of another, and no name costs the
tokenizer a byte-pair search. (Source: the pattern of `SimpleTokenizer` in openai/CLIP, `[\\p{L}]+|[\\p{N}]`.)
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

__all__ = [
    "PREFIX",
    "SPELLING",
    "as_typed",
    "content_names",
    "count_name",
    "counted_vectors",
    "find_names",
    "glued_name",
    "put_words",
    "spelled_ids",
    "stand_in_name",
    "stood_for",
]

Buffer = Any
"""Bytes, or anything that lends them without a copy."""

PREFIX = "embm"
DIGITS = "0123456789"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
PAIRS_OF_CHARACTERS = [digit + letter for digit in DIGITS for letter in LETTERS]
SPELLING = (PREFIX, *PAIRS_OF_CHARACTERS)
"""What every name is made of: the prefix is a word to the tokenizer, a pair two."""

PAIRS = 5
"""Pairs of a digit and a letter: 260 ** 5 names, about 40 bits."""

COUNT_PREFIX = PREFIX + "9z"
"""With the first pair of a name that holds a number of vectors; names of contents never begin with it."""

STAND_IN_PREFIX = PREFIX + "9y"
"""With the first pair of a name that stands for a text; others never begin with it either."""

STAND_IN = re.compile(rf"{STAND_IN_PREFIX}(?:[0-9][a-z]){{{PAIRS - 1}}}")

NAME = re.compile(rf"(?<![a-z0-9]){PREFIX}(?:[0-9][a-z]){{{PAIRS}}}(?![a-z0-9])")

GLUED = ((False, False), (True, False), (False, True), (True, True))
"""Whether a blank was set before a name and behind it, where the prompt has none, by the first pair of the name.

The names of contents, which are of 32 bits, leave that pair at its first value.
"""

FOLLOWING = re.compile(rf" ({NAME.pattern})")

AMONG_SIGNS = re.compile(rf"(?:(?<=[(\[]) )?({NAME.pattern})(?: (?=[,.;:!?)\]]))?")


def content_names(contents: Iterable[Buffer]) -> Iterator[str]:
    """Yield names for some vectors, always the same in the same order: who finds one taken by others takes the next.

    A checksum is enough: names live for one prompt, and who registers them compares the vectors of equal names.
    """
    number = 0
    for content in contents:
        number = zlib.crc32(content, number)
    while True:
        yield PREFIX + _pairs(number, PAIRS)  # below 260 ** 4, so the first pair is 0a: no name of a count
        number = zlib.crc32(b"another", number)


def count_name(vectors: int) -> str:
    """Return the name that stands for `vectors` unknown vectors in a prompt that is only counted."""
    return COUNT_PREFIX + _pairs(vectors, PAIRS - 1)


def stand_in_name(text: str) -> str:
    """Return the name that stands for a piece of a prompt while another program looks at it."""
    return STAND_IN_PREFIX + _pairs(zlib.crc32(text.encode("utf-8", "surrogatepass")), PAIRS - 1)


def stood_for(text: str, known: Mapping[str, str]) -> str:
    """Put the pieces back into the places of the names that stand for them; other names stay."""
    if STAND_IN_PREFIX not in text:
        return text
    return STAND_IN.sub(lambda found: known.get(found[0], found[0]), text)


def counted_vectors(name: str) -> int | None:
    """Return the number of vectors that a name of `count_name` stands for, None for any other name."""
    head = COUNT_PREFIX
    if not name.startswith(head):
        return None
    value = 0
    pairs = name[len(head) :]
    for digit, letter in zip(pairs[::2], pairs[1::2], strict=True):
        value = value * 260 + int(digit) * 26 + LETTERS.index(letter)
    return value


def glued_name(name: str, before: bool, behind: bool) -> str:
    """Return a name of contents that says whether a blank was set before it and behind it."""
    return PREFIX + PAIRS_OF_CHARACTERS[GLUED.index((before, behind))] + name[len(PREFIX) + 2 :]


def as_typed(text: str, is_empty: Callable[[str], bool]) -> tuple[str, list[bool]]:
    """Take the blanks away that were set around names, so that all else in a text is as if words had been typed there.

    A blank before a name goes where nothing or a line's end is before that; one behind it where no letter, digit or
    other name follows. Names that stand for nothing go, each with the blank before it. For each name that stays is
    given, too, whether a blank is still before it that the words would not have: behind an opening bracket.
    Example:
        >>> as_typed("embm0c0a0a0a0a , red embm0a1a1a1a1a", lambda name: name.endswith("1a"))
        ('embm0c0a0a0a0a, red', [False])
    """
    texts, names = NAME.split(text), find_names(text)
    behind_bracket = []
    for place, name in enumerate(names):
        before, behind = _glue(name)
        head, tail = texts[place], texts[place + 1]
        is_set = before and head.endswith(" ")
        if is_set and (head[:-1].endswith("\n") or (head == " " and not place)):
            head = head[:-1]
        behind_bracket.append(is_set and head.endswith(("( ", "[ ")))
        is_last = place + 1 == len(names)
        if behind and tail.startswith(" ") and not tail[1:2].isalnum() and (len(tail) > 1 or is_last):
            tail = tail[1:]
        texts[place], texts[place + 1] = head, tail
    typed, kept = texts[0], []
    for name, bracket, following in zip(names, behind_bracket, texts[1:], strict=True):
        if not is_empty(name):
            typed += name
            kept.append(bracket)
        elif typed.endswith(" "):
            typed = typed[:-1]
        typed += following
    return typed, kept


def _glue(name: str) -> tuple[bool, bool]:
    place = PAIRS_OF_CHARACTERS.index(name[len(PREFIX) : len(PREFIX) + 2])
    return GLUED[place] if place < len(GLUED) else GLUED[0]


def spelled_ids(name: str, ids_of: Callable[[str], Sequence[int]]) -> list[int]:
    """Return a name's token ids from those of its prefix and of its pairs, as a tokenizer would cut it."""
    ids = list(ids_of(PREFIX))
    for start in range(len(PREFIX), len(name), 2):
        ids += ids_of(name[start : start + 2])
    return ids


def find_names(text: str) -> Sequence[str]:
    """Return the placeholder names that stand in a text, in order."""
    return NAME.findall(text) if PREFIX in text else ()


def put_words(text: str, words: Mapping[str, str]) -> str:
    """Put words in the places of the names that stand for them; other names stay.

    The blank that was set between a name and a sign that ends words, or a bracket before it, goes again, so that the
    words are as if typed: a tokenizer may read brackets as text. So does the blank before a name of no words.
    Example:
        >>> put_words("a embm0a0a0a0a0a , embm1a1a1a1a1a", {"embm0a0a0a0a0a": "cat"})
        'a cat, embm1a1a1a1a1a'
    """
    if PREFIX not in text:
        return text
    text = FOLLOWING.sub(lambda found: words.get(found[1], found[0]) and found[0], text)
    return AMONG_SIGNS.sub(lambda found: words.get(found[1], found[0]), text)


def _pairs(number: int, count: int) -> str:
    pairs = []
    for _ in range(count):
        number, rest = divmod(number, len(PAIRS_OF_CHARACTERS))
        pairs.append(PAIRS_OF_CHARACTERS[rest])
    return "".join(reversed(pairs))
