"""Prompts with expressions become prompts with placeholders, and counts of them."""

from __future__ import annotations

import pytest
import torch

from lib_embmerge.errors import EmbeddingMergeError, LimitExceeded, NotFinite
from lib_embmerge.host_protocol import InstalledEmbedding
from lib_embmerge.language.scan import Brackets
from lib_embmerge.limits import HALF_PRECISION_MAX, Limits
from lib_embmerge.merge import MergeSettings, merge_prompts, replace_by_counts
from lib_embmerge.models.memory import MemoryModel

MODELS = {"sd1": MemoryModel.sd1, "sd2": MemoryModel.sd2, "sdxl": MemoryModel.sdxl}
ON_EVERY_FAMILY = pytest.mark.parametrize("family", MODELS)


def merged(prompt: str, model: MemoryModel, brackets: Brackets = Brackets.BOTH) -> tuple[str, list[list[list[float]]]]:
    """Merge a prompt; placeholders are written ① ② ③ in the order of their vectors, those of the first encoder."""
    result = merge_prompts([prompt], model, MergeSettings(brackets))
    text = result.prompts[0]
    for sign, name in zip("①②③④⑤", result.vectors):  # noqa: B905  # few are used
        text = text.replace(name, sign)
    first = model.encoders[0].name
    return text, [value[first].tolist() for value in result.vectors.values()]


def row(*words: str, of: MemoryModel | None = None) -> list[list[float]]:
    """Give the rows of words in the first encoder's table."""
    encoder = (of or MemoryModel.sd1()).encoders[0]
    return encoder.rows([ids[0] for ids in encoder.tokenize(words)]).tolist()


PROMPTS = {
    "one": ("a <'cat'> on", "a ① on", ["cat"]),
    "alone": ("<'cat'>", "①", ["cat"]),
    "a blank where none stands": ("black<'cat'>,", "black ① ,", ["cat"]),
    "between others": ("<'cat'><'dog'>", "① ②", ["cat", "dog"]),
    "equal values of equal words share a name": ("<'cat'> <'dog'> <'cat' * 1>", "① ② ①", ["cat", "dog"]),
    "equal values of other words": ("<'cat'> <'cat' + 'dog' - 'dog'>", "① ②", ["cat", "cat"]),
    "in curly brackets": ("{'cat'}", "①", ["cat"]),
    "a line break stays": ("<'cat'>\n<'dog'>", "①\n②", ["cat", "dog"]),
    "no vectors": ("a, <''>, b", "a,  , b", []),
    "no vectors between words": ("a<'cat':0>b", "a b", []),
    "escaped": ("\\<'cat'> <'dog'>", "<'cat'> ①", ["dog"]),
    "escaped alone": ("\\{'cat'}", "{'cat'}", []),
    "in the host's syntax": ("[<'cat'>:(<'dog'>:1.2):3] AND x :2", "[ ① :( ② :1.2):3] AND x :2", ["cat", "dog"]),
    "no expression": ("a <3 \\( <lora:x:1> {x|y}", "a <3 \\( <lora:x:1> {x|y}", []),
    "nothing": ("", "", []),
}


@pytest.mark.parametrize(("prompt", "text", "words"), PROMPTS.values(), ids=PROMPTS.keys())
def test_expressions_become_placeholders(prompt: str, text: str, words: list[str]) -> None:
    assert merged(prompt, MemoryModel.sd1()) == (text, [row(word) for word in words])


@ON_EVERY_FAMILY
def test_a_value_has_the_vectors_of_every_encoder(family: str) -> None:
    model = MODELS[family]()
    result = merge_prompts(["<'cat' - 'adult' + 'child'>"], model)
    (value,) = result.vectors.values()
    assert list(value) == [encoder.name for encoder in model.encoders]
    for encoder in model.encoders:
        cat, adult, child = encoder.rows([0, 1, 2])
        assert torch.equal(value[encoder.name], (cat - adult + child)[None])


SPLITS = {
    "one chunk": (75, [75]),
    "one more": (76, [75, 1]),
    "two chunks": (150, [75, 75]),
    "over two chunks": (151, [75, 75, 1]),
}


@ON_EVERY_FAMILY
@pytest.mark.parametrize(("length", "parts"), SPLITS.values(), ids=SPLITS.keys())
def test_a_long_value_becomes_several_placeholders(family: str, length: int, parts: list[int]) -> None:
    model = MODELS[family]()
    result = merge_prompts([f"x <concat(repeat('cat', {length - 1}), 'dog')> y"], model)
    names = result.prompts[0].split()[1:-1]
    assert [result.vectors[name].length for name in names] == parts
    whole = torch.cat([result.vectors[name][model.encoders[0].name] for name in names])
    assert whole.tolist() == row("cat", of=model) * (length - 1) + row("dog", of=model)


def test_several_prompts_share_their_placeholders() -> None:
    result = merge_prompts(["a <'cat'>", "b", "<'cat'> <'dog'>"], MemoryModel.sd1())
    cat, dog = result.vectors
    assert result.prompts == [f"a {cat}", "b", f"{cat} {dog}"]


def test_the_prompts_given_stay_as_they_are() -> None:
    prompts = ["a <'cat'>"]
    merge_prompts(prompts, MemoryModel.sd1())
    assert prompts == ["a <'cat'>"]


def test_the_vectors_are_their_own() -> None:
    model = MemoryModel.sd1()
    before = model.encoders[0].table.clone()
    for value in merge_prompts(["<'cat'> <repeat('dog', 80)>"], model).vectors.values():
        value["clip_l"].zero_()
    assert torch.equal(model.encoders[0].table, before)


def test_prompts_without_expressions_ask_the_model_for_nothing() -> None:
    model = MemoryModel.sd1()
    merge_prompts(["a cat", "a <3 dog"], model)
    assert not model.calls
    assert not model.encoders[0].calls


def test_all_texts_of_all_prompts_are_tokenized_at_once() -> None:
    model = MemoryModel.sdxl()
    merge_prompts(["<'cat' + 'dog'> <'red'>", "<'blue' - 'cat'>"], model)
    assert [encoder.calls["tokenize"] for encoder in model.encoders] == [1, 1]


BRACKETS = {
    Brackets.BOTH: "① ①",
    Brackets.ANGLE: "① {'cat'}",
    Brackets.CURLY: "<'cat'> ①",
    Brackets.NONE: "<'cat'> {'cat'}",
}


@pytest.mark.parametrize(("brackets", "text"), BRACKETS.items(), ids=lambda value: str(getattr(value, "name", "")))
def test_brackets_that_are_switched_off_are_text(brackets: Brackets, text: str) -> None:
    assert merged("<'cat'> {'cat'}", MemoryModel.sd1(), brackets)[0] == text


MISTAKES = {
    "in the only expression": (["a <'cat' +>"], "a <'cat' +>", 10),
    "in the second expression": (["<'cat'> <'dog'/0>"], "<'cat'> <'dog'/0>", 15),
    "in the second prompt": (["<'cat'>", "x <lerp('cat')>"], "x <lerp('cat')>", 3),
    "on the second line": (["<'cat'>,\n<'dog' *>"], "<'cat'>,\n<'dog' *>", 17),
    "a bracket that nothing closes": (["a <'cat'> <'dog'"], "a <'cat'> <'dog'", 10),
    "a mistake before that bracket": (["<'a'> <lurp('a')> {'b"], "<'a'> <lurp('a')> {'b", 7),
    "the old extension's placeholder": (["a <'EM_1'>"], "a <'EM_1'>", 2),
    "in an expression before one in a name": (["<emb('x')> <'cat' +>"], "<emb('x')> <'cat' +>", 19),
}


@pytest.mark.parametrize(("prompts", "source", "start"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_stands_in_its_prompt(prompts: list[str], source: str, start: int) -> None:
    for _ in range(2):  # trees are kept, places must not be
        with pytest.raises(EmbeddingMergeError) as caught:
            merge_prompts(prompts, MemoryModel.sd1())
        assert caught.value.span is not None
        assert (caught.value.source, caught.value.span.start) == (source, start)


def test_the_same_expression_at_another_place_has_another_caret() -> None:
    for lead in ("", "a photo of "):
        with pytest.raises(EmbeddingMergeError) as caught:
            merge_prompts([f"{lead}<'cat' */ 2>"], MemoryModel.sd1())
        assert caught.value.span is not None
        assert caught.value.span.start == len(lead) + 8


def test_the_old_extension_s_placeholder_stays_while_it_is_installed() -> None:
    model = MemoryModel.sd1()
    model.install(InstalledEmbedding("<'EM_1'>", {"clip_l": torch.ones(1, 12)}))
    assert merged("<'EM_1'> <'cat'>", model) == ("<'EM_1'> ①", [row("cat")])
    with pytest.raises(EmbeddingMergeError):
        merge_prompts(["{'EM_1'}"], model)


HALF = {
    "the largest": (f"<'cat' * {HALF_PRECISION_MAX:.0f}>", True),
    "one more": (f"<'cat' * {HALF_PRECISION_MAX + 1:.0f}>", False),
    "as much below zero": (f"<'cat' * -{HALF_PRECISION_MAX + 1:.0f}>", False),
    "in one of many vectors": ("<repeat('cat', 80), ('dog' * 1e6)>", False),
    "none": ("<''>", True),
}


@pytest.mark.parametrize(("prompt", "fits"), HALF.values(), ids=HALF.keys())
def test_what_fits_into_half_precision(prompt: str, fits: bool) -> None:
    model = MemoryModel.sd1()
    merge_prompts([prompt], model)
    model.half_precision = True
    if fits:
        merge_prompts([prompt], model)
    else:
        with pytest.raises(NotFinite, match="the model runs in half precision, which ends at 65,504"):
            merge_prompts([prompt], model)


def test_limits_are_kept() -> None:
    with pytest.raises(LimitExceeded):
        merge_prompts(["<repeat('cat', 4)>"], MemoryModel.sd1(), MergeSettings(limits=Limits(vectors=3)))


COUNTED = {
    "one": ("a <'cat'>", "a [1]", None),
    "several": ("<'cat dog'>, <'cat' + 'cat dog red'>", "[2] , [3]", None),
    "none": ("a <''> b", "a   b", None),
    "over a chunk": ("<repeat('cat', 160)>", "[75] [75] [10]", None),
    "escaped": ("\\<'cat'> <'dog'>", "<'cat'> [1]", None),
    "no expression": ("a <3 b", "a <3 b", None),
    "still being typed": ("a <'cat'> <'do", "a <'cat'> <'do", "Nothing closes this expression"),
    "broken alone": ("a <'cat' +>", "a  ", "found the end"),
    "broken among others": ("<'cat'> <'cat' +> <'dog cat'>", "[1]   [2]", "found the end"),
    "the first message of two": ("<'cat'/0> <'cat' * 'dog'>", "   ", "zero"),
    "what no count can know": ("<'cat'[3]> <'dog'>", "  [1]", "There is no vector"),
}


@ON_EVERY_FAMILY
@pytest.mark.parametrize(("prompt", "text", "problem"), COUNTED.values(), ids=COUNTED.keys())
def test_counting_a_prompt(family: str, prompt: str, text: str, problem: str | None) -> None:
    model = MODELS[family]()
    counted, message = replace_by_counts(prompt, model, MergeSettings(), lambda n: f"[{n}]")
    assert counted == text
    assert (message is None) if problem is None else (problem in (message or ""))
    assert not any(encoder.calls["rows"] or encoder.calls["vocabulary"] for encoder in model.encoders)
