"""Texts that are wrong, mostly: mutated, random, deep, long, and in all scripts."""

from __future__ import annotations

import random

from .right import Generator

PIECES = (
    "'cat'", '"dog"', "''", "'", '"', "(", ")", "[", "]", ",", ":", "*", "/", "+", "-", "=", "@", "L", "G", "0", "1",
    "2", "00", "000", "0000", "0.5", ".5", "2.", "1e3", "1e400", "999999999999", "007", "lerp", "mean", "nearest",
    "random", "token", "repeat", "emb", "text", "pad()", "normalize", "lurp", "cat", "<", ">", "{", "}", " ", "\n",
    "\t", "@other.v2", "'mystyle'", "[1:3]", "[:", ":+", ":-1", "=*", "**", "++", "--", "\\", "#", "%", "é", "“cat”",
    "×", "，",
)  # fmt: skip
UNICODE = (
    (0x20, 0x7E), (0x00, 0x1F), (0x80, 0x2FF), (0x300, 0x36F), (0x590, 0x6FF), (0x2000, 0x206F), (0x3000, 0x30FF),
    (0x4E00, 0x4FFF), (0xD800, 0xDFFF), (0xFE00, 0xFE0F), (0xFF00, 0xFFEF), (0x1F300, 0x1F6FF), (0xE0000, 0xE007F),
)  # fmt: skip
UNITS = (
    "*1", "/1", ":1", ":+1", "[0]", "[:]", ",'a'", ",0", "+'a'", "-'a'", "=*1", "+('a')", "+pad()", "+mean('a')",
    "+''@other.v2", "+text('a')", "+token(3)", "+'a'*2L", "'a'", "(", ")", "[", "'", "''", "-", "+", "1", "a", " ", "é",
    "@", ",", ".", "*", "(1)", "lerp(", "'a'+", "\n", "😀",
)  # fmt: skip


class Mutator:
    """Makes texts that are wrong, mostly."""

    def __init__(self, chance: random.Random, generator: Generator) -> None:
        """Take the source of chance, and of texts to spoil."""
        self.chance = chance
        self.generator = generator

    def text(self) -> str:
        """Give a text of any kind."""
        kinds = (self.mutated, self.soup, self.mutated, self.soup, self.characters, self.deep, self.long)
        return self.chance.choice(kinds)()

    def mutated(self) -> str:
        """A right expression with a few characters changed."""
        text, _, _ = self.generator.expression()
        for _ in range(self.chance.choice((1, 1, 2, 3, 5))):
            at = self.chance.randint(0, len(text))
            to = at + self.chance.choice((0, 1, 1, 2, 8))
            kind = self.chance.randrange(4)
            put = ("", self.chance.choice(PIECES), text[at:to] * 2, self._character())[kind]
            text = text[:at] + put + text[to if kind != 3 else at :]
        return text

    def soup(self) -> str:
        """Tokens in any order."""
        return "".join(self.chance.choices(PIECES, k=self.chance.choice((1, 2, 3, 4, 6, 10, 20, 60))))

    def characters(self) -> str:
        """Characters of all scripts, in quotes now and then."""
        text = "".join(self._character() for _ in range(self.chance.choice((1, 3, 10, 50))))
        return f"'{text}'" if self.chance.random() < 0.4 else text

    def _character(self) -> str:
        return chr(self.chance.randint(*self.chance.choice(UNICODE)))

    def deep(self) -> str:
        """Nested brackets, in balance or not."""
        kinds = (("(", ")"), ("mean(", ")"), ("(-", ")"), ("-(", ")[0]"), ("sum(", ")@other.v2"))
        opening, closing = self.chance.choice(kinds)
        depth = self.chance.choice((5, 30, 99, 100, 101, 150))
        missing = self.chance.choice((0, 0, 0, 1, -1))
        return opening * depth + self.chance.choice(("'a'", "", "1", "'a'+")) + closing * (depth + missing)

    def long(self) -> str:
        """A piece again and again, up to some hundred characters; now and then up to the limit and past it."""
        most = self.chance.choice((60, 200, 500, 900))
        if self.chance.random() < 0.005:
            most = self.chance.choice((4096, 16_384, 16_385))
        head, unit = self.chance.choice(("'a'", "", "('a'", "1")), self.chance.choice(UNITS)
        text = head + unit * ((most - len(head)) // len(unit))
        return text + self.chance.choice(("", "", ")", "'a'"))
