"""transformers' tokenizers that read placeholders while some prompts are encoded.

Pipelines hold their tokenizers in many places, hand them to processors and to each other, and ask what class they are
of. So a tokenizer stays the object that it is, and is of a class of ours for a while, made of its own: whatever calls
it calls ours. What comes out has the form that was asked for, padded and cut as the tokenizer does it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..encoders.beyond_vocabulary import FIRST, Lending, PlaceholderTokenizer, WordsTokenizer
from ..encoders.language_encoder import cut_texts

__all__ = ["as_vectors", "as_words", "can_stand"]

OF_FORM = ("padding", "truncation", "max_length", "return_tensors", "pad_to_multiple_of", "padding_side", "stride",
           "return_length", "return_overflowing_tokens", "return_attention_mask")  # fmt: skip
"""What a call says of the form of its ids, not of how a text is cut."""

OF_PADDING = ("padding", "max_length", "pad_to_multiple_of", "padding_side")

HEAP_TYPE = 1 << 9
"""Flag of a class that was made while Python ran: objects of others cannot become of another class."""

AsNames = Callable[[str], str]
"""Puts the names of placeholders into a text in the places of what stands for them there."""


def can_stand(tokenizer: Any) -> bool:
    """Return whether a tokenizer can be made to read placeholders: an object of transformers' kind."""
    kind = type(tokenizer)
    return bool(kind.__flags__ & HEAP_TYPE) and callable(tokenizer) and hasattr(tokenizer, "pad")


@contextlib.contextmanager
def as_vectors(tokenizer: Any, lending: Lending, as_names: AsNames) -> Iterator[None]:
    """Let a tokenizer give lent ids for placeholders while the context lasts."""
    kind = type(tokenizer)

    def call(text: Any, **form: Any) -> Any:
        return kind.__call__(tokenizer, text, **form)

    twin = PlaceholderTokenizer(tokenizer, lambda text: cut_texts(call, [text])[0], lending)

    def read(given: Any, **form: Any) -> Any:
        texts = [as_names(text) for text in ([given] if isinstance(given, str) else given)]
        if not any(map(lending.names_in, texts)):
            return call(given, **form)
        typed = [twin.as_typed(text) for text in texts]
        own = {name: value for name, value in form.items() if name not in OF_FORM}
        bare = {**own, "add_special_tokens": False}
        ids = [twin.replaced(one, call(one.text, **bare)["input_ids"]) for one in typed]
        head, tail = _around(call, own) if form.get("add_special_tokens", True) else ([], [])
        room = _room(tokenizer, form, len(head) + len(tail))
        rows = [[*head, *_cut(tokenizer, one, room), *tail] for one in ids]
        is_one = isinstance(given, str)
        shape = call(typed[0].text if is_one else [one.text for one in typed], **form)
        return _formed(tokenizer, shape, rows, form, is_one=is_one)

    with _of_class(tokenizer, read):
        yield


@contextlib.contextmanager
def as_words(tokenizer: Any, words: Mapping[str, str], as_names: AsNames) -> Iterator[None]:
    """Let a tokenizer read words in the places of placeholders while the context lasts."""
    kind = type(tokenizer)

    def read(given: Any, **form: Any) -> Any:
        named = as_names(given) if isinstance(given, str) else [as_names(text) for text in given]
        return WordsTokenizer(lambda text: kind.__call__(tokenizer, text, **form), words)(named)

    with _of_class(tokenizer, read):
        yield


@contextlib.contextmanager
def _of_class(tokenizer: Any, read: Callable[..., Any]) -> Iterator[None]:
    """Let a tokenizer be of a class of ours, which has texts read."""
    kind = type(tokenizer)

    def is_ours(text: Any, more: Sequence[Any]) -> bool:
        return not more and (isinstance(text, str) or (isinstance(text, (list, tuple)) and all(map(_is_text, text))))

    def __call__(self: Any, text: Any = None, *more: Any, **form: Any) -> Any:  # noqa: N807
        return read(text, **form) if is_ours(text, more) else kind.__call__(self, text, *more, **form)

    def encode(self: Any, text: Any, *more: Any, **form: Any) -> Any:
        return read(text, **form)["input_ids"] if is_ours(text, more) else kind.encode(self, text, *more, **form)

    def decode(self: Any, token_ids: Any, *more: Any, **form: Any) -> Any:
        return kind.decode(self, _known(token_ids), *more, **form)

    def batch_decode(self: Any, sequences: Any, *more: Any, **form: Any) -> Any:
        return [decode(self, ids, *more, **form) for ids in sequences]

    parts = {"__call__": __call__, "encode": encode, "decode": decode, "batch_decode": batch_decode}
    same = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    tokenizer.__class__ = type(kind.__name__, (kind,), {**parts, **same})
    try:
        yield
    finally:
        tokenizer.__class__ = kind


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _known(ids: Any) -> Any:
    """Take lent ids out of a list of ids, or of several: a tokenizer has no text for them."""
    listed = ids.tolist() if hasattr(ids, "tolist") else ids
    if not isinstance(listed, (list, tuple)):
        return listed
    return [_known(one) for one in listed if not (isinstance(one, int) and one >= FIRST)]


def _around(call: Callable[..., Any], own: Mapping[str, Any]) -> tuple[list[int], list[int]]:
    """Return the special tokens that a tokenizer puts before a text and behind it."""
    bare = list(call("a", **{**own, "add_special_tokens": False})["input_ids"])
    whole = list(call("a", **own)["input_ids"])
    for place in range(len(whole) - len(bare) + 1):
        if whole[place : place + len(bare)] == bare:
            return whole[:place], whole[place + len(bare) :]
    return [], whole[len(bare) :]


def _room(tokenizer: Any, form: Mapping[str, Any], special: int) -> int | None:
    """Return how many ids beside special ones a text may have, None where it is not cut."""
    if form.get("truncation") in (None, False, "do_not_truncate"):
        return None
    longest = form.get("max_length")
    return max(0, int(tokenizer.model_max_length if longest is None else longest) - special)


def _cut(tokenizer: Any, ids: list[int], room: int | None) -> list[int]:
    if room is None or len(ids) <= room:
        return ids
    return ids[len(ids) - room :] if getattr(tokenizer, "truncation_side", "right") == "left" else ids[:room]


def _formed(
    tokenizer: Any, shape: Any, rows: Sequence[list[int]], form: Mapping[str, Any], *, is_one: bool
) -> Any:
    """Return rows of ids padded, and in the form of what the tokenizer gave for other ids."""
    tensors = form.get("return_tensors")
    listed = {"input_ids": list(rows), "attention_mask": [[1] * len(ids) for ids in rows]}
    asked = {name: form[name] for name in OF_PADDING if name in form}
    padded = tokenizer.pad(listed, **{"padding": False, **asked}, return_attention_mask=True, return_tensors=tensors)
    for name in set(padded) - set(shape):
        del padded[name]
    if is_one and tensors is None:
        for name in list(padded):
            padded[name] = padded[name][0]
    return padded
