"""Explain one chosen in words, and carry a file to the loaded model's family."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from ....carry import (
    MAPS,
    CarriedWords,
    carried_part,
    carry_map,
    carry_shared,
    carry_words,
    origin_of,
    refuse_few_words,
)
from ....carry_ways import CARRY_WAYS
from ....entered import read_expression
from ....errors import EmbeddingMergeError, FileError
from ....files.names import folder_below
from ....host_protocol import PageHost, TextModel
from ....inspection import ExplainedVector, describe_uneven, explain, explained_part, join_explained, say_left_out
from ....language import write
from ....saving import Saved, SaveOptions, rebuild, save_expression, save_vectors
from ....vectors.embedding import Embedding
from ...save_form import SaveForm
from ...source import Computed, Source, StoredFile
from ..first_reading import read_vocabularies
from ..html import draw, draw_error
from ..jobs import Jobs, Standing, Task, draw_progress
from ..source import LOADED, Choice, open_checkpoint_named, open_choice

__all__ = ["WISHED_WAYS", "carry_from_page", "explain_from_page"]

T = TypeVar("T")

WISHED_WAYS = {
    "by its own words, or those it comes to": "",
    "in words": "words",
    "by a linear map (ridge)": "ridge",
    "by a rotation": "rotation",
    "the shared encoder, zeros for others": "shared",
}
"""The ways in the page's words; the first is the one that suits the file, as on the command line."""


def explain_from_page(host: PageHost, jobs: Jobs, job: str, choice: Choice) -> Iterator[str]:
    """Explain what was chosen, vector by vector; yield HTML as often as there is news."""
    try:
        chosen = open_choice(choice, host)
        model = chosen.model or host.load_text_model()
        yield from read_vocabularies(model)
        part = explained_part(chosen.vectors, model)
        tasks = _tasks(part, explain(part, model))
        for standing in jobs.work(job, tasks):
            yield draw_progress(standing) + _draw_explained(standing, chosen, model)
    except EmbeddingMergeError as error:
        yield draw_error(error)


def _draw_explained(standing: Standing[ExplainedVector | None], chosen: Source, model: TextModel) -> str:
    vectors = [outcome.result for outcome in standing.outcomes if outcome.result is not None]
    errors = list({str(outcome.error): outcome.error for outcome in standing.outcomes if outcome.error}.values())
    joined = write(join_explained(vectors, model)) if vectors and standing.is_over else ""
    notes = [say_left_out(chosen.vectors, explained_part(chosen.vectors, model), model), describe_uneven(vectors)]
    return draw(
        "inspect/explained",
        title=chosen.title,
        vectors=vectors,
        joined=joined,
        notes=list(filter(None, notes)) if standing.is_over else [],
        errors=errors,
        model=model,
    )


def _tasks(part: Embedding, found: Iterator[T]) -> list[Task[T | None]]:
    """Return a task for each vector of each tokenizer group, which takes what is found next."""
    indices = [index for length in part.lengths.values() for index in range(length)]
    return [Task(f"vector {index}", partial(next, found, None)) for index in indices]


def carry_from_page(
    host: PageHost, jobs: Jobs, job: str, choice: Choice, way: str, name: str, folder: str, overwrite: bool
) -> Iterator[str]:
    """Carry a file from the model that it was made for to the loaded one; yield HTML as often as there is news.

    A file that says what it was made of is made again. Otherwise, how much of it the words are is said before anything
    is written, and again behind it; unless a way was chosen, nothing is written where they are less than half.
    """
    try:
        yield from _carry(host, jobs, job, choice, WISHED_WAYS.get(way, ""), name, folder, overwrite)
    except EmbeddingMergeError as error:
        yield draw_error(error)


def _carry(
    host: PageHost, jobs: Jobs, job: str, choice: Choice, way: str, name: str, folder: str, overwrite: bool
) -> Iterator[str]:
    chosen = open_choice(choice, host)
    if isinstance(chosen, Computed):
        raise FileError("An expression needs no carrying: it is computed anew by every model.")
    target = host.load_text_model()
    place = folder_below(host.embeddings_folder, folder)
    options = SaveForm(overwrite, long="keep").options(place, host.limits, is_installed_here=True)
    name = name.strip() or chosen.file.name
    if not way and "embmerge.resolved" in chosen.file.metadata:
        file = replace(chosen.file, path=chosen.file.path.with_name(f"{name}{chosen.file.path.suffix}"))
        yield _finish(host, rebuild(file, target, options), "Made again from the words in the file.", (), target)
    elif way in ("", "words"):
        carrier = _WordCarrier(chosen, _source(host, choice, target), target, name, options, is_wished=way == "words")
        yield from carrier.work(host, jobs, job)
    elif way in MAPS:
        source = _source(host, choice, target)
        made = carry_map(chosen.vectors, source, target, way)
        origin = origin_of(way, source.title, chosen.file.path.name)
        saved = [save_vectors(made.value, name, target, options, origin=origin)]
        yield _finish(host, saved, f"By {CARRY_WAYS[way]}; {made.reach}", (), target)
    else:
        value = carry_shared(chosen.vectors, target)
        there = [encoder for encoder, rows in value.items() if rows.any()]
        said = f"{' and '.join(there)} as in the file; zeros for what the other encoders have: a part of the embedding."
        saved = [save_vectors(value, name, target, options, origin=origin_of("shared", "", chosen.file.path.name))]
        yield _finish(host, saved, said, (), target)


@dataclass(frozen=True)
class _WordCarrier:
    """A file that is to be carried in words: the model that it was made for, and the one that it shall be for."""

    chosen: StoredFile
    source: TextModel
    target: TextModel
    name: str
    options: SaveOptions
    is_wished: bool

    def work(self, host: PageHost, jobs: Jobs, job: str) -> Iterator[str]:
        """Explain vector by vector, say what the words are, and write them; yield HTML as often as there is news."""
        yield from read_vocabularies(self.source)
        vectors = self.chosen.vectors
        part = carried_part(vectors, self.source, self.target)
        found = carry_words(part, self.source, self.target)
        tasks = _tasks(part, found)
        for standing in jobs.work(job, tasks):
            yield draw_progress(standing)
        if standing.is_cancelled:
            return
        error = next((outcome.error for outcome in standing.outcomes if outcome.error), None)
        if error is not None:
            raise error
        words = next(found)
        assert isinstance(words, CarriedWords)
        if not self.is_wished:
            called = {way: label for label, way in WISHED_WAYS.items()}
            refuse_few_words(self.chosen.file.path.name, words, vectors, self.source, self.target, called=called)
        yield draw("inspect/carried", saved=[], said=words.remainder, vectors=words.vectors, model=self.target)
        entered = read_expression(write(words.tree), kind="expression", limits=self.options.limits)
        saved = save_expression(entered, self.name, self.target, self.options)
        yield _finish(host, saved, words.remainder, words.vectors, self.target)


def _source(host: PageHost, choice: Choice, target: TextModel) -> TextModel:
    """Return the model that the file was made for."""
    if choice.checkpoint in ("", LOADED):
        raise FileError(
            "The model that the file was made for is not chosen.", suggestion="Choose it from the list of checkpoints."
        )
    return open_checkpoint_named(choice.checkpoint, host, target)


def _finish(
    host: PageHost, saved: list[Saved], said: str, vectors: tuple[ExplainedVector, ...], model: TextModel
) -> str:
    host.refresh_embeddings()
    return draw("inspect/carried", saved=saved, said=said, vectors=vectors, model=model)
