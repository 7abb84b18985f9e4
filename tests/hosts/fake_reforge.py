"""reForge in small: AUTOMATIC1111's table with what differs; see `fake_a1111.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from lib_embmerge.hosts.reforge import ReForge

from .fake_a1111 import FACTS, TABLE, FakeA1111
from .parts import webui
from .parts.assembly import Maker, Modules

COMMENTS = (r"^/\*.*?\*/$", r"#[^\n]*", r"//[^\n]*", r"/\*[^\n]*|\*/[^\n]*")


class FakeReForge(FakeA1111):
    """The host, its loaded model, and what users and other extensions do in it."""

    table: ClassVar[Mapping[str, Maker]] = {
        **TABLE,
        "modules.shared": webui.shared(sd_checkpoints_limit=1, textual_inversion_add_hashes_to_infotext=True),
        "modules.sd_models": webui.sd_models(webui.load_beside, complete_model_teardown=webui.take_apart),
        "modules_forge.main_thread": webui.main_thread,
    }
    facts: ClassVar[Mapping[str, Any]] = {
        **FACTS,
        "comments": COMMENTS,
        "count": webui.count_by_model,
        "end_job": lambda modules, p: None,
        "has_open_clip": False,
        "take_notes": webui.copy_notes,
    }

    def __init__(self, modules: Modules) -> None:
        super().__init__(modules)
        self.main_thread = modules["modules_forge.main_thread"]

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
