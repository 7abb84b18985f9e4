"""SD.Next (read and run at 058a7f0c): diffusers' pipelines, whose text encoders and tokenizers are transformers'.

Every symbol of the host that is touched, and why (see `sdnext_prompts.py` for what becomes of a prompt there):

- `modules.processing_diffusers`: `set_pipeline_args` wrapped, which gets a pass's prompts and its model;
  `process_base`, `process_hires`, `process_refine` wrapped, the passes, in which a pipeline may encode texts itself;
  `process_diffusers` wrapped, what a job calls before it computes anything; `is_refiner_enabled`
- `modules.processing.process_images_inner`: wrapped, a job; `modules.control.run.control_run`: wrapped, the Control
  tab's, which loses what a job says
- `modules.prompt_parser_diffusers`: `PromptEmbedder.__init__` wrapped, the second layer; `cache`, of
  encoded prompts
- `modules.sd_hijack_te.prompt_cache`, where it is: what pipelines have encoded themselves, by a prompt's text alone
- `modules.styles.apply_curly_braces_to_prompt`: wrapped, it makes choices between braces, also those of expressions
- `modules.ui_common.update_token_counter`: wrapped, the token counter
- `modules.textual_inversion.EmbeddingDatabase.load_textual_inversion_embeddings`: wrapped, so that nobody meets
  an empty list while a folder is read
- `modules.modeldata.model_data`: `sd_model` and `sd_refiner`, the loaded models, without loading one;
  `modules.sd_models`: `reload_model_weights` loads one, while `modules.call_queue.queue_lock` keeps pictures waiting
- `modules.sd_checkpoint.checkpoints_list`: what `@name` knows
- `modules.devices.dtype`: whether vectors end in half precision
- `modules.shared.opts`: our settings, `embeddings_dir`, `prompt_attention` and what else changes an encoded prompt
- a model's `sd_checkpoint_info`, its `pipe` where it wraps one, its `text_encoder`s and `tokenizer`s, and its
  `embedding_db` (`word_embeddings`, `skipped_embeddings`, `embeddings_used`, which become the infotext's "Embeddings",
  `load_textual_inversion_embeddings`)
- of an embedding there `name`, `filename`, `tokens`, and `vec`, tensors that the host tells apart by their widths

An embedding is a token of the host's tokenizers, which forget none: where a file is replaced by one with fewer vectors,
the host's own use of its name goes on with the rest of the old ones until the model is loaded anew.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ...errors import UnsupportedHost
from ...families import ENCODER_NAMES, family_of
from ...host_protocol import InstalledEmbedding
from ...merge import MergeSettings
from ..encoders.encoder import HostEncoder
from ..encoders.installed_lookup import file_of, of_names
from ..encoders.language_encoder import LanguageEncoder
from ..encoders.token_table import CalledTable, HostTable
from ..host_modules import load_if_there
from ..pipeline.comments import blank_comments
from ..pipeline.job import Mistakes
from ..pipeline.read_beside import reading_hook
from ..webui.language_text_model import LanguageTextModel
from ..webui.running_host import Attachment, RunningHost, RunningTextModel
from ..webui.settings import read_others
from .found_encoders import FoundEncoder, find_text_encoders, other_tokenizers
from .job import SDNextJob
from .prompts import SDNextPrompts
from .standing_tokenizers import can_stand

__all__ = ["SDNext", "SDNextEncoder", "SDNextTextModel"]

CAPITALS = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
SMALL = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
"""What the host keeps out of a prompt and in the infotext. Source: modules/styles.py:482-489."""



class SDNextEncoder(HostEncoder):
    """One of a pipeline's CLIP text encoders with its tokenizer."""

    def __init__(self, text_encoder: Any, tokenizer: Any) -> None:
        """Take the pipeline's parts."""
        self.layer = text_encoder.get_input_embeddings()
        name = ENCODER_NAMES[int(self.layer.embedding_dim)]
        super().__init__(_Engine(tokenizer), self.layer, name=name, key=name)
        # The host writes its embeddings into rows behind the vocabulary's.
        self.size = self.table.size = min(self.size, int(tokenizer.vocab_size))

    def make_table(self, layer: Any) -> HostTable:
        """Return what reads the rows: the layer itself where it is quantized or offloaded.

        Source: SD.Next 058a7f0c, modules/sdnq/common.py:296 (quantized layers are a class of their own); accelerate's
        hooks bring a module's weights for each call where the host offloads "sequentially".
        """
        is_plain = type(layer).forward is torch.nn.Embedding.forward
        is_brought = layer.weight.is_meta and hasattr(layer, "_hf_hook")
        return HostTable(layer) if is_plain and not is_brought else CalledTable(layer)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids; names of embeddings in it are text."""
        return [
            ids if max(ids, default=0) < self.size else self._tokenize_literally(text, ids)
            for text, ids in zip(texts, self.tokenize_names(texts), strict=True)
        ]

    def _tokenize_literally(self, text: str, with_names: list[int]) -> list[int]:
        # The host's tokens are names to the letter, CLIP's are not: other letters hide a name.
        for letters in (CAPITALS, SMALL):
            (ids,) = super().tokenize([text.translate(letters)])
            if max(ids, default=0) < self.size:
                return ids
        return with_names


class SDNextTextModel(LanguageTextModel):
    """The text encoders of a pipeline, with the embeddings that the host has loaded for it."""

    clip: Sequence[SDNextEncoder]
    host: SDNext

    def __init__(self, sd_model: Any, host: SDNext) -> None:
        """Take the host's pipeline.

        Raises: UnsupportedHost where no text encoder of it is known.
        """
        found = find_text_encoders(sd_model)
        clip = [SDNextEncoder(one.model, one.tokenizer) for one in found if one.is_clip]
        self.others = [one for one in found if not one.is_clip]
        """T5 and language models, which read vectors or words."""
        beside = other_tokenizers(sd_model, found)
        self.tokenizers_of_others: list[tuple[Any, FoundEncoder | None]] = [
            *((one.tokenizer, one) for one in self.others),
            *((tokenizer, one) for tokenizer, one in beside if one is None or not one.is_clip),
        ]
        """What cuts texts for them, each with its encoder; None where its ids are for none of them."""
        known = [one for one in self.others if host.gives_vectors(one) or (not clip and one.key)]
        encoders = [LanguageEncoder(one.tokenizer, one.layer, key=str(one.key)) for one in known]
        family = family_of((e.name for e in (*clip, *encoders)), has_words=bool(self.others))
        super().__init__(sd_model, host, clip, encoders, family)
        self.database = getattr(sd_model, "embedding_db", None)

    def gives_vectors(self, found: FoundEncoder) -> bool:
        """Return whether one of the others gets the vectors of expressions."""
        return self.host.gives_vectors(found)

    def database_of(self, encoder: Any) -> Any:
        """Return the embeddings by the tokens of their names, of which each has one."""
        return _EmbeddingTokens(self._words(), encoder)

    def loaded_named(self, stems: Sequence[str]) -> list[InstalledEmbedding]:
        """Return the embeddings of these names that the host has read, those put aside included."""
        held = {**getattr(self.database, "skipped_embeddings", {}), **self._words()}
        # What the host could not read it keeps as a list without vectors.
        return [self._installed(e) for e in of_names(stems, held) if hasattr(e, "vec")]

    def loaded_names(self) -> list[str]:
        """Return the names of the embeddings that the host has loaded for this model."""
        return list(self._words())

    def _words(self) -> Mapping[str, Any]:
        return getattr(self.database, "word_embeddings", {})

    def _take(self, embedding: Any) -> InstalledEmbedding:
        return self._installed(embedding)

    def _installed(self, embedding: Any) -> InstalledEmbedding:
        self.used.append(embedding.name)
        vectors = {ENCODER_NAMES.get(v.shape[-1], f"of width {v.shape[-1]}"): v for v in embedding.vec}
        copies = {name: rows.detach().to(device="cpu", copy=True) for name, rows in vectors.items()}
        return InstalledEmbedding(embedding.name, copies, path=file_of(embedding))


class SDNext(RunningHost):
    """The running host: what the hooks, the settings and the save command ask of it."""

    name = "SD.Next"

    def __init__(self) -> None:
        """Find the host's modules; they are loaded already."""
        from modules import (
            call_queue,
            devices,
            modeldata,
            processing,
            processing_diffusers,
            prompt_parser_diffusers,
            sd_checkpoint,
            sd_models,
            shared,
            styles,
            textual_inversion,
            ui_common,
        )

        super().__init__(sd_checkpoint.checkpoints_list)
        self.call_queue = call_queue
        self.devices = devices
        self.modeldata = modeldata
        self.processing = processing
        self.processing_diffusers = processing_diffusers
        self.prompt_parser_diffusers = prompt_parser_diffusers
        self.sd_hijack_te = load_if_there("modules.sd_hijack_te")
        self.sd_models = sd_models
        self.shared = shared
        self.styles = styles
        self.textual_inversion = textual_inversion
        self.ui_common = ui_common
        self._noted: list[str] = []

    def loaded_model(self) -> Any | None:
        """Return the host's pipeline, or None; never loads one."""
        return self.modeldata.model_data.sd_model

    def refiner_of(self, p: Any) -> Any | None:
        """Return the pipeline that will refine a job's pictures, or None."""
        return self.modeldata.model_data.sd_refiner if self.processing_diffusers.is_refiner_enabled(p) else None

    def text_model(self, sd_model: Any) -> SDNextTextModel:
        """Return the text model of a pipeline.

        Raises: UnsupportedHost where it has no CLIP text encoder.
        """
        return SDNextTextModel(sd_model, self)

    def parts(self, settings: Callable[[], MergeSettings], callbacks: Any) -> Sequence[Attachment]:
        """Return the hooks; the host has no callback for its token counter."""
        mistakes = Mistakes()
        return [SDNextPrompts(self, settings, mistakes), SDNextJob(self, settings, mistakes), reading_hook(self)]

    def without_comments(self, prompt: str) -> str:
        """Put blanks in the places of the first comment and of its like: the host cuts no others."""
        first = COMMENT.search(prompt)
        return prompt if first is None else blank_comments(prompt, [re.compile(re.escape(first[0]))])

    def gives_vectors(self, found: FoundEncoder) -> bool:
        """Return whether a T5 or language model gets the vectors of expressions."""
        return found.key is not None and read_others(self.shared.opts) == "vectors"

    def uses_words(self, sd_model: Any) -> bool:
        """Return whether a text encoder of a pipeline reads the words of expressions."""
        return not all(one.is_clip or self.gives_vectors(one) for one in find_text_encoders(sd_model))

    def check_expressions_allowed(self, sd_model: Any, model: RunningTextModel) -> None:
        """Raise as every host, and where an encoder would read neither vectors nor words.

        Raises: UnsupportedHost.
        """
        super().check_expressions_allowed(sd_model, model)
        if isinstance(model, SDNextTextModel) and not all(can_stand(one.tokenizer) for one in model.others):
            raise UnsupportedHost(
                "This model has a text encoder that embmerge cannot reach: expressions cannot be used with it."
            )

    def note_used_embeddings(self, names: Sequence[str]) -> None:
        """Name the embeddings that expressions have read in the infotext's "Embeddings", as the host does its own.

        The names of the time before go, where the host has not put them there itself.
        Source: SD.Next 058a7f0c, modules/processing_info.py:185-186, modules/prompt_parser_diffusers.py:365, :382.
        """
        database = self._database
        if database is None or not (names or self._noted):
            return
        present = [name for name in database.embeddings_used if name not in self._noted]
        self._noted = [name for name in dict.fromkeys(names) if name not in present]
        database.embeddings_used = [*present, *self._noted]

    def embedding_files(self) -> Mapping[str, str]:
        """Return the files of the embeddings that the model's encoders can read, by name."""
        model = self.loaded_model()
        reads_folder = model is not None and not all(one.is_clip for one in find_text_encoders(model))
        in_folder = {name: str(paths[-1]) for name, paths in self.folder.paths().items()} if reads_folder else {}
        words = getattr(self._database, "word_embeddings", {})
        return {**in_folder, **{name: e.filename for name, e in words.items() if e.filename}}

    def load_embeddings(self) -> None:
        """Let the host read its folder again, and forget the prompts that it has encoded with what was there."""
        self.folder.refresh()
        if self._database is not None:
            self._database.load_textual_inversion_embeddings(force_reload=True)
        self.prompt_parser_diffusers.cache.clear()

    def reload_chosen_model(self) -> None:
        """Load the chosen checkpoint."""
        self.sd_models.reload_model_weights()

    @property
    def embeddings_folder(self) -> Path:
        """The folder of the host's setting."""
        return Path(self.shared.opts.embeddings_dir).absolute()

    @property
    def _database(self) -> Any | None:
        return getattr(self.loaded_model(), "embedding_db", None)


class _Engine:
    """A tokenizer as `HostEncoder` asks for it."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.id_start, self.id_end = tokenizer.bos_token_id, tokenizer.eos_token_id
        self.id_pad = tokenizer.pad_token_id

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        found = self.tokenizer(list(texts), truncation=False, add_special_tokens=False)
        return found["input_ids"]  # type: ignore[no-any-return]


class _EmbeddingTokens:
    """The host's embeddings by the tokens of their names, as `find_pieces` asks for them."""

    def __init__(self, words: Mapping[str, Any], encoder: SDNextEncoder) -> None:
        spelled = [(encoder.engine.tokenizer.convert_tokens_to_ids(e.tokens[0]), e) for e in words.values() if e.tokens]
        self.ids_lookup = {token: e for token, e in spelled if token is not None and token >= encoder.size}

    def find_embedding_at_position(self, ids: Sequence[int], position: int) -> tuple[Any, int]:
        return self.ids_lookup.get(ids[position]), 1
