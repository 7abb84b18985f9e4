"""Stable Diffusion WebUI Forge (read and run at dfdcbab6): one embedding database for each text encoder.

Every symbol of the host that is touched, and why:

- `modules.prompt_parser.get_learned_conditioning`, `.get_multicond_learned_conditioning`: wrapped, whole prompts
- `backend.text_processing.classic_engine.ClassicTextProcessingEngine`: `tokenize_line` wrapped, the second layer;
  `__call__` wrapped, to take our names out of the module's `last_extra_generation_params`, which become the
  infotext's "TI"
- `backend.text_processing.t5_engine.T5TextProcessingEngine`: `tokenize_line` and `tokenize` wrapped, to give T5 an
  expression's words
- `backend.text_processing.textual_inversion.Embedding`: what a placeholder is registered as
- `backend.diffusion_engine.base.ForgeDiffusionEngine`: of it and its subclasses `get_prompt_lengths_on_ui` wrapped,
  marks a broken expression in the counter
- `modules.processing.StableDiffusionProcessing.cached_params`: wrapped, key of the conditioning cache
- `modules.sd_models`: `model_data.sd_model` (the loaded model, without loading one), `checkpoints_list`, and
  `forge_model_reload`, which loads one; that is done in the thread of `modules_forge.main_thread`, by
  `run_and_wait_result`, while `modules.call_queue.queue_lock` keeps pictures waiting
- `modules.ui_extra_networks_textual_inversion.embedding_db`: the list of the page's cards, read anew after a save
- `modules.devices.dtype`: whether vectors end in half precision
- `modules.shared.cmd_opts.embeddings_dir`: where embeddings are
- `modules.shared.opts`: our settings, `emphasis`, and `sd3_enable_t5`
- a model's `sd_checkpoint_info`, `is_sd3`, `get_learned_conditioning` (which the stand-in for no model lacks), and its
  engines: whatever has `tokenize` and a `text_encoder`, those for embeddings also `embeddings` and `embedding_key`
- of an engine `tokenizer`, `id_start`, `id_end`, `id_pad`, its table under `text_encoder`, and its
  `embeddings` (`ids_lookup`, `word_embeddings`, `skipped_embeddings`, `find_embedding_at_position`,
  `load_textual_inversion_embeddings`)

`forge_neo.py` derives from this adapter; there differ `clip_engine`, `words_engine` and `infotext_parameters`.

The host prints a line for each embedding that it uses, placeholders included; nothing can be done about that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from ..errors import ModelNotLoaded, UnsupportedHost
from ..families import FAMILIES, Family
from ..host_protocol import InstalledEmbedding, TextModel, TextPieces
from ..language.scan import Brackets
from ..merge import MergeSettings
from ..placeholders import counted_vectors, find_names
from ..vectors.embedding import Embedding
from .checkpoint_list import CheckpointList, read_record
from .conditioning import ConditioningHooks
from .embedding_words import (
    PlaceholderSpelling,
    ReadFiles,
    copy_installed,
    digest_vectors,
    file_state,
    find_mentioned,
    find_pieces,
    fits,
    looked_up,
)
from .hooks import Hook
from .host_encoder import HostEncoder
from .host_table import find_layer
from .settings import allows_words, read_brackets
from .token_counter import TokenCounter
from .webui import Part

__all__ = ["Forge", "ForgeEncoder", "ForgeTextModel"]

TABLE_PATH = "text_encoder.transformer.text_model.embeddings.token_embedding"
"""Where an engine keeps its token table."""


class ForgeEncoder(HostEncoder):
    """One of the host's CLIP text engines, with its database of embeddings."""

    def __init__(self, engine: Any) -> None:
        """Take the host's engine."""
        super().__init__(engine, find_layer(engine, TABLE_PATH), name=engine.embedding_key, key=engine.embedding_key)
        self.database = engine.embeddings


class ForgeTextModel:
    """The text encoders of the host's loaded model, with the embeddings that its engines have loaded."""

    is_demonstration = False

    def __init__(self, sd_model: Any, host: Forge) -> None:
        """Take the host's model object."""
        self.host = host
        self.encoders: Sequence[ForgeEncoder] = _find_encoders(sd_model)
        if not self.encoders:
            raise UnsupportedHost("This model has no CLIP text encoder: expressions cannot be used with it.")
        self.info = getattr(sd_model, "sd_checkpoint_info", None)
        self.title = str(getattr(self.info, "name_for_extra", None) or "the loaded model")
        self.family = _family(self.encoders, has_words=bool(_find_word_engines(sd_model)))
        self.half_precision = host.devices.dtype == torch.float16
        self.used: list[str] = []
        """The names of the host's embeddings that were read."""

    @property
    def identity(self) -> str:
        """Change with the checkpoint's file and with the tables' values."""
        return repr((getattr(self.info, "filename", None), *(e.fingerprint() for e in self.encoders)))

    def pieces(self, texts: Sequence[str]) -> list[Mapping[str, TextPieces]]:
        """Resolve texts as the host would: embeddings by their names' tokens, the longest name first."""
        found: list[dict[str, TextPieces]] = [{} for _ in texts]
        for encoder in self.encoders:
            for pieces, ids in zip(found, encoder.tokenize(texts), strict=True):
                pieces[encoder.name] = find_pieces(ids, encoder.database, self._take)
        return found  # type: ignore[return-value]

    def embeddings_named(self, stem: str) -> list[InstalledEmbedding]:
        """Give all embeddings of that name, case ignored, those that the host put aside included."""
        found: dict[str, InstalledEmbedding] = {}  # by file: every engine has read the same ones
        for encoder in self.encoders:
            for entry in _of_name(stem, encoder.database.skipped_embeddings):
                found[getattr(entry, "filename", entry.name)] = self._installed(entry)
            for entry in _of_name(stem, encoder.database.word_embeddings):
                found[getattr(entry, "filename", entry.name)] = self._take(entry) or self._installed(entry)
        return list(found.values())

    def embedding_names(self) -> list[str]:
        """Give the names of the embeddings that the host has loaded for this model."""
        return list(dict.fromkeys(name for encoder in self.encoders for name in encoder.database.word_embeddings))

    def checkpoint(self, name: str) -> TextModel:
        """Give another checkpoint of the host's list by its name or file stem.

        Raises: FileError where the list has none or two of that name.
        """
        return self.host.checkpoints.open(name, self)

    def _take(self, embedding: Any) -> InstalledEmbedding | None:
        """Give what an embedding that the host loaded for one encoder is to the model; None where it lacks others."""
        if not fits(embedding, self.encoders):
            return None
        installed = self._installed(embedding)
        # The host loads SDXL's for its refiner, which has one of the two encoders.
        return replace(installed, vectors={e.name: installed.vectors[e.name] for e in self.encoders})

    def _installed(self, embedding: Any) -> InstalledEmbedding:
        self.used.append(embedding.name)
        return copy_installed(embedding, self.encoders, digest_vectors(embedding.vec))


class Forge:
    """The running host: what the hooks, the settings and the save command ask of it."""

    name = "Forge"

    def __init__(self) -> None:
        """Find the host's modules; they are loaded already."""
        from backend.diffusion_engine import base
        from backend.text_processing import textual_inversion
        from modules import call_queue, devices, processing, prompt_parser, sd_models, shared
        from modules import ui_extra_networks_textual_inversion as cards
        from modules_forge import main_thread

        self.base = base
        self.call_queue = call_queue
        self.cards = cards
        self.devices = devices
        self.main_thread = main_thread
        self.processing = processing
        self.prompt_parser = prompt_parser
        self.sd_models = sd_models
        self.shared = shared
        self.textual_inversion = textual_inversion
        self.checkpoints = CheckpointList(sd_models.checkpoints_list)
        self.other_extensions: list[str] = []
        """Files of other extensions that take the same expressions; the wiring finds them."""
        self.embeddings_state: object = object()
        """Another object, by identity, after every refresh."""
        self._read_files = ReadFiles()
        self._spelling = PlaceholderSpelling()

    @property
    def clip_engine(self) -> Any:
        """The host's class of engines that take embeddings."""
        from backend.text_processing import classic_engine

        return classic_engine.ClassicTextProcessingEngine

    @property
    def words_engine(self) -> Any:
        """The host's class of engines that take only text and stand beside such."""
        from backend.text_processing import t5_engine

        return t5_engine.T5TextProcessingEngine

    @property
    def infotext_parameters(self) -> Any:
        """What the engines note for the infotext while they run; the host puts another one there after each prompt."""
        from backend.text_processing import classic_engine

        return classic_engine.last_extra_generation_params

    def loaded_model(self) -> Any | None:
        """Give the host's model object, or None; never loads one."""
        model = self.sd_models.model_data.sd_model
        return model if hasattr(model, "get_learned_conditioning") else None

    def text_model(self, sd_model: Any) -> ForgeTextModel:
        """Give the text model of the host's model object."""
        return ForgeTextModel(sd_model, self)

    def model_of(self, engine: Any) -> Any:
        """Give the loaded model, or a stand-in with the lone engine where it belongs to another one."""
        model = self.loaded_model()
        if model is not None and any(known is engine for known in _find_engines(model)):
            return model
        return SimpleNamespace(engine=engine)

    def parts(self, settings: Callable[[], MergeSettings], callbacks: Any) -> Sequence[Part]:
        """Give the hooks of the prompt pipeline and of the token counter, and the host's own."""
        hooks = ConditioningHooks(self, settings)
        return [hooks, TokenCounter(self, hooks, callbacks), *self.own_hooks()]

    def hook_points(self) -> Mapping[str, Sequence[tuple[Any, str]]]:
        """Give the functions to wrap."""
        engine = self.clip_engine
        return {
            "encode": [
                (self.prompt_parser, "get_learned_conditioning"),
                (self.prompt_parser, "get_multicond_learned_conditioning"),
            ],
            "tokenize_line": [(engine, "tokenize_line")],
            "run_engine": [(engine, "__call__")],
            **self.words_points(),
            "cached_params": [(self.processing.StableDiffusionProcessing, "cached_params")],
        }

    def words_points(self) -> Mapping[str, Sequence[tuple[Any, str]]]:
        """Give those of the engines that take only text."""
        words = self.words_engine
        return {"tokenize_line_of_words": [(words, "tokenize_line")], "tokenize_words": [(words, "tokenize")]}

    def counter_points(self) -> Sequence[tuple[Any, str]]:
        """Give the function that counts for the token counter, of every kind of model that has its own."""
        name = "get_prompt_lengths_on_ui"
        return [(kind, name) for kind in _with_subclasses(self.base.ForgeDiffusionEngine) if name in vars(kind)]

    def own_hooks(self) -> Sequence[Hook]:
        """Give nothing: what is wrapped beside is among the hook points."""
        return []

    def counts_words(self, sd_model: Any) -> bool:
        """Say whether the model has a T5: the counter is its then."""
        return bool(_find_word_engines(sd_model))

    def words_notice(self, sd_model: Any) -> str | None:
        """Give the sentence for a model whose T5 is in use."""
        if not self._uses_words(sd_model):
            return None
        return "This model's T5 text encoder takes no embeddings: of each expression it reads the words."

    def forget_placeholders(self) -> None:
        """Take our names out of the infotext's "TI", where the host writes the name of every embedding it used."""
        parameters = self.infotext_parameters
        names = _listed(parameters)
        kept = [name for name in names if not find_names(name)]
        if kept:
            parameters["TI"] = ", ".join(kept)
        elif names:
            del parameters["TI"]

    @contextlib.contextmanager
    def placeholders(self, sd_model: Any, vectors: Mapping[str, Embedding]) -> Iterator[None]:
        """Let every engine of the model find each name's vectors while the context lasts.

        Raises: UnsupportedHost where an encoder would read words and the settings forbid it.
        """
        if self._uses_words(sd_model) and not allows_words(self.shared.opts):
            raise UnsupportedHost("This model's T5 takes no embeddings, and the settings allow no expressions with it.")
        encoders = _find_encoders(sd_model)
        entries = [self._host_embedding(name, value, encoders) for name, value in vectors.items()]
        with contextlib.ExitStack() as stack:
            for encoder in encoders:
                stack.enter_context(self._looked_up(encoder, entries))
            yield

    @contextlib.contextmanager
    def blank_placeholders(self, engine: Any, names: Sequence[str]) -> Iterator[None]:
        """Let the engine find each counting name as that many vectors."""
        entries = []
        for name in dict.fromkeys(names):
            entry = self.textual_inversion.Embedding(None, name)
            entry.vectors = counted_vectors(name)
            entries.append(entry)
        with self._looked_up(ForgeEncoder(engine), entries):
            yield

    def dependencies(self, prompts: Sequence[str]) -> object:
        """Give the state of the embeddings that the prompts may name; load changed files anew.

        The host itself reads them only when it loads a model.
        """
        text = "\n".join(prompts)
        model = self.loaded_model()
        encoders = [] if model is None else _find_encoders(model)
        files = {
            name: str(entry.filename)
            for encoder in encoders
            for name, entry in encoder.database.word_embeddings.items()
            if getattr(entry, "filename", None)
        }
        states = {name: file_state(files[name]) for name in find_mentioned(files, text)}
        if self._read_files.have_changed({files[name]: state for name, state in states.items()}):
            _load_embeddings(encoders)
        identity = None if model is None else self.text_model(model).identity
        others = tuple(self.checkpoints.states(text))
        return (tuple(states.items()), others, identity, allows_words(self.shared.opts))

    def note_used_embeddings(self, model: TextModel) -> None:
        """Name the embeddings that expressions have read in the infotext's "TI", as the host does its own.

        Source: Forge dfdcbab6, backend/text_processing/classic_engine.py:269-280.
        """
        if not isinstance(model, ForgeTextModel):
            return
        parameters = self.infotext_parameters
        listed = _listed(parameters)
        read = [name.replace(":", "").replace(",", "") for name in dict.fromkeys(model.used)]
        names = listed + [name for name in read if name not in listed]
        if names:
            parameters["TI"] = ", ".join(names)

    # --- What the page asks: `PageHost` ---

    @property
    def embeddings_folder(self) -> Path:
        """The folder of the option `--embeddings-dir`."""
        return Path(self.shared.cmd_opts.embeddings_dir).absolute()

    @property
    def brackets(self) -> Brackets:
        """Those that are switched on in the settings."""
        return read_brackets(self.shared.opts)

    def loaded_text_model(self) -> ForgeTextModel | None:
        """Give the text model of the model in memory, or None."""
        model = self.loaded_model()
        return None if model is None else self.text_model(model)

    def load_text_model(self) -> ForgeTextModel:
        """Give the same after loading the chosen checkpoint; waits for the picture that is being made.

        Raises: ModelNotLoaded where the host cannot load it: it prints why to its console.
        """
        if self.loaded_model() is None:
            with self.call_queue.queue_lock:
                # The host's thread for models swallows what goes wrong there; the model that is missing then says it.
                self.main_thread.run_and_wait_result(self.sd_models.forge_model_reload)
        found = self.loaded_text_model()
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
        """Let every engine read the folder again, and the page's cards."""
        self._read_files.note_reading()
        model = self.loaded_model()
        _load_embeddings([] if model is None else _find_encoders(model))
        self.cards.embedding_db.load_textual_inversion_embeddings(force_reload=True, sync_with_sd_model=False)
        self.embeddings_state = object()

    def notices(self) -> list[str]:
        """Name the other extensions that take the same expressions."""
        return [
            f"Another extension also reads <'…'> in prompts; one is enough. The other one: {path}"
            for path in self.other_extensions
        ]

    def _uses_words(self, sd_model: Any) -> bool:
        is_switched_off = getattr(sd_model, "is_sd3", False) and not self.shared.opts.sd3_enable_t5
        return bool(_find_word_engines(sd_model)) and not is_switched_off

    def _host_embedding(self, name: str, value: Embedding, encoders: Sequence[ForgeEncoder]) -> Any:
        # The host takes the vectors to the device and precision of the table.
        entry = self.textual_inversion.Embedding({e.key: value[e.name] for e in encoders}, name)
        entry.vectors = value.length
        entry.shape = sum(e.width for e in encoders)
        return entry

    def _looked_up(self, encoder: ForgeEncoder, entries: Sequence[Any]) -> contextlib.AbstractContextManager[None]:
        return looked_up(encoder.database.ids_lookup, [(self._spelling.ids(e.name, encoder), e) for e in entries])


def _find_engines(sd_model: Any) -> list[Any]:
    """Give the model's text engines, whatever they are called in it."""
    return [part for part in vars(sd_model).values() if hasattr(part, "tokenize") and hasattr(part, "text_encoder")]


def _find_encoders(sd_model: Any) -> list[ForgeEncoder]:
    """Give those that take embeddings, in the family's order."""
    found = [ForgeEncoder(engine) for engine in _find_engines(sd_model) if _takes_embeddings(engine)]
    return sorted(found, key=lambda encoder: encoder.name != "clip_l")


def _find_word_engines(sd_model: Any) -> list[Any]:
    """Give those that take only text."""
    return [engine for engine in _find_engines(sd_model) if not _takes_embeddings(engine)]


def _takes_embeddings(engine: Any) -> bool:
    return hasattr(engine, "embeddings") and hasattr(engine, "embedding_key")


def _family(encoders: Sequence[ForgeEncoder], *, has_words: bool) -> Family | None:
    """Give the family by its encoders: of two with the same ones, the newer has an encoder that takes only text."""
    names = {encoder.name for encoder in encoders}
    found = [family for family in FAMILIES.values() if set(family.encoders) == names]
    return None if not found else found[-1 if has_words else 0]


def _with_subclasses(kind: Any) -> Iterator[Any]:
    yield kind
    for below in kind.__subclasses__():
        yield from _with_subclasses(below)


def _load_embeddings(encoders: Sequence[ForgeEncoder]) -> None:
    for encoder in encoders:
        encoder.database.load_textual_inversion_embeddings()


def _of_name(stem: str, held: Mapping[str, Any]) -> list[Any]:
    return [entry for name, entry in held.items() if name.casefold() == stem.casefold()]


def _listed(parameters: Mapping[str, str]) -> list[str]:
    return [name for name in parameters.get("TI", "").split(", ") if name]
