"""Signs in expressions that hosts look for: they divide a long prompt behind a comma or at a sentence's end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from ...families import CLIP, group_of
from ...merge import Merged

__all__ = ["find_signs"]


def find_signs(merged: Merged, encoders: Sequence[Any], signs: Iterable[str]) -> Mapping[str, str]:
    """Return the placeholders that stand for a sign as it is to every CLIP encoder, each with its sign."""
    clip = [encoder for encoder in encoders if group_of(encoder.name) == CLIP]
    rows = {sign: {e.name: e.rows(e.tokenize([sign])[0]) for e in clip} for sign in signs if clip}
    return {
        name: sign
        for name, value in merged.vectors.items()
        for sign, own in rows.items()
        if all(torch.equal(value[encoder], row) for encoder, row in own.items())
    }
