"""T5 and language models in Forge's kind of text engines: an expression is what its words are, as vectors."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lib_embmerge.errors import EmbeddingMergeError, UnsupportedHost
from lib_embmerge.hosts.language_engines import find_language_engines

from .fake_a1111 import same
from .fake_forge import FakeForge
from .pairs import pairs
from .parts.vocabulary import SentenceTokenizer

HOSTS = ["forge", "older_neo", "newest_neo"]

TEXTS = {
    "a word": ("<'cat'>", "cat"),
    "a word of many tokens": ("a <'house'> on a mat", "a house on a mat"),
    "attention": ("(<'red house'>:1.3), on", "(red house:1.3), on"),
    "among signs": ("<'sun'>, (<'dog'>), <'red'>.", "sun, (dog), red."),
    "behind a line's end": ("a\n<'sun'> on", "a\nsun on"),
    "two in a row": ("<'cat'> <'dog'>", "cat dog"),
    "no effect": ("a <lerp('house', 'dog', 0)> on", "a house on"),
    "a poster's text": ("a poster that says <\"hello world\">", "a poster that says hello world"),
    "other letters": ("<'猫'> 犬 <'😀'> !", "猫 犬 😀 !"),
    "beside a typed name": ("<'cat'> embm0a0a0a0a0a <'cat'>", "cat embm0a0a0a0a0a cat"),
    "over a chunk": ("<repeat('cat', 160)> on", " ".join(["cat"] * 160) + " on"),
    "AND": ("<'house'> AND <'dog'> :0.7", "house AND dog :0.7"),
    "editing": ("a [<'house'>:<'dog'>:0.5] on", "a [house:dog:0.5] on"),
}


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> FakeForge:
    found: FakeForge = request.getfixturevalue(request.param)
    return found


WITHOUT_CLIP = ("a word of many tokens", "attention", "over a chunk", "AND")
"""Texts for a model that has a T5 alone: it reads each of the others as beside CLIP."""


@pytest.mark.parametrize(("kind", "what"), pairs(["flux", "chroma"], TEXTS, WITHOUT_CLIP))
def test_plain_words_are_plain_words(host: FakeForge, kind: str, what: str) -> None:
    prompt, plain = TEXTS[what]
    host.load(kind)
    expected = host.condition(plain)
    host.webui().start()
    before = host.registered()
    assert same(host.condition(prompt), expected)
    assert host.registered() == before


def test_arithmetic_reaches_the_encoder_as_vectors(host: FakeForge) -> None:
    host.load("chroma")
    host.webui().start()
    (found,) = host.words("a <'cat' - 'dog' * 2 + 'house'> on")[0]
    layer = host.model.words_engine().layer
    texts = ("cat", "dog", "house", "a", "on")
    cat, dog, house, a, on = (layer(torch.tensor(SentenceTokenizer.ids(text))).float() for text in texts)
    value = torch.zeros(len(house), 4096)
    for rows, factor in ((cat, 1), (dog, -2), (house, 1)):
        value[: len(rows)] += rows * factor
    assert torch.equal(found[0], torch.cat([a, value.half().float(), on]))


def test_a_setting_chooses_between_vectors_and_words(host: FakeForge) -> None:
    host.load("flux")
    words, vectors = host.words("a house dog"), host.words("a house")
    host.webui().start()
    prompt = "a <lerp('house', 'dog', 0)>"
    assert same(host.words(prompt), vectors)
    host.opts.embmerge_vectors = False
    assert same(host.words(prompt), words)
    host.opts.embmerge_words = False
    with pytest.raises(UnsupportedHost, match="switched off"):
        host.words(prompt)


def test_a_setting_is_part_of_the_cache_s_key(host: FakeForge) -> None:
    host.load("flux")
    host.webui().start()
    prompt = "a <lerp('house', 'dog', 0)>"
    first = host.generate(prompt).c
    assert host.generate(prompt).c is first
    host.opts.embmerge_vectors = False
    assert host.generate(prompt).c is not first


@pytest.mark.parametrize(
    ("expression", "plain"), [("<'red' + 'house'>", "cat cat cat cat cat cat"), ("<'cat' * 2>", "cat")]
)
def test_the_counter_counts_vectors(host: FakeForge, expression: str, plain: str) -> None:
    host.load("flux")
    host.webui().start()
    assert host.count(f"a {expression}, on") == host.count(f"a {plain}, on")


def test_a_file_s_vectors_are_read_where_the_host_reads_none(host: FakeForge) -> None:
    host.load("flux")
    layer = host.model.words_engine().layer
    rows = layer(torch.tensor(SentenceTokenizer.ids("house"))).float()
    host.save_embedding("mine", {"clip_l": host.rows("red"), "t5xxl": rows})
    host.reload_embeddings()
    adapter = host.adapter()
    (found,) = adapter.text_model(host.model).embeddings_named("mine")
    assert set(found.vectors) == {"clip_l", "t5xxl"}
    plain = host.condition("a red on"), host.words("a house on")
    host.webui().start()
    for prompt in ("a <emb('mine')> on", "a <'mine'> on"):
        assert same(clip_parts(host.condition(prompt)), clip_parts(plain[0]))
        assert same(host.words(prompt), plain[1])


def clip_parts(condition: Any) -> list[Any]:
    return [cond["crossattn"] for _, schedule in condition[0] for _, cond in schedule]


def test_nothing_stays_after_a_failure(host: FakeForge) -> None:
    host.load("flux")
    host.webui().start()
    before = host.registered()
    engine = host.model.words_engine()

    def fail(*_: Any) -> None:
        raise RuntimeError("out of memory")

    handle = engine.layer.register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        host.condition("a <'cat'>")
    handle.remove()
    assert host.registered() == before
    with pytest.raises(EmbeddingMergeError):
        host.condition("a <'cat' +>")
    assert host.registered() == before


@pytest.mark.parametrize(
    ("rows", "width", "sees", "key"),
    [
        (32128, 4096, False, "t5xxl"),
        (256384, 4096, False, "umt5xxl"),
        (256000, 2304, False, "gemma2_2b"),
        (152064, 3584, True, "qwen25_7b"),
        (151936, 1024, False, "qwen3_06b"),
        (151936, 2560, False, "qwen3_4b"),
        (151936, 2560, True, "qwen3vl_4b"),
        (151936, 4096, False, "qwen3_8b"),
        (151936, 4096, True, "qwen3vl_8b"),
        (131072, 3072, False, "ministral3_3b"),
        (151936, 123, False, None),
        (123, 4096, False, None),
    ],
)
def test_an_encoder_is_known_by_its_table(forge: FakeForge, rows: int, width: int, sees: bool, key: str | None) -> None:
    forge.load("chroma")
    engine = forge.model.words_engine()
    engine.layer.num_embeddings, engine.layer.embedding_dim = rows, width
    if sees:
        engine.text_encoder.visual = object()
    assert [found.key for found in find_language_engines(forge.model)] == [key]


def test_a_processor_of_texts_and_pictures_is_asked_by_names(forge: FakeForge) -> None:
    forge.load("chroma")
    engine = forge.model.words_engine()
    tokenizer = engine.tokenizer

    class Processor:
        def __init__(self) -> None:
            self.tokenizer = tokenizer

        def __call__(self, images: Any = None, text: Any = None, **_: Any) -> Any:
            assert images is None
            assert len(text) == 1
            return tokenizer(text)

    engine.tokenizer = Processor()
    engine.tokenize = lambda texts: engine.tokenizer(images=None, text=texts)["input_ids"]
    plain = forge.condition("a house, on")
    forge.webui().start()
    assert same(forge.condition("a <'house'>, on"), plain)


def test_an_engine_that_cuts_the_last_letter_off(forge: FakeForge) -> None:
    forge.load("chroma")
    engine = forge.model.words_engine()
    engine.tokens_end = -1
    engine.tokenize = lambda texts: engine.tokenizer([text[:-1] for text in texts])["input_ids"]
    plain, plain_end = forge.condition("a house on"), forge.condition("a housex")
    forge.webui().start()
    assert same(forge.condition("a <'house'> on"), plain)
    assert same(forge.condition("a <'house'>"), plain_end)


def test_a_second_tokenizer_reads_words(forge: FakeForge) -> None:
    forge.load("chroma")
    engine = forge.model.words_engine()
    engine.qwen_tokenizer, engine.t5_tokenizer = engine.tokenizer, engine.tokenizer
    del engine.tokenizer
    seen = []

    def tokenize(texts: Any) -> Any:
        seen.append(engine.t5_tokenizer(texts)["input_ids"])
        return engine.qwen_tokenizer(texts)["input_ids"]

    engine.tokenize = tokenize
    plain = forge.condition("a house on")
    forge.webui().start()
    assert same(forge.condition("a <lerp('house', 'dog', 0)> on"), plain)
    assert seen[-1] == [SentenceTokenizer.ids("a house dog on")]
