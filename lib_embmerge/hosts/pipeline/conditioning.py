"""Where a host turns prompts into conditioning: the hooks that put our vectors there.

Three functions are wrapped on every host with A1111's prompt pipeline:

- `modules.prompt_parser.get_learned_conditioning` and `get_multicond_learned_conditioning` see whole prompts, before
  AND, prompt editing and attention are parsed. Expressions become the names of placeholders there, the placeholders'
  vectors are registered with the model's embedding database while the original runs, and nothing stays behind. The
  prompt itself, which the infotext shows, is never changed.
- `tokenize_line` of the CLIP text encoders is the second layer: callers that by-pass the prompt parser get the same
  vectors, a database that was reloaded in the middle of a job gets its placeholders back, and the host's slip with
  embeddings behind a comma at a chunk's end is repaired.
- `StableDiffusionProcessing.cached_params` is the key of the conditioning cache; it gets one more element that changes
  when an embedding was saved, and one that changes with whatever else an expression reads.

Where a host has text encoders without a database of embeddings (T5, language models), a tokenizer and an
input-embedding module answer for them while the original runs (`lending`). There a model's own
`get_learned_conditioning` is wrapped as well: the second layer for those.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ...host_protocol import TextModel
from ...language.scan import holds_expression
from ...merge import Merged, MergeSettings, merge_prompts, read_as_words, replace_by_counts, replace_by_words
from ...placeholders import count_name, counted_vectors, find_names, put_words
from ...vectors.embedding import Embedding
from .hooks import Hook, HookGroup
from .job import Mistakes
from .signs import find_signs
from .stand_ins import StandIns

if TYPE_CHECKING:
    from .pipeline_host import PipelineHost

__all__ = ["ConditioningHooks", "repair_comma_backtrack"]

ONE_TOKEN = "cat"
"""A word that is one token to T5 and to every language model, behind a blank or not: it counts as a vector."""


class ConditioningHooks(HookGroup):
    """The three hooks of one host, installed and removed together."""

    def __init__(self, host: PipelineHost, settings: Callable[[], MergeSettings]) -> None:
        """Take the host's adapter and what reads the user's settings."""
        self.host = host
        self.settings = settings
        self.mistakes = Mistakes()
        """What was raised here, for the job that would not hear of it."""
        self.stand_ins = StandIns()
        """What stands for expressions while extensions look at prompts."""
        self._lock = threading.RLock()
        self._running = threading.local()
        targets = {
            "encode": self.encode,
            "tokenize_line": self.tokenize_line,
            "run_engine": self.run_engine,
            "cached_params": self.cached_params,
        }
        points = host.hook_points()
        super().__init__([Hook(owner, name, targets[kind]) for kind in points for owner, name in points[kind]])

    def encode(
        self, original: Callable[..., Any], model: Any, prompts: Sequence[str], *args: Any, **kwargs: Any
    ) -> Any:
        """Stand in for `get_learned_conditioning(model, prompts, …)` and its multicond twin."""
        # The parameters have the host's names, because callers may use them as keywords.
        if self.stand_ins:
            prompts = _with_texts(prompts, self.stand_ins.shown(prompts))
        if self._is_substituted() or not any(map(holds_expression, prompts)):
            return original(model, prompts, *args, **kwargs)
        with self._lock, self.mistakes.remembered():
            text_model = self.host.model_of_vectors(model)
            if text_model is None:
                words = [read_as_words(prompt, self.settings()) for prompt in prompts]
                with self._substituted(Merged(words, {}, {})):
                    return original(model, _with_texts(prompts, words), *args, **kwargs)
            merged = self._merge(list(prompts), text_model)
            with (
                self.host.placeholders(model, merged.vectors),
                self.host.lending(model, merged),
                self._substituted(merged, text_model),
            ):
                result = original(model, _with_texts(prompts, merged.prompts), *args, **kwargs)
            self.host.forget_placeholders()
            self.host.note_used_embeddings(text_model)
        return result

    def tokenize_line(self, original: Callable[..., Any], engine: Any, line: str, *args: Any, **kwargs: Any) -> Any:
        """Stand in for the text encoder's `tokenize_line(line)`, which gives (chunks, token count)."""
        [line] = self.stand_ins.shown([line])
        if self._is_substituted():
            result = self._tokenize_substituted(original, engine, line, *args, **kwargs)
        elif getattr(self._running, "counting", False):
            result = self._tokenize_counted(original, engine, line, *args, **kwargs)
        elif holds_expression(line):
            with self._lock, self.mistakes.remembered():
                sd_model = self.host.model_of(engine)
                merged = self._merge([line], self.host.text_model(sd_model))
                with self.host.placeholders(sd_model, merged.vectors):
                    result = original(engine, merged.prompts[0], *args, **kwargs)
        else:
            result = original(engine, line, *args, **kwargs)
        if isinstance(result, tuple):  # elsewhere it may be anything, as for a prompt without expressions
            repair_comma_backtrack(result[0], engine.id_end)
        return result

    def run_engine(self, original: Callable[..., Any], engine: Any, *args: Any, **kwargs: Any) -> Any:
        """Stand in for calling a text engine, which notes the embeddings that it has used."""
        try:
            return original(engine, *args, **kwargs)
        finally:
            self.host.forget_placeholders()

    def cached_params(
        self, original: Callable[..., Any], processing: Any, required_prompts: Sequence[str], *args: Any, **kwargs: Any
    ) -> Any:
        """Stand in for `StableDiffusionProcessing.cached_params`, which gives a tuple, or another value: a hash, …

        Any word may be the name of an embedding that was saved since, so every key has the state of those; the host
        itself looks only at the prompt's text.
        """
        given = original(processing, required_prompts, *args, **kwargs)
        if not any(map(holds_expression, required_prompts)):
            return _extended(given, self.host.embeddings_state)
        more = self.settings(), self.host.dependencies(required_prompts)
        return _extended(given, self.host.embeddings_state, *more)

    def count(self, prompt: str, sd_model: Any) -> tuple[str, str | None]:
        """Return a prompt for the host's token counter in which each expression counts as its vectors.

        The second value is the message of the first broken expression, or None. The names in the prompt are known
        while `counting` lasts.
        Raises: UnsupportedHost where no prompt of this model can hold expressions.
        """
        if not holds_expression(prompt):
            return prompt, None
        model = self.host.model_of_vectors(sd_model)
        if model is None:
            return read_as_words(prompt, self.settings()), None
        self.host.check_expressions_allowed(sd_model, model)
        if self.host.counts_words(sd_model):
            return replace_by_words(prompt, model, self.settings())
        group = self.host.counted_group(sd_model)
        if group:
            counted, problem = replace_by_counts(prompt, model, self.settings(), count_name, group)
            return put_words(counted, {count_name(1): ONE_TOKEN}), problem
        return replace_by_counts(prompt, model, self.settings(), count_name)

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """Let this thread's text encoders take what `count` gave: its names are vectors, all else in it is literal."""
        self._running.counting = True
        try:
            yield
        finally:
            self._running.counting = False

    def taken_literally(self) -> contextlib.AbstractContextManager[None]:
        """Let this thread's text encoders take all that looks like an expression for text while the context lasts."""
        return self._substituted(Merged([], {}, {}))

    def _tokenize_substituted(
        self, original: Callable[..., Any], engine: Any, line: str, *args: Any, **kwargs: Any
    ) -> Any:
        known: Mapping[str, Embedding] = self._running.merged.vectors
        vectors = {name: known[name] for name in find_names(line) if name in known}
        if not vectors:
            return original(engine, line, *args, **kwargs)
        commas = self._running.commas & vectors.keys()
        if commas:
            line = put_words(line, dict.fromkeys(commas, ","))
        with self.host.placeholders(self.host.model_of(engine), vectors):
            return original(engine, line, *args, **kwargs)

    def _tokenize_counted(
        self, original: Callable[..., Any], engine: Any, line: str, *args: Any, **kwargs: Any
    ) -> Any:
        names = [name for name in find_names(line) if counted_vectors(name) is not None]
        if not names:
            return original(engine, line, *args, **kwargs)
        # Not under the lock: the counter goes on while a picture's prompt is being encoded, which may take long.
        with self.host.blank_placeholders(engine, names):
            return original(engine, line, *args, **kwargs)

    def _is_substituted(self) -> bool:
        return getattr(self._running, "merged", None) is not None

    def _merge(self, prompts: Sequence[str], model: TextModel) -> Merged:
        # Some hosts make pictures in torch's inference mode, but a table's statistics are kept for other uses.
        with torch.inference_mode(False), torch.no_grad():
            return merge_prompts(prompts, model, self.settings())

    @contextlib.contextmanager
    def _substituted(self, merged: Merged, model: TextModel | None = None) -> Iterator[None]:
        # The original calls our own hooks again, with text in which what looks like an expression is literal.
        self._running.merged = merged
        self._running.commas = frozenset() if model is None else find_signs(merged, model.encoders, ",").keys()
        try:
            yield
        finally:
            self._running.merged = None


def _with_texts(prompts: Sequence[str], texts: Sequence[str]) -> Sequence[str]:
    """Copy the host's list of prompts with other texts; the host's list subclass carries width, height and more."""
    if not isinstance(prompts, list):
        return list(texts)
    replaced = copy.copy(prompts)
    replaced[:] = texts
    return replaced


def _extended(key: Any, *more: object) -> Any:
    """Return a host's key of its cache with more in it, of the kind that the host made: it may want a number back.

    Source: ersatzForge fca12a28, modules/processing.py:417-436 `cached_params` (a hash).
    """
    if isinstance(key, tuple):
        return (*key, *more)
    if isinstance(key, int):
        return hash((key, *more))
    return f"{key} {hash(more)}" if isinstance(key, str) else (key, *more)


def repair_comma_backtrack(chunks: Sequence[Any], end_id: int) -> None:
    """Move embeddings to the chunk that their places were moved to.

    When the host moves the text behind a comma to the next chunk it takes tokens and multipliers along but not the
    `fixes`: the embedding's vectors would land on padding, and the next chunk would hold `!` (id 0) in their place.
    Each chunk's `tokens` begin with the start token; a fix's offset does not count it.
    Source: A1111 1.10.1, modules/sd_hijack_clip.py:132-146.
    """
    for chunk, following in itertools.pairwise(chunks):
        if not chunk.fixes:
            continue
        text_end = _text_end(chunk.tokens, end_id)
        moved = [fix for fix in chunk.fixes if fix.embedding.vectors and fix.offset >= text_end]
        if not moved:
            continue
        chunk.fixes = [fix for fix in chunk.fixes if fix not in moved]
        following.fixes = [fix._replace(offset=fix.offset - text_end) for fix in moved] + list(following.fixes)


def _text_end(tokens: Sequence[int], end_id: int) -> int:
    last = len(tokens) - 1
    while last > 0 and tokens[last] == end_id:
        last -= 1
    return last
