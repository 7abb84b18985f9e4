"""Small embedding files in every layout that programs write or that people have: made here, of seeded random numbers.

`FILES` is by file name; `make(folder)` writes them all. An archive is packed here, entry by entry, so what an older
and a newer torch write stays what it is, whichever torch runs the tests.
"""

import base64
import io
import json
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

WIDTHS = {"l": 768, "h": 1024, "g": 1280, "t5": 4096, "z": 2560, "qwen": 3584, "gemma": 2304, "mistral": 5120}


def rows(encoder: str, count: int = 2, *, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed * 1000 + WIDTHS[encoder])
    return torch.randn(count, WIDTHS[encoder], generator=generator) * 0.4


def packed(content: Any, *extra: str, protocol: int = 2) -> bytes:
    """Give a torch archive: the pickle and the storages as this torch writes them, the other entries as wished."""
    written, result = io.BytesIO(), io.BytesIO()
    torch.save(content, written, pickle_protocol=protocol)
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            entry = name.partition("/")[2]
            if entry == "data.pkl" or entry.startswith("data/"):
                # numpy 2 has another name for its core; what is written here is the same with every numpy
                new.writestr(f"archive/{entry}", old.read(name).replace(b"cnumpy.core.", b"cnumpy._core."))
        for entry in ("version", *extra):
            new.writestr(f"archive/{entry}", b"little" if entry == "byteorder" else b"3\n")
    return result.getvalue()


def old_torch(content: Any) -> bytes:
    """As torch 2.1 to 2.6 write it."""
    return packed(content, "byteorder", ".data/serialization_id")


def new_torch(content: Any) -> bytes:
    """As torch 2.7 and later write it."""
    return packed(content, "byteorder", ".data/serialization_id", ".format_version", ".storage_alignment")


def before_zip(content: Any) -> bytes:
    written = io.BytesIO()
    torch.save(content, written, _use_new_zipfile_serialization=False)
    return written.getvalue()


def trained(vectors: Any, key: str = "*", **more: Any) -> dict[str, Any]:
    """What A1111's trainer writes."""
    said = {"name": "token", "step": 100, "sd_checkpoint": "ab12cd34", "sd_checkpoint_name": "model"}
    return {"string_to_token": {key: 265}, "string_to_param": {key: vectors}, **said, **more}


def parameter_dict() -> dict[str, Any]:
    """What rinongal's trainer wrote: the state that a module had then."""
    parameters = torch.nn.ParameterDict({"*": torch.nn.Parameter(rows("l"))})
    return {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": parameters}


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
        *chunks,
        (b"IDAT", zlib.compress(b"\0\1\2\3")),
        (b"IEND", b""),
    ):
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data


def png_with_text() -> bytes:
    content = trained({"TORCHTENSOR": rows("l", 1).tolist()})
    return png((b"tEXt", b"sd-ti-embedding\0" + base64.b64encode(json.dumps(content).encode())))


L, G, H = rows("l"), rows("g"), rows("h")
LORA = {"lora_te1_x.lora_down.weight": torch.zeros(4, 768), "lora_te1_x.lora_up.weight": torch.zeros(768, 4)}
PAIR = {"clip_l": L, "clip_g": G}
NAN = torch.cat([L, torch.full((1, 768), float("nan"))])

FILES: dict[str, Callable[[], bytes]] = {
    "emb_params.safetensors": lambda: save({"emb_params": L}),
    "emb_params_sd2.safetensors": lambda: save({"emb_params": H}),
    "half.safetensors": lambda: save({"emb_params": L.half()}),
    "bf16.safetensors": lambda: save({"emb_params": L.bfloat16()}),
    "f64.safetensors": lambda: save({"emb_params": L.double()}),
    "one_dimension.safetensors": lambda: save({"emb_params": L[0].clone()}),
    "three_d.safetensors": lambda: save({"emb_params": L[None].clone()}),
    "emb_params_and_scale.safetensors": lambda: save({"emb_params": L, "scale": torch.tensor(1.0)}),
    "zero.safetensors": lambda: save({"emb_params": torch.zeros(2, 768)}),
    "nan_row.safetensors": lambda: save({"emb_params": NAN}),
    "rows77.safetensors": lambda: save({"emb_params": rows("l", 77)}),
    "learned_embeds.safetensors": lambda: save({"<cat-toy>": L}),
    "learned_embeds_2.safetensors": lambda: save({"<cat-toy>": G}),
    "learned_embeds.bin": lambda: old_torch({"<cat-toy>": L}),
    "sdxl.safetensors": lambda: save(PAIR),
    "sdxl.pt": lambda: old_torch(PAIR),
    "unequal.safetensors": lambda: save({"clip_l": L, "clip_g": rows("g", 3)}),
    "clip_g.safetensors": lambda: save({"clip_g": G}),
    "clip_g_768.safetensors": lambda: save({"clip_g": L}),
    "joined_2048.safetensors": lambda: save({"emb_params": torch.cat([L, G], dim=1)}),
    "text_encoders.safetensors": lambda: save({"text_encoders_0": L, "text_encoders_1": G}),
    "text_encoders.pti": lambda: save({"text_encoders_0": L, "text_encoders_1": G}),
    "sd3.safetensors": lambda: save({**PAIR, "t5xxl": rows("t5")}),
    "t5xxl.safetensors": lambda: save({"t5xxl": rows("t5")}),
    "flux.safetensors": lambda: save({"clip_l": L, "t5xxl": rows("t5")}),
    "onetrainer_flux.safetensors": lambda: save({"clip_l": L, "t5": rows("t5")}),
    "onetrainer_514.safetensors": lambda: save({"clip_g": L, "t5": rows("t5")}),
    "onetrainer_t5.safetensors": lambda: save({"t5": rows("t5")}),
    "onetrainer_sd1.safetensors": lambda: save({"emp_params": L, "emp_params_out": L * 2}),
    "onetrainer_sdxl.safetensors": lambda: save(
        {
            "clip_l": torch.zeros(2, 768),
            "clip_g": torch.zeros(2, 1280),
            "clip_l_out": L, "clip_g_out": G,
        }
    ),
    "out_only.safetensors": lambda: save({"clip_l_out": L, "clip_g_out": G}),
    "z_image.safetensors": lambda: save({"qwen3_4b": rows("z", 4)}),
    "qwen_image.safetensors": lambda: save({"qwen25_7b": rows("qwen", 4)}),
    "lumina2.safetensors": lambda: save({"gemma2_2b": rows("gemma")}),
    "flux2.safetensors": lambda: save({"mistral3_24b": rows("mistral")}),
    "two_tokens.safetensors": lambda: save({"<s1>": L[0].clone(), "<s2>": L[1].clone()}),
    "lora_sd1.safetensors": lambda: save({"bundle_emb.token.string_to_param.*": L, **LORA}),
    "lora_sdxl.safetensors": lambda: save({"bundle_emb.token.clip_l": L, "bundle_emb.token.clip_g": G, **LORA}),
    "trained.pt": lambda: old_torch(trained(L)),
    "trained_new_torch.pt": lambda: new_torch(trained(L)),
    "trained_before_zip.pt": lambda: before_zip(trained(L)),
    "trained_sd2.pt": lambda: old_torch(trained(H)),
    "trained_key.pt": lambda: old_torch(trained(L, "cat")),
    "trained_nameless.pt": lambda: old_torch({"string_to_param": {"*": L}}),
    "two_terms.pt": lambda: old_torch({"string_to_token": {"*": 1, "@": 2}, "string_to_param": {"*": L, "@": L * 2}}),
    "parameter_dict.pt": lambda: old_torch(parameter_dict()),
    "parameter.bin": lambda: old_torch({"<cat-toy>": torch.nn.Parameter(L)}),
    "ordered.bin": lambda: old_torch(OrderedDict({"<cat-toy>": L})),
    "bare_tensor.pt": lambda: old_torch(L),
    "list_of_rows.pt": lambda: old_torch([{"emb": L[n].clone(), "emb2": G[n].clone()} for n in range(2)]),
    "numpy_step.pt": lambda: old_torch(trained(L, step=L.sum().numpy().dtype.type(7))),
    "renamed.ckpt": lambda: old_torch(trained(L)),
    "renamed.sft": lambda: save({"emb_params": L}),
    "safetensors_as.pt": lambda: save({"emb_params": L}),
    "pickle_as.safetensors": lambda: old_torch(trained(L)),
    "picture.png": png_with_text,
}
"""What each file holds, by its name."""


def make(folder: Path, files: dict[str, Callable[[], bytes]] = FILES) -> dict[str, Path]:
    """Write all files, and give their paths by name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content())
    return {name: folder / name for name in files}
