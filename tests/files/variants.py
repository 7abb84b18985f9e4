"""Further files of the kinds that people have: other keys, widths, values and lengths, and what is no embedding.

`VARIANTS` are embeddings, `OTHERS` files that are none or cannot be read; both by file name, as `kinds.FILES`.
"""

import base64
import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch
from safetensors import torch as safetensors

from .kinds import LORA, NAN, PAIR, G, H, L, before_zip, new_torch, old_torch, packed, png, png_with_text, rows, trained

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


class OfMac:
    """A tensor of a Mac's graphics memory, as torch writes it: as numpy's array."""

    def __reduce__(self) -> tuple:
        arguments = (L.numpy(), torch.float32, "mps:0", False)
        return torch._utils._rebuild_device_tensor_from_numpy, arguments


def repacked(content: bytes, *, folder: str = "archive", kind: int = zipfile.ZIP_STORED, more: str = "") -> bytes:
    """The same archive under another folder's name, with another packing, or with an entry beside the folder."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(written, "w", kind) as new:
        for name in old.namelist():
            new.writestr(f"{folder}/{name.partition('/')[2]}", old.read(name))
        if more:
            new.writestr(more, b"x")
    return written.getvalue()


def taped() -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        member = tarfile.TarInfo("style.safetensors")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"abc"))
    return written.getvalue()


def raw_header(header: bytes, size: int) -> bytes:
    """A safetensors file whose header no library would write."""
    return struct.pack("<Q", len(header)) + header + bytes(size)


def in_format(name: str, size: int) -> bytes:
    """Give vectors in a format of numbers that older torch and safetensors do not write; `size` is one's bytes."""
    end = 2 * 768 * size
    header = json.dumps({"emb_params": {"dtype": name, "shape": [2, 768], "data_offsets": [0, end]}}).encode()
    return raw_header(header + b" " * (-len(header) % 8), 0) + bytes(end)


def ordered(tensors: dict[str, torch.Tensor], order: str) -> bytes:
    """A safetensors file whose header names tensors in another order than their numbers stand in."""
    start, places, data = 0, {}, b""
    for key in order:
        piece = tensors[key].contiguous().numpy().tobytes()
        places[key] = [start, start := start + len(piece)]
        data += piece
    entries = {
        key: {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": places[key]}
        for key, tensor in tensors.items()
    }
    header = json.dumps(entries).encode()
    return raw_header(header + b" " * (-len(header) % 8), 0) + data


def picture_of(content: dict) -> bytes:
    return png((b"tEXt", b"sd-ti-embedding\0" + base64.b64encode(as_json(content))))


SHARED = torch.cat([L, L * 2])

VARIANTS: dict[str, Callable[[], bytes]] = {
    # OneTrainer and ComfyUI, their keys
    "onetrainer_emp.safetensors": lambda: save({"emp_params": L}),
    "onetrainer_flux_both.safetensors": lambda: save({"clip_l": L, "clip_l_out": L * 2, "t5": T5, "t5_out": T5 * 2}),
    "whole_numbers.safetensors": lambda: save({"emb_params": torch.ones(2, 768, dtype=torch.int64)}),
    "whole_numbers_pair.safetensors": lambda: save({"clip_l": L.to(torch.int8), "clip_g": G}),
    "whole_numbers.pt": lambda: old_torch(trained(torch.ones(2, 768, dtype=torch.int8))),
    "yes_and_no.safetensors": lambda: save({"emb_params": L > 0}),
    "called_state_dict.safetensors": lambda: save({"state_dict": L}),
    "called_state_dict.pt": lambda: old_torch({"state_dict": L}),
    "joined_as_clip_l.safetensors": lambda: save({"clip_l": torch.cat([L, G], dim=1)}),
    "nothing_first.safetensors": lambda: save({"x": torch.zeros(0), "y": L}),
    "spelled_twice.safetensors": lambda: save({"clip_l": L, "CLIP_L": L * 2, "text_encoders_0": L * 3}),
    "pair_and_clip_l_as_clip_h.safetensors": lambda: save({**PAIR, "clip_h": L * 2}),
    "pair_and_clip_l_as_t5xxl.safetensors": lambda: save({**PAIR, "t5xxl": L * 2}),
    "clip_l_as_clip_g_beside.safetensors": lambda: save({"clip_l": L, "clip_g": L * 2}),
    "trained_list.pt": lambda: old_torch({"string_to_param": {"*": [L]}}),
    "key_of_two.pt": lambda: old_torch({("a", "b"): L}),
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
    "lora_outputs.safetensors": lambda: save(
        {f"bundle_emb.word.{key}{end}": value for key, value in PAIR.items() for end in ("", "_out")} | LORA
    ),
    "lora_t5.safetensors": lambda: save({"bundle_emb.word.clip_l": L, "bundle_emb.word.t5": T5, **LORA}),
    "lora_numbered.safetensors": lambda: save(
        {"bundle_emb.word.text_encoders_0": L, "bundle_emb.word.text_encoders_1": G, **LORA}
    ),
    "lora_key.safetensors": lambda: save({"bundle_emb.word.string_to_param.cat": L, **LORA}),
    "lora_g_only.safetensors": lambda: save({"bundle_emb.word.clip_g": G, **LORA}),
    "lora_unequal.safetensors": lambda: save({"bundle_emb.w.clip_l": L, "bundle_emb.w.clip_g": rows("g", 3), **LORA}),
    "lora_two_pairs.safetensors": lambda: save(
        {f"bundle_emb.{word}.{key}": value for word in "ab" for key, value in PAIR.items()} | LORA
    ),
    "lora_path_name.safetensors": lambda: save({"bundle_emb.a/b:c.string_to_param.*": L, **LORA}),
    "lora_nan.safetensors": lambda: save({"bundle_emb.word.string_to_param.*": NAN, **LORA}),
    "lora_zero.safetensors": lambda: save({"bundle_emb.word.string_to_param.*": L * 0, **LORA}),
    "bundle_alone.safetensors": lambda: save({f"bundle_emb.word.{key}": value for key, value in PAIR.items()}),
    # encoders by number, and by a width that one encoder alone has
    "numbered_flux.safetensors": lambda: save({"text_encoders_0": L, "text_encoders_1": T5}),
    "numbered_sd3.safetensors": lambda: save({"text_encoders_0": L, "text_encoders_1": G, "text_encoders_2": T5}),
    "numbered_sd2.safetensors": lambda: save({"text_encoders_0": H}),
    "numbered_1.safetensors": lambda: save({"text_encoders_1": G}),
    "numbered_3d.pti": lambda: save({"text_encoders_0": L[None], "text_encoders_1": G[None]}),
    "mistral.safetensors": lambda: save({"mistral": rows("mistral")}),
    "onetrainer_wrong_l.safetensors": lambda: save({"clip_l": G, "t5": T5}),
    "onetrainer_swapped.safetensors": lambda: save({"clip_l": G, "clip_g": L, "t5": T5}),
    "large_names_of_flux.safetensors": lambda: save({"CLIP_L": L, "T5-XXL": T5}),
    "t5_apart.safetensors": lambda: save({"clip_l": L, "t5_xxl": T5}),
    "numbered_params.safetensors": lambda: save({"emb_params": L, "emb_params_2": G}),
    "nothing_beside.safetensors": lambda: save({"emb_params": L, "unused": torch.zeros(0)}),
    "values_beside.bin": lambda: old_torch({"<cat-toy>": L[0].clone(), "loss": 0.1, "ok": True}),
    "optimizer_beside.bin": lambda: old_torch({"<cat-toy>": L[0].clone(), "optimizer": {"state": {0: L.clone()}}}),
    "params_and_values.pt": lambda: old_torch({"emb_params": L, "epoch": 3}),
    "trained_by_encoder.pt": lambda: old_torch({"string_to_param": PAIR, "name": "pair"}),
    "deeper_and_loss.pt": lambda: old_torch({"model": {"emb": L}, "epoch": 3, "loss": torch.tensor(0.1)}),
    "state_dict.pt": lambda: old_torch({"state_dict": {"emb_params": L}, "epoch": 3}),
    "protocol_5.pt": lambda: packed(trained(L), "byteorder", protocol=5),
    "without_end.png": lambda: png_with_text()[:-14],
    "other_names.safetensors": lambda: save({"text_encoder.weight": L, "text_encoder_2.weight": G}),
    "large_names.safetensors": lambda: save({"CLIP_L": L, "CLIP_G": G}),
    "step_beside.bin": lambda: old_torch({"<cat-toy>": L, "step": torch.tensor(100)}),
    "step_beside.safetensors": lambda: save({"emb_params": L, "step": torch.tensor(100)}),
    # further shapes
    "each_of_one.safetensors": lambda: save({"emb_params": L[:, None]}),
    "each_of_one.pt": lambda: old_torch(trained(L[:, None].clone())),
    "one_of_one.safetensors": lambda: save({"emb_params": L[:1][None]}),
    "four_dimensions.safetensors": lambda: save({"emb_params": L[None, None]}),
    "three_d.bin": lambda: old_torch({"<cat-toy>": L[None]}),
    "three_d.pt": lambda: old_torch(trained(L[None])),
    "in_columns.safetensors": lambda: save({"emb_params": L.T.contiguous()}),
    "in_columns.pt": lambda: old_torch(trained(L.T.contiguous())),
    "in_columns_word.safetensors": lambda: save({"<cat-toy>": L.T.contiguous()}),
    "in_columns_pair.safetensors": lambda: save({key: value.T.contiguous() for key, value in PAIR.items()}),
    "pair_of_one_dimension.safetensors": lambda: save({"clip_l": L[0], "clip_g": G[0]}),
    "pair_half_of_one.safetensors": lambda: save({"clip_l": L[0], "clip_g": G[:1]}),
    "joined_one_dimension.safetensors": lambda: save({"x": torch.cat([L, G], dim=1)[0]}),
    "joined_three_d.safetensors": lambda: save({"emb_params": torch.cat([L, G], dim=1)[None]}),
    "joined_trained.pt": lambda: old_torch(trained(torch.cat([L, G], dim=1))),
    "e5m2.safetensors": lambda: save({"emb_params": L.to(torch.float8_e5m2)}),
    "nan_t5.safetensors": lambda: save({"clip_l": L, "t5xxl": torch.cat([T5, T5[:1] / 0])}),
    "nan_in_g.safetensors": lambda: save({"clip_l": L, "clip_g": torch.cat([G[:1], G[:1] / 0])}),
    "zero_t5.safetensors": lambda: save({"t5xxl": T5 * 0}),
    # further pickles
    "of_a_mac.pt": lambda: packed(trained(OfMac()), "byteorder"),
    "step_tensor.pt": lambda: old_torch(trained(L, step=torch.tensor(100))),
    "token_tensor.pt": lambda: old_torch({**trained(L), "string_to_token": {"*": torch.tensor(265)}}),
    "token_list.pt": lambda: old_torch({**trained(L), "string_to_token": {"*": [265, 266]}}),
    "more_beside.pt": lambda: old_torch(trained(L, notes="hello", cond=L.clone(), optimizer_state_dict=None)),
    "nothing_said.pt": lambda: old_torch(trained(L, step=None, sd_checkpoint=None, sd_checkpoint_name=None)),
    "trained_numpy.pt": lambda: packed(trained(L.numpy()), "byteorder"),
    "trained_parameter.pt": lambda: old_torch({"string_to_param": {"*": torch.nn.Parameter(L)}, "name": "token"}),
    "trained_g.pt": lambda: old_torch(trained(G)),
    "ordered_in_ordered.pt": lambda: old_torch(
        OrderedDict(string_to_token={"*": 265}, string_to_param=OrderedDict({"*": L}))
    ),
    "device_beside.pt": lambda: old_torch(trained(L, device=torch.device("cpu"), dtype=torch.float16)),
    "number_key.pt": lambda: old_torch({0: L}),
    "list_of_tensors.pt": lambda: old_torch([L]),
    "list_of_vectors.pt": lambda: old_torch([L[0].clone(), L[1].clone()]),
    "list_with_steps.pt": lambda: old_torch([{"emb": L[n].clone(), "emb2": G[n].clone(), "step": 1} for n in (0, 1)]),
    "list_of_one.pt": lambda: old_torch([{"emb": L, "emb2": G}]),
    "list_by_name.pt": lambda: old_torch([{"clip_l": L[n].clone(), "clip_g": G[n].clone()} for n in (0, 1)]),
    "list_sd2.pt": lambda: old_torch([{"emb": H[0].clone()}]),
    "list_before_zip.pt": lambda: before_zip([{"emb": L[0].clone(), "emb2": G[0].clone()}]),
    "tuple.pt": lambda: old_torch((L,)),
    "one_deeper.pt": lambda: old_torch({"embedding": PAIR}),
    "two_deeper.pt": lambda: old_torch({"state_dict": {"embeddings": PAIR}}),
    "rows_by_encoder.pt": lambda: old_torch({"clip_l": list(L.clone()), "clip_g": list(G.clone())}),
    "list_for_a_word.bin": lambda: old_torch({"<x>": [L[0].clone(), L[1].clone()]}),
    "parameter_list.pt": lambda: old_torch({"<x>": torch.nn.ParameterList([torch.nn.Parameter(L)])}),
    "words_with_encoders.pt": lambda: old_torch({"<a>": PAIR, "<b>": {"clip_l": L * 2, "clip_g": G * 2}}),
    "nan_in_one_word.safetensors": lambda: save({"<s1>": L, "<s2>": torch.cat([L[:1] / 0, L[1:]])}),
    "shared_two.bin": lambda: old_torch({"<a>": SHARED[:2], "<b>": SHARED[2:]}),
    "every_second.pt": lambda: old_torch(trained(SHARED[::2])),
    "repeated.pt": lambda: old_torch(trained(L[:1].expand(3, 768))),
    "fp8.bin": lambda: packed({"<cat-toy>": L.to(torch.float8_e4m3fn)}, "byteorder"),
    "bf16.bin": lambda: old_torch({"<cat-toy>": L.bfloat16()}),
    "float64.pt": lambda: old_torch(trained(L.double())),
    "pair_before_zip.pt": lambda: before_zip(PAIR),
    "ordered_before_zip.bin": lambda: before_zip(OrderedDict({"<cat-toy>": L})),
    "bare_before_zip.pt": lambda: before_zip(L),
    "half_before_zip.bin": lambda: before_zip({"<cat-toy>": L.half()}),
    "view_before_zip.pt": lambda: before_zip({"<cat-toy>": SHARED[1:3]}),
    "before_zip_as.safetensors": lambda: before_zip({"<cat-toy>": L}),
    "deflated.pt": lambda: repacked(old_torch(trained(L)), kind=zipfile.ZIP_DEFLATED),
    "own_folder.pt": lambda: repacked(old_torch(trained(L)), folder="стиль ё"),
    "two_folders.pt": lambda: repacked(old_torch(trained(L)), more="__MACOSX/._archive"),
    "pair_new_torch.pt": lambda: new_torch(PAIR),
    "emb_params_new_torch.pt": lambda: new_torch({"emb_params": L}),
    # tensors called as trainers call other things
    "param_tensor.safetensors": lambda: save({"string_to_param": L}),
    "param_tensor_sd2.safetensors": lambda: save({"string_to_param": H}),
    "param_tensor_1d.safetensors": lambda: save({"string_to_param": L[0]}),
    "param_tensor_half.safetensors": lambda: save({"string_to_param": L.half()}),
    "param_tensor_beside.safetensors": lambda: save({"emb_params": L, "string_to_param": G}),
    "param_and_token_tensors.safetensors": lambda: save({"string_to_param": L, "string_to_token": torch.tensor(265)}),
    "param_tensor.pt": lambda: old_torch({"string_to_param": L}),
    "param_tensor_named.pt": lambda: old_torch({"string_to_param": L, "name": "token"}),
    "param_tensor_and_token.pt": lambda: old_torch({"string_to_token": {"*": 265}, "string_to_param": L}),
    "param_list_beside.pt": lambda: old_torch({"string_to_param": [1], "<x>": L}),
    "param_with_number.pt": lambda: old_torch({"string_to_param": {"*": L, "count": 2}}),
    "param_behind_number.pt": lambda: old_torch(trained(L) | {"string_to_param": {"count": 2, "*": L}}),
    "token_tensor.safetensors": lambda: save({"string_to_token": L[0]}),
    "token_tensor_beside.safetensors": lambda: save({"emb_params": L, "string_to_token": torch.tensor(265)}),
    "token_tensor_and_pair.safetensors": lambda: save({**PAIR, "string_to_token": torch.tensor(265)}),
    "token_and_params.pt": lambda: old_torch({"emb_params": L, "string_to_token": {"*": 265}}),
    "token_before_word.bin": lambda: old_torch({"string_to_token": {"*": 265}, "<x>": L}),
    "name_tensor.safetensors": lambda: save({"name": L}),
    "step_tensor.safetensors": lambda: save({"step": L}),
    "lora_word.safetensors": lambda: save({"lora_style": L}),
    "state_beside.safetensors": lambda: save({"emb_params": L, "state_dict": torch.tensor(1)}),
    "large_param.safetensors": lambda: save({"String_To_Param": L}),
    "table_of_words.safetensors": lambda: save({"text_model.embeddings.token_embedding.weight": L}),
    # what stands first, and what is beside
    "numbers_in_other_order.safetensors": lambda: ordered({"b": L, "a": G}, "ab"),
    "header_in_other_order.safetensors": lambda: ordered({"a": G, "b": L}, "ba"),
    "vector_behind_matrix.safetensors": lambda: ordered({"b": L[0], "a": H}, "ab"),
    "dict_before_word.bin": lambda: old_torch({"about": {"*": 1}, "<x>": L}),
    "text_before_word.bin": lambda: old_torch({"about": "cat", "<x>": L}),
    "nothing_before_word.bin": lambda: old_torch({"about": None, "<x>": L}),
    "no_rows_beside.safetensors": lambda: save({"<x>": L, "<y>": L[:0]}),
    "no_rows_of_g.safetensors": lambda: save({"<x>": L, "clip_g": L[:0]}),
    "no_width_first.safetensors": lambda: ordered({"a": torch.zeros(0), "b": L}, "ab"),
    "flag_beside.safetensors": lambda: save({"emb_params": L, "step": torch.tensor(True)}),
    "number_as_g.safetensors": lambda: save({"emb_params": L, "clip_g": torch.tensor([1])}),
    "number_as_large_l.safetensors": lambda: save({**PAIR, "CLIP_L": torch.tensor(1)}),
    "ten_tensors.safetensors": lambda: save({"emb_params": L} | {f"x{n}": torch.tensor(1) for n in range(9)}),
    "ten_words.safetensors": lambda: save({f"<{n}>": L[0] * n for n in range(1, 11)}),
    "g_of_sd2_1d.safetensors": lambda: save({"clip_g": H[0]}),
    "as_many_as_wide.safetensors": lambda: save({"<x>": rows("l", 768).half()}),
    "list_of_formats.pt": lambda: old_torch([L, L.half()]),
    "list_of_formats_for_a_word.bin": lambda: old_torch({"<x>": [L, L.bfloat16()]}),
    "list_second_encoder.pt": lambda: old_torch([{"emb2": G[0].clone()}, {"emb": L[0].clone()}]),
    "ordered_three.pt": lambda: old_torch(OrderedDict({**PAIR, "t5xxl": T5})),
    # names and endings
    "Mixed.SafeTensors": lambda: save({"emb_params": L}),
    "UPPER.BIN": lambda: old_torch({"<cat-toy>": L}),
    "without_ending": lambda: old_torch({"<cat-toy>": L}),
    "two.dots.safetensors": lambda: save({"emb_params": L}),
    "стиль.safetensors": lambda: save({"emb_params": L}),
    "猫.pt": lambda: old_torch(trained(L)),
    "copy (1).safetensors": lambda: save({"emb_params": L}),
    "name,comma.safetensors": lambda: save({"emb_params": L}),
    "brackets(1).safetensors": lambda: save({"emb_params": L}),
    "square[1].safetensors": lambda: save({"emb_params": L}),
    "learned_embeds (1).bin": lambda: old_torch({"<../../birb style>": L}),
    "learned_embeds-steps-500.safetensors": lambda: save({"<birb-style>": L}),
    "blank_word.bin": lambda: old_torch({"<my style>": L}),
    "long_word.safetensors": lambda: save({"x" * 5000: L}),
    "style.preview.png": png_with_text,
    "picture_sd2.png": lambda: picture_of(trained({"TORCHTENSOR": H.tolist()})),
    "picture_nan.png": lambda: picture_of(trained({"TORCHTENSOR": NAN.tolist()})),
    "picture_nameless.png": lambda: picture_of({"string_to_param": {"*": {"TORCHTENSOR": L.tolist()}}}),
    "picture_two.png": lambda: picture_of(
        {"string_to_param": {key: {"TORCHTENSOR": L.tolist()} for key in "*@"}, "name": "two"}
    ),
    "picture_as.safetensors": png_with_text,
    "pickle_as.sft": lambda: old_torch(trained(L)),
    "pickle_as.pti": lambda: old_torch(PAIR),
    "safetensors_as.pth": lambda: save({"emb_params": L}),
    "safetensors_as.zip": lambda: save({"emb_params": L}),
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
    "numpy_pickle_5.pt": (lambda: pickle.dumps({"*": L.numpy()}, protocol=5), "not torch's"),
    "optimizer_state.pt": (
        lambda: old_torch({"state": {0: {"exp_avg": L.clone(), "exp_avg_sq": L.clone()}}, "param_groups": [{"lr": 1}]}),
        "its tensors where no embedding has them; state is a dict with tensors in it, param_groups is a list of dicts.",
    ),
    "numbered_deeper.pt": (
        lambda: old_torch({"a": {0: {"clip_l": L}}, "b": {1: 2}}),
        "a is a dict with tensors in it, b is a dict.",
    ),
    "plain_pickle.pt": (lambda: pickle.dumps({"a": [1, 2, 3]}), "not torch's"),
    "no_tensors.pt": (lambda: old_torch({"a": 1}), "no tensors"),
    "token_ids.safetensors": (lambda: save({"ids": torch.ones(77, dtype=torch.int64)}), "whole numbers, not vectors."),
    "two_bytes.safetensors": (lambda: in_format("U16", 2), "format uint16"),
    "complex.safetensors": (lambda: in_format("C64", 8), "complex numbers"),
    "no_rows.safetensors": (lambda: save({"emb_params": torch.zeros(0, 768)}), "no vectors"),
    "four_d.safetensors": (lambda: save({"emb_params": torch.stack([L, L])[None]}), "shape [1, 2, 2, 768]"),
    "batch_of_two.safetensors": (lambda: save({"emb_params": torch.stack([L, L])}), "shape [2, 2, 768]"),
    "clip_l_and_t5_unnamed.safetensors": (
        lambda: save({"a": L, "b": T5}),
        "holds vectors of 4096 numbers, which may be for t5xxl or umt5xxl or qwen3_8b",
    ),
    "width_1536.safetensors": (lambda: save({"emb_params": wide(1536)}), "vectors of 1536 numbers"),
    "width_4096.safetensors": (lambda: save({"x": T5}), "--as t5xxl"),
    "width_2560.safetensors": (lambda: save({"x": wide(2560)}), "--as"),
    "scalar.safetensors": (lambda: save({"emb_params": torch.tensor(1.0)}), "shape []"),
    "behind.safetensors": (lambda: save({"t5_out": T5, "clip_l_out": L}), "behind the text encoder only"),
    "lfs_crlf.safetensors": (lambda: b"version https://git-lfs.github.com/spec/v1\r\noid x\r\n", "Git LFS pointer"),
    "lfs_bom.pt": (lambda: b"\xef\xbb\xbfversion https://git-lfs.github.com/spec/v1\noid x\n", "Git LFS pointer"),
    "lfs_old.pt": (lambda: b"version https://hawser.github.com/spec/v1\noid x\n", "Git LFS pointer"),
    "lfs.png": (lambda: b"version https://git-lfs.github.com/spec/v1\noid x\n", "Git LFS pointer"),
    "annex.bin": (lambda: b"/annex/objects/SHA256E-s3--abc.bin\n", "git-annex pointer"),
    "page_mark.safetensors": (lambda: b"\xef\xbb\xbf\r\n<!doctype html>", "web page"),
    "page_utf16.pt": (lambda: "<!DOCTYPE html><html>".encode("utf-16"), "web page"),
    "json_mark.pt": (lambda: b'\xef\xbb\xbf{"error":"Unauthorized"}', "JSON"),
    "json_lines.safetensors": (lambda: b'{\n  "error": "Unauthorized"\n}', "JSON"),
    "index.safetensors": (lambda: b'{"metadata":{"total_size":1},"weight_map":{"a":"b"}}', "JSON"),
    "quoted.bin": (lambda: b'"Not found"', "a text"),
    "entry.bin": (lambda: b"Entry not found", "Entry not found"),
    "user.safetensors": (lambda: b"Invalid username or password.", "Invalid username"),
    "letters.pt": (lambda: "положи файл".encode(), "положи файл"),
    "config.pt": (lambda: b"model:\n  base_learning_rate: 1.0e-4\n", "a text"),
    "one_byte.safetensors": (lambda: b"\0", "damaged"),
    "zeros.safetensors": (lambda: bytes(5000), "damaged"),
    "cut.safetensors": (lambda: save({"emb_params": L})[:-1], "cut off: tensor emb_params should end 1 byte past"),
    "cut_long.safetensors": (lambda: save({"x" * 5000: L})[:-1], "cut off"),
    "more.safetensors": (lambda: save({"emb_params": L}) + b"x", "1 byte behind its tensors"),
    "cut.pt": (lambda: new_torch(trained(L))[:-1], "damaged"),
    "cut_half.pt": (lambda: new_torch(trained(L))[:4000], "damaged"),
    "cut_before_zip.pt": (lambda: before_zip(trained(L))[:-1], "damaged"),
    "cut.png": (lambda: png_with_text()[:-30], "cut off"),
    "cut_text.png": (lambda: png_with_text()[:900], "cut off"),
    "bad_letters.png": (lambda: png((b"tEXt", b"sd-ti-embedding\0!!!")), "damaged embedding"),
    "bad_json.png": (lambda: png((b"tEXt", b"sd-ti-embedding\0" + base64.b64encode(b"{"))), "damaged embedding"),
    "parameters.png": (lambda: png((b"tEXt", b"parameters\0a cat")), "picture without an embedding"),
    "taped.pt": (taped, "a tar archive"),
    "packed.safetensors": (lambda: gzip.compress(save({"emb_params": L})), "a gzip archive"),
    "packed_bzip2.bin": (lambda: bz2.compress(save({"emb_params": L})), "a bzip2 archive"),
    "packed_xz.bin": (lambda: lzma.compress(save({"emb_params": L})), "an xz archive"),
    "packed_zstd.safetensors": (lambda: b"\x28\xb5\x2f\xfd" + bytes(40), "a zstd archive"),
    "packed_7z.safetensors": (lambda: b"7z\xbc\xaf\x27\x1c" + bytes(40), "a 7z archive"),
    "packed_rar.pt": (lambda: b"Rar!\x1a\x07\x01\x00" + bytes(40), "a RAR archive"),
    "empty.zip": (lambda: b"PK\x05\x06" + bytes(18), "an empty zip archive"),
    "of_a_mac.zip": (lambda: zipped({"__MACOSX/._a.pt": b"x", "a.pt": b"y"}), "it holds a.pt."),
    "zip_as.safetensors": (lambda: zipped({"a.safetensors": b"x"}), "a zip archive"),
    "arrays.npz": (lambda: zipped({"emb.npy": b"\x93NUMPY"}), "a zip archive"),
    "array.bin": (lambda: b"\x93NUMPY\x01\0" + bytes(118), "an array of numpy"),
    "keras.bin": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(60), "an HDF5 file"),
    "gguf_as.safetensors": (lambda: b"GGUF\3\0\0\0" + bytes(60), "GGUF"),
    "paper.pt": (lambda: b"%PDF-1.7\n" + bytes(60), "a PDF"),
    "setup.pt": (lambda: b"MZ" + bytes(62), "a program for Windows"),
    "tool.bin": (lambda: b"\x7fELF" + bytes(60), "a program for Linux"),
    "clip.bin": (lambda: b"\0\0\0\x18ftypmp42" + bytes(60), "a video"),
    "picture.avif": (lambda: b"\0\0\0\x1cftypavif" + bytes(60), "an AVIF picture"),
    "picture.jxl": (lambda: b"\xff\x0a" + bytes(60), "a JPEG XL picture"),
    "picture.gif": (lambda: b"GIF89a" + bytes(60), "a GIF picture"),
    "jpeg_as.pt": (lambda: b"\xff\xd8\xff\xe0" + bytes(60), "a JPEG picture"),
    "half_floats.bin": (lambda: L.half().numpy().tobytes(), "damaged"),
    "script.pt": (lambda: zipped({"m/data.pkl": b"", "m/constants.pkl": b"", "m/code/m.py": b""}), "TorchScript"),
    "evil_in_zip.pt": (lambda: zipped({"archive/data.pkl": named("os.system")}), "os.system"),
    "evil_lines.pt": (lambda: b"cposix\nsystem\n(S'echo'\ntR.", "posix.system"),
    "evil_old_class.pt": (lambda: b"(S'echo'\nios\nsystem\n.", "os.system"),
    "evil_as.png": (lambda: named("os.system"), "os.system"),
    "evil_beside.pt": (lambda: packed(trained(L, when=slice(1)), "byteorder"), "__builtin__.slice"),
    "layer.pt": (lambda: packed(torch.nn.Linear(2, 2), "byteorder"), "torch.nn.modules.linear.Linear"),
    "complex.pt": (lambda: old_torch({"<x>": torch.complex(L, L)}), "complex numbers"),
    "sparse.pt": (lambda: packed({"<x>": L.to_sparse()}, "byteorder"), "a sparse or quantized tensor"),
    "trained_numbers.pt": (
        lambda: old_torch({"string_to_param": {"*": L.tolist()}}),
        "string_to_param holds no tensors; * is a list of lists of numbers.",
    ),
    "rows_by_number.pt": (lambda: old_torch({0: {"emb": L}, 1: {"emb": L}}), "0 is a dict with tensors in it"),
    "novelai.pt": (lambda: old_torch({768: ({"linear1.weight": L},) * 2, 320: ({},)}), "a hypernetwork"),
    "lora_difference.safetensors": (lambda: save({"diffusion_model.x.diff_b": L[0]}), "a LoRA"),
    "lora_diffusers.safetensors": (lambda: save({"unet.x.to_k_lora.down.weight": L}), "a LoRA"),
    "lora_processor.bin": (lambda: old_torch({"down_blocks.0.processor.to_q_lora.down.weight": L}), "a LoRA"),
    "lora_ia3.safetensors": (lambda: save({"lora_unet_x.on_input": L > 0, "lora_unet_x.weight": L}), "a LoRA"),
    "lora_in_pairs.pt": (lambda: old_torch([wide(4, 320), wide(768, 4)] * 3), "a LoRA"),
    "lora_of_rank_one.pt": (lambda: old_torch([wide(1, 768), wide(768, 1)] * 3), "a LoRA"),
    "lora_of_convolutions.pt": (
        lambda: old_torch([wide(4, 320)[..., None, None], wide(9, 256).view(4, 64, 3, 3)]),
        "a LoRA",
    ),
    "of_each_layer.pt": (lambda: old_torch({"<x>": wide(768, 32).view(16, 2, 768)}), "shape [16, 2, 768]"),
    "of_each_layer.safetensors": (lambda: save({"<x>": wide(768, 32).view(16, 2, 768)}), "shape [16, 2, 768]"),
    "list_of_widths.bin": (lambda: old_torch({"<x>": [L, G]}), "of shape [2, 768] and [2, 1280]"),
    "list_of_numbers.bin": (lambda: old_torch({"<x>": [L.long()]}), "not all of fractions"),
    "lora_loha.safetensors": (lambda: save({"lora_unet_x.hada_w1_a": L}), "a LoRA"),
    "lora_only_outputs.safetensors": (
        lambda: save({"bundle_emb.word.clip_l_out": L, **LORA}),
        "behind the text encoder only",
    ),
    "header_mark.safetensors": (lambda: raw_header(b"\xef\xbb\xbf{}", 8), "damaged"),
    "header_broken.safetensors": (lambda: raw_header(b'{"a":1,,}', 8), "broken header"),
    "no_tensor.safetensors": (lambda: save({}), "no tensors"),
    "no_numbers.safetensors": (lambda: save({"emb_params": torch.zeros(0)}), "no vectors"),
    "no_width.safetensors": (lambda: save({"<x>": torch.zeros(2, 0)}), "no vectors"),
    "nothing_in_list.pt": (lambda: old_torch([{"step": torch.tensor(1)}]), "no vectors"),
    "twice.safetensors": (lambda: save({"CLIP_L": L, "text_encoders_0": L}), "twice"),
    "beside_a_short_one.safetensors": (
        lambda: save({"a": L, "b": torch.ones(5)}),
        "holds 2 tensors (a, b); it is not an embedding. ComfyUI takes the first, a, as it does of any file",
    ),
}
"""Files that are refused, with words of the sentence."""
