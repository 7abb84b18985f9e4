"""T5 and language models of a running WebUI: their tokenizers cut, and their input-embedding modules give the rows."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from torch import Tensor

from ...evaluation.analysis import Analysis
from ...families import ENCODERS
from ...merge import Merged
from .beyond_vocabulary import RowsByName
from .encoder import HostEncoder
from .token_table import CalledTable, HostTable

__all__ = ["LanguageEncoder", "PlacedEncoder", "cut_texts", "find_key", "rows_in_prompts", "without_pictures"]

SIGN = "("
"""Behind it, as behind all that is no blank, SentencePiece puts no blank before a word."""


class PlacedEncoder(HostEncoder):
    """A text encoder that can cut a text as behind a sign, where its tokenizer puts no blank before it."""

    @cached_property
    def puts_blanks(self) -> bool:
        """Whether the tokenizer itself puts a blank before a text, as T5's: a beginning is as behind a blank."""
        bare, behind = super().tokenize(["a", " a"])
        return bare == behind

    @cached_property
    def _place(self) -> threading.local:
        return threading.local()

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids by the host's own tokenizer."""
        if not getattr(self._place, "is_behind_sign", False):
            return super().tokenize(texts)
        (sign,) = super().tokenize([SIGN])
        behind = super().tokenize([text if text[:1].isspace() else SIGN + text for text in texts])
        return [ids[len(sign) :] if ids[: len(sign)] == sign else ids for ids in behind]

    @contextlib.contextmanager
    def behind_sign(self) -> Iterator[None]:
        """Cut texts that have no blank before them as behind a sign while the context lasts, in this thread."""
        self._place.is_behind_sign = True
        try:
            yield
        finally:
            self._place.is_behind_sign = False


class LanguageEncoder(PlacedEncoder):
    """A text encoder that is no CLIP's, whose rows are asked of its own input-embedding module."""

    def __init__(self, tokenizer: Any, layer: Any, *, key: str) -> None:
        """Take its tokenizer, transformers' or a processor that has one, the module, and its key in files."""
        super().__init__(_Cutter(tokenizer), layer, name=key, key=key)

    def make_table(self, layer: Any) -> HostTable:
        """Return what reads rows by calling the layer, as the host does."""
        return CalledTable(layer)


def find_key(groups: Sequence[str | None], width: int, *, sees: bool) -> str | None:
    """Return the key in files of the encoder of one of these tokenizer groups and of this width.

    `sees` says that the model reads pictures, too: of Qwen 3 there are both. None where no such encoder is known.
    """
    fitting = [kind.key for kind in ENCODERS.values() if kind.group in groups and kind.width == width]
    return next((key for key in fitting if key.startswith("qwen3vl") == sees), None)


def rows_in_prompts(merged: Merged) -> RowsByName:
    """Return what vectors a placeholder has where its name stands in a text.

    As `Merged.rows`; where a tokenizer puts blanks itself, no blank is before a word only behind a sign.
    """

    def rows(name: str, encoder: str, *, begins: bool) -> Tensor:
        placed = merged.placed.get(name)
        readers = () if placed is None or not begins else placed.model.encoders
        reader = next((one for one in readers if one.name == encoder), None)
        if placed is None or not isinstance(reader, PlacedEncoder) or not reader.puts_blanks:
            return merged.rows(name, encoder, begins=begins)
        with reader.behind_sign():
            return Analysis(placed.entered, placed.model, begins=True).value()[encoder]

    return rows


class _Cutter:
    """What `HostEncoder` asks of an engine."""

    id_start = id_end = id_pad = None

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = without_pictures(tokenizer)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return cut_texts(self.tokenizer, texts)


def cut_texts(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return each text's ids without special tokens."""
    if not texts:
        return []
    return [list(ids) for ids in tokenizer(text=list(texts), add_special_tokens=False)["input_ids"]]


def without_pictures(tokenizer: Any) -> Any:
    """Return the tokenizer in a processor of texts and pictures, which wants all texts of a list alike in length."""
    return getattr(tokenizer, "tokenizer", tokenizer)
