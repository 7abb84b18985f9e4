"""What the library itself computes, to compare with what the page saves."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from lib_embmerge.entered import read_expression
from lib_embmerge.models.checkpoint import open_model
from tests.analysed import evaluate

Vectors = dict[str, Tensor]


def compute(text: str, *, embeddings: Path | None = None, checkpoint: Path | None = None) -> Vectors:
    """Give an expression's vectors by a checkpoint, or by the demonstration encoder."""
    return dict(evaluate(read_expression(text).tree, open_model(checkpoint, embeddings=embeddings)))


def read_file(path: Path) -> Vectors:
    """Read a file with safetensors alone."""
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping


def read_metadata(path: Path) -> dict[str, str]:
    """Give what a file says about itself."""
    with safe_open(path, "pt") as file:
        return dict(file.metadata() or {})


def are_equal(found: Vectors, expected: Vectors) -> bool:
    """Say whether both hold the same vectors; another build of torch may round the last bit otherwise."""
    return found.keys() == expected.keys() and all(
        found[name].shape == rows.shape and torch.allclose(found[name].float(), rows, rtol=1e-6, atol=1e-8)
        for name, rows in expected.items()
    )
