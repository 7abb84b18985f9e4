"""Expressions in the graphs of a running ComfyUI."""

from __future__ import annotations

import json
import shutil
import time
from functools import partial
from typing import Any

import pytest

from .server import ComfyServer, Done, node, picture_graph

SD1, SD1B, SD2, SDXL = "tiny-comfy-sd1", "tiny-comfy-sd1b", "tiny-comfy-sd2", "tiny-comfy-sdxl"
FLUX = "tiny-comfy-flux"
EXPRESSION = "'cat' - 'adult' + 'child'"
LONG = "a photo of a big old cat, sitting on a mat, in the sun, " * 5

SAME_AS_PLAIN_WORDS = {
    "a word": ("a <'cat'> on a mat", "a cat on a mat"),
    "a word alone": ("<'cat'>", "cat"),
    "curly brackets": ("a {'cat'} on a mat", "a cat on a mat"),
    "double quotes": ('a <"cat"> on a mat', "a cat on a mat"),
    "a phrase": ("<'a photo of a cat'>", "a photo of a cat"),
    "a phrase with a comma behind it": ("<'a photo of a cat, old'>, on a mat", "a photo of a cat, old, on a mat"),
    "a word of several tokens": ("an <'unbelievable'> cat", "an unbelievable cat"),
    "no blank before": ("black<'cat'>", "black cat"),
    "two in a row": ("<'black'><'cat'>", "black cat"),
    "upper case": ("<'A CAT'> on a mat", "a cat on a mat"),
    "a number of no effect": ("a <'cat'*1> on a mat", "a cat on a mat"),
    "taken apart and put together": ("<'cat' - 'dog' + 'dog'>", "cat"),
    "weighted": ("a (<'cat'>:1.3) on a mat", "a (cat:1.3) on a mat"),
    "weighted, at the beginning": ("(<'cat'>:1.3), red", "(cat:1.3), red"),
    "weighted twice": ("a ((<'cat'>)) on (<'mat'>)", "a ((cat)) on (mat)"),
    "escaped parentheses": (r"a <'cat'> \(old\)", r"a cat \(old\)"),
    "over several lines": ("a <'cat'\n + 'cat' \n /2 \n - 'cat'/2> on a mat", "a cat on a mat"),
    "over one chunk": (" ".join(["<'cat'>"] * 80), " ".join(["cat"] * 80)),
    "behind a chunk's end": (f"{LONG}<'a black cat'>", f"{LONG}a black cat"),
    "at a chunk's end": (f"({'cat ' * 73}:1.1) <'a black cat'>", f"({'cat ' * 73}:1.1) a black cat"),
    "nothing": ("a cat<'':0> on a mat", "a cat on a mat"),
    "a literal bracket": (r"a \<'cat'> on a mat", "a <'cat'> on a mat"),
    "not an expression": ("a <3 cat", "a <3 cat"),
}


def kept(done: Done) -> list[bytes]:
    assert done.mistake == ""
    assert done.pictures
    return done.pictures


def save(comfy: ComfyServer, checkpoint: str, name: str, expression: str, **more: Any) -> Done:
    options = {"folder": "", "overwrite": False, "more_than_75": "ask"} | more
    return comfy.run(
        {
            "1": node("CheckpointLoaderSimple", ckpt_name=f"{checkpoint}.safetensors"),
            "2": node("EmbmergeSaveEmbedding", clip=["1", 1], expression=expression, name=name, **options),
        }
    )


@pytest.mark.parametrize(
    ("expression", "plain"), SAME_AS_PLAIN_WORDS.values(), ids=SAME_AS_PLAIN_WORDS.keys()
)
@pytest.mark.parametrize("checkpoint", [SD1, SD2, SDXL])  # the last varies last: a checkpoint is loaded once
def test_the_picture_is_that_of_plain_words(comfy: ComfyServer, checkpoint: str, expression: str, plain: str) -> None:
    wanted = kept(comfy.encode(plain, checkpoint, through="host"))
    for through in ("node", "clip"):
        assert kept(comfy.encode(expression, checkpoint, through=through)) == wanted


ON_FLUX = (
    "a word",
    "a word alone",
    "a phrase",
    "no blank before",
    "weighted",
    "escaped parentheses",
    "over several lines",
    "over one chunk",
    "taken apart and put together",
)
"""Its pictures take longer."""


@pytest.mark.parametrize("case", ON_FLUX)
def test_the_picture_on_flux_is_that_of_plain_words(comfy: ComfyServer, case: str) -> None:
    expression, plain = SAME_AS_PLAIN_WORDS[case]
    wanted = kept(comfy.encode(plain, FLUX, through="host", steps=1))
    for through in ("node", "clip"):
        assert kept(comfy.encode(expression, FLUX, through=through, steps=1)) == wanted


@pytest.mark.parametrize("checkpoint", [SD1, SD2, SDXL])
def test_an_expression_changes_the_picture(comfy: ComfyServer, checkpoint: str) -> None:
    merged = kept(comfy.encode(f"<{EXPRESSION}>", checkpoint))
    assert merged != kept(comfy.encode("cat", checkpoint))


def test_without_our_nodes_it_is_text(comfy: ComfyServer) -> None:
    literal = kept(comfy.encode("a <'cat'>", SD1, through="host"))
    assert literal != kept(comfy.encode("a cat", SD1, through="host"))


def test_the_negative_prompt_too(comfy: ComfyServer) -> None:
    merged = kept(comfy.encode("a mat", SD1, negative="<'blurry cat'>"))
    assert merged == kept(comfy.encode("a mat", SD1, negative="blurry cat", through="host"))


CLIP_CHAINS = {
    "clip skip behind": ("wrap", "skip"),
    "clip skip before": ("skip", "wrap"),
    "a LoRA behind": ("wrap", "lora"),
    "a LoRA before": ("lora", "wrap"),
    "LoRAs around, and clip skip": ("lora", "wrap", "lora", "skip"),
    "wrapped twice": ("wrap", "skip", "wrap"),
}


@pytest.mark.parametrize("chain", CLIP_CHAINS.values(), ids=CLIP_CHAINS.keys())
@pytest.mark.parametrize("checkpoint", [SD1, SDXL])
def test_what_stands_before_and_behind_the_clip(comfy: ComfyServer, checkpoint: str, chain: tuple[str, ...]) -> None:
    """The LoRA changes the table of tokens too, which an expression then reads as the host does."""

    def read(text: str, links: tuple[str, ...]) -> str:
        done = comfy.fingerprint(picture_graph(text, checkpoint, chain=links, through="host"))
        assert done.mistake == ""
        return done.fingerprint

    host_s = tuple(link for link in chain if link != "wrap")
    merged = read("a <'cat' * 2 - 'cat'>", chain)
    assert merged == read("a cat", host_s)
    assert merged != read("a cat", ())


def test_the_clip_that_goes_in_stays_literal(comfy: ComfyServer) -> None:
    graph = picture_graph("a <'cat'>", SD1, through="clip")
    graph["2"]["inputs"]["clip"] = ["1", 1]  # beside the wrapped one
    graph["3"]["inputs"]["text"] = "<'cat'>"
    literal = picture_graph("a <'cat'>", SD1, through="host", negative="cat")
    assert kept(comfy.run(graph)) == kept(comfy.run(literal))


def test_two_checkpoints_in_turn(comfy: ComfyServer) -> None:
    found = [kept(comfy.encode("a <'cat'>", checkpoint)) for checkpoint in (SD1, SD1B, SD1)]
    plain = [kept(comfy.encode("a cat", checkpoint, through="host")) for checkpoint in (SD1, SD1B, SD1)]
    assert found == plain
    assert found[0] != found[1]


def test_a_word_of_another_checkpoint(comfy: ComfyServer) -> None:
    other = kept(comfy.encode(f"a <'cat'@'{SD1B}'>", SD1))
    assert other != kept(comfy.encode("a <'cat'>", SD1))
    assert "is named nothing" in comfy.encode("a <'cat'@nothing>", SD1).mistake


@pytest.mark.parametrize("checkpoint", [SD1, SDXL])
def test_a_saved_file_is_the_expression(comfy: ComfyServer, checkpoint: str) -> None:
    shown = save(comfy, checkpoint, "e2e_kitten", EXPRESSION).texts[0]
    assert "In prompts: embedding:e2e_kitten" in shown
    inline = kept(comfy.encode(f"a <{EXPRESSION}> on a mat", checkpoint))
    assert kept(comfy.encode("a embedding:e2e_kitten on a mat", checkpoint, through="host")) == inline
    assert kept(comfy.encode("a <'e2e_kitten' * 1> on a mat", checkpoint)) == inline
    assert kept(comfy.encode("a <'embedding:e2e_kitten'> on a mat", checkpoint, through="clip")) == inline


def test_a_file_is_replaced_only_when_asked(comfy: ComfyServer) -> None:
    save(comfy, SD1, "e2e_kitten", "'cat'")
    assert "It is there already" in save(comfy, SD1, "e2e_kitten", "'cat'").texts[0]
    assert "Switch overwrite on" in save(comfy, SD1, "e2e_kitten", "'dog'").mistake
    assert save(comfy, SD1, "e2e_kitten", "'dog'", overwrite=True).mistake == ""


@pytest.mark.parametrize("through", ["node", "clip"])
def test_a_file_that_changes_between_two_equal_graphs(comfy: ComfyServer, through: str) -> None:
    for word in ("cat", "fish"):
        save(comfy, SD1, "e2e_changing", f"'{word}'", overwrite=True)
        found = kept(comfy.encode("a <'e2e_changing'> on a mat", SD1, through=through))
        assert found == kept(comfy.encode(f"a {word} on a mat", SD1, through="host"))


@pytest.mark.parametrize("through", ["node", "clip"])
def test_only_what_reads_a_changed_file_is_computed_anew(comfy: ComfyServer, through: str) -> None:
    """Node 2 reads the file; node 3, the negative prompt, another. They come by copying: a graph clears the cache."""
    folder = comfy.folder("embeddings")
    for word in ("cat", "fish"):
        save(comfy, SD1, f"e2e_{word}", f"'{word}'")
    shutil.copy(folder / "e2e_cat.safetensors", folder / "e2e_read.safetensors")
    again = partial(comfy.encode, "a <'e2e_read'>", SD1, through=through, negative="a <'e2e_cat' + 'dog'>")
    first = kept(again())
    assert {"2", "3", "5", "7"} <= set(again().cached)
    shutil.copy(folder / "e2e_fish.safetensors", folder / "e2e_read.safetensors")
    changed = again()
    assert {"1", "3"} <= set(changed.cached)
    assert not {"2", "5", "7"} & set(changed.cached)
    assert kept(changed) != first
    shutil.copy(folder / "e2e_fish.safetensors", folder / "e2e_beside.safetensors")
    assert {"2", "3", "5", "7"} <= set(again().cached)


@pytest.mark.parametrize("through", ["node", "clip"])
def test_a_checkpoint_that_changed_is_read_anew(comfy: ComfyServer, through: str) -> None:
    path = comfy.folder("checkpoints") / f"{SD1B}.safetensors"
    again = partial(comfy.encode, f"a <'cat'@'{SD1B}'>", SD1, through=through, negative="<'dog'>")
    again()
    assert {"2", "3"} <= set(again().cached)
    path.touch()
    found = set(again().cached)
    assert "2" not in found
    assert "3" in found


@pytest.mark.parametrize("through", ["node", "clip"])
@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("a <'cat' + * 'dog'> on", "           ^\nExpected a quoted text"),
        ("a <'cat'", "Nothing closes"),
        ("a <lurp('a', 'b', 1)>", "Did you mean lerp"),
        ("a <emb('nothing')>", "nothing"),
        ("a <'cat' * 1L>", "SDXL"),
    ],
)
def test_a_mistake_stops_the_graph(comfy: ComfyServer, through: str, prompt: str, message: str) -> None:
    done = comfy.encode(prompt, SD1, through=through)
    assert message in done.mistake
    assert done.pictures == []
    assert done.node == ("EmbmergeTextEncode" if through == "node" else "CLIPTextEncode")
    assert kept(comfy.encode("a <'cat'>", SD1, through=through)) == kept(comfy.encode("a cat", SD1, through="host"))


def test_the_picture_holds_what_was_typed(comfy: ComfyServer) -> None:
    done = comfy.encode(f"a <{EXPRESSION}>", SD1, save=True)
    assert json.loads(done.metadata["prompt"])["2"]["inputs"]["text"] == f"a <{EXPRESSION}>"


def test_a_batch_is_that_of_plain_words(comfy: ComfyServer) -> None:
    merged = kept(comfy.encode("a <'cat'>", SD1, batch=3))
    assert len(merged) == 3
    assert merged == kept(comfy.encode("a cat", SD1, through="host", batch=3))


def test_two_clients_at_once(comfy: ComfyServer) -> None:
    other = ComfyServer(comfy.url)
    queued = [
        (client, client.queue(picture_graph(f"a <'{word}'>", SD1, seed=seed)), word, seed)
        for seed in (1, 2, 3)
        for client, word in ((comfy, "cat"), (other, "dog"))
    ]
    for client, prompt, word, seed in queued:
        found = kept(client.wait(prompt))
        assert found == kept(client.encode(f"a {word}", SD1, through="host", seed=seed))


def test_an_interrupted_graph_leaves_nothing(comfy: ComfyServer) -> None:
    prompt = comfy.queue(picture_graph("a <'cat'>", SD1, steps=400, seed=77))
    time.sleep(1.5)
    comfy.call("/interrupt", {})
    assert comfy.wait(prompt).status == "interrupted"
    assert kept(comfy.encode("a <'cat'>", SD1)) == kept(comfy.encode("a cat", SD1, through="host"))


def test_the_switch_lets_every_text_encode_answer(comfy: ComfyServer) -> None:
    comfy.set_setting("embmerge.every_clip", True)
    try:
        merged = kept(comfy.encode("a <'cat'> on", SD1, through="host", seed=9))
        assert merged == kept(comfy.encode("a cat on", SD1, through="host", seed=9))
    finally:
        comfy.set_setting("embmerge.every_clip", False)
    assert kept(comfy.encode("a <'cat'> on", SD1, through="host", seed=10)) != kept(
        comfy.encode("a cat on", SD1, through="host", seed=10)
    )


def test_looking_and_comparing(comfy: ComfyServer) -> None:
    done = comfy.run(
        {
            "1": node("CheckpointLoaderSimple", ckpt_name=f"{SDXL}.safetensors"),
            "2": node("EmbmergeLookAtExpression", clip=["1", 1], expression=EXPRESSION),
            "3": node("EmbmergeCompare", clip=["1", 1], a="'cat'", b="'cat' * 1"),
        }
    )
    assert any("nearest words" in text for text in done.texts)
    assert any("Equal." in text for text in done.texts)


def test_a_hundred_prompts_in_a_row(comfy: ComfyServer) -> None:
    """The same graph with a hundred expressions; memory stays where it was after the first ones."""
    used = []
    for number in range(100):
        done = comfy.encode(f"a <'cat' * {number / 100} + 'dog' * {1 - number / 100}>", SD1, steps=1)
        kept(done)
        used.append(comfy.process_memory())
    grown = used[-1] - used[20]
    assert grown < 30_000_000, f"{grown / 1e6:.0f} MB more"
