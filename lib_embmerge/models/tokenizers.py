"""The two tokenizers of CLIP, for use without a WebUI (inside one the host's own are used).

`clip_l` is tokenized as transformers' `CLIPTokenizer` does, `clip_g` and `clip_h` as open_clip's `SimpleTokenizer`
does. Both share one byte-pair encoding and one vocabulary of 49,408 tokens; they differ in how they clean a text
(open_clip repairs it with ftfy and resolves HTML entities, transformers 5 only composes it) and in the spelling of the
two special tokens.

Why these libraries: importing transformers takes seconds and open_clip needs torchvision, so neither is used. The
`tokenizers` package is what transformers' own class is built of, so the first tokenizer is exact by construction; its
model serves the second one too, behind open_clip's own cleaning (ftfy, html) and splitting (regex). Measured cold on
two cores: import 17 ms, vocabulary 25 ms, model 26 ms, 19 MB; a bare process with torch takes 1250 ms. A byte-pair
encoding of our own in Python would save 40 ms of that, and be ours to keep right.

Source: transformers 5 models/clip/tokenization_clip.py; open_clip 3.3 tokenizer.py:117-230.
"""

from __future__ import annotations

import functools
import gzip
import html
import re
from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..families import CLIP_VOCABULARY_SIZE

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["END", "START", "spell", "tokenize_as_open_clip", "tokenize_as_transformers", "tokenizer"]

START = 49406
"""Id of the start token."""

END = 49407
"""Id of the end token."""

END_OF_WORD = "</w>"

_MERGES = Path(__file__).with_name("clip_merges.txt.gz")

_WORDS = r"|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"

_NOTHING_TO_REPAIR = re.compile(r"[\t\n -%'-~]*")
"""Plain ASCII without `&` and control characters: ftfy and html.unescape leave it as it is (45 ms to import)."""


def tokenizer(encoder: str) -> Callable[[str], list[int]]:
    """Return the function that turns a text into token ids for the encoder of that name."""
    return tokenize_as_transformers if encoder == "clip_l" else tokenize_as_open_clip


def tokenize_as_transformers(text: str) -> list[int]:
    """Return the ids that transformers' `CLIPTokenizer` gives, without start and end token."""
    ids: list[int] = _transformers_pipeline().encode(_encodable(text), add_special_tokens=False).ids
    return ids


def tokenize_as_open_clip(text: str) -> list[int]:
    """Return the ids that open_clip's `SimpleTokenizer.encode` gives."""
    words: list[str] = _open_clip_pattern().findall(_clean_as_open_clip(text))
    return [id_ for word in words for id_ in _word_ids(word)]


def spell(ids: Sequence[int]) -> list[str]:
    """Return each token's text, a blank for the end of a word.

    Edge: bytes that are only a part of a character show as the replacement character; an id past the vocabulary
    (a row that somebody added to a checkpoint) as the id in angle brackets.
    """
    return [_spell_one(id_) for id_ in ids]


def _spell_one(id_: int) -> str:
    if not 0 <= id_ < CLIP_VOCABULARY_SIZE:
        return f"<{id_}>"
    token = _vocabulary()[id_]
    if id_ in (START, END):
        return token
    end = " " if token.endswith(END_OF_WORD) else ""
    byte_of = _byte_of()
    return bytes(byte_of[c] for c in token.removesuffix(END_OF_WORD)).decode("utf-8", errors="replace") + end


def _encodable(text: str) -> str:
    """Replace lone surrogates, which have no UTF-8 and so no bytes to encode."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _clean_as_open_clip(text: str) -> str:
    if not _NOTHING_TO_REPAIR.fullmatch(text):
        import ftfy

        text = html.unescape(html.unescape(ftfy.fix_text(_encodable(text))))
    return " ".join(text.split()).lower()


def _word_ids(word: str) -> list[int]:
    if word in _OPEN_CLIP_SPECIALS:
        return [_OPEN_CLIP_SPECIALS[word]]
    letters = "".join(map(_character_of().__getitem__, word.encode("utf-8")))
    return list(map(_ID_OF, _model().tokenize(letters)))


_ID_OF = attrgetter("id")
_OPEN_CLIP_SPECIALS = {"<start_of_text>": START, "<end_of_text>": END}


@functools.cache
def _open_clip_pattern() -> Any:
    import regex  # type: ignore[import-untyped, unused-ignore]

    return regex.compile("|".join(_OPEN_CLIP_SPECIALS) + _WORDS, regex.IGNORECASE)


@functools.cache
def _transformers_pipeline() -> Tokenizer:
    from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers

    pipeline = Tokenizer(_model())
    pipeline.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = Regex(r"<\|startoftext\|>|<\|endoftext\|>" + _WORDS)
    pipeline.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    # "normalized" as in the files that openai/clip-vit-large-patch14 is published with: it matters for upper case.
    pipeline.add_special_tokens(
        [
            AddedToken("<|startoftext|>", normalized=True, special=True),
            AddedToken("<|endoftext|>", normalized=False, special=True),
        ]
    )
    return pipeline


@functools.cache
def _model() -> Any:
    from tokenizers.models import BPE

    symbols = _merges().split()
    return BPE(
        vocab={token: id_ for id_, token in enumerate(_vocabulary())},
        merges=list(zip(symbols[0::2], symbols[1::2], strict=True)),
        end_of_word_suffix=END_OF_WORD,
        unk_token="<|endoftext|>",
    )


@functools.cache
def _merges() -> str:
    return gzip.decompress(_MERGES.read_bytes()).decode("utf-8")


@functools.cache
def _vocabulary() -> list[str]:
    characters = list(_character_of().values())
    ends = [character + END_OF_WORD for character in characters]
    return [*characters, *ends, *_merges().replace(" ", "").split("\n"), "<|startoftext|>", "<|endoftext|>"]


@functools.cache
def _character_of() -> dict[int, str]:
    """Return the visible character that stands for each byte, in the vocabulary's order.

    Source: openai/CLIP simple_tokenizer.py `bytes_to_unicode`.
    """
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {byte: chr(256 + i) for i, byte in enumerate(hidden)}


@functools.cache
def _byte_of() -> dict[str, int]:
    return {character: byte for byte, character in _character_of().items()}
