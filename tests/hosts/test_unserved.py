"""A WebUI that takes no expressions: what its tab does all the same."""

from __future__ import annotations

import inspect
import itertools
import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from lib_embmerge.errors import EmbeddingMergeError, FileError, ModelNotLoaded, UnsupportedHost
from lib_embmerge.frontends.page.answers import answer
from lib_embmerge.frontends.page.build.saving import LONG_CHOICES, save_from_page
from lib_embmerge.frontends.tab import build_tab
from lib_embmerge.hosts.webui.unserved import UnservedHost

from ..frontends.checkpoints import make_checkpoint
from .fake_a1111 import FakeA1111, enlist

REFUSAL = "embmerge does not know this WebUI: it finds no way to think."


@pytest.fixture
def unserved(a1111: FakeA1111) -> UnservedHost:
    a1111.checkpoints_folder.mkdir(exist_ok=True)
    path = make_checkpoint(a1111.checkpoints_folder / "real.safetensors", seed=1)
    enlist(path)
    return UnservedHost(UnsupportedHost(REFUSAL))


def ask(host: Any, kind: str, **fields: Any) -> Any:
    return json.loads(answer(json.dumps({"id": 1, "kind": kind, **fields}), host))


def test_its_lists_and_folders_are_the_host_s(a1111: FakeA1111, unserved: UnservedHost) -> None:
    assert "real" in unserved.checkpoint_names()
    assert unserved.embeddings_folder == a1111.embeddings_folder
    assert unserved.brackets.value == "<{"
    assert unserved.warnings() == [f"{REFUSAL} Expressions in prompts stay as they are typed."]


def test_a_prompt_with_an_expression_says_so_in_its_line(unserved: UnservedHost) -> None:
    line = ask(unserved, "prompt_lines", text="a <'cat'>")["slots"]["lines"]
    assert f"{REFUSAL} Expressions in prompts stay as they are typed." in line
    assert ask(unserved, "prompt_lines", text="a cat")["slots"]["lines"] == ""


def test_an_expression_is_built_with_a_checkpoint_of_the_list(unserved: UnservedHost) -> None:
    refused = ask(unserved, "preview", text="'cat'")
    assert REFUSAL in refused["slots"]["messages"]
    assert "Another checkpoint" in refused["slots"]["messages"]
    unserved.work_with("real")
    assert ask(unserved, "follow")["state"]["model"] != refused["state"]["model"]
    assert "Made with real" in ask(unserved, "preview", text="'cat'")["slots"]["summary"]
    save_from_page(
        unserved, "'cat' + 'dog'", "my-cat", "", False, False, "float32", LONG_CHOICES[0], "", "", "", "", False
    )
    assert (unserved.embeddings_folder / "my-cat.safetensors").exists()
    assert REFUSAL in ask(unserved, "prompt_lines", text="a <'cat'>")["slots"]["lines"]
    unserved.work_with("")
    assert REFUSAL in ask(unserved, "preview", text="'cat'")["slots"]["messages"]


def test_what_was_said_of_another_model_goes_away(unserved: UnservedHost) -> None:
    unserved.work_with("real")
    before = ask(unserved, "follow")["state"]["model"]
    unserved.work_with("")
    assert ask(unserved, "follow")["state"]["model"] not in ("", before)
    slots = ask(unserved, "preview", text="'cat'")["slots"]
    assert {slots[name] for name in ("judged", "summary", "table", "pictures", "loads")} == {""}


def test_a_checkpoint_is_a_name_of_the_list_never_a_path(unserved: UnservedHost, tmp_path: Path) -> None:
    other = make_checkpoint(tmp_path / "other.safetensors", seed=2)
    with pytest.raises(FileError, match="No checkpoint"):
        unserved.work_with(str(other))


def test_a_host_of_which_nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    host = UnservedHost(UnsupportedHost(REFUSAL))
    assert host.checkpoint_names() == []
    assert host.embeddings_folder == tmp_path / "embeddings"
    assert host.brackets.value == "<{"


FAILURES = {"refused": UnsupportedHost(REFUSAL), "not loaded": ModelNotLoaded("The WebUI could not load it.")}


TYPED = ("", "'cat'", "'cat' +", "lerp('cat', 'dog', {t})", "x.safetensors")


def test_no_event_of_the_tab_lets_a_mistake_out(unserved: UnservedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """gradio would print it as a failure of ours, and show the word "Error" in the tab."""
    known: Any = build_tab(unserved).fns  # of gradio 3 a list; a tab takes longer to build than all of this
    events = [event for event in (known.values() if isinstance(known, dict) else known) if event.fn is not None]
    assert len(events) > 20
    let_out = []
    for (what, problem), typed in itertools.product(FAILURES.items(), TYPED):
        failing = Mock(side_effect=problem)
        for name in ("loaded_text_model", "load_text_model", "prompt_text_model"):
            monkeypatch.setattr(unserved, name, failing)
        for event in events:
            values = [typed if one.get_block_name() == "textbox" else one.value for one in event.inputs]
            try:
                given = event.fn(*values)
                if inspect.isgenerator(given):
                    list(given)
            except EmbeddingMergeError as error:
                let_out.append((what, typed, event.fn, error))
        assert failing.called, (what, typed)
    assert let_out == []
