"""Which WebUI this is, told by what it offers, never by its name, its version or a failed import."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import UnsupportedHost
from .a1111 import A1111
from .forge import Forge
from .forge_neo import ForgeNeo, NewestForgeNeo
from .host_modules import is_module_there
from .reforge import ReForge
from .sdnext.adapter import SDNext
from .webui.running_host import RunningHost

__all__ = ["CAPABILITIES", "Capability", "detect_host"]


@dataclass(frozen=True)
class Capability:
    """Something that an adapter needs of the host: where it stands, and what it is for."""

    module: str
    attribute: str
    """Its path in the module; a `*` is any class, whatever it is called."""
    purpose: str


PROMPTS = (
    Capability("modules.prompt_parser", "get_learned_conditioning", "to turn prompts into conditioning"),
    Capability("modules.prompt_parser", "get_multicond_learned_conditioning", "to turn prompts into conditioning"),
    Capability("modules.processing", "StableDiffusionProcessing.cached_params", "to keep the conditioning cache right"),
)
"""What every adapter needs."""

ONE_DATABASE = (
    *PROMPTS,
    Capability("modules.sd_hijack", "model_hijack.embedding_db.ids_lookup", "to find embeddings in a prompt"),
    Capability("modules.sd_hijack_clip", "*.tokenize_line", "to read the text encoders"),
)
"""What AUTOMATIC1111's WebUI has, and the forks that kept its text path."""

TEXT_ENGINES = (
    *PROMPTS,
    Capability("backend.text_processing.textual_inversion", "Embedding", "to find embeddings in a prompt"),
    Capability("modules.sd_models", "forge_model_reload", "to load the chosen model"),
    Capability("modules_forge.main_thread", "run_and_wait_result", "to load the chosen model"),
)
"""What Forge has, and the forks of its backend."""

CLASSIC_ENGINE = Capability("backend.text_processing.classic_engine", "*.tokenize_line", "to read the text encoders")
DYNAMIC_ARGS = Capability(
    "backend.args", "dynamic_args.last_extra_generation_params", "to name embeddings in a picture's parameters"
)

CAPABILITIES: Mapping[Callable[[], RunningHost], Sequence[Capability]] = {
    ReForge: (
        *ONE_DATABASE,
        Capability("modules_forge.main_thread", "run_and_wait_result", "to make pictures in one thread"),
    ),
    A1111: ONE_DATABASE,
    NewestForgeNeo: (
        *TEXT_ENGINES,
        Capability("backend.text_processing.sd_engine", "ClipEngine.tokenize_line", "to read the text encoders"),
        DYNAMIC_ARGS,
    ),
    ForgeNeo: (*TEXT_ENGINES, CLASSIC_ENGINE, DYNAMIC_ARGS),
    Forge: (*TEXT_ENGINES, CLASSIC_ENGINE),
    SDNext: (
        Capability("modules.processing_diffusers", "set_pipeline_args", "to turn prompts into conditioning"),
        Capability("modules.processing_diffusers", "process_base", "to know when a picture is done"),
        Capability("modules.prompt_parser_diffusers", "split_prompts", "to read the text encoders"),
        Capability("modules.prompt_parser_diffusers", "cache", "to keep the conditioning cache right"),
        Capability("modules.styles", "apply_curly_braces_to_prompt", "to keep expressions whole"),
        Capability("modules.ui_common", "update_token_counter", "to count tokens"),
        Capability("modules.modeldata", "model_data", "to find the loaded model"),
    ),
}  # fmt: skip
"""What each adapter needs of its host; of two that fit, the first is the more particular one."""


def detect_host(load: Callable[[str], Any] = importlib.import_module) -> RunningHost:
    """Return the adapter of the running WebUI: the first one that finds all that it needs.

    Raises: UnsupportedHost, saying what the nearest one lacks, where no adapter fits.
    """
    lacking = {adapter: [c for c in needed if not _offers(c, load)] for adapter, needed in CAPABILITIES.items()}
    nearest = min(lacking, key=lambda adapter: len(lacking[adapter]))
    if lacking[nearest]:
        purposes = " and ".join(dict.fromkeys(c.purpose for c in lacking[nearest]))
        unknown = UnsupportedHost(f"embmerge does not know this WebUI: it finds no way {purposes}.")
        unknown.places = [f"{c.module}.{c.attribute}" for c in lacking[nearest]]
        raise unknown
    return nearest()


def _offers(capability: Capability, load: Callable[[str], Any]) -> bool:
    if not is_module_there(capability.module):
        return False
    found = [load(capability.module)]
    for part in capability.attribute.split("."):
        found = [inner for outer in found for inner in _parts(outer, part)]
    return bool(found)


def _parts(outer: Any, name: str) -> list[Any]:
    if name == "*":
        return [inner for inner in vars(outer).values() if isinstance(inner, type)]
    inner = getattr(outer, name, None)
    return [] if inner is None else [inner]
