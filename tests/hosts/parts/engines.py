"""Forge's kind of models: a text engine for each text encoder, with a database of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch

from .assembly import Modules, fresh, own_attributes
from .encoders import WIDTHS, ClipEncoder, Wrapped, make_table, padding_of
from .installed import Embedding, EngineDatabase
from .models import Model, SizeEncoder, join
from .vocabulary import BLANK, LETTERS, SentenceTokenizer, TransformersTokenizer
from .weights import weighted_texts

LEAST_OF_T5 = 255
L, G, T5 = "text_processing_engine_l", "text_processing_engine_g", "text_processing_engine_t5"
KINDS: dict[str, tuple[str, Mapping[str, str]]] = {
    "sd1": ("StableDiffusion", {"text_processing_engine": "clip_l"}),
    "sd2": ("StableDiffusion2", {"text_processing_engine": "clip_h"}),
    "sdxl": ("StableDiffusionXL", {L: "clip_l", G: "clip_g"}),
    "refiner": ("StableDiffusionXLRefiner", {G: "clip_g"}),
    "sd3": ("StableDiffusion3", {L: "clip_l", G: "clip_g", T5: "t5"}),
    "flux": ("Flux", {L: "clip_l", T5: "t5"}),
    "chroma": ("Chroma", {T5: "t5"}),
}
"""By kind of model: the class, and its engines by the attributes that hold them."""

OF_SDXL = ("sdxl", "refiner")
"""Kinds of models whose embeddings have vectors for two encoders, and whose pictures' sizes are encoded too."""


class TextEngine:
    """What an engine has beside a `ClipEncoder`."""

    def __init__(self, key: str, seed: int, folder: str, columns: int) -> None:
        embeddings = SimpleNamespace(token_embedding=Wrapped(make_table(key, seed), key))
        transformer = SimpleNamespace(text_model=SimpleNamespace(embeddings=embeddings))
        self.text_encoder = SimpleNamespace(transformer=transformer)
        self.tokenizer = TransformersTokenizer(padding_of(key))
        self.id_pad = padding_of(key)
        self.embedding_key = self.key = key
        database = Modules.current["backend.text_processing.textual_inversion"].EmbeddingDatabase
        self.embeddings = self.database = database(lambda: columns, [folder])
        self.embeddings.load_textual_inversion_embeddings()

    @property
    def table(self) -> Any:
        """The token table, which an engine takes to single precision when it is first used."""
        return self.text_encoder.transformer.text_model.embeddings.token_embedding.wrapped.float()


def embedding_module(_: Modules) -> Mapping[str, Any]:
    return {"Embedding": fresh(Embedding), "EmbeddingDatabase": fresh(EngineDatabase)}


@cache
def make_t5_table() -> torch.Tensor:
    """Make a table of T5's size, of which only the rows of the tokenizer's tokens are any numbers."""
    table = torch.zeros(32128, 4096, dtype=torch.float16)  # memory is taken when it is written
    table[: BLANK + 1 + LETTERS] = torch.randn(BLANK + 1 + LETTERS, 4096, generator=torch.Generator().manual_seed(7))
    return table


class WordsEngine:
    """T5: it looks tokens up, with their weights, and has no database of embeddings."""

    def __init__(self) -> None:
        self.layer = torch.nn.Embedding.from_pretrained(make_t5_table())
        self.text_encoder = SimpleNamespace(shared=self.layer)
        self.tokenizer: Any = SentenceTokenizer()

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return self.tokenizer(texts, truncation=False, add_special_tokens=False)["input_ids"]

    def tokenize_line(self, line: str) -> tuple[list[tuple[int, float]], int]:
        pieces = [(text, weight) for text, weight in weighted_texts(line) if text is not None]
        tokens = [(token, weight) for text, weight in pieces for token in self.tokenize([text])[0]]
        return tokens, len(tokens)

    def __call__(self, texts: Sequence[str]) -> Any:
        return [look_up(self.layer, self.tokenize_line(text)[0]) for text in texts]


def look_up(layer: Any, tokens: Sequence[tuple[int, float]]) -> torch.Tensor:
    """Give the rows of tokens with their weights."""
    rows: torch.Tensor = layer(torch.tensor([[token for token, _ in tokens]], dtype=torch.long))
    return rows.float() * torch.tensor([weight for _, weight in tokens]).reshape(1, -1, 1)


class NewerWordsEngine:
    """The same where attention is read by the tokenizer, which knows only parentheses; an option switches it off."""

    opts: Any

    def __init__(self) -> None:
        self.layer = torch.nn.Embedding.from_pretrained(make_t5_table())
        model = SimpleNamespace(get_input_embeddings=lambda: self.layer)
        self.text_encoder = SimpleNamespace(transformer=model)
        self.tokenizer: Any = WeighingTokenizer(SentenceTokenizer())

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return self.tokenizer.tokenizer(texts)["input_ids"]  # type: ignore[no-any-return]

    def __call__(self, texts: Sequence[str]) -> Any:
        weighs = self.opts.emphasis != "None"
        return [look_up(self.layer, self.tokenizer.tokenize_with_weights(text, weighs)) for text in texts]


class WeighingTokenizer:
    """Reads attention, and has the texts between its brackets cut one by one."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def tokenize_with_weights(self, text: str, weighs: bool) -> list[tuple[int, float]]:
        pieces = weighted_texts(text, "()") if weighs else [(text.replace("\\(", "(").replace("\\)", ")"), 1.0)]
        return [(token, weight) for piece, weight in pieces for token in self.tokenizer(piece or "BREAK")["input_ids"]]


class ForgeDiffusionEngine(Model):
    """A model; its text engines are attributes."""

    opts: Any
    cond_stage_model = None

    def clip_engines(self) -> list[Any]:
        return [engine for engine in vars(self).values() if hasattr(engine, "embedding_key")]

    def words_engine(self) -> Any | None:
        return getattr(self, T5, None)

    def encode(self, texts: Any) -> Any:
        if self.kind in OF_SDXL:
            return join(self.clip_engines(), SizeEncoder(), texts)
        rows = [engine(texts) for engine in self.clip_engines()]
        words = self.words_engine()
        if words is None:
            return rows[0]
        found = {"crossattn": torch.cat(rows, dim=2)} if rows else {}
        is_used = self.kind != "sd3" or self.opts.sd3_enable_t5
        return {**found, "words": words(texts)} if is_used else found


def get_prompt_lengths_on_ui(self: Any, prompt: str) -> tuple[int, int]:
    """Count by T5 where there is one, by the first engine elsewhere."""
    words = self.words_engine()
    if words is not None:
        count = len(words.tokenize([prompt])[0])
        return count, max(count, LEAST_OF_T5)
    engine = self.clip_engines()[0]
    _, count = engine.process_texts([prompt])
    return count, engine.get_target_prompt_token_count(count)


class InitialModel:
    """Stands for a model before one is loaded."""

    cond_stage_model = None

    @staticmethod
    def get_prompt_lengths_on_ui(prompt: str) -> tuple[int, int]:
        return len(prompt.split()), 75


def base(modules: Modules) -> Mapping[str, Any]:
    """Make the module of all models' class."""
    return {"ForgeDiffusionEngine": fresh(ForgeDiffusionEngine, opts=modules["modules.shared"].opts)}


def models(modules: Modules) -> Mapping[str, Any]:
    """Make the classes of the kinds of models."""
    above = modules["backend.diffusion_engine.base"].ForgeDiffusionEngine
    names = {name for name, _ in KINDS.values()}
    own = {
        "get_learned_conditioning": Model.get_learned_conditioning,
        "get_prompt_lengths_on_ui": get_prompt_lengths_on_ui,
    }
    return {name: type(name, (above,), dict(own)) for name in names}


def clip_engine(modules: Modules, name: str) -> Any:
    """Make the class of engines with embeddings; the facts say how far commas reach and what is noted."""
    return fresh(
        TextEngine,
        name,
        base=object,
        **{key: value for key, value in own_attributes(ClipEncoder).items() if key != "__doc__"},
        comma_reach=staticmethod(lambda: 20),
        note=staticmethod(lambda texts, used: modules.facts["note"](modules, texts, used)),
    )


def make_engine_model(modules: Modules, kind: str, seed: int, clip: Any, words: Any) -> Any:
    """Make a model with its engines."""
    class_name, places = KINDS[kind]
    model = getattr(modules["backend.diffusion_engine.models"], class_name)(kind, None)
    model.is_sd3 = kind == "sd3"
    folder = modules["modules.shared"].cmd_opts.embeddings_dir
    columns = WIDTHS["clip_l"] + WIDTHS["clip_g"]
    for place, key in places.items():
        engine = words() if key == "t5" else clip(key, seed, folder, columns if kind in OF_SDXL else WIDTHS[key])
        setattr(model, place, engine)
    return model


def sd_models(modules: Modules) -> Mapping[str, Any]:
    """Make the module that loads the chosen model."""
    data = SimpleNamespace(sd_model=InitialModel(), forge_loading_parameters={}, loaded_with=None)

    def forge_model_reload() -> tuple[Any, bool]:
        if data.loaded_with == data.forge_loading_parameters:
            return data.sd_model, False
        info = data.forge_loading_parameters["checkpoint_info"]
        data.sd_model = info.make()
        data.sd_model.sd_checkpoint_info = info
        data.loaded_with = data.forge_loading_parameters
        return data.sd_model, True

    return {"model_data": data, "forge_model_reload": forge_model_reload, "checkpoints_list": {}}
