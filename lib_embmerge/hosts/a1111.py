"""AUTOMATIC1111's Stable Diffusion WebUI (read and run at v1.10.1), and forks that kept its text path.

Every symbol of the host that is touched, and why:

- `modules.prompt_parser.get_learned_conditioning`, `.get_multicond_learned_conditioning`: wrapped, whole prompts
- `tokenize_line` of the class in `modules.sd_hijack_clip` that has it: wrapped, the second layer
- `modules.processing.StableDiffusionProcessing.cached_params`: wrapped, key of the conditioning cache
- `modules.sd_hijack.StableDiffusionModelHijack.get_prompt_lengths`: wrapped, marks a broken expression in the counter
- `modules.sd_hijack.model_hijack`: `.embedding_db` (`ids_lookup`, `word_embeddings`, `skipped_embeddings`,
  `find_embedding_at_position`, `load_textual_inversion_embeddings`) to find and register embeddings;
  `.extra_generation_params` for the infotext's "TI hashes"; `.comments`, where the old emphasis lists embeddings
- `modules.textual_inversion.textual_inversion.Embedding`: what a placeholder is registered as; of `EmbeddingDatabase`
  there `load_textual_inversion_embeddings` wrapped, so that nobody meets an empty list while a folder is read
- `modules.sd_models`: `model_data.sd_model` (the loaded model, without loading one), `checkpoints_list`;
  `modules.shared.sd_model` and `reload_model_weights` load one, `modules.call_queue.queue_lock` waits for the picture
  before
- `modules.devices.device`, `.dtype`: where a placeholder's vectors must lie and what they become
- `modules.shared.cmd_opts.embeddings_dir`: where embeddings are
- `modules.shared.opts`: our settings and `textual_inversion_add_hashes_to_infotext`, `emphasis`,
  `enable_prompt_comments`
- a model's `cond_stage_model` or, on SDXL, its `embedders`, those of its `conditioner` while they are unwrapped; of an
  embedder `tokenize`, `tokenizer`, `id_start`,
  `id_end`, `id_pad`, and its token table under `wrapped`
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..families import FAMILIES, Family, family_of
from ..host_protocol import InstalledEmbedding, TextModel
from ..placeholders import find_names
from ..vectors.embedding import Embedding
from .encoders.encoder import HostEncoder
from .encoders.installed_lookup import as_loaded, copy_installed, is_made_for, of_names
from .encoders.token_table import find_layer
from .pipeline.hooks import class_with
from .pipeline.pipeline_host import PipelineHost
from .webui.running_host import RunningTextModel

__all__ = ["A1111", "A1111Encoder", "A1111TextModel"]

TABLE_PATHS = (
    "wrapped.transformer.text_model.embeddings.token_embedding",
    "wrapped.model.token_embedding",
)
"""Where an embedder keeps its token table: transformers' CLIP, and open_clip's."""

USED_EMBEDDINGS = "Used embeddings: "
"""Begins the line in which the old emphasis lists embeddings."""

BARE_TABLE_PATHS = tuple(path.removeprefix("wrapped.") for path in TABLE_PATHS)
"""The same in an embedder that the host has unwrapped."""


class A1111Encoder(HostEncoder):
    """One of the host's CLIP text encoders."""

    def __init__(self, embedder: Any) -> None:
        """Take the host's wrapped text encoder."""
        layer = find_layer(embedder, *TABLE_PATHS)
        key = getattr(layer, "textual_inversion_key", "clip_l")
        # SD 2's encoder has the key of SD 1's, but pads with another token than the end.
        name = "clip_h" if key == "clip_l" and embedder.id_pad != embedder.id_end else key
        super().__init__(embedder, layer, name=name, key=key)

    def spell(self, ids: Sequence[int]) -> list[str]:
        """Return each token's spelling, a blank for the end of a word."""
        if getattr(self.engine, "tokenizer", None) is not None:
            return super().spell(ids)
        from open_clip import tokenizer

        return [str(tokenizer._tokenizer.decode([i])) for i in ids]


class A1111TextModel(RunningTextModel):
    """The text encoders of the host's loaded model, with the host's installed embeddings."""

    host: A1111

    def __init__(self, sd_model: Any, host: A1111) -> None:
        """Take the host's model object."""
        encoders = [A1111Encoder(e) for e in _find_embedders(sd_model)]
        super().__init__(sd_model, host, encoders, _family(sd_model, encoders))
        self.used: dict[str, Any] = {}
        """The host's embeddings that were read by name, by name."""

    def database_of(self, encoder: Any) -> Any:
        """Return the host's only database."""
        return self.host.database

    def embeddings_named(self, *stems: str) -> list[InstalledEmbedding]:
        """Return all embeddings of these names, case ignored, those that the host put aside included."""
        database = self.host.database
        return [self._installed(e) for e in of_names(stems, database.word_embeddings, database.skipped_embeddings)]

    def embedding_names(self) -> list[str]:
        """Return the names of the embeddings that the host has loaded for this model."""
        known = self.host.database.word_embeddings.items()
        return [name for name, embedding in known if is_made_for(embedding, self.encoders, exactly=True)]

    def _take(self, embedding: Any) -> InstalledEmbedding | None:
        # A fork keeps an old model's embeddings after a change of model; those are not this model's words.
        return self._installed(embedding) if is_made_for(embedding, self.encoders, exactly=True) else None

    def _installed(self, embedding: Any) -> InstalledEmbedding:
        self.used[embedding.name] = embedding
        return copy_installed(embedding, self.encoders)


class A1111(PipelineHost):
    """The running host: what the hooks, the settings and the save command ask of it."""

    name = "AUTOMATIC1111"

    def __init__(self) -> None:
        """Find the host's modules; they are loaded already."""
        from modules import call_queue, devices, processing, prompt_parser, sd_hijack, sd_hijack_clip, sd_models, shared
        from modules.textual_inversion import textual_inversion

        super().__init__(sd_models.checkpoints_list)
        self.call_queue = call_queue
        self.devices = devices
        self.processing = processing
        self.prompt_parser = prompt_parser
        self.sd_hijack = sd_hijack
        self.sd_hijack_clip = sd_hijack_clip
        self.sd_models = sd_models
        self.shared = shared
        self.textual_inversion = textual_inversion

    @property
    def database(self) -> Any:
        """The host's embedding database."""
        return self.sd_hijack.model_hijack.embedding_db

    def loaded_model(self) -> Any | None:
        """Return the host's model object, or None, as while the host reads another checkpoint into it; never loads one.

        For that time the text encoders are unwrapped. Source: A1111 1.10.1, modules/sd_models.py:955-990
        (`undo_hijack`, reading, `hijack`).
        """
        model = self.sd_models.model_data.sd_model
        return None if model is None or _is_unwrapped(model) else model

    def text_model(self, sd_model: Any) -> A1111TextModel:
        """Return the text model of the host's model object."""
        return A1111TextModel(sd_model, self)

    def model_of(self, engine: Any) -> Any:
        """Return the loaded model, or the lone text encoder where it belongs to another one."""
        model = self.loaded_model()
        if model is not None and any(embedder is engine for embedder in _find_embedders(model)):
            return model
        return _LoneEncoder(engine)

    def hook_points(self) -> Mapping[str, Sequence[tuple[Any, str]]]:
        """Return the functions to wrap."""
        # A fork has merged the base class into the one that A1111 derives from it.
        owner = class_with(self.sd_hijack_clip, "tokenize_line")
        return {**self.prompt_points(), "tokenize_line": [(owner, "tokenize_line")]}

    def counter_points(self) -> Sequence[tuple[Any, str]]:
        """Return the function that counts for the token counter."""
        return [(self.sd_hijack.StableDiffusionModelHijack, "get_prompt_lengths")]

    @contextlib.contextmanager
    def placeholders(self, sd_model: Any, vectors: Mapping[str, Embedding]) -> Iterator[None]:
        """Let the host find each name's vectors while the context lasts.

        Only `ids_lookup` is written, the one place where conditioning looks: no list of embeddings shows them.
        """
        encoders = [A1111Encoder(e) for e in _find_embedders(sd_model)]
        entries = [self._host_embedding(name, value, encoders) for name, value in vectors.items()]
        with self._looked_up(encoders[0], entries):
            yield

    def forget_placeholders(self) -> None:
        """Take our names out of what the host says below a picture with its old emphasis.

        Source: A1111 1.10.1, modules/sd_hijack_clip_old.py:75-77.
        """
        comments = getattr(self.sd_hijack.model_hijack, "comments", [])  # not every fork has them
        comments[:] = [kept for comment in comments if (kept := _without_placeholders(comment))]

    def note_used_embeddings(self, model: TextModel) -> None:
        """Name the embeddings that expressions have read in the infotext's "TI hashes", as the host does its own.

        Source: A1111 1.10.1, modules/sd_hijack_clip.py:236-249.
        """
        is_wished = getattr(self.shared.opts, "textual_inversion_add_hashes_to_infotext", True)
        if not isinstance(model, A1111TextModel) or not is_wished:
            return
        parameters = getattr(self.sd_hijack.model_hijack, "extra_generation_params", {})  # only for the infotext
        present = parameters.get("TI hashes") or ""
        hashes = [
            f"{name.replace(':', '').replace(',', '')}: {e.shorthash}"
            for name, e in model.used.items()
            if e.shorthash and e.shorthash not in present
        ]
        if hashes:
            parameters["TI hashes"] = ", ".join([*hashes, present] if present else hashes)

    def embedding_files(self) -> Mapping[str, str]:
        """Return the files of the embeddings in the database, by name."""
        return {name: e.filename for name, e in self.database.word_embeddings.items() if e.filename}

    def load_embeddings(self) -> None:
        """Let the database read its folder again."""
        self.database.load_textual_inversion_embeddings(force_reload=True)

    def reload_chosen_model(self) -> None:
        """Load the chosen checkpoint where none is in memory; the caller holds the queue's lock.

        Source: A1111 1.10.1, modules/sd_models.py:683-701 (loading on first use), :803 (after an unload).
        """
        if self.shared.sd_model is None:
            self.sd_models.reload_model_weights()

    def encoder_of(self, engine: Any) -> A1111Encoder:
        """Return one of the host's text encoders."""
        return A1111Encoder(engine)

    def database_of(self, encoder: Any) -> Any:
        """Return the host's only database."""
        return self.database

    def _host_embedding(self, name: str, value: Embedding, encoders: Sequence[A1111Encoder]) -> Any:
        entry = self.textual_inversion.Embedding(as_loaded(value, encoders, self.devices.device), name)
        entry.vectors = value.length
        entry.shape = sum(e.width for e in encoders)
        return entry


class _LoneEncoder:
    """Stands in for a model of which only one text encoder is known."""

    def __init__(self, engine: Any) -> None:
        self.cond_stage_model = engine
        self.sd_checkpoint_info = None


def _find_embedders(sd_model: Any) -> list[Any]:
    """Return the model's CLIP text encoders; SDXL's list also holds encoders of sizes, which cannot tokenize."""
    found = _candidates(sd_model)
    return [c for c in found if hasattr(c, "tokenize_line") and find_layer(c, *TABLE_PATHS) is not None]


def _is_unwrapped(sd_model: Any) -> bool:
    found = _candidates(sd_model)
    return any(not hasattr(c, "tokenize_line") and find_layer(c, *BARE_TABLE_PATHS) is not None for c in found)


def _candidates(sd_model: Any) -> Sequence[Any]:
    # SDXL has no cond_stage_model while its encoders are unwrapped.
    stage = getattr(sd_model, "cond_stage_model", getattr(sd_model, "conditioner", None))
    return getattr(stage, "embedders", None) or [stage]


def _family(sd_model: Any, encoders: Sequence[A1111Encoder]) -> Family | None:
    if getattr(sd_model, "is_sd3", False):
        return FAMILIES["sd3"]
    return family_of(e.name for e in encoders)


def _without_placeholders(comment: str) -> str:
    head, listing, names = comment.partition(USED_EMBEDDINGS)
    if head or not listing:
        return comment
    kept = [name for name in names.split(", ") if not find_names(name)]
    return listing + ", ".join(kept) if kept else ""
