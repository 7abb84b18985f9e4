"""ComfyUI, whose graphs of nodes turn a CLIP object and a text into conditioning.

Run at a125cd84 (0.3.64); read at 443393b4 and 033046cc (2026). Touched of the host, besides what `encoders.py` lists:

- `folder_paths`: `get_folder_paths("embeddings")`, `get_filename_list("checkpoints")`, `get_full_path`,
  `get_user_directory` (the settings that the page saves lie there)
- `comfy.sd.CLIP`: `clone`, `tokenize`, `encode_from_tokens_scheduled`; `tokenize` is wrapped while the switch is on
- `server.PromptServer.instance`: `routes` (what the page asks) and `add_on_prompt_handler` (each queued graph)
"""

from __future__ import annotations

import hashlib
import json
import re
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ...errors import UnsupportedHost
from ...files.installed_embeddings import EmbeddingFolder
from ...files.paths import is_folder
from ...language.scan import holds_expression
from ...merge import MergeSettings
from ..encoders.installed_lookup import file_state, mentioned_states
from ..webui.checkpoint_list import CheckpointList
from ..webui.settings import (
    Others,
    allows_words,
    read_brackets,
    read_limits,
    read_others,
    refuse_model,
    say_no_vectors,
)
from .answering import answering, every_clip, tokenize
from .text_model import ComfyTextModel

__all__ = ["ComfyUI"]

STATE = "embmerge_state"
"""Input that a queued node gets beside its own, so that the host's cache knows what its texts read."""

EMBEDDING = re.compile(r"embedding:\S+")
"""How the host's own prompts name a file."""

CLIP_NAMES = ("ckpt_name", "clip_name", "clip_name1", "clip_name2", "clip_name3")
"""Inputs of nodes that load text encoders, which name their files."""


class _Checkpoints(Mapping[str, Any]):
    """The host's list of checkpoints, as `CheckpointList` reads one."""

    def __init__(self, folder_paths: Any) -> None:
        self._folder_paths = folder_paths

    def __getitem__(self, name: str) -> Any:
        path = self._folder_paths.get_full_path("checkpoints", name)
        if path is None:  # the list may be older than the folder
            raise KeyError(name)
        return SimpleNamespace(filename=path, name=name, model_name=Path(name).stem, sha256=None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._folder_paths.get_filename_list("checkpoints"))

    def __len__(self) -> int:
        return len(self._folder_paths.get_filename_list("checkpoints"))

    def values(self) -> Any:
        """Return those that are there."""
        return [self[name] for name in self if self._folder_paths.get_full_path("checkpoints", name) is not None]


class ComfyUI:
    """The running host: what nodes and expressions ask of it."""

    name = "ComfyUI"

    def __init__(self) -> None:
        """Find the host's modules; they are loaded already."""
        import folder_paths

        self.folder_paths = folder_paths
        self.checkpoints = CheckpointList(_Checkpoints(folder_paths), "ComfyUI's list")
        from comfy import sd

        self.hook = every_clip(sd.CLIP, self)
        self.answering_kinds: dict[Any, Any] = {}
        """Classes of CLIP objects that answer, by the host's class."""
        self._folder: EmbeddingFolder | None = None
        self._last: weakref.ref[Any] | None = None

    # --- Expressions ---

    def text_model(self, clip: Any, title: str | None = None) -> ComfyTextModel:
        """Return the text model of a CLIP object.

        Raises: UnsupportedHost where it has no text encoder that takes embeddings.
        """
        if clip is None:
            raise UnsupportedHost("There is no text encoder: the loader gave no CLIP.")
        self.note_clip(clip)
        return ComfyTextModel(clip, self, title)

    def answering(self, clip: Any) -> Any:
        """Return a clone of a CLIP object whose every later text encode answers expressions."""
        if clip is None:
            raise UnsupportedHost("There is no text encoder: the loader gave no CLIP.")
        return answering(clip, self)

    def encode(self, clip: Any, text: str) -> Any:
        """Return the host's conditioning of a text and of the expressions in it.

        Raises: EmbeddingMergeError at the first mistake.
        """
        if clip is None:
            raise UnsupportedHost("There is no text encoder: the loader gave no CLIP.")
        tokens = tokenize(self, type(clip).tokenize, clip, text)
        return clip.encode_from_tokens_scheduled(tokens)

    def note_clip(self, clip: Any) -> None:
        """Remember the CLIP object that was used last, for the line under a text box."""
        self._last = weakref.ref(clip)

    def last_text_model(self) -> ComfyTextModel | None:
        """Return the text model of the CLIP object that was used last; None where none was, or it is gone."""
        clip = None if self._last is None else self._last()
        try:
            return None if clip is None else ComfyTextModel(clip, self)
        except UnsupportedHost:
            return None

    def name_of_model(self, graph: Any, node: str) -> str | None:
        """Return the file that a node's CLIP was loaded from, by the links of a graph; None without a loader."""
        seen: set[str] = set()
        while isinstance(graph, dict) and node in graph and node not in seen:
            seen.add(node)
            inputs = graph[node].get("inputs", {})
            names = [inputs[key] for key in CLIP_NAMES if isinstance(inputs.get(key), str)]
            if names:
                return " + ".join(names)
            links = [value for key, value in inputs.items() if key.startswith("clip") and isinstance(value, list)]
            node = str(links[0][0]) if links else ""
        return None

    # --- Files ---

    def checkpoint_info(self, name: str) -> Any | None:
        """Return the entry of the host's list of checkpoints that has a name; None where it has none."""
        return next((info for info in self.checkpoints.known.values() if info.name == name), None)

    @property
    def embeddings_folder(self) -> Path:
        """The first of the host's folders of embeddings."""
        return Path(self.folder_paths.get_folder_paths("embeddings")[0]).absolute()

    def installed(self) -> EmbeddingFolder:
        """Return the host's folders of embeddings, as they are now."""
        roots = [Path(path) for path in self.folder_paths.get_folder_paths("embeddings")]
        there = [root for root in roots if is_folder(root)]
        if self._folder is None or self._folder.roots != there:
            self._folder = EmbeddingFolder(*there)
        self._folder.refresh()
        return self._folder

    def state(self, texts: Sequence[str]) -> str:
        """Return what changes with the files that texts name, and with the settings that expressions are read by.

        Also with those that stand outside of expressions: the host keeps a result when a file was saved anew.
        """
        typed = "\n".join(text for text in texts if holds_expression(text))
        named = "\n".join(name for text in texts for name in EMBEDDING.findall(text))
        states = [self.state_of_expressions(typed) if typed else "", self._states(named) if named else ""]
        return _digest(states) if any(states) else ""

    def state_of_expressions(self, text: str) -> str:
        """Return the same for a text that is an expression."""
        others = self.checkpoints.states(text)
        return _digest([self._states(text), sorted(others), repr(self.settings()), self.others(), self.allows_words()])

    def _states(self, text: str) -> str:
        files = {name: str(path) for name, paths in self.installed().paths().items() for path in paths}
        return json.dumps(sorted(mentioned_states(files, text).items()))

    def file_state(self, path: Path) -> tuple[int, int]:
        """Return a file's time of change and size, zeros where there is none."""
        return file_state(str(path))

    # --- Settings ---

    def settings(self) -> MergeSettings:
        """Read the brackets and the limits that the page's settings hold."""
        opts = SimpleNamespace(**self._saved())
        return MergeSettings(read_brackets(opts), read_limits(opts))

    def others(self) -> Others:
        """Read what is set for text encoders that are no CLIP's."""
        return read_others(SimpleNamespace(**self._saved()))

    def allows_words(self) -> bool:
        """Return whether a model without an encoder that takes vectors may read expressions as words."""
        return allows_words(SimpleNamespace(**self._saved()))

    def refused(self) -> UnsupportedHost:
        """Return what is to be raised for a CLIP object none of whose encoders takes vectors."""
        others = self.others()
        if others == "vectors":
            return refuse_model(SimpleNamespace(**self._saved()))
        refused = UnsupportedHost(say_no_vectors(others, any_clip=False))
        refused.reads_words = others == "words"
        return refused

    def follow_settings(self) -> None:
        """Let every CLIP object answer expressions, or none, as the switch in the settings is."""
        if self._saved().get("embmerge_every_clip", False):
            self.hook.install()
        else:
            self.hook.uninstall()

    def _saved(self) -> dict[str, Any]:
        path = Path(self.folder_paths.get_user_directory(), "default", "comfy.settings.json")
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        ours = saved.items() if isinstance(saved, dict) else ()
        return {key.replace("embmerge.", "embmerge_"): value for key, value in ours if key.startswith("embmerge.")}

    # --- The server ---

    def start(self, answers: Mapping[str, Callable[[dict[str, Any]], Any]]) -> None:
        """Follow the settings from now on, and answer the page: a function by the last part of its address."""
        from server import PromptServer

        self.follow_settings()
        server = PromptServer.instance
        server.add_on_prompt_handler(self.on_prompt)
        for name, respond in answers.items():
            server.routes.post(f"/embmerge/{name}")(_route(respond))

    def on_prompt(self, queued: Any) -> Any:
        """Note in a queued graph which files the texts of others' nodes read.

        The host's cache of results knows a node by its inputs; of ours each says itself what it reads.
        """
        self.follow_settings()
        graph = queued.get("prompt") if isinstance(queued, dict) else None
        for node in graph.values() if isinstance(graph, dict) else ():
            inputs = node.get("inputs") if isinstance(node, dict) else None
            if not isinstance(inputs, dict) or str(node.get("class_type", "")).startswith("Embmerge"):
                continue
            inputs.pop(STATE, None)
            state = self.state([value for value in inputs.values() if isinstance(value, str)])
            if state:
                inputs[STATE] = state
        return queued


def _digest(state: object) -> str:
    """Return a state in short: pictures hold the graph that they were made by, and paths are nobody's matter."""
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]


def _route(respond: Callable[[dict[str, Any]], Any]) -> Any:
    async def route(request: Any) -> Any:
        from aiohttp import web

        try:
            question = await request.json()
        except ValueError:
            question = None
        if not isinstance(question, dict):
            return web.json_response({"error": "A question is a JSON object."}, status=400)
        return web.json_response(respond(question))

    return route
