"""Further files of the kinds that people have: other keys, widths, values and lengths, and what is no embedding.

`VARIANTS` are embeddings, `OTHERS` files that are none or cannot be read; both by file name, as `kinds.FILES`.
"""

import base64
import gzip
import io
import json
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch
from safetensors import torch as safetensors

from .kinds import LORA, PAIR, G, H, L, before_zip, new_torch, old_torch, packed, png, rows, trained

T5 = rows("t5", 3)
INF = torch.cat([L, torch.full((1, 768), float("inf"))])


def save(tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> bytes:
    return safetensors.save({key: tensor.clone() for key, tensor in tensors.items()}, metadata)


def wide(width: int, count: int = 2) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(width)) * 0.4


def as_json(content: dict) -> bytes:
    """As A1111 keeps an embedding in a picture's text."""
    return json.dumps(content).encode()


def with_text(kind: bytes) -> bytes:
    """A picture whose embedding stands in a text chunk of another kind than A1111 writes, but reads."""
    data = base64.b64encode(as_json(trained({"TORCHTENSOR": L.tolist()})))
    name = b"sd-ti-embedding\0"
    bodies = {b"zTXt": name + b"\0" + zlib.compress(data), b"iTXt": name + b"\0\0\0\0" + data}
    return png((kind, bodies[kind]))


def hidden(form: str) -> bytes:
    """A picture with the embedding in the low bits of its margins, losslessly kept."""
    from PIL import Image

    data = zlib.compress(as_json(trained({"TORCHTENSOR": L.tolist()}, name="hidden-one")), 9)
    low, high = ([byte & 15 for byte in data], [byte >> 4 for byte in data])
    height = 64
    columns = -(-len(data) // (height * 3))
    blocks = []
    for halves in (low, high):
        padded = halves + [0] * (height * columns * 3 - len(halves))
        state, masked = 0, []
        for half in padded:
            state = (1664525 * state + 1013904223) & 0xFFFFFFFF
            masked.append(half ^ (state % 255 & 15))
        blocks.append(np.array(masked, dtype=np.uint8).reshape(height, columns, 3))
    middle = np.full((height, 40, 3), 0xA5, dtype=np.uint8)
    gap = np.full((height, 1, 3), 0xA0, dtype=np.uint8)
    pixels = np.concatenate([blocks[0] | 0xA0, gap, middle, gap, blocks[1] | 0xA0], axis=1)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, form, **({"lossless": True} if form == "WEBP" else {}))
    return written.getvalue()


def plain_png() -> bytes:
    return png()


def named(global_: str) -> bytes:
    """A pickle that asks for a function and calls it: ours must only read the name."""
    module, _, name = global_.rpartition(".")
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"X\x04\x00\x00\x00echo\x85R."


def zipped(entries: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return written.getvalue()


def shared_storage() -> bytes:
    """Two rows of a larger tensor, as a view into it: only they are the embedding."""
    return old_torch({"<cat-toy>": torch.cat([L, L, L])[1:3]})


VARIANTS: dict[str, Callable[[], bytes]] = {
    # OneTrainer and ComfyUI, their keys
    "onetrainer_emp.safetensors": lambda: save({"emp_params": L}),
    "onetrainer_flux_both.safetensors": lambda: save({"clip_l": L, "clip_l_out": L * 2, "t5": T5, "t5_out": T5 * 2}),
    "onetrainer_sd3.safetensors": lambda: save({**PAIR, "t5": T5}),
    "onetrainer_hunyuan.safetensors": lambda: save({"clip_l": L, "llama": rows("t5")}),
    "onetrainer_sana.safetensors": lambda: save({"gemma": rows("gemma")}),
    "onetrainer_zero_and_out.safetensors": lambda: save({"clip_l": torch.zeros(2, 768), "clip_l_out": L}),
    "umt5.safetensors": lambda: save({"umt5xxl": T5}),
    "qwen3_small.safetensors": lambda: save({"qwen3_06b": wide(1024)}),
    "qwen3_8b.safetensors": lambda: save({"qwen3_8b": T5}),
    "llama.safetensors": lambda: save({"llama": T5}),
    "qwen25_3b.safetensors": lambda: save({"qwen25_3b": wide(2048)}),
    "gemma3.safetensors": lambda: save({"gemma3_4b": wide(2560)}),
    # wrong keys, and widths that tell
    "clip_l_1280.safetensors": lambda: save({"clip_l": G}),
    "clip_l_1024.safetensors": lambda: save({"clip_l": H}),
    "clip_h_768.safetensors": lambda: save({"clip_h": L}),
    "swapped.safetensors": lambda: save({"clip_l": G, "clip_g": L}),
    "numbered_0.safetensors": lambda: save({"text_encoders_0": L}),
    "any_names.safetensors": lambda: save({"a": L, "b": G}),
    "g_alone_1d.safetensors": lambda: save({"clip_g": G[0].clone()}),
    "upper.SAFETENSORS": lambda: save({"<cat-toy>": L}),
    "upper.PT": lambda: old_torch(trained(L)),
    "blank name.pt": lambda: new_torch(trained(L)),
    "blank name.safetensors": lambda: save({"emb_params": L}),
    "plus+name.safetensors": lambda: save({"x": L}),
    # values
    "fp8.safetensors": lambda: save({"emb_params": L.to(torch.float8_e4m3fn)}),
    "inf_row.pt": lambda: old_torch(trained(INF)),
    "nan_pair.safetensors": lambda: save({"clip_l": INF, "clip_g": rows("g", 3)}),
    "nan_and_unequal.safetensors": lambda: save({"clip_l": INF, "clip_g": G}),
    "zero_pair.safetensors": lambda: save({"clip_l": torch.zeros(1, 768), "clip_g": torch.zeros(1, 1280)}),
    "zero_l.safetensors": lambda: save({"clip_l": torch.zeros(2, 768), "clip_g": G}),
    "rows75.safetensors": lambda: save({"emb_params": rows("l", 75)}),
    "rows154.safetensors": lambda: save({"emb_params": rows("l", 154)}),
    "three_d_pair.safetensors": lambda: save({"clip_l": L[None].clone(), "clip_g": G[None].clone()}),
    "metadata_odd.safetensors": lambda: save(
        {"emb_params": L}, {"modelspec.title": 'a "b"\n<c>', "x" * 300: "y" * 3000}
    ),
    # several in one file
    "three_words.bin": lambda: old_torch({"<s1>": L[0].clone(), "<s2>": L[1].clone(), "<s 3>": L[0] * 2}),
    "two_long_words.safetensors": lambda: save({"<a>": L, "<b>": rows("l", 4)}),
    "same_words.safetensors": lambda: save({"<cat>": L[0].clone(), "cat": L[1].clone()}),
    "two_terms_of_a_parameter_dict.pt": lambda: old_torch(
        {
            "string_to_token": {"*": torch.tensor(265), "@": torch.tensor(31)},
            "string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(L), "@": torch.nn.Parameter(L * 2)}),
        }
    ),
    "lora_two.safetensors": lambda: save(
        {"bundle_emb.one.string_to_param.*": L, "bundle_emb.two.string_to_param.*": L * 2, **LORA}
    ),
    "lora_dotted.safetensors": lambda: save(
        {"bundle_emb.v1.5 style.clip_l": L, "bundle_emb.v1.5 style.clip_g": G, **LORA}
    ),
    "lora_emb_params.safetensors": lambda: save({"bundle_emb.word.emb_params": L, **LORA}),
    "lora_beside_words.safetensors": lambda: save(
        {"<s1>": L[0], "<s2>": L[1], "text_encoder:0:up": torch.ones(4, 768), "text_encoder:0:down": torch.ones(768, 4)}
    ),
    "lora_flux.safetensors": lambda: save({"bundle_emb.word.clip_l": L, "bundle_emb.word.t5xxl": T5, **LORA}),
    # pickles
    "of_a_gpu.pt": lambda: before_zip(trained(L)).replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"),
    "protocol_3.pt": lambda: packed(trained(L), "byteorder", protocol=3),
    "protocol_4.pt": lambda: packed(trained(L), "byteorder", protocol=4),
    "parameter_half.bin": lambda: old_torch({"<cat-toy>": torch.nn.Parameter(L.half())}),
    "parameter_sd2_three_rows.bin": lambda: old_torch({"<cat-toy>": torch.nn.Parameter(rows("h", 3))}),
    "parameter_sd2.bin": lambda: old_torch({"<cat-toy>": torch.nn.Parameter(H)}),
    "parameter_g.bin": lambda: old_torch({"<cat-toy>": torch.nn.Parameter(G)}),
    "parameter_pair.pt": lambda: old_torch({key: torch.nn.Parameter(value) for key, value in PAIR.items()}),
    "numpy_step_half.pt": lambda: old_torch(trained(L.half(), step=L.sum().numpy().dtype.type(7))),
    "half.pt": lambda: old_torch(trained(L.half())),
    "bf16.pt": lambda: old_torch(trained(L.bfloat16())),
    "view.bin": shared_storage,
    "transposed.bin": lambda: old_torch({"<cat-toy>": L.T.contiguous().T}),
    "one_dimension.pt": lambda: old_torch(trained(L[0].clone())),
    "needs_grad.pt": lambda: old_torch(trained(L.clone().requires_grad_())),
    "parameter_in_dict.pt": lambda: old_torch(trained(torch.nn.Parameter(L))),
    "before_zip_parameter_dict.pt": lambda: before_zip(
        {
            "string_to_token": {"*": torch.tensor(265)},
            "string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(L)}),
        }
    ),
    "ordered_trained.pt": lambda: old_torch(OrderedDict(trained(L))),
    "ordered_pair.pt": lambda: old_torch(OrderedDict(PAIR)),
    "numpy_array.pt": lambda: old_torch(trained(L.numpy())),
    "numpy_float64.bin": lambda: old_torch({"<cat-toy>": L.double().numpy()}),
    "bare_1d.pt": lambda: old_torch(L[0].clone()),
    "rows_of_one_encoder.pt": lambda: old_torch([{"emb": L[n].clone()} for n in range(2)]),
    "rows_of_g.pt": lambda: old_torch([{"emb": G[n].clone()} for n in range(2)]),
    "renamed.pth": lambda: old_torch(PAIR),
    "picture_named.pt": lambda: with_text(b"zTXt"),
    # pictures
    "packed_text.png": lambda: with_text(b"zTXt"),
    "international_text.png": lambda: with_text(b"iTXt"),
    "hidden.png": lambda: hidden("PNG"),
    "hidden.webp": lambda: hidden("WEBP"),
    "safetensors_as.bin": lambda: save(PAIR),
    "safetensors_as.ckpt": lambda: save({"<cat-toy>": L}),
}

OTHERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "lfs.bin": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "Git LFS pointer"),
    "page.bin": (lambda: b"<!DOCTYPE html><html>", "web page"),
    "page_comment.pt": (lambda: b"<!-- saved --><html>", "web page"),
    "xml.safetensors": (lambda: b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "web page"),
    "json.safetensors": (lambda: b'{"error": "Not found"}' + b" " * 200, "JSON"),
    "json_list.bin": (lambda: b'[{"a": 1}]', "JSON"),
    "words.pt": (lambda: b"Not found", "a text"),
    "forbidden.bin": (lambda: b"Access denied. Please log in.\n" * 40, "a text"),
    "empty.bin": (lambda: b"", "is empty"),
    "empty.png": (lambda: b"", "is empty"),
    "cut.bin": (lambda: old_torch({"x": L})[:2000], "damaged"),
    "cut_header.safetensors": (lambda: save({"x": L})[:20], "cut off"),
    "site.zip": (
        lambda: zipped({"style.safetensors": b"x", "readme.txt": b"y"}),
        "Unpack it first; it holds style.safetensors",
    ),
    "site.pt": (lambda: zipped({"a/b.png": b"x"}), "a zip archive, not an embedding"),
    "packed.pt": (lambda: gzip.compress(b"x"), "gzip archive"),
    "model.gguf": (lambda: b"GGUF" + bytes(60), "GGUF"),
    "photo.jpg": (lambda: b"\xff\xd8\xff\xe0" + bytes(60), "JPEG"),
    "plain.png": (plain_png, "picture without an embedding"),
    "checkpoint.safetensors": (
        lambda: save({"model.diffusion_model.x.weight": L, "first_stage_model.y": L}),
        "a checkpoint",
    ),
    "checkpoint.ckpt": (
        lambda: old_torch({"state_dict": {"model.diffusion_model.x": L}, "global_step": 1}),
        "a checkpoint",
    ),
    "vae.pt": (lambda: old_torch({"state_dict": {"encoder.conv_in.weight": L}}), "not an embedding"),
    "vae.safetensors": (lambda: save({"encoder.down.0.weight": L, "decoder.up.0.weight": L}), "a VAE"),
    "lora.safetensors": (lambda: save(LORA), "a LoRA"),
    "lora_peft.safetensors": (
        lambda: save({"base_model.model.x.lora_A.weight": L, "base_model.model.x.lora_B.weight": L}),
        "a LoRA",
    ),
    "lokr.safetensors": (lambda: save({"lycoris_x.lokr_w1": L, "lycoris_x.lokr_w2": L}), "a LoRA"),
    "hypernetwork.pt": (
        lambda: old_torch({768: [{"linear.0.weight": L}], "layer_structure": [1, 2, 1], "name": "x", "step": 1}),
        "a hypernetwork",
    ),
    "clip.safetensors": (lambda: save({"text_model.encoder.layers.0.mlp.fc1.weight": L}), "a text encoder"),
    "controlnet.safetensors": (lambda: save({"control_model.x": L}), "a ControlNet"),
    "optimizer.pt": (
        lambda: old_torch({"optimizer_state_dict": {"state": {}}, "name": "x", "hash": 1}),
        "optimizer state",
    ),
    "weights.bin": (lambda: struct.pack("<64f", *([1.5e-3] * 64)), "bare bytes"),
    "noise.pt": (lambda: bytes(range(255, 0, -1)), "damaged"),
    "evil.pt": (lambda: named("os.system"), "os.system"),
    "evil_builtin.bin": (lambda: named("builtins.eval"), "builtins.eval"),
    "plain_pickle.pt": (lambda: pickle.dumps({"a": [1, 2, 3]}), "not torch's"),
    "no_tensors.pt": (lambda: old_torch({"a": 1}), "no tensors"),
    "whole_numbers.safetensors": (lambda: save({"emb_params": torch.ones(2, 768, dtype=torch.int64)}), "whole numbers"),
    "no_rows.safetensors": (lambda: save({"emb_params": torch.zeros(0, 768)}), "no vectors"),
    "four_d.safetensors": (lambda: save({"emb_params": L.reshape(1, 1, 2, 768)}), "shape [1, 1, 2, 768]"),
    "batch_of_two.safetensors": (lambda: save({"emb_params": torch.stack([L, L])}), "shape [2, 2, 768]"),
    "width_2.safetensors": (lambda: save({"emb_params": L.T.contiguous()}), "vectors of 2 numbers"),
    "width_4096.safetensors": (lambda: save({"x": T5}), "--as t5xxl"),
    "width_2560.safetensors": (lambda: save({"x": wide(2560)}), "--as"),
    "scalar.safetensors": (lambda: save({"emb_params": torch.tensor(1.0)}), "shape []"),
    "behind.safetensors": (lambda: save({"t5_out": T5, "clip_l_out": L}), "behind the text encoder only"),
    "twice.safetensors": (lambda: save({"clip_l": L, "text_encoders_0": L}), "twice"),
}
"""Files that are refused, with words of the sentence."""
