"""Small checkpoint files for the command line's tests: whole tables, of which all but a few rows are zero.

The files are sparse: a table of 49,408 rows takes only the disk of the rows that are written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from lib_embmerge.families import CLIP_VOCABULARY_SIZE
from lib_embmerge.models.tokenizers import tokenizer

KEYS = {
    "clip_l": "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight",
    "clip_g": "conditioner.embedders.1.model.token_embedding.weight",
}
KEYS_OF_SD1 = {"clip_l": "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"}
KEYS_OF_SD2 = {"clip_h": "cond_stage_model.model.token_embedding.weight"}
WIDTHS = {"clip_l": 768, "clip_g": 1280, "clip_h": 1024}
WORDS = ("cat", "adult", "child", "kitten", "dog", "red", "blue", "woman")


def make_checkpoint(path: Path, *, seed: int, keys: Mapping[str, str] = KEYS) -> Path:
    """Write a checkpoint, of SDXL's layout, in float16 whose tables know `WORDS`; the rows depend on the seed."""
    header: dict[str, object] = {}
    starts: dict[str, int] = {}
    end = 0
    for encoder, key in keys.items():
        starts[encoder] = end
        end += CLIP_VOCABULARY_SIZE * WIDTHS[encoder] * 2
        shape = [CLIP_VOCABULARY_SIZE, WIDTHS[encoder]]
        header[key] = {"dtype": "F16", "shape": shape, "data_offsets": [starts[encoder], end]}
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    with path.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        file.truncate(8 + len(encoded) + end)
        for encoder, rows in known_rows(seed, keys).items():
            for token, row in rows.items():
                file.seek(8 + len(encoded) + starts[encoder] + token * WIDTHS[encoder] * 2)
                file.write(row.tobytes())
    return path


def known_rows(seed: int, encoders: Iterable[str] = KEYS) -> Mapping[str, dict[int, np.ndarray]]:
    """Give the rows of the words by encoder and token id, float16."""
    rows: dict[str, dict[int, np.ndarray]] = {}
    for encoder in encoders:
        width = WIDTHS[encoder]
        random = np.random.default_rng([seed, width])
        rows[encoder] = {
            tokenizer(encoder)(word)[0]: random.normal(0, 0.015, width).astype(np.float16) for word in WORDS
        }
    return rows


def row_of(word: str, encoder: str, *, seed: int) -> np.ndarray:
    """Give one word's row as float32."""
    return known_rows(seed)[encoder][tokenizer(encoder)(word)[0]].astype(np.float32)
