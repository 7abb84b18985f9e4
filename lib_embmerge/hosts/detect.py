"""Which WebUI this is, told by what it offers, never by its name, its version or a failed import."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import UnsupportedHost
from .a1111 import A1111
from .reforge import ReForge

__all__ = ["CAPABILITIES", "MAIN_THREAD", "Capability", "detect_host"]


@dataclass(frozen=True)
class Capability:
    """Something that an adapter needs of the host: where it stands, and what it is for."""

    module: str
    attribute: str
    purpose: str


CAPABILITIES = (
    Capability("modules.prompt_parser", "get_learned_conditioning", "to turn prompts into conditioning"),
    Capability("modules.prompt_parser", "get_multicond_learned_conditioning", "to turn prompts into conditioning"),
    Capability("modules.sd_hijack", "model_hijack.embedding_db.ids_lookup", "to find embeddings in a prompt"),
    Capability("modules.sd_hijack_clip", "FrozenCLIPEmbedderWithCustomWordsBase", "to read the text encoders"),
    Capability("modules.processing", "StableDiffusionProcessing.cached_params", "to keep the conditioning cache right"),
)

MAIN_THREAD = Capability("modules_forge.main_thread", "run_and_wait_result", "to make pictures in one thread")
"""What reForge and Forge Classic have beside all of these."""


def detect_host(load: Callable[[str], Any] = importlib.import_module) -> A1111:
    """Give the adapter of the running WebUI.

    Raises: UnsupportedHost, naming what is missing, where no adapter fits.
    """
    missing = [c for c in CAPABILITIES if not _offers(c, load)]
    if missing:
        listed = "; ".join(f"{c.module}.{c.attribute}, {c.purpose}" for c in missing)
        raise UnsupportedHost(
            f"embmerge does not know this WebUI: it lacks {listed}. Expressions in prompts stay as they are typed."
        )
    return ReForge() if _offers(MAIN_THREAD, load) else A1111()


def _offers(capability: Capability, load: Callable[[str], Any]) -> bool:
    if not _is_there(capability.module):
        return False
    found = load(capability.module)
    for part in capability.attribute.split("."):
        found = getattr(found, part, None)
    return found is not None


def _is_there(module: str) -> bool:
    """Say whether a module exists, by looking for it: an import that fails is a fault to be seen, not an answer."""
    package = module.rpartition(".")[0]
    return (not package or _is_there(package)) and importlib.util.find_spec(module) is not None
