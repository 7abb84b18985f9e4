"""Forge Classic in small: reForge's table with what differs; see `fake_reforge.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from .fake_a1111 import FACTS, HASH_COMMENTS, TABLE
from .fake_reforge import FakeReForge
from .parts import webui
from .parts.assembly import Maker


class FakeClassic(FakeReForge):
    """The host, its loaded model, and what users and other extensions do in it."""

    table: ClassVar[Mapping[str, Maker]] = {
        **FakeReForge.table,
        "modules.shared": TABLE["modules.shared"],
        "modules.script_callbacks": webui.callbacks(takes_names=False),
        "modules.sd_hijack_clip": webui.sd_hijack_clip("FrozenCLIPEmbedderWithCustomWordsBase"),
        "modules.sd_models": webui.sd_models(webui.load_instead),
    }
    facts: ClassVar[Mapping[str, Any]] = {
        **FakeReForge.facts,
        "comments": HASH_COMMENTS,
        "end_job": FACTS["end_job"],
        "take_notes": FACTS["take_notes"],
    }

    def owner_of_tokenize_line(self) -> Any:
        return self.modules.sd_hijack_clip.FrozenCLIPEmbedderWithCustomWordsBase
