"""A vocabulary of a thousand tokens, and tokenizers of it in the shapes that text encoders have.

Common words are one token, others are spelled letter by letter; a token's spelling ends in `</w>` where its word ends.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any

COMMON = """
    adult an and at big black blue boy castle cat child dog girl house in is it king man mat night of old on one
    paris photo queen rain red small sun text the to two with woman word young
""".split()  # noqa: SIM905
RARE = [f"zq{''.join(letters)}xw" for letters in itertools.product(ascii_lowercase[:22], repeat=2)]
"""Words that nobody types."""

END_OF_WORD = "</w>"
SPELLINGS = [
    *map(chr, range(256)),
    *(chr(byte) + END_OF_WORD for byte in range(256)),
    *(word + END_OF_WORD for word in [*COMMON, *RARE]),
    "<|startoftext|>",
    "<|endoftext|>",
]
SIZE = len(SPELLINGS)
START, END = SIZE - 2, SIZE - 1
TOKENS = {spelling: token for token, spelling in enumerate(SPELLINGS)}
COMMA = TOKENS["," + END_OF_WORD]
WORD = re.compile(r"[^\W\d_]+|\d|(?:[^\w\s]|_)+")


def encode(text: str) -> list[int]:
    """Give a text's tokens; small and capital letters are the same."""
    return list(_encoded(text))


@functools.lru_cache(maxsize=4096)  # tests ask for the same texts over and over
def _encoded(text: str) -> Sequence[int]:
    return tuple(token for word in WORD.findall(text.lower()) for token in _tokens_of(word))


def _tokens_of(word: str) -> Sequence[int]:
    whole = TOKENS.get(word + END_OF_WORD)
    if whole is not None:
        return [whole]
    *inner, last = word.encode()
    return [*inner, 256 + last]


class OpenClipTokenizer:
    """In the shape of open_clip's."""

    @staticmethod
    def encode(text: str) -> list[int]:
        return encode(text)

    @staticmethod
    def decode(tokens: Sequence[int]) -> str:
        return "".join(SPELLINGS[token] for token in tokens).replace(END_OF_WORD, " ")


class TransformersTokenizer:
    """In the shape of transformers' CLIPTokenizer; tokens can be added, which are found by their letters."""

    bos_token_id, eos_token_id, vocab_size = START, END, SIZE

    def __init__(self, padding: int = END) -> None:
        self.pad_token_id = padding
        self.added_tokens_encoder: dict[str, int] = {}

    def __call__(self, texts: Sequence[str], **_: Any) -> Mapping[str, list[list[int]]]:
        return {"input_ids": [self._encode(text) for text in texts]}

    def get_vocab(self) -> Mapping[str, int]:
        return {**TOKENS, **self.added_tokens_encoder}

    def add_tokens(self, spellings: Sequence[str]) -> None:
        for spelling in spellings:
            self.added_tokens_encoder.setdefault(spelling, SIZE + len(self.added_tokens_encoder))

    def convert_ids_to_tokens(self, tokens: Any) -> Any:
        if isinstance(tokens, int):
            return [*SPELLINGS, *self.added_tokens_encoder][tokens]
        spelled = [*SPELLINGS, *self.added_tokens_encoder]
        return [spelled[token] for token in tokens]

    def convert_tokens_to_ids(self, spelling: str) -> int | None:
        return self.added_tokens_encoder.get(spelling, TOKENS.get(spelling))

    @staticmethod
    def convert_tokens_to_string(spellings: Sequence[str]) -> str:
        return "".join(spellings).replace(END_OF_WORD, " ").strip()

    def _encode(self, text: str) -> list[int]:
        if not self.added_tokens_encoder:
            return encode(text)
        longest_first = sorted(self.added_tokens_encoder, key=len, reverse=True)
        pieces = re.split(f"({'|'.join(map(re.escape, longest_first))})", text)
        return [token for piece in pieces for token in self._tokens_of_piece(piece)]

    def _tokens_of_piece(self, piece: str) -> Sequence[int]:
        added = self.added_tokens_encoder.get(piece)
        return encode(piece) if added is None else [added]


class SentenceTokenizer:
    """In the shape of T5's: letters keep their size; of a rare word each is a token, and so is the blank before it."""

    pad_token_id = 0

    def __call__(self, text: Any, **_: Any) -> Mapping[str, Any]:
        if isinstance(text, str):
            return {"input_ids": self.ids(text)}
        return {"input_ids": [self.ids(one) for one in text]}

    @classmethod
    def ids(cls, text: str) -> list[int]:
        return [token for word in cls.words(text) for token in _tokens_of_word(word)]

    @staticmethod
    def words(text: str) -> list[str]:
        return re.findall(r" ?(?:\w+|[^\w\s])", " " + " ".join(text.split()))


COMMON = {" cat": 1, "cat": 2}
"""Words that are one token, behind a blank or not."""
BLANK, LETTERS = 3, 290
"""The token of a blank, and how many there are for letters, behind it."""


def _tokens_of_word(word: str) -> list[int]:
    if word in COMMON:
        return [COMMON[word]]
    return [BLANK if sign == " " else BLANK + 1 + ord(sign) % LETTERS for sign in word]
