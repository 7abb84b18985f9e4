"""Forge Neo, with Forge's text engines and with renamed ones: the contract, and what is its own."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from lib_embmerge.errors import EmbeddingMergeError, SyntaxProblem, UnsupportedHost
from lib_embmerge.hosts import forge_neo as adapter_module
from lib_embmerge.placeholders import put_words

from .contract import HostContract
from .fake_a1111 import same
from .fake_neo import FakeNeo, FakeNewestNeo
from .page_contract import PageContract
from .pairs import pairs
from .symbols import unused_symbols


class NeoContract(HostContract):
    def register(self, host: Any, name: str, text: str) -> None:
        host.register(name, self.embedding(host, text))

    def test_other_arguments_are_passed_on(self, host: Any) -> None:
        """As everywhere, but this host has no old scheduling, and gives its arguments by position."""
        parser = host.modules.prompt_parser
        seen = self.recorded(host)
        host.webui().start()
        parser.get_learned_conditioning(host.model, ["<'cat'>"], 10, None)
        parser.get_learned_conditioning(model=host.model, prompts=["<'cat'>"], steps=10)
        parser.get_learned_conditioning(host.model, ["cat"], 10, 4)
        assert [(len(args), args[2:], kwargs) for args, kwargs in seen] == [
            (4, (10, None), {}),
            (2, (), {"steps": 10}),
            (4, (10, 4), {}),
        ]


class TestOlderNeo(NeoContract):
    OPTIONAL = (*HostContract.OPTIONAL, "tokenizing words")  # then the call itself is wrapped

    @pytest.fixture
    def host(self, older_neo: FakeNeo) -> FakeNeo:
        return older_neo


class TestNewestNeo(NeoContract):
    @pytest.fixture
    def host(self, newest_neo: FakeNewestNeo) -> FakeNewestNeo:
        return newest_neo


class TestNeoPage(PageContract):
    COMMENTS = ("# one", "# two <'a", "/* three\n*/", "// five", "# four")
    WITH_T5 = ("flux", "chroma")

    @pytest.fixture
    def host(self, neo: FakeNeo) -> FakeNeo:
        return neo

    def unload(self, host: FakeNeo) -> None:
        host.unload()

    def can_load(self, host: FakeNeo, kind: str) -> None:
        host.choose(kind, seed=3, name="chosen")


# The infotext's "TI"


@pytest.mark.parametrize(
    ("prompt", "names"),
    [("a mystyle", "mystyle"), ("a <'mystyle' * 2>", "mystyle"), ("a <'cat'> <'dog'>", None), ("(<'cat'>:1.2)", None)],
)
def test_embeddings_that_were_read_stand_in_the_infotext(neo: FakeNeo, prompt: str, names: str | None) -> None:
    neo.save_embedding("mystyle", neo.rows("red house"))
    neo.reload_embeddings()
    neo.webui().start()
    for _ in range(2):  # the second time from the host's cache
        assert neo.generate(prompt).extra_generation_params.get("TI") == names


def test_weights_are_noted_as_ever(neo: FakeNeo) -> None:
    neo.webui().start()
    assert neo.generate("(<'cat'>:1.2)").extra_generation_params == {"Emphasis": "Original"}


def test_who_calls_the_model_itself_leaves_no_placeholder_in_the_next_infotext(neo: FakeNeo) -> None:
    neo.webui().start()
    neo.model.get_learned_conditioning(["a <'cat'>"])
    assert neo.parameters == {}


# Comments, which it cuts


@pytest.mark.parametrize("comment", ["# a note", "// a note", "/* a note"])
def test_a_comment_inside_an_expression_is_named_as_the_cause(neo: FakeNeo, comment: str) -> None:
    neo.webui().start()
    if comment.startswith("/*"):  # one that nothing closes stays in the text
        with pytest.raises(EmbeddingMergeError):
            neo.generate(f"a <'cat' {comment} + 'dog'>")
        return
    with pytest.raises(EmbeddingMergeError, match=f"What stands behind {re.escape(comment.split()[0])} is a comment"):
        neo.generate(f"a <'cat' {comment} + 'dog'>")


@pytest.mark.parametrize("comment", ["// the animal\n", "# the animal\n", "/* the\nanimal */"])
def test_a_comment_that_ends_inside_an_expression_is_no_trouble(neo: FakeNeo, comment: str) -> None:
    neo.webui().start()
    made = neo.generate(f"a <'cat' {comment} + 'dog' - 'dog'>").c
    parts = [[(part.weight, list(part.schedules)) for part in parts] for parts in made.batch]
    assert same(parts, neo.condition("a cat", steps=20))


def test_the_counter_does_not_read_comments(neo: FakeNeo) -> None:
    neo.webui().start()
    assert neo.count("a <'cat' // the animal\n + 'dog' /* <' */> # on <'a mat") == neo.count("a <'cat' + 'dog'>")


# Models without CLIP, and T5


def test_a_model_of_an_unknown_text_encoder_reads_words(neo: FakeNeo) -> None:
    neo.load("chroma")
    neo.model.words_engine().layer.num_embeddings = 7
    webui = neo.webui()
    webui.start()
    for prompt, plain in WORDS.values():
        assert same(neo.condition(prompt.replace("emb('mystyle')", "'mystyle'")), neo.condition(plain)), prompt
    made = neo.generate("a <'cat' + 'dog'> on")
    parts = [[(part.weight, list(part.schedules)) for part in parts] for parts in made.c.batch]
    assert same(parts, neo.condition("a cat dog on", steps=20))
    assert neo.count("a <'cat' + 'dog'>") == neo.count("a cat dog")
    (said,) = webui.find_warnings(made)
    assert said.endswith("it reads the words of an expression, not its vectors.")
    with pytest.raises(SyntaxProblem):
        neo.generate("a <'cat' +>")


def test_a_model_of_an_unknown_text_encoder_is_refused_where_words_are_off(neo: FakeNeo) -> None:
    neo.load("chroma")
    neo.model.words_engine().layer.num_embeddings = 7
    neo.opts.embmerge_words = False
    neo.webui().start()
    for do in (neo.generate, neo.condition, lambda text: neo.adapter().loaded_text_model()):
        with pytest.raises(UnsupportedHost, match="no text encoder that embmerge can use"):
            do("a <'cat'>")
    assert "no text encoder that embmerge can use" in neo.count("a <'cat'>")
    assert neo.generate("a cat").c is not None


def test_a_model_with_t5_is_flux(neo: FakeNeo) -> None:
    neo.load("flux")
    assert neo.adapter().text_model(neo.model).family.key == "flux"


WORDS = {
    "a word": ("a <'cat'> on a mat", "a cat on a mat"),
    "before a sign": ("<'cat'>, (<'dog'>), <'red'>.", "cat, (dog), red."),
    "no blank around it": ("black<'cat'>red", "black cat red"),
    "what is taken away": ("<'cat' - 'adult' + 'child'> on", "cat child on"),
    "an embedding's name": ("a <emb('mystyle') * 2>", "a mystyle"),
    "over a chunk": ("<repeat('cat', 160)> on", "cat on"),
    "attention": ("a (<'cat'>:1.3) (<'dog'>)", "a (cat:1.3) (dog)"),
    "square brackets": ("a [<'dog'>] cat", "a [dog] cat"),
    "parentheses are text": ("<'a (b:1.3)'> (on)", "a \\(b:1.3\\) (on)"),
    "AND": ("<'cat'> AND <'dog'> :0.7", "cat AND dog :0.7"),
    "no expression": ("a (cat:1.3)", "a (cat:1.3)"),
}


WITH_WEIGHTS = ("before a sign", "attention", "square brackets", "parentheses are text", "no expression")
"""What is read otherwise where emphasis is off."""


@pytest.mark.parametrize(("emphasis", "what"), pairs(["Original", "None"], WORDS, WITH_WEIGHTS))
def test_an_encoder_without_embeddings_gets_the_words(neo: FakeNeo, emphasis: str, what: str) -> None:
    prompt, plain = WORDS[what]
    neo.load("flux")
    neo.opts.emphasis = emphasis
    neo.save_embedding("mystyle", neo.rows("red", "clip_l"))
    neo.reload_embeddings()
    neo.opts.embmerge_vectors = False
    expected = neo.words(plain)
    neo.webui().start()
    assert same(neo.words(prompt), expected)


def test_words_stand_in_brackets_as_if_typed() -> None:
    """The newest T5 reads brackets of editing and of attention as text, and a blank behind one as another token."""
    words = {"embm0a0a0a0a0a": "cat"}
    spliced = "a ( embm0a0a0a0a0a :1.3) on [ embm0a0a0a0a0a ], embm0a0a0a0a0a ."
    assert put_words(spliced, words) == "a (cat:1.3) on [cat], cat."


@pytest.mark.parametrize("vectors", [True, False])
def test_who_calls_the_model_itself_gives_t5_the_same(neo: FakeNeo, vectors: bool) -> None:
    neo.opts.embmerge_vectors = vectors
    neo.load("flux")
    plain = neo.model.get_learned_conditioning(["a (cat:1.2), red", "dog"])
    neo.webui().start()
    assert same(neo.model.get_learned_conditioning(["a (<'cat'>:1.2), <'red'>", "dog"]), plain)
    with pytest.raises(EmbeddingMergeError):
        neo.model.get_learned_conditioning(["a <'cat' +>"])


@pytest.mark.parametrize("prompt", ["a <'red cat' - 'dog'>, on", "no expression"])
def test_the_counter_of_t5_counts_words_or_vectors(neo: FakeNeo, prompt: str) -> None:
    neo.load("flux")
    neo.webui().start()
    assert neo.count(prompt) == neo.count(prompt.replace("<'red cat' - 'dog'>", "red cat"))
    assert "can only be multiplied" in neo.count("a <'x' * 'y'> <'cat'>")


def test_a_warning_is_given_once_for_a_job(neo: FakeNeo) -> None:
    neo.opts.embmerge_vectors = False
    neo.load("flux")
    webui = neo.webui()
    webui.start()
    neo.scripts.append(SimpleNamespace(process=webui.begin_job))
    notice = "Of each expression this model's T5 or language model reads the words, not the vectors."
    assert list(neo.generate("a <'cat'> AND <'dog'>", "<'rain'>").comments) == [notice]


def test_a_setting_refuses_a_model_with_t5(neo: FakeNeo) -> None:
    neo.load("flux")
    neo.webui().start()
    neo.opts.embmerge_vectors = neo.opts.embmerge_words = False
    for do in (neo.generate, neo.condition, lambda prompt: neo.model.get_learned_conditioning([prompt])):
        with pytest.raises(UnsupportedHost, match="switched off in the settings"):
            do("a <'cat'>")


# What the adapter says that it touches


def test_the_list_of_host_symbols_is_the_one_in_use() -> None:
    assert unused_symbols(adapter_module) == []
