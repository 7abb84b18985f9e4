"""The model that expressions are tried on: SDXL's two encoders in small, an embedding, another checkpoint."""

from __future__ import annotations

import numpy as np
import torch

from lib_embmerge.host_protocol import InstalledEmbedding
from lib_embmerge.models.memory import MemoryEncoder, MemoryModel

ENCODERS = ("clip_l", "clip_g")
STYLE = "mystyle"
"""Name of the installed embedding, of three vectors."""
OTHER = "other.v2"
"""Name of the other checkpoint."""


def make_model() -> MemoryModel:
    """Give SDXL's two encoders in small, with an installed embedding and another checkpoint."""
    model = MemoryModel.sdxl()
    numbers = np.random.default_rng(7)
    other = [
        MemoryEncoder(
            encoder.name,
            width=encoder.width,
            table=torch.from_numpy(numbers.normal(size=(encoder.size, encoder.width)).astype(np.float32)),
            padding_id=encoder.padding_id,
        )
        for encoder in model.encoders
    ]
    model.checkpoints[OTHER] = MemoryModel(other, title=OTHER, family=model.family)
    rows = {e.name: torch.from_numpy(numbers.normal(size=(3, e.width)).astype(np.float32)) for e in model.encoders}
    model.install(InstalledEmbedding(STYLE, rows))
    return model
