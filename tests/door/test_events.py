"""Every event of the page, set off with what no page sends: it answers, opens nothing, and the program goes on."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ..browser.app_server import AppServer
from ..examples import IS_THOROUGH
from .client import Client, Event
from .conftest import SECRET
from .fake_webui import LOGIN

OUR_FRAME = re.compile(r'File "[^"]*lib_embmerge(?!/frontends/app/door)[^"]*", line \d+.*\n.*')
"""What a failure of ours leaves in the log; a layer that hands a request on stands in failures of gradio's, too."""
OPENS = "embmerge_open"
"""The button with which a person chooses another folder: what it opens is theirs."""


def hostile(server: AppServer) -> list[Any]:
    secrets = [str(server.place / name) for name in ("secret.safetensors", "secret.txt")]
    relative = ["../secret.safetensors", "./../secret.safetensors", "secret.safetensors", "~nosuch", "~", "/etc/passwd"]
    texts = [*secrets, *relative, "", " ", "x" * 300, "x" * 200_001, "\0", "\ud83d", "<script>alert(1)</script>"]
    questions = [json.dumps({"id": 1, "kind": kind, "text": f"'cat'@\"{secrets[0]}\""}) for kind in ("preview", "many")]
    numbers: list[Any] = [0, -1, 1.5, 1e308, 10**18, True, False, None]
    nested: Any = "deep"
    for _ in range(60):
        nested = [nested]
    lists: list[Any] = [[], nested, [[], [None]], [*secrets, *relative], {}, {"a": {"b": [1]}}, [{}], [None]]
    files: list[Any] = []
    for path in (*secrets, "/etc/passwd", "../secret.txt", "\0", "x" * 300):
        files.append({"path": path, "meta": {"_type": "gradio.FileData"}})
        files.append({"name": path, "data": None, "is_file": True})
        files.append({"name": path, "data": "data:text/plain;base64,eA==", "is_file": False})
    files += [{"path": "x", "url": "http://127.0.0.1:9/x", "meta": {"_type": "gradio.FileData"}}, {"name": 7}]
    return [*texts, *questions, *numbers, *lists, *files, files, {"__type__": "update", "value": 1}]


EACH = 1 if IS_THOROUGH else 8
"""Each event gets one in so many of the values, another selection than the event before: all values are sent."""


def walk(client: Client, server: AppServer, events: list[Event]) -> list[str]:
    said = []
    values = hostile(server)
    for place, event in enumerate(events):
        for value in values[place % EACH :: EACH]:
            data = [value for _ in event.inputs]
            said.append(client.fire(event.number, data))
            if not data:
                break
        said += [client.fire(event.number, data) for data in ([], [None] * 40)]
    return said


def check(server: AppServer, said: list[str]) -> None:
    assert server.process.poll() is None
    assert OUR_FRAME.findall(server.new_log()) == []
    assert [answer for answer in said if SECRET in answer] == []
    assert server.files_outside() == {"log", "home", "secret.safetensors", "secret.txt"}


def ask_ordinarily(client: Client, events: list[Event]) -> None:
    ask = next(event for event in events if "embmerge_ask" in event.elements)
    question = json.dumps({"id": 7, "kind": "preview", "text": "'cat' + 'dog'"})
    assert "1 vector" in client.fire(ask.number, [question])


def test_no_event_of_the_app_fails_or_opens_what_nobody_chose(app: AppServer, client: Client) -> None:
    events = client.events()
    assert len(events) >= 30
    app.forget_log()
    check(app, walk(client, app, [event for event in events if OPENS not in event.elements]))
    ask_ordinarily(client, events)


def test_what_cannot_be_opened_is_refused(app: AppServer, client: Client) -> None:
    event = next(event for event in client.events() if OPENS in event.elements)
    app.forget_log()
    values = [value for value in hostile(app) if value not in ("~", "", " ", "/etc/passwd")]
    checkpoints, folders = (values, values) if IS_THOROUGH else (values[::2], values[1::2])
    said = [client.fire(event.number, [value, "embeddings"]) for value in checkpoints]
    said += [client.fire(event.number, ["", value]) for value in folders]
    check(app, said)


def test_the_tab_in_a_webui_obeys_its_login(webui: AppServer) -> None:
    stranger, somebody = Client(webui.url), Client(webui.url).log_in(*LOGIN)
    assert stranger.request("GET", "/config").status == 401
    events = somebody.events()
    question = json.dumps({"id": 7, "kind": "preview", "text": "'cat'"})
    for event in events:
        body = json.dumps({"data": [question] * len(event.inputs), "fn_index": event.number, "session_hash": "x"})
        for path in ("/run/predict", f"{somebody.prefix}/run/predict", f"{somebody.prefix}/queue/join"):
            assert stranger.request("POST", path, body).status in (401, 404, 405)
    webui.forget_log()
    check(webui, walk(somebody, webui, events))
    ask_ordinarily(somebody, events)


@pytest.fixture(autouse=True)
def _no_files_are_left(request: pytest.FixtureRequest) -> None:
    for name in ("app", "webui"):
        if name in request.fixturenames:
            request.getfixturevalue(name).forget_log()
