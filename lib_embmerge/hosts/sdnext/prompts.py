"""What becomes of a prompt in SD.Next.

A pass of a picture (base, high resolution, refiner) gives its prompts and its model to `set_pipeline_args`, which has
them parsed and encoded, or leaves them as text to the pipeline. There each expression becomes words of the vocabulary
that stand nowhere else in the prompts, one for each vector (`borrowed_words.py`), and until the pass ends the text
encoders find our vectors for those words. Prompt editing, attention and BREAK see plain words, the infotext is made of
the text that was typed, and nothing stays behind.

- The host keeps encoded prompts by their text alone, its parser's and those that it leaves to a pipeline, which says
  nothing of what our words stand for: the prompts with expressions have caches of their own, kept while all that they
  depend on stays.
- What goes wrong while the host encodes, it logs and goes on with the text (`processing_prompt.py:108-112`): so
  expressions are evaluated before.
- T5 and language models read the same text: their tokenizers put the placeholders back in the places of the words
  (where there is no CLIP, nothing is borrowed), and give ids beyond the vocabulary, or words
  (`standing_tokenizers.py`, `encoders/beyond_vocabulary.py`).
- The host chooses between `{braces|like these}` in prompts before anything else sees them; expressions are kept from
  it.

Source: SD.Next 058a7f0c, modules/processing_diffusers.py:136-460, modules/processing_prompt.py:79-195,
modules/prompt_parser_diffusers.py:51-160, :564-596, modules/sd_hijack_te.py:7-82, modules/styles.py:91-118.
"""

from __future__ import annotations

import contextlib
import copy
import re
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...errors import EmbeddingMergeError, SyntaxProblem, UnsupportedHost
from ...families import group_of
from ...language.scan import find_islands, holds_expression
from ...merge import Merged, MergeSettings, merge_prompts, read_as_words, replace_by_counts, replace_by_words
from ...placeholders import PREFIX, count_name, find_names
from ..encoders.beyond_vocabulary import BeyondVocabulary, Lending, answered
from ..encoders.language_encoder import rows_in_prompts
from ..pipeline.hooks import Hook, HookGroup, replaced
from ..pipeline.job import Mistakes
from ..pipeline.signs import find_signs
from ..pipeline.token_counter import counter_message, make_mark
from .borrowed_tokens import borrow_words, lent_rows
from .standing_tokenizers import as_vectors, as_words

if TYPE_CHECKING:
    from .adapter import SDNext, SDNextTextModel

__all__ = ["Lent", "SDNextPrompts"]

TEXT_ARGUMENTS = tuple(f"{kind}{suffix}" for kind in ("prompt", "negative_prompt") for suffix in ("", "_2", "_3", "_4"))
"""The arguments of a pipeline that hold prompts."""

ENCODING_OPTIONS = (
    "prompt_attention",
    "prompt_mean_norm",
    "diffusers_zeros_prompt_pad",
    "te_pooled_embeds",
    "sd_textencder_linebreak",
)
"""Options that change an encoded prompt; of each a job may have its own value."""

DIVIDING = ",.;"
"""Signs behind which compel divides a long prompt; of a colon, which it takes, too, the host's syntax would read more.

Source: compel 2.4, embeddings_provider.py, `find_split_point`.
"""

ONE_TOKEN = "a"
"""A word that is one token to every T5 and language model."""

BEHIND_BAR = re.compile(rf"(?<=\|) (?={PREFIX})")
"""The blank that was set between the host's sign for a choice and a word."""

TOTAL = re.compile(r">(\d+/\d+)<")
"""The count in the HTML of the token counter."""


@dataclass(frozen=True)
class _Replaced:
    """Prompts by the text that was typed."""

    prompts: Mapping[str, str]

    def put_into(self, value: Any) -> Any:
        """Replace the prompts in an argument: a text, a list of texts, or anything else, which stays."""
        if isinstance(value, str):
            return self.prompts.get(value, value)
        return [self.put_into(entry) for entry in value] if isinstance(value, list) else value

    def complete(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Put the prompts into what is left to the pipeline as text; its encoders get all the same one."""
        texts = {key: self.put_into(arguments[key]) for key in TEXT_ARGUMENTS if key in arguments}
        return {**arguments, **texts}


@dataclass(frozen=True)
class Lent(_Replaced):
    """Prompts with borrowed words, or names of placeholders, in the places of their expressions.

    `rows` has a table's layer and what its words stand for, by token; `names` is by a run of borrowed words the
    placeholder that stands there, for encoders that are no CLIP's.
    """

    rows: Sequence[tuple[torch.nn.Module, Mapping[int, Tensor]]]
    names: Mapping[str, str]
    model: SDNextTextModel
    merged: Merged

    def as_names(self, text: str) -> str:
        """Put names of placeholders in the places of borrowed words."""
        for run, name in self.names.items():
            text = text.replace(run, name)
        return BEHIND_BAR.sub("", text)

    @contextlib.contextmanager
    def to_others(self) -> Iterator[None]:
        """Let T5 and language models read vectors, or words, while the context lasts."""
        beyond = BeyondVocabulary()
        with contextlib.ExitStack() as stack:
            lendings = {
                id(one): Lending(beyond, rows_in_prompts(self.merged), self.merged.vectors, str(one.key))
                for one in self.model.others
                if self.model.gives_vectors(one)
            }
            for one in self.model.others:
                for layer in one.layers() if id(one) in lendings else ():
                    stack.enter_context(answered(beyond, layer))
            for tokenizer, reader in self.model.tokenizers_of_others:
                lending = lendings.get(id(reader))
                if lending is None:
                    stack.enter_context(as_words(tokenizer, self.merged.words, self.as_names))
                else:
                    stack.enter_context(as_vectors(tokenizer, lending, self.as_names))
            yield


@dataclass(frozen=True)
class _Kept:
    """What the host has encoded of some prompts, and all that it depends on.

    `conditioning` stands in the place of the parser's cache, `texts` of that of pipelines, where the host has one.
    """

    key: object
    merged: Merged
    conditioning: OrderedDict[str, Any]
    texts: Any


class SDNextPrompts(HookGroup):
    """The hooks of the host, installed and removed together."""

    def __init__(self, host: SDNext, settings: Callable[[], MergeSettings], mistakes: Mistakes) -> None:
        """Take the host's adapter, what reads the user's settings, and what is to remember mistakes."""
        self.host = host
        self.settings = settings
        self.mistakes = mistakes
        self._lock = threading.RLock()
        self._running = threading.local()
        self._kept: _Kept | None = None
        passes = ("process_base", "process_hires", "process_refine")
        super().__init__([
            *(Hook(host.processing_diffusers, name, self.run_pass) for name in passes),
            Hook(host.processing_diffusers, "set_pipeline_args", self.set_arguments),
            Hook(host.prompt_parser_diffusers.PromptEmbedder, "__init__", self.embed),
            Hook(host.styles, "apply_curly_braces_to_prompt", self.choose_in_braces),
            Hook(host.ui_common, "update_token_counter", self.count),
        ])  # fmt: skip

    def run_pass(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Stand in for a pass of a picture: what its prompts borrow is given back at its end."""
        outer = getattr(self._running, "pass_", None)
        with contextlib.ExitStack() as stack:
            self._running.pass_ = stack
            try:
                return original(*args, **kwargs)
            finally:
                self._running.pass_ = outer

    def set_arguments(
        self,
        original: Callable[..., Any],
        p: Any,
        model: Any,
        prompts: Any,
        negative_prompts: Any,
        prompts_2: Any = None,
        negative_prompts_2: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Stand in for `set_pipeline_args`, which gives the pipeline's arguments."""
        # The parameters have the host's names, because it uses them as keywords.
        given = (prompts, negative_prompts, prompts_2, negative_prompts_2)
        own = {key: value for key, value in p.task_args.items() if key in TEXT_ARGUMENTS}
        texts = _texts([*given, *own.values()])
        if not any(map(holds_expression, texts)):
            self.host.note_used_embeddings([])
            return original(p, model, *given, *args, **kwargs)
        with self._lock, self.mistakes.remembered(), contextlib.ExitStack() as alone:
            if self.host.model_of_vectors(model) is None:
                words = self._as_words(texts)
                return words.complete(original(p, model, *map(words.put_into, given), *args, **kwargs))
            lent, used = self._lend(texts, model)
            self.host.check_expressions_allowed(model, lent.model)
            with self._encoding(lent, p, kwargs, getattr(self._running, "pass_", None) or alone):
                arguments = original(p, model, *map(lent.put_into, given), *args, **kwargs)
            self.host.note_used_embeddings(used)
            return lent.complete(arguments)

    def embed(
        self,
        original: Callable[..., Any],
        embedder: Any,
        prompts: Any,
        negative_prompts: Any,
        steps: Any,
        clip_skip: Any,
        p: Any,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Stand in for `PromptEmbedder(…)`, for who makes one beside `set_pipeline_args`."""
        texts = _texts([prompts, negative_prompts])
        model = self.host.loaded_model()
        if self._is_encoding() or model is None or not any(map(holds_expression, texts)):
            return original(embedder, prompts, negative_prompts, steps, clip_skip, p, *args, **kwargs)
        with self._lock, self.mistakes.remembered(), contextlib.ExitStack() as alone:
            if self.host.model_of_vectors(model) is None:
                given = map(self._as_words(texts).put_into, (prompts, negative_prompts))
                return original(embedder, *given, steps, clip_skip, p, *args, **kwargs)
            lent, _ = self._lend(texts, model)
            self.host.check_expressions_allowed(model, lent.model)
            given = map(lent.put_into, (prompts, negative_prompts))
            with self._encoding(lent, p, kwargs, alone):
                return original(embedder, *given, steps, clip_skip, p, *args, **kwargs)

    def choose_in_braces(self, original: Callable[..., Any], prompt: Any, *args: Any, **kwargs: Any) -> Any:
        """Stand in for `apply_curly_braces_to_prompt`, which chooses between `{a|b}`, for all but expressions."""
        if not isinstance(prompt, str) or not holds_expression(prompt):
            return original(prompt, *args, **kwargs)
        try:
            islands = find_islands(prompt, self.settings().brackets)
        except SyntaxProblem:  # it is said when the prompt is encoded
            return original(prompt, *args, **kwargs)
        kept = {count_name(number): prompt[i.span.start : i.span.end] for number, i in enumerate(islands)}
        for name, island in reversed(list(zip(kept, islands, strict=True))):
            prompt = prompt[: island.span.start] + name + prompt[island.span.end :]
        chosen = original(prompt, *args, **kwargs)
        for name, text in kept.items():
            chosen = chosen.replace(name, text)
        return chosen

    def count(self, original: Callable[..., Any], text: Any, *args: Any, **kwargs: Any) -> Any:
        """Stand in for `update_token_counter`, which gives an update of the page's counter."""
        model = self.host.loaded_model()
        if model is None or not isinstance(text, str) or not holds_expression(text):
            return original(text, *args, **kwargs)
        text = self.host.without_comments(text)
        try:
            counted, problem = self._counted(text, model)
        except EmbeddingMergeError as error:
            counted, problem = text, counter_message(error)
        shown = original(counted, *args, **kwargs)
        return shown if problem is None else _marked(shown, problem)

    def _counted(self, text: str, model: Any) -> tuple[str, str | None]:
        if self.host.model_of_vectors(model) is None:  # the host counts what is typed, marks of attention too
            return read_as_words(text, self.settings(), has_attention=False), None
        text_model = self.host.text_model(model)
        self.host.check_expressions_allowed(model, text_model)
        if not text_model.clip:
            return self._counted_elsewhere(text, text_model)
        ((word, _),) = borrow_words(1, text_model.clip, [text])
        return replace_by_counts(text, text_model, self.settings(), lambda n: " ".join([word] * n))

    def _counted_elsewhere(self, text: str, model: SDNextTextModel) -> tuple[str, str | None]:
        """Put what the first text encoder, whose tokens the host counts, reads into the places of expressions."""
        first = model.others[0]
        if not model.gives_vectors(first):
            return replace_by_words(text, model, self.settings(), has_attention=False)
        group = group_of(str(first.key))
        return replace_by_counts(text, model, self.settings(), lambda n: " ".join([ONE_TOKEN] * n), group)

    def _is_encoding(self) -> bool:
        return getattr(self._running, "lent", None) is not None

    def _as_words(self, texts: Sequence[str]) -> _Replaced:
        return _Replaced({text: read_as_words(text, self.settings()) for text in texts})

    def _lend(self, texts: Sequence[str], sd_model: Any) -> tuple[Lent, Sequence[str]]:
        """Return what the texts borrow, and the names of the host's embeddings that their expressions read."""
        self.host.load_changed(texts)
        model = self.host.text_model(sd_model)
        typed = list(dict.fromkeys(texts))
        # The host makes pictures in torch's inference mode, but a table's statistics are kept for other uses.
        with torch.inference_mode(False), torch.no_grad():
            merged = merge_prompts(typed, model, self.settings())
        if not model.clip:
            return Lent(dict(zip(typed, merged.prompts, strict=True)), [], {}, model, merged), model.used
        # An encoder that reads names finds them by their runs of words, which a sign is not.
        signs = {} if model.others else find_signs(merged, model.clip, DIVIDING)
        counts = {name: len(v[model.clip[0].name]) for name, v in merged.vectors.items() if name not in signs}
        if 0 in counts.values():
            raise UnsupportedHost("An expression without a vector in CLIP cannot be used in this WebUI.")
        free = iter(borrow_words(sum(counts.values()), model.clip, merged.prompts))
        borrowed = {name: [next(free) for _ in range(count)] for name, count in counts.items()}
        runs = {name: " ".join(word for word, _ in words) for name, words in borrowed.items()}
        rows = [
            {
                token: merged.vectors[name][encoder.name][row]
                for name, words in borrowed.items()
                for row, (_, token) in enumerate(words)
            }
            for encoder in model.clip
        ]
        places = {**runs, **signs}
        lent = Lent(
            prompts={text: _named(prompt, places) for text, prompt in zip(typed, merged.prompts, strict=True)},
            rows=[(e.layer, found) for e, found in zip(model.clip, rows, strict=True) if found],
            names={run: name for name, run in runs.items()},
            model=model,
            merged=merged,
        )
        return lent, model.used

    @contextlib.contextmanager
    def _encoding(
        self, lent: Lent, p: Any, arguments: Mapping[str, Any], until_end: contextlib.ExitStack
    ) -> Iterator[None]:
        """Let the host encode while this lasts, and text encoders find the vectors until the end."""
        for layer, rows in lent.rows:
            until_end.enter_context(lent_rows(layer, rows))
        until_end.enter_context(lent.to_others())
        self._running.lent = lent
        kept = self._keep(lent, self._options(p, arguments))
        if kept.texts is not None:  # pipelines encode what is left to them as text until the end
            until_end.enter_context(replaced(self.host.sd_hijack_te, "prompt_cache", kept.texts))
        try:
            with replaced(self.host.prompt_parser_diffusers, "cache", kept.conditioning):
                yield
        finally:
            self._running.lent = None

    def _keep(self, lent: Lent, options: Sequence[Any]) -> _Kept:
        """Return what keeps the encoded prompts apart from others', and is the same while nothing has changed."""
        layers = [*(layer for layer, _ in lent.rows), *(one.layer for one in lent.model.others)]
        read = [lent.model.gives_vectors(one) for one in lent.model.others]
        key = (lent.model.identity, [weakref.ref(layer) for layer in layers if layer is not None], read, options)
        if self._kept is None or self._kept.key != key or not _are_same(self._kept.merged, lent.merged):
            texts = copy.copy(getattr(self.host.sd_hijack_te, "prompt_cache", None))
            if texts is not None:
                texts.cache = {}
            # An expression knows its model, which would stay in memory after the host has left it.
            self._kept = _Kept(key, replace(lent.merged, placed={}), OrderedDict(), texts)
        return self._kept

    def _options(self, p: Any, arguments: Mapping[str, Any]) -> list[Any]:
        found = []
        for name in ENCODING_OPTIONS:
            values = (arguments.get(name), getattr(p, name, None), getattr(self.host.shared.opts, name, None))
            found.append(next((value for value in values if value is not None), None))
        return found


def _texts(values: Sequence[Any]) -> list[str]:
    """Return the texts in arguments, each a text or a list of texts, or something else."""
    entries = [entry for value in values for entry in (value if isinstance(value, list) else [value])]
    return [entry for entry in entries if isinstance(entry, str)]


def _named(prompt: str, runs: Mapping[str, str]) -> str:
    for name in dict.fromkeys(find_names(prompt)):
        prompt = prompt.replace(name, runs.get(name, name))
    return prompt


def _are_same(one: Merged, other: Merged) -> bool:
    return (
        one.prompts == other.prompts
        and one.words == other.words
        and one.vectors.keys() == other.vectors.keys()
        and all(value.equals(other.vectors[name]) for name, value in one.vectors.items())
    )


def _marked(update: Any, problem: str) -> Any:
    shown = str(update["value"])
    marked = TOTAL.sub(lambda found: f">{make_mark(problem, found[1])}<", shown)
    return {**update, "value": marked if marked != shown else make_mark(problem, "") + shown, "visible": True}
