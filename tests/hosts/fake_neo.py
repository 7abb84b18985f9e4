"""Forge Neo in small, older and newest: Forge's fake with own modules in the places of some; see `fake_forge.py`."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path
from typing import Any

from lib_embmerge.hosts.forge_neo import ForgeNeo, NewestForgeNeo

from .fake_forge import FakeForge, engine_class, engine_module
from .fake_forge import installed_modules as forge_modules

OLDER = Path(__file__).parent / "neo"
NEWEST = Path(__file__).parent / "neo_newest"
RENAMED = ("backend.text_processing.classic_engine", "backend.text_processing.t5_engine")


class FakeNeo(FakeForge):
    """The host, its loaded model, and what users and other extensions do in it."""

    kinds = ("sd1", "sdxl", "refiner", "flux", "chroma")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        del self.opts.sd3_enable_t5
        self.parameters = importlib.import_module("backend.args").dynamic_args.last_extra_generation_params

    @staticmethod
    def installed_modules() -> contextlib.AbstractContextManager[None]:
        return forge_modules(OLDER)

    def adapter(self) -> Any:
        return ForgeNeo()


class FakeNewestNeo(FakeNeo):
    """The same after its text engines were renamed."""

    engines_of = ("sd_engine.ClipEngine", "flux_engine.T5XXLEngine")

    @staticmethod
    def installed_modules() -> contextlib.AbstractContextManager[None]:
        return forge_modules(NEWEST, OLDER, gone=RENAMED)

    def adapter(self) -> Any:
        return NewestForgeNeo()

    def hook_points(self) -> dict[str, tuple[Any, str]]:
        points = super().hook_points()
        del points["tokenizing words"], points["words"]
        return {**points, "running words": (engine_class(self.engines_of[1]), "__call__")}

    def t5_tokenizer(self) -> Any:
        return engine_module("flux_engine").TransformersTokenizer()
