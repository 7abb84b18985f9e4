"""A pack of nodes for the tests: lay a link to this folder into ComfyUI's `custom_nodes`."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch


class Fingerprint:
    """Shows a hash of a conditioning's or a latent picture's numbers, to the bit."""

    RETURN_TYPES = ("STRING",)
    FUNCTION = "fingerprint"
    CATEGORY = "tests"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, object]:  # noqa: N802 - ComfyUI's name
        """Return what the node takes."""
        return {"required": {"conditioning": ("CONDITIONING,LATENT",)}}

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
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
SMALL_T5 = {"d_ff": 64, "d_kv": 16, "d_model": 64, "num_heads": 4, "num_layers": 2}
SMALL = {
    **dict.fromkeys(("t5xxl_model_config", "umt5xxl_model_config"), SMALL_T5),
    **dict.fromkeys(
        (f"{key}_model_config" for key in ("qwen25_7b", "qwen25_3b", "llama", "qwen3_06b", "qwen3_8b")), SMALL_MODEL
    ),
    "qwen3_4b_model_config": {**SMALL_MODEL, "num_hidden_layers": 30},  # Flux.2 Klein takes the 27th layer's output
}
"""What ComfyUI is told of its text encoders' measures; tokenizers are its own."""


@dataclass(frozen=True)
class Kind:
    """ComfyUI's module of a model family's text encoders, its tokenizer, what makes its class, and with what."""

    module: str
    tokenizer: str
    clip: str
    arguments: dict[str, Any] = field(default_factory=dict)
    measures: dict[str, Any] = field(default_factory=dict)


EIGHT_BITS = torch.float8_e4m3fn
SD3 = {"t5xxl_model_config": {**SMALL_T5, "d_model": 4096}}
"""It lays what CLIP gives beside what T5 gives, so that T5 keeps its width."""

KINDS = {
    "flux": Kind("flux", "FluxTokenizer", "flux_clip"),
    "chroma": Kind("pixart_t5", "PixArtTokenizer", "pixart_te"),
    "mochi": Kind("genmo", "MochiT5Tokenizer", "mochi_te"),
    "sd3": Kind("sd3_clip", "SD3Tokenizer", "sd3_clip", {"clip_l": True, "clip_g": True, "t5": True}, SD3),
    "sd3 without t5": Kind("sd3_clip", "SD3Tokenizer", "sd3_clip", {"clip_l": True, "clip_g": True, "t5": False}),
    "qwen_image": Kind("qwen_image", "QwenImageTokenizer", "te"),
    "qwen_image in eight bits": Kind("qwen_image", "QwenImageTokenizer", "te", {"dtype_llama": EIGHT_BITS}),
    "chroma in eight bits": Kind("pixart_t5", "PixArtTokenizer", "pixart_te", {"dtype_t5": EIGHT_BITS}),
    "omnigen2": Kind("omnigen2", "Omnigen2Tokenizer", "te"),
    "hunyuan_video": Kind("hunyuan_video", "HunyuanVideoTokenizer", "hunyuan_video_clip"),
    "z_image": Kind("z_image", "ZImageTokenizer", "te"),
    "klein": Kind("flux", "KleinTokenizer", "klein_te"),
    "anima": Kind("anima", "AnimaTokenizer", "te"),
}
"""Kinds of models whose tokenizers ComfyUI brings itself."""


def _has(kind: Kind) -> bool:
    """Return whether this version of ComfyUI knows a kind."""
    try:
        return hasattr(importlib.import_module(f"comfy.text_encoders.{kind.module}"), kind.tokenizer)
    except ModuleNotFoundError:
        return False


def _fill(module: Any) -> None:
    """Give a module random numbers, the same every time."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for numbers in module.parameters():
            numbers.copy_(torch.randn(numbers.shape, generator=generator) * 0.08)


class SmallTextEncoder:
    """A CLIP object of one of ComfyUI's own classes, shrunk and of random numbers, with its real tokenizer."""

    RETURN_TYPES = ("CLIP",)
    FUNCTION = "make"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, object]:  # noqa: N802 - ComfyUI's name
        """Return what the node takes."""
        return {"required": {"kind": ([name for name, kind in KINDS.items() if _has(kind)],)}}

    def make(self, kind: str) -> tuple[Any]:
        """Return it; the same for a kind every time."""
        import folder_paths
        from comfy import sd

        wanted = KINDS[kind]
        module = importlib.import_module(f"comfy.text_encoders.{wanted.module}")
        target = SimpleNamespace(
            tokenizer=getattr(module, wanted.tokenizer),
            clip=getattr(module, wanted.clip)(**wanted.arguments),
            params={},
        )
        folders = folder_paths.get_folder_paths("embeddings")
        clip = sd.CLIP(target, embedding_directory=folders, model_options={**SMALL, **wanted.measures})
        _fill(clip.cond_stage_model)
        return (clip,)


DENOISERS = {
    "qwen_image": (
        "QwenImage",
        {
            "image_model": "qwen_image",
            "num_layers": 2,
            "num_attention_heads": 2,
            "attention_head_dim": 32,
            "joint_attention_dim": 64,
            "axes_dims_rope": (8, 12, 12),
        },
    ),
    "z_image": (
        "ZImage",
        {
            "image_model": "lumina2",
            "in_channels": 16,
            "dim": 256,
            "n_layers": 2,
            "n_heads": 8,
            "n_kv_heads": 8,
            "cap_feat_dim": 64,
            "qk_norm": True,
            "axes_dims": (8, 12, 12),
            "axes_lens": (512, 64, 64),
            "z_image_modulation": True,
            "time_scale": 1000.0,
            "pad_tokens_multiple": 32,
        },
    ),
}
"""ComfyUI's description of a family's denoiser, and small measures for it."""


class SmallDenoiser:
    """A MODEL of one of ComfyUI's own classes, shrunk and of random numbers, for the text encoder of its name."""

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "make"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, object]:  # noqa: N802 - ComfyUI's name
        """Return what the node takes."""
        from comfy import supported_models

        return {
            "required": {"kind": ([kind for kind, (name, _) in DENOISERS.items() if hasattr(supported_models, name)],)}
        }

    def make(self, kind: str) -> tuple[Any]:
        """Return it; the same for a kind every time."""
        from comfy import model_management, model_patcher, supported_models

        name, measures = DENOISERS[kind]
        description = getattr(supported_models, name)(dict(measures))
        description.set_inference_dtype(torch.float32, None)
        model = description.get_model({}, device="cpu")
        _fill(model.diffusion_model)
        device = model_management.get_torch_device()
        return (model_patcher.ModelPatcher(model, load_device=device, offload_device=device),)


NODE_CLASS_MAPPINGS = {
    "E2EFingerprint": Fingerprint,
    "E2ETextEncoder": SmallTextEncoder,
    "E2EDenoiser": SmallDenoiser,
}
