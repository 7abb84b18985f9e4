"""`/embmerge/v1/`: the library's verbs over HTTP, behind a WebUI's own login."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

import pydantic
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from lib_embmerge.frontends.app.host import AppHost
from lib_embmerge.frontends.rest import LARGEST_BODY, PREFIX, build_routes, serve_api
from lib_embmerge.operations import OPERATIONS

BROKEN = 400 if pydantic.VERSION.startswith("1.") else 422
"""pydantic 2 finds half of a surrogate pair itself."""
LOGIN = base64.b64encode(b"somebody:secret word").decode()


@dataclass
class Reply:
    status: int
    content: Any


class Server:
    """An app of FastAPI's, asked as an ASGI server asks it: no client library is needed."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def ask(self, method: str, path: str, content: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        body = b"" if content is None else content if isinstance(content, bytes) else json.dumps(content).encode()
        sent = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "scheme": "http",
            "query_string": b"",
            "headers": [(key.encode(), value.encode()) for key, value in sent.items() if value],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        return asyncio.run(self._ask(scope, body))

    async def _ask(self, scope: dict[str, Any], body: bytes) -> Reply:
        said: list[Any] = []
        sent = False

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if sent:
                await asyncio.sleep(60)
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        await self.app(scope, receive, send)
        raw = b"".join(message.get("body", b"") for message in said)
        return Reply(said[0]["status"], json.loads(raw) if raw else None)


@pytest.fixture
def host(tmp_path: Path) -> AppHost:
    (tmp_path / "embeddings").mkdir()
    return AppHost(None, tmp_path / "embeddings", None)


@pytest.fixture
def server(host: AppHost) -> Server:
    app = FastAPI()
    app.include_router(build_routes(host))
    return Server(app)


def test_an_expression_and_a_prompt_are_counted(server: Server) -> None:
    found = server.ask("POST", f"{PREFIX}/count", {"text": "'black cat', 'dog'"})
    assert found.status == 200
    assert (found.content["kind"], found.content["encoders"]) == ("expression", {"clip_l": 3, "clip_g": 3})
    assert found.content["model"]["demonstration"]
    found = server.ask("POST", f"{PREFIX}/count", {"text": "a <'cat' + 'dog'> in snow"})
    assert found.content["encoders"] == {"clip_l": 4, "clip_g": 4}
    assert found.content["expressions"] == [{"text": "'cat' + 'dog'", "vectors": 1}]


def test_an_expression_is_computed(server: Server) -> None:
    asked = {"expression": "'cat' * 0", "nearest": 3, "numbers": True}
    found = server.ask("POST", f"{PREFIX}/evaluate", asked).content
    assert found["encoders"] == {"clip_l": [1, 768], "clip_g": [1, 1280]}
    assert [row["norm"] for row in found["vectors"]] == [0.0, 0.0]
    assert found["nearest"] == []
    assert set(map(tuple, found["numbers"]["clip_l"])) == {(0.0,) * 768}
    found = server.ask("POST", f"{PREFIX}/evaluate", {"expression": "<'cat'>"}).content
    assert found["nearest"][0]["text"] == "cat"
    assert found["numbers"] is None


def test_a_file_is_saved_looked_at_and_checked(server: Server, host: AppHost) -> None:
    wish = {"expression": "'cat' - 'adult'", "name": "kittens", "folder": "a/b", "author": "somebody"}
    (saved,) = server.ask("POST", f"{PREFIX}/save", wish).content["saved"]
    assert saved["path"] == "a/b/kittens.safetensors"
    assert (host.embeddings_folder / saved["path"]).stat().st_size == saved["bytes"]
    found = server.ask("POST", f"{PREFIX}/inspect", {"file": saved["path"]}).content
    assert found["metadata"]["embmerge.expression"] == "'cat' - 'adult'"
    assert found["metadata"]["modelspec.author"] == "somebody"
    assert found["encoders"] == {"clip_l": [1, 768], "clip_g": [1, 1280]}
    verdicts = server.ask("POST", f"{PREFIX}/check", {"file": saved["path"]}).content["verdicts"]
    assert any(verdict["loads"] for verdict in verdicts)
    again = server.ask("POST", f"{PREFIX}/save", wish)
    assert (again.status, "exists already" in again.content["message"]) == (400, True)
    assert server.ask("POST", f"{PREFIX}/count", {"text": "emb('kittens')"}).content["encoders"]["clip_l"] == 1


def test_a_mistake_says_where_it_is_and_what_may_stand_there(server: Server) -> None:
    text = "'a' + lurp('a', 'b', 0.5)"
    found = server.ask("POST", f"{PREFIX}/evaluate", {"expression": text})
    assert found.status == 400
    start, end = found.content["span"]
    assert found.content["source"][start:end] == "lurp"
    assert "lerp" in found.content["alternatives"]
    assert found.content["message"]


@pytest.mark.parametrize(
    ("path", "question", "status"),
    [
        ("count", {"text": "'a' +"}, 400),
        ("count", {}, 422),
        ("count", {"text": ["a"]}, 422),
        ("count", [[]], 422),
        ("count", b"{", 422),
        ("count", {"text": "x" * 1_000_001}, 422),
        ("count", {"text": "'a'@\"/etc/passwd\""}, 400),
        ("count", {"text": "'a'@\"~nosuch.x\""}, 400),
        ("count", {"text": "\0"}, 200),
        ("evaluate", {"expression": "'a'", "nearest": 10**6}, 422),
        ("evaluate", {"expression": "'a'", "nearest": "x"}, 422),
        ("evaluate", {"expression": "repeat('a', 100000)"}, 400),
        ("evaluate", {"expression": "\ud83d"}, BROKEN),
        ("save", {"expression": "'a'", "name": "../x"}, 400),
        ("save", {"expression": "'a'", "name": "x", "folder": "../y"}, 400),
        ("save", {"expression": "'a'", "name": "x", "folder": "/tmp"}, 400),
        ("save", {"expression": "'a'", "name": "x", "folder": "~"}, 400),
        ("save", {"expression": "'a'", "name": "x", "dtype": "int8"}, 400),
        ("save", {"expression": "'a'", "name": "x", "long": "burn"}, 400),
        ("save", {"expression": "repeat('a', 80)", "name": "x"}, 400),
        ("save", {"expression": "'a'", "name": "x", "author": "y" * 20_000}, 422),
        ("inspect", {"file": "/etc/passwd"}, 400),
        ("inspect", {"file": "../secret.safetensors"}, 400),
        ("inspect", {"file": "x" * 300}, 400),
        ("inspect", {"file": "\0"}, 400),
        ("inspect", {"file": ""}, 400),
        ("check", {"file": "~nosuch"}, 400),
    ],
)
def test_a_question_that_is_none_is_refused(
    server: Server, host: AppHost, path: str, question: Any, status: int
) -> None:
    (host.embeddings_folder.parent / "secret.safetensors").write_bytes(b"TOPSECRET")
    found = server.ask("POST", f"{PREFIX}/{path}", question)
    assert found.status == status, found.content
    assert "TOPSECRET" not in json.dumps(found.content)
    assert status != 400 or found.content["message"].endswith(".")
    assert list(host.embeddings_folder.iterdir()) == []


def test_a_body_has_a_size(server: Server) -> None:
    assert server.ask("POST", f"{PREFIX}/count", b" " * (LARGEST_BODY + 1)).status == 413
    assert server.ask("POST", f"{PREFIX}/count", {"text": "'a'"}, {"content-length": ""}).status == 411


def test_all_of_the_language_is_listed(server: Server) -> None:
    found = server.ask("GET", f"{PREFIX}/functions").content["functions"]
    assert [one["name"] for one in found] == [entry.name for entry in OPERATIONS.values()]


def test_the_openapi_page_has_the_routes(server: Server) -> None:
    schema = server.ask("GET", "/openapi.json").content
    paths = {path for path in schema["paths"] if path.startswith(PREFIX)}
    assert {path.rpartition("/")[2] for path in paths} == {"count", "evaluate", "save", "inspect", "check", "functions"}
    assert "MistakeFound" in schema["components"]["schemas"]


# --- In a WebUI ----------------------------------------------------------------------------------------------------


def webui(*, has_api: bool, login: str = "") -> FastAPI:
    """Make what a WebUI's server is: routes of its own API, each behind a login where one is asked for."""

    def look(credentials: HTTPBasicCredentials = Depends(HTTPBasic())) -> bool:  # noqa: B008
        if f"{credentials.username}:{credentials.password}" != login:
            raise HTTPException(status_code=401)
        return True

    def options() -> dict[str, str]:
        return {}

    app = FastAPI()
    app.add_api_route("/sdapi/v1/loras", options)  # an extension's, which is there in any case
    if has_api:
        app.add_api_route("/sdapi/v1/txt2img", options, dependencies=[Depends(look)] if login else [])
    return app


def test_nothing_is_served_where_the_host_s_api_is_off(host: AppHost) -> None:
    app = webui(has_api=False)
    assert not serve_api(app, host)
    assert Server(app).ask("GET", f"{PREFIX}/functions").status == 404


def test_the_host_s_login_is_asked_for(host: AppHost) -> None:
    app = webui(has_api=True, login="somebody:secret word")
    server = Server(app)
    server.ask("GET", "/openapi.json")
    assert serve_api(app, host)
    for method, path in (("GET", "functions"), ("POST", "save"), ("POST", "count")):
        asked = {"expression": "'a'", "name": "x", "text": "'a'"} if method == "POST" else None
        assert server.ask(method, f"{PREFIX}/{path}", asked).status == 401
        good = {"authorization": f"Basic {LOGIN}"}
        assert server.ask(method, f"{PREFIX}/{path}", asked, good).status == 200
    assert f"{PREFIX}/save" in server.ask("GET", "/openapi.json").content["paths"]


def test_questions_of_several_threads_are_answered(server: Server) -> None:
    found: list[Any] = []
    asked = {"expression": "'cat' + 'dog'"}

    def ask() -> None:
        found.append(server.ask("POST", f"{PREFIX}/evaluate", asked).content)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(one == found[0] for one in found)
    assert len(found) == 4
