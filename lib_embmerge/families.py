"""The model families that take textual-inversion embeddings, as one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = [
    "CLIP_VOCABULARY_SIZE",
    "DEMONSTRATION",
    "ENCODER_NAMES",
    "ENCODER_WIDTHS",
    "FAMILIES",
    "OTHER_ENCODER_WIDTHS",
    "Family",
    "family_of",
]

ENCODER_WIDTHS: Mapping[str, int] = {"clip_l": 768, "clip_h": 1024, "clip_g": 1280}
"""Width of a token's row in each text encoder, in columns."""

OTHER_ENCODER_WIDTHS: Mapping[str, int] = {
    "t5xxl": 4096,
    "umt5xxl": 4096,
    "gemma2_2b": 2304,
    "gemma3_4b": 2560,
    "qwen25_3b": 2048,
    "qwen25_7b": 3584,
    "qwen3_06b": 1024,
    "qwen3_4b": 2560,
    "qwen3_8b": 4096,
    "mistral3_24b": 5120,
    "llama": 4096,
}
"""Width of a token's row in the text encoders that are no CLIP, by the keys that ComfyUI gives them in files."""

CLIP_VOCABULARY_SIZE = 49408
"""Tokens of the one vocabulary that all CLIP text encoders share."""

ENCODER_NAMES: Mapping[int, str] = {width: name for name, width in ENCODER_WIDTHS.items()}
"""The same the other way round: an encoder is known by the width of its rows."""

DEMONSTRATION = "demonstration"
"""Title of the built-in model of made-up rows, and what a file made with it says that it was made with."""


@dataclass(frozen=True)
class Family:
    """A model family: its key, its name for people, its CLIP text encoders and its ModelSpec architecture.

    Source: https://github.com/Stability-AI/ModelSpec (architecture names).
    """

    key: str
    title: str
    encoders: tuple[str, ...]
    architecture: str
    part_of: str = ""
    """The key of the family whose prompts it is given, where it has only some of its encoders."""


FAMILIES: Mapping[str, Family] = {
    family.key: family
    for family in (
        Family("sd1", "SD 1", ("clip_l",), "stable-diffusion-v1"),
        Family("sd2", "SD 2", ("clip_h",), "stable-diffusion-v2-512"),
        Family("sdxl", "SDXL", ("clip_l", "clip_g"), "stable-diffusion-xl-v1-base"),
        Family("sdxl-refiner", "SDXL refiner", ("clip_g",), "stable-diffusion-xl-v1-refiner", part_of="sdxl"),
        Family("sd3", "SD 3", ("clip_l", "clip_g"), "stable-diffusion-v3-medium"),
        Family("flux", "Flux", ("clip_l",), "flux-1-dev"),
    )
}


def family_of(encoders: Iterable[str], *, has_words: bool = False) -> Family | None:
    """Return the family whose files hold exactly these encoders' vectors.

    Of several it is the oldest, and the newest where a text encoder that takes only text stands beside them.
    """
    names = set(encoders)
    found = [family for family in FAMILIES.values() if set(family.encoders) == names]
    return None if not found else found[-1 if has_words else 0]
