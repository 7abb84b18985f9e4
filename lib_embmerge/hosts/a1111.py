"""AUTOMATIC1111's Stable Diffusion WebUI (read and run at v1.10.1), and forks that kept its text path.

Every symbol of the host that is touched, and why:

- `modules.prompt_parser.get_learned_conditioning`, `.get_multicond_learned_conditioning`: wrapped, whole prompts
- `modules.sd_hijack_clip.TextConditionalModel.tokenize_line`: wrapped, the second layer
- `modules.processing.StableDiffusionProcessing.cached_params`: wrapped, key of the conditioning cache
- `modules.sd_hijack.StableDiffusionModelHijack.get_prompt_lengths`: wrapped, marks a broken expression in the counter
- `modules.sd_hijack.model_hijack`: `.embedding_db` (`ids_lookup`, `word_embeddings`, `skipped_embeddings`,
  `find_embedding_at_position`, `load_textual_inversion_embeddings`) to find and register embeddings;
  `.extra_generation_params` for the infotext's "TI hashes"
- `modules.textual_inversion.textual_inversion.Embedding`: what a placeholder is registered as
- `modules.sd_models`: `model_data.sd_model` (the loaded model, without loading one), `checkpoints_list`;
  `modules.shared.sd_model` and `reload_model_weights` load one, `modules.call_queue.queue_lock` waits for the picture
  before
- `modules.devices.device`, `.dtype`: where a placeholder's vectors must lie and what they become
- `modules.shared.cmd_opts.embeddings_dir`: where embeddings are
- `modules.shared.opts`: our settings and `textual_inversion_add_hashes_to_infotext`, `emphasis`
- a model's `cond_stage_model` or, on SDXL, its `embedders`; of an embedder `tokenize`, `tokenizer`, `id_start`,
  `id_end`, `id_pad`, and its token table under `wrapped`
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import FileError, ModelNotLoaded, UnsupportedHost, did_you_mean
from ..families import ENCODER_WIDTHS, FAMILIES, Family, family_of
from ..files.checkpoint_files import open_checkpoint
from ..host_protocol import InstalledEmbedding, TextModel, TextPieces
from ..language.scan import Brackets
from ..placeholders import SPELLING, counted_vectors, spelled_ids
from ..vectors.embedding import Embedding
from ..vectors.vocabulary import Vocabulary
from .batched_tokenizer import tokenize_together
from .hooks import Hook
from .other_checkpoint import OtherCheckpoint
from .settings import read_brackets

__all__ = ["A1111", "A1111Encoder", "A1111TextModel"]

TABLE_PATHS = (
    "wrapped.transformer.text_model.embeddings.token_embedding",
    "wrapped.model.token_embedding",
)
"""Where an embedder keeps its token table: transformers' CLIP, and open_clip's."""

WORD_ENDS: dict[int, bool] = {}
"""Whether a token is the last of its word, for those that were met: a property of CLIP's vocabulary."""

SAMPLED_ROWS = 64
SAMPLED_COLUMNS = 4
"""How much of a table is looked at to tell it from another checkpoint's."""


class A1111Encoder:
    """One of the host's CLIP text encoders, read in place.

    Rows are gathered on the table's own device and handed over as float32 copies on the CPU.
    """

    def __init__(self, embedder: Any) -> None:
        """Take the host's wrapped text encoder."""
        self.embedder = embedder
        token_embedding = _find_table(embedder)
        self.key: str = getattr(token_embedding, "textual_inversion_key", "clip_l")
        self.table = _unwrapped(token_embedding)
        self.size, self.width = (int(n) for n in self.table.weight.shape)
        self.start_id = int(embedder.id_start)
        self.end_id = int(embedder.id_end)
        self.padding_id = int(embedder.id_pad)
        # SD 2's encoder has the key of SD 1's, but pads with another token than the end.
        self.name = "clip_h" if self.key == "clip_l" and self.padding_id != self.end_id else self.key

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Give each text's token ids by the host's own tokenizer."""
        return tokenize_together(self.embedder.tokenize, self._ends_word, texts)

    def spell(self, ids: Sequence[int]) -> list[str]:
        """Give each token's spelling, a blank for the end of a word."""
        spelling = _spellings(self.embedder)
        return [spelling(i) for i in ids]

    def _ends_word(self, token: int) -> bool:
        # The vocabulary is the same for every CLIP encoder and never changes.
        known = WORD_ENDS.get(token)
        if known is None:
            known = WORD_ENDS[token] = self.spell([token])[0].endswith(" ")
        return known

    def rows(self, ids: Sequence[int]) -> Tensor:
        """Gather rows: (len(ids), width), float32, on the CPU.

        Raises: ModelNotLoaded where the host keeps the table in no memory at the moment.
        """
        weight = self._weight()
        with torch.no_grad():
            # index_select copies rows without waking other threads, which indexing does for a handful of rows.
            picked = weight.index_select(0, torch.as_tensor(list(ids), dtype=torch.long, device=weight.device))
            return picked.to(device="cpu", dtype=torch.float32)

    def vocabulary(self) -> Vocabulary:
        """Give the table's statistics, kept for as long as the table's values stay."""
        return _vocabulary_of(self)

    def fingerprint(self) -> tuple[object, ...]:
        """Change whenever the table may hold other values, not when the host moves them to another device."""
        weight = self.table.weight
        if weight.is_meta:
            return (self.name, "nowhere")
        version = 0 if weight.is_inference() else weight._version
        step = max(1, self.size // SAMPLED_ROWS)
        with torch.no_grad():
            sample = weight[::step, :SAMPLED_COLUMNS].to(device="cpu", dtype=torch.float32)
        return (self.name, version, sample.numpy().tobytes())

    def _weight(self) -> Tensor:
        weight: Tensor = self.table.weight
        if weight.is_meta:
            raise ModelNotLoaded(
                "The model's text encoder is not in memory at the moment; generate once, then try again."
            )
        return weight


class A1111TextModel:
    """The text encoders of the host's loaded model, with the host's installed embeddings."""

    is_demonstration = False

    def __init__(self, sd_model: Any, host: A1111) -> None:
        """Take the host's model object."""
        self.host = host
        self.encoders: Sequence[A1111Encoder] = [A1111Encoder(e) for e in _find_embedders(sd_model)]
        if not self.encoders:
            raise UnsupportedHost("This model has no CLIP text encoder: expressions cannot be used with it.")
        self.info = getattr(sd_model, "sd_checkpoint_info", None)
        self.title = str(getattr(self.info, "name_for_extra", None) or "the loaded model")
        self.family: Family | None = _family(sd_model, self.encoders)
        self.half_precision = host.devices.dtype == torch.float16
        self.used: dict[str, Any] = {}
        """The host's embeddings that were read by name, by name."""

    @property
    def identity(self) -> str:
        """Change with the checkpoint's file and with the tables' values."""
        return repr((getattr(self.info, "filename", None), *(e.fingerprint() for e in self.encoders)))

    def pieces(self, texts: Sequence[str]) -> list[Mapping[str, TextPieces]]:
        """Resolve texts as the host would: embeddings by their names' tokens, the longest name first."""
        found: list[dict[str, TextPieces]] = [{} for _ in texts]
        for encoder in self.encoders:
            for pieces, ids in zip(found, encoder.tokenize(texts), strict=True):
                pieces[encoder.name] = self._pieces_of(ids)
        return found  # type: ignore[return-value]

    def embeddings_named(self, stem: str) -> list[InstalledEmbedding]:
        """Give all embeddings of that name, case ignored, those that the host put aside included."""
        wanted = stem.casefold()
        db = self.host.database
        held = [*db.word_embeddings.items(), *db.skipped_embeddings.items()]
        return [self._installed(e) for name, e in held if name.casefold() == wanted]

    def embedding_names(self) -> list[str]:
        """Give the names of the embeddings that the host has loaded for this model."""
        return [name for name, e in self.host.database.word_embeddings.items() if self._fits(e)]

    def checkpoint(self, name: str) -> TextModel:
        """Give another checkpoint of the host's list by its name or file stem.

        Raises: FileError where the list has none or two of that name.
        """
        return self.host.open_checkpoint(name, self)

    def _pieces_of(self, ids: Sequence[int]) -> TextPieces:
        db = self.host.database
        if db.ids_lookup.keys().isdisjoint(ids):
            return [ids] if ids else []
        pieces: TextPieces = []
        run: list[int] = []
        position = 0
        while position < len(ids):
            embedding, length = db.find_embedding_at_position(ids, position)
            if embedding is None or not self._fits(embedding):
                run.append(ids[position])
                position += 1
                continue
            if run:
                pieces.append(run)
                run = []
            pieces.append(self._installed(embedding))
            position += length
        if run:
            pieces.append(run)
        return pieces

    def _fits(self, embedding: Any) -> bool:
        # A fork keeps an old model's embeddings after a change of model; those are not this model's words.
        widths = {e.key: e.width for e in self.encoders}
        vectors = embedding.vec if isinstance(embedding.vec, dict) else dict.fromkeys(widths, embedding.vec)
        return {key: rows.shape[-1] for key, rows in vectors.items()} == widths

    def _installed(self, embedding: Any) -> InstalledEmbedding:
        self.used[embedding.name] = embedding
        names = {(e.key, e.width): e.name for e in self.encoders}
        vectors = embedding.vec
        if not isinstance(vectors, dict):
            vectors = {self._name_by_width(vectors.shape[-1]): vectors}
        copies = {names.get((k, v.shape[-1]), k): v.detach().to(device="cpu", copy=True) for k, v in vectors.items()}
        return InstalledEmbedding(embedding.name, copies, str(embedding.hash or ""))

    def _name_by_width(self, width: int) -> str:
        # A file with one tensor does not say whose it is; the host goes by the width as well.
        fitting = [e.name for e in self.encoders if e.width == width]
        others = {known: name for name, known in ENCODER_WIDTHS.items()}
        return fitting[0] if fitting else others.get(width, f"of width {width}")


class A1111:
    """The running host: what the hooks, the settings and the save command ask of it."""

    name = "AUTOMATIC1111"

    def __init__(self) -> None:
        """Find the host's modules; they are loaded already."""
        from modules import call_queue, devices, processing, prompt_parser, sd_hijack, sd_hijack_clip, sd_models, shared
        from modules.textual_inversion import textual_inversion

        self.call_queue = call_queue
        self.devices = devices
        self.processing = processing
        self.prompt_parser = prompt_parser
        self.sd_hijack = sd_hijack
        self.sd_hijack_clip = sd_hijack_clip
        self.sd_models = sd_models
        self.shared = shared
        self.textual_inversion = textual_inversion
        self.other_extensions: list[str] = []
        """Files of other extensions that take the same expressions; the wiring finds them."""
        self.embeddings_state: object = object()
        """Another object, by identity, after every refresh."""
        self._file_states: dict[str, tuple[int, int]] = {}
        self._spelled: dict[str, Sequence[int]] = {}

    @property
    def database(self) -> Any:
        """The host's embedding database."""
        return self.sd_hijack.model_hijack.embedding_db

    def loaded_model(self) -> Any | None:
        """Give the host's model object, or None; never loads one."""
        return self.sd_models.model_data.sd_model

    def text_model(self, sd_model: Any) -> A1111TextModel:
        """Give the text model of the host's model object."""
        return A1111TextModel(sd_model, self)

    def model_of(self, engine: Any) -> Any:
        """Give the loaded model, or the lone text encoder where it belongs to another one."""
        model = self.loaded_model()
        if model is not None and any(embedder is engine for embedder in _find_embedders(model)):
            return model
        return _LoneEncoder(engine)

    def hook_points(self) -> Mapping[str, Sequence[tuple[Any, str]]]:
        """Give the functions to wrap."""
        return {
            "encode": [
                (self.prompt_parser, "get_learned_conditioning"),
                (self.prompt_parser, "get_multicond_learned_conditioning"),
            ],
            "tokenize_line": [(_owner_of_tokenize_line(self.sd_hijack_clip), "tokenize_line")],
            "cached_params": [(self.processing.StableDiffusionProcessing, "cached_params")],
        }

    def own_hooks(self) -> Sequence[Hook]:
        """Give what is to be wrapped beside the conditioning: nothing here."""
        return []

    @contextlib.contextmanager
    def placeholders(self, sd_model: Any, vectors: Mapping[str, Embedding]) -> Iterator[None]:
        """Let the host find each name's vectors while the context lasts.

        Only `ids_lookup` is written, the one place where conditioning looks: no list of embeddings shows them.
        """
        encoders = [A1111Encoder(e) for e in _find_embedders(sd_model)]
        entries = [self._host_embedding(name, value, encoders) for name, value in vectors.items()]
        with self._looked_up(encoders[0], entries):
            yield

    @contextlib.contextmanager
    def blank_placeholders(self, engine: Any, names: Sequence[str]) -> Iterator[None]:
        """Let the host find each counting name as that many vectors."""
        entries = []
        for name in dict.fromkeys(names):
            entry = self.textual_inversion.Embedding(None, name)
            entry.vectors = counted_vectors(name)
            entries.append(entry)
        with self._looked_up(A1111Encoder(engine), entries):
            yield

    def dependencies(self, prompts: Sequence[str]) -> object:
        """Give the state of the embeddings that the prompts may name; load changed files anew.

        The host itself looks only at the modification time of its folders, which says nothing of a file that was
        replaced in a sub-folder.
        """
        prompts_text = "\n".join(prompts)
        text = _letters(prompts_text)
        files = [e for name, e in self.database.word_embeddings.items() if e.filename and _letters(name) in text]
        states = [(e.name, *_file_state(e.filename)) for e in files]
        known = [self._file_states.setdefault(e.filename, state[1:]) for state, e in zip(states, files, strict=True)]
        if known != [state[1:] for state in states]:
            self._file_states.clear()
            self.database.load_textual_inversion_embeddings(force_reload=True)
        others = [
            (info.filename, *_file_state(info.filename))
            for info in self.sd_models.checkpoints_list.values()
            if "@" in prompts_text and any(name in prompts_text for name in _checkpoint_names(info))
        ]
        model = self.loaded_model()
        return (tuple(states), tuple(others), None if model is None else self.text_model(model).identity)

    def note_used_embeddings(self, model: TextModel) -> None:
        """Name the embeddings that expressions have read in the infotext's "TI hashes", as the host does its own.

        Source: A1111 1.10.1, modules/sd_hijack_clip.py:236-249.
        """
        if not isinstance(model, A1111TextModel) or not self.shared.opts.textual_inversion_add_hashes_to_infotext:
            return
        parameters = self.sd_hijack.model_hijack.extra_generation_params
        present = parameters.get("TI hashes") or ""
        hashes = [
            f"{name.replace(':', '').replace(',', '')}: {e.shorthash}"
            for name, e in model.used.items()
            if e.shorthash and e.shorthash not in present
        ]
        if hashes:
            parameters["TI hashes"] = ", ".join([*hashes, present] if present else hashes)

    def open_checkpoint(self, name: str, beside: A1111TextModel) -> TextModel:
        """Open another checkpoint of the host's list for `@name`; a path is never taken.

        Raises: FileError where the list has none or two of that name.
        """
        infos = {id(i): i for i in self.sd_models.checkpoints_list.values() if name in _checkpoint_names(i)}
        if len(infos) != 1:
            known = sorted({Path(i.filename).stem for i in self.sd_models.checkpoints_list.values()})
            problem = "No checkpoint" if not infos else "More than one checkpoint"
            raise FileError(f"{problem} in the WebUI's list is named {name}.", suggestion=did_you_mean(name, known))
        info = next(iter(infos.values()))
        return OtherCheckpoint(open_checkpoint(Path(info.filename)), beside)

    # --- What the page asks: `PageHost` ---

    @property
    def embeddings_folder(self) -> Path:
        """The folder of the option `--embeddings-dir`."""
        return Path(self.shared.cmd_opts.embeddings_dir).absolute()

    @property
    def brackets(self) -> Brackets:
        """Those that are switched on in the settings."""
        return read_brackets(self.shared.opts)

    def loaded_text_model(self) -> A1111TextModel | None:
        """Give the text model of the model in memory, or None."""
        model = self.loaded_model()
        return None if model is None else self.text_model(model)

    def load_text_model(self) -> A1111TextModel:
        """Give the same after loading the chosen checkpoint; waits for the picture that is being made.

        Raises: ModelNotLoaded where the host cannot load it: it prints why to its console.
        Source: A1111 1.10.1, modules/sd_models.py:683-701 (loading on first use), :803 (after an unload).
        """
        if self.loaded_model() is None:
            with self.call_queue.queue_lock:
                self.reload_chosen_model()
        found = self.loaded_text_model()
        if found is None:
            raise ModelNotLoaded("The WebUI could not load its checkpoint; its console says why.")
        return found

    def reload_chosen_model(self) -> None:
        """Load the chosen checkpoint where none is in memory; the caller holds the queue's lock."""
        if self.shared.sd_model is None:
            self.sd_models.reload_model_weights()

    def checkpoint_record(self) -> Mapping[str, str]:
        """Give the loaded checkpoint's name, its SHA-256 where the host knows it, and what the file's header says."""
        info = getattr(self.loaded_model(), "sd_checkpoint_info", None)
        if info is None:
            return {}
        try:
            record = dict(open_checkpoint(Path(info.filename)).record())
        except FileError:  # a pickle, which is not opened for this
            record = {"name": Path(info.filename).name}
        return record | ({"sha256": str(info.sha256)} if info.sha256 else {})

    def checkpoint_names(self) -> list[str]:
        """Give the names of the host's list."""
        return sorted({str(i.name_for_extra) for i in self.sd_models.checkpoints_list.values()}, key=str.casefold)

    def refresh_embeddings(self) -> None:
        """Let the host read its folder again; its own look at the folder's time misses files in sub-folders."""
        self.database.load_textual_inversion_embeddings(force_reload=True)
        self.embeddings_state = object()

    def notices(self) -> list[str]:
        """Name the other extensions that take the same expressions."""
        return [
            f"Another extension also reads <'…'> in prompts; one is enough. The other one: {path}"
            for path in self.other_extensions
        ]

    def _host_embedding(self, name: str, value: Embedding, encoders: Sequence[A1111Encoder]) -> Any:
        entry = self.textual_inversion.Embedding(None, name)
        entry.vec = {e.key: value[e.name].to(device=self.devices.device, dtype=torch.float32) for e in encoders}
        entry.vectors = value.length
        entry.shape = sum(e.width for e in encoders)
        return entry

    def _spelling(self, encoder: A1111Encoder) -> Callable[[str], Sequence[int]]:
        # Every CLIP encoder has the same vocabulary: the first one's answer serves all.
        if not self._spelled:
            self._spelled.update(zip(SPELLING, encoder.tokenize(SPELLING), strict=True))
        return self._spelled.__getitem__

    @contextlib.contextmanager
    def _looked_up(self, encoder: A1111Encoder, entries: Sequence[Any]) -> Iterator[None]:
        lookup = self.database.ids_lookup
        added = [(spelled_ids(e.name, self._spelling(encoder)), e) for e in entries]
        for ids, entry in added:
            lookup[ids[0]] = [(ids, entry), *lookup.get(ids[0], [])]
        try:
            yield
        finally:
            ours = {id(entry) for entry in entries}
            for first in {ids[0] for ids, _ in added}:
                rest = [x for x in lookup.get(first, []) if id(x[1]) not in ours]
                if rest:
                    lookup[first] = rest
                else:
                    lookup.pop(first, None)


class _LoneEncoder:
    """Stands in for a model of which only one text encoder is known."""

    def __init__(self, engine: Any) -> None:
        self.cond_stage_model = engine
        self.sd_checkpoint_info = None


def _find_embedders(sd_model: Any) -> list[Any]:
    """Give the model's CLIP text encoders; SDXL's list also holds encoders of sizes, which cannot tokenize."""
    stage = getattr(sd_model, "cond_stage_model", None)
    candidates = getattr(stage, "embedders", None) or [stage]
    return [c for c in candidates if hasattr(c, "tokenize_line") and _find_table(c) is not None]


def _find_table(embedder: Any) -> Any | None:
    for path in TABLE_PATHS:
        found: Any = embedder
        for part in path.split("."):
            found = getattr(found, part, None)
        if found is not None:
            return found
    return None


def _unwrapped(token_embedding: Any) -> Any:
    table = token_embedding
    while hasattr(getattr(table, "wrapped", None), "weight"):
        table = table.wrapped
    return table


def _family(sd_model: Any, encoders: Sequence[A1111Encoder]) -> Family | None:
    if getattr(sd_model, "is_sd3", False):
        return FAMILIES["sd3"]
    return family_of(e.name for e in encoders)


def _spellings(embedder: Any) -> Callable[[int], str]:
    tokenizer = getattr(embedder, "tokenizer", None)
    if tokenizer is not None:
        return lambda i: _spelling(tokenizer, tokenizer.convert_ids_to_tokens(i))
    from open_clip import tokenizer as open_clip_tokenizer

    return lambda i: str(open_clip_tokenizer._tokenizer.decode([i]))


def _spelling(tokenizer: Any, token: str) -> str:
    # transformers strips what it joins: the blank that ends a word too.
    return str(tokenizer.convert_tokens_to_string([token])) + (" " if token.endswith("</w>") else "")


_VOCABULARIES: weakref.WeakKeyDictionary[Any, tuple[object, Vocabulary]] = weakref.WeakKeyDictionary()


def _vocabulary_of(encoder: A1111Encoder) -> Vocabulary:
    fingerprint = encoder.fingerprint()
    kept = _VOCABULARIES.get(encoder.table)
    if kept is not None and kept[0] == fingerprint:
        return kept[1]
    table = weakref.ref(encoder.table)

    def read(start: int, stop: int) -> Tensor:
        module = table()
        if module is None or module.weight.is_meta:
            raise ModelNotLoaded("The model was changed while its vocabulary was being read.")
        return module.weight[start:stop].detach().to("cpu")  # type: ignore[no-any-return]

    excluded = (encoder.start_id, encoder.end_id)
    vocabulary = Vocabulary(read, size=encoder.size, width=encoder.width, excluded=excluded)
    _VOCABULARIES[encoder.table] = (fingerprint, vocabulary)
    return vocabulary


def _owner_of_tokenize_line(module: Any) -> Any:
    # A fork has merged the base class into the one that A1111 derives from it.
    for name in ("TextConditionalModel", "FrozenCLIPEmbedderWithCustomWordsBase"):
        owner = getattr(module, name, None)
        if owner is not None and "tokenize_line" in vars(owner):
            return owner
    raise UnsupportedHost("This WebUI's text encoders have no tokenize_line.")


def _checkpoint_names(info: Any) -> set[str]:
    stem = Path(info.filename).stem
    names = {stem, getattr(info, "name", ""), getattr(info, "name_for_extra", "")}
    return names - {""}


def _letters(text: str) -> str:
    """Give what two spellings have in common that a tokenizer takes for the same name: `my style`, `My  Style`."""
    return "".join(filter(str.isalnum, text.casefold()))


def _file_state(path: str) -> tuple[int, int]:
    try:
        found = Path(path).stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)
