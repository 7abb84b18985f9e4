"""reForge: the contract, and what is its own."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lib_embmerge.errors import EmbeddingMergeError, SyntaxProblem, UnknownEmbedding
from lib_embmerge.hosts import reforge as adapter_module

from .contract import HostContract
from .fake_a1111 import make_model, same
from .fake_reforge import FakeReForge
from .page_contract import PageContract
from .test_a1111 import register


class TestReForge(HostContract):
    @pytest.fixture
    def host(self, reforge: FakeReForge) -> FakeReForge:
        return reforge

    def register(self, host: FakeReForge, name: str, text: str) -> None:
        register(host, name, self.embedding(host, text))


class TestReForgePage(PageContract):
    COMMENTS = ("# one", "# two <'a", "/* three", "*/ b // five", "# four")
    CAN_KEEP_COMMENTS = False

    @pytest.fixture
    def host(self, reforge: FakeReForge) -> FakeReForge:
        return reforge

    def unload(self, host: FakeReForge) -> None:
        host.modules.sd_models.model_data.sd_model = host.modules.shared.sd_model = None

    def can_load(self, host: FakeReForge, kind: str) -> None:
        host.modules.sd_models.chosen = lambda: make_model(kind, 3, host.checkpoints_folder / "chosen.safetensors")

    def test_a_model_is_loaded_in_the_main_thread(self, host: FakeReForge) -> None:
        self.unload(host)
        self.can_load(host, "sd1")
        host.adapter().load_text_model()
        assert host.modules.sd_models.loading_threads[-1] == "the main thread"

    def test_the_main_thread_keeps_no_model(self, host: FakeReForge, page: Any) -> None:
        self.unload(host)
        self.can_load(host, "sd1")
        assert page.load_text_model() is not None
        assert host.main_thread.finished_list == [None]


# The main thread, which keeps a job's error to itself


def test_without_us_the_page_hears_nothing_of_an_error(reforge: FakeReForge) -> None:
    def work() -> None:
        raise SyntaxProblem("a mistake")

    assert reforge.in_page(work) is None


def test_a_mistake_reaches_the_page(reforge: FakeReForge) -> None:
    reforge.webui().start()
    with pytest.raises(SyntaxProblem, match="a quoted text"):
        reforge.in_page(reforge.generate, "a <'cat' + >")
    made = reforge.in_page(reforge.generate, "a <'cat'>")
    parts = [[(part.weight, list(part.schedules)) for part in parts] for parts in made.c.batch]
    assert same(parts, reforge.condition("a cat", steps=20))


def test_an_error_of_the_host_stays_the_host_s(reforge: FakeReForge, capsys: pytest.CaptureFixture[str]) -> None:
    reforge.webui().start()

    def work() -> None:
        raise RuntimeError("out of memory")

    assert reforge.in_page(work) is None
    assert "out of memory" in capsys.readouterr().err


def test_a_job_s_arguments_and_result_pass_through(reforge: FakeReForge) -> None:
    reforge.webui().start()
    run = reforge.main_thread.run_and_wait_result
    assert run(lambda *args, **kwargs: (args, kwargs), 1, 2, steps=3) == ((1, 2), {"steps": 3})


# Its text encoders


def test_the_host_s_text_encoders_are_all_of_one_kind(reforge: FakeReForge) -> None:
    padding = {}
    for kind in reforge.kinds:
        reforge.load(kind)
        encoders = reforge.adapter().text_model(reforge.model).encoders
        assert all(e.engine.tokenizer is not None for e in encoders)
        padding.update({e.name: e.padding_id for e in encoders})
    end = reforge.modules.bpe.END
    assert padding == {"clip_l": end, "clip_h": 0, "clip_g": 0}


def test_another_text_encoder_for_the_same_checkpoint_is_noticed(reforge: FakeReForge) -> None:
    reforge.webui().start()
    first = reforge.generate("a <'cat'>").c
    assert reforge.generate("a <'cat'>").c is first
    info = reforge.model.sd_checkpoint_info
    reforge.load("sd1")  # with the same table: it is the layers behind it that differ
    reforge.model.sd_checkpoint_info = info
    assert reforge.generate("a <'cat'>").c is not first


# Its database, which a change of checkpoint leaves as it was


@pytest.mark.parametrize(("before", "after"), [("sd1", "sdxl"), ("sdxl", "sd1"), ("sd2", "sd1"), ("sdxl", "refiner")])
def test_an_embedding_of_the_model_before_is_not_this_one_s(reforge: FakeReForge, before: str, after: str) -> None:
    reforge.load(before)
    vectors: Any = {name: reforge.rows("red house", name) for name in reforge.tables()}
    reforge.save_embedding("mystyle", vectors if len(vectors) > 1 else next(iter(vectors.values())))
    reforge.reload_embeddings()
    reforge.load(after)
    assert "mystyle" in reforge.database.word_embeddings
    model = reforge.adapter().text_model(reforge.model)
    assert model.embedding_names() == []
    assert [e.name for e in model.embeddings_named("MyStyle")] == ["mystyle"]
    text = {name: reforge.rows("mystyle", name) for name in reforge.tables()}
    reforge.webui().start()
    placed = reforge.positions("<'mystyle'>")
    assert torch.equal(placed[1:8], torch.cat(list(text.values()), dim=1))
    with pytest.raises(UnknownEmbedding, match="The embedding mystyle is made for"):
        reforge.condition("<emb('mystyle')>")


@pytest.fixture
def two_families(reforge: FakeReForge) -> FakeReForge:
    """The host with an embedding of SD 1 and one of SDXL in its folder, and SD 1 loaded."""
    reforge.load("sdxl")
    reforge.save_embedding("wide", {name: reforge.rows("red house", name) for name in reforge.tables()})
    reforge.load("sd1")
    reforge.save_embedding("narrow", reforge.rows("red house"))
    reforge.reload_embeddings()
    return reforge


def test_without_us_a_change_of_model_forgets_no_embedding_and_finds_none(two_families: FakeReForge) -> None:
    two_families.load("sdxl")
    assert list(two_families.database.word_embeddings) == ["narrow"]


def test_a_change_of_model_loads_the_embeddings_of_its_family(two_families: FakeReForge) -> None:
    two_families.webui().start()
    for kind, name in (("sdxl", "wide"), ("sd1", "narrow"), ("sdxl", "wide")):
        two_families.load(kind)
        assert list(two_families.database.word_embeddings) == [name]
        assert same(two_families.condition(f"<'{name}'> {name}"), two_families.condition("red house red house"))


def test_a_model_that_was_kept_in_memory_finds_its_embeddings(two_families: FakeReForge) -> None:
    first = two_families.model
    two_families.opts.sd_checkpoints_limit = 2
    two_families.webui().start()
    two_families.load("sdxl")
    two_families.activate(first)
    made = two_families.generate("a <'narrow'>").c
    parts = [[(part.weight, list(part.schedules)) for part in parts] for parts in made.batch]
    assert same(parts, two_families.condition("a red house", steps=20))


def test_a_model_without_clip_is_loaded_as_ever(reforge: FakeReForge) -> None:
    reforge.webui().start()
    model = SimpleNamespace(cond_stage_model=SimpleNamespace(tokenize_line=None))
    assert reforge.modules.sd_models.load_model(model) is model


def test_while_the_host_changes_its_model_there_is_none(reforge: FakeReForge) -> None:
    reforge.webui().start()
    adapter = reforge.adapter()
    seen = []
    reforge.modules.sd_models.while_loading = lambda: seen.append(
        (adapter.loaded_text_model(), reforge.count("a <'cat'>"))
    )
    reforge.load("sdxl")
    assert seen == [(None, "?/?")]
    assert adapter.loaded_text_model() is not None


def test_a_fork_that_takes_no_model_apart_needs_no_list_of_them(reforge: FakeReForge) -> None:
    del reforge.modules.sd_models.complete_model_teardown
    del reforge.modules.sd_models.model_data.loaded_sd_models
    assert reforge.adapter().loaded_text_model() is not None


# The infotext, which the host keeps beside the conditioning


def test_hashes_stay_in_the_infotext_of_the_same_prompt(reforge: FakeReForge) -> None:
    reforge.save_embedding("mystyle", reforge.rows("red house"))
    reforge.webui().start()
    noted = [reforge.generate("a <'mystyle'>").extra_generation_params for _ in range(3)]
    shorthash = reforge.database.word_embeddings["mystyle"].shorthash
    assert noted == [{"TI hashes": f"mystyle: {shorthash}"}] * 3


# Comments, which it always cuts


@pytest.mark.parametrize("comment", ["# a note", "// a note", "/* a note"])
def test_a_comment_inside_an_expression_is_named_as_the_cause(reforge: FakeReForge, comment: str) -> None:
    reforge.webui().start()
    with pytest.raises(EmbeddingMergeError, match=f"What stands behind {re.escape(comment.split()[0])} is a comment"):
        reforge.generate(f"a <'cat' {comment} + 'dog'>")


def test_a_comment_on_a_line_of_its_own_is_no_trouble(reforge: FakeReForge) -> None:
    reforge.webui().start()
    made = reforge.generate("a <'cat' // the animal\n + 'dog' - 'dog'>").c
    assert made.batch[0][0].schedules[0].cond.shape == (77, 768)
    parts = [[(part.weight, list(part.schedules)) for part in parts] for parts in made.batch]
    assert same(parts, reforge.condition("a cat", steps=20))


# What the adapter says that it touches


def test_the_list_of_host_symbols_is_the_one_in_use() -> None:
    source = Path(adapter_module.__file__).read_text(encoding="utf-8")
    listed, code = source.split('"""', 2)[1:]
    for name in re.findall(r"`modules[\w.]*?\.(\w+)`", listed):
        assert re.search(rf"\b{name}\b", code), name
