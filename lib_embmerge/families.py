"""The model families that take textual-inversion embeddings, as one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

__all__ = [
    "CLIP",
    "CLIP_VOCABULARY_SIZE",
    "DEMONSTRATION",
    "ENCODERS",
    "ENCODER_NAMES",
    "ENCODER_WIDTHS",
    "FAMILIES",
    "GROUPS",
    "OTHER_ENCODER_WIDTHS",
    "EncoderKind",
    "Family",
    "by_group",
    "family_of",
    "group_of",
    "is_for",
]

T = TypeVar("T")

CLIP = "clip"
"""The tokenizer group of the CLIP text encoders, which all cut a text alike."""

GROUPS: Mapping[str, str] = {
    CLIP: "CLIP",
    "t5": "T5",
    "umt5": "UMT5",
    "pile_t5": "Pile-T5",
    "gemma2": "Gemma 2",
    "gemma3": "Gemma 3",
    "qwen25": "Qwen 2.5",
    "qwen3": "Qwen 3",
    "mistral3": "Mistral 3",
    "ministral3": "Ministral 3",
    "llama": "Llama",
}
"""The tokenizer groups, with their names for people: encoders of one group have equally many vectors for a text."""


@dataclass(frozen=True)
class EncoderKind:
    """A kind of text encoder: its key in files, which is its function in expressions, its width, group and name."""

    key: str
    width: int
    group: str
    title: str

    @property
    def is_clip(self) -> bool:
        """Whether it is one of CLIP's."""
        return self.group == CLIP


ENCODERS: Mapping[str, EncoderKind] = {
    kind.key: kind
    for kind in (
        EncoderKind("clip_l", 768, CLIP, "CLIP-L"),
        EncoderKind("clip_h", 1024, CLIP, "CLIP-H"),
        EncoderKind("clip_g", 1280, CLIP, "CLIP-G"),
        EncoderKind("t5xxl", 4096, "t5", "T5-XXL"),
        EncoderKind("umt5xxl", 4096, "umt5", "UMT5-XXL"),
        EncoderKind("pile_t5xl", 2048, "pile_t5", "Pile-T5 XL"),
        EncoderKind("gemma2_2b", 2304, "gemma2", "Gemma 2 2B"),
        EncoderKind("gemma3_270m", 640, "gemma3", "Gemma 3 270M"),
        EncoderKind("gemma3_4b", 2560, "gemma3", "Gemma 3 4B"),
        EncoderKind("gemma3_12b", 3840, "gemma3", "Gemma 3 12B"),
        EncoderKind("qwen25_3b", 2048, "qwen25", "Qwen 2.5 3B"),
        EncoderKind("qwen25_7b", 3584, "qwen25", "Qwen 2.5 7B"),
        EncoderKind("qwen3_06b", 1024, "qwen3", "Qwen 3 0.6B"),
        EncoderKind("qwen3_2b", 2048, "qwen3", "Qwen 3 2B"),
        EncoderKind("qwen3_4b", 2560, "qwen3", "Qwen 3 4B"),
        EncoderKind("qwen3_8b", 4096, "qwen3", "Qwen 3 8B"),
        EncoderKind("qwen3vl_4b", 2560, "qwen3", "Qwen 3 VL 4B"),
        EncoderKind("qwen3vl_8b", 4096, "qwen3", "Qwen 3 VL 8B"),
        EncoderKind("mistral3_24b", 5120, "mistral3", "Mistral 3 24B"),
        EncoderKind("ministral3_3b", 3072, "ministral3", "Ministral 3 3B"),
        EncoderKind("llama", 4096, "llama", "Llama 3 8B"),
    )
}
"""Every text encoder that embmerge knows, by the key that files have for it: a new one is one entry here.

Width does not name an encoder: several have 4096 or 2560 columns. The keys are ComfyUI's.
"""

ENCODER_WIDTHS: Mapping[str, int] = {key: kind.width for key, kind in ENCODERS.items() if kind.is_clip}
"""Width of a token's row in each CLIP text encoder, in columns."""

OTHER_ENCODER_WIDTHS: Mapping[str, int] = {key: kind.width for key, kind in ENCODERS.items() if not kind.is_clip}
"""Width of a token's row in the text encoders that are no CLIP, T5 and language models, by their keys in files."""

CLIP_VOCABULARY_SIZE = 49408
"""Tokens of the one vocabulary that all CLIP text encoders share."""

ENCODER_NAMES: Mapping[int, str] = {width: name for name, width in ENCODER_WIDTHS.items()}
"""The same the other way round: a CLIP encoder is known by the width of its rows."""

DEMONSTRATION = "demonstration"
"""Title of the built-in model of made-up rows, and what a file made with it says that it was made with."""


@dataclass(frozen=True)
class Family:
    """A model family: its key, its name for people, its CLIP text encoders and its ModelSpec architecture.

    `others` are its text encoders beside these: T5 and language models.

    Source: https://github.com/Stability-AI/ModelSpec (architecture names).
    """

    key: str
    title: str
    encoders: tuple[str, ...]
    architecture: str
    others: tuple[str, ...] = ()
    part_of: str = ""
    """The key of the family whose prompts it is given, where it has only some of its encoders."""


FAMILIES: Mapping[str, Family] = {
    family.key: family
    for family in (
        Family("sd1", "SD 1", ("clip_l",), "stable-diffusion-v1"),
        Family("sd2", "SD 2", ("clip_h",), "stable-diffusion-v2-512"),
        Family("sdxl", "SDXL", ("clip_l", "clip_g"), "stable-diffusion-xl-v1-base"),
        Family("sdxl-refiner", "SDXL refiner", ("clip_g",), "stable-diffusion-xl-v1-refiner", part_of="sdxl"),
        Family("sd3", "SD 3", ("clip_l", "clip_g"), "stable-diffusion-v3-medium", others=("t5xxl",)),
        Family("flux", "Flux", ("clip_l",), "flux-1-dev", others=("t5xxl",)),
    )
}


def family_of(encoders: Iterable[str], *, has_words: bool = False) -> Family | None:
    """Return the family whose files hold exactly these encoders' vectors, those that are no CLIP's or not.

    Of several it is the oldest, and the newest where a text encoder that is no CLIP stands beside them; `has_words`
    says that one does that takes only text.
    """
    names = set(encoders)
    others = names - set(ENCODER_WIDTHS)
    found = [one for one in FAMILIES.values() if set(one.encoders) == names - others and others <= set(one.others)]
    return None if not found else found[-1 if has_words or others else 0]


def by_group(sizes: Mapping[str, T]) -> dict[str, dict[str, T]]:
    """Divide what is given by encoder by their tokenizer groups."""
    groups: dict[str, dict[str, T]] = {}
    for name, size in sizes.items():
        groups.setdefault(group_of(name), {})[name] = size
    return groups


def is_for(found: Mapping[str, T], wanted: Mapping[str, T]) -> bool:
    """Return whether what an embedding has, by encoder, is for a model that wants this.

    Of each tokenizer group it has just what the model wants, or nothing; what it has for a group that the model has not
    is left alone, unless there is nothing else.
    """
    own, others = by_group(wanted), by_group(found)
    shared = own.keys() & others.keys()
    return bool(shared) and all(own[group] == others[group] for group in shared)


def group_of(encoder: str) -> str:
    """Return the tokenizer group of an encoder; one that is not in the table is a group of its own."""
    kind = ENCODERS.get(encoder)
    return encoder if kind is None else kind.group
