"""Forge Classic in small: reForge's fake with those of `classic/` in the places of some; see `fake_reforge.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .fake_a1111 import make_model
from .fake_reforge import OVERLAY as REFORGE
from .fake_reforge import FakeReForge

OVERLAYS = (Path(__file__).parent / "classic", REFORGE)


class FakeClassic(FakeReForge):
    """The host, its loaded model, and what users and other extensions do in it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.opts.enable_prompt_comments = True

    def load(self, kind: str, *, seed: int = 0, name: str | None = None) -> Any:
        path = self.checkpoints_folder / f"{name or f'{kind}-{seed}'}.safetensors"
        self.model = self.modules.sd_models.load_model(make_model(kind, seed, path))
        return self.model

    def owner_of_tokenize_line(self) -> Any:
        return self.modules.sd_hijack_clip.FrozenCLIPEmbedderWithCustomWordsBase
