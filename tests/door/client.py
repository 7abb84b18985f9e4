"""Whoever speaks to a server of gradio's without its page: requests of all kinds, and each of its events."""

from __future__ import annotations

import http.client
import itertools
import json
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PATIENCE_S = 60
"""How long an event may take on a busy machine."""

_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def content(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Event:
    """One of the page's events: its number, the types of the components that it reads, and what sets it off."""

    number: int
    inputs: tuple[str, ...]
    elements: tuple[str, ...]


class Client:
    def __init__(self, url: str, cookie: str = "") -> None:
        self.url = urllib.parse.urlsplit(url)
        self.cookie = cookie

    def request(
        self, method: str, path: str, body: str | bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        connection = http.client.HTTPConnection(self.url.hostname or "", self.url.port, timeout=PATIENCE_S)
        sent = {"Cookie": self.cookie} if self.cookie else {}
        if body is not None:
            sent["Content-Type"] = "application/json"
        data = body.encode() if isinstance(body, str) else body
        try:
            connection.request(method, path, data, {**sent, **(headers or {})})
            response = connection.getresponse()
            kept = {key.lower(): value for key, value in response.getheaders()}
            return Reply(response.status, kept, response.read().decode(errors="replace"))
        finally:
            connection.close()

    def log_in(self, name: str, word: str) -> Client:
        form = urllib.parse.urlencode({"username": name, "password": word})
        reply = self.request("POST", "/login", form, {"Content-Type": "application/x-www-form-urlencoded"})
        assert reply.status == 200, reply
        return Client(self.url.geturl(), reply.headers["set-cookie"].split(";")[0])

    @property
    def config(self) -> Any:
        return self.request("GET", "/config").content

    def events(self) -> list[Event]:
        """Read all events that Python answers from `/config`."""
        config = self.config
        types = {component["id"]: component["type"] for component in config["components"]}
        elements = {c["id"]: c["props"].get("elem_id") or "" for c in config["components"]}
        found = []
        for place, dependency in enumerate(config["dependencies"]):
            if not dependency["backend_fn"]:
                continue
            inputs = tuple(types[one] for one in dependency["inputs"])
            targets = [one[0] if isinstance(one, list) else one for one in dependency["targets"]]
            sources = tuple(elements.get(one, "") for one in targets)
            found.append(Event(dependency.get("id", place), inputs, sources))
        return found

    def fire(self, number: int, data: Sequence[Any]) -> str:
        """Set an event off; give all that comes back, as text."""
        session = f"session{next(_NUMBERS)}"
        body = json.dumps({"data": list(data), "fn_index": number, "session_hash": session, "event_data": None})
        if self.config_version.startswith("3."):
            return self.request("POST", "/run/predict", body).body
        reply = self.request("POST", f"{self.prefix}/queue/join", body)
        if reply.status != 200:
            return reply.body
        return self._follow(session)

    def _follow(self, session: str) -> str:
        """Read what a queue says until the event is over."""
        connection = http.client.HTTPConnection(self.url.hostname or "", self.url.port, timeout=PATIENCE_S)
        headers = {"Cookie": self.cookie} if self.cookie else {}
        said = []
        try:
            connection.request("GET", f"{self.prefix}/queue/data?session_hash={session}", headers=headers)
            response = connection.getresponse()
            while line := response.readline().decode(errors="replace"):
                said.append(line)
                if "process_completed" in line or "unexpected_error" in line or "close_stream" in line:
                    break
        finally:
            connection.close()
        return "".join(said)

    @property
    def config_version(self) -> str:
        if not hasattr(self, "_version"):
            self._version = str(self.config["version"])
        return self._version

    @property
    def prefix(self) -> str:
        return "/gradio_api" if int(self.config_version.split(".")[0]) >= 5 else ""
