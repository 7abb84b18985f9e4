"""AUTOMATIC1111: the contract, and what is its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import safetensors.torch
import torch

from lib_embmerge.errors import FileError, SyntaxProblem
from lib_embmerge.files import checkpoint_files
from lib_embmerge.hosts import a1111 as adapter_module

from .contract import ALL_ORDERS, BOTH, HostContract
from .fake_a1111 import ENCODERS, FakeA1111, make_model, same
from .page_contract import PageContract
from .symbols import unused_symbols


class TestA1111(HostContract):
    ORDERS = ALL_ORDERS

    @pytest.fixture
    def host(self, a1111: FakeA1111) -> FakeA1111:
        return a1111

    def register(self, host: FakeA1111, name: str, text: str) -> None:
        register(host, name, self.embedding(host, text))


class TestA1111Page(PageContract):
    @pytest.fixture
    def host(self, a1111: FakeA1111) -> FakeA1111:
        return a1111

    def unload(self, host: FakeA1111) -> None:
        host.modules.sd_models.model_data.sd_model = host.modules.shared.sd_model = None

    def can_load(self, host: FakeA1111, kind: str) -> None:
        host.modules.sd_models.chosen = lambda: make_model(kind, 3, host.checkpoints_folder / "chosen.safetensors")


def test_the_sha256_is_the_host_s_where_it_knows_one(a1111: FakeA1111) -> None:
    a1111.model.sd_checkpoint_info.sha256 = "abc"
    assert a1111.adapter().load_text_model().record()["sha256"] == "abc"


@pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl"])
def test_while_another_checkpoint_is_read_into_the_model_none_is_loaded(a1111: FakeA1111, kind: str) -> None:
    a1111.load(kind)
    a1111.webui().start()
    page, hijack = a1111.adapter(), a1111.modules.sd_hijack.model_hijack
    queue_lock = page.call_queue.queue_lock
    queue_lock.acquire()  # as the host does before it loads
    hijack.undo_hijack(a1111.model)
    assert page.loaded_text_model() is None
    assert a1111.count("a <'cat' + >") == "-/-"
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(page.load_text_model)
        hijack.hijack(a1111.model)
        queue_lock.release()
        assert [e.name for e in waiting.result(timeout=20).encoders] == list(ENCODERS[kind])
    assert page.loaded_text_model() is not None
    assert "⚠" in a1111.count("a <'cat' + >")


def test_another_extension_for_expressions_is_named(a1111: FakeA1111) -> None:
    page = a1111.adapter()
    page.other_extensions = ["extensions/old/scripts/embedding_merge.py"]
    assert "extensions/old/scripts/embedding_merge.py" in page.warnings()[0]


def register(host: FakeA1111, name: str, vectors: Any) -> None:
    """Register an embedding as another extension does."""
    entry = host.modules.textual_inversion.Embedding(vectors, name)
    rows = next(iter(vectors.values())) if isinstance(vectors, Mapping) else vectors
    entry.vectors = len(rows)
    host.database.register_embedding_by_name(entry, host.model, name)


# Registering


@BOTH
def test_while_the_host_encodes_no_list_of_embeddings_shows_a_placeholder(a1111: FakeA1111, kind: str) -> None:
    a1111.load(kind)
    a1111.webui().start()
    seen = []

    def look() -> None:
        entries = [entry for found in a1111.database.ids_lookup.values() for _, entry in found]
        seen.append((len(entries), dict(a1111.database.word_embeddings)))

    a1111.model.before_encoding = look
    a1111.condition("a <'cat'> <'dog'> <'cat'>")
    assert seen == [(2, {})]


def test_an_embedding_of_the_same_first_token_keeps_its_place(a1111: FakeA1111) -> None:
    register(a1111, "embmine", a1111.rows("red house"))
    register(a1111, "embm", a1111.rows("sun"))
    a1111.webui().start()
    expected = a1111.condition("red house cat sun")
    assert same(a1111.condition("embmine <'cat'> embm"), expected)


def test_what_is_registered_meanwhile_stays(a1111: FakeA1111) -> None:
    a1111.webui().start()
    a1111.model.before_encoding = lambda: register(a1111, "embmine", a1111.rows("red house"))
    a1111.condition("a <'cat'>")
    a1111.model.before_encoding = bool
    assert same(a1111.condition("a embmine"), a1111.condition("a red house"))


def test_vectors_are_handed_to_the_host_where_and_as_it_wants_them(a1111: FakeA1111) -> None:
    a1111.load("sdxl")
    adapter = a1111.adapter()
    value = {"clip_l": a1111.rows("red cat", "clip_l"), "clip_g": a1111.rows("red cat", "clip_g")}
    with adapter.placeholders(a1111.model, {"embm0a0a0a0a0a": adapter_module.Embedding(value)}):
        ((_, entry),) = [pair for found in a1111.database.ids_lookup.values() for pair in found]
        assert (entry.name, entry.vectors, entry.shape) == ("embm0a0a0a0a0a", 2, 2048)
        assert {key: (tuple(v.shape), v.dtype) for key, v in entry.vec.items()} == {
            "clip_l": ((2, 768), torch.float32),
            "clip_g": ((2, 1280), torch.float32),
        }


# The infotext's "TI hashes"


HASHES = {
    "by the host alone": ("a mystyle", "", ["mystyle"]),
    "by an expression": ("a <'mystyle' * 2>", "", ["mystyle"]),
    "by its name in other letters": ("a <emb('MyStyle')>", "", ["mystyle"]),
    "by an expression and the host": ("mystyle <'mystyle' * 2>", "", ["mystyle"]),
    "two by one expression": ("a <'mystyle' + 'mymood'>", "", ["mystyle", "mymood"]),
    "one each": ("a mymood <'mystyle'>", "", ["mystyle", "mymood"]),
    "in both prompts": ("a <'mystyle'>", "<'mymood'>", ["mymood", "mystyle"]),
    "the same in both prompts": ("a <'mystyle'>", "<'mystyle'>", ["mystyle"]),
    "literally": ("a <text('mystyle')>", "", []),
    "none": ("a <'cat'>", "", []),
}


@pytest.mark.parametrize(("prompt", "negative", "names"), HASHES.values(), ids=HASHES.keys())
def test_embeddings_that_were_read_stand_in_the_infotext(
    a1111: FakeA1111, prompt: str, negative: str, names: list[str]
) -> None:
    a1111.save_embedding("mystyle", a1111.rows("red house"))
    a1111.save_embedding("mymood", a1111.rows("sun rain"))
    a1111.reload_embeddings()
    hashes = {name: entry.shorthash for name, entry in a1111.database.word_embeddings.items()}
    a1111.webui().start()
    noted = a1111.generate(prompt, negative).extra_generation_params.get("TI hashes")
    assert sorted(noted.split(", ") if noted else []) == sorted(f"{name}: {hashes[name]}" for name in names)


def test_the_host_s_setting_for_hashes_is_kept(a1111: FakeA1111) -> None:
    a1111.save_embedding("mystyle", a1111.rows("red house"))
    a1111.reload_embeddings()
    a1111.opts.textual_inversion_add_hashes_to_infotext = False
    a1111.webui().start()
    assert a1111.generate("a <'mystyle'>").extra_generation_params == {}


# Other checkpoints


@pytest.fixture
def others(a1111: FakeA1111, monkeypatch: pytest.MonkeyPatch) -> FakeA1111:
    """The host with two more SD 1 checkpoints in its list, one of them in two folders."""
    monkeypatch.setattr(checkpoint_files, "CLIP_VOCABULARY_SIZE", a1111.modules.bpe.SIZE)
    a1111.load("sd1", seed=0, name="first")
    for name in ("second", "third", "deep/third"):
        path = a1111.checkpoints_folder / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        table = make_model("sd1", 5, path).cond_stage_model.transformer.text_model.embeddings.token_embedding
        key = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
        safetensors.torch.save_file({key: table.weight.detach().contiguous()}, path)
    return a1111


@pytest.mark.parametrize("name", ["second", "'second'", "'second.safetensors'"])
def test_another_checkpoint_of_the_host_s_list(others: FakeA1111, name: str) -> None:
    others.webui().start()
    placed = others.positions(f"a <'red cat'@{name}>")
    loaded = others.load("sd1", seed=5)
    assert same(placed[2:4], others.positions("a red cat")[2:4])
    assert loaded is others.model


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("secnd", "No checkpoint in the WebUI's list is named secnd. Did you mean second?"),
        ("third", "More than one checkpoint in the WebUI's list is named third."),
    ],
    ids=["none of that name", "two of that name"],
)
def test_a_name_that_is_no_checkpoint(others: FakeA1111, name: str, message: str) -> None:
    others.webui().start()
    with pytest.raises(FileError) as caught:
        others.condition(f"a <'cat'@{name}>")
    assert str(caught.value).splitlines()[-1].startswith(message)


def test_a_path_is_never_taken(others: FakeA1111) -> None:
    others.webui().start()
    path = next(others.checkpoints_folder.glob("second*"))
    with pytest.raises(FileError, match="No checkpoint in the WebUI's list"):
        others.condition(f"a <'cat'@'{path}'>")


# The extension before this one


class Predecessor:
    """What the old extension does: it puts names of registered embeddings into the prompts before they are encoded."""

    def __init__(self, host: FakeA1111) -> None:
        self.host = host

    def process(self, p: Any) -> None:
        p.all_prompts[:] = [re.sub(r"<'[^>]*>", self._register, prompt) for prompt in p.all_prompts]

    def start(self) -> None:
        """Wrap the counting: its expressions become names of blank embeddings there too."""
        owner = self.host.modules.sd_hijack.StableDiffusionModelHijack
        original = owner.get_prompt_lengths

        def get_prompt_lengths(hijack: Any, text: str) -> Any:
            return original(hijack, re.sub(r"<'[^>]*>", "cat cat cat", text))

        owner.get_prompt_lengths = get_prompt_lengths
        self.host.scripts.append(self)

    def _register(self, match: re.Match[str]) -> str:
        register(self.host, "<'EM_1'>", self.host.rows("red house"))
        return " <'EM_1'> "


@pytest.mark.parametrize("order", ["ours first", "theirs first"])
def test_the_old_extension_beside_ours(a1111: FakeA1111, order: str) -> None:
    webui, theirs = a1111.webui(), Predecessor(a1111)
    for start in (webui.start, theirs.start) if order == "ours first" else (theirs.start, webui.start):
        start()
    learned = a1111.generate("a <'cat'> on a mat").c
    conditioned = [[(part.weight, list(part.schedules)) for part in parts] for parts in learned.batch]
    assert same(conditioned, a1111.condition("a red house on a mat", steps=20))  # theirs took it
    assert same(a1111.condition("a <'cat'>"), a1111.condition("a cat"))  # where theirs does not come, ours does
    assert a1111.count("a <'cat'> on") == "3/75"
    a1111.reload_embeddings()
    with pytest.raises(SyntaxProblem, match="paste them to restore"):
        a1111.condition("a <'EM_1'>")


# What the adapter says that it touches


def test_the_list_of_host_symbols_is_the_one_in_use() -> None:
    assert unused_symbols(adapter_module) == []
