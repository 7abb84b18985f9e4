"""A pack of nodes for the tests: lay a link to this folder into ComfyUI's `custom_nodes`."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any


class Fingerprint:
    """Shows a hash of a conditioning's numbers, to the bit, so that no picture has to be made."""

    RETURN_TYPES = ("STRING",)
    FUNCTION = "fingerprint"
    CATEGORY = "tests"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, object]:  # noqa: N802 - ComfyUI's name
        """Return what the node takes."""
        return {"required": {"conditioning": ("CONDITIONING",)}}

    def fingerprint(self, conditioning: Any) -> dict[str, object]:
        """Return the hash."""
        digest = hashlib.sha256()
        for piece in _pieces(conditioning):
            digest.update(piece)
        text = digest.hexdigest()
        return {"ui": {"fingerprint": [text]}, "result": (text,)}


def _pieces(value: Any) -> Iterator[bytes]:
    if hasattr(value, "detach"):
        yield str(tuple(value.shape)).encode()
        yield value.detach().cpu().float().contiguous().numpy().tobytes()
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            yield str(key).encode()
            yield from _pieces(value[key])
    elif isinstance(value, (list, tuple)):
        yield f"[{len(value)}]".encode()
        for each in value:
            yield from _pieces(each)
    elif not isinstance(value, str):  # a note of the prompt itself
        yield repr(value).encode()


SMALL_MODEL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
SMALL_T5 = {"d_ff": 64, "d_kv": 16, "d_model": 64, "num_heads": 4, "num_layers": 2}
SMALL = {
    **dict.fromkeys(("t5xxl_model_config", "umt5xxl_model_config"), SMALL_T5),
    **dict.fromkeys(("qwen25_7b_model_config", "qwen25_3b_model_config", "llama_model_config"), SMALL_MODEL),
}
"""What ComfyUI is told of its text encoders' measures; tokenizers are its own."""

KINDS = {
    "flux": ("flux", "FluxTokenizer", "flux_clip"),
    "chroma": ("pixart_t5", "PixArtTokenizer", "pixart_te"),
    "mochi": ("genmo", "MochiT5Tokenizer", "mochi_te"),
    "sd3": ("sd3_clip", "SD3Tokenizer", "sd3_clip"),
    "qwen_image": ("qwen_image", "QwenImageTokenizer", "te"),
    "omnigen2": ("omnigen2", "Omnigen2Tokenizer", "te"),
    "hunyuan_video": ("hunyuan_video", "HunyuanVideoTokenizer", "hunyuan_video_clip"),
}
"""Kinds of models: ComfyUI's module of their text encoders, its tokenizer, and what makes its class."""


class SmallTextEncoder:
    """A CLIP object of one of ComfyUI's own classes, shrunk and of random numbers, with its real tokenizer."""

    RETURN_TYPES = ("CLIP",)
    FUNCTION = "make"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, object]:  # noqa: N802 - ComfyUI's name
        """Return what the node takes."""
        return {"required": {"kind": (list(KINDS),)}}

    def make(self, kind: str) -> tuple[Any]:
        """Return it; the same for a kind every time."""
        import folder_paths
        import torch
        from comfy import sd

        module = importlib.import_module(f"comfy.text_encoders.{KINDS[kind][0]}")
        arguments = {"clip_l": True, "clip_g": True, "t5": True} if kind == "sd3" else {}
        target = SimpleNamespace(
            tokenizer=getattr(module, KINDS[kind][1]), clip=getattr(module, KINDS[kind][2])(**arguments), params={}
        )
        folders = folder_paths.get_folder_paths("embeddings")
        clip = sd.CLIP(target, embedding_directory=folders, model_options=dict(SMALL))
        generator = torch.Generator().manual_seed(7)
        with torch.no_grad():
            for numbers in clip.cond_stage_model.parameters():
                numbers.copy_(torch.randn(numbers.shape, generator=generator) * 0.08)
        return (clip,)


NODE_CLASS_MAPPINGS = {"E2EFingerprint": Fingerprint, "E2ETextEncoder": SmallTextEncoder}
