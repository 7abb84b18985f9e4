"""ComfyUI: what its CLIP objects, its nodes and its page get from expressions, on a fake of it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import MethodType, SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from lib_embmerge.errors import (
    EmbeddingMergeError,
    FileError,
    FileExists,
    LimitExceeded,
    SyntaxProblem,
    UnknownEmbedding,
    UnsupportedHost,
)
from lib_embmerge.files.reading import read_embedding
from lib_embmerge.frontends.nodes.lines import answer_line
from lib_embmerge.frontends.nodes.nodes import KINDS, make_nodes
from lib_embmerge.hosts.comfyui.adapter import STATE, ComfyUI
from lib_embmerge.hosts.comfyui.answering import LOG as log_of_words  # noqa: N811
from lib_embmerge.hosts.webui import settings as settings_table

from .fake_comfyui import CutsWords, FakeComfyUI, installed
from .pairs import pairs
from .parts import vocabulary

CLIP_KINDS = ["sdxl", "sd1", "sd2", "refiner", "newest sd1", "newest sdxl"]
CLIPS = pytest.mark.parametrize("kind", CLIP_KINDS)
FULL = f"({'cat ' * 72}:1.1)"
SAME_AS_PLAIN_WORDS = {
    "a word": ("a <'cat'> on a mat", "a cat on a mat"),
    "a word alone": ("<'cat'>", "cat"),
    "in curly brackets": ("a {'cat'} on a mat", "a cat on a mat"),
    "a phrase": ("<'a photo of a cat'>", "a photo of a cat"),
    "a phrase with commas": ("<'a cat, old'>, on a mat", "a cat, old, on a mat"),
    "a word of several tokens": ("a <'siamese'> cat", "a siamese cat"),
    "no blank before it": ("black<'cat'>", "black cat"),
    "between two others": ("<'red'><'cat'><'red'>", "red cat red"),
    "upper case": ("<'A CAT'>", "a cat"),
    "arithmetic that ends where it began": ("<'cat' - 'dog' + 'dog'>", "cat"),
    "over several lines": ("a <'cat'\n * 1\n>\non a mat", "a cat\non a mat"),
    "weighted": ("(<'cat'>:1.3), red", "(cat:1.3), red"),
    "weighted twice": ("a ((<'cat'>)) on ((mat):1.2)", "a ((cat)) on ((mat):1.2)"),
    "escaped parentheses": (r"a \(<'cat'>\)", r"a \(cat\)"),
    "many of them": (" ".join(["<'cat'>", "<'dog'>"] * 40), " ".join(["cat", "dog"] * 40)),
    "a short group at a chunk's end": (f"{FULL} <'black cat dog'>", f"{FULL} black cat dog"),
    "a long group at a chunk's end": (
        f"{FULL} <'black cat dog big old red sun text'>",
        f"{FULL} black cat dog big old red sun text",
    ),
    "no vectors": ("a <''>cat<'dog':0>, on a mat", "a cat, on a mat"),
    "nothing but no vectors": ("<''>", ""),
    "exactly one chunk": ("<repeat('cat', 75)>", " ".join(["cat"] * 75)),
    "more than one chunk": ("<repeat('cat', 100)>", " ".join(["cat"] * 100)),
    "no expression": ("a <3 cat, <lora:x:1> { a | b }", "a <3 cat, <lora:x:1> { a | b }"),
    "an escaped bracket": (r"a \<'cat'> on", "a <'cat'> on"),
}
OF_EVERY_KIND = (
    "a word of several tokens", "arithmetic that ends where it began", "weighted", "a short group at a chunk's end",
    "a long group at a chunk's end", "no vectors", "nothing but no vectors", "more than one chunk", "no expression",
)  # fmt: skip
"""What reaches an encoder, or its chunks, in a way of its own; how the others are read is the same for all."""


@pytest.fixture
def comfy(tmp_path: Path) -> Iterator[FakeComfyUI]:
    with installed(tmp_path) as host:
        yield host


@pytest.fixture
def host(comfy: FakeComfyUI) -> ComfyUI:
    host = ComfyUI()
    host.start({})
    return host


def encoded(clip: Any, text: str) -> Any:
    """Encode as the host's own nodes do."""
    return clip.encode_from_tokens_scheduled(clip.tokenize(text))


def node(host: ComfyUI, name: str) -> Any:
    return make_nodes(host)[name]()


def rows(clip: Any, word: str) -> dict[str, torch.Tensor]:
    ids = {name: getattr(clip.tokenizer, name).tokenizer(word)["input_ids"][1:-1] for name in clip.tokenizer.keys}
    return {name: table(torch.tensor(ids[name])) for name, table in clip.cond_stage_model.tables().items()}


# --- Text and conditioning ---


@pytest.mark.parametrize(("kind", "what"), pairs(CLIP_KINDS, SAME_AS_PLAIN_WORDS, OF_EVERY_KIND))
def test_plain_words_condition_as_if_typed(comfy: FakeComfyUI, host: ComfyUI, kind: str, what: str) -> None:
    expression, plain = SAME_AS_PLAIN_WORDS[what]
    clip = comfy.clip(kind)
    wanted = encoded(clip, plain)
    if plain == "a <'cat'> on":
        assert "<'cat'>" in expression  # what is literal stays so
    assert node(host, "EmbmergeTextEncode").encode(clip, expression)[0] == wanted
    assert encoded(host.answering(clip), expression) == wanted


@CLIPS
def test_arithmetic_stands_where_the_expression_stood(comfy: FakeComfyUI, host: ComfyUI, kind: str) -> None:
    clip = comfy.clip(kind)
    found = encoded(host.answering(clip), "a <'cat' - 'adult' + 'child'> on")[0][0]
    for name, positions in found.items():
        words = {word: rows(clip, word)[name][0] for word in ("cat", "adult", "child", "on")}
        assert positions[2][0] == (words["cat"] - words["adult"] + words["child"]).tolist()
        assert positions[3][0] == words["on"].tolist()


@pytest.mark.parametrize("kind", ["newest sd1", "newest sdxl"])
def test_newer_versions_bring_patches_only_where_the_encoder_runs(comfy: FakeComfyUI, host: ComfyUI, kind: str) -> None:
    """Their table is looked at for words and lengths, too."""
    clip = comfy.clip(kind)
    patched = clip.clone(disable_dynamic=True)
    patched.patch = 0.5
    assert encoded(host.answering(patched), "a <'cat'>") == encoded(patched, "a cat")
    assert "nearest words" in node(host, "EmbmergeLookAtExpression").look(patched, "'cat'")["result"][0]
    assert encoded(host.answering(clip), "<nearest('cat')>") == encoded(clip, "cat")


def own_way(tokenizer: Any, text: str, return_word_ids: bool = False, **more: Any) -> Any:
    return type(tokenizer).tokenize_with_weights(tokenizer, text, return_word_ids, **more)


def test_a_method_that_another_pack_has_laid_upon_a_tokenizer(comfy: FakeComfyUI, host: ComfyUI) -> None:
    clip = comfy.clip()
    tokenizer = clip.tokenizer.clip_l
    for laid in (partial(own_way, tokenizer), MethodType(own_way, tokenizer)):
        tokenizer.tokenize_with_weights = laid
        assert encoded(host.answering(clip), "a (<'cat'>:1.2)") == encoded(clip, "a (cat:1.2)")
        assert tokenizer.tokenize_with_weights is laid


def test_a_tokenizer_of_another_pack_s_own_is_refused(comfy: FakeComfyUI, host: ComfyUI) -> None:
    clip = comfy.clip()
    kept = comfy.clip().tokenizer.clip_l
    clip.tokenizer.clip_l.tokenize_with_weights = lambda text, *_, **__: kept.tokenize_with_weights(text)
    assert encoded(host.answering(clip), "a cat") == encoded(clip, "a cat")
    with pytest.raises(UnsupportedHost, match="a tokenizer of its own"):
        host.answering(clip).tokenize("a <'cat'>")
    with pytest.raises(UnsupportedHost, match="a tokenizer of its own"):
        host.answering(comfy.clip()).tokenize(["a cat", "a <'cat'>"])


def test_word_ids_and_other_arguments_reach_the_host(comfy: FakeComfyUI, host: ComfyUI) -> None:
    clip = host.answering(comfy.clip())
    tokens = clip.tokenize("a <'big cat'>", return_word_ids=True, tokenizer_options={})
    assert [len(token) for token in tokens["l"][0]] == [3] * 77
    assert [token[2] for token in tokens["l"][0][:5]] == [0, 1, 1, 1, 0]


SETTINGS = {
    "vectors": {},
    "words": {"vectors": False},
    "refuse": {"vectors": False, "words": False},
}


@pytest.mark.parametrize("kind", ["flux", "wan"])
@pytest.mark.parametrize("others", SETTINGS)
def test_what_t5_gets_is_a_setting(comfy: FakeComfyUI, host: ComfyUI, kind: str, others: str) -> None:
    comfy.set(**SETTINGS[others])
    clip = host.answering(comfy.clip(kind))
    assert encoded(clip, "a cat, on") == encoded(comfy.clip(kind), "a cat, on")
    if others == "refuse":
        with pytest.raises(UnsupportedHost, match="T5 or a language model"):
            clip.tokenize("a <'cat'>")
        return
    assert encoded(clip, "a <'cat'>, on") == encoded(comfy.clip(kind), "a cat, on")
    found = encoded(clip, "a <'dog' - 'dog' + 'cat'>, on") == encoded(comfy.clip(kind), "a cat, on")
    assert found == (others == "vectors")


@pytest.mark.parametrize("others", ["vectors", "words"])
def test_a_model_without_an_encoder_that_takes_vectors_reads_words(
    comfy: FakeComfyUI, host: ComfyUI, others: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    comfy.set(**SETTINGS[others])
    clip = _unknown(comfy)
    wanted = encoded(_unknown(comfy), "a dog cat, on"), encoded(_unknown(comfy), "a (cat:1.2) on")
    said: list[str] = []
    monkeypatch.setattr(log_of_words, "warning", lambda form, *given: said.append(form % given))
    answering = host.answering(clip)
    assert not said
    assert encoded(answering, "a <'dog' + 'cat'>, on") == wanted[0]
    assert encoded(answering, "a (<'cat'>:1.2) on") == wanted[1]
    what = "reads the words of an expression" if others == "vectors" else "T5 or a language model"
    assert all(what in line for line in said)
    assert len(said) == 2
    with pytest.raises(EmbeddingMergeError, match="not closed"):
        answering.tokenize("a <'dog' + ('cat'>")
    with pytest.raises(UnsupportedHost):
        host.text_model(clip)


@pytest.mark.parametrize("vectors", [True, False])
def test_such_a_model_is_refused_where_the_settings_say_so(comfy: FakeComfyUI, host: ComfyUI, vectors: bool) -> None:
    before = host.state(["a <'cat'>"])
    comfy.set(vectors=vectors, words=False)
    assert host.state(["a <'cat'>"]) != before
    clip = host.answering(_unknown(comfy))
    assert encoded(clip, "a cat") == encoded(_unknown(comfy), "a cat")
    with pytest.raises(UnsupportedHost, match="switched off in the settings"):
        clip.tokenize("a <'cat'>")


def _unknown(comfy: FakeComfyUI) -> Any:
    clip = comfy.clip("wan")
    clip.tokenizer.umt5xxl.embedding_key = "t5base"
    return clip


def test_t5_gets_its_own_vectors(comfy: FakeComfyUI, host: ComfyUI) -> None:
    clip = comfy.clip("flux")
    found = encoded(host.answering(clip), "a <'cat' + t5xxl('dog')> on")[0][0]
    cat, dog = rows(clip, "cat"), rows(clip, "dog")
    for name in clip.tokenizer.keys:
        wanted = cat[name][0] + (dog[name][0] if name == "t5xxl" else 0)
        assert found[name][2][0] == wanted.tolist()


class CutsLikeLlama(CutsWords):
    """Puts a blank before a text, and keeps those of the text beside it, as Pile-T5's tokenizer does."""

    def __init__(self) -> None:
        self.pieces: dict[str, int] = {}

    def __call__(self, text: str) -> dict[str, list[int]]:
        pieces = re.findall(r"▁?[^\W_▁]+|.", "▁" + text.replace(" ", "▁"), re.DOTALL)
        ids = [self.pieces.setdefault(piece, len(self.pieces)) for piece in pieces]
        return {"input_ids": [vocabulary.START, *ids, vocabulary.END]}


@pytest.mark.parametrize("before", ["", "a ", "a\n", "a, "])
def test_a_word_is_cut_as_it_would_be_there(comfy: FakeComfyUI, host: ComfyUI, before: str) -> None:
    clip = comfy.clip("wan")
    clip.tokenizer.umt5xxl.tokenizer = CutsLikeLlama()
    assert encoded(host.answering(clip), f"{before}<'cat dog'> on") == encoded(clip, f"{before}cat dog on")


def test_an_encoder_that_is_not_in_the_file(comfy: FakeComfyUI, host: ComfyUI) -> None:
    clip = comfy.clip("sdxl")
    clip.cond_stage_model.clip_g = None
    clip.cond_stage_model.keys = {"clip_l": "l"}
    assert encoded(host.answering(clip), "a <'cat'> on") == encoded(clip, "a cat on")


# --- The CLIP that answers ---


def test_the_clip_that_went_in_stays_as_it_is(comfy: FakeComfyUI, host: ComfyUI) -> None:
    clip = comfy.clip()
    before = dict(vars(clip))
    literal = encoded(clip, "a <'cat'>")
    answering = host.answering(clip)
    assert encoded(answering, "a <'cat'>") == encoded(clip, "a cat")
    assert type(clip) is comfy.kind
    assert clip.tokenizer is before["tokenizer"]
    assert encoded(clip, "a <'cat'>") == literal
    assert isinstance(answering, comfy.kind)


def test_clones_answer_too_and_with_their_own_patches(comfy: FakeComfyUI, host: ComfyUI) -> None:
    clip = comfy.clip()
    skipped = host.answering(clip).clone()
    skipped.clip_layer(-2)
    patched = skipped.clone()
    patched.patch = 0.5  # a merged token table
    plain = clip.clone()
    plain.clip_layer(-2)
    assert encoded(skipped, "a <'cat'>") == encoded(plain, "a cat")
    plain.patch = 0.5
    assert encoded(patched, "a <'cat'>") == encoded(plain, "a cat")
    plain.patch = 0.0
    assert encoded(skipped, "a <'cat'>") == encoded(plain, "a cat")
    assert type(host.answering(patched)) is type(patched)


def test_no_hook_by_default_and_a_switch_for_all(comfy: FakeComfyUI, host: ComfyUI) -> None:
    original, clip = comfy.kind.tokenize, comfy.clip()
    literal = encoded(clip, "a <'cat'>")
    comfy.set(every_clip=True)
    comfy.queue({})
    assert encoded(clip, "a <'cat'>") == encoded(clip, "a cat")
    assert encoded(host.answering(clip), "a <'cat'>") == encoded(clip, "a cat")
    assert encoded(clip, r"a \<'cat'>") == literal == encoded(host.answering(clip), r"a \<'cat'>")
    comfy.set(every_clip=False)
    comfy.queue({})
    assert comfy.kind.tokenize is original
    assert encoded(clip, "a <'cat'>") == literal


def test_brackets_and_limits_are_the_user_s(comfy: FakeComfyUI, host: ComfyUI) -> None:
    clip = comfy.clip()
    comfy.set(angle_brackets=False, limit_vectors=3)
    assert encoded(host.answering(clip), "a <'cat'> {'dog'}") == encoded(clip, "a <'cat'> dog")
    with pytest.raises(LimitExceeded, match="at most 3 are allowed"):
        host.answering(clip).tokenize("{'cat', 'cat', 'cat', 'cat'}")


@pytest.mark.parametrize("broken", ["{", "[]", "", '{"embmerge.limit_vectors": "many"}'])
def test_broken_settings_are_the_usual_ones(comfy: FakeComfyUI, host: ComfyUI, broken: str) -> None:
    (comfy.user / "default" / "comfy.settings.json").write_text(broken)
    assert encoded(host.answering(comfy.clip()), "a <'cat'>") == encoded(comfy.clip(), "a cat")


# --- Mistakes ---


@pytest.mark.parametrize("name", ["EmbmergeTextEncode", "clip"])
@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("a <'cat' + * 'dog'> on", "           ^\nExpected a quoted text"),
        ("a <'cat'", "Nothing closes"),
        ("a <emb('nothing')>", "nothing"),
        ("a <'embedding:nothing'>", "No embedding nothing that fits"),
        ("a <'cat'@nothing>", "No checkpoint in ComfyUI's list is named nothing"),
        ("a <'cat'*1L>", "SDXL"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_encodes_nothing(
    comfy: FakeComfyUI, host: ComfyUI, name: str, prompt: str, message: str
) -> None:
    clip = comfy.clip()
    encode = host.answering(clip).tokenize if name == "clip" else partial(node(host, name).encode, clip)
    with pytest.raises(EmbeddingMergeError) as caught:
        encode(prompt)
    assert message in str(caught.value)
    assert encoded(host.answering(clip), "a <'cat'>") == encoded(clip, "a cat")


def test_a_path_is_no_checkpoint(comfy: FakeComfyUI, host: ComfyUI, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(b"")
    with pytest.raises(FileError, match="is named"):
        host.answering(comfy.clip()).tokenize(f"<'cat'@'{path}'>")


def test_no_clip_at_all(host: ComfyUI) -> None:
    for name, arguments in {
        "EmbmergeTextEncode": ("a",),
        "EmbmergeExpressionsForCLIP": (),
        "EmbmergeLookAtExpression": ("'a'",),
    }.items():
        made = node(host, name)
        with pytest.raises(UnsupportedHost, match="the loader gave no CLIP"):
            getattr(made, made.FUNCTION)(None, *arguments)


# --- Installed embeddings ---


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
@pytest.mark.parametrize(
    "name", ["mystyle-1", "embedding:mystyle-1", "a, embedding:mystyle-1, b", "embedding:mystyle-1.safetensors"]
)
def test_names_of_embeddings_work_inside_quotes(comfy: FakeComfyUI, host: ComfyUI, kind: str, name: str) -> None:
    clip = comfy.clip(kind)
    comfy.save("mystyle-1", comfy.more_embeddings, **rows(clip, "red house"))
    words = name.replace("embedding:", "").replace("mystyle-1", "red house").replace(".safetensors", "")
    assert encoded(host.answering(clip), f"a <'{name}'> on") == encoded(clip, f"a {words} on")


def test_an_embedding_around_expressions_stays_the_host_s(comfy: FakeComfyUI, host: ComfyUI) -> None:
    clip = comfy.clip()
    comfy.save("mystyle-1", **rows(clip, "red house"))
    plain = encoded(clip, "a embedding:mystyle-1 cat (embedding:mystyle-1 dog:1.2)")
    assert encoded(host.answering(clip), "a embedding:mystyle-1 <'cat'> (embedding:mystyle-1 <'dog'>:1.2)") == plain


def test_one_of_another_family_is_told(comfy: FakeComfyUI, host: ComfyUI) -> None:
    comfy.save("wide", **rows(comfy.clip("sdxl"), "cat"))
    with pytest.raises(UnknownEmbedding, match="wide"):
        host.answering(comfy.clip()).tokenize("<'embedding:wide'>")


def test_folders_and_case_tell_embeddings_of_one_name_apart(comfy: FakeComfyUI, host: ComfyUI) -> None:
    clip = comfy.clip()
    for name, word in (("a/style", "red"), ("b/style", "house"), ("b/Style", "dog")):
        (comfy.embeddings / name).parent.mkdir(exist_ok=True)
        comfy.save(name, **rows(clip, word))
    answering = host.answering(clip)
    for name, word in (
        ("a/style", "red"),
        ("b/style", "house"),
        ("b/Style", "dog"),
        ("a/style.safetensors", "red"),
        (r"b\style", "house"),
    ):
        assert encoded(answering, f"a <'embedding:{name}'> on") == encoded(clip, f"a {word} on"), name
    with pytest.raises(UnknownEmbedding, match="c/style"):
        answering.tokenize("<'embedding:c/style'>")


# --- Nodes ---


def saved(host: ComfyUI, clip: Any, expression: str, name: str = "kitten", **more: Any) -> str:
    shown = node(host, "EmbmergeSaveEmbedding").save(clip, expression, name, **more)
    assert shown["ui"]["embmerge_text"]
    return str(shown["ui"]["embmerge_text"][0])


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_a_saved_file_is_the_expression(comfy: FakeComfyUI, host: ComfyUI, kind: str) -> None:
    clip = comfy.clip(kind)
    text = saved(host, clip, "'cat' - 'adult' + 'child'", folder="animals")
    assert "In prompts: embedding:animals/kitten" in text
    assert "programs" in text
    inline = encoded(host.answering(clip), "a <'cat' - 'adult' + 'child'> on")
    assert encoded(clip, "a embedding:animals/kitten on") == inline
    assert encoded(host.answering(clip), "a <'kitten'> on") == inline


@pytest.mark.parametrize("name", ["two words", "a(b)", "a, b"])
def test_a_name_that_the_host_would_cut_is_told_as_an_expression(comfy: FakeComfyUI, host: ComfyUI, name: str) -> None:
    clip = comfy.clip()
    for _ in range(2):  # when it is there already, too
        shown = node(host, "EmbmergeSaveEmbedding").save(clip, "'big cat'", name)
        assert shown["result"] == (f"<'{name}'>",)
        assert f"In prompts: <'{name}'>" in shown["ui"]["embmerge_text"][0]
    assert encoded(host.answering(clip), f"a {shown['result'][0]} on") == encoded(clip, "a big cat on")


def test_a_file_is_replaced_only_when_asked(comfy: FakeComfyUI, host: ComfyUI) -> None:
    clip = comfy.clip()
    saved(host, clip, "'cat'")
    assert "It is there already" in saved(host, clip, "'cat'")
    with pytest.raises(FileExists, match="Switch overwrite on"):
        saved(host, clip, "'dog'")
    saved(host, clip, "'dog'", overwrite=True)
    assert encoded(clip, "a embedding:kitten") == encoded(clip, "a dog")


def test_many_vectors_are_asked_about(comfy: FakeComfyUI, host: ComfyUI) -> None:
    with pytest.raises(LimitExceeded, match="more_than_75"):
        saved(host, comfy.clip(), "repeat('cat', 80)")
    text = saved(host, comfy.clip(), "repeat('cat', 80)", more_than_75="split")
    assert "embedding:kitten-1" in text
    assert "embedding:kitten-2" in text


def test_no_file_leaves_the_folder(comfy: FakeComfyUI, host: ComfyUI) -> None:
    for name, folder in (("../x", ""), ("x", ".."), ("x", "a/../../b"), ("x", "/tmp"), ("x", "\\tmp")):
        with pytest.raises(FileError):
            saved(host, comfy.clip(), "'cat'", name=name, folder=folder)
    assert list(comfy.embeddings.rglob("*.safetensors")) == []


def test_the_file_says_which_checkpoint_it_was_made_with(comfy: FakeComfyUI, host: ComfyUI) -> None:
    graph = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "real.safetensors"}},
        "2": {"class_type": "LoraLoader", "inputs": {"clip": ["1", 1], "lora_name": "x.safetensors"}},
        "3": {"class_type": "EmbmergeSaveEmbedding", "inputs": {"clip": ["2", 1]}},
    }
    saved(host, comfy.clip(), "'cat'", prompt=graph, unique_id="3")
    header = read_embedding(comfy.embeddings / "kitten.safetensors").metadata
    assert header["embmerge.checkpoint"] == "real.safetensors"


WEBUI_S_WAYS = (
    *("every prompt", "lower-cased", "prompt editing", "combine prompts", "new chunk", "loads nothing", "WebUI"),
)
"""What remarks say of prompts in a WebUI, and what is not so here."""


def test_advice_is_for_this_program(comfy: FakeComfyUI, host: ComfyUI) -> None:
    clip = comfy.clip()
    comfy.save("Cat", **rows(clip, "dog"))
    told = [
        saved(host, clip, "'red' + 'dog'", name="cat", overwrite=True),
        node(host, "EmbmergeLookAtExpression").look(clip, "'[red:dog:0.5] AND dog BREAK <lora:x:1>' * 9")["result"][0],
    ]
    assert "text('cat')" in told[0]
    assert [way for text in told for way in WEBUI_S_WAYS if way in text] == []


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_looking_shows_tokens_lengths_and_words(comfy: FakeComfyUI, host: ComfyUI, kind: str) -> None:
    shown = node(host, "EmbmergeLookAtExpression").look(comfy.clip(kind), "'big cat' + 'dog'")
    text = shown["result"][0]
    assert text == shown["ui"]["embmerge_text"][0]
    assert "2 vectors" in text
    assert "big" in text
    assert "nearest words" in text


def test_looking_at_a_file_and_at_nothing(comfy: FakeComfyUI, host: ComfyUI) -> None:
    clip, look = comfy.clip(), node(host, "EmbmergeLookAtExpression").look
    comfy.save("mystyle-1", **rows(clip, "red house"))
    assert "2 vectors" in look(clip, "embedding:mystyle-1")["result"][0]
    assert "0 vectors" in look(clip, "''")["result"][0]
    with pytest.raises(FileError, match="There is no embedding nothing"):
        look(clip, "embedding:nothing")
    with pytest.raises(SyntaxProblem):
        look(clip, "a cat")


def test_comparing(comfy: FakeComfyUI, host: ComfyUI) -> None:
    clip, compare = comfy.clip("sdxl"), node(host, "EmbmergeCompare").compare
    comfy.save("mystyle-1", **rows(clip, "red house"))
    assert "Equal." in compare(clip, "'red house'", "embedding:mystyle-1")["result"][0]
    assert "Equal." not in compare(clip, "'red house'", "'cat'")["result"][0]


def test_every_node_is_as_the_host_reads_it(host: ComfyUI) -> None:
    help_pages = Path(__file__).parents[2] / "web" / "docs"
    for name, kind in make_nodes(host).items():
        assert callable(getattr(kind, kind.FUNCTION))  # type: ignore[attr-defined]
        assert kind.CATEGORY == "conditioning/embmerge"
        assert kind.INPUT_TYPES()["required"]["clip"][0] == "CLIP"  # type: ignore[attr-defined]
        assert (help_pages / f"{name}.md").read_text(encoding="utf-8").startswith("# ")


# --- What is kept ---


def test_a_kept_result_is_made_anew_where_a_named_file_changed(comfy: FakeComfyUI, host: ComfyUI) -> None:
    kind = make_nodes(host)["EmbmergeTextEncode"]
    clip = comfy.clip()
    path = comfy.save("mystyle-1", **rows(clip, "cat"))
    comfy.save("other", **rows(clip, "cat"))

    def state(text: str) -> str:
        return str(kind.IS_CHANGED(text=text))  # type: ignore[attr-defined]

    naming = ("a <'mystyle-1'>", "a embedding:mystyle-1", "a (embedding:mystyle-1, b:1.2)")
    before = {text: state(text) for text in (*naming, "a <'cat'>", "a mystyle-1", "a embedding:other")}
    assert before == {text: state(text) for text in before}
    comfy.save("mystyle-1", **rows(clip, "dog"))
    os.utime(path, ns=(1, 1))
    assert [text for text in before if state(text) != before[text]] == list(naming)
    assert state("a mystyle-1") == ""
    added = state("a <'new'>")
    comfy.save("new", **rows(clip, "dog"))
    assert state("a <'new'>") != added


def test_a_checkpoint_that_changed_is_seen(comfy: FakeComfyUI, host: ComfyUI) -> None:
    path = comfy.checkpoints / "other.safetensors"
    path.write_bytes(b"a")
    before = host.state(["<'cat'@other>", "x"])
    path.write_bytes(b"ab")
    assert host.state(["<'cat'@other>", "x"]) != before
    assert host.state(["no expression @other"]) == ""


def test_others_nodes_are_marked_with_what_their_expressions_read(comfy: FakeComfyUI, host: ComfyUI) -> None:
    def graph() -> dict[str, Any]:
        return {
            "1": {"class_type": "CLIPTextEncode", "inputs": {"text": "a <'mystyle-1'>", "clip": ["9", 0]}},
            "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["9", 0]}},
            "3": {"class_type": "EmbmergeTextEncode", "inputs": {"text": "a <'mystyle-1'>"}},
            "4": "broken",
            "5": {"class_type": "CLIPTextEncode", "inputs": {"text": "a embedding:mystyle-1", "clip": ["9", 0]}},
        }

    first = comfy.queue(graph())
    assert STATE in first["1"]["inputs"]
    assert STATE not in first["2"]["inputs"]
    assert STATE not in first["3"]["inputs"]
    assert first["1"]["inputs"]["text"] == "a <'mystyle-1'>"
    assert comfy.queue(graph()) == first
    comfy.save("mystyle-1", **rows(comfy.clip(), "cat"))
    again = comfy.queue(graph())
    assert [key for key, made in again.items() if made != first[key]] == ["1", "5"]
    assert "mystyle-1.safetensors" not in json.dumps(again)  # it goes into pictures


# --- The line under a box ---


def test_the_line_counts_by_the_clip_that_was_used_last(comfy: FakeComfyUI, host: ComfyUI) -> None:
    question = {"text": "a <'big cat'> <'dog'>", "kind": "prompt"}
    assert answer_line(question, host) == {"text": "'big cat' · 'dog'", "is_mistake": False}
    clip = comfy.clip()
    encoded(host.answering(clip), "x")
    clip = host.answering(clip)
    encoded(clip, "x")
    assert answer_line(question, host) == {"text": "'big cat': 2 vectors · 'dog': 1 vector", "is_mistake": False}
    assert answer_line({"text": "'big cat'", "kind": "expression"}, host)["text"] == "2 vectors"
    assert clip.loads == 1  # no table was read


@pytest.mark.parametrize("text", ["", "a cat", "a <3 cat"])
def test_no_expression_has_no_line(host: ComfyUI, text: str) -> None:
    assert answer_line({"text": text}, host)["text"] == ""


@pytest.mark.parametrize(
    ("text", "kind"),
    [("a <'cat' +>", "prompt"), ("a <'cat'", "prompt"), ("'cat' +", "expression"), ("a cat", "expression")],
)
def test_a_mistake_is_shown_while_one_types(host: ComfyUI, text: str, kind: str) -> None:
    found = answer_line({"text": text, "kind": kind}, host)
    assert found["is_mistake"]
    assert str(found["text"]).count("\n") >= 1 or kind == "expression"


class Asked:
    """What the server hands over of a question."""

    def __init__(self, body: str) -> None:
        self.body = body

    async def json(self) -> Any:
        return json.loads(self.body)


@pytest.mark.parametrize(
    ("body", "status"),
    [('{"text": "a <\'cat\'>"}', 200), ("{}", 200), ("[]", 400), ("null", 400), ("'", 400), ("", 400)],
)
def test_a_question_that_is_none_is_refused(
    comfy: FakeComfyUI, host: ComfyUI, monkeypatch: pytest.MonkeyPatch, body: str, status: int
) -> None:
    answers = SimpleNamespace(json_response=lambda found, status=200: (status, found))
    monkeypatch.setitem(sys.modules, "aiohttp", SimpleNamespace(web=answers))
    host.start({"line": lambda question: answer_line(question, host)})
    assert asyncio.run(comfy.addresses["/embmerge/line"](Asked(body)))[0] == status


# --- The folder ---


def test_the_page_has_every_setting_that_is_read() -> None:
    script = (Path(__file__).parents[2] / "web" / "embmerge.js").read_text(encoding="utf-8")
    offered = {f"embmerge_{name}" for name in re.findall(r'id: "embmerge\.(\w+)"', script)}
    table = {*settings_table.SETTINGS, *settings_table.LIMIT_SETTINGS}
    assert offered == table - {settings_table.LINES}
    assert 'EVERY_CLIP = "embmerge.every_clip"' in script


def test_the_picture_to_drop_holds_the_graph_beside_it() -> None:
    workflows = Path(__file__).parents[2] / "docs" / "workflows"
    graph = json.loads((workflows / "expressions.json").read_text(encoding="utf-8"))
    with Image.open(workflows / "expressions.png") as picture:
        assert json.loads(picture.info["workflow"]) == graph
    ours = {each["type"] for each in graph["nodes"] if each["type"].startswith("Embmerge")}
    assert ours
    assert ours <= set(KINDS)


def test_the_folder_is_a_pack_of_nodes(comfy: FakeComfyUI) -> None:
    folder = Path(__file__).parents[2]
    spec = importlib.util.spec_from_file_location("custom_nodes_embmerge", folder / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    pack = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = pack
    try:
        spec.loader.exec_module(pack)
        assert set(pack.NODE_CLASS_MAPPINGS) == set(pack.NODE_DISPLAY_NAME_MAPPINGS)
        assert [path.name for path in (folder / pack.WEB_DIRECTORY).glob("*.js")] == ["embmerge.js"]
        assert list(comfy.addresses) == ["/embmerge/line"]
        clip = comfy.clip()
        encoded_here = pack.NODE_CLASS_MAPPINGS["EmbmergeTextEncode"]().encode(clip, "a <'cat'>")[0]
        assert encoded_here == encoded(clip, "a cat")
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == spec.name]:
            del sys.modules[name]


def test_the_folder_alone_is_no_pack() -> None:
    code = "import runpy, sys; sys.exit('NODE_CLASS_MAPPINGS' in runpy.run_path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(Path(__file__).parents[2] / "__init__.py")], check=True)
