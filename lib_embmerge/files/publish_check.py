"""Where will an embedding load? Each host's verdict on a file, for each model family, with the reason and the repair.

The rules are the loaders' own, read from their sources. A host is a list of small functions over the facts of a file;
the first that finds a problem gives the reason. Cautions are what loads all the same.

Sources: A1111 1.10.1 modules/textual_inversion/textual_inversion.py:157-199, 287-325; Forge
backend/text_processing/textual_inversion.py; SD.Next modules/textual_inversion.py:14-63, 271-325; ComfyUI
comfy/sd1_clip.py load_embed; diffusers loaders/textual_inversion.py:204-270, 395-450; InvokeAI 6
model_manager/configs/textual_inversion.py:44-108, app/util/ti_utils.py:12-16; Civitai FilesProvider.tsx.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from ..errors import FileError
from ..families import ENCODER_WIDTHS, FAMILIES
from ..limits import CHUNK
from ..remarks import Remark, RemarkKind
from .layouts import find_embeddings
from .names import EXTENSIONS, advise_on_name
from .paths import is_file
from .reading import read_content, read_vectors
from .stored import Stored
from .writing import tensors_to_write

__all__ = [
    "HOSTS",
    "MODELS",
    "FileFacts",
    "Host",
    "Problem",
    "Repair",
    "TensorFacts",
    "Verdict",
    "check_file",
    "describe_file",
    "describe_vectors",
    "judge",
]

MODELS = ("sd1", "sd2", "sdxl", "sd3", "flux")
"""The model families that verdicts are given for."""

Repair = Literal["convert", "equal lengths", "rename", "remake", "split"]
"""What helps: `convert` (keys, shapes, extra tensors, extension), `equal lengths` (convert, padding or cutting),
`rename`, `remake` (make the expression with a checkpoint of the other family), `split` (one file per encoder)."""

_T5_WIDTH = 4096

_TOTAL_WIDTH = MappingProxyType({"sd1": 768, "sd2": 1024, "sdxl": 2048, "sd3": 2048, "flux": 768})
"""Sum of the widths of a family's encoders, by which A1111 and Forge sort files."""


def _widths_of(model: str) -> list[int]:
    return sorted(ENCODER_WIDTHS[encoder] for encoder in FAMILIES[model].encoders)


@dataclass(frozen=True)
class TensorFacts:
    """Shape and number format of one tensor."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def width(self) -> int:
        """The last dimension; 0 for a single number."""
        return self.shape[-1] if self.shape else 0

    @property
    def rows(self) -> int:
        """How many vectors it holds."""
        return self.shape[0] if len(self.shape) > 1 else 1


@dataclass(frozen=True)
class FileFacts:
    """What the loaders look at in a file.

    `tensors` is in the file's order; of a trainer's pickle (`is_trained`) the entries of `string_to_param`.
    `neighbours` are the names of the other embeddings that are installed, `twins` the files beside it that differ by
    extension only.
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

    @property
    def widths(self) -> list[int]:
        """Widths of all tensors, in the file's order."""
        return [facts.width for facts in self.tensors.values()]

    @property
    def single(self) -> TensorFacts | None:
        """The tensor of a file that has exactly one."""
        return next(iter(self.tensors.values())) if len(self.tensors) == 1 else None

    @property
    def is_pair(self) -> bool:
        """Whether it is a file of both SDXL encoders by name."""
        return not self.is_trained and {"clip_l", "clip_g"} <= set(self.tensors)

    @property
    def families(self) -> tuple[str, ...]:
        """The model families that the vectors were made for, by their widths; with T5's only those that have T5."""
        models = ("sd3", "flux") if _T5_WIDTH in self.widths else MODELS
        return tuple(key for key in models if _widths_of(key) == self.convertible_widths)

    @property
    def convertible_widths(self) -> list[int]:
        """Widths of the vectors that converting the file keeps, ascending."""
        return sorted(set(self.widths) & set(ENCODER_WIDTHS.values()))


@dataclass(frozen=True)
class Problem:
    """Why a host will not load a file, and what helps."""

    reason: str
    repair: Repair | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a host loads a file for a model family; why not, what helps, and what to know if it does."""

    host: str
    model: str
    loads: bool
    reason: str
    repair: Repair | None = None
    cautions: tuple[Remark, ...] = ()


Rule = Callable[[FileFacts, str], "Problem | None"]
Caution = Callable[[FileFacts, str], "str | None"]


# --- Describing a file ---------------------------------------------------------------------------------------------


def describe_file(path: Path, *, neighbours: Iterable[str] = ()) -> FileFacts:
    """Read the facts of an embedding file of any layout; `neighbours` are the other installed embeddings' names.

    Raises: FileError where it cannot be read.
    """
    content = read_content(path)
    held = find_embeddings(content)
    trained = content.values.get("string_to_param")
    source = content.values if trained is None else trained
    items = source.items() if isinstance(source, Mapping) else ()
    stored = {str(key): value for key, value in items if isinstance(value, Stored)}
    if not stored:
        raise FileError(f"{path.name} holds no tensors that programs look for.")
    inner = content.values.get("name")
    tensors = read_vectors(path.name, held)
    return FileFacts(
        name=path.stem,
        extension=path.suffix.lower(),
        tensors={key: TensorFacts(tensor.shape, tensor.dtype) for key, tensor in stored.items()},
        is_trained=trained is not None,
        has_string_to_token="string_to_token" in content.values,
        inner_name=inner if isinstance(inner, str) else None,
        is_finite=all(_is_finite(tensor) for tensor in tensors),
        metadata=content.metadata,
        neighbours=tuple(neighbours),
        twins=_find_twins(path),
        is_zero=not any(_has_numbers(tensor) for tensor in tensors),
    )


def describe_vectors(
    name: str, vectors: Mapping[str, Tensor], *, dtype: torch.dtype = torch.float32, neighbours: Iterable[str] = ()
) -> FileFacts:
    """Return the facts of the file that saving these vectors would write, without writing it."""
    tensors = tensors_to_write(vectors, dtype=dtype)
    facts = {key: _facts_of(tensor) for key, tensor in tensors.items()}
    is_zero = not any(_has_numbers(tensor) for tensor in tensors.values())
    return FileFacts(name, ".safetensors", facts, neighbours=tuple(neighbours), is_zero=is_zero)


def _facts_of(tensor: Tensor) -> TensorFacts:
    return TensorFacts(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor.to(torch.float32)).all())


def _has_numbers(tensor: Tensor) -> bool:
    return bool(tensor.to(torch.float32).any())  # of which torch cannot ask float8


def _find_twins(path: Path) -> tuple[str, ...]:
    others = (path.with_suffix(extension) for extension in EXTENSIONS if extension != path.suffix.lower())
    return tuple(other.name for other in others if is_file(other))


# --- Judging -------------------------------------------------------------------------------------------------------


def check_file(
    path: Path, *, neighbours: Iterable[str] = (), is_vocabulary_word: Callable[[str], bool] | None = None
) -> list[Verdict]:
    """Judge a file for every host and model family.

    Raises: FileError where it cannot be read.
    """
    return judge(describe_file(path, neighbours=neighbours), is_vocabulary_word=is_vocabulary_word)


def judge(facts: FileFacts, *, is_vocabulary_word: Callable[[str], bool] | None = None) -> list[Verdict]:
    """Return every host's verdict for every model family, in the order of `HOSTS` and `MODELS`."""
    advice = advise_on_name(facts.name, others=facts.neighbours, is_vocabulary_word=is_vocabulary_word)
    common = (*_common_cautions(facts), *advice)
    return [_verdict(host, facts, model, common) for host in HOSTS.values() for model in MODELS]


def _verdict(host: Host, facts: FileFacts, model: str, common: tuple[Remark, ...]) -> Verdict:
    for rule in (_has_vectors, *host.rules, _lines_up):
        problem = rule(facts, model)
        if problem is not None:
            return Verdict(host.name, model, False, problem.reason, problem.repair)
    said = (caution(facts, model) for caution in host.cautions)
    own = tuple(Remark("program", text) for text in said if text is not None)
    return Verdict(host.name, model, True, f"{host.name} loads it for {FAMILIES[model].title}.", None, own + common)


def _common_cautions(facts: FileFacts) -> list[Remark]:
    cautions: dict[RemarkKind, str] = {}
    rows = max((tensor.rows for tensor in facts.tensors.values()), default=0)
    if rows > CHUNK:
        cautions["too long"] = f"It has {rows} vectors; a prompt's chunk holds {CHUNK}, so most hosts cut it or fail."
    if not facts.is_finite:
        cautions["not finite"] = "It holds infinity or NaN: pictures come out black."
    if facts.is_zero:
        cautions["zero"] = "All its vectors are zero: nothing of it will be seen."
    if facts.twins:
        twins = ", ".join(facts.twins)
        cautions["name: twins"] = f"Another file here has this name: {twins}. Only one of them is found by it."
    if any(tensor.dtype == "float64" for tensor in facts.tensors.values()):
        said = "It is kept in float64, which is twice the size and rejected by some sites; convert it."
        cautions["number format"] = said
    if facts.extension != ".safetensors":
        cautions["pickle"] = "It is a pickle: sites scan those, and some users refuse them; convert it."
    return [Remark(kind, text) for kind, text in cautions.items()]


# --- Rules that several hosts share --------------------------------------------------------------------------------


def _extension_in(*extensions: str) -> Rule:
    def rule(facts: FileFacts, _model: str) -> Problem | None:
        if facts.extension in extensions:
            return None
        return Problem(f"It looks for {', '.join(extensions)}, not {facts.extension}.", "convert")

    return rule


def _runs(*models: str) -> Rule:
    def rule(_facts: FileFacts, model: str) -> Problem | None:
        if model in models:
            return None
        return Problem(f"It takes no embeddings for {FAMILIES[model].title}.")

    return rule


def _has_vectors(facts: FileFacts, _model: str) -> Problem | None:
    """Refuse what some loaders take and none can use: no vectors, or more dimensions than [vectors, width]."""
    named = {key: tensor for key, tensor in facts.tensors.items() if key in ENCODER_WIDTHS}
    for name, tensor in (named or facts.tensors).items():
        key = name or "The tensor"  # a pickle may hold one without a name
        if 0 in tensor.shape:
            return Problem(f"{key} holds no vectors.")
        if len(tensor.shape) > 2:
            return Problem(f"{key} has the shape {list(tensor.shape)}; an embedding has [vectors, width].")
    return None


def _lines_up(facts: FileFacts, model: str) -> Problem | None:
    """Refuse unequal rows of the encoders in use: A1111 counts those of clip_g, and the rest of the prompt shifts."""
    rows = {key: facts.tensors[key].rows for key in FAMILIES[model].encoders if key in facts.tensors}
    if len(set(rows.values())) < 2:
        return None
    shown = ", ".join(f"{key} {count}" for key, count in rows.items())
    return Problem(f"The encoders have unequal numbers of vectors ({shown}), so the prompt shifts.", "equal lengths")


def _other_width(widths: Sequence[int], model: str) -> Problem:
    wanted = " and ".join(str(ENCODER_WIDTHS[encoder]) for encoder in FAMILIES[model].encoders)
    has = " and ".join(str(width) for width in widths)
    return Problem(f"{FAMILIES[model].title} takes vectors of {wanted} numbers; the file's have {has}.", "remake")


# --- A1111 and Forge -----------------------------------------------------------------------------------------------


def _one_or_pair(facts: FileFacts, _model: str) -> Problem | None:
    """Take one tensor of any name, or a plain dict with both clip_l and clip_g, in which more tensors do no harm."""
    if facts.is_trained and len(facts.tensors) != 1:
        return Problem("string_to_param must hold exactly one tensor.", "convert")
    if facts.is_pair or len(facts.tensors) == 1:
        return None
    return Problem(f"A second tensor is an error to it; the file has {', '.join(facts.tensors)}.", "convert")


def _trained_is_matrix(facts: FileFacts, _model: str) -> Problem | None:
    if facts.is_trained and facts.single is not None and len(facts.single.shape) == 1:
        return Problem("string_to_param holds one dimension, which it reads as so many vectors.", "convert")
    return None


def _joint_width(facts: FileFacts) -> int:
    if facts.is_pair:
        return facts.tensors["clip_l"].width + facts.tensors["clip_g"].width
    return facts.widths[0]


def _joint_width_fits(facts: FileFacts, model: str) -> Problem | None:
    if _joint_width(facts) == _TOTAL_WIDTH[model]:
        return None
    return _other_width([_joint_width(facts)] if not facts.is_pair else [768, 1280], model)


def _forge_engines(facts: FileFacts, model: str) -> Problem | None:
    """Forge keeps one list per text engine; those of SD 3.5 want 768 and 1280 separately."""
    if model != "sd3":
        return _joint_width_fits(facts, model)
    if facts.is_pair:
        return Problem(
            "Its two engines for SD 3.5 want 768 and 1280 numbers each, so both put a file of the pair aside.", "split"
        )
    if facts.widths[0] in (768, 1280):
        return Problem("Only one of its two engines would take it; the other reads the name as text.", "remake")
    return _other_width(facts.widths, model)


def _a1111_old_torch(facts: FileFacts, _model: str) -> str | None:
    if facts.extension in (".pt", ".bin"):
        return "Builds before 1.10.1 refuse pickles written by a new torch."
    return None


def _a1111_sd3(facts: FileFacts, model: str) -> str | None:
    return "T5 reads the name as text." if model == "sd3" else None


# --- SD.Next -------------------------------------------------------------------------------------------------------


def _sdnext_pickle(facts: FileFacts, model: str) -> Problem | None:
    if facts.extension != ".pt":
        return None
    if not facts.is_trained or set(facts.tensors) != {"*"}:
        return Problem("Of a .pt it reads string_to_param['*'] only.", "convert")
    if model == "sdxl":
        return Problem("A .pt never loads for SDXL.", "convert")
    return None


def _sdnext_matrix(facts: FileFacts, _model: str) -> Problem | None:
    flat = [key for key, tensor in facts.tensors.items() if len(tensor.shape) == 1]
    if not flat:
        return None
    return Problem(f"{flat[0]} has one dimension, which it reads as rows of one number.", "convert")


def _sdnext_widths(facts: FileFacts, model: str) -> Problem | None:
    """Every tensor counts, its name does not: the widths must be the encoders', one each."""
    wanted = _widths_of(model)
    if sorted(facts.widths) == wanted:
        return None
    if facts.convertible_widths == wanted:
        return Problem("Every further tensor counts, so it skips a file with more than one per encoder.", "convert")
    return _other_width(facts.widths, model)


def _sdnext_numbered(facts: FileFacts, _model: str) -> str | None:
    if max(tensor.rows for tensor in facts.tensors.values()) > 1:
        return f"It calls the further vectors {facts.name}_1, …: no other embedding may have such a name."
    return None


# --- ComfyUI -------------------------------------------------------------------------------------------------------

_COMFY_ENDS = re.compile(r"[\s,:()\[<]")


def _comfy_name(facts: FileFacts, _model: str) -> Problem | None:
    """`embedding:name` ends at a blank; `( ) :` are weights, `<` and `[` end it in new versions."""
    match = _COMFY_ENDS.search(facts.name)
    if match is None:
        return None
    character = "a blank" if match[0].isspace() else match[0]
    return Problem(f"embedding:{facts.name} cannot be written: the name ends at {character}.", "rename")


def _comfy_tensor(facts: FileFacts, encoder: str) -> TensorFacts:
    """Return the tensor that an encoder takes: the one of its name, else the first."""
    return facts.tensors.get(encoder) or next(iter(facts.tensors.values()))


def _comfy_widths(facts: FileFacts, model: str) -> Problem | None:
    encoders = FAMILIES[model].encoders
    taken = [encoder for encoder in encoders if _comfy_tensor(facts, encoder).width == ENCODER_WIDTHS[encoder]]
    if len(taken) == len(encoders):
        return None
    if taken:
        return Problem(f"Only {taken[0]} takes it; for the other it drops the vectors.", "remake")
    return _other_width(facts.widths, model)


def _comfy_t5(facts: FileFacts, model: str) -> str | None:
    if model in ("sd3", "flux") and "t5xxl" not in facts.tensors:
        return "T5 gets no vectors; ComfyUI prints that it ignored them."
    return None


def _comfy_twins(facts: FileFacts, _model: str) -> str | None:
    if facts.name in facts.neighbours and not facts.twins:  # those are its caution already
        return "Another subfolder has a file of that name; which of them is used changes from start to start."
    return None


# --- diffusers -----------------------------------------------------------------------------------------------------


def _diffusers_dict(facts: FileFacts, model: str) -> Problem | None:
    if facts.is_trained:
        return None if facts.inner_name else Problem("The trained file holds no name to be its token.", "convert")
    if len(facts.tensors) == 1:
        return None
    if facts.convertible_widths != _widths_of(model):
        return _other_width(facts.widths, model)
    if len(FAMILIES[model].encoders) > 1:
        return Problem(
            "It has no joint loader: call load_textual_inversion once per encoder, with the tensor, tokenizer and"
            " text_encoder.",
            "split",
        )
    return Problem("It takes a file of one tensor only.", "convert")


def _diffusers_width(facts: FileFacts, model: str) -> Problem | None:
    encoders = FAMILIES[model].encoders
    if facts.widths[0] not in [ENCODER_WIDTHS[encoder] for encoder in encoders]:
        return _other_width(facts.widths, model)
    if len(encoders) > 1:
        return Problem("It serves one encoder; the other needs a file and a call of its own.", "remake")
    return None


def _diffusers_token(facts: FileFacts, model: str) -> str | None:
    if facts.is_trained:
        return None
    key = next(iter(facts.tensors))
    return None if key == facts.name else f"Without token=, the word for it is the tensor's name, {key}."


def _diffusers_flux(_facts: FileFacts, model: str) -> str | None:
    return "Flux: pass tokenizer= and text_encoder= of CLIP." if model == "flux" else None


# --- InvokeAI ------------------------------------------------------------------------------------------------------

_INVOKE_NAME = re.compile(r"[A-Za-z0-9.,_\- ]+")


def _invoke_name(facts: FileFacts, _model: str) -> Problem | None:
    if _INVOKE_NAME.fullmatch(facts.name):
        return None
    return Problem("Its prompts find names of A-Z a-z 0-9 . , _ - and blank only.", "rename")


def _invoke_count(facts: FileFacts, _model: str) -> Problem | None:
    if len(facts.tensors) < 10:
        return None
    return Problem("It takes files of fewer than ten tensors for embeddings.", "convert")


def _invoke_width(facts: FileFacts) -> int | None:
    """Return the width that it takes a file for; None where it refuses the layout."""
    if facts.is_trained:
        return facts.widths[0] if facts.has_string_to_token else None
    for key in ("emb_params", "clip_g"):
        if key in facts.tensors:
            return facts.tensors[key].width
    first = next(iter(facts.tensors.values()))
    return first.shape[0] if first.shape else None


def _invoke_layout(facts: FileFacts, model: str) -> Problem | None:
    width = _invoke_width(facts)
    if width is None:
        return Problem("string_to_param without string_to_token is unknown to it.", "convert")
    if width not in (768, 1024, 1280):
        key = next(iter(facts.tensors))
        return Problem(f"A matrix named {key} is unknown to it; it takes emb_params, or clip_g with clip_l.", "convert")
    if width != {"sd1": 768, "sd2": 1024, "sdxl": 1280}[model]:
        return _other_width(facts.widths, model)
    return None


def _invoke_pair(facts: FileFacts, model: str) -> Problem | None:
    if model != "sdxl" or facts.is_pair:
        return None
    return Problem("SDXL needs both clip_l and clip_g.", "remake")


# --- Civitai -------------------------------------------------------------------------------------------------------


def _civitai_base(facts: FileFacts, model: str) -> Problem | None:
    """Sites check no shapes, but one version has one base model."""
    return None if model in facts.families else _other_width(facts.widths, model)


def _civitai_twins(_facts: FileFacts, _model: str) -> str | None:
    return "A version there is for one base model: upload the file for another family as a version of its own."


# --- The hosts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Host:
    """A host: the rules that a file must pass, in order, and the cautions for one that does."""

    name: str
    rules: tuple[Rule, ...]
    cautions: tuple[Caution, ...] = ()


_ENTRIES = (
    Host(
        "A1111",
        (
            _runs("sd1", "sd2", "sdxl", "sd3"),
            _extension_in(".safetensors", ".pt", ".bin"),
            _one_or_pair,
            _trained_is_matrix,
            _joint_width_fits,
        ),
        (_a1111_old_torch, _a1111_sd3),
    ),
    Host(
        "Forge",
        (
            _runs("sd1", "sd2", "sdxl", "sd3", "flux"),
            _extension_in(".safetensors", ".pt", ".bin"),
            _one_or_pair,
            _trained_is_matrix,
            _forge_engines,
        ),
    ),
    Host(
        "SD.Next",
        (
            _runs("sd1", "sd2", "sdxl"),
            _extension_in(".safetensors", ".pt"),
            _sdnext_pickle,
            _sdnext_matrix,
            _sdnext_widths,
        ),
        (_sdnext_numbered,),
    ),
    Host(
        "ComfyUI",
        (
            _runs("sd1", "sd2", "sdxl", "sd3", "flux"),
            _extension_in(".safetensors", ".pt", ".bin"),
            _comfy_name,
            _comfy_widths,
        ),
        (_comfy_t5, _comfy_twins),
    ),
    Host(
        "diffusers",
        (
            _runs("sd1", "sd2", "sdxl", "sd3", "flux"),
            _extension_in(".safetensors", ".bin", ".pt"),
            _diffusers_dict,
            _diffusers_width,
        ),
        (_diffusers_token, _diffusers_flux),
    ),
    Host(
        "InvokeAI",
        (
            _runs("sd1", "sd2", "sdxl"),
            _extension_in(".safetensors", ".bin", ".pt", ".ckpt"),
            _invoke_name,
            _invoke_count,
            _invoke_layout,
            _invoke_pair,
        ),
    ),
    Host(
        "Civitai",
        (_extension_in(".ckpt", ".pt", ".safetensors", ".sft", ".bin", ".zip"), _civitai_base),
        (_civitai_twins,),
    ),
)

HOSTS: Mapping[str, Host] = MappingProxyType({host.name: host for host in _ENTRIES})
"""The hosts by name, in the order in which verdicts are given."""
