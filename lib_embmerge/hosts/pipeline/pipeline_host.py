"""A host with AUTOMATIC1111's prompt pipeline: what the hooks and the token counter ask of its adapter."""

from __future__ import annotations

import contextlib
import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...host_protocol import TextModel
from ...merge import Merged, MergeSettings
from ...placeholders import counted_vectors
from ..encoders.encoder import HostEncoder
from ..encoders.installed_lookup import PlaceholderSpelling, looked_up
from ..webui.running_host import Attachment, RunningHost
from .comments import HASH, blank_comments
from .conditioning import ConditioningHooks
from .hooks import Hook
from .job import PipelineJob
from .read_beside import reading_hook
from .token_counter import TokenCounter

__all__ = ["PipelineHost"]


class PipelineHost(RunningHost):
    """A host with AUTOMATIC1111's prompt pipeline and databases of embeddings: what the hooks and the counter ask."""

    processing: Any
    prompt_parser: Any
    textual_inversion: Any

    def __init__(self, checkpoints: Mapping[str, Any]) -> None:
        """Take the host's list of checkpoints."""
        super().__init__(checkpoints)
        self.embeddings_state: object = object()
        """Another object, by identity, after every refresh."""
        self._spelling = PlaceholderSpelling()

    @abstractmethod
    def encoder_of(self, engine: Any) -> HostEncoder:
        """Return one of the host's text encoders."""

    @abstractmethod
    def database_of(self, encoder: Any) -> Any:
        """Return the database that one of the encoders looks embeddings up in."""

    @abstractmethod
    def model_of(self, engine: Any) -> Any:
        """Return the loaded model, or a stand-in with the lone text encoder where it belongs to another one."""

    @abstractmethod
    def hook_points(self) -> Mapping[str, Sequence[tuple[Any, str]]]:
        """Return the functions to wrap."""

    @abstractmethod
    def counter_points(self) -> Sequence[tuple[Any, str]]:
        """Return the functions that count for the token counter."""

    @abstractmethod
    def placeholders(self, sd_model: Any, vectors: Mapping[str, Any]) -> contextlib.AbstractContextManager[None]:
        """Let the host find each name's vectors while the context lasts."""

    @abstractmethod
    def note_used_embeddings(self, model: TextModel) -> None:
        """Tell the infotext which installed embeddings the expressions have read."""

    def comments(self) -> Sequence[re.Pattern[str]]:
        """Return what is a comment in this host's prompts, by its settings."""
        return HASH if getattr(self.shared.opts, "enable_prompt_comments", False) else []

    def without_comments(self, prompt: str) -> str:
        """Put blanks in the places of comments."""
        return blank_comments(prompt, self.comments())

    def own_hooks(self) -> Sequence[Hook]:
        """Return what is to be wrapped beside the conditioning and the counter: how a database reads its folder."""
        return [reading_hook(self)]

    def parts(self, settings: Callable[[], MergeSettings], callbacks: Any) -> Sequence[Attachment]:
        """Return the hooks of the prompt pipeline and of the token counter, and the host's own."""
        hooks = ConditioningHooks(self, settings)
        job = PipelineJob(self, settings, hooks.mistakes, hooks.stand_ins)
        return [hooks, TokenCounter(self, hooks, callbacks), job, *self.own_hooks()]

    def prompt_points(self) -> Mapping[str, Sequence[tuple[Any, str]]]:
        """Return those of the functions to wrap that every such host has in one place."""
        return {
            "encode": [
                (self.prompt_parser, "get_learned_conditioning"),
                (self.prompt_parser, "get_multicond_learned_conditioning"),
            ],
            "cached_params": [(self.processing.StableDiffusionProcessing, "cached_params")],
        }

    def lending(self, sd_model: Any, merged: Merged) -> contextlib.AbstractContextManager[None]:
        """Let encoders without a database find what placeholders stand for while the context lasts: there are none."""
        return contextlib.nullcontext()

    def counts_words(self, sd_model: Any) -> bool:
        """Return whether the token counter is of an encoder that reads words: it is the first CLIP encoder's."""
        return False

    def counted_group(self, sd_model: Any) -> str:
        """Return the tokenizer group of the counter's encoder, where that has no names of embeddings; empty of CLIP."""
        return ""

    def forget_placeholders(self) -> None:
        """Do nothing: the host does not name placeholders."""

    @contextlib.contextmanager
    def blank_placeholders(self, engine: Any, names: Sequence[str]) -> Iterator[None]:
        """Let the encoder find each counting name as that many vectors."""
        entries = []
        for name in dict.fromkeys(names):
            entry = self.textual_inversion.Embedding(None, name)
            entry.vectors = counted_vectors(name)
            entries.append(entry)
        with self._looked_up(self.encoder_of(engine), entries):
            yield

    def dependencies(self, prompts: Sequence[str]) -> object:
        """Return the state of the embeddings and checkpoints that the prompts may name; load changed files anew.

        The hosts look only at the modification time of their folders, which says nothing of a file that was replaced
        in a sub-folder, or only when they load a model.
        """
        states = self.load_changed(prompts)
        model = self.loaded_model()
        text_model = None if model is None else self.model_of_vectors(model)
        others = tuple(self.checkpoints.states("\n".join(prompts)))
        return (tuple(states.items()), others, None if text_model is None else text_model.identity)

    def refresh_embeddings(self) -> None:
        """Let the host read its folder again, and take no prompt for the one that was encoded before."""
        super().refresh_embeddings()
        self.embeddings_state = object()

    def _looked_up(self, encoder: HostEncoder, entries: Sequence[Any]) -> contextlib.AbstractContextManager[None]:
        lookup = self.database_of(encoder).ids_lookup
        return looked_up(lookup, [(self._spelling.ids(e.name, encoder), e) for e in entries])
