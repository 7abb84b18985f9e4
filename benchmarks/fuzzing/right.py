"""Expressions that are right by construction, each with what it means."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable
from typing import NamedTuple

from lib_embmerge.models.memory import WORDS

from .small_model import OTHER, STYLE

MOST_VECTORS = 1024

Node = tuple  # (operation, arguments…); the reference reads it
Tokens = list[str]


class Made(NamedTuple):
    """A piece of an expression: its tokens, its meaning, its number of vectors."""

    tokens: Tokens
    node: Node
    length: int


class TooMany(Exception):  # noqa: N818 - not an error
    """An operation would give more vectors than are allowed."""


class Figure(NamedTuple):
    """A number expression and its value."""

    tokens: Tokens
    value: int | float


class Generator:
    """Makes expressions along the grammar of docs/language.md, each with what it means.

    A comma may join operands everywhere but directly among a function's arguments.
    """

    def __init__(self, chance: random.Random) -> None:
        """Take the source of chance."""
        self.chance = chance

    def expression(self) -> tuple[str, Node, int]:
        """Give a text, its meaning and its number of vectors, nowhere more than are allowed."""
        while True:
            try:
                made = self.sum(self.chance.choice((0, 1, 1, 2, 2, 3)), comma=True)
            except TooMany:
                continue
            return self.spell(made.tokens), made.node, made.length

    def spell(self, tokens: Tokens) -> str:
        """Write tokens with blanks as a person might, or might not."""
        style = self.chance.random()
        if style < 0.4:
            return "".join(tokens)
        if style < 0.8:
            return " ".join(tokens)
        return "".join(token + self.chance.choice(("", " ", "  ", "\n", "\t")) for token in tokens)

    def sum(self, depth: int, *, comma: bool) -> Made:
        """`a + b - c =* 2`, and so on."""
        made = self.term(depth, comma)
        if self.chance.random() < 0.1:
            made = made._replace(tokens=["+", *made.tokens])
        for _ in range(self.chance.choice((0, 0, 1, 1, 2))):
            if self.chance.random() < 0.12:
                made = self._whole(made, depth, comma)
            else:
                symbol, name = self.chance.choice((("+", "add"), ("-", "subtract")))
                right = self.term(depth, comma)
                tokens = [*made.tokens, symbol, *right.tokens]
                made = Made(tokens, (name, made.node, right.node), max(made.length, right.length))
        return made

    def _whole(self, made: Made, depth: int, comma: bool) -> Made:
        before = len(made.tokens)
        made = self.step(made, depth, self.chance.choice("*/:+"))
        made.tokens.insert(before, "=")
        return self.steps(made, depth, comma) if self.chance.random() < 0.3 else made

    def term(self, depth: int, comma: bool) -> Made:
        """A product, or the negative of one."""
        if self.chance.random() < 0.12:
            inner = self.term(depth, comma)
            return Made(["-", *inner.tokens], ("negate", inner.node), inner.length)
        return self.product(depth, comma)

    def product(self, depth: int, comma: bool) -> Made:
        """An operand with operations behind it; a number may scale it from the left."""
        if self.chance.random() < 0.12:
            figure = self.figures(depth)
            operand = self.primary(depth)
            made = Made([*figure.tokens, "*", *operand.tokens], ("scale", operand.node, figure.value), operand.length)
        else:
            made = self.primary(depth)
        return self.steps(made, depth, comma)

    def steps(self, made: Made, depth: int, comma: bool) -> Made:
        """Operations of the one-rank group."""
        for _ in range(self.chance.choice((0, 0, 0, 1, 1, 2, 3))):
            made = self.step(made, depth, self.chance.choice("**//:+[]" + ",,,," * comma))
        return made

    def step(self, made: Made, depth: int, symbol: str) -> Made:
        """One operation."""
        chance, tokens, node, length = self.chance, list(made.tokens), made.node, made.length
        if symbol in "*/":
            factor = self.factor(depth, is_divisor=symbol == "/")
            letter = chance.choice(("", "", "", "L", "G"))
            tokens += [symbol, *factor.tokens, *letter]
            only = {"L": "clip_l", "G": "clip_g"}.get(letter)
            return Made(tokens, ("scale" if symbol == "*" else "divide", node, factor.value, only), length)
        if symbol == ":":
            size = chance.choice((0, 1, 1, 2, 3, 4, 5, 6, 9, 75)) if chance.random() < 0.99 else MOST_VECTORS
            return Made([*tokens, ":", str(size)], ("resize", node, size), size)
        if symbol == "+":
            by = chance.choice((0, 1, 1, 2, 3, 1000)) * chance.choice((1, -1))
            return Made([*tokens, ":", "-" if by < 0 else "+", str(abs(by))], ("shift", node, by), length)
        if symbol == "[" and length:
            i = chance.randrange(-length, length)
            return Made([*tokens, "[", *_signed(i), "]"], ("index", node, i), 1)
        if symbol in "[]":
            first, last = (chance.choice((None, chance.randint(-4, 6))) for _ in range(2))
            start, stop, _ = slice(first, last).indices(length)
            tokens += ["[", *_signed(first), ":", *_signed(last), "]"]
            return Made(tokens, ("slice", node, first, last), max(0, stop - start))
        right = self.token_id() if chance.random() < 0.25 else self.primary(depth)
        return _limited([*tokens, ",", *right.tokens], ("concat", node, right.node), length + right.length)

    def token_id(self) -> Made:
        """`256`, `00`, `000`, `0000` behind a comma."""
        if self.chance.random() < 0.3:
            digits, name = self.chance.choice((("00", "pad"), ("000", "end"), ("0000", "start")))
            return Made([digits], (name,), 1)
        number = self.chance.randrange(268)
        return Made([str(number)], ("token", number), 1)

    # Numbers

    def figure(self) -> Figure:
        """A number as it can be written."""
        chance = self.chance
        value = chance.choice((0, 1, 2, 3, 5, 10, 0.5, 0.25, 1.5, 0.1, 2.0, 1e-3, 123.456, round(chance.random(), 5)))
        spellings = [repr(value)]
        if isinstance(value, float):
            bare = repr(value).removeprefix("0") if value < 1 and "e" not in repr(value) else "2."
            spellings += [f"{value:.6e}", bare]
        text = chance.choice(spellings)
        return Figure([text], float(text) if set(text) & set(".eE") else int(text))

    def figures(self, depth: int) -> Figure:
        """A number expression that can stand before `*`: `2`, `1/3`, `(1 + 2)`."""
        if self.chance.random() < 0.6 or not depth:
            return self.figure()
        if self.chance.random() < 0.5:
            return self.group_of_figures()
        left, right = self.figure(), self.figure()
        if right.value == 0 or self.chance.random() < 0.5:
            return Figure([*left.tokens, "*", *right.tokens], left.value * right.value)
        return Figure([*left.tokens, "/", *right.tokens], left.value / right.value)

    def group_of_figures(self) -> Figure:
        """`(1/3)`, `(2 - 0.5)`."""
        left, right = self.figure(), self.figure()
        symbol = self.chance.choice("+-*/" if right.value else "+-*")
        value = CALCULATE[symbol](left.value, right.value)
        return Figure(["(", *left.tokens, symbol, *right.tokens, ")"], value)

    def factor(self, depth: int, *, is_divisor: bool) -> Figure:
        """What stands behind `*` or `/`: one sign, a number or a group."""
        while True:
            figure = self.group_of_figures() if depth and self.chance.random() < 0.2 else self.figure()
            if not is_divisor or abs(figure.value) >= 1e-3:
                break
        sign = self.chance.choice(("", "", "", "-", "+"))
        return Figure([*sign, *figure.tokens], -figure.value if sign == "-" else figure.value)

    def share(self, depth: int) -> Figure:
        """A function's number argument: any number expression."""
        figure = self.figures(depth)
        return Figure(["-", *figure.tokens], -figure.value) if self.chance.random() < 0.15 else figure

    # Operands

    def primary(self, depth: int) -> Made:
        """A quoted text, a group, a function, any of them from another checkpoint."""
        chance = self.chance
        if depth == 0 or chance.random() < 0.45:
            made = self.text()
        elif chance.random() < 0.4:
            inner = self.sum(depth - 1, comma=True)
            made = Made(["(", *inner.tokens, ")"], inner.node, inner.length)
        else:
            made = self.call(depth - 1)
        if chance.random() < 0.06:
            name = chance.choice((OTHER, f"'{OTHER}'", f'"{OTHER}"'))
            return Made([*made.tokens, "@", name], ("at", made.node), made.length)
        return made

    def text(self) -> Made:
        """A quoted text of known words, letters, signs and the installed embedding."""
        words = [self._word() for _ in range(self.chance.choice((0, 1, 1, 1, 1, 2, 2, 3, 8)))]
        runs = tuple(word.lower() for word in words)
        length = sum(3 if word == STYLE else _token_count(word) for word in runs)
        return Made([self._quote(" ".join(words))], ("quoted", runs), length)

    def _word(self) -> str:
        word = self.chance.choice((*WORDS, *WORDS, "x", "!", "é", "7", "猫", "'", '"', STYLE))
        return word.upper() if self.chance.random() < 0.1 else word

    def _quote(self, text: str) -> str:
        quote = self.chance.choice("''\"")
        return quote + text.replace(quote, quote * 2) + quote

    def call(self, depth: int) -> Made:
        """A function."""
        name = self.chance.choice(FUNCTION_NAMES)
        makers: dict[str, Callable[[int], tuple[list[Tokens], tuple, int]]] = {
            "lerp": self._two_and_share, "slerp": self._two_and_share, "mean": self._several, "concat": self._all,
            "repeat": self._repeat, "normalize": self._normalize, "project": self._two, "remove": self._two,
            "token": self._token, "text": self._literal, "emb": self._embedding, "random": self._random,
            "pad": self._nothing, "end": self._nothing, "start": self._nothing,
        }  # fmt: skip
        arguments, meaning, length = makers.get(name, self._one)(depth)
        if name in ("sum", "pool"):
            length = min(length, 1)
        tokens = [name, "("]
        for i, argument in enumerate(arguments):
            tokens += [",", *argument] if i else argument
        return _limited([*tokens, ")"], (name, *meaning), length)

    def _one(self, depth: int) -> tuple[list[Tokens], tuple, int]:
        a = self.sum(depth, comma=False)
        return [a.tokens], (a.node,), a.length

    def _two(self, depth: int) -> tuple[list[Tokens], tuple, int]:
        a, b = self.sum(depth, comma=False), self.sum(depth, comma=False)
        return [a.tokens, b.tokens], (a.node, b.node), a.length

    def _two_and_share(self, depth: int) -> tuple[list[Tokens], tuple, int]:
        a, b, t = self.sum(depth, comma=False), self.sum(depth, comma=False), self.share(depth)
        return [a.tokens, b.tokens, t.tokens], (a.node, b.node, t.value), max(a.length, b.length)

    def _several(self, depth: int) -> tuple[list[Tokens], tuple, int]:
        made = [self.sum(depth, comma=False) for _ in range(self.chance.randint(1, 4))]
        return [one.tokens for one in made], tuple(one.node for one in made), max(one.length for one in made)

    def _all(self, depth: int) -> tuple[list[Tokens], tuple, int]:
        made = [self.sum(depth, comma=False) for _ in range(self.chance.randint(1, 4))]
        return [one.tokens for one in made], tuple(one.node for one in made), sum(one.length for one in made)

    def _repeat(self, depth: int) -> tuple[list[Tokens], tuple, int]:
        a = self.sum(depth, comma=False)
        times = self.chance.choice((0, 1, 2, 3, 7)) if self.chance.random() < 0.98 else MOST_VECTORS // max(1, a.length)
        return [a.tokens, [str(times)]], (a.node, times), a.length * times

    def _normalize(self, depth: int) -> tuple[list[Tokens], tuple, int]:
        a = self.sum(depth, comma=False)
        kind = self.chance.choice(("vocabulary", "number", "embedding"))
        if kind == "vocabulary":
            return [a.tokens], (a.node, None), a.length
        if kind == "number":
            norm = self.figure()
            return [a.tokens, norm.tokens], (a.node, norm.value), a.length
        b = self.sum(depth, comma=False)
        return [a.tokens, b.tokens], (a.node, b.node), a.length

    def _token(self, _depth: int) -> tuple[list[Tokens], tuple, int]:
        number = self.chance.randrange(268)
        return [[str(number)]], (number,), 1

    def _literal(self, _depth: int) -> tuple[list[Tokens], tuple, int]:
        words = [self._word() for _ in range(self.chance.choice((0, 1, 1, 2)))]
        runs = tuple(word.lower() for word in words)
        return [[self._quote(" ".join(words))]], (runs,), sum(_token_count(word) for word in runs)

    def _embedding(self, _depth: int) -> tuple[list[Tokens], tuple, int]:
        return [[self._quote(self.chance.choice((STYLE, STYLE.upper())))]], (), 3

    def _random(self, _depth: int) -> tuple[list[Tokens], tuple, int]:
        number = self.chance.choice((0, 1, 1, 2, 3) if self.chance.random() < 0.98 else (75, 75, 75, MOST_VECTORS))
        seed = self.chance.randrange(12)
        return [[str(number)], [str(seed)]], (number, seed), number

    def _nothing(self, _depth: int) -> tuple[list[Tokens], tuple, int]:
        return [], (), 1


def _limited(tokens: Tokens, node: Node, length: int) -> Made:
    if length > MOST_VECTORS:
        raise TooMany
    return Made(tokens, node, length)


FUNCTION_NAMES = (
    "lerp", "slerp", "mean", "sum", "pool", "concat", "repeat", "normalize", "project", "remove", "clip_l", "clip_g",
    "token", "pad", "end", "start", "text", "emb", "nearest", "random",
)  # fmt: skip


CALCULATE: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def _signed(number: int | None) -> list[str]:
    return [] if number is None else ["-", str(-number)] if number < 0 else [str(number)]


def _token_count(word: str) -> int:
    return 1 if word in WORDS else len(word.encode())
