"""A prompt as text encoders get it: what stands in which chunk."""

from __future__ import annotations

import pytest
import torch

from lib_embmerge.errors import SyntaxProblem
from lib_embmerge.host_protocol import InstalledEmbedding
from lib_embmerge.language import Brackets
from lib_embmerge.models.memory import MemoryModel
from lib_embmerge.prompts.layout import count_found, find_expressions, lay_out
from lib_embmerge.prompts.text import is_plain, split_at_and, without_weight

CAT75 = "cat " * 75


def model_with_style() -> MemoryModel:
    model = MemoryModel.sdxl()
    rows = {encoder.name: torch.ones((10, encoder.width)) for encoder in model.encoders}
    model.install(InstalledEmbedding("style", rows))
    return model


def drawn(prompt: str, *, brackets: Brackets = Brackets.BOTH, encoder: str = "clip_l") -> list[list[list[str]]]:
    """Give per prompt of AND and per chunk what stands in it: `cat 1`, `<0> 3`, `[style] 10`."""
    model = model_with_style()
    found = find_expressions(prompt, brackets, model)
    count_found(found, model)
    return [
        [
            [
                f"<{b.expression}> {b.places}" if b.expression is not None
                else f"[{b.text}] {b.places}" if b.is_embedding
                else f"{b.text} {b.places}"
                for b in chunk.blocks
            ]
            for chunk in one.chunks[encoder]
        ]
        for one in lay_out(prompt, found, model, brackets)
    ]  # fmt: skip


CHUNKS = {
    "nothing": ("", [[]]),
    "words": ("a photo of cat", [["a photo of cat 4"]]),
    "an expression": ("a <'red cat'>", [["a 1", "<0> 2"]]),
    "two, in both brackets": ("<'cat'> {'red dog'}", [["<0> 1", "<1> 2"]]),
    "an expression without vectors": ("a <'cat'[0:0]> cat", [["a cat 2"]]),
    "an expression with a mistake counts nothing": ("a <'cat' + > dog", [["a dog 2"]]),
    "a weight around an expression": ("a (<'cat'>:1.2)", [["a 1", "<0> 1"]]),
    "an embedding by its name": ("a style cat", [["a 1", "[style] 10", "cat 1"]]),
    "75 fit": (CAT75, [["cat " * 75 + "75"]]),
    "76 do not": (CAT75 + "dog", [["cat " * 75 + "75"], ["dog 1"]]),
    "an expression is divided as words are": ("cat " * 74 + "<'red dog'>", [["cat " * 74 + "74", "<0> 1"], ["<0> 1"]]),
    "an embedding is not": ("cat " * 70 + "style dog", [["cat " * 70 + "70"], ["[style] 10", "dog 1"]]),
    "one that fills the chunk stays": ("cat " * 73 + "<'red dog'>", [["cat " * 73 + "73", "<0> 2"]]),
    "more than 75 vectors": ("<repeat('cat', 160)> dog", [["<0> 75"], ["<0> 75"], ["<0> 10", "dog 1"]]),
    "BREAK": ("cat BREAK <'dog'>", [["cat 1"], ["<0> 1"]]),
    "BREAK at the end": ("cat BREAK", [["cat 1"]]),
    "BREAK at the beginning": ("BREAK cat", [[], ["cat 1"]]),
}


@pytest.mark.parametrize(("prompt", "chunks"), CHUNKS.values(), ids=CHUNKS.keys())
def test_what_stands_in_which_chunk(prompt: str, chunks: list[list[str]]) -> None:
    (found,) = drawn(prompt)
    assert found == chunks


def test_only_the_brackets_that_are_switched_on() -> None:
    (((expression, words),),) = drawn("<'cat'> {'dog'}", brackets=Brackets.ANGLE)
    assert (expression, words[0]) == ("<0> 1", "{")


def test_an_expression_inside_a_network_is_not_taken_for_another_one() -> None:
    (((words, expression),),) = drawn("<lora:<'cat'>:1> dog <'red cat'>")
    assert (words.split()[-2], expression) == ("dog", "<1> 2")


def test_what_stands_behind_a_comma_near_the_end_moves_to_the_next_chunk() -> None:
    (found,) = drawn("cat " * 70 + ", red red red red dog")
    assert [[int(block.split()[-1]) for block in chunk] for chunk in found] == [[71], [5]]
    (found,) = drawn("cat " * 70 + ", red red <'cat cat cat'> dog")
    assert [[block.split()[-1] for block in chunk] for chunk in found] == [["71"], ["2", "3", "1"]]
    (found,) = drawn("cat , " + "red " * 73 + "dog")
    assert [[int(block.split()[-1]) for block in chunk] for chunk in found] == [[75], [1]]


def test_and_divides_into_prompts() -> None:
    assert drawn("cat AND <'red dog'> AND a photo :1.2") == [[["cat 1"]], [["<0> 2"]], [["a photo 2"]]]


def test_every_encoder_has_its_own_map() -> None:
    assert drawn("a <'cat'>", encoder="clip_g") == drawn("a <'cat'>", encoder="clip_l")


def test_a_typed_mark_is_a_blank() -> None:
    assert drawn("cat \x000\x00 <'dog'>") == drawn("cat 0 <'dog'>")


def test_a_bracket_that_nothing_closes() -> None:
    with pytest.raises(SyntaxProblem):
        find_expressions("a <'cat'")


def test_each_expression_has_its_own_mistake() -> None:
    model = MemoryModel.sd1()
    prompt = "a <'cat' + > b <'dog'> c <emb('nothing')> <'EM_1'>"
    found = find_expressions(prompt, model=model)
    count_found(found, model)
    assert [one.vectors for one in found] == [0, 1, 0, 0]
    spans = [one.problem.span for one in found if one.problem is not None]
    assert [prompt[span.start : span.end] for span in spans if span] == ["", "'nothing'", "<'EM_1'>"]
    assert all(one.problem is None or one.problem.source == prompt for one in found)


PLAIN = {
    "a photo of a cat, hd": True,
    "a (cat:1.2)": False,
    "[cat]": False,
    "cat BREAK dog": False,
    "cat AND dog": False,
    "a <lora:x:1>": False,
    "a cat :1.2": False,
    "BREAKING AND_": True,
    "\\(cat\\)": False,
}


@pytest.mark.parametrize(("prompt", "plain"), PLAIN.items())
def test_plain_words(prompt: str, plain: bool) -> None:
    assert is_plain(prompt) is plain


@pytest.mark.parametrize(
    ("prompt", "rest"), [("a cat :1.2", "a cat "), ("cat:-.5 ", "cat"), ("a: b", "a: b"), ("12:30pm", "12:30pm")]
)
def test_weight_of_a_prompt(prompt: str, rest: str) -> None:
    assert without_weight(prompt) == rest


def test_many_openings_of_networks_take_no_long_time() -> None:
    assert split_at_and("<a:" * 30_000) == ["<a:" * 30_000]
