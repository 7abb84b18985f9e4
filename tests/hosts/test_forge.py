"""Forge: the contract, and what is its own."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lib_embmerge.errors import EmbeddingMergeError, UnsupportedHost
from lib_embmerge.hosts import forge as adapter_module
from lib_embmerge.vectors.embedding import Embedding

from .contract import HostContract
from .fake_a1111 import same
from .fake_forge import FakeForge
from .page_contract import PageContract
from .pairs import pairs
from .symbols import unused_symbols


class TestForge(HostContract):
    @pytest.fixture
    def host(self, forge: FakeForge) -> FakeForge:
        return forge

    def register(self, host: Any, name: str, text: str) -> None:
        host.register(name, self.embedding(host, text))


class TestForgePage(PageContract):
    WITH_T5 = ("flux", "chroma")

    @pytest.fixture
    def host(self, forge: FakeForge) -> FakeForge:
        return forge

    def unload(self, host: FakeForge) -> None:
        host.unload()

    def can_load(self, host: FakeForge, kind: str) -> None:
        host.choose(kind, seed=3, name="chosen")

    def test_the_main_thread_keeps_no_model(self, host: FakeForge, page: Any) -> None:
        self.unload(host)
        self.can_load(host, "sd1")
        assert page.load_text_model() is not None
        assert host.modules.main_thread.finished_list == [None]


BOTH_ENGINES = pytest.mark.parametrize("kind", ["sdxl", "sd3"])
NEWER = pytest.mark.parametrize("kind", ["sd3", "flux"])
NAME = "embm0a0a0a0a0a"


# Registering


@BOTH_ENGINES
def test_every_engine_knows_a_placeholder_and_no_list_shows_it(forge: FakeForge, kind: str) -> None:
    forge.load(kind)
    forge.webui().start()
    seen = []

    def look() -> None:
        for engine in forge.engines():
            entries = [entry for found in engine.embeddings.ids_lookup.values() for _, entry in found]
            seen.append((len(entries), dict(engine.embeddings.word_embeddings)))

    forge.model.before_encoding = look
    forge.condition("a <'cat'> <'dog'> <'cat'>")
    assert seen == [(2, {}), (2, {})]


def test_vectors_are_handed_to_the_host_as_it_wants_them(forge: FakeForge) -> None:
    forge.load("sdxl")
    value = Embedding({"clip_l": forge.rows("red cat", "clip_l"), "clip_g": forge.rows("red cat", "clip_g")})
    with forge.adapter().placeholders(forge.model, {NAME: value}):
        for engine in forge.engines():
            ((_, entry),) = [pair for found in engine.embeddings.ids_lookup.values() for pair in found]
            assert (entry.name, entry.vectors, entry.shape) == (NAME, 2, 2048)
            assert {key: tuple(v.shape) for key, v in entry.vec.items()} == {"clip_l": (2, 768), "clip_g": (2, 1280)}


def test_while_pictures_are_made_in_inference_mode_the_vectors_are_plain_tensors(forge: FakeForge) -> None:
    forge.webui().start()
    seen: list[bool] = []

    def look() -> None:
        entries = [entry for found in forge.engines()[0].embeddings.ids_lookup.values() for _, entry in found]
        seen.extend(entry.vec.is_inference() for entry in entries)

    forge.model.before_encoding = look
    forge.generate("a <'cat' + 'dog'>")
    assert seen == [False]


# The infotext's "TI"


NAMES = {
    "by the host alone": ("a mystyle", "", ["mystyle"]),
    "by an expression": ("a <'mystyle' * 2>", "", ["mystyle"]),
    "by its name in other letters": ("a <emb('MyStyle')>", "", ["mystyle"]),
    "by an expression and the host": ("mystyle <'mystyle' * 2>", "", ["mystyle"]),
    "two by one expression": ("a <'mystyle' + 'mymood'>", "", ["mystyle", "mymood"]),
    "one each": ("a mymood <'mystyle'>", "", ["mymood", "mystyle"]),
    "literally": ("a <text('mystyle')>", "", None),
    "none": ("a <'cat'> <'dog'>", "<'rain'>", None),
}


@pytest.mark.parametrize(("prompt", "negative", "names"), NAMES.values(), ids=NAMES.keys())
def test_embeddings_that_were_read_stand_in_the_infotext(
    forge: FakeForge, prompt: str, negative: str, names: list[str] | None
) -> None:
    forge.save_embedding("mystyle", forge.rows("red house"))
    forge.save_embedding("mymood", forge.rows("sun rain"))
    forge.reload_embeddings()
    forge.webui().start()
    for _ in range(2):  # the second time from the host's cache
        noted = forge.generate(prompt, negative).extra_generation_params.get("TI")
        assert (noted and noted.split(", ")) == names


def test_the_host_s_own_doubled_names_stay(forge: FakeForge) -> None:
    forge.load("sdxl")
    forge.save_embedding("mystyle", {name: forge.rows("red", name) for name in forge.tables()})
    forge.reload_embeddings()
    forge.webui().start()
    assert forge.generate("mystyle <'cat'>").extra_generation_params["TI"] == "mystyle, mystyle"


def test_who_calls_the_model_itself_leaves_no_placeholder_in_the_next_infotext(forge: FakeForge) -> None:
    forge.webui().start()
    forge.model.get_learned_conditioning(["a <'cat'>"])
    assert forge.modules.classic_engine.last_extra_generation_params == {}


# The model


def test_before_the_first_picture_there_is_no_model(forge: FakeForge) -> None:
    forge.unload()
    forge.webui().start()
    assert forge.adapter().loaded_model() is None
    assert forge.count("a <'red cat'> on") == "4/75"  # the host's own guess, of blanks


@NEWER
def test_a_model_with_t5_is_of_the_newer_family(forge: FakeForge, kind: str) -> None:
    forge.load(kind)
    assert forge.adapter().text_model(forge.model).family.key == kind


def test_a_model_of_an_unknown_text_encoder_is_refused_with_a_sentence(forge: FakeForge) -> None:
    forge.load("chroma")
    forge.model.words_engine().layer.num_embeddings = 7
    forge.opts.embmerge_words = False
    forge.webui().start()
    for do in (forge.generate, forge.condition, lambda text: forge.adapter().loaded_text_model()):
        with pytest.raises(UnsupportedHost, match="no text encoder that embmerge can use"):
            do("a <'cat'>")
    assert "no text encoder that embmerge can use" in forge.count("a <'cat'>")
    assert forge.generate("a cat").c is not None


def test_weights_in_half_precision_that_become_full_are_the_same_model(forge: FakeForge) -> None:
    forge.tables()["clip_l"].half()
    forge.webui().start()
    first = forge.generate("a <'cat' - 'dog' + 'dog'>").c
    assert forge.tables()["clip_l"].weight.dtype == torch.float32
    parts = [[(part.weight, list(part.schedules)) for part in parts] for parts in first.batch]
    assert same(parts, forge.condition("a cat", steps=20))


def test_statistics_from_a_picture_serve_the_page(forge: FakeForge) -> None:
    forge.webui().start()
    forge.generate("a <normalize('cat')>")
    vocabulary = forge.adapter().loaded_text_model().encoders[0].vocabulary()
    assert not vocabulary.mean.is_inference()
    assert not vocabulary.norms.is_inference()


def test_a_file_is_one_embedding_however_many_engines_read_it(forge: FakeForge) -> None:
    forge.load("sdxl")
    forge.save_embedding("mystyle", {name: forge.rows("red", name) for name in forge.tables()})
    forge.save_embedding("other", forge.rows("red"))
    forge.reload_embeddings()
    model = forge.adapter().text_model(forge.model)
    assert [len(model.embeddings_named(name)) for name in ("MyStyle", "other", "none")] == [1, 1, 0]
    assert model.embedding_names() == ["mystyle"]
    assert len(model.embeddings_named("mystyle")[0].digest) == 64


@pytest.mark.parametrize("prompt", ["a <'mystyle'> cat", "a <emb('MyStyle')> cat", "a <'cat' * 0 + 'mystyle'> cat"])
def test_the_refiner_takes_sdxl_s_embeddings_as_the_host_does(forge: FakeForge, prompt: str) -> None:
    forge.load("sdxl")
    vectors = {name: forge.rows("red", name) for name in forge.tables()}
    forge.load("refiner")
    forge.save_embedding("mystyle", vectors)
    forge.reload_embeddings()
    forge.webui().start()
    assert same(forge.condition(prompt), forge.condition("a mystyle cat"))


def test_the_page_s_cards_are_read_anew_after_a_save(forge: FakeForge) -> None:
    forge.save_embedding("mine", forge.rows("red"), "sub")
    forge.adapter().refresh_embeddings()
    assert "mine" in forge.modules.cards.embedding_db.word_embeddings
    forge.unload()
    forge.adapter().refresh_embeddings()


# T5, which takes no embeddings


WORDS = {
    "a word": ("a <'cat'> on a mat", "a cat on a mat"),
    "before a sign": ("<'cat'>, (<'dog'>), <'red'>.", "cat, (dog), red."),
    "no blank around it": ("black<'cat'>red", "black cat red"),
    "what is taken away": ("<'cat' - 'adult' + 'child'> on", "cat child on"),
    "what is scaled by zero": ("<'cat' + 'dog' * 0> on", "cat on"),
    "an embedding's name": ("a <emb('mystyle') * 2>", "a mystyle"),
    "a token and a random vector": ("a <token(5)> <random(2, 3)> cat", "a cat"),
    "equal vectors, other words": ("<'cat'> <'cat' + 'dog' - 'dog'>", "cat cat dog"),
    "over a chunk": ("<repeat('cat', 160)> on", "cat on"),
    "attention": ("a (<'cat'>:1.3) [<'dog'>]", "a (cat:1.3) [dog]"),
    "brackets are text": ("<'a (b:1.3) [c]'> on", "a \\(b:1.3\\) \\[c\\] on"),
    "AND": ("<'cat'> AND <'dog'> :0.7", "cat AND dog :0.7"),
    "upper case stays": ("<'A Cat'>", "A Cat"),
}


BESIDE_TWO = ("a word", "an embedding's name", "over a chunk", "attention", "AND")
"""Texts for the other model, whose T5 stands beside two encoders with embeddings."""


@pytest.mark.parametrize(("kind", "what"), pairs(["flux", "sd3"], WORDS, BESIDE_TWO))
def test_an_encoder_without_embeddings_gets_the_words(forge: FakeForge, kind: str, what: str) -> None:
    prompt, plain = WORDS[what]
    forge.load(kind)
    forge.opts.sd3_enable_t5 = True
    forge.save_embedding("mystyle", forge.rows("red", "clip_l"))
    if kind == "sd3":
        forge.save_embedding("mystyle", {name: forge.rows("red", name) for name in forge.tables()})
    forge.reload_embeddings()
    forge.opts.embmerge_vectors = False
    expected = forge.words(plain)
    forge.webui().start()
    assert same(forge.words(prompt), expected)


@NEWER
@pytest.mark.parametrize("prompt", ["a <'cat'> on a mat", "<'A red cat'> AND <'dog'>"])
def test_plain_words_condition_all_encoders_as_if_typed(forge: FakeForge, kind: str, prompt: str) -> None:
    forge.load(kind)
    forge.opts.sd3_enable_t5 = True
    plain = forge.condition(re.sub(r"[<>']", "", prompt))
    forge.webui().start()
    assert same(forge.condition(prompt), plain)


@pytest.mark.parametrize("vectors", [True, False])
def test_who_calls_the_model_itself_gives_t5_the_same(forge: FakeForge, vectors: bool) -> None:
    forge.opts.embmerge_vectors = vectors
    forge.load("flux")
    plain = forge.model.get_learned_conditioning(["a (cat:1.2), red"])
    forge.webui().start()
    assert same(forge.model.get_learned_conditioning(["a (<'cat'>:1.2), <'red'>"]), plain)
    with pytest.raises(EmbeddingMergeError):
        forge.model.get_learned_conditioning(["a <'cat' +>"])


@NEWER
@pytest.mark.parametrize(
    ("prompt", "plain"), [("a <'red cat' - 'dog'>, on", "a red cat, on"), ("no expression", "no expression")]
)
def test_the_counter_of_t5_counts_words_or_vectors(forge: FakeForge, kind: str, prompt: str, plain: str) -> None:
    forge.load(kind)
    forge.webui().start()
    assert forge.count(prompt) == forge.count(plain)
    assert "can only be multiplied" in forge.count("a <'x' * 'y'> <'cat'>")


@NEWER
def test_brackets_in_words_are_counted_as_text(forge: FakeForge, kind: str) -> None:
    forge.opts.embmerge_vectors = False
    forge.load(kind)
    forge.webui().start()
    assert forge.count("a <'(cat)'>") == forge.count(r"a \(cat\)") != forge.count("a cat")


def test_a_warning_is_given_once_for_a_job(forge: FakeForge, capsys: pytest.CaptureFixture[str]) -> None:
    forge.opts.embmerge_vectors = False
    forge.load("flux")
    webui = forge.webui()
    webui.start()
    forge.scripts.append(SimpleNamespace(process=webui.begin_job))
    p = forge.generate("a <'cat'> AND <'dog'>", "<'rain'>")
    notice = "Of each expression this model's T5 or language model reads the words, not the vectors."
    assert list(p.comments) == [notice]
    assert capsys.readouterr().out == f"[embmerge] {notice}\n"
    assert p.extra_generation_params == {}
    assert forge.generate("a cat").comments == {}


@pytest.mark.parametrize("enabled", [True, False], ids=["in use", "switched off"])
def test_there_is_no_warning_of_a_t5_that_is_not_in_use(forge: FakeForge, enabled: bool) -> None:
    forge.opts.embmerge_vectors = False
    forge.load("sd3")
    webui = forge.webui()
    forge.opts.sd3_enable_t5 = enabled
    assert (webui.host.words_warning(forge.model) is not None) == enabled
    forge.load("sdxl")
    assert webui.host.words_warning(forge.model) is None


def test_a_setting_refuses_a_model_with_t5(forge: FakeForge) -> None:
    forge.load("flux")
    forge.webui().start()
    forge.generate("a <'cat'>")
    forge.opts.embmerge_vectors = forge.opts.embmerge_words = False
    for do in (forge.generate, forge.condition, lambda prompt: forge.model.get_learned_conditioning([prompt])):
        with pytest.raises(UnsupportedHost, match="switched off in the settings"):
            do("a <'cat'>")
    assert forge.generate("a cat").c is not None
    forge.load("sdxl")
    assert forge.generate("a <'cat'>").c is not None


# What the adapter says that it touches


def test_the_list_of_host_symbols_is_the_one_in_use() -> None:
    assert unused_symbols(adapter_module) == []
