"""`embmerge explain` and `carry`: what vectors are in words, and the same words for another model."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace

from ...carry import MAPS, CarriedWords, carry_map, carry_shared, carry_words, origin_of, refuse_few_words
from ...carry_ways import CARRY_WAYS
from ...entered import read_expression
from ...errors import FileError
from ...files.reading import EmbeddingFile, read_embedding
from ...host_protocol import TextModel
from ...inspection import ExplainedVector, explain, join_explained
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
    found = _explain_all(looked.source.vectors, looked.model, options.k)
    joined = write(join_explained(found)) if found else ""
    figures = {"expression": joined, "vectors": [_fields(one) for one in found], **describe_model(looked.model)}
    lines = [line for one in found for line in _lines(one, of_several=len(found) > 1)]
    if len(found) > 1:
        lines += ["", "All of it:", f"  {joined}"]
    return Report(figures, lines, note=seen_with(looked.model))


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
            refuse_few_words(self.file.path.name, words, self.vectors, self.source, self.target)
        print(words.remainder, file=sys.stderr)  # before anything is written
        entered = read_expression(write(words.tree), kind="expression", limits=self.wanted.limits)
        report = report_saved(save_expression(entered, self.name, self.target, self.wanted), [], self.target)
        said = [words.remainder]
        said += [line for one in words.vectors for line in _lines(one, of_several=len(words.vectors) > 1)]
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
        progress = Progress(self.vectors.length)
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
    progress = Progress(vectors.length)
    found = []
    for one in explain(vectors, model, most=most):
        progress.step("vectors explained")
        found.append(one)
    progress.finish()
    return found


def _lines(found: ExplainedVector, *, of_several: bool) -> list[str]:
    where = f"vector {found.index}: " if of_several else ""
    return [f"{where}{found.expression}", f"  {found.verdict}"]


def _fields(found: ExplainedVector) -> dict[str, object]:
    return {
        "index": found.index,
        "expression": found.expression,
        "verdict": found.verdict,
        "share": found.share,
        "shares": dict(found.shares),
        "most_share": found.most_share,
        "is_chance": found.is_chance,
        "words": [{"id": word.id, "text": word.text, "weights": dict(word.weights)} for word in found.words],
    }


