"""T5 and language models in the text engines of Forge and its forks: how their prompts are cut, and their tables.

Such an engine has a tokenizer and a model, and no database of embeddings. While a prompt is encoded, a tokenizer of
ours stands in the place of the engine's, and the model's input-embedding module answers the ids that it lent
(`encoders/beyond_vocabulary.py`): with the engine's own template, padding, masks, weights and images. Where an
expression is to be read as words, the tokenizer puts those in.

Touched of an engine:

- `text_encoder`, and of that, or of its `transformer`, `get_input_embeddings()`, or `shared` in Forge's T5
- `tokenizer` (Anima: `qwen_tokenizer`, and `t5_tokenizer`, whose ids go to an adapter with a table of its own: it reads
  words), transformers'; or one that has such a `tokenizer` and `tokenize_with_weights`

Source: Forge dfdcbab6, backend/text_processing/t5_engine.py; Forge Neo 5692d2d, backend/text_processing/
{t5,umt5,gemma,gemma_it,qwen,qwen3,qwen3vl,klein,ministral3,anima}_engine.py, backend/nn/t5.py, backend/nn/llm/llama.py;
read at Haoming02 21886f41, b416df13, 037259cf: {z_image,qwen_image,qwen_image_21,krea2,umt5,t5,anima}_engine.py,
_comfy.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..merge import Merged
from .encoders.beyond_vocabulary import (
    BeyondVocabulary,
    Lending,
    PlaceholderTokenizer,
    StandInTokenizer,
    WordsTokenizer,
    answered,
)
from .encoders.language_encoder import LanguageEncoder, cut_texts, find_key, rows_in_prompts, without_pictures
from .encoders.token_table import PickedTable
from .pipeline.hooks import replaced

__all__ = ["EngineEncoder", "LanguageEngine", "encoder_of", "find_language_engines", "lent_to"]

GROUPS_BY_ROWS: Mapping[int, str] = {
    32128: "t5",
    256384: "umt5",
    256000: "gemma2",
    152064: "qwen25",
    151936: "qwen3",
    131072: "ministral3",
}
"""Tokenizer group by the number of a table's rows.

Source: Forge Neo 5692d2d, backend/nn/llm/llama.py:22-160, and the `config.json` of T5 and UMT5 in backend/huggingface.
"""

TOKENIZERS = ("tokenizer", "qwen_tokenizer")
"""Attributes of an engine that hold the tokenizer of its model."""

TOKENIZERS_OF_WORDS = ("t5_tokenizer",)
"""Those that hold another one, whose ids are not the model's."""


@dataclass(frozen=True)
class LanguageEngine:
    """A text engine of T5 or of a language model."""

    engine: Any
    key: str | None
    """The key of its encoder, None where that is not known: it reads words."""
    layer: Any
    """The input-embedding module of its model, None where it was not found."""


class EngineEncoder(LanguageEncoder):
    """The encoder of such an engine."""

    def make_table(self, layer: Any) -> PickedTable:
        """Return what reads rows by calling the layer with them alone: of GGUF it copies all of its rows each time.

        Source: Forge Neo 5692d2d, backend/operations.py:110-150 `weights_manual_cast`.
        """
        return PickedTable(layer)


def encoder_of(found: LanguageEngine) -> EngineEncoder:
    """Return the encoder of such an engine."""
    owner, attribute = next(_places(found.engine, TOKENIZERS))
    return EngineEncoder(getattr(owner, attribute), found.layer, key=str(found.key))


def find_language_engines(sd_model: Any) -> list[LanguageEngine]:
    """Return the text engines of a model that have no database of embeddings."""
    parts = vars(sd_model).values()
    engines = [one for one in parts if hasattr(one, "tokenize") and hasattr(one, "text_encoder")]
    return [_look_at(engine) for engine in engines if not hasattr(engine, "embeddings")]


@contextlib.contextmanager
def lent_to(found: LanguageEngine, merged: Merged, *, vectors: bool) -> Iterator[None]:
    """Let an engine find the placeholders of some prompts while the context lasts: their vectors, or their words."""
    with contextlib.ExitStack() as stack:
        if vectors:
            beyond = BeyondVocabulary()
            lending = Lending(beyond, rows_in_prompts(merged), merged.vectors, str(found.key))
            stack.enter_context(answered(beyond, found.layer))
        for names, takes_vectors in ((TOKENIZERS, vectors), (TOKENIZERS_OF_WORDS, False)):
            for owner, attribute in _places(found.engine, names):
                tokenizer = _TextByName(getattr(owner, attribute))
                if takes_vectors:
                    standing: Any = PlaceholderTokenizer(tokenizer, _cutting(tokenizer), lending)
                else:
                    standing = WordsTokenizer(tokenizer, merged.words)
                if getattr(found.engine, "tokens_end", None) == -1:
                    standing = _Completing(standing, merged.vectors)
                stack.enter_context(replaced(owner, attribute, standing))
        yield


class _Completing(StandInTokenizer):
    """A tokenizer that is given texts without their last letter, which may be a placeholder's.

    Source: Forge Neo 5692d2d, backend/text_processing/umt5_engine.py:71 (it cuts the texts as if they were tokens).
    """

    def __init__(self, tokenizer: Any, names: Iterable[str]) -> None:
        super().__init__(tokenizer)
        self._last_letters = {name[:-1]: name[-1] for name in names}

    def __call__(self, texts: Sequence[str], **more: Any) -> Any:
        return self._tokenizer([self._completed(text) for text in texts], **more)

    def _completed(self, text: str) -> str:
        return text + next((last for head, last in self._last_letters.items() if text.endswith(head)), "")


class _TextByName(StandInTokenizer):
    """A tokenizer, or a processor of texts and pictures, that is given a text by the parameter's name."""

    def __call__(self, text: Any, **more: Any) -> Any:
        return self._tokenizer(text=text, **more)


def _cutting(tokenizer: Any) -> Any:
    return lambda text: cut_texts(without_pictures(tokenizer), [text])[0]


def _places(engine: Any, names: Sequence[str]) -> Iterator[tuple[Any, str]]:
    """Yield where an engine's tokenizers of some names stand: the object that holds each, and its attribute there."""
    for name in names:
        held = getattr(engine, name, None)
        if held is not None:
            yield (held, "tokenizer") if hasattr(held, "tokenize_with_weights") else (engine, name)


def _look_at(engine: Any) -> LanguageEngine:
    model = engine.text_encoder
    layer = _find_layer(model) or _find_layer(getattr(model, "transformer", None))
    has_tokenizer = next(_places(engine, TOKENIZERS), None) is not None
    return LanguageEngine(engine, _find_key(model, layer) if has_tokenizer else None, layer)


def _find_layer(model: Any) -> Any | None:
    if hasattr(model, "get_input_embeddings"):
        return model.get_input_embeddings()
    return getattr(model, "shared", None)


def _find_key(model: Any, layer: Any) -> str | None:
    group = GROUPS_BY_ROWS.get(getattr(layer, "num_embeddings", 0))
    sees = hasattr(getattr(model, "transformer", model), "visual") and group == "qwen3"
    return None if group is None else find_key([group], layer.embedding_dim, sees=sees)
