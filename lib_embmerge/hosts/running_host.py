"""What the adapters of all WebUIs share, and what those of the ones with AUTOMATIC1111's prompt pipeline do.

An adapter says where its host keeps things; what the page, the hooks and expressions get from that is the same.
"""

from __future__ import annotations

import contextlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ..errors import ModelNotLoaded, UnsupportedHost
from ..families import Family
from ..host_protocol import InstalledEmbedding, TextModel, TextPieces
from ..language.scan import Brackets
from ..limits import Limits
from ..merge import MergeSettings
from ..placeholders import counted_vectors
from .checkpoint_list import CheckpointList, name_checkpoint, read_record
from .comments import HASH, blank_comments
from .conditioning import ConditioningHooks
from .embedding_words import PlaceholderSpelling, ReadFiles, find_pieces, looked_up, mentioned_states
from .hooks import Hook
from .host_encoder import HostEncoder
from .settings import allows_words, read_brackets, read_limits
from .token_counter import TokenCounter
from .webui import Part

__all__ = ["PipelineHost", "RunningHost", "RunningTextModel"]


class RunningTextModel(ABC):
    """The text encoders of a host's loaded model, with the embeddings that the host has loaded for it."""

    is_demonstration = False

    def __init__(
        self, sd_model: Any, host: RunningHost, encoders: Sequence[HostEncoder], family: Family | None
    ) -> None:
        """Take the host's model object, its adapter, and what that found in the model.

        Raises: UnsupportedHost where there is no encoder.
        """
        if not encoders:
            raise UnsupportedHost("This model has no CLIP text encoder: expressions cannot be used with it.")
        self.host = host
        self.encoders = encoders
        self.family = family
        self.info = getattr(sd_model, "sd_checkpoint_info", None)
        self.title = "the loaded model" if self.info is None else name_checkpoint(self.info)
        self.half_precision = host.devices.dtype == torch.float16

    @property
    def identity(self) -> str:
        """Change with the checkpoint's file and with the tables' values."""
        return repr((getattr(self.info, "filename", None), *(e.fingerprint() for e in self.encoders)))

    def pieces(self, texts: Sequence[str]) -> list[Mapping[str, TextPieces]]:
        """Resolve texts as the host would: embeddings by their names' tokens, the longest name first."""
        found: list[dict[str, TextPieces]] = [{} for _ in texts]
        for encoder in self.encoders:
            database = self.database_of(encoder)
            for pieces, ids in zip(found, encoder.tokenize_names(texts), strict=True):
                pieces[encoder.name] = find_pieces(ids, database, self._take)
        return found  # type: ignore[return-value]

    def checkpoint(self, name: str) -> TextModel:
        """Give another checkpoint of the host's list by its name or file stem.

        Raises: FileError where the list has none or two of that name.
        """
        return self.host.checkpoints.open(name, self)

    @abstractmethod
    def database_of(self, encoder: Any) -> Any:
        """Give what knows the host's embeddings by their names' tokens, as `find_pieces` asks for it."""

    @abstractmethod
    def embeddings_named(self, stem: str) -> list[InstalledEmbedding]:
        """Give all embeddings of that name, case ignored, those that the host put aside included."""

    @abstractmethod
    def embedding_names(self) -> list[str]:
        """Give the names of the embeddings that the host has loaded for this model."""

    @abstractmethod
    def _take(self, embedding: Any) -> InstalledEmbedding | None:
        """Give what an embedding of the host is to this model; None where it is not this model's word."""


class RunningHost(ABC):
    """A host with its model in memory: what the page asks, and which embedding files the host has read.

    The host's modules are attributes by their names there.
    """

    call_queue: Any
    devices: Any
    shared: Any

    def __init__(self, checkpoints: Mapping[str, Any]) -> None:
        """Take the host's list of checkpoints."""
        self.checkpoints = CheckpointList(checkpoints)
        self.other_extensions: list[str] = []
        """Files of other extensions that take the same expressions; the wiring finds them."""
        self._read_files = ReadFiles()

    @abstractmethod
    def loaded_model(self) -> Any | None:
        """Give the host's model object, or None; never loads one."""

    @abstractmethod
    def text_model(self, sd_model: Any) -> RunningTextModel:
        """Give the text model of the host's model object.

        Raises: UnsupportedHost where it has no CLIP text encoder.
        """

    @abstractmethod
    def reload_chosen_model(self) -> None:
        """Load the chosen checkpoint where none is in memory; the caller holds the queue's lock."""

    @abstractmethod
    def embedding_files(self) -> Mapping[str, str]:
        """Give the files of the embeddings that the host has loaded, by name."""

    @abstractmethod
    def load_embeddings(self) -> None:
        """Let the host read its folder again, for all that pictures are made with."""

    def uses_words(self, sd_model: Any) -> bool:
        """Say whether an encoder that takes only text stands beside the model's CLIP, and is in use."""
        return False

    def words_notice(self, sd_model: Any) -> str | None:
        """Give the sentence for a job whose expressions reach such an encoder as words."""
        if not self.uses_words(sd_model):
            return None
        return "This model's T5 text encoder takes no embeddings: of each expression it reads the words."

    def check_words_allowed(self) -> None:
        """Raise where the settings allow no expressions with such an encoder.

        Raises: UnsupportedHost.
        """
        if not allows_words(self.shared.opts):
            raise UnsupportedHost("This model's T5 takes no embeddings, and the settings allow no expressions with it.")

    def load_changed(self, texts: Sequence[str]) -> Mapping[str, tuple[int, int]]:
        """Load embeddings anew where a file of one that the texts may name has changed; give those files' states."""
        states = mentioned_states(self.embedding_files(), "\n".join(texts))
        if self._read_files.have_changed(states):
            self.load_embeddings()
        return states

    # --- What the page asks: `PageHost` ---

    @property
    def embeddings_folder(self) -> Path:
        """The folder of the option `--embeddings-dir`."""
        return Path(self.shared.cmd_opts.embeddings_dir).absolute()

    @property
    def brackets(self) -> Brackets:
        """Those that are switched on in the settings."""
        return read_brackets(self.shared.opts)

    @property
    def limits(self) -> Limits:
        """Those that are set in the settings."""
        return read_limits(self.shared.opts)

    @abstractmethod
    def without_comments(self, prompt: str) -> str:
        """Put blanks in the places of what the host cuts out of prompts."""

    def loaded_text_model(self) -> RunningTextModel | None:
        """Give the text model of the model in memory, or None."""
        model = self.loaded_model()
        return None if model is None else self.text_model(model)

    def load_text_model(self) -> RunningTextModel:
        """Give the same after loading the chosen checkpoint; waits for the picture that is being made.

        Raises: ModelNotLoaded where the host cannot load it: it prints why to its console.
        """
        found = self.loaded_text_model()
        if found is not None:
            return found
        with self.call_queue.queue_lock:
            if self.loaded_model() is None:  # it may have been in loading
                self.reload_chosen_model()
            found = self.loaded_text_model()  # before the next change can begin
        if found is None:
            raise ModelNotLoaded("The WebUI could not load its checkpoint; its console says why.")
        return found

    def checkpoint_record(self) -> Mapping[str, str]:
        """Give the loaded checkpoint's name, its SHA-256 where the host knows it, and what the file's header says."""
        return read_record(getattr(self.loaded_model(), "sd_checkpoint_info", None))

    def checkpoint_names(self) -> list[str]:
        """Give the names of the host's list."""
        return self.checkpoints.names()

    def refresh_embeddings(self) -> None:
        """Let the host read its folder again; its own look at the folder's time, if any, misses sub-folders."""
        self._read_files.note_reading()
        self.load_embeddings()

    def notices(self) -> list[str]:
        """Name the other extensions that take the same expressions."""
        return [
            f"Another extension also reads <'…'> in prompts; one is enough. The other one: {path}"
            for path in self.other_extensions
        ]


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
        """Give one of the host's text encoders."""

    @abstractmethod
    def database_of(self, encoder: Any) -> Any:
        """Give the database that one of the encoders looks embeddings up in."""

    @abstractmethod
    def model_of(self, engine: Any) -> Any:
        """Give the loaded model, or a stand-in with the lone text encoder where it belongs to another one."""

    @abstractmethod
    def hook_points(self) -> Mapping[str, Sequence[tuple[Any, str]]]:
        """Give the functions to wrap."""

    @abstractmethod
    def counter_points(self) -> Sequence[tuple[Any, str]]:
        """Give the functions that count for the token counter."""

    @abstractmethod
    def placeholders(self, sd_model: Any, vectors: Mapping[str, Any]) -> contextlib.AbstractContextManager[None]:
        """Let the host find each name's vectors while the context lasts."""

    @abstractmethod
    def note_used_embeddings(self, model: TextModel) -> None:
        """Tell the infotext which installed embeddings the expressions have read."""

    def comments(self) -> Sequence[re.Pattern[str]]:
        """Give what is a comment in this host's prompts, by its settings."""
        return HASH if getattr(self.shared.opts, "enable_prompt_comments", False) else []

    def without_comments(self, prompt: str) -> str:
        """Put blanks in the places of comments."""
        return blank_comments(prompt, self.comments())

    def own_hooks(self) -> Sequence[Hook]:
        """Give what is to be wrapped beside the conditioning and the counter: nothing."""
        return []

    def parts(self, settings: Callable[[], MergeSettings], callbacks: Any) -> Sequence[Part]:
        """Give the hooks of the prompt pipeline and of the token counter, and the host's own."""
        hooks = ConditioningHooks(self, settings)
        return [hooks, TokenCounter(self, hooks, callbacks), *self.own_hooks()]

    def prompt_points(self) -> Mapping[str, Sequence[tuple[Any, str]]]:
        """Give those of the functions to wrap that every such host has in one place."""
        return {
            "encode": [
                (self.prompt_parser, "get_learned_conditioning"),
                (self.prompt_parser, "get_multicond_learned_conditioning"),
            ],
            "cached_params": [(self.processing.StableDiffusionProcessing, "cached_params")],
        }

    def counts_words(self, sd_model: Any) -> bool:
        """Say no: the counter is the first CLIP encoder's."""
        return False

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
        """Give the state of the embeddings and checkpoints that the prompts may name; load changed files anew.

        The hosts look only at the modification time of their folders, which says nothing of a file that was replaced
        in a sub-folder, or only when they load a model.
        """
        states = self.load_changed(prompts)
        model = self.loaded_model()
        others = tuple(self.checkpoints.states("\n".join(prompts)))
        return (tuple(states.items()), others, None if model is None else self.text_model(model).identity)

    def refresh_embeddings(self) -> None:
        """Let the host read its folder again, and take no prompt for the one that was encoded before."""
        super().refresh_embeddings()
        self.embeddings_state = object()

    def _looked_up(self, encoder: HostEncoder, entries: Sequence[Any]) -> contextlib.AbstractContextManager[None]:
        lookup = self.database_of(encoder).ids_lookup
        return looked_up(lookup, [(self._spelling.ids(e.name, encoder), e) for e in entries])
