"""Who may speak to the app, and how much."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest

from lib_embmerge.frontends.app.door import HEADERS, LARGEST_BODY, Rules
from lib_embmerge.frontends.app.uploads import LARGEST_UPLOAD, LONGEST_S, MOST_FILES, Uploads

from ..browser.app_server import AppServer
from .client import Client
from .conftest import SECRET

EVENT = json.dumps({"data": ["{}"], "fn_index": 0, "session_hash": "x"})
FOREIGN = "http://evil.example"


@pytest.mark.parametrize(
    ("name", "host", "is_allowed"),
    [
        ("127.0.0.1", "127.0.0.1:7860", True),
        ("127.0.0.1", "localhost:7860", True),
        ("127.0.0.1", "LOCALHOST", True),
        ("127.0.0.1", "[::1]:7860", True),
        ("127.0.0.1", "evil.example:7860", False),
        ("127.0.0.1", "127.0.0.1.evil.example", False),
        ("127.0.0.1", "192.168.0.7:7860", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "[", False),
        ("127.0.0.1", "a b", False),
        ("mybox.lan", "mybox.lan:7860", True),
        ("mybox.lan", "MyBox.lan", True),
        ("mybox.lan", "other.lan", False),
        ("0.0.0.0", "192.168.0.7:7860", True),
        ("0.0.0.0", "[fe80::1]:7860", True),
        ("0.0.0.0", "evil.example", False),
        ("::", "10.0.0.1", True),
    ],
)
def test_a_host_is_known_by_its_name(name: str, host: str, is_allowed: bool) -> None:
    assert Rules(name).allow_host(host) is is_allowed


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("http://127.0.0.1:7860", True),
        ("https://127.0.0.1:7860", True),
        ("http://127.0.0.1:3000", False),
        ("http://localhost:7860", False),
        ("http://evil.example", False),
        ("http://evil.example/127.0.0.1:7860", False),
        ("http://127.0.0.1:7860@evil.example", False),
        ("null", False),
        ("file://", False),
        ("chrome-extension://127.0.0.1:7860", False),
        ("", False),
    ],
)
def test_an_origin_is_ours_or_another_s(origin: str, is_allowed: bool) -> None:
    assert Rules("127.0.0.1").allow_origin(origin, "127.0.0.1:7860") is is_allowed


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/", None, {}, 200),
        ("GET", "/config", None, {}, 200),
        ("GET", "/", None, {"Host": "evil.example"}, 421),
        ("GET", "/config", None, {"Host": "evil.example:80"}, 421),
        ("GET", "/config", None, {"Origin": FOREIGN}, 403),
        ("GET", "/config", None, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ("GET", "/", None, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ("POST", "/run/predict", EVENT, {"Host": "evil.example"}, 421),
        ("POST", "/run/predict", EVENT, {"Origin": FOREIGN}, 403),
        ("POST", "/run/predict", EVENT, {"Origin": "null"}, 403),
        ("POST", "/run/predict", EVENT, {"Content-Type": ""}, 415),
        ("POST", "/run/predict", EVENT, {"Content-Type": "text/plain"}, 415),
        ("POST", "/run/predict", EVENT, {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ("POST", "/gradio_api/queue/join", EVENT, {"Content-Type": "text/plain"}, 415),
        ("POST", "/gradio_api/queue/join", EVENT, {"Origin": FOREIGN}, 403),
        ("POST", "/queue/join", EVENT, {"Origin": FOREIGN, "Content-Type": "text/plain"}, 403),
        ("POST", "/run/predict", " " * (LARGEST_BODY + 1), {}, 413),
        ("POST", "/upload", "x", {}, 415),
        ("POST", "/upload", "x", {"Content-Type": "multipart/form-data; boundary=x", "Origin": FOREIGN}, 403),
        ("POST", "/gradio_api/upload", "x", {"Content-Type": "multipart/form-data", "Origin": "null"}, 403),
        ("GET", "/proxy=http://127.0.0.1:1/", None, {}, 404),
        ("GET", "/gradio_api/proxy=http://127.0.0.1:1/", None, {}, 404),
        ("GET", "/file=secret.txt", None, {}, 403),
        ("GET", "/file=/etc/passwd", None, {}, 403),
        ("GET", "/gradio_api/file=secret.txt", None, {}, 403),
        ("GET", "/file/secret.txt", None, {}, 404),
        ("GET", "/file=http://evil.example/", None, {}, 403),
        ("GET", "/monitoring", None, {}, 404),
        ("POST", "/component_server", "{}", {}, 404),
        ("POST", "/gradio_api/component_server", "{}", {}, 404),
        ("POST", "/login", "{}", {}, 404),
        ("PUT", "/config", "{}", {}, 404),
    ],
)
def test_what_no_page_of_ours_sends_is_refused(
    client: Client, method: str, path: str, body: str | None, headers: dict[str, str], status: int
) -> None:
    reply = client.request(method, path, body, headers)
    assert reply.status == status, reply.body[:200]
    assert SECRET not in reply.body
    for key, value in HEADERS:
        assert reply.headers[key.decode()] == value.decode()


def speak(app: AppServer, *lines: str, body: str = "") -> str:
    """Send a request as it stands; give the line of its status."""
    port = app.url.rstrip("/").rpartition(":")[2]
    with socket.create_connection(("127.0.0.1", int(port)), timeout=20) as connection:
        connection.sendall(("\r\n".join([*lines, "", ""]) + body).encode())
        return connection.recv(200).decode(errors="replace").partition("\r\n")[0]


def test_a_body_of_no_stated_length_is_refused(app: AppServer) -> None:
    host = f"Host: {app.url.split('/')[2]}"
    kind = ("Content-Type: application/json", "Transfer-Encoding: chunked")
    assert " 411" in speak(app, "POST /run/predict HTTP/1.1", host, *kind, body="0\r\n\r\n")
    upload = f"Content-Length: {LARGEST_UPLOAD + 1}"
    assert " 413" in speak(app, "POST /upload HTTP/1.1", host, "Content-Type: multipart/form-data; boundary=x", upload)


def test_a_foreign_page_opens_no_websocket(app: AppServer) -> None:
    host = f"Host: {app.url.split('/')[2]}"
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", key)
    for header in (f"Origin: {FOREIGN}", "Origin: null", "Sec-Fetch-Site: cross-site"):
        assert " 403" in speak(app, "GET /queue/join HTTP/1.1", host, *upgrade, header)
    refused = speak(app, "GET /queue/join HTTP/1.1", "Host: evil.example", *upgrade)
    assert refused.split()[1] in ("403", "421")  # as a websocket, or where the server has none


def test_an_upload_is_kept_and_can_be_read_back(app: AppServer, client: Client) -> None:
    body = '--x\r\nContent-Disposition: form-data; name="files"; filename="a.pt"\r\n\r\nhello\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Origin": app.url.rstrip("/")}
    reply = client.request("POST", f"{client.prefix}/upload", body, headers)
    assert reply.status == 200
    (path,) = reply.content
    assert Path(path).is_relative_to(app.place / "uploads")
    assert client.request("GET", f"{client.prefix}/file={path}").body == "hello"
    assert client.request("GET", f"{client.prefix}/file={path}/../../../../secret.txt").status in (403, 404)


def test_uploads_are_few_and_go(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    for number in range(MOST_FILES + 20):
        path = tmp_path / str(number % 7) / f"{number}.pt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (time.time(), time.time() - number))
    uploads.tidy()
    left = {int(path.stem) for path in tmp_path.rglob("*.pt")}
    assert left == set(range(MOST_FILES))
    for path in tmp_path.rglob("*.pt"):
        os.utime(path, (time.time(), time.time() - LONGEST_S - 1))
    uploads.tidy()
    assert list(tmp_path.rglob("*.pt")) == []


def test_uploads_take_no_more_than_their_room(tmp_path: Path) -> None:
    for number in range(9):
        path = tmp_path / f"{number}.pt"
        with path.open("wb") as file:
            file.truncate(LARGEST_UPLOAD // 4)
        os.utime(path, (time.time(), time.time() - number))
    Uploads(tmp_path).tidy()
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["0", "1", "2", "3"]


def test_the_folder_of_uploads_goes_with_the_app(tmp_path: Path) -> None:
    from ..browser.app_server import start_server
    from ..browser.gradios import interpreters

    label, python = interpreters()[0].values[0] or ("", "")
    if not label:
        pytest.skip("gradio is not installed")
    with start_server(label, python, tmp_path) as running:
        assert len(list((tmp_path / "uploads").glob("embmerge-*"))) == 1
        assert running.process.poll() is None
    assert list((tmp_path / "uploads").glob("embmerge-*")) == []
