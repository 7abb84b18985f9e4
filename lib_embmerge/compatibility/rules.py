"""What each program does with an embedding file, for each model family: rules, each with its program's source.

A program is a list of small functions over the facts of a file; the first that finds a problem gives the reason.
Cautions are what loads all the same. What the programs' own loading functions did with files of every kind stands in
tests/compatibility/loaders.json, and a test holds the rules to it.

Sources: A1111 1.10.1 modules/textual_inversion/textual_inversion.py:157-199, 287-325, modules/safe.py:68-96; Forge
backend/text_processing/textual_inversion.py; SD.Next modules/textual_inversion/textual_inversion.py; ComfyUI
comfy/sd1_clip.py load_embed; SwarmUI src/Text2Image/T2IModelClassSorter.cs, T2IPromptHandling; diffusers
loaders/textual_inversion.py; InvokeAI 6 model_manager/configs/textual_inversion.py, model_on_disk.py,
app/util/ti_utils.py:12-16; Civitai FilesProvider.tsx.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from ..families import ENCODER_WIDTHS
from ..files.layouts import ALL_WIDTHS
from ..files.names import advise_on_name
from ..files.stored import OUTSIDE
from ..limits import CHUNK
from ..remarks import Remark, RemarkKind
from .facts import MODELS, FileFacts, Repair, TensorFacts, describe_file

__all__ = ["BUNDLE", "HOSTS", "Host", "Problem", "Verdict", "check_file", "judge", "takes_bundles"]

BUNDLE = "bundle_emb."
"""What begins the names of a LoRA's tensors that are an embedding."""

_TOTAL_WIDTH = MappingProxyType({"sd1": 768, "sd2": 1024, "sdxl": 2048, "sd3": 2048, "flux": 768})
"""Sum of the widths of a family's encoders, by which A1111 and Forge sort files."""

NEWER_PROTOCOL = 4
"""Version of pickle from which on torch's safe reader lacks the steps. Source: torch/_weights_only_unpickler.py."""

PLAIN_NAME = "embedding"
"""A name that every program takes."""

_ZERO = "All its vectors are zero: it does nothing."


@dataclass(frozen=True)
class Problem:
    """Why a host will not load a file; `is_served` says whether it takes any for the family.

    `splits` says that the host takes a file for each encoder instead.
    """

    reason: str
    splits: bool = False
    is_served: bool = True


@dataclass(frozen=True)
class Verdict:
    """Whether a host loads a file for a model family; why not, what helps, and what to know if it does."""

    host: str
    model: str
    loads: bool
    reason: str
    repair: Repair | None = None
    cautions: tuple[Remark, ...] = ()
    is_served: bool = True


Rule = Callable[[FileFacts, str], "Problem | None"]
Caution = Callable[[FileFacts, str], "str | None"]


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
    problems = _find_problems(host, facts, model)
    if problems:
        is_served = all(problem.is_served for problem in problems)
        repair = _find_repair(host, facts, model) if is_served else None
        return Verdict(host.name, model, False, problems[0].reason, repair, is_served=is_served)
    said = (caution(facts, model) for caution in host.cautions)
    own = tuple(Remark("program", text) for text in (*said, _for_others(facts, model)) if text is not None)
    return Verdict(host.name, model, True, f"{host.name} loads it for {MODELS[model].title}.", None, own + common)


def _find_problems(host: Host, facts: FileFacts, model: str) -> list[Problem]:
    is_deep = not facts.tensors and not host.is_site
    # the first of a program's rules says for which families it takes any
    rules = (_lies_deeper, host.rules[0]) if is_deep else (_has_vectors, host.shapes, *host.rules)
    found = (rule(facts, model) for rule in rules)
    return [problem for problem in found if problem is not None]


def _find_repair(host: Host, facts: FileFacts, model: str) -> Repair | None:
    """Return what helps: what makes files that the host loads; None where nothing does."""

    def loads(files: Iterable[FileFacts], name: str | None = None) -> bool:
        named = [one if name is None else replace(one, name=name) for one in files]
        return bool(named) and not any(_find_problems(host, one, model) for one in named)

    for repair, files in facts.repaired.items():
        if loads(files):
            return repair
    if loads([facts], PLAIN_NAME):
        return "rename"
    clean = facts.repaired.get("convert", ())
    if loads(clean, PLAIN_NAME):
        return "convert, rename"
    to_split = clean if facts.repaired else (facts,)
    if len(to_split) == 1 and _split_helps(host, to_split[0], model):
        return "split"
    return "remake" if model not in facts.families and facts.length else None


def _for_others(facts: FileFacts, model: str) -> str | None:
    """Say that the vectors are for other encoders: of a tensor of the right width a program asks no more."""
    if not facts.made_for or facts.made_for & set(MODELS[model].encoders):
        return None
    return f"Its vectors are for {' and '.join(sorted(facts.made_for))}; in another encoder they mean nothing."


def _split_helps(host: Host, facts: FileFacts, model: str) -> bool:
    """Return whether the host takes files of one encoder each that `convert --split` makes of a clean file."""
    clip = MODELS[model].clip
    if len(facts.tensors) < 2 or {key for key in facts.tensors if key in ENCODER_WIDTHS} != set(clip):
        return False
    if any(problem.splits for problem in _find_problems(host, facts, model)):
        return True
    parts = ({"emb_params" if key in ("clip_l", "clip_h") else key: facts.tensors[key]} for key in clip)
    return any(not _find_problems(host, replace(facts, tensors=part, lengths=()), model) for part in parts)


def _common_cautions(facts: FileFacts) -> list[Remark]:
    cautions: dict[RemarkKind, str] = {}
    if facts.length > CHUNK:
        chunk = f"a prompt's chunk holds {CHUNK}, so most hosts cut it or fail"
        cautions["too long"] = f"It has {facts.length} vectors; {chunk}."
    if not facts.is_finite:
        helps = " convert can leave the bad vectors out." if "drop bad" in facts.repaired else ""
        cautions["not finite"] = f"It holds infinity or NaN: pictures come out black.{helps}"
    if facts.is_zero:
        cautions["zero"] = _ZERO
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

_PICKLES = (".pt", ".bin")
_PICTURES = (".png", ".webp", ".jxl", ".avif")
_FORM_OF = MappingProxyType(
    {
        ".safetensors": "safetensors",
        **dict.fromkeys((*_PICKLES, ".ckpt", ".pth"), "pickle"),
        **dict.fromkeys(_PICTURES, "picture"),
    }
)
"""What the programs take a file for by its ending."""

_PLAIN_GLOBALS = re.compile(
    r"collections\.(OrderedDict|Counter)|_codecs\.encode|(builtins|__builtin__)\.(bytearray|set|complex)"
    r"|torch\._utils\._rebuild_\w+|torch\._tensor\._rebuild_from_type_v2|torch\.serialization\._get_layout"
    r"|torch\.((nn\.parameter|storage)\.)?\w*(Storage|Size|Parameter|Tensor|device)"
    r"|torch\.(q?u?int\d+\w*|b?float\d\w*|complex\d+|bool|per_(tensor|channel)_\w+)"
)
"""What torch's own restricted reader takes, as of tensors, without more. Source: torch/_weights_only_unpickler.py."""


def _extension_in(*extensions: str) -> Rule:
    def rule(facts: FileFacts, _model: str) -> Problem | None:
        if facts.extension in extensions:
            return None
        shown = ", ".join(extension for extension in extensions if extension and extension not in _PICTURES)
        return Problem(f"It looks for {shown}, not {facts.extension or 'names without an ending'}.")

    return rule


def _ending_fits(facts: FileFacts, _model: str) -> Problem | None:
    """Refuse what is another kind of file than its ending says: each reads by the ending alone."""
    if not facts.form or _FORM_OF.get(facts.extension, facts.form) == facts.form:
        return None
    return Problem(f"It opens {facts.extension} as another kind of file than it is, a {facts.form}.")


def _runs(*models: str) -> Rule:
    def rule(_facts: FileFacts, model: str) -> Problem | None:
        if model in models:
            return None
        return Problem(f"It takes no embeddings for {MODELS[model].title}.", is_served=False)

    return rule


def _has_vectors(facts: FileFacts, _model: str) -> Problem | None:
    """Refuse what some loaders take and none can use: no vectors, or what is no tensor."""
    for key, tensor in _of_encoders(facts).items():
        if 0 in tensor.shape:
            return Problem(f"{key} holds no vectors.")
        if tensor.is_array:
            return Problem(f"{key} is an array of numpy, not a tensor.")
    return None


def _of_encoders(facts: FileFacts) -> dict[str, TensorFacts]:
    named = {key: tensor for key, tensor in facts.tensors.items() if key in ALL_WIDTHS} or facts.tensors
    return {key or "The tensor": tensor for key, tensor in named.items()}  # a pickle may hold one without a name


def _two_dimensions(facts: FileFacts, _model: str) -> Problem | None:
    """Refuse more dimensions than [vectors, width], which some loaders take and none can use."""
    for key, tensor in _of_encoders(facts).items():
        if len(tensor.shape) > 2:
            return Problem(f"{key} has the shape {list(tensor.shape)}; an embedding has [vectors, width].")
    return None


def _dimensions_of_one(facts: FileFacts, model: str) -> Problem | None:
    """Take further dimensions of 1 behind the first: each vector is assigned to a row, which drops them."""
    if all(set(tensor.shape[1:-1]) <= {1} for tensor in _of_encoders(facts).values()):
        return None
    return _two_dimensions(facts, model)


def _lies_deeper(_facts: FileFacts, _model: str) -> Problem:
    return Problem("Its tensors stand one level deeper than it looks.")


def _lines_up(facts: FileFacts, model: str) -> Problem | None:
    """Refuse unequal rows of the encoders in use: A1111 counts those of clip_g, and the rest of the prompt shifts."""
    rows = {key: facts.tensors[key].rows for key in MODELS[model].clip if key in facts.tensors}
    if len(set(rows.values())) < 2:
        return None
    shown = ", ".join(f"{key} {count}" for key, count in rows.items())
    return Problem(f"The encoders have unequal numbers of vectors ({shown}), so the prompt shifts.")


def _other_width(facts: FileFacts, model: str, widths: Sequence[int] | None = None) -> Problem:
    target = MODELS[model]
    wanted = " and ".join(str(ALL_WIDTHS[encoder]) for encoder in target.clip or target.encoders)
    has = " and ".join(str(width) for width in (facts.widths if widths is None else widths)[:4])
    said = f"{target.title} takes vectors of {wanted} numbers; the file's have {has}."
    return Problem(said)


def _plain_only(facts: FileFacts, _model: str) -> Problem | None:
    """Refuse pickles that ask for more than tensors: torch.load takes no others since 2.6, unless it is told to."""
    others = sorted(name for name in facts.globals if not _PLAIN_GLOBALS.fullmatch(name))
    if facts.form != "pickle":
        return None
    if (problem := _one_folder(facts, _model)) is not None:
        return problem
    if facts.protocol >= NEWER_PROTOCOL:
        return Problem(f"Its pickle is of version {facts.protocol}, which today's torch refuses.")
    return Problem(f"Its pickle asks for {others[0]}, which today's torch refuses.") if others else None


def _one_folder(facts: FileFacts, _model: str) -> Problem | None:
    """Refuse archives that somebody has packed anew. Source: caffe2/serialize/inline_container.cc."""
    if any(name.startswith(OUTSIDE) for name in facts.entries):
        return Problem("Its archive holds more than one folder, which torch refuses.")
    return None


def _is_no_preview(facts: FileFacts, _model: str) -> Problem | None:
    if facts.extension in _PICTURES and facts.name.lower().endswith(".preview"):
        return Problem("It takes .preview before the ending for the picture of another file, and skips it.")
    return None


def _small_letters(facts: FileFacts, _model: str) -> Problem | None:
    if facts.ending == facts.ending.lower():
        return None
    return Problem(f"It looks for {facts.extension}; {facts.ending} it finds on Windows only.")


# --- A1111 and Forge -----------------------------------------------------------------------------------------------

_A1111_ENTRIES = re.compile(r"data/\d+|version|byteorder|\.data/serialization_id|data\.pkl")
_A1111_GLOBALS = re.compile(
    r"collections\.OrderedDict"
    r"|torch\._utils\.(_rebuild_tensor_v2|_rebuild_parameter|_rebuild_device_tensor_from_numpy)"
    r"|torch\.((Float|Half|Int|Long|Double|Byte|BFloat16)Storage|float32)"
    r"|torch\.nn\.modules\.container\.ParameterDict"
    r"|numpy\.core\.multiarray\.(scalar|_reconstruct)|numpy\.(dtype|ndarray)|_codecs\.encode|__builtin__\.set"
)
"""What its check of a pickle lets through. Source: modules/safe.py:30-70."""


def _a1111_check(facts: FileFacts, _model: str) -> Problem | None:
    if facts.form != "pickle":
        return None
    odd = [entry for entry in facts.entries if not _A1111_ENTRIES.fullmatch(entry)]
    if odd:
        return Problem(f"Its check refuses archives with {odd[0]} in them, as a new torch writes.")
    if not facts.entries and any("ParameterDict" in name for name in facts.globals):
        return Problem("Its check refuses a ParameterDict in a pickle of before torch 1.6.")
    names = sorted(name for name in facts.globals if not _A1111_GLOBALS.fullmatch(name))
    return Problem(f"Its check refuses pickles that ask for {names[0]}.") if names else None


def _one_or_pair(facts: FileFacts, _model: str) -> Problem | None:
    """Take one tensor of any name, or a plain dict with both clip_l and clip_g, in which more tensors do no harm."""
    if facts.is_trained:
        if len(facts.tensors) == 1:
            return None
        return Problem("string_to_param must hold exactly one tensor.")
    if facts.container != "dict":
        kinds = {"Tensor": "a bare tensor", "list": "a list", "tuple": "a tuple", "OrderedDict": "an OrderedDict"}
        return Problem(f"It takes a plain dict; the file holds {kinds[facts.container]}.")
    if facts.is_pair:
        pair = {key: facts.tensors[key] for key in ("clip_l", "clip_g")}
        for key, tensor in pair.items():
            if tensor.width != ALL_WIDTHS[key]:
                return Problem(f"It fails at {key} of {tensor.width} numbers.")
            if len(tensor.shape) == 1:
                return Problem(f"{key} has one dimension, which it reads as so many vectors.")
        return None
    if facts.single is not None:
        if facts.single.is_parameter:
            return Problem("It takes a plain tensor; the file holds an nn.Parameter.")
        return None
    shown = ", ".join(list(facts.tensors)[:3]) + (", …" if len(facts.tensors) > 3 else "")
    return Problem(f"A second tensor is an error to it; the file has {shown}.")


def _trained_is_matrix(facts: FileFacts, _model: str) -> Problem | None:
    if facts.is_trained and facts.single is not None and len(facts.single.shape) == 1:
        return Problem("string_to_param holds one dimension, which it reads as so many vectors.")
    return None


def _joint_width(facts: FileFacts) -> int:
    if facts.is_pair:
        return facts.tensors["clip_l"].width + facts.tensors["clip_g"].width
    return facts.widths[0]


def _joint_width_fits(facts: FileFacts, model: str) -> Problem | None:
    if _joint_width(facts) != _TOTAL_WIDTH.get(model):
        return _other_width(facts, model, [768, 1280] if facts.is_pair else [_joint_width(facts)])
    if len(MODELS[model].clip) > 1 and not facts.is_pair:
        return Problem("It takes one tensor of that width, and fails when the word is used.")
    return None


def _forge_engines(facts: FileFacts, model: str) -> Problem | None:
    """Forge keeps one list per text engine; those of SD 3.5 want 768 and 1280 separately."""
    if model != "sd3":
        return _joint_width_fits(facts, model)
    if facts.is_pair:
        said = "Its two engines for SD 3.5 want 768 and 1280 numbers each, so both put a file of the pair aside."
        return Problem(said, splits=True)
    if facts.widths[0] in (768, 1280):
        return Problem("Only one of its two engines would take it; the other reads the name as text.")
    return _other_width(facts, model)


def _a1111_old_torch(facts: FileFacts, _model: str) -> str | None:
    if facts.extension in _PICKLES:
        return "Builds before 1.10.1 refuse pickles written by a new torch."
    return None


def _t5_reads_text(_facts: FileFacts, model: str) -> str | None:
    return "T5 reads the name as text." if "t5xxl" in MODELS[model].encoders else None


def takes_bundles(facts: FileFacts) -> bool:
    """Return whether A1111 reads the embeddings that a LoRA carries: it fails at the LoRA where it cannot.

    Source: extensions-builtin/Lora/networks.py:181-199; a name ends at its first dot there.
    """
    parts: dict[str, set[str]] = {}
    for key in facts.tensors:
        if key.startswith(BUNDLE):
            name, _, part = key.removeprefix(BUNDLE).partition(".")
            parts.setdefault(name, set()).add(part)
    return all(
        name in facts.words
        and (len(own) == 1 or {"clip_l", "clip_g"} <= own or any(part.startswith("string_to_param.") for part in own))
        for name, own in parts.items()
    )


# --- SD.Next -------------------------------------------------------------------------------------------------------


def _sdnext_pickle(facts: FileFacts, model: str) -> Problem | None:
    if facts.extension != ".pt":
        return None
    if not facts.is_trained or "*" not in facts.tensors:
        return Problem("Of a .pt it reads string_to_param['*'] only.")
    if model == "sdxl":
        return Problem("A .pt never loads for SDXL.")
    return None


def _sdnext_matrix(facts: FileFacts, _model: str) -> Problem | None:
    flat = [key for key, tensor in facts.tensors.items() if len(tensor.shape) < 2]
    if not flat:
        return None
    return Problem(f"{flat[0]} has one dimension, which it reads as rows of one number.")


def _sdnext_widths(facts: FileFacts, model: str) -> Problem | None:
    """Every tensor counts, its name does not: the widths must be the encoders', one each."""
    wanted = MODELS[model].widths
    widths = facts.widths[:1] if facts.is_trained else facts.widths
    if sorted(widths) == wanted:
        return None
    if facts.convertible_widths == wanted:
        said = "Every further tensor counts, so it skips a file with more than one per encoder."
        return Problem(said)
    return _other_width(facts, model)


def _sdnext_numbered(facts: FileFacts, _model: str) -> str | None:
    if facts.length > 1:
        return f"It calls the further vectors {facts.name}_1, …: no other embedding may have such a name."
    return None


# --- ComfyUI and SwarmUI -------------------------------------------------------------------------------------------

_COMFY_ENDS = re.compile(r"[\s,:()\[<]")
_COMFY_WITHOUT_FOLDER = frozenset(["lumina2", "qwen-image"])
"""Families whose tokenizer is handed no folder. Source: comfy/text_encoders/lumina2.py:9, qwen_image.py:11."""


def _comfy_name(facts: FileFacts, _model: str) -> Problem | None:
    """`embedding:name` ends at a blank; `( ) :` are weights, `<` and `[` end it in new versions."""
    match = _COMFY_ENDS.search(facts.name)
    if match is None:
        return None
    character = "a blank" if match[0].isspace() else match[0]
    return Problem(f"embedding:{facts.name} cannot be written: the name ends at {character}.")


_COMFY_ADDS = (".safetensors", ".pt", ".bin")
"""Endings that a name may stand without."""


def _comfy_form(facts: FileFacts, _model: str) -> Problem | None:
    """Take for safetensors what is called so in any letters, everything else for a pickle."""
    wanted = "safetensors" if facts.extension == ".safetensors" else "pickle"
    if not facts.form or facts.form == wanted:
        return None
    called = f"called {facts.extension}" if facts.extension else "without an ending"
    return Problem(f"It opens a file {called} as a {wanted}; this is a {facts.form}.")


def _comfy_ending(facts: FileFacts, _model: str) -> str | None:
    if not facts.ending or facts.ending in _COMFY_ADDS:
        return None
    return f"Write embedding:{facts.name}{facts.ending}; without an ending only {', '.join(_COMFY_ADDS)} are found."


def _comfy_container(facts: FileFacts, _model: str) -> Problem | None:
    if facts.container == "Tensor":
        return Problem("It fails at a bare tensor; it wants one with a name.")
    if facts.container == "tuple":
        return Problem("It fails at a tuple.")
    if facts.container == "list" and not facts.is_plain:
        return Problem("It fails at a list that holds anything but dicts of tensors.")
    if not facts.is_trained and not facts.is_plain:
        return Problem("It fails at a key that is no text.")
    return None


def _comfy_raw(facts: FileFacts, model: str) -> Problem | None:
    """Of an archive that torch refuses it takes the last storage. Source: comfy/sd1_clip.py safe_load_embed_zip."""
    problem = _plain_only(facts, model)
    if problem is None:
        return None
    if not facts.entries:
        return problem
    stored = [size for name, size in facts.entries.items() if "data/" in name and size >= 4 * 768]
    if not stored:
        return Problem(f"{problem.reason} It then looks for the bytes themselves, and finds none.")
    last = list(facts.tensors.values())[-1]
    width = 768 if stored[-1] // 4 % 768 == 0 else 1024
    is_whole = stored[-1] == 4 * last.rows * last.width
    if is_whole and last.dtype == "float32" and last.width == width and not facts.is_pair:
        return None
    return Problem(f"{problem.reason} It then takes the bytes for float32 vectors of {width} numbers.")


def _comfy_tensor(facts: FileFacts, encoder: str) -> TensorFacts | None:
    """Return the tensor that an encoder takes: by name, of a LoRA's bundle, by width of a list, else the first."""
    if facts.is_trained:
        return next(iter(facts.tensors.values()))
    if facts.container == "list":
        return next((tensor for tensor in facts.tensors.values() if tensor.width == ALL_WIDTHS[encoder]), None)
    if encoder in facts.tensors:
        return facts.tensors[encoder]
    if facts.is_lora:
        for ending in (".string_to_param.*", f".{encoder}"):
            bundled = [tensor for key, tensor in facts.tensors.items() if key.endswith(ending)]
            if bundled:
                return bundled[0]
    return next(iter(facts.tensors.values()))


def _comfy_takes(facts: FileFacts, encoder: str) -> bool:
    tensor = _comfy_tensor(facts, encoder)
    return tensor is not None and tensor.width == ALL_WIDTHS[encoder] and len(tensor.shape) < 3


def _comfy_widths(facts: FileFacts, model: str) -> Problem | None:
    target = MODELS[model]
    if model in _COMFY_WITHOUT_FOLDER:
        return Problem(f"It knows {target.encoders[0]}, but hands that encoder no folder of embeddings.")
    taken = [encoder for encoder in target.encoders if _comfy_takes(facts, encoder)]
    if set(target.clip or target.encoders) <= set(taken) or "t5xxl" in taken:
        return None
    if taken:
        return Problem(f"Only {taken[0]} takes it; for the other it drops the vectors.")
    return _other_width(facts, model)


def _comfy_t5(facts: FileFacts, model: str) -> str | None:
    if "t5xxl" not in MODELS[model].encoders:
        return None
    if not _comfy_takes(facts, "t5xxl"):
        return "T5 gets no vectors; ComfyUI prints that it ignored them."
    if any(not _comfy_takes(facts, encoder) for encoder in MODELS[model].clip):
        return "Only T5 gets vectors; ComfyUI prints that the others ignored them."
    return None


def _comfy_new(_facts: FileFacts, model: str) -> str | None:
    if model in ("z-image", "flux2"):
        return "ComfyUI hands this encoder its folder of embeddings since about February 2026."
    return None


def _comfy_twins(facts: FileFacts, _model: str) -> str | None:
    if facts.name in facts.neighbours and not facts.twins:  # those are its caution already
        return "Another subfolder has a file of that name; which of them is used changes from start to start."
    return None


def _comfy_unequal(facts: FileFacts, model: str) -> str | None:
    problem = _lines_up(facts, model)
    return None if problem is None else problem.reason.replace("so the prompt shifts", "which each reads for itself")


def _comfy_bundles(facts: FileFacts, _model: str) -> str | None:
    if len(facts.words) > 1 and facts.is_lora:
        return f"It puts the LoRA's {len(facts.words)} embeddings one behind the other; convert makes a file of each."
    return None


def _first_word(facts: FileFacts, _model: str) -> str | None:
    if len(facts.words) > 1 and not facts.is_lora:
        return f"Of its {len(facts.words)} embeddings only {facts.words[0]} is read; convert makes a file of each."
    return None


_SWARM_LISTS = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin")


def _swarm_listed(facts: FileFacts, _model: str) -> Problem | None:
    """It lists names of these endings in small letters, and hands ComfyUI the name with its ending.

    Source: src/Text2Image/T2IModel.cs:55-58, T2IModelHandler.cs:810-841, T2IPromptHandling.cs:474-505.
    """
    ending = facts.ending or facts.extension
    return None if ending in _SWARM_LISTS else Problem(f"It lists {', '.join(_SWARM_LISTS)}, not {ending or 'others'}.")


def _swarm_name(facts: FileFacts, _model: str) -> Problem | None:
    if " " in facts.name:
        return Problem(f"<embed:{facts.name}> fails: a name with a blank is cut off there.")
    return None


# --- diffusers -----------------------------------------------------------------------------------------------------


def _diffusers_form(facts: FileFacts, _model: str) -> Problem | None:
    """It tries safetensors first, whatever the ending, then a pickle, but not one that is called safetensors."""
    if facts.form == "picture" or (facts.form == "pickle" and facts.extension == ".safetensors"):
        return Problem(f"It cannot read a {facts.form} called {facts.extension}.")
    return None


def _diffusers_dict(facts: FileFacts, model: str) -> Problem | None:
    if facts.is_trained:
        if not facts.inner_name:
            return Problem("The trained file holds no name to be its token.")
        return None if "*" in facts.tensors else Problem("string_to_param must have the key *.")
    if facts.container == "Tensor":
        return Problem("It wants token= for a bare tensor.")
    if not facts.is_plain:
        return Problem("It fails at a key that is no text.")
    if facts.container == "dict" and len(facts.tensors) == 1:
        return None
    if facts.container == "OrderedDict" and len(facts.tensors) == 1:
        return None
    if facts.container != "list" and facts.convertible_widths != MODELS[model].widths:
        return _other_width(facts, model)
    if len(MODELS[model].clip) > 1:
        return Problem(
            "It has no joint loader: call load_textual_inversion once per encoder, with the tensor, tokenizer and"
            " text_encoder.",
            splits=True,
        )
    return Problem("It takes a file of one tensor only.")


def _diffusers_width(facts: FileFacts, model: str) -> Problem | None:
    encoders = MODELS[model].clip
    if facts.widths[0] not in [ALL_WIDTHS[encoder] for encoder in encoders]:
        return _other_width(facts, model)
    if len(encoders) > 1:
        return Problem("It serves one encoder; the other needs a file and a call of its own.")
    return None


def _diffusers_token(facts: FileFacts, _model: str) -> str | None:
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
    return Problem("Its prompts find names of A-Z a-z 0-9 . , _ - and blank only.")


def _invoke_container(facts: FileFacts, _model: str) -> Problem | None:
    if facts.container in ("dict", "OrderedDict"):
        return None
    return Problem("It takes a dict of tensors for an embedding, nothing else.")


def _invoke_count(facts: FileFacts, _model: str) -> Problem | None:
    if len(facts.tensors) < 10:
        return None
    return Problem("It takes files of fewer than ten tensors for embeddings.")


def _invoke_tensor(facts: FileFacts) -> TensorFacts:
    """Return the tensor that it reads."""
    named = [facts.tensors[key] for key in ("emb_params", "clip_g") if key in facts.tensors and not facts.is_trained]
    return named[0] if named else next(iter(facts.tensors.values()))


def _invoke_width(facts: FileFacts) -> int | None:
    """Return the width that it takes a file for; None where it refuses the layout."""
    if facts.is_trained and not facts.has_string_to_token:
        return None
    tensor = _invoke_tensor(facts)
    if facts.is_trained or {"emb_params", "clip_g"} & set(facts.tensors):
        return tensor.width
    return tensor.shape[0] if tensor.shape else None


def _invoke_layout(facts: FileFacts, model: str) -> Problem | None:
    width = _invoke_width(facts)
    if width is None:
        return Problem("string_to_param without string_to_token is unknown to it.")
    if width not in (768, 1024, 1280):
        key = next(iter(facts.tensors))
        if facts.convertible_widths != MODELS[model].widths:
            return _other_width(facts, model)
        said = f"A matrix named {key} is unknown to it; it takes emb_params, or clip_g with clip_l."
        return Problem(said)
    if width != {"sd1": 768, "sd2": 1024, "sdxl": 1280}.get(model):
        return _other_width(facts, model)
    is_matrix = facts.is_trained or bool({"emb_params", "clip_g"} & set(facts.tensors))
    if is_matrix and len(_invoke_tensor(facts).shape) == 1:
        return Problem("It takes the tensor for a matrix, and it has one dimension.")
    if not is_matrix and len(_invoke_tensor(facts).shape) > 1:
        return Problem("It takes the tensor's rows for the width, and fails when the word is used.")
    return None


def _invoke_pair(facts: FileFacts, model: str) -> Problem | None:
    if model != "sdxl":
        return None
    if facts.is_trained or not {"clip_l", "clip_g"} <= set(facts.tensors):
        return Problem("SDXL needs both clip_l and clip_g.")
    flat = [key for key in ("clip_l", "clip_g") if len(facts.tensors[key].shape) == 1]
    return Problem(f"It takes {flat[0]} for a matrix, and it has one dimension.") if flat else None


# --- Civitai -------------------------------------------------------------------------------------------------------


def _civitai_base(facts: FileFacts, model: str) -> Problem | None:
    """Sites check no shapes, but one version has one base model."""
    return None if model in facts.families else _other_width(facts, model)


def _civitai_twins(_facts: FileFacts, _model: str) -> str | None:
    return "A version there is for one base model: upload the file for another family as a version of its own."


# --- The hosts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Host:
    """A host: the rules that a file must pass, in order, and the cautions for one that does.

    `shapes` is the rule for its tensors' dimensions. `is_site` is one that people load files up to, which does not look
    into them.
    """

    name: str
    rules: tuple[Rule, ...]
    cautions: tuple[Caution, ...] = ()
    shapes: Rule = _two_dimensions
    is_site: bool = False


_OF_A1111 = (".safetensors", *_PICKLES, *_PICTURES)
_COMFY = (_comfy_form, _comfy_container, _comfy_raw)

_ENTRIES = (
    Host(
        "A1111",
        (
            _runs("sd1", "sd2", "sdxl", "sd3"),
            _extension_in(*_OF_A1111),
            _is_no_preview,
            _ending_fits,
            _a1111_check,
            _one_or_pair,
            _trained_is_matrix,
            _joint_width_fits,
            _lines_up,
        ),
        (_a1111_old_torch, _t5_reads_text),
    ),
    Host(
        "Forge",
        (
            _runs("sd1", "sd2", "sdxl", "sd3", "flux"),
            _extension_in(*_OF_A1111),
            _is_no_preview,
            _ending_fits,
            _one_folder,
            _one_or_pair,
            _trained_is_matrix,
            _forge_engines,
            _lines_up,
        ),
        (_t5_reads_text,),
    ),
    Host(
        "SD.Next",
        (
            _runs("sd1", "sd2", "sdxl"),
            _extension_in(".safetensors", ".pt"),
            _ending_fits,
            _plain_only,
            _sdnext_pickle,
            _sdnext_matrix,
            _sdnext_widths,
            _lines_up,
        ),
        (_sdnext_numbered,),
    ),
    Host(
        "ComfyUI",
        (_runs(*MODELS), *_COMFY, _comfy_name, _comfy_widths),
        (_comfy_ending, _comfy_t5, _comfy_new, _comfy_twins, _comfy_unequal, _comfy_bundles, _first_word),
    ),
    Host(
        "SwarmUI",
        (_runs(*MODELS), _swarm_listed, *_COMFY, _swarm_name, _comfy_name, _comfy_widths),
        (_comfy_t5, _comfy_new, _comfy_twins, _comfy_unequal, _comfy_bundles, _first_word),
    ),
    Host(
        "diffusers",
        (
            _runs("sd1", "sd2", "sdxl", "sd3", "flux"),
            _diffusers_form,
            _plain_only,
            _diffusers_dict,
            _diffusers_width,
            _lines_up,
        ),
        (_diffusers_token, _diffusers_flux),
        _dimensions_of_one,
    ),
    Host(
        "InvokeAI",
        (
            _runs("sd1", "sd2", "sdxl"),
            _extension_in(".safetensors", ".bin", ".pt", ".ckpt", ".pth"),
            _small_letters,
            _ending_fits,
            _plain_only,
            _invoke_name,
            _invoke_container,
            _invoke_count,
            _invoke_layout,
            _invoke_pair,
            _lines_up,
        ),
        (_first_word,),
    ),
    Host(
        "Civitai",
        (_extension_in(".ckpt", ".pt", ".safetensors", ".sft", ".bin", ".zip"), _civitai_base, _lines_up),
        (_civitai_twins,),
        is_site=True,
    ),
)

HOSTS: Mapping[str, Host] = MappingProxyType({host.name: host for host in _ENTRIES})
"""The hosts by name, in the order in which verdicts are given."""
