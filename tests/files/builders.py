"""Checkpoint files in real layouts that take no room: the tables are holes but for the rows that a test looks at."""

import json
import math
from pathlib import Path

import torch

SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I8": 1}
TORCH = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
ROWS = 49408

SD1 = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
SD2 = "cond_stage_model.model.token_embedding.weight"
SDXL_L = "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight"
SDXL_G = "conditioner.embedders.1.model.token_embedding.weight"
REFINER = "conditioner.embedders.0.model.token_embedding.weight"
SD3_L = "text_encoders.clip_l.transformer.text_model.embeddings.token_embedding.weight"
SD3_G = "text_encoders.clip_g.transformer.text_model.embeddings.token_embedding.weight"
HF = "text_model.embeddings.token_embedding.weight"


def header_bytes(header):
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw


def write_checkpoint(path: Path, tensors, *, dtype="F16", rows=None, metadata=None) -> Path:
    """Write `tensors`, shape by key; `rows` gives numbers by key and row, everything else is zero."""
    header = {"__metadata__": metadata} if metadata else {}
    offset = 0
    for key, shape in tensors.items():
        length = math.prod(shape) * SIZES[dtype]
        header[key] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + length]}
        offset += length
    start = header_bytes(header)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(start)
        file.truncate(len(start) + offset)
        for key, numbers in (rows or {}).items():
            for row, value in numbers.items():
                width = tensors[key][1]
                file.seek(len(start) + header[key]["data_offsets"][0] + row * width * SIZES[dtype])
                file.write(torch.full((width,), value).to(TORCH[dtype]).view(torch.uint8).numpy().tobytes())
    return path


def sdxl(path: Path, **options) -> Path:
    unet = {"model.diffusion_model.input_blocks.0.0.weight": (4, 4)}
    return write_checkpoint(path, {SDXL_L: (ROWS, 768), SDXL_G: (ROWS, 1280), **unet}, **options)


def sd1(path: Path, **options) -> Path:
    return write_checkpoint(path, {SD1: (ROWS, 768)}, **options)
