"""ersatzForge: the contract, and what is its own."""

from __future__ import annotations

from typing import Any

import pytest

from .contract import HostContract
from .fake_ersatz import FakeErsatz
from .page_contract import PageContract


class TestErsatz(HostContract):
    @pytest.fixture
    def host(self, ersatz: FakeErsatz) -> FakeErsatz:
        return ersatz

    def register(self, host: Any, name: str, text: str) -> None:
        host.register(name, self.embedding(host, text))

    def test_the_key_is_the_host_s_with_what_it_does_not_look_at(self, host: Any) -> None:
        """A number stays one: the host may do with it what one does with numbers."""
        p = host.processing("a cat")
        host.webui().start()
        keys = [p.cached_params([prompt], 20, None) for prompt in ("a cat", "a cat", "a <'cat'>", "a <'dog'>")]
        assert all(type(key) is int for key in keys)
        assert keys[0] == keys[1]
        assert len(set(keys)) == 3


class TestErsatzPage(PageContract):
    WITH_T5 = ("flux", "chroma")

    @pytest.fixture
    def host(self, ersatz: FakeErsatz) -> FakeErsatz:
        return ersatz

    def unload(self, host: FakeErsatz) -> None:
        host.unload()

    def can_load(self, host: FakeErsatz, kind: str) -> None:
        host.choose(kind, seed=3, name="chosen")


def test_a_saved_file_is_among_the_cards(ersatz: FakeErsatz) -> None:
    ersatz.save_embedding("mystyle", ersatz.rows("red house"))
    ersatz.adapter().refresh_embeddings()
    assert list(ersatz.modules.cards.embedding_db.word_embeddings) == ["mystyle"]


def test_no_embedding_is_named_in_the_infotext(ersatz: FakeErsatz) -> None:
    ersatz.save_embedding("mystyle", ersatz.rows("red house"))
    ersatz.reload_embeddings()
    ersatz.webui().start()
    assert ersatz.generate("a <'mystyle' * 2> mystyle").extra_generation_params == {}
