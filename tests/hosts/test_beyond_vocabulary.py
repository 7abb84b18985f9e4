"""Vectors put into a host's lists of tokens: names found again, and an embedding module that answers for a while."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from lib_embmerge.errors import UnsupportedHost
from lib_embmerge.hosts.encoders.beyond_vocabulary import (
    FIRST,
    BeyondVocabulary,
    Lending,
    PlaceholderTokenizer,
    answered,
)
from lib_embmerge.merge import merge_prompts
from lib_embmerge.models.memory import MemoryEncoder, MemoryModel
from lib_embmerge.placeholders import as_typed, content_names, find_names, glued_name

MODELS = {"clip": MemoryModel.sd1, "t5": MemoryModel.flux, "language model": MemoryModel.qwen}


class HostTokenizer:
    """In the shape of transformers' tokenizer, with an end token behind a text's and a template before it."""

    def __init__(self, encoder: MemoryEncoder, template: str = "{}") -> None:
        self.encoder, self.template = encoder, template

    def __call__(self, text: Any, **more: Any) -> dict[str, Any]:
        if isinstance(text, str):
            return {"input_ids": [*self.cut(self.template.format(text)), self.encoder.end_id]}
        return {"input_ids": [self(one)["input_ids"] for one in text]}

    def cut(self, text: str) -> list[int]:
        # as of real ones each character of a name is a token of its own behind its first part
        return self.encoder.tokenize([text])[0]


def rows_of(prompt: str, model: MemoryModel, *, template: str = "{}", many: bool = False) -> torch.Tensor:
    """Return what enters the last encoder's layers for a prompt, as a host would cut and look it up."""
    encoder = model.encoders[-1]
    merged = merge_prompts([prompt], model)
    beyond = BeyondVocabulary()
    tokenizer = HostTokenizer(encoder, template)
    lending = Lending(beyond, merged.rows, merged.vectors, encoder.name)
    standing = PlaceholderTokenizer(tokenizer, tokenizer.cut, lending)
    given = standing([merged.prompts[0]])["input_ids"][0] if many else standing(merged.prompts[0])["input_ids"]
    module = torch.nn.Embedding.from_pretrained(encoder.table.float())
    with answered(beyond, module):
        rows: torch.Tensor = module(torch.tensor([given]))[0]
    assert not module._forward_hooks
    assert not module._forward_pre_hooks
    return rows


def plain_rows(prompt: str, model: MemoryModel, template: str = "{}") -> torch.Tensor:
    encoder = model.encoders[-1]
    return encoder.rows(HostTokenizer(encoder, template)(prompt)["input_ids"])


SAME_AS_TYPED = [
    ("<'cat'>", "cat"),
    ("a <'cat'> dog", "a cat dog"),
    ("a <'kitten dog'> b", "a kitten dog b"),
    ("red, <'cat'>, blue", "red, cat, blue"),
    ("red <'cat'> , blue", "red cat , blue"),
    ("<'cat'> <'dog'>", "cat dog"),
    ("<'cat'><'dog'>.", "cat dog."),
    ("a\n<'cat'>\n<'kitten'>", "a\ncat\nkitten"),
    ("a <'cat'>: b", "a cat: b"),
    ("<'a', 'cat'>", "a cat"),
    ("<'猫'> 犬 <'😀'>!", "猫 犬 😀!"),
    ("a poster that says <\"hello world\">", "a poster that says hello world"),
    ('{"a": "b"} <\'cat\'>', '{"a": "b"} cat'),
    ("a <lerp('cat', 'child', 0)>", "a cat"),
    ("<'cat'> embm0a0a0a0a0a <'cat'>", "cat embm0a0a0a0a0a cat"),
    ("a <'cat':0> b", "a   b"),
]


@pytest.mark.parametrize("kind", ["t5", "language model"])
@pytest.mark.parametrize("template", ["{}", "user\n{}\nassistant"])
@pytest.mark.parametrize(("prompt", "plain"), SAME_AS_TYPED)
def test_an_expression_is_what_its_words_are(kind: str, template: str, prompt: str, plain: str) -> None:
    model = MODELS[kind]()
    wanted = plain_rows(plain, model, template)
    assert torch.equal(rows_of(prompt, model, template=template), wanted)
    assert torch.equal(rows_of(prompt, model, template=template, many=True), wanted)


@pytest.mark.parametrize("kind", MODELS)
def test_arithmetic_stands_where_the_expression_stood(kind: str) -> None:
    model = MODELS[kind]()
    encoder = model.encoders[-1]
    found = rows_of("a <'cat' - 'adult' + 'child'> dog", model)
    cat, adult, child = (encoder.rows(ids) for ids in encoder.tokenize([" cat", " adult", " child"]))
    wanted = torch.cat([encoder.rows(encoder.tokenize(["a"])[0]), cat - adult + child])
    assert torch.equal(found[: len(wanted)], wanted)


def test_clip_has_one_name_a_vector_and_others_all_in_the_first() -> None:
    model = MemoryModel.flux()
    merged = merge_prompts(["<'kitten dog'> <'kitten dog'>"], model)
    names = re.findall(r"\S+", merged.prompts[0])
    assert [len(merged.vectors[name]["clip_l"]) for name in names] == [1, 1, 1, 1]
    assert [len(merged.vectors[name]["t5xxl"]) for name in names] == [10, 0, 11, 0]  # the first begins the text


def test_both_ways_of_cutting_are_there_when_they_are_asked_for() -> None:
    model = MemoryModel.qwen()
    merged = merge_prompts(["a <'cat'>"], model)
    (name,) = merged.vectors
    encoder = model.encoders[0]
    for begins, text in ((False, " cat"), (True, "cat")):
        assert torch.equal(merged.rows(name, "qwen3_4b", begins=begins), encoder.rows(encoder.tokenize([text])[0]))


def test_a_tokenizer_that_merges_names_takes_no_expressions() -> None:
    encoder = MemoryEncoder("qwen3_4b", blanks=True)
    model = MemoryModel([encoder])
    merged = merge_prompts(["a <'cat'>"], model)
    lending = Lending(BeyondVocabulary(), merged.rows, merged.vectors, encoder.name)
    tokenizer = PlaceholderTokenizer(lambda text: {"input_ids": [1, 2, 3]}, HostTokenizer(encoder).cut, lending)
    with pytest.raises(UnsupportedHost, match="takes no expressions"):
        tokenizer(merged.prompts[0])


# --- The module ---


class Scaled(torch.nn.Embedding):
    """A table whose module does something to its rows, as Gemma's."""

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return super().forward(ids) * 3


def lent(rows: Sequence[Sequence[float]]) -> tuple[BeyondVocabulary, list[int]]:
    beyond = BeyondVocabulary()
    return beyond, beyond.lend(torch.tensor(rows))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lent_ids_are_answered_with_their_vectors_alone(dtype: torch.dtype) -> None:
    module = Scaled(5, 2).to(dtype)
    beyond, (one, two) = lent([[1.0, 2.0], [3.0, 4.0]])
    ids = torch.tensor([[0, one, 4, two, one], [1, 2, 3, 4, 0]])
    with answered(beyond, module), torch.inference_mode():
        found = module(ids)
        named = module(ids=ids)
        untouched = module(torch.tensor([[1, 2]]))
    assert torch.equal(found, named)
    assert found[0, [1, 3, 4]].tolist() == [[1, 2], [3, 4], [1, 2]]
    assert torch.equal(found[1], module(ids[1]))
    assert torch.equal(untouched, module(torch.tensor([[1, 2]])))


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_a_table_of_8_bits_gets_vectors_as_they_are(dtype: torch.dtype) -> None:
    module = torch.nn.Embedding.from_pretrained(torch.tensor([[0.5, 1.0], [0.25, 2.0]]).to(dtype))
    beyond, (one,) = lent([[0.123, -1.017]])
    with answered(beyond, module):
        found, plain = module(torch.tensor([[one, 1]])), module(torch.tensor([[0, 1]]))
    assert torch.equal(found, torch.tensor([[[0.123, -1.017], [0.25, 2.0]]]))
    assert torch.equal(torch.cat([found, plain])[1], torch.tensor([[0.5, 1.0], [0.25, 2.0]]))


def test_nothing_stays_behind_after_an_error() -> None:
    module = torch.nn.Embedding(3, 2)
    before = len(module._forward_hooks) + len(module._forward_pre_hooks)
    beyond, _ = lent([[1.0, 2.0]])
    with pytest.raises(IndexError), answered(beyond, module):
        module(torch.tensor([7]))
    assert len(module._forward_hooks) + len(module._forward_pre_hooks) == before


def test_two_answer_beside_each_other() -> None:
    module = torch.nn.Embedding(3, 2)
    (outer, (one,)), (inner, (two,)) = lent([[1.0, 2.0]]), lent([[3.0, 4.0]])
    with answered(outer, module), answered(inner, module):
        assert module(torch.tensor([one, two])).tolist() == [[1, 2], [3, 4]]


def test_an_id_that_was_kept_is_answered_by_nobody_else() -> None:
    module = torch.nn.Embedding(3, 2)
    _, (old,) = lent([[1.0, 2.0]])
    beyond, (new,) = lent([[3.0, 4.0]])
    assert FIRST <= old < new < 2**31
    with answered(beyond, module), pytest.raises(IndexError):
        module(torch.tensor([old]))


# --- Names with their blanks ---

ONE, OTHER = (next(content_names([text])) for text in (b"one", b"other"))


@pytest.mark.parametrize(
    ("before", "behind", "text", "typed", "behind_bracket"),
    [
        (False, False, "a {} b", "a {} b", False),
        (False, True, "a {} , b", "a {}, b", False),
        (False, False, "a {} , b", "a {} , b", False),
        (False, True, "a {} b", "a {} b", False),
        (True, True, " {} ", "{}", False),
        (True, True, "( {} :1.3)", "( {}:1.3)", True),
        (True, False, "a, {}", "a, {}", False),
        (True, False, '" {}', '" {}', False),
        (False, False, "a\n{}", "a\n{}", False),
    ],
)
def test_blanks_that_were_set_go_again(before: bool, behind: bool, text: str, typed: str, behind_bracket: bool) -> None:
    name = glued_name(ONE, before, behind)
    assert find_names(name) == [name]
    assert as_typed(text.format(name), lambda _: False) == (typed.format(name), [behind_bracket])


def test_names_that_stand_for_nothing_go() -> None:
    last = glued_name(OTHER, False, True)
    assert as_typed(f"a {ONE} {last} , b", lambda name: name == last) == (f"a {ONE}, b", [False])
    assert as_typed(f"{last} b", lambda name: name == last) == (" b", [])
