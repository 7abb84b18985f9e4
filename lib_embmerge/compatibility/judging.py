"""Whether a file loads in each program, for each model family, and what helps where it does not.

A program is a list of small functions over the facts of a file; the first that finds a problem gives the reason.
Remarks are on what loads all the same. What the programs' own loading functions did with files of every kind stands in
tests/compatibility/loaders.json, and a test holds the rules to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from ..families import ENCODER_WIDTHS
from ..files.layouts import ALL_WIDTHS
from ..files.names import remark_on_name
from ..limits import CHUNK
from ..remarks import ALL_ZERO, NOT_FINITE, WHOLE_NUMBERS, Remark, RemarkKind
from .facts import MODELS, FileFacts, Repair, describe_file
from .programs.a1111 import A1111, FORGE
from .programs.civitai import CIVITAI
from .programs.comfyui import COMFYUI, SWARMUI
from .programs.diffusers import DIFFUSERS
from .programs.invokeai import INVOKEAI
from .programs.sdnext import SDNEXT
from .programs.shared import Program
from .verdicts import Problem, Verdict

__all__ = ["PROGRAMS", "check_file", "judge"]

PROGRAMS: Mapping[str, Program] = MappingProxyType(
    {program.name: program for program in (A1111, FORGE, SDNEXT, COMFYUI, SWARMUI, DIFFUSERS, INVOKEAI, CIVITAI)}
)
"""The programs by name, in the order in which verdicts are given."""


def check_file(
    path: Path, *, neighbours: Iterable[str] = (), is_vocabulary_word: Callable[[str], bool] | None = None
) -> list[Verdict]:
    """Judge a file for every program and model family.

    Raises: FileError where it cannot be read.
    """
    return judge(describe_file(path, neighbours=neighbours), is_vocabulary_word=is_vocabulary_word)


def judge(facts: FileFacts, *, is_vocabulary_word: Callable[[str], bool] | None = None) -> list[Verdict]:
    """Return every program's verdict for every model family, in the order of `PROGRAMS` and `MODELS`."""
    remarks = remark_on_name(facts.name, others=facts.neighbours, is_vocabulary_word=is_vocabulary_word)
    common = (*_common_remarks(facts), *remarks)
    return [_verdict(program, facts, model, common) for program in PROGRAMS.values() for model in MODELS]


def _verdict(program: Program, facts: FileFacts, model: str, common: tuple[Remark, ...]) -> Verdict:
    if model not in program.models:
        reason = f"It takes no embeddings for {MODELS[model].title}."
        return Verdict(program.name, model, False, reason, is_served=False)
    problem = next(_find_problems(program, facts, model), None)
    if problem is not None:
        return Verdict(program.name, model, False, problem.reason, _find_repair(program, facts, model))
    said = (remark(facts, model) for remark in program.remarks)
    own = tuple(Remark("program", text) for text in (*said, _for_others(facts, model)) if text is not None)
    said_of_all = tuple(one for one in common if program.concerns(one))
    reason = f"{program.name} loads it for {MODELS[model].title}."
    return Verdict(program.name, model, True, reason, None, own + said_of_all)


def _find_problems(program: Program, facts: FileFacts, model: str) -> Iterator[Problem]:
    is_deep = not facts.tensors and not program.is_site
    rules = (program.deeper,) if is_deep else (program.shapes, *program.rules)
    for rule in rules:
        problem = rule(facts, model)
        if problem is not None:
            yield problem


def _takes(program: Program, facts: FileFacts, model: str) -> bool:
    return next(_find_problems(program, facts, model), None) is None


def _find_repair(program: Program, facts: FileFacts, model: str) -> Repair | None:
    """Return what helps: what makes files that the program loads; None where nothing does."""
    if facts.reachable_widths.isdisjoint(ALL_WIDTHS[encoder] for encoder in MODELS[model].encoders):
        return _make_anew(facts, model)

    def loads(files: Sequence[FileFacts]) -> bool:
        return bool(files) and all(_takes(program, one, model) for one in files)

    for repair, files in facts.repaired.items():
        if loads(files):
            return repair
    if loads([facts.plainly_named]):
        return "rename"
    clean = facts.repaired.get("convert", ())
    if loads([one.plainly_named for one in clean]):
        return "convert, rename"
    to_split = clean if facts.repaired else (facts,)
    if len(to_split) == 1 and _split_helps(program, to_split[0], model):
        return "split"
    return _make_anew(facts, model)


def _make_anew(facts: FileFacts, model: str) -> Repair | None:
    return "remake" if model not in facts.families and facts.length else None


def _for_others(facts: FileFacts, model: str) -> str | None:
    """Say that the vectors are for other encoders: of a tensor of the right width a program asks no more."""
    if not facts.made_for or facts.made_for & set(MODELS[model].encoders):
        return None
    return f"Its vectors are for {' and '.join(sorted(facts.made_for))}; in another encoder they mean nothing."


def _split_helps(program: Program, facts: FileFacts, model: str) -> bool:
    """Return whether the program takes files of one encoder each that `convert --split` makes of a clean file."""
    clip = MODELS[model].clip
    if len(facts.tensors) < 2 or {key for key in facts.tensors if key in ENCODER_WIDTHS} != set(clip):
        return False
    if any(problem.splits for problem in _find_problems(program, facts, model)):
        return True
    parts = ({"emb_params" if key in ("clip_l", "clip_h") else key: facts.tensors[key]} for key in clip)
    return any(_takes(program, replace(facts, tensors=part, lengths=(), order=(), keys=()), model) for part in parts)


def _common_remarks(facts: FileFacts) -> list[Remark]:
    remarks: dict[RemarkKind, str] = {}
    if facts.length > CHUNK:
        chunk = f"a prompt's chunk holds {CHUNK}, so most hosts cut it or fail"
        remarks["too long"] = f"It has {facts.length} vectors; {chunk}."
    if not facts.is_finite:
        helps = " convert can leave the bad vectors out." if "drop bad" in facts.repaired else ""
        remarks["not finite"] = NOT_FINITE + helps
    if facts.is_zero:
        remarks["zero"] = ALL_ZERO
    if facts.twins:
        twins = ", ".join(facts.twins)
        remarks["name: twins"] = f"Another file here has this name: {twins}. Only one of them is found by it."
    if any(tensor.dtype == "float64" for tensor in facts.tensors.values()):
        said = "It is kept in float64, which is twice the size and rejected by some sites; convert it."
        remarks["number format"] = said
    whole = [tensor.dtype for tensor in facts.by_encoder.values() if tensor.is_whole]
    if whole:
        remarks["number format"] = f"Its {WHOLE_NUMBERS.format(whole[0])}"
    if facts.form == "pickle" or (not facts.form and facts.extension != ".safetensors"):
        remarks["pickle"] = "It is a pickle: sites scan those, and some users refuse them; convert it."
    return [Remark(kind, text) for kind, text in remarks.items()]
