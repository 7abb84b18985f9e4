"""diffusers' kind of models, as SD.Next has them: pipelines of text encoders, and what encodes for them."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from . import vocabulary
from .assembly import Modules, fresh
from .chunks import ROOM
from .editing import texts_by_step
from .encoders import make_table, padding_of
from .engines import make_t5_table
from .installed import Embedding, files_in, read_embedding
from .vocabulary import SentenceTokenizer, TransformersTokenizer
from .weights import weighted_texts

SUFFIXES = ("", "_2", "_3", "_4")
KINDS: Mapping[str, tuple[str, Mapping[int, str]]] = {
    "sd1": ("StableDiffusionPipeline", {0: "clip_l"}),
    "sd2": ("StableDiffusionPipeline", {0: "clip_h"}),
    "sdxl": ("StableDiffusionXLPipeline", {0: "clip_l", 1: "clip_g"}),
    "refiner": ("StableDiffusionXLPipeline", {1: "clip_g"}),
    "sd3": ("StableDiffusion3Pipeline", {0: "clip_l", 1: "clip_g", 2: "t5"}),
    "flux": ("FluxPipeline", {0: "clip_l", 1: "t5"}),
    "hidream": ("HiDreamImagePipeline", {0: "clip_l", 1: "clip_g", 2: "t5"}),
    "qwen": ("QwenImagePipeline", {0: "t5"}),
    "odd": ("OddPipeline", {0: "closed"}),
}
"""By kind of model: the class of its pipeline, and which text encoder stands at which place."""

LEFT_ALONE = ("HiDreamImagePipeline", "QwenImagePipeline", "OddPipeline")
"""Pipelines for which the host does not encode."""

PARTS = ("text_encoder", "tokenizer")
WITH_EMBEDDINGS = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")


class ClipTextModel(torch.nn.Module):
    """transformers' CLIP, as far as its table."""

    def __init__(self, name: str, table: torch.nn.Embedding) -> None:
        super().__init__()
        self.name = name
        self.token_embedding = table

    def get_input_embeddings(self) -> Any:
        return self.token_embedding

    def append(self, rows: Tensor) -> None:
        """Let the table have more rows."""
        layer = self.token_embedding
        layer.weight = torch.nn.Parameter(torch.cat([layer.weight.detach(), rows]), requires_grad=False)
        layer.num_embeddings = len(layer.weight)


class T5Model(torch.nn.Module):
    """transformers' T5, as far as its tables: two modules of the same weights, of which the second looks tokens up."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(model_type="t5")
        self.shared = torch.nn.Embedding.from_pretrained(make_t5_table())
        self.encoder = torch.nn.Module()
        self.encoder.embed_tokens = torch.nn.Embedding.from_pretrained(self.shared.weight)
        self.encoder.get_input_embeddings = lambda: self.encoder.embed_tokens
        self.texts: list[str] = []

    def get_input_embeddings(self) -> Any:
        return self.shared

    def forward(self, tokenizer: Any, texts: Sequence[str]) -> Tensor:
        """Give the rows of texts, as they enter the layers: (texts, 32, width), nothing where padding is."""
        self.texts += texts
        cut = tokenizer(list(texts), padding="max_length", max_length=32, truncation=True, return_tensors="pt")
        tokenizer.batch_decode(cut["input_ids"])
        rows = self.encoder.embed_tokens(cut["input_ids"])
        return rows * cut["attention_mask"][..., None]


class T5Tokenizer(SentenceTokenizer):
    """In the shape of transformers' tokenizer of T5, with an end token, padding and tensors."""

    eos_token_id, bos_token_id, model_max_length = 300, None, 32

    def __call__(
        self, text: Any, add_special_tokens: bool = True, truncation: bool = False, max_length: int | None = None,
        **form: Any,
    ) -> Any:  # fmt: skip
        found = [self.ids(one) for one in ([text] if isinstance(text, str) else text)]
        room = (max_length or self.model_max_length) - add_special_tokens
        end = [self.eos_token_id] if add_special_tokens else []
        rows = [(ids[:room] if truncation else ids) + end for ids in found]
        given = self.pad({"input_ids": rows, "attention_mask": [[1] * len(ids) for ids in rows]},
                         max_length=max_length, **form)  # fmt: skip
        is_one = isinstance(text, str) and form.get("return_tensors") is None
        return {name: values[0] for name, values in given.items()} if is_one else given

    def encode(self, text: str, **form: Any) -> Any:
        return self(text, **form)["input_ids"]

    def pad(
        self, given: Mapping[str, list[list[int]]], padding: Any = False, max_length: int | None = None,
        return_tensors: str | None = None, return_attention_mask: bool = True,
    ) -> dict[str, Any]:  # fmt: skip
        longest = max(map(len, given["input_ids"]))
        size = {"max_length": max_length or self.model_max_length, False: 0}.get(padding, longest)
        filled = {
            name: [values + [0] * (size - len(values)) for values in rows] for name, rows in given.items()
        }
        return {name: torch.tensor(rows) if return_tensors else rows for name, rows in filled.items()}

    def decode(self, ids: Any, **_: Any) -> str:
        assert all(0 <= token <= self.eos_token_id for token in ids), "the tokenizer has no text for these"
        return "some text"

    def batch_decode(self, sequences: Any) -> list[str]:
        return [self.decode(ids) for ids in sequences]

    def get_vocab(self) -> Mapping[str, int]:
        return {"a": 1}

    def convert_tokens_to_ids(self, spelling: str) -> int:
        return 2


class ClosedModel:
    """A text encoder that is no module, with a tokenizer of a kind of its own."""

    def __init__(self) -> None:
        self.texts: list[str] = []


class Pipeline:
    """A model; it keeps what it was called with, and gives what its text encoders have found."""

    def __init__(self, kind: str, seed: int, info: Any) -> None:
        self.kind = kind
        self.sd_checkpoint_info = info
        self.encoded: list[str] = []
        self.before_encoding: Callable[[], object] = bool
        self.called_with: list[Mapping[str, Any]] = []
        self.placed: list[Any] = []
        for place, key in KINDS[kind][1].items():
            encoder, tokenizer = _make_part(key, seed)
            setattr(self, f"text_encoder{SUFFIXES[place]}", encoder)
            setattr(self, f"tokenizer{SUFFIXES[place]}", tokenizer)
        self.embedding_db = Modules.current["modules.textual_inversion"].EmbeddingDatabase(self)

    def text_parts(self) -> list[tuple[int, Any, Any]]:
        """Give place, text encoder and tokenizer of each."""
        places = range(len(SUFFIXES))
        found = [(n, *(getattr(self, f"{what}{SUFFIXES[n]}", None) for what in PARTS)) for n in places]
        return [(n, encoder, tokenizer) for n, encoder, tokenizer in found if encoder is not None]

    def clip_parts(self) -> list[tuple[Any, Any]]:
        return [part for _, *part in self.text_parts() if isinstance(part[0], ClipTextModel)]  # type: ignore[misc]

    def t5_part(self) -> tuple[Any, Any] | None:
        return next((part for _, *part in self.text_parts() if isinstance(part[0], T5Model)), None)  # type: ignore[misc]

    def __call__(self, **arguments: Any) -> Any:
        self.called_with.append(arguments)
        if "prompt_embeds" in arguments:
            output = torch.stack([_rows_of(schedule[0]) for schedule in arguments["prompt_embeds"]])
        else:
            prompt = arguments["prompt"]
            output = self._encode_once([prompt] if isinstance(prompt, str) else prompt)
        self.placed.append(output)
        return output

    def _encode_once(self, prompts: Sequence[str]) -> Any:
        """Encode one prompt as the host lets pipelines do it, which keeps what came out by the text alone."""
        kept = Modules.current["modules.sd_hijack_te"].prompt_cache
        found = kept.get(self, prompts)
        if found is None:
            found = self._encode_plainly(prompts)
            kept.set(prompts, found)
        return found

    def _encode_plainly(self, prompts: Sequence[str]) -> Any:
        clip, t5 = self.clip_parts(), self.t5_part()
        rows = [[look_up(e, t, [(prompt, 1.0)]) for e, t in clip] for prompt in prompts]
        of_clip = torch.stack([torch.cat(found, dim=1) for found in rows]) if clip else torch.zeros(0)
        return of_clip if t5 is None else torch.cat([of_clip.flatten(), t5[0](t5[1], prompts).flatten()])


def _make_part(key: str, seed: int) -> tuple[Any, Any]:
    """Make a text encoder with its tokenizer."""
    if key == "closed":
        return ClosedModel(), SentenceTokenizer()
    if key == "t5":
        return T5Model(), T5Tokenizer()
    return ClipTextModel(key, make_table(key, seed)), TransformersTokenizer(padding_of(key))


CLASSES = {name: type(name, (Pipeline,), {}) for name, _ in KINDS.values()}


def _rows_of(encoded: Any) -> Tensor:
    return torch.cat([part.flatten() for part in encoded]) if isinstance(encoded, tuple) else encoded


def look_up(encoder: Any, tokenizer: Any, pieces: Sequence[tuple[str, float]]) -> Tensor:
    """Give the rows of a prompt's texts with their weights, by calling the table's layer: (77 · chunks, width)."""
    cut = [(token, weight) for text, weight in pieces for token in tokenizer([text])["input_ids"][0]]
    size = len(encoder.get_input_embeddings().weight)
    known = [(token, weight) for token, weight in cut if token < max(size, vocabulary.SIZE)]
    rows = []
    for start in range(0, max(1, len(known)), ROOM):
        chunk = known[start : start + ROOM]
        tokens = [vocabulary.START, *(token for token, _ in chunk), vocabulary.END]
        tokens += [tokenizer.pad_token_id] * (ROOM + 2 - len(tokens))
        weights = torch.ones(ROOM + 2, 1)
        weights[1 : 1 + len(chunk), 0] = torch.tensor([weight for _, weight in chunk])
        rows.append(encoder.get_input_embeddings()(torch.tensor(tokens)).detach() * weights)
    return torch.cat(rows)


class TokenDatabase:
    """The embeddings of a folder as tokens of a pipeline: one for each vector, of which names in prompts become all."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.word_embeddings: dict[str, Any] = {}
        self.skipped_embeddings: dict[str, Any] = {}
        self.embeddings_used: list[str] = []

    def load_textual_inversion_embeddings(self, force_reload: bool = False) -> None:
        self.word_embeddings.clear()
        self.skipped_embeddings.clear()
        for path in files_in(Modules.current["modules.shared"].opts.embeddings_dir):
            self._take(read_embedding(path))

    def load_diffusers_embedding(self, _: Any, data: Mapping[str, Mapping[str, Tensor]]) -> None:
        for name, parts in data.items():
            self._take(Embedding(dict(parts), name))

    def with_all_tokens(self, text: str) -> str:
        """Put all tokens of an embedding in the place of its name, and note that it is used."""
        for name, embedding in self.word_embeddings.items():
            pattern = rf"(?<!\w){re.escape(name)}(?!\w)"
            if re.search(pattern, text):
                self.embeddings_used = list(dict.fromkeys([*self.embeddings_used, name]))
                text = re.sub(pattern, lambda _, e=embedding: " ".join(e.tokens), text)
        return text

    def _take(self, found: Any) -> None:
        vectors = list(found.vec.values()) if isinstance(found.vec, Mapping) else [found.vec]
        by_width = {rows.shape[-1]: rows for rows in vectors}
        clip = self.pipeline.clip_parts()
        widths = {encoder.get_input_embeddings().embedding_dim for encoder, _ in clip}
        found.vec = vectors
        found.tokens = [found.name, *(f"{found.name}_{number}" for number in range(1, len(vectors[0])))]
        if type(self.pipeline).__name__ not in WITH_EMBEDDINGS or set(by_width) != widths:
            self.skipped_embeddings[found.name] = found
            return
        self.word_embeddings[found.name] = found
        for encoder, tokenizer in clip:
            _write(encoder, tokenizer, found.tokens, by_width[encoder.get_input_embeddings().embedding_dim])


def textual_inversion(_: Modules) -> Mapping[str, Any]:
    return {"EmbeddingDatabase": fresh(TokenDatabase)}


def _write(encoder: Any, tokenizer: Any, tokens: Sequence[str], rows: Tensor) -> None:
    tokenizer.add_tokens(tokens)
    layer = encoder.get_input_embeddings()
    for token, row in zip((tokenizer.convert_tokens_to_ids(token) for token in tokens), rows, strict=True):
        if token < len(layer.weight):
            with torch.no_grad():
                layer.weight[token] = row
        else:
            encoder.append(row[None].to(layer.weight))


# The host's modules around them


class PromptEmbedder:
    """Encodes the prompts of a job by the loaded model, unless both are in the cache."""

    modules: Modules

    def __init__(
        self, prompts: Sequence[str], negative_prompts: Sequence[str], steps: int, clip_skip: Any, p: Any
    ) -> None:
        parser = self.modules["modules.prompt_parser_diffusers"]
        key = (tuple(prompts), tuple(negative_prompts), steps, clip_skip)
        if key not in parser.cache:
            self.pipe = self.modules["modules.modeldata"].model_data.sd_model
            self.pipe.embedding_db.embeddings_used = []
            negative = [self._schedule(prompt, steps) for prompt in negative_prompts]
            parser.cache[key] = [self._schedule(prompt, steps) for prompt in prompts], negative
        self.prompt_embeds, self.negative_prompt_embeds = parser.cache[key]

    def _schedule(self, prompt: str, steps: int) -> list[Any]:
        return [self._encode(text) for _, text in texts_by_step(prompt, steps)]

    def _encode(self, text: str) -> Any:
        pipe = self.pipe
        pipe.encoded.append(text)
        pipe.before_encoding()
        texts = self.modules["modules.prompt_parser_diffusers"].split_prompts(pipe, text)
        rows, words = [], None
        for place, encoder, tokenizer in pipe.text_parts():
            if isinstance(encoder, T5Model):
                words = encoder(tokenizer, [texts[place]])[0]
            else:
                whole = pipe.embedding_db.with_all_tokens(texts[place])
                pieces = [(piece or "", weight) for piece, weight in weighted_texts(whole)]
                rows.append(look_up(encoder, tokenizer, pieces))
        joined = torch.cat(rows, dim=1)
        return joined if words is None else (joined, words)


def prompt_parser_diffusers(modules: Modules) -> Mapping[str, Any]:
    def split_prompts(pipe: Any, prompt: str) -> tuple[str, ...]:
        return (prompt,) * len(SUFFIXES)

    return {
        "cache": OrderedDict(),
        "PromptEmbedder": fresh(PromptEmbedder, modules=modules),
        "split_prompts": split_prompts,
    }


class EncodedPrompts:
    """What pipelines have encoded, by a prompt's text, until another model asks."""

    def __init__(self) -> None:
        self.cache: dict[str, Any] = {}
        self.owner: Any = None

    def get(self, pipe: Any, prompts: Sequence[str]) -> Any:
        if self.owner != id(pipe):
            self.cache.clear()
            self.owner = id(pipe)
        return self.cache.get(prompts[0]) if len(prompts) == 1 else None

    def set(self, prompts: Sequence[str], encoded: Any) -> None:
        if len(prompts) == 1:
            self.cache[prompts[0]] = encoded


def sd_hijack_te(_: Modules) -> Mapping[str, Any]:
    return {"prompt_cache": EncodedPrompts()}


def processing_diffusers(modules: Modules) -> Mapping[str, Any]:
    """Make the module of the passes, each with its prompts and its model."""

    def set_pipeline_args(
        p: Any, model: Any, prompts: Any, negative_prompts: Any, prompts_2: Any = None, negative_prompts_2: Any = None,
        **settings: Any,
    ) -> dict[str, Any]:  # fmt: skip
        p.embedder = _embedder(modules, p, model, prompts, negative_prompts, settings)
        if p.embedder is None:
            return {"prompt": prompts, "negative_prompt": negative_prompts, **p.task_args}
        embeds = {name: getattr(p.embedder, name) for name in ("prompt_embeds", "negative_prompt_embeds")}
        return {**({} if "prompt" in p.task_args else embeds), **p.task_args}

    def run(p: Any, model: Any, prompts: Any, negative_prompts: Any) -> None:
        module = modules["modules.processing_diffusers"]
        arguments = module.set_pipeline_args(
            p=p, model=model, prompts=prompts, negative_prompts=negative_prompts, num_inference_steps=p.steps
        )
        p.output = model(**arguments)

    def process_base(p: Any) -> None:
        run(p, modules["modules.modeldata"].model_data.sd_model, p.prompts, p.negative_prompts)
        p.c = getattr(p.embedder, "prompt_embeds", None)

    def process_hires(p: Any) -> None:
        prompts = [p.refiner_prompt] if p.refiner_prompt else p.prompts
        run(p, modules["modules.modeldata"].model_data.sd_model, prompts, p.negative_prompts)

    def process_refine(p: Any) -> None:
        refiner = modules["modules.modeldata"].model_data.sd_refiner
        run(p, refiner, p.refiner_prompt or p.prompts[0], p.refiner_negative or p.negative_prompts[0])

    def is_refiner_enabled(p: Any) -> bool:
        return p.refiner_start > 0 and modules["modules.modeldata"].model_data.sd_refiner is not None

    def process_diffusers(p: Any) -> None:
        passes = modules["modules.processing_diffusers"]
        passes.process_base(p)
        if p.enable_hr:
            passes.process_hires(p)
        if passes.is_refiner_enabled(p):
            passes.process_refine(p)

    return {
        "is_refiner_enabled": is_refiner_enabled,
        "process_diffusers": process_diffusers,
        "process_base": process_base,
        "process_hires": process_hires,
        "process_refine": process_refine,
        "set_pipeline_args": set_pipeline_args,
    }


def _embedder(
    modules: Modules, p: Any, model: Any, prompts: Any, negative_prompts: Any, settings: Mapping[str, Any]
) -> Any | None:
    """Let the prompts be encoded, where the host does; what goes wrong with it is printed."""
    parser = p.prompt_attention or modules["modules.shared"].opts.prompt_attention
    is_current = model is modules["modules.modeldata"].model_data.sd_model
    if parser == "fixed" or not is_current or type(model).__name__ in LEFT_ALONE:
        return None
    kind = modules["modules.prompt_parser_diffusers"].PromptEmbedder
    try:
        return kind(prompts, negative_prompts, settings["num_inference_steps"], None, p)
    except Exception as error:  # noqa: BLE001 (as the host does)
        print(f"Prompt parser: {error}")
        return None


class StableDiffusionProcessing:
    """A picture that is to be made."""

    modules: Modules

    def __init__(
        self, prompt: str = "", negative_prompt: str = "", *, styles: Sequence[str] = (), scripts: Sequence[Any] = (),
        **settings: Any,
    ) -> None:  # fmt: skip
        self.prompt, self.negative_prompt = prompt, negative_prompt
        self.styles, self.scripts = styles, scripts
        self.steps = 20
        self.refiner_prompt = self.refiner_negative = ""
        self.refiner_start = 0.0
        self.prompt_attention: str | None = None
        self.enable_hr = False
        self.task_args: dict[str, Any] = {}
        self.extra_generation_params: dict[str, Any] = {}
        self.comments: dict[str, int] = {}
        self.embedder = self.c = self.output = None
        vars(self).update(settings)

    def comment(self, text: str) -> None:
        self.comments[text] = 1

    def setup_prompts(self) -> None:
        known, styles = self.modules["modules.shared"].prompt_styles, self.modules["modules.styles"]
        prompt = known.apply_styles_to_prompt(self.prompt, self.styles)
        negative = known.apply_negative_styles_to_prompt(self.negative_prompt, self.styles)
        self.prompts = self.all_prompts = [styles.apply_curly_braces_to_prompt(prompt)]
        self.negative_prompts = self.all_negative_prompts = [styles.apply_curly_braces_to_prompt(negative)]


def processing(modules: Modules) -> Mapping[str, Any]:
    def process_images(p: Any) -> Any:
        modules["modules.processing"].process_images_inner(p)
        return p

    def process_images_inner(p: Any) -> Any:
        p.setup_prompts()
        for script in p.scripts:
            run_swallowing(script, "process", p)
        with torch.inference_mode():
            for prompt, negative in zip(p.all_prompts, p.all_negative_prompts, strict=True):
                p.prompts, p.negative_prompts = [prompt], [negative]
                modules["modules.processing_diffusers"].process_diffusers(p)
        for script in p.scripts:
            run_swallowing(script, "postprocess", p)
        used = modules["modules.modeldata"].model_data.sd_model.embedding_db.embeddings_used
        if used:
            p.extra_generation_params["Embeddings"] = ", ".join(used)
        return SimpleNamespace(comments="")

    kind = fresh(StableDiffusionProcessing, modules=modules)
    return {
        "StableDiffusionProcessing": kind,
        "process_images": process_images,
        "process_images_inner": process_images_inner,
    }


def run_swallowing(script: Any, name: str, p: Any) -> None:
    """Run a script's part of a job; what goes wrong in it is printed, as the host does."""
    try:
        getattr(script, name, bool)(p)
    except Exception as error:  # noqa: BLE001
        print(f"Running script: {error}")


def control_run(modules: Modules) -> Mapping[str, Any]:
    """Make the module of the Control tab, which swallows all that goes wrong and says nothing of it."""

    def control_run(p: Any) -> Iterator[Any]:
        yield None, "preview", ""
        picture = None
        try:
            modules["modules.processing"].process_images(p)
            picture = p.output
        except Exception as error:  # noqa: BLE001 (as the host does)
            print(f"Control: {error}")
        yield [picture], "preview", "<p>Ready</p>", None

    return {"control_run": control_run}


def styles(_: Modules) -> Mapping[str, Any]:
    return {"apply_curly_braces_to_prompt": choose_in_braces}


CHOICE = re.compile(r"\{([^{}]*\|[^{}]*)\}")


def choose_in_braces(prompt: str, *_: Any) -> str:
    """Choose in `{one|other:2}`; so that tests can know which, always the heaviest."""
    return CHOICE.sub(lambda found: max(map(_weighed, found[1].split("|")), key=lambda w: w[1])[0], prompt)


def _weighed(choice: str) -> tuple[str, float]:
    text, _, weight = choice.rpartition(":")
    return (text, float(weight)) if text and weight.strip().isdigit() else (choice, 1.0)


def ui_common(modules: Modules) -> Mapping[str, Any]:
    def update_token_counter(text: str) -> Mapping[str, Any]:
        pipe = modules["modules.modeldata"].model_data.sd_model
        tokenizer = getattr(pipe, "tokenizer", None)  # the first encoder's, whatever that is
        count = len(tokenizer([text])["input_ids"][0]) if tokenizer else 0
        limit = ROOM * max(1, -(-count // ROOM)) if tokenizer else 0
        shown = f"<div class='token-counter-totals'>{count}/{limit}</div>"
        return {"value": shown, "visible": bool(tokenizer), "__type__": "update"}

    return {"update_token_counter": update_token_counter}


def modeldata(_: Modules) -> Mapping[str, Any]:
    return {"model_data": SimpleNamespace(sd_model=None, sd_refiner=None)}


def sd_checkpoint(_: Modules) -> Mapping[str, Any]:
    return {"checkpoints_list": {}}


def sd_models(modules: Modules) -> Mapping[str, Any]:
    def load_diffuser(model: Any) -> Any:
        modules["modules.modeldata"].model_data.sd_model = model
        modules["modules.prompt_parser_diffusers"].cache.clear()
        model.embedding_db.load_textual_inversion_embeddings(force_reload=True)
        return model

    def reload_model_weights() -> None:
        module = modules["modules.sd_models"]
        if module.chosen is not None:
            module.load_diffuser(module.chosen())

    return {"load_diffuser": load_diffuser, "reload_model_weights": reload_model_weights, "chosen": None}
