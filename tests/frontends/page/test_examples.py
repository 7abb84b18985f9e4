"""What the page itself shows as an example is right: run as a user would run it, it gives no warning and no refusal."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from lib_embmerge.frontends.app.host import AppHost
from lib_embmerge.frontends.page.answers import answer
from lib_embmerge.frontends.page.build.preview import EXAMPLES
from lib_embmerge.frontends.page.build.saving import save_from_page
from lib_embmerge.frontends.page.help import draw_help
from lib_embmerge.frontends.page.html import draw
from lib_embmerge.frontends.page.many.batch import MODES
from lib_embmerge.operations import OPERATIONS

PACKAGE = Path(__file__).resolve().parents[3] / "lib_embmerge"
NEEDS = {"'woman'@other": "another checkpoint", "emb('my_style')": "an embedding of that name"}
"""Examples that need something which is not there."""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> AppHost:
    return AppHost(None, tmp_path_factory.mktemp("embeddings"), None)


def placeholders() -> list[str]:
    """Give what the panes' boxes show while they are empty, of all that is an expression."""
    texts = []
    for path in sorted((PACKAGE / "frontends" / "tab").glob("*.py")):
        source = path.read_text(encoding="utf-8")
        texts += re.findall(r'placeholder="([^"]*)"', source) + re.findall(r'checkpoints, "([^"]*)"\)', source)
    return [text for text in texts if text.startswith("'") and ", or " not in text]


def shown_in(template: str) -> list[str]:
    return [html.unescape(text) for text in re.findall(r'data-embmerge-text="([^"]*)"', template)]


def ask(host: AppHost, kind: str, **fields: object) -> dict[str, str]:
    found: dict[str, str] = json.loads(answer(json.dumps({"id": 1, "kind": kind, **fields}), host))["slots"]
    return found


MEANT_TO_BE_USED = [*(text for text, _ in EXAMPLES), *placeholders()]
OF_THE_LANGUAGE = [*shown_in(draw_help()), *(one.example for one in OPERATIONS.values())]


@pytest.mark.parametrize("text", dict.fromkeys([*MEANT_TO_BE_USED, *OF_THE_LANGUAGE]))
def test_an_example_is_neither_refused_nor_warned_of(host: AppHost, text: str) -> None:
    if text in NEEDS or "@" in text:
        pytest.skip(f"it needs {NEEDS.get(text, 'another checkpoint')}")
    if "needs a model with that text encoder" in ask(host, "preview", text=text)["messages"]:
        pytest.skip("it needs a model with that text encoder")
    first, second = ask(host, "preview", text=text), ask(host, "nearest", text=text)
    assert first["messages"].strip() == ""
    assert "embmerge-error" not in second["judged"]
    saved = save_from_page(host, text, "em_example", "", True, False, "float32", "", "", "", "", "", False)
    assert "embmerge-saved" in saved


@pytest.mark.parametrize("text", MEANT_TO_BE_USED)
def test_what_a_newcomer_takes_first_warns_of_nothing(host: AppHost, text: str) -> None:
    assert ask(host, "nearest", text=text)["judged"].strip() == ""
    saved = save_from_page(host, text, "em_first", "", True, False, "float32", "", "", "", "", "", False)
    assert "⚠" not in saved


def test_the_lists_of_many_at_once_warn_of_nothing(host: AppHost) -> None:
    shown = draw("many/empty", modes=MODES, mode=MODES[0]) + draw("many/empty", modes=MODES, mode=MODES[1])
    fields = dict(re.findall(r'data-embmerge-target="embmerge_many_(\w+)" data-embmerge-value="([^"]*)"', shown))
    lines, expression, pattern = (html.unescape(fields[key]) for key in ("lines", "expression", "pattern"))
    listed = ask(host, "many", mode=MODES[0], text=lines)["many"]
    swept = ask(
        host, "many", mode=MODES[1], expression=expression, pattern=pattern, start="0", stop="1", steps="5"
    )["many"]
    for drawn in (listed, swept):
        assert "⚠" not in drawn
        assert "embmerge-error" not in drawn
