"""CLIP objects that answer expressions.

`answering` makes one of a CLIP object: a clone whose class says how it tokenizes, and that its clones answer too (clip
skip, LoRA loaders and other nodes clone before they change anything). `EveryClip` is the switch for graphs that nobody
edits: a hook on the class of all.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import torch

from ...errors import UnsupportedHost
from ...language.scan import holds_expression
from ...merge import Merged, merge_prompts, read_as_words
from ..encoders.beyond_vocabulary import BeyondVocabulary, Lending, PlaceholderTokenizer, WordsTokenizer
from ..encoders.language_encoder import rows_in_prompts
from ..pipeline.hooks import Hook
from ..webui.settings import Others
from .encoders import cut, takes_vectors, with_tokenizers

if TYPE_CHECKING:
    from .adapter import ComfyUI

__all__ = ["answering", "every_clip", "tokenize"]

LOG = logging.getLogger(__name__)

_RUNNING = threading.local()


def answering(clip: Any, host: ComfyUI) -> Any:
    """Return a clone of a CLIP object whose tokens are those of the expressions' vectors."""
    return _as_answering(clip.clone(), host)


def every_clip(kind: Any, host: ComfyUI) -> Hook:
    """Return the hook that lets every CLIP object of the host answer expressions."""

    def stand_in(original: Callable[..., Any], clip: Any, text: Any, *args: Any, **kwargs: Any) -> Any:
        return tokenize(host, original, clip, text, *args, **kwargs)

    return Hook(kind, "tokenize", stand_in)


def tokenize(host: ComfyUI, original: Callable[..., Any], clip: Any, text: Any, *args: Any, **kwargs: Any) -> Any:
    """Return what `original(clip, text, …)` gives, with the vectors of the text's expressions in their places.

    Where no encoder takes vectors and the settings allow it, with their words; that is said in the host's log.

    Raises: EmbeddingMergeError at the first mistake; UnsupportedHost where no tokenizer was asked about them.
    """
    if getattr(_RUNNING, "is_replaced", False):
        return original(clip, text, *args, **kwargs)
    if not isinstance(text, str):  # some packs hand over lists, for tokenizers of their own
        if isinstance(text, (list, tuple)) and any(isinstance(one, str) and holds_expression(one) for one in text):
            raise _no_way_in()
        return original(clip, text, *args, **kwargs)
    host.note_clip(clip)
    if not holds_expression(text):
        return original(clip, text, *args, **kwargs)
    try:
        model = host.text_model(clip)
    except UnsupportedHost as refused:
        if not refused.reads_words:
            raise
        words = read_as_words(text, host.settings())
        LOG.warning("embmerge: %s", refused.sentence)
        with _replaced():
            return original(clip, words, *args, **kwargs)
    # The host runs in torch's inference mode, but a table's statistics are kept for other uses.
    with torch.inference_mode(False), torch.no_grad():
        merged = merge_prompts([text], model, host.settings())
    cutters = _Cutters(merged, host.others())
    twin = copy.copy(clip)
    twin.tokenizer = with_tokenizers(clip.tokenizer, cutters.make)
    with _replaced():
        tokens = original(twin, merged.prompts[0], *args, **kwargs)
    cutters.check()
    return cutters.beyond.fill(tokens)


class _Cutters:
    """What stands in the places of a CLIP's tokenizers while one prompt is tokenized."""

    def __init__(self, merged: Merged, others: Others) -> None:
        self.beyond = BeyondVocabulary()
        self._merged = merged
        self._others = others
        self._lent: list[Lending] = []

    def make(self, tokenizer: Any) -> Any:
        """Return what cuts a text in the place of an encoder's tokenizer."""
        merged, key = self._merged, tokenizer.embedding_key
        has_vectors = all(key in value for value in merged.vectors.values())  # else the model's file lacks the encoder
        if not has_vectors or not takes_vectors(tokenizer, self._others):
            return WordsTokenizer(tokenizer.tokenizer, merged.words)
        lending = Lending(self.beyond, rows_in_prompts(merged), merged.vectors, key)
        self._lent.append(lending)
        return PlaceholderTokenizer(tokenizer.tokenizer, lambda text: cut(tokenizer, text), lending)

    def check(self) -> None:
        """Refuse what was cut by none of these: other packs may have put tokenizers of their own in their places.

        Raises: UnsupportedHost.
        """
        if self._merged.vectors and self._lent and not any(lending.is_met for lending in self._lent):
            raise _no_way_in()


def _no_way_in() -> UnsupportedHost:
    return UnsupportedHost(
        "This node cuts prompts with a tokenizer of its own, which expressions do not reach.",
        suggestion="Use another way of reading prompts in it, or another text encode.",
    )


@contextlib.contextmanager
def _replaced() -> Iterator[None]:
    """Let what is tokenized be literal: its expressions are placeholders by now."""
    _RUNNING.is_replaced = True
    try:
        yield
    finally:
        _RUNNING.is_replaced = False


def _as_answering(clip: Any, host: ComfyUI) -> Any:
    clip.__class__ = _answering_kind(type(clip), host)
    return clip


def _answering_kind(kind: Any, host: ComfyUI) -> Any:
    """Return the class that answers, made once for each class of the host's."""
    if getattr(kind, "answers_expressions", False):
        return kind
    if kind not in host.answering_kinds:
        host.answering_kinds[kind] = _make_kind(kind, host)
    return host.answering_kinds[kind]


def _make_kind(kind: Any, host: ComfyUI) -> Any:
    class AnsweringCLIP(kind):  # type: ignore[misc]
        answers_expressions = True

        def clone(self, *args: Any, **kwargs: Any) -> Any:
            return _as_answering(super().clone(*args, **kwargs), host)

        def tokenize(self, text: Any, *args: Any, **kwargs: Any) -> Any:
            return tokenize(host, kind.tokenize, self, text, *args, **kwargs)

    return AnsweringCLIP
