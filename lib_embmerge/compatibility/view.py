"""Verdicts as people read them: a line for each family, reasons and remarks once with their places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from ..errors import shorten
from ..families import FAMILIES, OTHER_ENCODER_WIDTHS
from ..remarks import ALL_ZERO, NOT_FINITE, Remark
from .facts import BUNDLE, MODELS, FileFacts, Repair
from .judging import PROGRAMS
from .programs.a1111 import takes_bundles
from .verdicts import Verdict

__all__ = [
    "LEGEND",
    "MARKS",
    "REPAIRS",
    "SAID",
    "group_reasons",
    "headline",
    "headlines",
    "mark_of",
    "name_places",
    "shown_families",
]

MARKS: Mapping[str, str] = MappingProxyType({"yes": "yes", "care": "yes*", "no": "–"})
"""What stands in a cell of a table of text."""

SAID: Mapping[str, str] = MappingProxyType(
    {"yes": "loads", "care": "loads, with a remark below", "no": "does not load"}
)
"""What the marks mean."""

LEGEND = " · ".join(f"{MARKS[kind]}: {said}" for kind, said in SAID.items())

REPAIRS: Mapping[Repair, str] = MappingProxyType(
    {
        "convert": "embmerge convert repairs it.",
        "drop bad": "embmerge convert --drop-bad repairs it.",
        "equal lengths": "embmerge convert --unequal pad, or cut, repairs it.",
        "convert, rename": "embmerge convert --name repairs it, under another name.",
        "rename": "Give the file another name.",
        "split": "embmerge convert --split makes a file for each encoder.",
        "remake": "It takes a file made for that family.",
    }
)
"""What helps, on the command line."""


def headlines(facts: FileFacts, verdicts: Sequence[Verdict], families: Sequence[str] | None = None) -> list[str]:
    """Return a line for each family: in how many programs a file loads, and in which not.

    The families are those that it was made for unless others are given. Before them stands what the file is, where that
    is no plain embedding; behind them, that it does nothing.
    """
    lines = [headline(verdicts, family) for family in (facts.families if families is None else families)]
    if facts.is_lora:
        lines.insert(0, _say_bundles(facts))
    elif facts.words:
        lines.insert(0, f"It holds {len(facts.words)} embeddings; convert makes a file of each.")
    if not facts.families:
        lines.append(f"It fits no family of models{' as it is' if facts.refusal else ''}.")
    lines += [facts.refusal] if facts.refusal else []
    if facts.made_for == {"clip_g"}:
        lines.append("It serves clip_g alone; joined with a file for clip_l it serves SDXL.")
    lines += [] if facts.is_finite else [NOT_FINITE]
    if facts.families and any(OTHER_ENCODER_WIDTHS.get(key) == one.width for key, one in facts.tensors.items()):
        where = "ComfyUI" if "pile_t5xl" in facts.tensors else "Forge, Forge Neo and SD.Next, too"
        lines.append(f"Expressions read it in {where}: <emb('{facts.name}')>.")
    return [*lines, ALL_ZERO] if facts.is_zero else lines


def _say_bundles(facts: FileFacts) -> str:
    """Return what a LoRA carries, and which programs read that from it."""
    is_lora = not all(key.startswith(BUNDLE) for key in facts.tensors)
    words = ", ".join(shorten(word, 30) for word in facts.words[:4])
    said = f"It {'is a LoRA that carries' if is_lora else 'holds, as LoRAs do,'} {words}"
    said += ", …" if len(facts.words) > 4 else ""
    if takes_bundles(facts):
        return f"{said}; A1111 reads that with the LoRA, ComfyUI from its embeddings folder."
    return f"{said}; ComfyUI reads that from its embeddings folder, A1111 fails at such a LoRA."


def shown_families(facts: FileFacts, verdicts: Iterable[Verdict]) -> list[str]:
    """Return the families that a table shows: those with CLIP up to Flux, and others that a file is for.

    Where it is for none, those that it loads in all the same.
    """
    loading = {verdict.model for verdict in verdicts if verdict.loads and not PROGRAMS[verdict.program].is_site}
    return [key for key in MODELS if key in FAMILIES or key in (facts.families or loading)]


def headline(verdicts: Sequence[Verdict], family: str) -> str:
    """Return the line for one family, of the programs that take embeddings for it."""
    own = [verdict for verdict in verdicts if verdict.model == family and verdict.is_served]
    loading = [verdict.program for verdict in own if verdict.loads]
    missing = [verdict.program for verdict in own if not verdict.loads]
    title = MODELS[family].title
    if all(PROGRAMS[program].is_site for program in loading):
        site = f"; only the upload is taken, by {', '.join(loading)}" if loading else ""
        return f"{title}: no program loads it{site}"
    said = f"{title}: loads in {len(loading)} of {len(own)} programs"
    return f"{said}; not in {', '.join(missing)}" if missing else said


def mark_of(verdict: Verdict) -> str:
    """Return what a cell shows: a key of `MARKS`."""
    return "no" if not verdict.loads else "care" if verdict.remarks else "yes"


def group_reasons(verdicts: Iterable[Verdict]) -> list[tuple[Verdict | None, Remark, list[Verdict]]]:
    """Return each reason and remark once with the verdicts that give it, reasons first.

    With a reason comes a verdict that has its repair, with a remark None.
    """
    found: dict[tuple[bool, Remark, Repair | None], list[Verdict]] = {}
    every = list(verdicts)
    for verdict in (verdict for verdict in every if not verdict.loads):
        found.setdefault((True, Remark("refused", verdict.reason), verdict.repair), []).append(verdict)
    for verdict in (verdict for verdict in every if verdict.loads):
        for remark in verdict.remarks:
            found.setdefault((False, remark, None), []).append(verdict)
    return [(places[0] if refused else None, remark, places) for (refused, remark, _), places in found.items()]


def name_places(found: Iterable[Verdict]) -> list[str]:
    """Return `A1111 (SD 1, SD 2)` for each program."""
    programs: dict[str, list[str]] = {}
    for verdict in found:
        programs.setdefault(verdict.program, []).append(MODELS[verdict.model].title)
    return [f"{program} ({', '.join(titles)})" for program, titles in programs.items()]
