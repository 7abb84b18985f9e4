"""ComfyUI in small: CLIP objects, folders, settings and a server, put into `sys.modules` under the host's names.

What is encoded is what would enter a transformer: for each position the token's row or the vector, and its weight.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from .parts import vocabulary
from .parts.encoders import WIDTHS, make_table
from .parts.weights import weighted_texts

KINDS = {
    "sd1": {"clip_l": "l"},
    "sd2": {"clip_h": "h"},
    "sdxl": {"clip_l": "l", "clip_g": "g"},
    "refiner": {"clip_g": "g"},
    "flux": {"clip_l": "l", "t5xxl": "t5xxl"},
    "wan": {"umt5xxl": "umt5xxl"},
}
"""The encoders of each kind of model by their attribute, and the key of their lists of tokens."""

NEWER = "newest "
"""Before a kind's name: the model as the versions of 2026 hold it."""

ROOM = 77
SMALL_GROUP = 8
"""Tokens from which on a stretch of text is divided between two chunks; a shorter one goes to the next."""


class CutsWords:
    """In the shape of transformers' tokenizer: start and end token around a text's."""

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [vocabulary.START, *vocabulary.encode(text), vocabulary.END]}

    def convert_ids_to_tokens(self, token: int) -> str:
        return vocabulary.SPELLINGS[token]

    def convert_tokens_to_string(self, tokens: Sequence[str]) -> str:
        return "".join(tokens).replace(vocabulary.END_OF_WORD, " ")


class OneTokenizer:
    """The tokenizer of one encoder."""

    tokens_start = 1
    tokenizer_adds_end_token = True
    start_token, end_token = vocabulary.START, vocabulary.END

    def __init__(self, key: str, folder: Path) -> None:
        self.tokenizer: Any = CutsWords()
        self.embedding_key = key
        self.pad_token = 0 if key == "clip_g" else vocabulary.END
        self.folder = folder

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **_: Any) -> list[list[tuple[Any, ...]]]:
        groups = [
            [(token, weight, number) for token in self._tokens(piece)]
            for number, (piece, weight) in enumerate(self._pieces(text), start=1)
        ]
        chunks: list[list[tuple[Any, ...]]] = [[(self.start_token, 1.0, 0)]]
        for group in groups:
            rest = group
            while rest:
                room = ROOM - 1 - len(chunks[-1])
                if len(rest) > room:
                    taken = room if len(group) >= SMALL_GROUP else 0
                    chunks[-1] += rest[:taken]
                    self._end(chunks[-1])
                    chunks.append([(self.start_token, 1.0, 0)])
                    rest = rest[taken:]
                else:
                    chunks[-1] += rest
                    rest = []
        self._end(chunks[-1])
        kept = 3 if return_word_ids else 2
        return [[token[:kept] for token in chunk] for chunk in chunks]

    def _end(self, chunk: list[tuple[Any, ...]]) -> None:
        chunk.append((self.end_token, 1.0, 0))
        chunk += [(self.pad_token, 1.0, 0)] * (ROOM - len(chunk))

    def _pieces(self, text: str) -> Iterator[tuple[str, float]]:
        for weighted, weight in weighted_texts(text, "()"):
            for piece in re.split(r"(?<=\s)(?=embedding:)", weighted or ""):
                if piece.startswith("embedding:"):
                    name, _, rest = piece.partition(" ")
                    yield name, weight
                    yield rest, weight
                else:
                    yield piece, weight

    def _tokens(self, piece: str) -> list[Any]:
        if not piece.startswith("embedding:"):
            return list(self.tokenizer(piece)["input_ids"][self.tokens_start : -1]) if piece else []
        path = self.folder / f"{piece.removeprefix('embedding:').strip(',')}.safetensors"
        if not path.exists():
            return []
        found = safetensors.torch.load_file(path)
        return list(found[self.embedding_key] if self.embedding_key in found else next(iter(found.values())))


class AllTokenizers:
    """The tokenizer of a model with one encoder or several."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.keys = KINDS[kind]
        for name in self.keys:
            setattr(self, name, OneTokenizer(name, folder))

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **more: Any) -> dict[str, Any]:
        return {
            key: getattr(self, name).tokenize_with_weights(text, return_word_ids, **more)
            for name, key in self.keys.items()
        }


class Table(torch.nn.Module):
    """A layer that is called as the host calls it, and adds the patches that are loaded."""

    def __init__(self, layer: torch.nn.Embedding) -> None:
        super().__init__()
        self.layer = layer
        self.patch = 0.0

    @property
    def weight(self) -> Tensor:
        return self.layer.weight

    @property
    def num_embeddings(self) -> int:
        return self.layer.num_embeddings

    @property
    def embedding_dim(self) -> int:
        return self.layer.embedding_dim

    def forward(self, ids: Tensor, out_dtype: torch.dtype | None = None) -> Tensor:
        found: Tensor = self.layer(ids) + self.patch
        return found.to(out_dtype or found.dtype)


class NewerTable(Table):
    """A layer of the versions of 2026: its weights lie elsewhere, and come only to a call on the encoder's device."""

    @property
    def weight(self) -> Tensor:
        return self.layer.weight.to("meta")

    def forward(self, ids: Tensor, out_dtype: torch.dtype | None = None) -> Tensor:
        assert ids.device.type == "cpu", f"its patches are not brought to {ids.device}"
        return super().forward(ids, out_dtype)


class Model:
    """The encoders of a model."""

    def __init__(self, kind: str, seed: int, is_newer: bool = False) -> None:
        self.keys = KINDS[kind]
        for name in self.keys:
            table = (NewerTable if is_newer else Table)(make_table(name if name in WIDTHS else "clip_l", seed))
            encoder = SimpleNamespace(transformer=SimpleNamespace(get_input_embeddings=lambda t=table: t))
            if is_newer:
                encoder.execution_device = None
            setattr(self, name, encoder)

    def tables(self) -> dict[str, Table]:
        return {name: getattr(self, name).transformer.get_input_embeddings() for name in self.keys}

    def encode(self, tokens: Mapping[str, Any]) -> dict[str, Positions]:
        return {
            name: _positions([token for chunk in tokens[self.keys[name]] for token in chunk], table)
            for name, table in self.tables().items()
        }


class Positions:
    """What an encoder makes of tokens: a row and a weight at each place. They are equal to the bit, or not."""

    def __init__(self, rows: Tensor, weights: Sequence[float]) -> None:
        self.rows = rows
        self.weights = list(weights)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Positions) and self.weights == other.weights and torch.equal(self.rows, other.rows)

    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, place: int) -> tuple[list[float], float]:
        return self.rows[place].tolist(), self.weights[place]


def _positions(tokens: Sequence[tuple[Any, ...]], table: Table) -> Positions:
    ids = [0 if isinstance(token[0], Tensor) else token[0] for token in tokens]
    assert all(0 <= one < table.num_embeddings for one in ids), f"a token is none of the table's: {ids}"
    rows = table(torch.tensor(ids), out_dtype=torch.float32).clone()
    for place, token in enumerate(tokens):
        if isinstance(token[0], Tensor):
            rows[place] = token[0].to(torch.float32)
    return Positions(rows, [token[1] for token in tokens])


class CLIP:
    """The host's object: clones share the model, each has its own patches. Each host has a class of its own."""

    host_s: type[CLIP]

    def __init__(self, kind: str, folder: Path, seed: int = 0) -> None:
        is_newer, kind = kind.startswith(NEWER), kind.removeprefix(NEWER)
        self.cond_stage_model = Model(kind, seed, is_newer)
        if is_newer:
            self.patcher = SimpleNamespace(load_device=torch.device("cpu"))
        self.tokenizer = AllTokenizers(kind, folder)
        self.patch = 0.0
        self.layer_idx: int | None = None
        self.loads = 0

    def clone(self, disable_dynamic: bool = False) -> CLIP:
        twin = self.host_s.__new__(self.host_s)
        twin.__dict__.update(vars(self))
        return twin

    def clip_layer(self, layer: int) -> None:
        self.layer_idx = layer

    def tokenize(self, text: str, return_word_ids: bool = False, **more: Any) -> Any:
        return self.tokenizer.tokenize_with_weights(text, return_word_ids, **more)

    def load_model(self, tokens: Any = ()) -> None:
        self.loads += 1
        if hasattr(self, "patcher"):  # newer versions ask some models how much memory these tokens will take
            min(map(len, dict(tokens).values()))
        for table in self.cond_stage_model.tables().values():
            table.patch = self.patch

    def encode_from_tokens_scheduled(self, tokens: Any) -> Any:
        self.load_model(tokens)
        return [[self.cond_stage_model.encode(tokens), {"layer": self.layer_idx}]]


class FakeComfyUI:
    """The host, its folders, and what users do in it."""

    def __init__(self, folder: Path) -> None:
        self.embeddings = folder / "models" / "embeddings"
        self.more_embeddings = folder / "elsewhere"
        self.checkpoints = folder / "models" / "checkpoints"
        self.user = folder / "user"
        for path in (self.embeddings, self.more_embeddings, self.checkpoints, self.user / "default"):
            path.mkdir(parents=True)
        self.handlers: list[Any] = []
        self.addresses: dict[str, Any] = {}
        self.kind = type("CLIP", (CLIP,), {name: vars(CLIP)[name] for name in ("tokenize",)})
        self.kind.host_s = self.kind
        self.modules = self._modules()

    def clip(self, kind: str = "sd1", seed: int = 0) -> Any:
        clip = self.kind.__new__(self.kind)
        CLIP.__init__(clip, kind, self.embeddings, seed)
        return clip

    def set(self, **settings: Any) -> None:
        """Save settings as the page does."""
        path = self.user / "default" / "comfy.settings.json"
        path.write_text(json.dumps({f"embmerge.{key}": value for key, value in settings.items()}))

    def save(self, name: str, folder: Path | None = None, **vectors: Tensor) -> Path:
        path = (folder or self.embeddings) / f"{name}.safetensors"
        safetensors.torch.save_file({key: rows.contiguous() for key, rows in vectors.items()}, path)
        return path

    def queue(self, graph: dict[str, Any]) -> dict[str, Any]:
        """Queue a graph, and give what the host keeps of it."""
        queued: dict[str, Any] = {"prompt": graph}
        for handle in self.handlers:
            queued = handle(queued)
        return queued["prompt"]  # type: ignore[no-any-return]

    def _modules(self) -> dict[str, ModuleType]:
        roots = {"embeddings": [self.embeddings, self.more_embeddings], "checkpoints": [self.checkpoints]}

        def listed(kind: str) -> list[str]:
            return [p.relative_to(r).as_posix() for r in roots[kind] for p in sorted(r.rglob("*.safetensors"))]

        def full_path(kind: str, name: str) -> str | None:
            return next((str(r / name) for r in roots[kind] if (r / name).is_file()), None)

        def post(address: str) -> Any:
            return lambda respond: self.addresses.setdefault(address, respond)

        server = SimpleNamespace(
            routes=SimpleNamespace(post=post), add_on_prompt_handler=lambda handler: self.handlers.append(handler)
        )
        return {
            "comfy": _module("comfy"),
            "comfy.sd": _module("comfy.sd", CLIP=self.kind),
            "server": _module("server", PromptServer=SimpleNamespace(instance=server)),
            "folder_paths": _module(
                "folder_paths",
                get_folder_paths=lambda kind: [str(root) for root in roots[kind]],
                get_filename_list=listed,
                get_full_path=full_path,
                get_user_directory=lambda: str(self.user),
            ),
        }


@contextlib.contextmanager
def installed(folder: Path) -> Iterator[FakeComfyUI]:
    """Let imports find the host while the context lasts."""
    host = FakeComfyUI(folder)
    kept = {name: sys.modules.pop(name, None) for name in host.modules}
    sys.modules.update(host.modules)
    host.modules["comfy"].sd = host.modules["comfy.sd"]  # type: ignore[attr-defined]
    try:
        yield host
    finally:
        for name, module in kept.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


def _module(name: str, **attributes: Any) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    module.__dict__.update(attributes)
    return module
