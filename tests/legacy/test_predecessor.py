"""Every legacy form gives the vectors that the extension before this one gives.

predecessor.json holds what it gave in a running host, as coefficients of table rows, so no weights are needed here:
the rows are made up, and what ours gives must be the same sums of them. Its "about" says how it was measured.
"""

from __future__ import annotations

import functools
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lib_embmerge.errors import EmbeddingMergeError, FileError
from lib_embmerge.families import FAMILIES, Family
from lib_embmerge.host_protocol import InstalledEmbedding, TextEncoder, TextModel, TextPieces
from lib_embmerge.merge import merge_prompts
from lib_embmerge.models.tokenizers import tokenizer
from lib_embmerge.prompt_rules import WEBUI, PromptRules
from lib_embmerge.vectors.embedding import Embedding
from lib_embmerge.vectors.vocabulary import Vocabulary
from tests.analysed import evaluate

TABLE: dict[str, Any] = json.loads(Path(__file__).with_name("predecessor.json").read_text(encoding="utf-8"))
MEASURED = tuple(TABLE["embeddings"])
WIDTH = 16

Case = dict[str, Any]
Vector = Mapping[str, float]


def at(value: Any, place: str) -> Any:
    """Give what holds for one `family.encoder`: the table says it once where all encoders agree."""
    if not isinstance(value, dict):
        return value
    return next(found for places, found in value.items() if place in places.split())


@functools.cache
def row(place: str, key: str) -> Tensor:
    """Make up the row of a token id, or of an installed embedding (`name#row`)."""
    return torch.randn(WIDTH, generator=torch.Generator().manual_seed(zlib.crc32(f"{place} {key}".encode())))


def rows(place: str, keys: Sequence[object]) -> Tensor:
    return torch.stack([row(place, str(key)) for key in keys]) if keys else torch.zeros(0, WIDTH)


def combined(place: str, vectors: Sequence[Vector]) -> Tensor:
    """Give the vectors that the table's coefficients stand for."""
    sums = torch.zeros(len(vectors), WIDTH, dtype=torch.float64)
    for total, vector in zip(sums, vectors, strict=True):
        for label, coefficient in vector.items():
            total += coefficient * row(place, label.split()[0]).double()
    return sums.float()


@dataclass
class TableEncoder:
    """A text encoder with made-up rows that tokenizes as the host did."""

    place: str
    name: str
    start_id: int
    end_id: int
    padding_id: int
    width: int = WIDTH
    size: int = 49408

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return [at(TABLE["texts"][text], self.place) for text in texts]

    def spell(self, ids: Sequence[int]) -> list[str]:
        return [f"<{id_}>" for id_ in ids]

    def rows(self, ids: Sequence[int]) -> Tensor:
        return rows(self.place, ids)

    def vocabulary(self) -> Vocabulary:
        raise NotImplementedError("no legacy form reads the vocabulary")


@dataclass
class TableModel:
    """A model of one family with the embeddings that were installed when the predecessor was measured."""

    key: str
    family: Family | None
    encoders: Sequence[TextEncoder]
    title: str = "table"
    identity: str = "table"
    half_precision: bool = False
    is_demonstration: bool = False
    prompt_rules: PromptRules = WEBUI

    def pieces(self, texts: Sequence[str]) -> list[Mapping[str, TextPieces]]:
        return [{e.name: self._pieces(text, e.name) for e in self.encoders} for text in texts]

    def embeddings_named(self, stem: str) -> list[InstalledEmbedding]:
        return [self._installed(name) for name in self.embedding_names() if name.casefold() == stem.casefold()]

    def embedding_names(self) -> list[str]:
        return list(TABLE["embeddings"][self.key])

    def checkpoint(self, name: str) -> TextModel:
        raise FileError(f"There is no checkpoint {name}.")

    def _pieces(self, text: str, encoder: str) -> TextPieces:
        pieces: TextPieces = []
        for kind, run in groupby(at(TABLE["texts"][text], f"{self.key}.{encoder}"), type):
            found = list(run)
            pieces += [found] if kind is int else map(self._installed, found)
        return pieces

    def _installed(self, name: str) -> InstalledEmbedding:
        labels = [f"{name}#{number}" for number in range(TABLE["embeddings"][self.key][name])]
        return InstalledEmbedding(name, {e.name: rows(f"{self.key}.{e.name}", labels) for e in self.encoders})


def table_encoder(place: str, name: str) -> TableEncoder:
    special = TABLE["special"][place]
    return TableEncoder(place, name, special["start"], special["end"], special["padding"])


PLACEHOLDER = re.compile("§[0-9]+§")
"""How the table marks an expression's vectors in a prompt."""

MODELS: dict[str, TextModel] = {
    key: TableModel(key, FAMILIES[key], [table_encoder(f"{key}.{name}", name) for name in FAMILIES[key].encoders])
    for key in MEASURED
}


def value_of(expression: str, family: str) -> Embedding:
    """Give our value of an expression on a family's model."""
    return evaluate(expression, MODELS[family])


def assert_is(value: Embedding, family: str, vectors: Any) -> None:
    assert tuple(value) == FAMILIES[family].encoders
    for name, ours in value.items():
        place = f"{family}.{name}"
        torch.testing.assert_close(ours, combined(place, at(vectors, place)), rtol=1e-6, atol=1e-5)


def listed(section: str, source: str) -> list[Any]:
    """Give the cases of a section."""
    return [
        pytest.param(case, id=f"{case.get('form', section)}: {case[source][:60]}") for case in TABLE[section]
    ]


@pytest.mark.parametrize("case", listed("cases", "expression"))
def test_what_it_accepts(case: Case) -> None:
    for family in MEASURED:
        assert_accepts(case, family)


def assert_accepts(case: Case, family: str) -> None:
    expression = case["expression"]
    if case.get("now") == "error":
        with pytest.raises(EmbeddingMergeError):
            value_of(expression, family)
    elif family in case.get("families", MEASURED):
        assert_is(value_of(expression, family), family, case.get("now", case["vectors"]))
    elif "because" in case:
        value_of(expression, family)  # that it has one is all there is to say: the predecessor refused it here
    else:
        with pytest.raises(EmbeddingMergeError):
            value_of(expression, family)


@pytest.mark.parametrize("case", listed("refused", "expression"))
def test_what_it_refuses(case: Case) -> None:
    for family in MEASURED:
        if "now" in case:
            assert_is(value_of(case["expression"], family), family, case["now"])
        else:
            with pytest.raises(EmbeddingMergeError):
                value_of(case["expression"], family)


@pytest.mark.parametrize("case", listed("prompts", "prompt"))
def test_prompts(case: Case) -> None:
    for family in MEASURED:
        assert_prompt(case, family)


def assert_prompt(case: Case, family: str) -> None:
    if "said" in case or case.get("now") == "error":
        with pytest.raises(EmbeddingMergeError):
            merge_prompts([case["prompt"]], MODELS[family])
        return
    merged = merge_prompts([case["prompt"]], MODELS[family])
    becomes, values = (case["now"], case["now_values"]) if "now" in case else (case["becomes"], case["values"])
    ours = iter(merged.prompts[0].split())
    for word in becomes.split():
        if not PLACEHOLDER.fullmatch(word):
            assert next(ours) == word
            continue
        vectors = values[int(word.strip("§")) - 1]
        place = f"{family}.{FAMILIES[family].encoders[0]}"
        count = len(combined(place, at(vectors, place)))
        # Theirs is one placeholder for all of an expression's vectors, ours one for each.
        parts = [merged.vectors[next(ours)] for _ in range(count)]
        assert [part.length for part in parts] == [1] * count
        whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        assert_is(Embedding(whole), family, vectors)
    assert list(ours) == []


@pytest.mark.parametrize("place", TABLE["special"])
def test_our_own_tokenizers_give_the_host_s_ids(place: str) -> None:
    """The host repairs texts for CLIP-L too (it has ftfy); ours follows today's transformers, which does not."""
    tokenize = tokenizer(place.split(".")[1])
    differing = {}
    for text, ids in TABLE["texts"].items():
        ids = at(ids, place)
        needs_repair = place.endswith("clip_l") and ("&" in text or not text.isascii())
        if all(isinstance(id_, int) for id_ in ids) and not needs_repair and tokenize(text) != ids:
            differing[text] = (tokenize(text), ids)
    assert differing == {}
