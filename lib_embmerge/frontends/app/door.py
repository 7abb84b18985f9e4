"""Who may speak to the app, and how much: what a web page of somebody else sends is refused before gradio sees it.

A server on loopback can be reached by every page in the user's browser. Such a page cannot forge three things: the
`Host` by which it found the server, the `Origin` that it is from, and, without being asked by the browser first, a
content type of JSON. All three are looked at, in every request; so are the size, and the route: of gradio's own, only
those are open that the page needs, and none that reads files or speaks to other servers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .uploads import LARGEST_UPLOAD, Uploads

__all__ = ["Door", "Rules", "is_loopback"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LOOPBACK = frozenset(["127.0.0.1", "localhost", "::1"])
EVERYWHERE = frozenset(["0.0.0.0", "::"])
"""What a server listens on that answers under every address of its machine."""

LARGEST_BODY = 4_000_000
"""Bytes of a request that brings no file: the longest list of the page with all its quotes escaped."""

WRITING = frozenset(["POST", "PUT", "PATCH", "DELETE"])

OPEN_FOR_WRITING = ("/queue/join", "/run/", "/api/", "/call/", "/reset", "/cancel", "/upload", "/embmerge/v1/")
"""Where the page sends something: gradio's routes for events and uploads, and our own."""

CLOSED = ("/proxy=", "/stream", "/monitoring", "/dev/", "/deep_link", "/runs", "/run-history", "/profiling", "/file/")
"""Routes of gradio's that fetch, keep or tell what the page does not need."""

HEADERS = (
    (b"content-security-policy", b"frame-ancestors 'self'"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""What every answer says: no other site may show it in a frame, or load it."""


@dataclass(frozen=True)
class Rules:
    """Under which names the server may be asked for: its own, and on all addresses any address that is a number."""

    name: str

    def allow_host(self, host: str) -> bool:
        """Return whether the header `Host` is one that no foreign page can bring about.

        A name that somebody else owns may lead here (DNS rebinding); a number cannot.
        """
        name = _host_name(host)
        if name in LOOPBACK or name == self.name.lower():
            return True
        return self.name in EVERYWHERE and _is_address(name)

    def allow_origin(self, origin: str, host: str) -> bool:
        """Return whether a page of that origin is our own."""
        return urlsplit(origin).netloc.lower() == host.lower() and urlsplit(origin).scheme in ("http", "https")


def is_loopback(name: str) -> bool:
    """Return whether only this machine reaches a server of that name."""
    return name in LOOPBACK


class Door:
    """A layer around gradio's server, in the form that ASGI servers call.

    Source: https://asgi.readthedocs.io/en/latest/specs/www.html
    """

    def __init__(self, app: Callable[..., Awaitable[None]], rules: Rules, uploads: Uploads) -> None:
        """Take the server, who may ask it, and where its uploads lie."""
        self.app = app
        self.rules = rules
        self.uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or hand it on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        refusal = self._refuse(scope, headers)
        if refusal is not None:
            await _answer(scope, send, *refusal)
        elif scope["type"] == "websocket":
            await self.app(scope, _bounded(receive), send)
        else:
            if scope["method"] == "POST" and _route(scope).startswith("/upload"):
                self.uploads.tidy()
            await self.app(scope, receive, _with_headers(send))

    def _refuse(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, str] | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self.rules.allow_host(host):
            return 421, "This server is not known under that name. Start it with --host NAME for another one."
        if origin is not None and not self.rules.allow_origin(origin, host):
            return 403, "Another site may not speak to this server."
        if _is_foreign(headers):
            return 403, "Another site may not load this."
        if scope["type"] == "http":
            return self._refuse_route(scope, headers)
        return None

    def _refuse_route(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, str] | None:
        route = _route(scope)
        if any(route.startswith(closed) for closed in CLOSED):
            return 404, "There is nothing here."
        if route.startswith("/file="):
            return None if self.uploads.holds(Path(unquote(route.removeprefix("/file=")))) else (403, "Not this file.")
        if scope["method"] in WRITING:
            if not any(route.startswith(way) for way in OPEN_FOR_WRITING):
                return 404, "There is nothing here."
            return _refuse_body(headers, is_upload=route.startswith("/upload"))
        return None


def _refuse_body(headers: Mapping[str, str], *, is_upload: bool) -> tuple[int, str] | None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != ("multipart/form-data" if is_upload else "application/json"):
        return 415, "This is to be sent as a form with files." if is_upload else "This is to be sent as JSON."
    length = headers.get("content-length", "")
    if not length.isdecimal():
        return 411, "The length of what is sent must be said before."
    most = LARGEST_UPLOAD if is_upload else LARGEST_BODY
    if len(length) > 12 or int(length) > most:
        return 413, f"At most {most:,} bytes are taken."
    return None


def _is_foreign(headers: Mapping[str, str]) -> bool:
    """Return whether the browser names another site as the one that asks, and it is no link that a person follows."""
    site, mode = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode")
    return site in ("cross-site", "same-site") and mode != "navigate"


def _route(scope: Scope) -> str:
    """Return the path as gradio's older versions call it; since 5.0 most begin with `/gradio_api`."""
    path: str = scope["path"]
    return path.removeprefix("/gradio_api")


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _bounded(receive: Receive) -> Receive:
    """Hang up on a message of a websocket that is longer than anything the page sends."""

    async def receive_bounded() -> Message:
        message = await receive()
        if len(message.get("text") or message.get("bytes") or "") > LARGEST_BODY:
            return {"type": "websocket.disconnect", "code": 1009}
        return message

    return receive_bounded


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
        await send(message)

    return send_with_headers


async def _answer(scope: Scope, send: Send, status: int, sentence: str) -> None:
    """Refuse with a status and a sentence; a websocket, which has none yet, is not opened."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": sentence.encode()})
