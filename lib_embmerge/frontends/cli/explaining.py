"""`embmerge explain` and `carry`: what vectors are in words, and the same words for another model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...carry import (
    MAPS,
    CarriedWords,
    carried_part,
    carry_map,
    carry_shared,
    carry_words,
    origin_of,
    refuse_few_words,
)
from ...carry_ways import CARRY_WAYS
from ...entered import read_expression
from ...errors import FileError
from ...files.reading import EmbeddingFile, read_embedding
from ...host_protocol import TextModel
from ...inspection import ExplainedVector, describe_uneven, explain, explained_part, join_explained, say_left_out
from ...language import write
from ...models.checkpoint import CheckpointModel
from ...saving import SaveOptions, rebuild, save_expression, save_vectors
from ...vectors.embedding import Embedding
from .inputs import open_chosen_model
from .looking import open_looked
from .report import Progress, Report, describe_model, seen_with
from .writing import report_saved, save_options

__all__ = ["carry_file", "explain_vectors"]

def explain_vectors(options: argparse.Namespace) -> Report:
    """Show each vector as a sum of words."""
    looked = open_looked(options, always=True)
    assert looked.model is not None
    part = explained_part(looked.source.vectors, looked.model)
    found = _explain_all(part, looked.model, options.k)
    joined = write(join_explained(found, looked.model)) if found else ""
    figures = {"expression": joined, "vectors": [_fields(one) for one in found], **describe_model(looked.model)}
    lines = _all_lines(found)
    if len(found) > 1:
        lines += ["", "All of it:", f"  {joined}", *filter(None, [describe_uneven(found)])]
    left = say_left_out(looked.source.vectors, part, looked.model)
    return Report(figures, lines, [left] if left else [], note=seen_with(looked.model))


def carry_file(options: argparse.Namespace) -> Report:
    """Make a file for another model, by the way that was chosen, or by its words where they are enough of it."""
    file = read_embedding(options.file)
    target = open_chosen_model(options)
    wanted = save_options(options, target, options.dir)
    name = options.name or file.name
    if "embmerge.resolved" in file.metadata and options.way is None:
        renamed = replace(file, path=file.path.with_name(f"{name}{file.path.suffix}"))
        report = report_saved(rebuild(renamed, target, wanted), [], target)
        return replace(report, lines=["Made again from the words in the file.", *report.lines])
    if options.source is None:
        raise FileError(
            f"{file.path.name} does not say what it was made of.",
            suggestion="Give the model that it was made for with --from CHECKPOINT.",
        )
    carrier = _Carrier(file, name, open_chosen_model(options, options.source), target, wanted)
    if options.way in MAPS:
        return carrier.by_map(options.way)
    return carrier.shared() if options.way == "shared" else carrier.in_words(is_wished=options.way is not None)


@dataclass(frozen=True)
class _Carrier:
    """A file, the model that it was made for, and the one that it shall be for."""

    file: EmbeddingFile
    name: str
    source: TextModel
    target: CheckpointModel
    wanted: SaveOptions

    @property
    def vectors(self) -> Embedding:
        return Embedding(self.file.all_vectors)

    def in_words(self, *, is_wished: bool) -> Report:
        words = self._find_words()
        if not is_wished:
            called = {way: f"--way {way}" for way in CARRY_WAYS}
            refuse_few_words(self.file.path.name, words, self.vectors, self.source, self.target, called=called)
        print(words.remainder, file=sys.stderr)  # before anything is written
        entered = read_expression(write(words.tree), kind="expression", limits=self.wanted.limits)
        report = report_saved(save_expression(entered, self.name, self.target, self.wanted), [], self.target)
        left = say_left_out(self.vectors, carried_part(self.vectors, self.source, self.target), self.target)
        said = [words.remainder, *([left] if left else []), *_all_lines(words.vectors)]
        figures = {"way": "words", "share": words.share, "vectors": [_fields(one) for one in words.vectors]}
        return replace(report, figures=figures | report.figures, lines=[*said, *report.lines])

    def by_map(self, way: str) -> Report:
        made = carry_map(self.vectors, self.source, self.target, way)
        report = self._saved(made.value, way, f"By {CARRY_WAYS[way]}: {made.reach}")
        return replace(report, figures={**report.figures, "cosines": dict(made.cosines)})

    def shared(self) -> Report:
        value = carry_shared(self.vectors, self.target)
        there = [name for name, rows in value.items() if rows.any()]
        missing = [name for name in value if name not in there]
        said = f"{' and '.join(there)} as in the file" + (f"; {' and '.join(missing)} has zeros." if missing else ".")
        return self._saved(value, "shared", said)

    def _find_words(self) -> CarriedWords:
        progress = Progress(sum(carried_part(self.vectors, self.source, self.target).lengths.values()))
        found: ExplainedVector | CarriedWords | None = None
        for found in carry_words(self.vectors, self.source, self.target):
            if isinstance(found, ExplainedVector):
                progress.step("vectors explained")
        progress.finish()
        assert isinstance(found, CarriedWords)
        return found

    def _saved(self, value: Embedding, way: str, said: str) -> Report:
        origin = origin_of(way, self.source.title, self.file.path.name)
        saved = save_vectors(value, self.name, self.target, self.wanted, origin=origin)
        report = report_saved([saved], [], self.target)
        return replace(report, figures={"way": way, **report.figures}, lines=[said, *report.lines])


def _explain_all(vectors: Embedding, model: TextModel, most: int) -> list[ExplainedVector]:
    progress = Progress(sum(vectors.lengths.values()))
    found = []
    for one in explain(vectors, model, most=most):
        progress.step("vectors explained")
        found.append(one)
    progress.finish()
    return found


def _all_lines(found: Sequence[ExplainedVector]) -> list[str]:
    has_groups = len({one.group for one in found}) > 1
    lines = []
    for one in found:
        where = f"{one.group_title}, " if has_groups else ""
        where += f"vector {one.index}: " if len(found) > 1 else ""
        lines += [f"{where}{one.expression}", f"  {one.verdict}"]
    return lines


def _fields(found: ExplainedVector) -> dict[str, object]:
    return {
        "group": found.group,
        "index": found.index,
        "expression": found.expression,
        "verdict": found.verdict,
        "share": found.share,
        "shares": dict(found.shares),
        "most_share": found.most_share,
        "is_chance": found.is_chance,
        "words": [{"id": word.id, "text": word.text, "weights": dict(word.weights)} for word in found.words],
    }


