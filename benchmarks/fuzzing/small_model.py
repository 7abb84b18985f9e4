"""The model that expressions are tried on: SDXL's two encoders in small, an embedding, another checkpoint."""

from __future__ import annotations

import numpy as np
import torch

from lib_embmerge.families import FAMILIES
from lib_embmerge.host_protocol import InstalledEmbedding
from lib_embmerge.models.memory import WORDS, MemoryEncoder, MemoryModel

STYLE = "mystyle"
"""Name of the installed embedding, of three vectors."""
OTHER = "other.v2"
"""Name of the other checkpoint."""


def make_model(*, with_t5: bool = False) -> MemoryModel:
    """Give SDXL's two encoders in small, or SD 3's three, with an installed embedding and another checkpoint."""
    model = MemoryModel.sdxl()
    if with_t5:
        t5 = MemoryEncoder("t5xxl", width=20, words=WORDS[:3], blanks=True)
        model = MemoryModel([*model.encoders, t5], family=FAMILIES["sd3"])
    numbers = np.random.default_rng(7)
    other = [
        MemoryEncoder(
            encoder.name,
            width=encoder.width,
            words=encoder.words,
            blanks=encoder.blanks,
            table=torch.from_numpy(numbers.normal(size=(encoder.size, encoder.width)).astype(np.float32)),
            padding_id=encoder.padding_id,
        )
        for encoder in model.encoders
    ]
    model.checkpoints[OTHER] = MemoryModel(other, title=OTHER, family=model.family)
    rows = {e.name: torch.from_numpy(numbers.normal(size=(3, e.width)).astype(np.float32)) for e in model.encoders}
    model.install(InstalledEmbedding(STYLE, rows))
    return model
