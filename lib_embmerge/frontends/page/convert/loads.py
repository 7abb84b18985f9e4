"""Where will it load? A grid of programs and model families, with each reason as text, and the buttons that repair.

`draw_loads` draws the verdicts on anything: what is about to be saved (`loads`), or a file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from types import MappingProxyType

from ....compatibility.facts import MODELS, FileFacts, describe_vectors
from ....compatibility.judging import judge
from ....compatibility.verdicts import Verdict
from ....compatibility.view import SAID, group_reasons, headlines, mark_of, name_places, shown_families
from ....errors import NameProblem
from ....families import CLIP
from ....files.installed_embeddings import EmbeddingFolder
from ....files.names import check_name, check_new_name, remark_on_name
from ....host_protocol import PageHost, TextModel
from ....inspection import word_test
from ....limits import CHUNK
from ....remarks import Action, Remark
from ....saving import DTYPES
from ....vectors.embedding import Embedding
from ...source import Computed
from ..build.saving import LONG, LONG_CHOICES, read_folder
from ..html import draw
from ..question import Answer, Question
from ..source import read_box

__all__ = ["Ground", "answer_loads", "draw_loads", "propose_name"]

UNNAMED = "embedding"
"""What is judged while the name's box is empty."""

MOST_KEPT = 80
"""Characters of a name that a proposed one keeps."""

MARKS = MappingProxyType({"yes": "✓", "care": "!", "no": "✗"})
"""What stands in a cell; the colour only repeats it."""


@dataclass(frozen=True)
class Ground:
    """One reason or remark, how its cells are marked, the places that it holds for, and its buttons."""

    mark: str
    remark: Remark
    places: tuple[str, ...]
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True)
class _Cell:
    """A program's verdict for a family: `yes`, `care` or `no`, and the sentences for whoever points at it."""

    kind: str
    sentences: tuple[str, ...]

    @property
    def mark(self) -> str:
        return MARKS[self.kind]

    @property
    def said(self) -> str:
        return SAID[self.kind]


def draw_loads(
    facts: FileFacts,
    verdicts: Sequence[Verdict],
    *,
    families: Sequence[str] | None = None,
    repairs: Mapping[str, Sequence[Action]] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """Draw what a file is, the grid of verdicts on it, and below that every reason and remark once.

    `families` are the keys of the model families to speak of, those that the vectors are made for unless they are
    given: their columns stand out, and what holds only for the others is folded. `repairs` gives the buttons by what
    they repair: a `Repair` of the verdicts, or the kind of a remark. `notes` are sentences above the grid.
    """
    families = facts.families if families is None else families
    shown = {*shown_families(facts, verdicts), *families}
    verdicts = [verdict for verdict in verdicts if verdict.model in shown]
    grid: dict[str, dict[str, _Cell]] = {}
    for verdict in verdicts:
        grid.setdefault(verdict.program, {})[verdict.model] = _cell(verdict)
    known = _grounds([verdict for verdict in verdicts if verdict.model in families], repairs or {})
    told = {ground.remark for ground in known}
    others = _grounds([verdict for verdict in verdicts if verdict.model not in families], repairs or {})
    return draw(
        "convert/loads",
        grid=grid,
        titles={model: MODELS[model].title for model in dict.fromkeys(verdict.model for verdict in verdicts)},
        families=families,
        headlines=headlines(facts, verdicts, families),
        remarks=known,
        other_remarks=[ground for ground in others if ground.remark not in told],
        legend=[(kind, MARKS[kind], SAID[kind]) for kind in MARKS],
        marks=MARKS,
        notes=notes,
    )


def _cell(verdict: Verdict) -> _Cell:
    kind = mark_of(verdict)
    return _Cell(kind, tuple(remark.text for remark in verdict.remarks) if kind == "care" else (verdict.reason,))


def _grounds(verdicts: Sequence[Verdict], repairs: Mapping[str, Sequence[Action]]) -> list[Ground]:
    """Return each reason and remark once, reasons first."""
    is_one_family = len({verdict.model for verdict in verdicts}) == 1
    return [
        Ground(
            "care" if refused is None else "no",
            remark,
            tuple(verdict.program for verdict in found) if is_one_family else tuple(name_places(found)),
            tuple(repairs.get(remark.kind if refused is None else refused.repair or "", ())),
        )
        for refused, remark, found in group_reasons(verdicts)
    ]


# --- What is about to be saved -------------------------------------------------------------------------------------


def answer_loads(question: Question, host: PageHost) -> Answer:
    """Answer where the file would load that saving would write now: with this name, precision and choice of parts."""
    box = read_box(question, host)
    if box is None:
        return Answer(slots={"loads": ""})
    wish = _read_wish(question, host, box)
    verdicts = judge(wish.facts, is_vocabulary_word=wish.is_word)
    family = box.model.family
    families = (family.key,) if family is not None and family.key in MODELS else ()
    drawn = draw_loads(wish.facts, verdicts, families=families, repairs=_find_repairs(wish, box), notes=wish.notes)
    return Answer(slots={"loads": drawn})


@dataclass(frozen=True)
class _Planned:
    """The file that saving would write, the name in the box, the names that are taken, and what to say beside it."""

    facts: FileFacts
    base: str
    others: tuple[str, ...]
    model: TextModel
    notes: tuple[str, ...]

    @property
    def is_word(self) -> Callable[[str], bool] | None:
        """The test of whether a text is a single token of the model."""
        return word_test(self.model)


def _read_wish(question: Question, host: PageHost, box: Computed) -> _Planned:
    base, notes = _read_name(question)
    value, part = _take_part(box.vectors, question.choice("long", LONG_CHOICES))
    name = f"{base}{part}"
    if part:
        notes.append(f"More than {CHUNK} vectors: this is the first file, {name}.")
    dtype = DTYPES[question.choice("dtype", tuple(DTYPES))]
    others, neighbours = _list_neighbours(host, name, question.text("folder"))
    facts = describe_vectors(name, value, dtype=dtype, neighbours=neighbours)
    return _Planned(facts, base, others, box.model, tuple(notes))


def _read_name(question: Question) -> tuple[str, list[str]]:
    """Return the name to judge, and what to say where it is not the one in the box."""
    wished = question.text("name").strip()
    if not wished:
        return UNNAMED, [f"No name yet: judged as {UNNAMED}."]
    try:
        check_new_name(wished)
    except NameProblem:
        return UNNAMED, [f"Nothing can be saved under that name: judged as {UNNAMED}."]
    return wished, []


def _take_part(value: Embedding, long: str) -> tuple[Embedding, str]:
    """Return the vectors of the first file that is written, and what is added to its name."""
    choice = LONG[long]
    if value.lengths.get(CLIP, 0) <= CHUNK or choice in (None, "keep"):
        return value, ""
    if choice == "pool":
        return Embedding({name: rows.mean(dim=0, keepdim=True) for name, rows in value.items()}), ""
    return Embedding({name: rows[:CHUNK] for name, rows in value.items()}), "-1" if choice == "split" else ""


def _list_neighbours(host: PageHost, name: str, folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return all names that are taken, and those of other files than the one that would be written."""
    root = host.embeddings_folder
    paths = EmbeddingFolder(root).paths()
    own = root.joinpath(*read_folder(folder).split("/"), f"{name}.safetensors")
    return tuple(paths), tuple(other for other, found in paths.items() if set(found) - {own})


def _find_repairs(wish: _Planned, box: Computed) -> dict[str, Sequence[Action]]:
    """Return the buttons by repair or remark; where a file of one encoder is needed, no click gives it."""
    name, neighbours = wish.facts.name, wish.facts.neighbours
    proposed = propose_name(wish.base, wish.others, wish.is_word)
    renamed = (Action(f"name it {proposed}", "name", proposed),)
    repairs: dict[str, Sequence[Action]] = {"rename": renamed}
    for remark in remark_on_name(name, others=neighbours, is_vocabulary_word=wish.is_word):
        repairs[remark.kind] = renamed
    return repairs | {"too long": _shorten(box.title)}


def _shorten(expression: str) -> Sequence[Action]:
    split = next(label for label, choice in LONG.items() if choice == "split")
    return (
        Action(f"cut to {CHUNK}", "expression", f"({expression}):{CHUNK}"),
        Action(split, "long", split),
    )


def propose_name(name: str, others: Iterable[str], is_vocabulary_word: Callable[[str], bool] | None = None) -> str:
    """Return a name like this one that every program finds and nothing has yet: ASCII, no word, none of `others`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", plain).strip("._-")[:MOST_KEPT] or UNNAMED
    others = [other for other in others if other != name]
    tried = (plain, f"{plain}-emb", *(f"{plain}-emb{n}" for n in range(2, 10)))
    for proposed in chain(tried, (f"{UNNAMED}-{n}" for n in count(1))):
        if _is_free(proposed, others, is_vocabulary_word):
            return proposed
    raise AssertionError("numbers do not end")


def _is_free(name: str, others: Sequence[str], is_vocabulary_word: Callable[[str], bool] | None) -> bool:
    try:
        check_name(name)
    except NameProblem:
        return False
    return name not in others and not remark_on_name(name, others=others, is_vocabulary_word=is_vocabulary_word)
