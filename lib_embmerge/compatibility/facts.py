"""What the programs look at in a file, and the model families that they load it for: tables, no judgement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
from torch import Tensor

from ..errors import FileError, NotFinite
from ..families import ENCODER_NAMES, ENCODER_WIDTHS, FAMILIES, OTHER_ENCODER_WIDTHS
from ..files.convert import Treatment, clean_embeddings
from ..files.layouts import ALL_WIDTHS, JOINED, find_embeddings
from ..files.paths import is_file
from ..files.reading import count_rows, read_content, read_vectors
from ..files.stored import WHOLE_FORMATS, Content, Stored
from ..files.writing import tensors_to_write
from ..host_protocol import EXTENSIONS
from ..vectors.embedding import are_zero

__all__ = ["BUNDLE", "MODELS", "FileFacts", "Repair", "Target", "TensorFacts", "describe_file", "describe_vectors"]

BUNDLE = "bundle_emb."
"""What begins the names of a LoRA's tensors that are an embedding."""

Repair = Literal["convert", "drop bad", "equal lengths", "convert, rename", "rename", "remake", "split"]
"""What helps: `convert` (keys, shapes, extra tensors, extension), the same with bad vectors left out, with the encoders
padded or cut, or under another name; `rename`, `remake` (make the expression with a checkpoint of the other family),
`split` (one file per encoder). Of the first six, that it helps is found out, by judging what it would make."""


@dataclass(frozen=True)
class Target:
    """A model family that verdicts are given for: its name for people and the encoders that take vectors."""

    title: str
    encoders: tuple[str, ...]

    @cached_property
    def clip(self) -> tuple[str, ...]:
        """The CLIP text encoders, which an embedding must have vectors for."""
        return tuple(encoder for encoder in self.encoders if encoder in ENCODER_WIDTHS)

    @cached_property
    def widths(self) -> list[int]:
        """Widths of the encoders that must have vectors, ascending."""
        return sorted(ALL_WIDTHS[encoder] for encoder in self.clip or self.encoders)


def _family(key: str, *more: str) -> Target:
    return Target(FAMILIES[key].title, (*FAMILIES[key].encoders, *more))


MODELS: Mapping[str, Target] = MappingProxyType(
    {
        "sd1": _family("sd1"),
        "sd2": _family("sd2"),
        "sdxl": _family("sdxl"),
        "sd3": _family("sd3", "t5xxl"),
        "flux": _family("flux", "t5xxl"),
        "chroma": Target("Chroma", ("t5xxl",)),
        "pixart": Target("PixArt", ("t5xxl",)),
        "ltx": Target("LTX", ("t5xxl",)),
        "wan": Target("Wan", ("umt5xxl",)),
        "auraflow": Target("AuraFlow", ("pile_t5xl",)),
        "lumina2": Target("Lumina 2", ("gemma2_2b",)),
        "omnigen2": Target("OmniGen 2", ("qwen25_3b",)),
        "qwen-image": Target("Qwen-Image", ("qwen25_7b",)),
        "anima": Target("Anima", ("qwen3_06b",)),
        "z-image": Target("Z-Image", ("qwen3_4b",)),
        "klein-4b": Target("Klein 4B", ("qwen3_4b",)),
        "klein-9b": Target("Klein 9B", ("qwen3_8b",)),
        "flux2": Target("Flux.2", ("mistral3_24b",)),
        "hunyuan-video": Target("Hunyuan Video", ("clip_l", "llama")),
        "hidream": Target("HiDream", ("clip_l", "clip_g", "t5xxl", "llama")),
    }
)
"""The model families that verdicts are given for. Source: ComfyUI comfy/text_encoders/*.py for those behind Flux.

CLIP's and T5's vectors alone are not called made for the last two, which take them beside Llama's.
"""

WITH_LLAMA = frozenset(["hunyuan-video", "hidream"])


@dataclass(frozen=True)
class TensorFacts:
    """Shape and number format of one tensor, and whether a pickle holds it as an `nn.Parameter` or numpy's array."""

    shape: tuple[int, ...]
    dtype: str
    is_parameter: bool = False
    is_array: bool = False

    @property
    def width(self) -> int:
        """The last dimension; 0 for a single number."""
        return self.shape[-1] if self.shape else 0

    @property
    def is_whole(self) -> bool:
        """Whether its numbers are whole ones."""
        return self.dtype in WHOLE_FORMATS

    @property
    def rows(self) -> int:
        """How many vectors it holds."""
        return self.shape[0] if len(self.shape) > 1 else 1


@dataclass(frozen=True)
class FileFacts:
    """What the loaders look at in a file.

    `tensors` is in the file's order; of a trainer's pickle (`is_trained`) the entries of `string_to_param`, of a list
    of rows (`container` "list") one of each width. `form` is what the file is whatever its ending, `ending` that as it
    is written. `globals` are the names that a pickle asks for, `protocol` its version, `entries` an archive's with
    their bytes, `is_plain` whether its keys are texts and a list's items dicts of tensors. `words` are the embeddings
    of a file that holds several, `made_for` the encoders that its vectors are read for.

    `order` are the keys of all that stands where the tensors do, in the file's order, `keys` those of the outermost
    dict; each of them the tensors' where none are given.

    `neighbours` are the names of the other embeddings that are installed, `twins` the files beside it that differ by
    extension only. `repaired` are the files that converting would make, by what has to be asked of it; where it would
    refuse whatever is asked, there is none, and `refusal` is what it would say.
    """

    name: str
    extension: str
    tensors: Mapping[str, TensorFacts]
    is_trained: bool = False
    has_string_to_token: bool = False
    inner_name: str | None = None
    is_finite: bool = True
    metadata: Mapping[str, str] = field(default_factory=dict)
    neighbours: tuple[str, ...] = ()
    twins: tuple[str, ...] = ()
    is_zero: bool = False
    form: str = ""
    container: str = "dict"
    globals: frozenset[str] = frozenset()
    entries: Mapping[str, int] = field(default_factory=dict)
    protocol: int = 0
    is_plain: bool = True
    ending: str = ""
    words: tuple[str, ...] = ()
    is_lora: bool = False
    lengths: tuple[int, ...] = ()
    made_for: frozenset[str] = frozenset()
    repaired: Mapping[Repair, tuple[FileFacts, ...]] = field(default_factory=dict, repr=False)
    refusal: str = ""
    order: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def others(self) -> tuple[str, ...]:
        """The keys of what stands beside the tensors and is none."""
        return tuple(key for key in self.order if key not in self.tensors)

    @cached_property
    def first(self) -> str | None:
        """The key of what stands first where the tensors do, be it a tensor or not."""
        return next(iter(self.order or self.tensors), None)

    def has(self, key: str) -> bool:
        """Return whether the outermost dict has a key, with a tensor or anything else under it."""
        return key in (self.keys or self.tensors)

    @property
    def length(self) -> int:
        """How many vectors it has for the encoder that has most."""
        return max(self.lengths or [tensor.rows for tensor in self.tensors.values()], default=0)

    @cached_property
    def reachable_widths(self) -> frozenset[int]:
        """Widths of its tensors, and of those that converting it would make."""
        made = (file for files in self.repaired.values() for file in files)
        return frozenset(width for file in (self, *made) for width in file.widths)

    @property
    def is_joined(self) -> bool:
        """Whether L's and G's vectors stand side by side in one tensor, which convert takes apart."""
        is_others = bool(set(self.tensors) & set(OTHER_ENCODER_WIDTHS))
        return self.single is not None and self.single.width == JOINED and not is_others

    @property
    def widths(self) -> list[int]:
        """Widths of all tensors, in the file's order."""
        return [facts.width for facts in self.tensors.values()]

    @cached_property
    def by_encoder(self) -> Mapping[str, TensorFacts]:
        """The tensors that are an encoder's; all where none is, by a name for sentences."""
        keys = set(self.tensors) & set(ALL_WIDTHS) or set(self.tensors) & {"emb_params"} or set(self.tensors)
        named = {key: tensor for key, tensor in self.tensors.items() if key in keys}
        return {key or "The tensor": tensor for key, tensor in named.items()}  # a pickle may hold one without a name

    @cached_property
    def plainly_named(self) -> FileFacts:
        """The same under a name that every program takes."""
        return replace(self, name="embedding")

    @property
    def single(self) -> TensorFacts | None:
        """The tensor of a file that has exactly one."""
        return next(iter(self.tensors.values())) if len(self.tensors) == 1 else None

    @property
    def is_pair(self) -> bool:
        """Whether it is a file of both SDXL encoders by name."""
        return not self.is_trained and self.container == "dict" and {"clip_l", "clip_g"} <= set(self.tensors)

    @cached_property
    def families(self) -> tuple[str, ...]:
        """The model families that the vectors were made for: those with their encoders, and all of CLIP's or none."""
        encoders = self.made_for or self._encoders_by_key_or_width()
        clip = encoders & set(ENCODER_WIDTHS)
        return tuple(
            key
            for key, target in MODELS.items()
            if encoders
            and encoders <= set(target.encoders)
            and clip in (set(), set(target.clip))
            and (key not in WITH_LLAMA or "llama" in encoders)
        )

    def _encoders_by_key_or_width(self) -> frozenset[str]:
        if self.is_joined:
            return frozenset(["clip_l", "clip_g"])
        fitting = (
            key if ALL_WIDTHS.get(key) == tensor.width else ENCODER_NAMES.get(tensor.width, "")
            for key, tensor in self.tensors.items()
        )
        return frozenset(filter(None, fitting))

    @property
    def convertible_widths(self) -> list[int]:
        """Widths of the CLIP vectors that converting the file keeps, ascending."""
        return sorted(set(self.widths) & set(ENCODER_WIDTHS.values()))


# --- Describing a file ---------------------------------------------------------------------------------------------


def describe_file(path: Path, *, neighbours: Iterable[str] = ()) -> FileFacts:
    """Read the facts of an embedding file of any layout; `neighbours` are the other installed embeddings' names.

    Raises: FileError where it cannot be read, or is no embedding.
    """
    content = read_content(path)
    held = find_embeddings(content)
    vectors = read_vectors(path.name, held)
    inner = content.values.get("name")
    repaired, refusal = _find_repaired(content)
    return FileFacts(
        name=path.stem,
        extension=path.suffix.lower(),
        tensors=_tensors_of(content),
        is_trained=isinstance(content.values.get("string_to_param"), Mapping),
        has_string_to_token="string_to_token" in content.values,
        inner_name=inner if isinstance(inner, str) else None,
        is_finite=all(_is_finite(tensor) for tensor in vectors),
        metadata=content.metadata,
        neighbours=tuple(neighbours),
        twins=_find_twins(path),
        is_zero=are_zero(vectors),
        form=content.form,
        container=content.container,
        globals=content.globals,
        entries=content.entries,
        protocol=content.protocol,
        is_plain=content.is_plain,
        ending=path.suffix,
        words=tuple(one.token for one in held) if len(held) > 1 or held[0].layout == "bundle_emb" else (),
        is_lora=held[0].layout == "bundle_emb",
        lengths=tuple(sum(map(count_rows, pieces)) for one in held for pieces in one.tensors.values()),
        made_for=frozenset(key for files in repaired.values() for one in files for key in one.made_for),
        repaired=repaired,
        refusal=refusal,
        order=tuple(map(str, _where_tensors_stand(content))),
        keys=tuple(map(str, content.values)),
    )


_TREATMENTS: Mapping[Repair, Treatment] = MappingProxyType(
    {
        "convert": Treatment(),
        "drop bad": Treatment(drop_bad=True),
        "equal lengths": Treatment(unequal="pad"),
    }
)
"""What can be asked of converting, the least first."""


def _find_repaired(content: Content) -> tuple[dict[Repair, tuple[FileFacts, ...]], str]:
    """Return the facts of the files that converting would make, for the first treatment that it does not refuse.

    Where it refuses all of them, also the sentence that it says.
    Raises: FileError where the file has no vectors, or none of an encoder's width: no program loads those, either.
    """
    first: FileError | NotFinite | None = None
    for repair, how in _TREATMENTS.items():
        try:
            made = clean_embeddings(content, how)
        except (FileError, NotFinite) as error:
            first = first or error
            continue
        return {repair: tuple(describe_vectors(one.name, one.vectors) for one in made)}, ""
    if isinstance(first, FileError) and not first.alternatives:
        raise first
    return {}, str(first or "")


def _tensors_of(content: Content) -> dict[str, TensorFacts]:
    return {
        str(key): TensorFacts(value.shape, value.dtype, value.is_parameter, value.is_array)
        for key, value in _where_tensors_stand(content).items()
        if isinstance(value, Stored)
    }


def _where_tensors_stand(content: Content) -> Mapping[Any, Any]:
    """Return the dict that programs look for the tensors in; of a list of rows one of each key and width."""
    trained = content.values.get("string_to_param")
    if isinstance(trained, Mapping):
        return trained
    if not content.rows:
        return content.values
    found: dict[str, Stored] = {}
    for key, value in (pair for row in content.rows for pair in row.items() if isinstance(pair[1], Stored)):
        if value.width not in {one.width for one in found.values()}:
            found[key if key not in found else f"{key}, {len(found)}"] = value
    return found


def describe_vectors(
    name: str, vectors: Mapping[str, Tensor], *, dtype: torch.dtype = torch.float32, neighbours: Iterable[str] = ()
) -> FileFacts:
    """Return the facts of the file that saving these vectors would write, without writing it."""
    tensors = tensors_to_write(vectors, dtype=dtype)
    facts = {key: TensorFacts(tuple(rows.shape), _name_of(rows.dtype)) for key, rows in tensors.items()}
    is_zero = are_zero(tensors.values())
    made_for = frozenset(vectors)
    return FileFacts(name, ".safetensors", facts, neighbours=tuple(neighbours), is_zero=is_zero, made_for=made_for)


def _name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor.to(torch.float32)).all())


def _find_twins(path: Path) -> tuple[str, ...]:
    others = (path.with_suffix(extension) for extension in EXTENSIONS if extension != path.suffix.lower())
    return tuple(other.name for other in others if is_file(other))
