"""Text encoders of every kind whose tokenizer ComfyUI brings itself: conditioning and pictures equal to the bit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from .server import ComfyServer, Done, Graph, node

KINDS = [
    "flux",
    "chroma",
    "mochi",
    "sd3",
    "sd3 without t5",
    "qwen_image",
    "qwen_image in eight bits",
    "chroma in eight bits",
    "omnigen2",
    "hunyuan_video",
    "z_image",
    "klein",
    "anima",
]

PAINTERS = ["qwen_image", "z_image"]
"""Those with a denoiser, whose text encoder is a language model alone."""

FILES = {
    "eight bits": ("CLIPLoader", "tiny-comfy-t5-fp8.safetensors"),
    "eight bits, scaled": ("CLIPLoader", "tiny-comfy-t5-scaled.safetensors"),
    "GGUF": ("CLIPLoaderGGUF", "tiny-comfy-t5-q8_0.gguf"),
}
"""Files of T5 alone, and what loads them; ComfyUI-GGUF is another pack."""

OF_FILES = ("a word", "a phrase", "weighted", "over lines")
"""A whole table of rows is read for each."""

SAME_AS_PLAIN_WORDS = {
    "a word alone": ("<'cat'>", "cat"),
    "a word": ("a <'cat'> on a mat", "a cat on a mat"),
    "a phrase": ("a photo of <'an unbelievable castle'> at night", "a photo of an unbelievable castle at night"),
    "weighted": ("a (<'cat'>:1.3), red", "a (cat:1.3), red"),
    "two in a row": ("<'cat'> <'dog'>", "cat dog"),
    "before a comma": ("a <'cat'>, red", "a cat, red"),
    "at the beginning": ("<'unbelievable'> castle", "unbelievable castle"),
    "over lines": ("a photo\n<'cat'>\nb", "a photo\ncat\nb"),
    "in another script": ("红色 <'猫咪的城堡'>", "红色 猫咪的城堡"),
    "many": (" ".join(["<'cat'>"] * 90), " ".join(["cat"] * 90)),
}


def there(comfy: ComfyServer, kind: str, name: str = "E2ETextEncoder") -> str:
    if kind not in comfy.call(f"/object_info/{name}")[name]["input"]["required"]["kind"][0]:
        pytest.skip(f"this version knows no {kind}")
    return kind


def encoded(loader: dict[str, Any], text: str, through: str) -> Graph:
    graph = {"1": loader}
    clip: list[Any] = ["1", 0]
    if through == "clip":
        graph["8"] = node("EmbmergeExpressionsForCLIP", clip=clip)
        clip = ["8", 0]
    graph["2"] = node("EmbmergeTextEncode" if through == "node" else "CLIPTextEncode", clip=clip, text=text)
    return graph


def read(comfy: ComfyServer, kind: str, text: str, through: str) -> Done:
    return comfy.fingerprint(encoded(node("E2ETextEncoder", kind=there(comfy, kind)), text, through))


def paint(comfy: ComfyServer, kind: str, text: str, through: str) -> Done:
    there(comfy, kind, "E2EDenoiser")
    graph = encoded(node("E2ETextEncoder", kind=kind), text, through)
    graph["20"] = node("E2EDenoiser", kind=kind)
    graph["21"] = node("EmptySD3LatentImage", width=64, height=64, batch_size=1)
    graph["22"] = node(
        "KSampler",
        model=["20", 0],
        positive=["2", 0],
        negative=["2", 0],
        latent_image=["21", 0],
        seed=5,
        steps=3,
        cfg=1.0,
        sampler_name="euler",
        scheduler="simple",
        denoise=1.0,
    )
    graph["99"] = node("E2EFingerprint", conditioning=["22", 0])
    return comfy.run(graph)


def check_same(run: Callable[[str, str], Done], text: str, plain: str) -> str:
    """Run plain words through the host's own node, and the text through both of ours: give the one outcome."""
    wanted = run(plain, "host")
    assert wanted.mistake == ""
    assert wanted.fingerprint
    for through in ("node", "clip"):
        found = run(text, through)
        assert (found.mistake, found.fingerprint) == ("", wanted.fingerprint)
    return wanted.fingerprint


@pytest.mark.parametrize(("text", "plain"), SAME_AS_PLAIN_WORDS.values(), ids=SAME_AS_PLAIN_WORDS.keys())
@pytest.mark.parametrize("kind", KINDS)
def test_expressions_condition_as_plain_words(comfy: ComfyServer, kind: str, text: str, plain: str) -> None:
    check_same(partial(read, comfy, kind), text, plain)


@pytest.mark.parametrize("kind", KINDS)
def test_an_expression_is_none_of_its_words(comfy: ComfyServer, kind: str) -> None:
    words = ("<'cat' * 0.5 + 'dog' * 0.5>", "cat", "dog")
    prints = {read(comfy, kind, f"a {word}", "node").fingerprint for word in words}
    assert len(prints) == 3
    assert "" not in prints


@pytest.mark.parametrize(("text", "plain"), SAME_AS_PLAIN_WORDS.values(), ids=SAME_AS_PLAIN_WORDS.keys())
@pytest.mark.parametrize("kind", PAINTERS)
def test_a_language_model_paints_as_from_plain_words(comfy: ComfyServer, kind: str, text: str, plain: str) -> None:
    check_same(partial(paint, comfy, kind), text, plain)


@pytest.mark.parametrize("kind", PAINTERS)
def test_an_expression_changes_a_language_model_s_picture(comfy: ComfyServer, kind: str) -> None:
    words = ("<'cat' * 0.5 + 'dog' * 0.5>", "cat", "dog")
    assert len({paint(comfy, kind, f"a {word}", "node").fingerprint for word in words} - {""}) == 3


@pytest.mark.parametrize("case", OF_FILES)
@pytest.mark.parametrize("file", FILES)
def test_files_of_fewer_bits_condition_as_plain_words(comfy: ComfyServer, file: str, case: str) -> None:
    text, plain = SAME_AS_PLAIN_WORDS[case]
    loader, name = FILES[file]
    known = comfy.call(f"/object_info/{loader}")
    if not known or name not in known[loader]["input"]["required"]["clip_name"][0]:
        pytest.skip(f"{loader} or {name} is not there")

    def read_file(typed: str, through: str) -> Done:
        return comfy.fingerprint(encoded(node(loader, clip_name=name, type="chroma"), typed, through))

    outcome = check_same(read_file, text, plain)
    assert read_file(f"{text} <'dog' * 0.5>", "node").fingerprint != outcome
