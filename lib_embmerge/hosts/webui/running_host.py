"""What the adapters of all WebUIs share.

An adapter says where its host keeps things; what the page, the hooks and expressions get from that is the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch

from ...errors import ModelNotLoaded, UnsupportedHost
from ...families import CLIP, Family, group_of
from ...files.installed_embeddings import EmbeddingFolder
from ...host_protocol import InstalledEmbedding, TextModel, TextPieces
from ...language.scan import Brackets
from ...limits import Limits
from ...merge import MergeSettings
from ...prompt_rules import WEBUI
from ..encoders.encoder import HostEncoder
from ..encoders.installed_lookup import ReadFiles, find_pieces, mentioned_states
from .checkpoint_list import CheckpointList, name_checkpoint, read_record
from .settings import allows_words, read_brackets, read_limits, refuse_model, say_no_vectors

__all__ = ["Attachment", "BracketReader", "RunningHost", "RunningTextModel"]


@dataclass(frozen=True)
class BracketReader:
    """Another extension that reads brackets in prompts: its name, and the option for the opening one with its value."""

    name: str
    option: str
    usual: str


class Attachment(Protocol):
    """Something that reaches into the host, and out again."""

    without: str
    """What a person should know of a host in which it cannot work; empty where nothing works without it."""

    def install(self) -> None:
        """Put it in place; a second time changes nothing.

        Raises: UnsupportedHost where it cannot work in this host, which is as before then.
        """
        ...

    def uninstall(self) -> None:
        """Take it out again."""
        ...


class RunningTextModel(ABC):
    """The text encoders of a host's loaded model, with the embeddings that the host has loaded for it."""

    is_demonstration = False
    prompt_rules = WEBUI

    def __init__(
        self, sd_model: Any, host: RunningHost, encoders: Sequence[HostEncoder], family: Family | None
    ) -> None:
        """Take the host's model object, its adapter, and what that found in the model.

        Raises: UnsupportedHost where there is no encoder.
        """
        if not encoders:
            raise refuse_model(host.shared.opts)
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

    def record(self, *, with_hash: bool = False) -> Mapping[str, str]:
        """Return the checkpoint's name, its SHA-256 where the host knows it, and what the file's header says."""
        return self._record

    @cached_property
    def _record(self) -> Mapping[str, str]:
        return read_record(self.info)

    def pieces(self, texts: Sequence[str]) -> list[Mapping[str, TextPieces]]:
        """Resolve texts as the host would: embeddings by their names' tokens, the longest name first."""
        by_encoder = {encoder.name: self.pieces_of(encoder, texts) for encoder in self.encoders}
        return [{name: pieces[place] for name, pieces in by_encoder.items()} for place in range(len(texts))]

    def pieces_of(self, encoder: Any, texts: Sequence[str]) -> list[TextPieces]:
        """Resolve texts for one encoder."""
        database = self.database_of(encoder)
        return [find_pieces(ids, database, self._take) for ids in encoder.tokenize_names(texts)]

    def checkpoint(self, name: str) -> TextModel:
        """Return another checkpoint of the host's list by its name or file stem.

        Raises: FileError where the list has none or two of that name.
        """
        return self.host.checkpoints.open(name, self)

    @abstractmethod
    def database_of(self, encoder: Any) -> Any:
        """Return what knows the host's embeddings by their names' tokens, as `find_pieces` asks for it."""

    @abstractmethod
    def embeddings_named(self, *stems: str) -> list[InstalledEmbedding]:
        """Return all embeddings of these names, case ignored, those that the host put aside included."""

    @abstractmethod
    def embedding_names(self) -> list[str]:
        """Return the names of the embeddings that the host has loaded for this model."""

    @abstractmethod
    def _take(self, embedding: Any) -> InstalledEmbedding | None:
        """Return what an embedding of the host is to this model; None where it is not this model's word."""


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
        self.bracket_readers: Sequence[BracketReader] = ()
        """Other extensions that read brackets in prompts before we do; the wiring finds them."""
        self.refusal = ""
        """Why no prompt can hold expressions in this host; empty where they can."""
        self._working: TextModel | None = None
        self.notices: list[str] = []
        """What does not work in this host, in sentences; the wiring finds it."""
        self.lacking: list[str] = []
        """Names in the host's code that `notices` are about, for its console."""
        self._read_files = ReadFiles()
        self._folder = EmbeddingFolder()

    @abstractmethod
    def loaded_model(self) -> Any | None:
        """Return the host's model object, or None; never loads one."""

    @abstractmethod
    def text_model(self, sd_model: Any) -> RunningTextModel:
        """Return the text model of the host's model object.

        Raises: UnsupportedHost where it has no CLIP text encoder.
        """

    def model_of_vectors(self, sd_model: Any) -> RunningTextModel | None:
        """Return the same; None where no text encoder can be reached and the settings let the model read words.

        Raises: UnsupportedHost where they do not.
        """
        try:
            return self.text_model(sd_model)
        except UnsupportedHost as refused:
            if refused.reads_words:
                return None
            raise

    @abstractmethod
    def parts(self, settings: Callable[[], MergeSettings], callbacks: Any) -> Sequence[Attachment]:
        """Return what changes prompts and the token counter: of the user's settings and `script_callbacks`."""

    @abstractmethod
    def reload_chosen_model(self) -> None:
        """Load the chosen checkpoint where none is in memory; the caller holds the queue's lock."""

    @abstractmethod
    def embedding_files(self) -> Mapping[str, str]:
        """Return the files of the embeddings that the host has loaded, by name."""

    @abstractmethod
    def load_embeddings(self) -> None:
        """Let the host read its folder again, for all that pictures are made with."""

    def uses_words(self, sd_model: Any) -> bool:
        """Return whether a text encoder of the model that is in use reads the words of expressions."""
        return False

    def words_warning(self, sd_model: Any) -> str | None:
        """Return the sentence for a job whose expressions reach such an encoder as words."""
        if not (self.uses_words(sd_model) and allows_words(self.shared.opts)):
            return None
        return "Of each expression this model's T5 or language model reads the words, not the vectors."

    def check_words_allowed(self, *, any_clip: bool = True) -> None:
        """Raise where the settings allow no expressions with such an encoder.

        Raises: UnsupportedHost.
        """
        if not allows_words(self.shared.opts):
            raise UnsupportedHost(say_no_vectors("refuse", any_clip=any_clip))

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
    def folder(self) -> EmbeddingFolder:
        """The folder of embeddings, as text encoders see it for which the host loads none."""
        if self._folder.roots != [self.embeddings_folder]:
            self._folder = EmbeddingFolder(self.embeddings_folder)
        return self._folder

    @property
    def brackets(self) -> Brackets:
        """Those that are switched on in the settings."""
        return read_brackets(self.shared.opts)

    @property
    def taken_brackets(self) -> Mapping[str, str]:
        """Opening brackets that another extension takes out of prompts before expressions are read, with its name."""
        opts = self.shared.opts
        return {str(getattr(opts, one.option, one.usual)): one.name for one in self.bracket_readers}

    @property
    def limits(self) -> Limits:
        """Those that are set in the settings."""
        return read_limits(self.shared.opts)

    @abstractmethod
    def without_comments(self, prompt: str) -> str:
        """Put blanks in the places of what the host cuts out of prompts."""

    def check_expressions_allowed(self, sd_model: Any, model: RunningTextModel) -> None:
        """Raise what a job raises for every expression, of the host's model object and its text model.

        Raises: UnsupportedHost.
        """
        if self.uses_words(sd_model):
            self.check_words_allowed(any_clip=any(group_of(e.name) == CLIP for e in model.encoders))

    def prompt_text_model(self) -> RunningTextModel | None:
        """Return the text model of the model in memory, or None.

        Raises: UnsupportedHost where a job refuses that model's expressions, though the page can work with it.
        """
        sd_model = self.loaded_model()
        if sd_model is None:
            return None
        found = self.text_model(sd_model)
        self.check_expressions_allowed(sd_model, found)
        return found

    def work_with(self, name: str) -> None:
        """Let the page work with a checkpoint of the list, read from its file; with the loaded one for no name.

        Raises: FileError where the list has none or two of that name, or it cannot be read.
        """
        self._working = self.checkpoints.open_alone(name, EmbeddingFolder(self.embeddings_folder)) if name else None

    def loaded_text_model(self) -> TextModel | None:
        """Return what the page works with: the checkpoint that was taken, or the model in memory, or None."""
        if self._working is not None:
            return self._working
        sd_model = self.loaded_model()
        return None if sd_model is None else self.text_model(sd_model)

    def load_text_model(self) -> TextModel:
        """Return the same after loading the chosen checkpoint; waits for the picture that is being made.

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

    def checkpoint_names(self) -> list[str]:
        """Return the names of the host's list."""
        return self.checkpoints.names()

    def refresh_embeddings(self) -> None:
        """Let the host read its folder again; its own look at the folder's time, if any, misses sub-folders."""
        self._read_files.note_reading()
        self.load_embeddings()

    def warnings(self) -> list[str]:
        """Name what does not work here, and other extensions that take the same expressions, or their brackets."""
        same = [
            f"Another extension also reads <'…'> in prompts; one is enough. The other one: {path}"
            for path in self.other_extensions
        ]
        taken = [
            f"{name} takes {bracket} for itself, and leaves plain text of an expression in it: write <'…'>, and switch "
            "expressions in curly brackets off in the settings, under Embedding merge."
            for bracket, name in self.taken_brackets.items()
            if bracket in self.brackets.value
        ]
        return [*self.notices, *same, *taken]
