"""The map of a prompt's chunks against the host's own chunks."""

from __future__ import annotations

import random

import pytest

from lib_embmerge.prompts.layout import count_found, find_expressions, lay_out

from ..examples import examples
from .fake_a1111 import FakeA1111

PIECES = [
    "cat",
    "dog,",
    "photo",
    "(blue:1.2)",
    "[red]",
    "\\(x\\)",
    "BREAK",
    ",",
    "style",
    "<'cat' - 'adult'>",
    "{'one two'}",
    "(<repeat('x', 30)>:1.3)",
    "<repeat('x', 74)>",
    "<repeat('x', 160)>",
    "<'cat'[0:0]>",
]


def chunk_sizes(a1111: FakeA1111, prompt: str) -> list[int]:
    adapter = a1111.adapter()
    model = adapter.text_model(adapter.loaded_model())
    found = find_expressions(prompt, model=model)
    count_found(found, model)
    (one,) = lay_out(prompt, found, model)
    return [chunk.places for chunk in one.chunks["clip_l"]]


@pytest.mark.parametrize("seed", range(examples(40)))
def test_the_host_cuts_it_the_same_way(a1111: FakeA1111, seed: int) -> None:
    draw = random.Random(seed)
    prompt = " ".join(draw.choices(PIECES, [20] * 9 + [2] * 6, k=draw.choice([5, 70, 150])))
    webui = a1111.webui()
    webui.start()
    chunks, _ = a1111.embedders()[0].tokenize_line(prompt)
    end = a1111.embedders()[0].id_end
    held = [sum(token != end for token in chunk.tokens[1:]) for chunk in chunks]
    assert chunk_sizes(a1111, prompt) == held
