"""Prompts with expressions become prompts with placeholders, and counts of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lib_embmerge.errors import EmbeddingMergeError, LimitExceeded, NotFinite
from lib_embmerge.evaluation import analyse
from lib_embmerge.host_protocol import InstalledEmbedding
from lib_embmerge.language.scan import Brackets, find_islands
from lib_embmerge.limits import HALF_PRECISION_MAX, Limits
from lib_embmerge.merge import MergeSettings, merge_prompts, replace_by_counts
from lib_embmerge.models.memory import MemoryModel
from lib_embmerge.vectors.vocabulary import Vocabulary
from tests.analysed import entered

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


@ON_EVERY_FAMILY
@pytest.mark.parametrize("cats", [0, 1, 80])
def test_every_vector_has_a_placeholder(family: str, cats: int) -> None:
    model = MODELS[family]()
    result = merge_prompts([f"x <concat(repeat('cat', {cats}), 'dog')> y"], model)
    names = result.prompts[0].split()[1:-1]
    assert {result.vectors[name].length for name in names} == {1}
    assert [result.words[name] for name in names] == [result.words[names[0]], *[""] * cats]
    whole = torch.cat([result.vectors[name][model.encoders[0].name] for name in names])
    assert whole.tolist() == row("cat", of=model) * cats + row("dog", of=model)


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


WORKING = "<lerp('cat', 'dog', 0.5)> <lerp('red', 'blue', 0.5)>"


def needed(prompt: str) -> dict[str, int]:
    """Give the limits that a prompt just keeps."""
    model = MemoryModel.sd1()
    analyses = analyse([entered(island.text) for island in find_islands(prompt)], model)
    return {"prompt": sum(a.size.length for a in analyses), "work": sum(a.size.work for a in analyses)}


@pytest.mark.parametrize("limit", ["prompt", "work"])
def test_the_expressions_of_a_prompt_share_a_limit(limit: str) -> None:
    """What is just as much as it allows is made and counted; one more is refused at the expression that is too much."""
    number = needed(WORKING)[limit]
    model = MemoryModel.sd1()
    kept, broken = (MergeSettings(limits=Limits(**{limit: n})) for n in (number, number - 1))
    assert len(merge_prompts([WORKING], model, kept).vectors) == 2
    assert replace_by_counts(WORKING, model, kept, lambda n: f"[{n}]") == ("[1] [1]", None)
    with pytest.raises(LimitExceeded) as caught:
        merge_prompts([WORKING], model, broken)
    assert caught.value.span is not None
    assert caught.value.span.start == WORKING.index("lerp('red'")
    text, problem = replace_by_counts(WORKING, model, broken, lambda n: f"[{n}]")
    assert (text, problem) == ("[1] [1]", str(caught.value))


def test_a_mistake_is_said_before_what_is_too_much() -> None:
    prompt = "<'cat' * 'dog'> <'cat', 'dog'>"
    settings = MergeSettings(limits=Limits(prompt=1))
    assert "can only be multiplied by a number" in str(replace_by_counts(prompt, MemoryModel.sd1(), settings, str)[1])
    with pytest.raises(EmbeddingMergeError, match="can only be multiplied by a number"):
        merge_prompts([prompt], MemoryModel.sd1(), settings)


TOGETHER = {
    "one each": "<nearest('cat' * 2)> <normalize(nearest('dog' + 'cat'))> <nearest('red')>",
    "several in one": "<mean(nearest('cat'), nearest('dog'), 'red') + nearest('red cat')>",
    "beside none": "<nearest('')> <'dog'> <nearest('cat')>",
}


@pytest.mark.parametrize("prompt", TOGETHER.values(), ids=TOGETHER.keys())
def test_the_vocabulary_is_gone_through_once_for_all(prompt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = MemoryModel.sdxl()
    searches = []
    search = Vocabulary.nearest

    def counted(self: Vocabulary, vectors: torch.Tensor, **options: Any) -> Any:
        searches.append(len(vectors))
        return search(self, vectors, **options)

    monkeypatch.setattr(Vocabulary, "nearest", counted)
    merge_prompts([prompt], model)
    assert len(searches) == len(model.encoders)


def test_a_search_that_cannot_be_is_the_mistake_of_its_own_expression() -> None:
    prompt = "<nearest('cat')> <nearest('dog') + nearest('cat' * 1e39)>"
    with pytest.raises(NotFinite, match="a \\* t gives infinity") as caught:
        merge_prompts([prompt], MemoryModel.sdxl())
    assert caught.value.span is not None
    assert prompt[caught.value.span.start : caught.value.span.end] == "'cat' * 1e39"


def test_one_search_in_another_takes_two() -> None:
    """And gives what each would alone."""
    texts = ["nearest(nearest('cat' + 'dog') + 'red')", "nearest('a' + 'b')", "nearest('red')"]
    model = MemoryModel.sdxl()
    together = merge_prompts([f"<{texts[0]}> <{texts[1]}>", f"<{texts[2]}>"], model).vectors
    alone = [merge_prompts([f"<{text}>"], model).vectors for text in texts]
    assert together.keys() == {name for one in alone for name in one}
    assert all(together[name].equals(value) for one in alone for name, value in one.items())


TOO_MUCH = {
    "vectors of a prompt": (" ".join(f"<random(1024, {n})>" for n in range(160)), "may have 8,192 vectors in all", 8),
    "searches in one": ("<" + " + ".join(f"nearest(random(1024, {n}))" for n in range(9)) + ">", "take too long", 0),
    "searches in many": (" ".join(f"<nearest(random(1000, {n}))>" for n in range(7)), "take too long", 3),
    "spans": ("<project('cat', random(1024, 1))> " * 9, "take too long", 6),
}


@pytest.mark.parametrize(("prompt", "said", "number"), TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_what_would_take_too_long_is_refused_before(prompt: str, said: str, number: int) -> None:
    """At the first expression that is too much, and by the counter as well; no table is read."""
    model = MemoryModel.sdxl()
    with pytest.raises(LimitExceeded, match=said) as caught:
        merge_prompts([prompt], model)
    islands = find_islands(prompt)
    assert caught.value.span is not None
    assert islands[number].span.start <= caught.value.span.start < islands[number].span.end
    _, problem = replace_by_counts(prompt, model, MergeSettings(), lambda n: "x")
    assert said in (problem or "")
    assert not any(encoder.calls["rows"] or encoder.calls["vocabulary"] for encoder in model.encoders)


def test_what_is_costly_may_be_allowed() -> None:
    prompt = " ".join(f"<random(1024, {n})>" for n in range(9))
    limits = Limits().with_numbers({"prompt": 9216})
    assert len(merge_prompts([prompt], MemoryModel.sd1(), MergeSettings(limits=limits)).vectors) == 9 * 1024


def test_each_prompt_of_a_batch_has_its_own_limit() -> None:
    prompts = [" ".join(f"<random(1000, {n})>" for n in range(8)) for _ in range(3)]
    assert len(merge_prompts(prompts, MemoryModel.sd1()).prompts) == 3


@pytest.mark.parametrize("text", ["repeat('cat', 150)", "repeat('cat', 160)", "'cat':75, ('cat':75)"])
def test_equal_expressions_have_equal_placeholders(text: str) -> None:
    """Also where their parts are equal and only the first stands for the words."""
    first, second = merge_prompts([f"<{text}> and <{text}>"], MemoryModel.sd1()).prompts[0].split(" and ")
    assert first == second


def test_a_vector_at_the_seam_of_two_chunks_is_there_once() -> None:
    """Each vector of a value stands in its own place, at the borders of the parts too."""
    merged = merge_prompts(["<random(151, 5)>"], MemoryModel.sd1())
    names = merged.prompts[0].split()
    whole = torch.cat([merged.vectors[name]["clip_l"] for name in names])
    value = merge_prompts(["<random(75, 5)> <random(151, 5)[75:150]> <random(151, 5)[150]>"], MemoryModel.sd1())
    assert torch.equal(whole, torch.cat([value.vectors[name]["clip_l"] for name in value.prompts[0].split()]))


COUNTED = {
    "one": ("a <'cat'>", "a [1]", None),
    "several": ("<'cat dog'>, <'cat' + 'cat dog red'>", "[1] [1] , [1] [1] [1]", None),
    "none": ("a <''> b", "a   b", None),
    "over a chunk": ("<repeat('cat', 160)>", " ".join(["[1]"] * 160), None),
    "escaped": ("\\<'cat'> <'dog'>", "<'cat'> [1]", None),
    "no expression": ("a <3 b", "a <3 b", None),
    "still being typed": ("a <'cat'> <'do", "a <'cat'> <'do", "Nothing closes this expression"),
    "broken alone": ("a <'cat' +>", "a  ", "found the end"),
    "broken among others": ("<'cat'> <'cat' +> <'dog cat'>", "[1]   [1] [1]", "found the end"),
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
