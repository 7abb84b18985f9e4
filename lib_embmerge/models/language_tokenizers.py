"""Tokenizers of T5 and language models, by the file that belongs to the model: none is guessed.

`tokenizer.json` is read by the package `tokenizers`, and so are Qwen's `vocab.json` and `merges.txt`; `spiece.model`
and `tokenizer.model` by `sentencepiece`, which need not be installed otherwise. A text is cut as it stands: with a
blank before its first word, or none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import FileError, shorten
from ..families import GROUPS, group_of
from ..files.paths import is_file, read_small_text, time_of_change

__all__ = ["LanguageTokenizer", "doubles_blanks", "open_tokenizer", "spell_piece"]

BLANK = "▁"
"""What stands for a blank in pieces of SentencePiece."""

BYTES = re.compile("[!-~¡-¬®-ÿ\u0100-\u0143]+")
"""What a token of a byte-level tokenizer looks like. Source: openai/gpt-2 encoder.py, `bytes_to_unicode`."""

LONGEST_SAID = 200
"""Characters of what the package says of a damaged file."""

MOST_TOKENS = 1 << 32
"""The package counts tokens with 32 bits."""

SPECIAL = {
    "t5": (None, "</s>", "<pad>"),
    "umt5": (None, "</s>", "<pad>"),
    "pile_t5": (None, "</s>", "<s>"),
    "gemma2": ("<bos>", "<eos>", "<pad>"),
    "gemma3": ("<bos>", "<eos>", "<pad>"),
    "qwen25": (None, "<|im_end|>", "<|endoftext|>"),
    "qwen3": (None, "<|im_end|>", "<|endoftext|>"),
    "mistral3": ("<s>", "</s>", "<pad>"),
    "llama": ("<|begin_of_text|>", "<|end_of_text|>", "<|end_of_text|>"),
}
"""Start, end and padding token by tokenizer group, None where there is none. Source: the models' special_tokens_map."""

WORDS_OF_QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
WORDS = {"qwen25": WORDS_OF_QWEN, "qwen3": WORDS_OF_QWEN}
"""How a text is divided into words, by tokenizer group, where `vocab.json` and `merges.txt` are all there is.

Source: transformers, models/qwen2/tokenization_qwen2.py, `PRETOKENIZE_REGEX`.
"""


class LanguageTokenizer:
    """One tokenizer, whichever package reads it."""

    def __init__(self, path: Path, encoder: str) -> None:
        """Read the file; `encoder` says which special tokens it has.

        Raises: FileError where it is no tokenizer, or the package that reads it is missing.
        """
        self._path = path
        with _Spoken(path):
            self._inner = _read(path, group_of(encoder))
        self._is_pieces = hasattr(self._inner, "id_to_piece")
        special = SPECIAL.get(group_of(encoder), (None, None, None))
        self.start_id, self.end_id, self.padding_id = (None if name is None else self._id_of(name) for name in special)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's ids, without special tokens."""
        return self._cut([text.removeprefix(" ") for text in texts] if self._doubles_blanks else texts)

    @cached_property
    def _doubles_blanks(self) -> bool:
        return doubles_blanks(self._cut)

    def _cut(self, texts: Sequence[str]) -> list[list[int]]:
        encodable = [text.encode("utf-8", errors="replace").decode("utf-8") for text in texts]
        if self._is_pieces:
            return [list(self._inner.encode(text, add_bos=False, add_eos=False)) for text in encodable]
        with _Spoken(self._path):
            return [list(found.ids) for found in self._inner.encode_batch(encodable, add_special_tokens=False)]

    def spell(self, ids: Sequence[int]) -> list[str]:
        """Return each token's spelling, a blank before it where it begins a word."""
        return [self._spell(int(token)) for token in ids]

    def _spell(self, token: int) -> str:
        if self._is_pieces:
            return spell_piece(self._inner.id_to_piece(token)) if token < self._inner.get_piece_size() else f"<{token}>"
        piece = self._inner.id_to_token(token)
        return f"<{token}>" if piece is None else spell_piece(piece)

    def _id_of(self, name: str) -> int | None:
        if not self._is_pieces:
            found = self._inner.token_to_id(name)
            return None if found is None else int(found)
        token = int(self._inner.piece_to_id(name))
        return token if self._inner.id_to_piece(token) == name else None


def doubles_blanks(cut: Callable[[Sequence[str]], list[list[int]]]) -> bool:
    """Return whether a tokenizer puts a blank before a text and keeps the text's own, too, as a token more.

    Llama's SentencePiece does, which Pile-T5 has: a text is cut there without the blank that stands before it.
    """
    bare, behind, twice = cut(["a", " a", "a,a"])
    return len(behind) == len(bare) + 1 and behind[1:] == bare and twice[:1] != twice[-1:]


def open_tokenizer(path: Path, encoder: str) -> LanguageTokenizer:
    """Return the tokenizer of a file, read once for as long as it stays as it is.

    Raises: FileError as `LanguageTokenizer`.
    """
    return _opened(path, encoder, time_of_change(path))


@lru_cache(maxsize=8)
def _opened(path: Path, encoder: str, changed: int | None) -> LanguageTokenizer:
    return LanguageTokenizer(path, encoder)


def spell_piece(piece: str) -> str:
    """Return a piece of a vocabulary as people read it: of SentencePiece, or of a byte-level pair encoding.

    Edge: bytes that are only a part of a character show as the replacement character.
    """
    if BYTES.fullmatch(piece) and not piece.isascii():
        return bytes(_byte_of(character) for character in piece).decode("utf-8", errors="replace")
    return piece.replace(BLANK, " ")


def _byte_of(character: str) -> int:
    """Return the byte that a visible character stands for. Source: openai/gpt-2 encoder.py, `bytes_to_unicode`."""
    code = ord(character)
    if code < 256:
        return code
    hidden = [*range(0x21), *range(0x7F, 0xA1), 0xAD]
    found: int = hidden[code - 256]
    return found


class _Spoken:
    """What the package `tokenizers` raises of a damaged file, in a sentence.

    That is an exception of no particular kind, or one that cannot be imported where its Rust code gives up.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Turn it into a FileError; any other exception goes on."""
        if kind is Exception or (kind is not None and kind.__name__ == "PanicException"):
            said = shorten(str(error), LONGEST_SAID).rstrip(".")
            raise FileError(f"{self.path} cannot be read as a tokenizer: {said}.") from error


def _read(path: Path, group: str) -> Any:
    if path.name == "vocab.json":
        return _read_pairs(path, group)
    if path.suffix == ".json":
        from tokenizers import Tokenizer

        return Tokenizer.from_str(_read_tokenizer_json(path))
    try:
        from sentencepiece import SentencePieceProcessor  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise FileError(
            f"To read {path.name} the package sentencepiece is needed.", suggestion="pip install sentencepiece"
        ) from None
    try:
        return SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError) as error:
        raise FileError(f"{path} cannot be read as a tokenizer: {error}.") from error


def _read_tokenizer_json(path: Path) -> str:
    text = read_small_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} cannot be read as a tokenizer: {error}.") from error
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), (dict, list)):
        raise FileError(f"{path} cannot be read as a tokenizer: it has no vocabulary.")
    return text


def _read_pairs(path: Path, group: str) -> Any:
    """Put a byte-level tokenizer together of its vocabulary, the pairs beside it, and its added tokens, if told."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    if group not in WORDS:
        raise FileError(
            f"vocab.json and merges.txt do not say how {GROUPS.get(group, group)} divides a text into words.",
            suggestion="Put its tokenizer.json beside them.",
        )
    lines = read_small_text(path.with_name("merges.txt")).splitlines()
    pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    vocabulary = _read_object(path)
    if not all(type(token) is int and 0 <= token < MOST_TOKENS for token in vocabulary.values()):
        raise FileError(f"{path} cannot be read as a tokenizer: not every piece has a number.")
    if any(len(pair) != 2 for pair in pairs):
        raise FileError(f"{path.with_name('merges.txt')} cannot be read as a tokenizer: not every line is a pair.")
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))  # type: ignore[arg-type]
    inner.normalizer = normalizers.NFC()  # type: ignore[assignment, unused-ignore]
    words = pre_tokenizers.Split(Regex(WORDS[group]), "isolated")
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.pre_tokenizer = pre_tokenizers.Sequence([words, letters])  # type: ignore[assignment, unused-ignore]
    _add_tokens(inner, path.with_name("tokenizer_config.json"))
    return inner


def _add_tokens(inner: Any, path: Path) -> None:
    from tokenizers import AddedToken

    added = _read_object(path).get("added_tokens_decoder") if is_file(path) else None
    found = added if isinstance(added, dict) else {}
    if not all(token.isdecimal() and _is_added(told) for token, told in found.items()):
        raise FileError(f"{path} cannot be read as a tokenizer: its added tokens have another form.")
    for token, told in sorted(found.items(), key=lambda entry: int(entry[0])):
        sides = {side: bool(told.get(side)) for side in ("lstrip", "rstrip", "single_word", "normalized", "special")}
        inner.add_tokens([AddedToken(told["content"], **sides)])
        if inner.token_to_id(told["content"]) != int(token):
            raise FileError(f"{path} does not belong to the vocab.json beside it: {told['content']} is not {token}.")


def _is_added(told: object) -> bool:
    return isinstance(told, dict) and isinstance(told.get("content"), str)


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_small_text(path))
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} cannot be read as a tokenizer: {error}.") from error
    if not isinstance(content, dict):
        raise FileError(f"{path} cannot be read as a tokenizer: it is no object.")
    return content
