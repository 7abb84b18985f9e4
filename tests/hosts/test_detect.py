"""Which host this is, and what it lacks."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest

from lib_embmerge.errors import UnsupportedHost
from lib_embmerge.hosts import detect
from lib_embmerge.hosts.a1111 import A1111
from lib_embmerge.hosts.detect import CAPABILITIES, Capability, detect_host
from lib_embmerge.hosts.forge import Forge
from lib_embmerge.hosts.forge_neo import ForgeNeo, NewestForgeNeo
from lib_embmerge.hosts.reforge import ReForge
from lib_embmerge.hosts.sdnext.adapter import SDNext

from .fake_a1111 import FakeA1111
from .fake_neo import FakeNeo
from .fake_reforge import FakeReForge


def take_away(module: Any, path: str) -> None:
    """Delete what a capability's path leads to, in all classes where it says so."""
    *outer, name = path.split(".")
    found = [module]
    for part in outer:
        classes = [inner for one in found for inner in vars(one).values() if isinstance(inner, type)]
        found = classes if part == "*" else [getattr(one, part) for one in found]
    for owner in found:
        if name in vars(owner):
            delattr(owner, name)


HOSTS = {
    "a1111": A1111, "reforge": ReForge, "forge": Forge, "ersatz": Forge, "older_neo": ForgeNeo,
    "newest_neo": NewestForgeNeo, "sdnext": SDNext,
}  # fmt: skip
WANTED = [(kind, capability) for kind in ("a1111", "forge", "sdnext") for capability in CAPABILITIES[HOSTS[kind]]]


def test_a_fork_with_another_main_thread_is_taken_for_a1111(reforge: FakeReForge) -> None:
    del reforge.main_thread.run_and_wait_result
    assert type(detect_host()) is A1111


@pytest.fixture(params=HOSTS)
def kind(request: pytest.FixtureRequest) -> str:
    """A host's name, with that host in `sys.modules`."""
    request.getfixturevalue(request.param)
    return request.param  # type: ignore[no-any-return]


def test_a_host_is_found_by_what_it_offers(kind: str) -> None:
    assert type(detect_host()) is HOSTS[kind]


@pytest.mark.parametrize(
    ("kind", "capability"),
    [pytest.param(kind, wanted, id=f"{kind} {wanted.attribute}") for kind, wanted in WANTED],
    indirect=["kind"],
)
def test_what_is_missing_is_named(kind: str, capability: Capability) -> None:
    take_away(sys.modules[capability.module], capability.attribute)
    with pytest.raises(UnsupportedHost) as caught:
        detect_host()
    assert caught.value.places == [f"{capability.module}.{capability.attribute}"]
    assert f"it finds no way {capability.purpose}." in str(caught.value)


@pytest.mark.parametrize("adapter", CAPABILITIES)
def test_the_sentence_of_what_is_missing_is_for_people(adapter: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "CAPABILITIES", {adapter: CAPABILITIES[adapter]})
    with pytest.raises(UnsupportedHost) as caught:
        detect_host()
    assert len(caught.value.places) == len(CAPABILITIES[adapter])
    assert not re.search(r"[._][a-z]|[a-z][A-Z]|\*", str(caught.value).replace("WebUI", ""))


def test_another_neo_is_refused_with_what_it_lacks(newest_neo: FakeNeo) -> None:
    del sys.modules["backend.text_processing.sd_engine"].ClipEngine
    with pytest.raises(UnsupportedHost, match="finds no way to read the text encoders") as caught:
        detect_host()
    assert caught.value.places == ["backend.text_processing.sd_engine.ClipEngine.tokenize_line"]


def test_everything_that_is_missing_is_named_at_once(a1111: FakeA1111) -> None:
    parser = a1111.modules.prompt_parser
    del parser.get_learned_conditioning, parser.get_multicond_learned_conditioning
    with pytest.raises(UnsupportedHost) as caught:
        detect_host()
    assert str(caught.value).count("to turn prompts into conditioning") == 1
    assert len(caught.value.places) == 2


def test_outside_of_any_webui(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = (Capability("no_such_package.part", "thing", "for a test"),)
    monkeypatch.setattr(detect, "CAPABILITIES", {A1111: needed})
    with pytest.raises(UnsupportedHost, match="finds no way for a test") as caught:
        detect_host()
    assert caught.value.places == ["no_such_package.part.thing"]


def test_a_module_that_fails_to_load_is_a_fault_not_an_answer(a1111: FakeA1111) -> None:
    def load(_name: str) -> Any:
        raise ImportError("cannot import name 'x' from 'y'")

    with pytest.raises(ImportError, match="cannot import name"):
        detect_host(load)


def test_a_host_without_tokenize_line_is_refused_with_a_sentence(a1111: FakeA1111) -> None:
    del a1111.modules.sd_hijack_clip.TextConditionalModel.tokenize_line
    with pytest.raises(UnsupportedHost, match="that embmerge needs is missing") as caught:
        a1111.webui()
    assert caught.value.places == ["modules.sd_hijack_clip.*.tokenize_line"]
