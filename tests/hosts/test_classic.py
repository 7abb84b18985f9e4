"""Forge Classic, which reForge's adapter takes: the contract, and what is its own."""

from __future__ import annotations

import pytest

from lib_embmerge.errors import EmbeddingMergeError, SyntaxProblem
from lib_embmerge.hosts.detect import detect_host
from lib_embmerge.hosts.reforge import ReForge

from .contract import HostContract
from .fake_a1111 import make_model, same
from .fake_classic import FakeClassic
from .page_contract import PageContract
from .test_a1111 import register


class TestClassic(HostContract):
    @pytest.fixture
    def host(self, classic: FakeClassic) -> FakeClassic:
        return classic

    def register(self, host: FakeClassic, name: str, text: str) -> None:
        register(host, name, self.embedding(host, text))


class TestClassicPage(PageContract):
    @pytest.fixture
    def host(self, classic: FakeClassic) -> FakeClassic:
        return classic

    def unload(self, host: FakeClassic) -> None:
        host.modules.sd_models.model_data.sd_model = host.modules.shared.sd_model = None

    def can_load(self, host: FakeClassic, kind: str) -> None:
        host.modules.sd_models.chosen = lambda: make_model(kind, 3, host.checkpoints_folder / "chosen.safetensors")

    def test_a_model_is_loaded_in_the_main_thread(self, host: FakeClassic) -> None:
        self.unload(host)
        self.can_load(host, "sd1")
        host.adapter().load_text_model()
        assert host.modules.sd_models.loading_threads[-1] == "the main thread"


def test_it_is_taken_by_what_it_offers(classic: FakeClassic) -> None:
    assert not hasattr(classic.modules.sd_hijack_clip, "TextConditionalModel")
    assert not hasattr(classic.modules.sd_models, "complete_model_teardown")
    assert type(detect_host()) is ReForge


def test_a_mistake_reaches_the_page(classic: FakeClassic) -> None:
    classic.webui().start()
    with pytest.raises(SyntaxProblem, match="a quoted text"):
        classic.in_page(classic.generate, "a <'cat' + >")
    made = classic.in_page(classic.generate, "a <'cat'>")
    parts = [[(part.weight, list(part.schedules)) for part in parts] for parts in made.c.batch]
    assert same(parts, classic.condition("a cat", steps=20))


def test_while_the_host_changes_its_model_there_is_none(classic: FakeClassic) -> None:
    classic.webui().start()
    adapter = classic.adapter()
    seen = []
    classic.modules.sd_models.while_loading = lambda: seen.append(
        (adapter.loaded_text_model(), classic.count("a <'cat'>"))
    )
    classic.load("sdxl")
    assert seen == [(None, "?/?")] * 2
    assert adapter.loaded_text_model() is not None


def test_a_change_of_model_reads_the_embeddings_once(classic: FakeClassic) -> None:
    classic.load("sdxl")
    classic.save_embedding("wide", {name: classic.rows("red house", name) for name in classic.tables()})
    classic.load("sd1")
    classic.webui().start()
    calls = []
    original = classic.database.load_textual_inversion_embeddings

    def counted(force_reload: bool = False) -> None:
        calls.append(force_reload)
        original(force_reload=force_reload)

    classic.database.load_textual_inversion_embeddings = counted
    classic.load("sdxl")
    assert list(classic.database.word_embeddings) == ["wide"]
    assert calls == [True]
    assert same(classic.condition("<'wide'> wide"), classic.condition("red house red house"))


def test_a_comment_inside_an_expression_is_named_as_the_cause(classic: FakeClassic) -> None:
    classic.webui().start()
    with pytest.raises(EmbeddingMergeError, match="What stands behind # is a comment"):
        classic.generate("a <'cat' # a note + 'dog'>")
