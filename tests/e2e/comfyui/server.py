"""A small client of a running ComfyUI, as far as the tests need it."""

from __future__ import annotations

import io
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

Graph = dict[str, dict[str, Any]]
WAIT = 300


@dataclass(frozen=True)
class Done:
    """What became of a queued graph: pictures' pixels, texts that nodes showed, and the mistake that stopped it.

    `cached` are the nodes whose results were kept from before, `fingerprint` is a conditioning's hash.
    """

    pictures: list[bytes] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    mistake: str = ""
    node: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    status: str = ""
    cached: list[str] = field(default_factory=list)
    fingerprint: str = ""


class ComfyServer:
    """A running ComfyUI."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = uuid.uuid4().hex
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with self.opener.open(request, timeout=WAIT) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def fetch(self, path: str) -> bytes:
        with self.opener.open(self.url + path, timeout=WAIT) as answer:
            return bytes(answer.read())

    def queue(self, graph: Graph) -> str:
        return str(self.call("/prompt", {"prompt": graph, "client_id": self.client})["prompt_id"])

    def wait(self, prompt: str) -> Done:
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            history = self.call(f"/history/{prompt}")
            if prompt in history and history[prompt].get("status"):
                return self._done(history[prompt])
            time.sleep(0.05)
        raise TimeoutError(prompt)

    def run(self, graph: Graph) -> Done:
        return self.wait(self.queue(graph))

    def encode(self, text: str, checkpoint: str, *, through: str = "node", **more: Any) -> Done:
        return self.run(picture_graph(text, checkpoint, through=through, **more))

    def fingerprint(self, graph: Graph) -> Done:
        """Run a graph up to its text encode, node 2, and show the conditioning's hash; no picture is made."""
        kept = {key: graph[key] for key in graph if key not in ("3", "4", "5", "6", "7")}
        return self.run({**kept, "99": node("E2EFingerprint", conditioning=["2", 0])})

    def folder(self, kind: str) -> Path:
        paths = self.call("/internal/folder_paths")[kind]
        return Path(paths[0][0] if isinstance(paths[0], list) else paths[0])

    def set_setting(self, name: str, value: object) -> None:
        self.call(f"/settings/{name}", value)

    def process_memory(self) -> int:
        """Give the resident bytes of the process of COMFYUI_PID; 0 where that is not set."""
        process = os.environ.get("COMFYUI_PID")
        if not process:
            return 0
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))

    def version(self) -> str:
        return str(self.call("/system_stats")["system"]["comfyui_version"])

    def _done(self, entry: dict[str, Any]) -> Done:
        outputs = entry.get("outputs", {})
        images = [image for output in outputs.values() for image in output.get("images", [])]
        files = [self.fetch(f"/view?{urllib.parse.urlencode(image)}") for image in images]
        opened = [Image.open(io.BytesIO(content)) for content in files]
        texts = [text for output in outputs.values() for text in output.get("embmerge_text", [])]
        prints = [text for output in outputs.values() for text in output.get("fingerprint", [])]
        errors = [event[1] for event in entry["status"]["messages"] if event[0] == "execution_error"]
        error = errors[0] if errors else {}
        cached = [event[1]["nodes"] for event in entry["status"]["messages"] if event[0] == "execution_cached"]
        return Done(
            [image.convert("RGB").tobytes() for image in opened],
            texts,
            str(error.get("exception_message", "")),
            str(error.get("node_type", "")),
            {key: value for image in opened for key, value in image.info.items()},
            "interrupted" if any(e[0] == "execution_interrupted" for e in entry["status"]["messages"]) else "done",
            [node for nodes in cached for node in nodes],
            prints[0] if prints else "",
        )


LORA = {"lora_name": "tiny-comfy-lora.safetensors", "strength_model": 0.0, "strength_clip": 1.0}
LINKS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "wrap": ("EmbmergeExpressionsForCLIP", 0, {}),
    "skip": ("CLIPSetLastLayer", 0, {"stop_at_clip_layer": -3}),
    "lora": ("LoraLoader", 1, {"model": ["1", 0], **LORA}),
}
"""Nodes between a loader and a text encode: their kind, which output is the CLIP, and their inputs beside it."""


def picture_graph(
    text: str,
    checkpoint: str,
    *,
    through: str = "node",
    negative: str = "",
    seed: int = 5,
    steps: int = 2,
    size: int = 32,
    batch: int = 1,
    save: bool = False,
    chain: Sequence[str] | None = None,
) -> Graph:
    """Return a graph that makes a picture; `through` is our node, the wrapped CLIP, or the host's own node alone.

    `chain` is what stands between the loader and the host's own node: `wrap` (ours), `skip`, `lora`.
    """
    graph: Graph = {
        "1": node("CheckpointLoaderSimple", ckpt_name=f"{checkpoint}.safetensors"),
        "4": node("EmptyLatentImage", width=size, height=size, batch_size=batch),
        "5": node(
            "KSampler",
            model=["1", 0],
            positive=["2", 0],
            negative=["3", 0],
            latent_image=["4", 0],
            seed=seed,
            steps=steps,
            cfg=7.0,
            sampler_name="euler",
            scheduler="normal",
            denoise=1.0,
        ),
        "6": node("VAEDecode", samples=["5", 0], vae=["1", 2]),
        "7": node("PreviewImage", images=["6", 0]),
    }
    if save:
        graph["7"] = node("SaveImage", images=["6", 0], filename_prefix="e2e")
    clip: list[Any] = ["1", 1]
    if chain is None:
        chain = ("wrap",) if through == "clip" else ()
    elif through == "node":
        through = "host"
    for number, link in enumerate(chain, start=8):
        kind, output, more = LINKS[link]
        graph[str(number)] = node(kind, clip=clip, **more)
        clip = [str(number), output]
    kind = "EmbmergeTextEncode" if through == "node" else "CLIPTextEncode"
    graph["2"] = node(kind, clip=clip, text=text)
    graph["3"] = node(kind, clip=clip, text=negative)
    return graph


def node(kind: str, /, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}
