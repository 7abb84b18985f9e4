"""A text encoder of a running WebUI: the host's tokenizer, and its token table read in place."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from torch import Tensor

from ...families import CLIP, group_of
from ...models.language_tokenizers import doubles_blanks, spell_piece
from ...vectors.vocabulary import Vocabulary
from .batched_tokenizer import tokenize_together
from .token_table import HostTable

__all__ = ["HostEncoder", "spell_token"]

WORD_ENDS: dict[int, bool] = {}
"""Whether a token is the last of its word, for those that were met: a property of CLIP's vocabulary."""


class HostEncoder:
    """What the host's own encoder object, here called engine, offers as a `TextEncoder`.

    The engine has `tokenize`, `tokenizer` (transformers'), `id_start`, `id_end` and `id_pad`, each None where there is
    no such token.
    """

    def __init__(self, engine: Any, layer: Any, *, name: str, key: str) -> None:
        """Take the engine, its table's layer, our name for it and the host's key for its vectors in an embedding."""
        self.engine = engine
        self.table = self.make_table(layer)
        self.name = name
        self.key = key
        self.size, self.width = self.table.size, self.table.width
        special = (engine.id_start, engine.id_end, engine.id_pad)
        self.start_id, self.end_id, self.padding_id = (None if token is None else int(token) for token in special)
        self.is_clip = group_of(name) == CLIP

    def make_table(self, layer: Any) -> HostTable:
        """Return what reads the rows of the table's layer."""
        return HostTable(layer)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids by the host's own tokenizer."""
        return self.tokenize_names(texts)

    def tokenize_names(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the same, with the tokens that a name of an embedding has there."""
        if not self.is_clip:  # whose words depend on what stands beside them
            return self._cut([text.removeprefix(" ") for text in texts] if self._doubles_blanks else texts)
        return tokenize_together(self.engine.tokenize, self._ends_word, texts)

    @cached_property
    def _doubles_blanks(self) -> bool:
        return doubles_blanks(self._cut)

    def _cut(self, texts: Sequence[str]) -> list[list[int]]:
        return [list(ids) for ids in self.engine.tokenize(list(texts))] if texts else []

    def spell(self, ids: Sequence[int]) -> list[str]:
        """Return each token's spelling, a blank for the end of a word."""
        tokenizer = self.engine.tokenizer
        if not self.is_clip:
            return [spell_token(tokenizer, int(i)) for i in ids]
        return [_spelling(tokenizer, tokenizer.convert_ids_to_tokens(i)) for i in ids]

    def rows(self, ids: Sequence[int]) -> Tensor:
        """Gather rows: (len(ids), width), float32, on the CPU.

        Raises: ModelNotLoaded where the host keeps the table in no memory at the moment.
        """
        return self.table.rows(ids)

    def vocabulary(self) -> Vocabulary:
        """Return the table's statistics, kept for as long as the table's values stay."""
        return self.table.vocabulary([token for token in (self.start_id, self.end_id) if token is not None])

    def fingerprint(self) -> tuple[object, ...]:
        """Change whenever the table may hold other values, not when the host moves them to another device."""
        return (self.name, *self.table.fingerprint())

    def _ends_word(self, token: int) -> bool:
        # The vocabulary is the same for every CLIP encoder and never changes.
        known = WORD_ENDS.get(token)
        if known is None:
            known = WORD_ENDS[token] = self.spell([token])[0].endswith(" ")
        return known


def spell_token(tokenizer: Any, token: int) -> str:
    """Return the spelling of a token of T5 or a language model, as its tokenizer shows it alone.

    The tokenizer is transformers', or ComfyUI's shell around `sentencepiece`.
    """
    if hasattr(tokenizer, "convert_ids_to_tokens"):
        piece = tokenizer.convert_ids_to_tokens(token)
        return f"<{token}>" if piece is None else spell_piece(str(piece))
    pieces = getattr(tokenizer, "tokenizer", tokenizer)
    return spell_piece(str(pieces.id_to_piece(token))) if token < pieces.get_piece_size() else f"<{token}>"


def _spelling(tokenizer: Any, token: str) -> str:
    # transformers strips what it joins: the blank that ends a word too. Its version 5 leaves the mark of it.
    spelled = str(tokenizer.convert_tokens_to_string([token])).removesuffix("</w>")
    return spelled + (" " if token.endswith("</w>") else "")
