"""reForge in small: AUTOMATIC1111's modules with those of `reforge/` in the places of some; see `fake_a1111.py`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib_embmerge.hosts.reforge import ReForge

from .fake_a1111 import FakeA1111

OVERLAY = Path(__file__).parent / "reforge"


class FakeReForge(FakeA1111):
    """The host, its loaded model, and what users and other extensions do in it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.main_thread = importlib.import_module("modules_forge.main_thread")
        del self.opts.enable_prompt_comments  # comments are always cut

    def adapter(self) -> ReForge:
        return ReForge()

    def in_page(self, task: Callable[..., Any], *args: Any) -> Any:
        """Do what the page does for "Generate": run a task in the main thread."""
        return self.main_thread.run_and_wait_result(task, *args)

    def hook_points(self) -> dict[str, tuple[Any, str]]:
        points = super().hook_points()
        points["the main thread"] = (self.main_thread, "run_and_wait_result")
        points["loading"] = (self.modules.sd_models, "load_model")
        return points

    def activate(self, model: Any) -> None:
        """Choose another one of the models that the host keeps in memory, in its list of those."""
        self.model = self.modules.sd_models.model_data.sd_model = self.modules.shared.sd_model = model
