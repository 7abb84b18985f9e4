"""Forge Neo, the branch "neo" of sd-webui-forge-classic: Forge's backend, moved on.

Run at release 2.26, in its redistribution exo101/sd-webui-forge-neo-v3 5692d2d; read besides at Haoming02 21886f41 and
037259cf and, where that repository's newest files could not be had, in its copy youlijie/sd-webui-forge-classic
fdb9c164 and b3b8a1e5.

All that `forge.py` lists is touched here too, but for these:

- `backend.args.dynamic_args.last_extra_generation_params`: what becomes the infotext's "TI"
  (5692d2d, backend/text_processing/classic_engine.py:259-262, modules/processing.py:459-466)
- `backend.text_processing.sd_engine.ClipEngine` in the newest in the place of Forge's class of engines with embeddings
- SD 2 and SD 3 do not exist, nor does the option for the latter's T5; a model whose encoders are all T5 or language
  models (Chroma, Qwen, Lumina, Wan, Z-Image, Anima, Flux 2, …) has no engine with `embeddings`

The functions that are wrapped first, and the cache's key, have no parameter for the old scheduling here (5692d2d,
modules/prompt_parser.py, modules/processing.py:412).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .forge import Forge
from .pipeline.comments import BLOCKS_AND_LINES

__all__ = ["ForgeNeo", "NewestForgeNeo"]


class ForgeNeo(Forge):
    """The running host, as `Forge`, but for its infotext's parameters and its comments."""

    name = "Forge Neo"

    def comments(self) -> Sequence[re.Pattern[str]]:
        """Return what is a comment in prompts, where the setting lets them be cut."""
        return BLOCKS_AND_LINES if super().comments() else []

    @property
    def infotext_parameters(self) -> Any:
        """What the engines note for the infotext while they run; the host empties it after each prompt."""
        from backend.args import dynamic_args

        return dynamic_args.last_extra_generation_params


class NewestForgeNeo(ForgeNeo):
    """The same after its text engines were renamed."""

    @property
    def clip_engine(self) -> Any:
        """The host's class of engines that take embeddings."""
        from backend.text_processing import sd_engine

        return sd_engine.ClipEngine
