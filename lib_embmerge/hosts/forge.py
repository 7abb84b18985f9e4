"""Stable Diffusion WebUI Forge (dfdcbab6) and ersatzForge (fca12a28): one embedding database for each text encoder.

Both were read and run.

Every symbol of the host that is touched, and why:

- `modules.prompt_parser.get_learned_conditioning`, `.get_multicond_learned_conditioning`: wrapped, whole prompts
- `backend.text_processing.classic_engine`: of its class with `tokenize_line`, that wrapped, the second layer, and
  `__call__`, to take our names out of the module's `last_extra_generation_params`, which become the infotext's "TI";
  ersatzForge names no embeddings there
- of the text engines of T5 and language models, what `language_engines.py` lists
- `backend.text_processing.textual_inversion.Embedding`: what a placeholder is registered as; of `EmbeddingDatabase`
  there `load_textual_inversion_embeddings` wrapped, so that nobody meets an empty list while a folder is read
- `backend.diffusion_engine.base.ForgeDiffusionEngine`: of it and its subclasses `get_prompt_lengths_on_ui` wrapped,
  marks a broken expression in the counter, and `get_learned_conditioning`, whole prompts of who calls a model itself
- `modules.processing.StableDiffusionProcessing.cached_params`: wrapped, key of the conditioning cache
- `modules.sd_models`: `model_data.sd_model` (the loaded model, without loading one), `checkpoints_list`, and
  `forge_model_reload`, which loads one; that is done in the thread of `modules_forge.main_thread`, by
  `run_and_wait_result`, while `modules.call_queue.queue_lock` keeps pictures waiting
- `modules.ui_extra_networks_textual_inversion.embedding_db`: the list of the page's cards, read anew after a save with
  whatever parameters the host has for a list that belongs to no model
- `modules.devices.dtype`: whether vectors end in half precision
- `modules.shared.cmd_opts.embeddings_dir`: where embeddings are
- `modules.shared.opts`: our settings, `emphasis`, `enable_prompt_comments`, and `sd3_enable_t5`
- a model's `sd_checkpoint_info`, `is_sd3`, `get_learned_conditioning` (which the stand-in for no model lacks), and its
  engines: whatever has `tokenize` and a `text_encoder`, those for embeddings also `embeddings` and `embedding_key`
- of an engine `tokenizer`, `id_start`, `id_end`, `id_pad`, its table under `text_encoder`, and its
  `embeddings` (`ids_lookup`, `word_embeddings`, `skipped_embeddings`, `find_embedding_at_position`,
  `load_textual_inversion_embeddings`)

`forge_neo.py` derives from this adapter; there differ `clip_engine` and `infotext_parameters`.

The host prints a line for each embedding that it uses, placeholders included; nothing can be done about that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from inspect import signature
from types import SimpleNamespace
from typing import Any

from ..families import family_of, group_of
from ..host_protocol import InstalledEmbedding, TextModel
from ..merge import Merged
from ..placeholders import find_names
from ..vectors.embedding import Embedding
from .encoders.encoder import HostEncoder
from .encoders.installed_lookup import as_loaded, copy_installed, is_made_for, of_names
from .encoders.token_table import find_layer
from .language_engines import LanguageEngine, encoder_of, find_language_engines, lent_to
from .pipeline.hooks import class_with
from .pipeline.pipeline_host import PipelineHost
from .webui.language_text_model import LanguageTextModel
from .webui.settings import read_others

__all__ = ["Forge", "ForgeEncoder", "ForgeTextModel"]

TABLE_PATH = "text_encoder.transformer.text_model.embeddings.token_embedding"
"""Where an engine keeps its token table."""

WITHOUT_MODEL = {"force_reload": True, "sync_with_sd_model": False, "find_only": True}
"""What hosts call it that all of a folder is to be listed, for no model.

Source: modules/ui_extra_networks_textual_inversion.py:20 in Forge dfdcbab6, :21 in ersatzForge fca12a28.
"""


class ForgeEncoder(HostEncoder):
    """One of the host's CLIP text engines, with its database of embeddings."""

    def __init__(self, engine: Any) -> None:
        """Take the host's engine."""
        super().__init__(engine, find_layer(engine, TABLE_PATH), name=engine.embedding_key, key=engine.embedding_key)
        self.database = engine.embeddings


class ForgeTextModel(LanguageTextModel):
    """The text encoders of the host's loaded model, with the embeddings that its engines have loaded."""

    host: Forge
    clip: Sequence[ForgeEncoder]

    def __init__(self, sd_model: Any, host: Forge) -> None:
        """Take the host's model object.

        Raises: UnsupportedHost where no text encoder of it is known.
        """
        clip = _find_encoders(sd_model)
        engines = host.language_engines(sd_model)
        others = [encoder_of(one) for one in engines if host.gives_vectors(one) or (not clip and one.key)]
        names = [*(e.name for e in clip), *(e.name for e in others)]
        family = family_of(names, has_words=bool(find_language_engines(sd_model)))
        super().__init__(sd_model, host, clip, others, family)

    def database_of(self, encoder: Any) -> Any:
        """Return the encoder's own database."""
        return encoder.database

    def loaded_named(self, stems: Sequence[str]) -> list[InstalledEmbedding]:
        """Return the embeddings of these names that the host's engines have read, those put aside included."""
        found: dict[str, InstalledEmbedding] = {}  # by file: every engine has read the same ones
        for encoder in self.clip:
            for entry in of_names(stems, encoder.database.skipped_embeddings):
                found[getattr(entry, "filename", entry.name)] = self._installed(entry)
            for entry in of_names(stems, encoder.database.word_embeddings):
                found[getattr(entry, "filename", entry.name)] = self._take(entry) or self._installed(entry)
        return list(found.values())

    def loaded_names(self) -> list[str]:
        """Return the names of the embeddings that the host's engines have loaded for this model."""
        return [name for encoder in self.clip for name in encoder.database.word_embeddings]

    def _take(self, embedding: Any) -> InstalledEmbedding | None:
        """Return what an embedding that the host loaded for one encoder is to the model; None where it lacks others."""
        if not is_made_for(embedding, self.clip):
            return None
        installed = self._installed(embedding)
        # The host loads SDXL's for its refiner, which has one of the two encoders.
        return replace(installed, vectors={e.name: installed.vectors[e.name] for e in self.clip})

    def _installed(self, embedding: Any) -> InstalledEmbedding:
        self.used.append(embedding.name)
        return copy_installed(embedding, self.clip)


class Forge(PipelineHost):
    """The running host: what the hooks, the settings and the save command ask of it."""

    name = "Forge"

    def __init__(self) -> None:
        """Find the host's modules; they are loaded already."""
        from backend.diffusion_engine import base
        from backend.text_processing import textual_inversion
        from modules import call_queue, devices, processing, prompt_parser, sd_models, shared
        from modules import ui_extra_networks_textual_inversion as cards
        from modules_forge import main_thread

        super().__init__(sd_models.checkpoints_list)
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

    @property
    def clip_engine(self) -> Any:
        """The host's class of engines that take embeddings, whatever it is called."""
        from backend.text_processing import classic_engine

        return class_with(classic_engine, "tokenize_line")

    @property
    def infotext_parameters(self) -> Any:
        """What the engines note for the infotext while they run; the host puts another one there after each prompt.

        A host without one names no embeddings, and gets none named.
        """
        from backend.text_processing import classic_engine

        return getattr(classic_engine, "last_extra_generation_params", {})

    def loaded_model(self) -> Any | None:
        """Return the host's model object, or None; never loads one."""
        model = self.sd_models.model_data.sd_model
        return model if hasattr(model, "get_learned_conditioning") else None

    def text_model(self, sd_model: Any) -> ForgeTextModel:
        """Return the text model of the host's model object."""
        return ForgeTextModel(sd_model, self)

    def model_of(self, engine: Any) -> Any:
        """Return the loaded model, or a stand-in with the lone engine where it belongs to another one."""
        model = self.loaded_model()
        if model is not None and any(known is engine for known in _find_engines(model)):
            return model
        return SimpleNamespace(engine=engine)

    def hook_points(self) -> Mapping[str, Sequence[tuple[Any, str]]]:
        """Return the functions to wrap."""
        engine = self.clip_engine
        points = self.prompt_points()
        models = [(kind, "get_learned_conditioning") for kind in self._kinds_with("get_learned_conditioning")]
        return {
            **points,
            "encode": [*points["encode"], *models],
            "tokenize_line": [(engine, "tokenize_line")],
            "run_engine": [(engine, "__call__")],
        }

    def counter_points(self) -> Sequence[tuple[Any, str]]:
        """Return the function that counts for the token counter, of every kind of model that has its own."""
        name = "get_prompt_lengths_on_ui"
        return [(kind, name) for kind in self._kinds_with(name)]

    def _kinds_with(self, name: str) -> list[Any]:
        return [kind for kind in _with_subclasses(self.base.ForgeDiffusionEngine) if name in vars(kind)]

    def language_engines(self, sd_model: Any) -> list[LanguageEngine]:
        """Return the model's text engines of T5 and language models that are in use."""
        # SD 3's can be switched off.
        is_off = getattr(sd_model, "is_sd3", False) and not getattr(self.shared.opts, "sd3_enable_t5", True)
        return [] if is_off else find_language_engines(sd_model)

    def gives_vectors(self, found: LanguageEngine) -> bool:
        """Return whether an engine of T5 or a language model gets the vectors of expressions."""
        return found.key is not None and read_others(self.shared.opts) == "vectors"

    def uses_words(self, sd_model: Any) -> bool:
        """Return whether one of these engines reads the words of expressions."""
        return not all(map(self.gives_vectors, self.language_engines(sd_model)))

    def counts_words(self, sd_model: Any) -> bool:
        """Return whether the counter is of an encoder that reads words: where the model has a T5, it is its."""
        return bool(find_language_engines(sd_model)) and not self.counted_group(sd_model)

    def counted_group(self, sd_model: Any) -> str:
        """Return the tokenizer group of the T5 or language model that the counter is of; empty where it is of none."""
        with_vectors = [one for one in self.language_engines(sd_model) if self.gives_vectors(one)]
        return group_of(str(with_vectors[0].key)) if with_vectors else ""

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
        """Let every engine with a database find each name's vectors while the context lasts.

        Raises: UnsupportedHost where an encoder would read words and the settings forbid it.
        """
        encoders = _find_encoders(sd_model)
        if self.uses_words(sd_model):
            self.check_words_allowed(any_clip=bool(encoders))
        entries = [self._host_embedding(name, value, encoders) for name, value in vectors.items()] if encoders else []
        with contextlib.ExitStack() as stack:
            for encoder in encoders:
                stack.enter_context(self._looked_up(encoder, entries))
            yield

    @contextlib.contextmanager
    def lending(self, sd_model: Any, merged: Merged) -> Iterator[None]:
        """Let every engine of T5 or a language model find vectors or words while the context lasts."""
        with contextlib.ExitStack() as stack:
            for found in self.language_engines(sd_model):
                stack.enter_context(lent_to(found, merged, vectors=self.gives_vectors(found)))
            yield

    def dependencies(self, prompts: Sequence[str]) -> object:
        """Return the same as other hosts, and what T5 and language models read."""
        return (super().dependencies(prompts), read_others(self.shared.opts))

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

    def embedding_files(self) -> Mapping[str, str]:
        """Return the files of the embeddings that the model's encoders can read, by name."""
        model = self.loaded_model()
        in_folder = self.folder.paths() if model is not None and self.language_engines(model) else {}
        loaded = {
            name: str(entry.filename)
            for encoder in self._loaded_encoders()
            for name, entry in encoder.database.word_embeddings.items()
            if getattr(entry, "filename", None)
        }
        return {**{name: str(paths[-1]) for name, paths in in_folder.items()}, **loaded}

    def load_embeddings(self) -> None:
        """Let every engine read the folder again."""
        self.folder.refresh()
        for encoder in self._loaded_encoders():
            encoder.database.load_textual_inversion_embeddings()

    def reload_chosen_model(self) -> None:
        """Load the chosen checkpoint.

        The host's thread for models swallows what goes wrong there; the model that is missing then says it. It keeps
        what its last job gave, which must not be the model: it would outlive its replacement.
        """

        def load() -> None:
            self.sd_models.forge_model_reload()

        self.main_thread.run_and_wait_result(load)

    def refresh_embeddings(self) -> None:
        """Let every engine read the folder again, and the page's cards."""
        super().refresh_embeddings()
        load = self.cards.embedding_db.load_textual_inversion_embeddings
        load(**{name: value for name, value in WITHOUT_MODEL.items() if name in signature(load).parameters})

    def encoder_of(self, engine: Any) -> ForgeEncoder:
        """Return one of the host's text engines."""
        return ForgeEncoder(engine)

    def database_of(self, encoder: Any) -> Any:
        """Return the engine's own database."""
        return encoder.database

    def _loaded_encoders(self) -> list[ForgeEncoder]:
        model = self.loaded_model()
        return [] if model is None else _find_encoders(model)

    def _host_embedding(self, name: str, value: Embedding, encoders: Sequence[ForgeEncoder]) -> Any:
        # The host takes the vectors to the device and precision of the table.
        entry = self.textual_inversion.Embedding(as_loaded(value, encoders), name)
        entry.vectors = len(value[encoders[0].name])
        entry.shape = sum(e.width for e in encoders)
        return entry


def _find_engines(sd_model: Any) -> list[Any]:
    """Return the model's text engines, whatever they are called in it."""
    return [part for part in vars(sd_model).values() if hasattr(part, "tokenize") and hasattr(part, "text_encoder")]


def _find_encoders(sd_model: Any) -> list[ForgeEncoder]:
    """Return those that take embeddings, in the family's order."""
    found = [ForgeEncoder(engine) for engine in _find_engines(sd_model) if _takes_embeddings(engine)]
    return sorted(found, key=lambda encoder: encoder.name != "clip_l")


def _takes_embeddings(engine: Any) -> bool:
    return hasattr(engine, "embeddings") and hasattr(engine, "embedding_key")


def _with_subclasses(kind: Any) -> Iterator[Any]:
    yield kind
    for below in kind.__subclasses__():
        yield from _with_subclasses(below)


def _listed(parameters: Mapping[str, str]) -> list[str]:
    return [name for name in parameters.get("TI", "").split(", ") if name]
