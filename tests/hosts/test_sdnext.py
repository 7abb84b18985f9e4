"""SD.Next: the contract, and what is its own."""

from __future__ import annotations

import sys
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lib_embmerge.errors import EmbeddingMergeError, LimitExceeded, UnknownEmbedding, UnsupportedHost
from lib_embmerge.hosts.sdnext import adapter as adapter_module
from lib_embmerge.hosts.sdnext.borrowed_tokens import borrow_words, lent_rows
from lib_embmerge.hosts.sdnext.found_encoders import FoundEncoder
from lib_embmerge.hosts.webui.extension import WebUI

from .contract import ALL_ORDERS, COUNTS, HostContract
from .fake_a1111 import same
from .fake_sdnext import FakeSDNext
from .page_contract import PageContract
from .pairs import pairs
from .symbols import unused_symbols

COUNTED = {name: case for name, case in COUNTS.items() if not name.startswith("the longest")}
"""The host counts a prompt's tokens as they stand, those of editing and AND included."""


class TestSDNext(HostContract):
    ORDERS = ALL_ORDERS
    OPTIONAL = ("a job", "the first step of a job", "the Control tab", "reading the folder")
    COUNTED = COUNTED
    ENCODED_FOR_ONE_CHANGE = 2  # it keeps the two prompts of a job as a pair
    # The host has no conditioning functions of a list of prompts, and no key of a cache.
    test_the_host_s_list_is_copied_with_its_attributes = None
    test_any_list_of_prompts_will_do = None
    test_other_arguments_are_passed_on = None
    test_a_call_within_the_call_passes_through = None
    test_who_calls_the_model_itself_gets_the_vectors_too = None
    test_the_key_is_the_host_s_with_what_it_does_not_look_at = None
    # Its counter does not look at styles, and counts the whole prompt.
    test_the_counter_counts_expressions_in_styles = None
    test_the_counter_marks_a_mistake_where_the_host_has_no_setting_for_styles = None
    test_a_marked_count_is_still_the_largest = None
    # Below, as far as this host can: it takes an embedding by its name to the letter.
    test_a_name_is_noticed_however_it_is_spaced_and_quoted = None

    @pytest.fixture
    def host(self, sdnext: FakeSDNext) -> FakeSDNext:
        return sdnext

    def register(self, host: Any, name: str, text: str) -> None:
        host.register(name, self.embedding(host, text))

    def parts(self, learned: Any) -> Any:
        return learned

    def test_nothing_stays_registered_after_a_failure_of_the_host(self, host: Any, extension: WebUI) -> None:
        """The host goes on with the text then: with our words, whose vectors are still lent."""
        plain = host.generate("a cat").output
        before = host.registered()
        host.model.before_encoding = fail
        p = host.generate("a <'cat'>")
        assert p.embedder is None
        assert host.registered() == before
        assert "<" not in host.model.called_with[-1]["prompt"][0]
        assert torch.equal(p.output[0, :4], plain[0][:4])
        host.model.before_encoding = bool
        assert same(host.condition("a <'cat'>"), host.condition("a cat"))

    @pytest.mark.parametrize("folder", ["", "sub"], ids=["in the folder", "in a sub-folder"])
    @pytest.mark.parametrize("written", ["'mystyle'", "'text' - 'a, mystyle'", "emb('MyStyle')"])
    def test_a_changed_file_of_an_embedding_is_noticed(
        self, host: Any, extension: WebUI, folder: str, written: str
    ) -> None:
        prompt = f"a <{written}>"
        host.save_embedding("mystyle", host.rows("red house"), folder)
        host.reload_embeddings()
        first = host.generate(prompt)
        assert host.generate(prompt).c is first.c
        host.save_embedding("mystyle", host.rows("blue castle"), folder)
        second = host.generate(prompt).c
        assert not same(second, first.c)
        plain = prompt.replace("emb('MyStyle')", "'mystyle'").replace("mystyle", "blue castle")
        assert same(second, host.condition(plain, steps=20))


class TestSDNextPage(PageContract):
    COMMENTS = ("/* three\n*/",)
    CAN_KEEP_COMMENTS = False
    WITH_T5 = ("sd3", "flux", "qwen")

    @pytest.fixture
    def host(self, sdnext: FakeSDNext) -> FakeSDNext:
        return sdnext

    def test_only_the_first_comment_is_cut(self, page: Any) -> None:
        assert page.without_comments("a /* b */ c /* d */ e /* b */") == "a         c /* d */ e        "

    def unload(self, host: FakeSDNext) -> None:
        host.modules.modeldata.model_data.sd_model = None

    def can_load(self, host: FakeSDNext, kind: str) -> None:
        host.modules.sd_models.chosen = lambda: host.make(kind, seed=3, name="chosen")

    @pytest.mark.usefixtures("started")
    def test_a_file_saved_anew_is_noticed_by_the_next_picture_of_the_same_prompt(self, host: Any, page: Any) -> None:
        self.save(page, "'red house'", "mine", "sub")
        host.generate("a <'mine'>")
        (page.embeddings_folder / "sub" / "mine.safetensors").unlink()
        self.save(page, "'blue castle'", "mine", "sub")
        assert same(host.generate("a <'mine'>").c, host.condition("a blue castle", steps=20))
        assert same(host.generate("a mine").c, host.condition("a blue castle", steps=20))


def fail() -> None:
    raise RuntimeError("out of memory")


NEWER = pytest.mark.parametrize("kind", ["sd3", "flux"])


# Borrowed words


def encoders(sdnext: FakeSDNext) -> Any:
    return sdnext.adapter().text_model(sdnext.model).encoders


def test_words_are_borrowed_that_stand_nowhere_in_the_prompts(sdnext: FakeSDNext) -> None:
    sdnext.load("sdxl")
    rarest, *_ = borrow_words(3, encoders(sdnext), ["a cat"])
    others = borrow_words(3, encoders(sdnext), [f"a {rarest[0].upper()} cat"])
    assert rarest not in others
    assert [sdnext.modules.bpe.encode(word) for word, _ in others] == [[token] for _, token in others]
    assert borrow_words(3, encoders(sdnext), ["a cat"]) == [rarest, *others[:2]]


def test_no_word_is_borrowed_in_which_the_host_finds_an_embedding(sdnext: FakeSDNext) -> None:
    ((word, _),) = borrow_words(1, encoders(sdnext), [])
    sdnext.register(word[1:4], sdnext.rows("red"))
    assert all(word[1:4] not in other for other, _ in borrow_words(50, encoders(sdnext), []))


def test_where_no_words_are_left_it_is_said(sdnext: FakeSDNext) -> None:
    with pytest.raises(LimitExceeded, match="100000 vectors"):
        borrow_words(100_000, encoders(sdnext), [])


def test_a_row_is_lent_for_a_while_to_one_thread(sdnext: FakeSDNext) -> None:
    layer = sdnext.tables()["clip_l"]
    plain = layer(torch.tensor([[5, 6], [6, 7]]))
    with lent_rows(layer, {6: torch.ones(768), 9: torch.zeros(768)}):
        lent = layer(torch.tensor([[5, 6], [6, 7]]))
    assert torch.equal(lent[0, 1], torch.ones(768))
    assert torch.equal(lent[1, 0], torch.ones(768))
    assert torch.equal(lent[0, 0], plain[0, 0])
    assert torch.equal(layer(torch.tensor([[5, 6], [6, 7]])), plain)


def test_twenty_pictures_leave_tables_and_tokenizers_as_they_were(sdnext: FakeSDNext) -> None:
    sdnext.load("sdxl")
    sdnext.webui().start()
    before = sdnext.registered()
    for number in range(20):
        sdnext.generate(f"a <'cat' * {number} + 'dog'>", "<'rain'>")
    assert sdnext.registered() == before


@pytest.mark.parametrize(
    ("expression", "signs"),
    [("'red, old cat'", ","), ("'cat. dog; sun'", ".;"), ("'cat : dog'", ""), ("',' * 2, 'cat'", "")],
)
def test_signs_that_divide_a_long_prompt_stay_signs(sdnext: FakeSDNext, expression: str, signs: str) -> None:
    sdnext.webui().start()
    sdnext.generate(f"a <{expression}> mat")
    assert "".join(sign for sign in sdnext.texts_encoded()[-1] if sign in ",.;:") == signs


def test_a_prompt_of_the_borrowed_words_is_its_own(sdnext: FakeSDNext) -> None:
    sdnext.webui().start()
    sdnext.generate("a <'cat'>")
    text = sdnext.texts_encoded()[-1]
    assert same(sdnext.generate(text).c[0][0], sdnext.condition(f"{text} ", steps=20)[0][0])
    assert not same(sdnext.generate(text).c, sdnext.generate("a <'cat'>").c)


# The cache of encoded prompts


def test_the_host_s_own_cache_is_left_alone(sdnext: FakeSDNext) -> None:
    sdnext.webui().start()
    sdnext.generate("a cat")
    kept = OrderedDict(sdnext.modules.prompt_parser_diffusers.cache)
    assert list(kept) != []
    sdnext.generate("a <'cat'>")
    assert sdnext.modules.prompt_parser_diffusers.cache == kept


def test_another_parser_of_attention_encodes_anew(sdnext: FakeSDNext) -> None:
    sdnext.webui().start()
    first = sdnext.generate("a <'cat'>").c
    assert sdnext.generate("a <'cat'>", prompt_attention="xhinker").c is not first
    sdnext.opts.prompt_attention = "compel"
    assert sdnext.generate("a <'cat'>").c is not first


# The passes


@pytest.mark.parametrize("kind", ["sd1", "sdxl"])
def test_every_pass_gets_its_own_prompt(sdnext: FakeSDNext, kind: str) -> None:
    sdnext.load(kind)
    sdnext.webui().start()
    more = {"enable_hr": True, "refiner_prompt": "<'red sun'>"}
    sdnext.generate("a <'cat'>", **more)
    sdnext.generate("a cat", **(more | {"refiner_prompt": "red sun"}))
    base, hires, plain_base, plain_hires = sdnext.model.placed
    assert same([base, hires], [plain_base, plain_hires])


def test_the_refiner_gets_text_and_our_vectors(sdnext: FakeSDNext) -> None:
    refiner = sdnext.make("refiner", seed=4)
    sdnext.load("sdxl")
    sdnext.modules.modeldata.model_data.sd_refiner = refiner
    sdnext.webui().start()
    merged, plain = (sdnext.generate(text, refiner_start=0.5).output for text in ("a <'red cat'> on", "a red cat on"))
    assert torch.equal(merged, plain)
    assert [len(layer._forward_hooks) for layer in sdnext.tables().values()] == [0, 0]
    assert "<" not in refiner.called_with[0]["prompt"]


@pytest.mark.parametrize("prompt_attention", ["native", "xhinker", "fixed"])
def test_with_every_parser(sdnext: FakeSDNext, prompt_attention: str) -> None:
    sdnext.webui().start()
    merged = sdnext.generate("a <'red cat'> on", prompt_attention=prompt_attention)
    assert same(merged.output, sdnext.generate("a red cat on", prompt_attention=prompt_attention).output)


def test_a_prompt_that_a_script_gives_to_the_pipeline(sdnext: FakeSDNext) -> None:
    sdnext.webui().start()
    merged = sdnext.generate("x", task_args={"prompt": ["a <'red cat'> on"]})
    assert same(merged.output, sdnext.generate("x", task_args={"prompt": ["a red cat on"]}).output)


@pytest.mark.parametrize("mistake", ["<'cat' +>", "<emb('nothing')>"])
def test_a_mistake_stops_the_job_though_the_host_swallows_its_own(sdnext: FakeSDNext, mistake: str) -> None:
    sdnext.webui().start()
    for more in ({}, {"prompt_attention": "fixed"}, {"enable_hr": True, "refiner_prompt": mistake}):
        with pytest.raises(EmbeddingMergeError):
            sdnext.generate("a cat" if "enable_hr" in more else f"a {mistake}", **more)
    with pytest.raises(UnknownEmbedding):
        sdnext.generate("a cat", "<emb('nothing')>")


# Braces


BRACES = {
    "alone": ("a {'cat'} on", "a cat on"),
    "arithmetic": ("a {'cat' - 'dog' + 'dog'} on", "a cat on"),
    "cut": ("a {'red cat':1}", "a red"),
    "one of a choice": ("a {<'cat'>:3|dog}", "a cat"),
    "the other one": ("a {{'cat'}|dog:3}", "a dog"),
    "braces in an expression's text": ("a <'cat', '{x|big}' * 0 - '{x|big}' * 0, 'dog'>", None),
}


@pytest.mark.parametrize(("prompt", "plain"), BRACES.values(), ids=BRACES.keys())
def test_the_host_s_choices_leave_expressions_whole(sdnext: FakeSDNext, prompt: str, plain: str | None) -> None:
    sdnext.webui().start()
    p = sdnext.generate(prompt)
    if plain is None:
        assert p.all_prompts == [prompt]
    else:
        assert same(p.c, sdnext.condition(plain, steps=20))


def test_a_broken_expression_in_braces_is_the_host_s_first(sdnext: FakeSDNext) -> None:
    sdnext.webui().start()
    with pytest.raises(EmbeddingMergeError):
        sdnext.generate("a {'cat")


# The infotext


NAMES = {
    "by the host alone": ("a mystyle", ["mystyle"]),
    "by an expression": ("a <'mystyle' * 2>", ["mystyle"]),
    "two by one expression": ("a <'mystyle' + 'mymood'>", ["mymood", "mystyle"]),
    "literally": ("a <text('mystyle')>", []),
    "none": ("a <'cat'> <'dog'>", []),
}


@pytest.mark.parametrize(("prompt", "names"), NAMES.values(), ids=NAMES.keys())
def test_embeddings_that_were_read_stand_in_the_infotext(sdnext: FakeSDNext, prompt: str, names: list[str]) -> None:
    sdnext.save_embedding("mystyle", sdnext.rows("red house"))
    sdnext.save_embedding("mymood", sdnext.rows("sun rain"))
    sdnext.reload_embeddings()
    sdnext.webui().start()
    for _ in range(2):  # the second time from the host's cache
        noted = sdnext.generate(prompt, prompt).extra_generation_params.get("Embeddings", "")
        assert sorted(filter(None, noted.split(", "))) == names
    assert sdnext.generate("a dog", "a dog").extra_generation_params == {}


def test_the_prompt_is_never_rewritten(sdnext: FakeSDNext) -> None:
    webui = sdnext.webui()
    webui.start()
    sdnext.scripts.append(SimpleNamespace(process=webui.begin_job))
    sdnext.modules.shared.prompt_styles.styles = {"s": ("{prompt} on <'mat'>", "<'rain'>")}
    p = sdnext.generate("a <'cat'>", "<'sun'>", styles=["s"])
    assert p.prompts == p.all_prompts == ["a <'cat'> on <'mat'>"]
    assert p.negative_prompts == ["<'sun'>, <'rain'>"]
    assert p.extra_generation_params == p.comments == {}
    assert same(p.c, sdnext.condition("a cat on mat", steps=20))


# The model


KINDS_AND_PARSERS = [
    ("flux", "native"), ("flux", "fixed"), ("sd3", "native"), ("sd3", "xhinker"), ("hidream", "native"),
    ("qwen", "native"),
]  # fmt: skip
WITH_T5 = pytest.mark.parametrize(("kind", "parser"), KINDS_AND_PARSERS)

TEXTS = {
    "a word": ("<'cat'>", "cat"),
    "a word of many tokens": ("a <'house'> on", "a house on"),
    "among signs": ("<'sun'>, <'dog'>, <'red'>.", "sun, dog, red."),
    "behind a line's end": ("a\n<'sun'> on", "a\nsun on"),
    "two in a row": ("<'cat'> <'dog'>", "cat dog"),
    "a weight, which T5 reads as signs": ("(<'cat'>:1.3), red", "(cat:1.3), red"),
    "in brackets": ("a [<'cat'>] on", "a [cat] on"),
    "no effect": ("a <lerp('house', 'house', 0.5)> on", "a house on"),
    "a poster's text": ("a poster says <\"red sun\">", "a poster says red sun"),
    "JSON": ('{"a": "b"} <\'cat\'>', '{"a": "b"} cat'),
    "over the end": ("<repeat('house', 12)> on", " ".join(["house"] * 12) + " on"),
    "beside a typed name": ("<'cat'> embm0a0a0a0a0a <'cat'>", "cat embm0a0a0a0a0a cat"),
}


@NEWER
def test_a_model_with_t5_is_of_the_newer_family(sdnext: FakeSDNext, kind: str) -> None:
    sdnext.load(kind)
    model = sdnext.adapter().text_model(sdnext.model)
    assert model.family.key == kind
    assert model.encoders[-1].name == "t5xxl"
    assert sdnext.adapter().words_warning(sdnext.model) is None
    sdnext.opts.embmerge_vectors = False
    assert "T5" in sdnext.adapter().words_warning(sdnext.model)
    sdnext.load("sdxl")
    assert sdnext.adapter().words_warning(sdnext.model) is None


OF_EVERY_PARSER = (
    "a word of many tokens", "among signs", "two in a row", "a weight, which T5 reads as signs", "beside a typed name",
)  # fmt: skip
"""Texts that parsers take apart, and those whose words meet; how an expression is read in the others asks no parser."""


@pytest.mark.parametrize("setting", ["vectors", "words"])
@pytest.mark.parametrize(("kind_and_parser", "what"), pairs(KINDS_AND_PARSERS, TEXTS, OF_EVERY_PARSER))
def test_t5_reads_an_expression_as_its_words(
    sdnext: FakeSDNext, kind_and_parser: tuple[str, str], setting: str, what: str
) -> None:
    (kind, parser), (prompt, plain) = kind_and_parser, TEXTS[what]
    if setting == "words" and ("lerp" in prompt or "repeat" in prompt):
        pytest.skip("the words of an expression are all of its texts")
    sdnext.load(kind)
    sdnext.opts.embmerge_vectors = setting == "vectors"
    sdnext.webui().start()
    before = sdnext.registered()
    merged = sdnext.generate(prompt, prompt_attention=parser).output
    assert sdnext.registered() == before
    assert torch.equal(merged, sdnext.generate(plain, prompt_attention=parser).output)


@WITH_T5
def test_t5_gets_the_vectors(sdnext: FakeSDNext, kind: str, parser: str) -> None:
    sdnext.load(kind)
    sdnext.webui().start()
    half, house, dog = (
        sdnext.generate(text, prompt_attention=parser).output
        for text in ("a <lerp('cat', 'cat' * 0, 0.5)> on", "a cat on", "a <'cat' * 0> on")
    )
    assert torch.allclose(half, (house + dog) / 2, atol=1e-3)
    assert not torch.equal(half, house)


def test_a_setting_gives_t5_the_words_or_refuses_it(sdnext: FakeSDNext) -> None:
    sdnext.load("flux")
    sdnext.webui().start()
    (t5, _) = sdnext.model.t5_part()
    sdnext.opts.embmerge_vectors = False
    first = sdnext.condition("a <'red cat' - 'dog'>, on")[0][0][1]
    assert torch.equal(first, sdnext.condition("a red cat, on")[0][0][1])
    assert any("zq" in text for text in t5.texts)  # its tokenizer puts the words in the places of ours
    sdnext.opts.embmerge_words = False
    with pytest.raises(UnsupportedHost, match="switched off in the settings"):
        sdnext.generate("a <'cat'>")
    sdnext.opts.embmerge_vectors = True
    assert not torch.equal(sdnext.condition("a <'red cat' - 'dog'>, on")[0][0][1], first)
    sdnext.opts.embmerge_vectors = False
    sdnext.load("sdxl")
    assert sdnext.generate("a <'cat'>").c is not None


@pytest.mark.parametrize(("kind", "parser"), [("qwen", "native"), ("flux", "fixed")])
def test_what_a_pipeline_has_encoded_is_kept_apart(sdnext: FakeSDNext, kind: str, parser: str) -> None:
    """The host keeps it by the prompt alone, which says neither what a placeholder is nor how it is read."""
    sdnext.load(kind)
    sdnext.webui().start()

    def rows(prompt: str) -> Any:
        return sdnext.generate(prompt, prompt_attention=parser).output

    lerp = "a <lerp('cat', 'dog', 0)> on"
    first, plain = rows(lerp), rows("a cat on")
    sdnext.opts.embmerge_vectors = False
    assert same(rows(lerp), rows("a cat dog on")) is (kind == "qwen")  # CLIP's are vectors all the same
    assert not same(rows(lerp), first)
    sdnext.opts.embmerge_vectors = True
    assert same(rows(lerp), first)
    kept = sys.modules["modules.sd_hijack_te"].prompt_cache.cache
    assert list(kept) == ["a cat on", "a cat dog on"]
    assert same(kept["a cat on"], plain)


def test_twenty_pictures_with_t5_leave_nothing_behind(sdnext: FakeSDNext) -> None:
    sdnext.load("flux")
    sdnext.webui().start()
    before = sdnext.registered()
    for number in range(20):
        sdnext.generate(f"a <'cat' * {number} + 'dog'>", "<'rain'>")
    sdnext.model.before_encoding = fail
    sdnext.generate("a <'cat'>")
    assert sdnext.registered() == before


def test_a_tokenizer_of_another_table_reads_words(sdnext: FakeSDNext) -> None:
    """As Anima's: beside a language model's own tokenizer T5's, whose ids go to an adapter."""
    sdnext.load("qwen")
    sdnext.webui().start()
    beside = type("Other", (type(sdnext.model.tokenizer),), {"get_vocab": lambda self: {"b": 1}})()
    sdnext.model.t5_tokenizer = beside
    seen = []
    original = type(sdnext.model).__call__

    def call(pipe: Any, **arguments: Any) -> Any:
        seen.append(beside(arguments["prompt"])["input_ids"])
        return original(pipe, **arguments)

    type(sdnext.model).__call__ = call  # type: ignore[method-assign]
    try:
        sdnext.generate("a <'cat' - 'dog'> on")
    finally:
        type(sdnext.model).__call__ = original  # type: ignore[method-assign]
    assert seen == [beside(["a cat on"])["input_ids"]]


def test_the_counter_counts_in_the_first_encoder(sdnext: FakeSDNext) -> None:
    sdnext.load("qwen")
    sdnext.webui().start()
    update = sdnext.modules.ui_common.update_token_counter
    for setting, plain in ((True, "a b a a a a a b"), (False, "a house b")):
        sdnext.opts.embmerge_vectors = setting
        assert update("a <'house'> b") == update(plain)
    assert update("a <'(house)'>") == update("a (house)") != update("a house")


def test_a_file_for_t5_is_found_by_its_name(sdnext: FakeSDNext) -> None:
    sdnext.load("qwen")
    sdnext.webui().start()
    rows = sdnext.model.t5_part()[0].shared(torch.tensor(sdnext.model.tokenizer.ids("house"))).float()
    sdnext.save_embedding("mystyle", {"t5xxl": rows})
    sdnext.reload_embeddings()
    sdnext.adapter().folder.refresh()
    assert torch.equal(sdnext.generate("a <emb('mystyle')> on").output, sdnext.generate("a house on").output)


def test_what_has_no_table_of_vectors_reads_words(sdnext: FakeSDNext) -> None:
    sdnext.load("odd")
    sdnext.webui().start()
    assert torch.equal(sdnext.generate("a <'cat' + 'dog'> on").output, sdnext.generate("a cat dog on").output)
    update = sdnext.modules.ui_common.update_token_counter
    assert update("a <'cat' + 'dog'>") == update("a cat dog")
    assert update("a <'(cat)'>") == update("a (cat)") != update("a cat")


def test_what_cannot_be_is_said(sdnext: FakeSDNext) -> None:
    sdnext.load("odd")
    sdnext.opts.embmerge_words = False
    sdnext.webui().start()
    with pytest.raises(UnsupportedHost, match="no text encoder that embmerge can use"):
        sdnext.generate("a <'cat'>")
    sdnext.generate("a cat")
    shown = sdnext.modules.ui_common.update_token_counter("a <'cat'>")["value"]
    assert "no text encoder that embmerge can use" in shown


@pytest.mark.parametrize(
    ("spelled", "start", "is_clip"), [(49406, 49406, True), (None, None, False), (2, None, False), (3, 2, False)]
)
def test_clip_is_known_by_its_start_token(spelled: int | None, start: int | None, is_clip: bool) -> None:
    """Not by its width: Qwen 3 0.6B, Anima's encoder, is as wide as CLIP-H, and has no start token."""
    known = {"get_vocab": dict, "convert_tokens_to_ids": lambda token: spelled, "bos_token_id": start}
    model = torch.nn.Module()
    model.get_input_embeddings = lambda: torch.nn.Embedding(8, 1024)
    assert FoundEncoder(model, SimpleNamespace(**known)).is_clip is is_clip


def test_a_pipeline_inside_a_model_is_found(sdnext: FakeSDNext) -> None:
    outer = SimpleNamespace(pipe=sdnext.model)
    assert [e.name for e in sdnext.adapter().text_model(outer).encoders] == ["clip_l"]


def test_before_a_model_is_loaded_the_counter_is_the_host_s(sdnext: FakeSDNext) -> None:
    sdnext.modules.modeldata.model_data.sd_model = None
    sdnext.webui().start()
    assert sdnext.count("a <'cat'>") == "0/0"


def test_rows_of_embeddings_are_no_part_of_the_vocabulary(sdnext: FakeSDNext) -> None:
    before = encoders(sdnext)[0].size
    sdnext.save_embedding("mystyle", sdnext.rows("red house"))
    sdnext.reload_embeddings()
    assert len(sdnext.tables()["clip_l"].weight) == before + 2
    assert encoders(sdnext)[0].size == before
    assert encoders(sdnext)[0].vocabulary().size == before


class QuantizedEmbedding(torch.nn.Embedding):
    """Keeps a table in whole numbers, packed into one row, with one scale."""

    def __init__(self, table: torch.nn.Embedding) -> None:
        super().__init__(*table.weight.shape)
        packed = (table.weight.detach() * 256).to(torch.int16)
        self.weight = torch.nn.Parameter(packed.reshape(-1), requires_grad=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.weight.reshape(-1, self.embedding_dim)[ids] / 256


def test_a_quantized_table_is_read_as_the_host_reads_it(sdnext: FakeSDNext) -> None:
    before = encoders(sdnext)[0]
    rows, mean = before.rows([5, 6]), before.vocabulary().mean_norm
    sdnext.model.text_encoder.token_embedding = QuantizedEmbedding(sdnext.tables()["clip_l"])
    (encoder,) = encoders(sdnext)
    assert torch.equal(encoder.rows([5, 6]), rows)
    assert (encoder.size, encoder.width) == (before.size, 768)
    assert encoder.vocabulary().mean_norm == mean
    sdnext.webui().start()
    assert same(sdnext.condition("a <'cat'>"), sdnext.condition("a cat"))


def test_a_table_that_is_brought_for_each_call_is_read_by_calling_it(sdnext: FakeSDNext) -> None:
    """As accelerate does: the weights are nowhere, and a hook in the place of `forward` brings them."""
    layer = sdnext.tables()["clip_l"]
    rows, weight = encoders(sdnext)[0].rows([5, 6]), layer.weight.detach().clone()
    layer.to("meta")
    layer._hf_hook, layer.forward = object(), lambda ids: weight[ids]
    (encoder,) = encoders(sdnext)
    assert torch.equal(encoder.rows([5, 6]), rows)
    assert encoder.vocabulary().mean_norm > 0
    sdnext.webui().start()
    assert same(sdnext.condition("a <'cat'>"), sdnext.condition("a cat"))


def test_a_file_that_the_host_could_not_read_is_no_embedding(sdnext: FakeSDNext) -> None:
    sdnext.model.embedding_db.skipped_embeddings["broken"] = []
    assert sdnext.adapter().text_model(sdnext.model).embeddings_named("broken") == []


# What the adapter says that it touches


def test_the_list_of_host_symbols_is_the_one_in_use() -> None:
    assert unused_symbols(adapter_module) == []
