"""Text encoders of every kind whose tokenizer ComfyUI brings itself: conditioning equal to the bit."""

from __future__ import annotations

import pytest

from .server import ComfyServer, Done, node

KINDS = ["flux", "chroma", "mochi", "sd3", "qwen_image", "omnigen2", "hunyuan_video"]

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


def read(comfy: ComfyServer, kind: str, text: str, through: str) -> Done:
    graph = {"1": node("E2ETextEncoder", kind=kind)}
    clip = ["1", 0]
    if through == "clip":
        graph["8"] = node("EmbmergeExpressionsForCLIP", clip=clip)
        clip = ["8", 0]
    graph["2"] = node("EmbmergeTextEncode" if through == "node" else "CLIPTextEncode", clip=clip, text=text)
    return comfy.fingerprint(graph)


@pytest.mark.parametrize(("text", "plain"), SAME_AS_PLAIN_WORDS.values(), ids=SAME_AS_PLAIN_WORDS.keys())
@pytest.mark.parametrize("kind", KINDS)
def test_expressions_condition_as_plain_words(comfy: ComfyServer, kind: str, text: str, plain: str) -> None:
    wanted = read(comfy, kind, plain, "host")
    assert wanted.mistake == ""
    assert wanted.fingerprint
    for through in ("node", "clip"):
        found = read(comfy, kind, text, through)
        assert (found.mistake, found.fingerprint) == ("", wanted.fingerprint)


@pytest.mark.parametrize("kind", KINDS)
def test_an_expression_is_none_of_its_words(comfy: ComfyServer, kind: str) -> None:
    words = ("<'cat' * 0.5 + 'dog' * 0.5>", "cat", "dog")
    prints = {read(comfy, kind, f"a {word}", "node").fingerprint for word in words}
    assert len(prints) == 3
    assert "" not in prints
