"""Forge: the contract, and what is its own."""

from __future__ import annotations

from typing import Any

import pytest

from .contract import HostContract
from .fake_forge import FakeForge
from .page_contract import PageContract


class TestForge(HostContract):
    @pytest.fixture
    def host(self, forge: FakeForge) -> FakeForge:
        return forge

    def register(self, host: Any, name: str, text: str) -> None:
        host.register(name, self.embedding(host, text))


class TestForgePage(PageContract):
    @pytest.fixture
    def host(self, forge: FakeForge) -> FakeForge:
        return forge

    def unload(self, host: FakeForge) -> None:
        host.unload()

    def can_load(self, host: FakeForge, kind: str) -> None:
        host.choose(kind, seed=3, name="chosen")
