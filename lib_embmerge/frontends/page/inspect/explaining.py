"""Explain one chosen in words, and carry a file to the loaded model's family."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from ....carry import MAPS, WAYS, CarriedMap, CarriedWords, carry_map, carry_shared, carry_words
from ....entered import read_expression
from ....errors import EmbeddingMergeError, FileError
from ....files.names import folder_below
from ....host_protocol import PageHost, TextModel
from ....inspection import ExplainedVector, explain, join_explained
from ....language import write
from ....saving import Saved, SaveOptions, save_expression, save_vectors
from ...save_form import SaveForm
from ...source import Computed, Source
from ..html import draw, draw_error
from ..jobs import Jobs, Standing, Task, draw_progress
from ..source import LOADED, Choice, open_checkpoint_named, open_choice

__all__ = ["CARRY_WAYS", "carry_from_page", "explain_from_page"]

CARRY_WAYS = {
    "in words": "words",
    "by a linear map (ridge)": "ridge",
    "by a rotation": "rotation",
    "the shared encoder, zeros for others": "shared",
}
"""The ways in the page's words."""


def explain_from_page(host: PageHost, jobs: Jobs, job: str, choice: Choice) -> Iterator[str]:
    """Explain what was chosen, vector by vector; yield HTML as often as there is news."""
    try:
        chosen = open_choice(choice, host)
        model = chosen.model or host.load_text_model()
        found = explain(chosen.vectors, model)
        tasks = [Task(f"vector {index}", partial(next, found, None)) for index in range(chosen.vectors.length)]
        for standing in jobs.work(job, tasks):
            yield draw_progress(standing) + _draw_explained(standing, chosen, model)
    except EmbeddingMergeError as error:
        yield draw_error(error)


def _draw_explained(standing: Standing[ExplainedVector], chosen: Source, model: TextModel) -> str:
    vectors = [outcome.result for outcome in standing.outcomes if outcome.result is not None]
    errors = list({str(outcome.error): outcome.error for outcome in standing.outcomes if outcome.error}.values())
    joined = write(join_explained(vectors)) if vectors and standing.is_over else ""
    return draw(
        "inspect/explained", title=chosen.title, vectors=vectors, joined=joined, errors=errors, model=model
    )


def carry_from_page(
    host: PageHost, jobs: Jobs, job: str, choice: Choice, way: str, name: str, folder: str, overwrite: bool
) -> Iterator[str]:
    """Carry a file from the model that it was made for to the loaded one; yield HTML as often as there is news.

    In words, what they are of each vector is shown before anything is written; of another way, what it reaches.
    """
    try:
        yield from _carry(host, jobs, job, choice, CARRY_WAYS.get(way, ""), name, folder, overwrite)
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
    if way == "words":
        yield from _carry_in_words(host, jobs, job, chosen, _source(host, choice, target), target, name, options)
        return
    if way in MAPS:
        made = carry_map(chosen.vectors, _source(host, choice, target), target, way)
        value, said = made.value, _reach(made, way)
    else:
        value = carry_shared(chosen.vectors, target)
        there = [encoder for encoder, rows in value.items() if rows.any()]
        said = f"{' and '.join(there)} as in the file; zeros for what the other encoders have: a part of the embedding."
    origin = {"embmerge.carried": way or "shared", "embmerge.source_file": chosen.file.path.name}
    yield _finish(host, [save_vectors(value, name, target, options, origin=origin)], said, (), target)


def _carry_in_words(
    host: PageHost,
    jobs: Jobs,
    job: str,
    chosen: Source,
    source: TextModel,
    target: TextModel,
    name: str,
    options: SaveOptions,
) -> Iterator[str]:
    found: Iterator[ExplainedVector | CarriedWords] = carry_words(chosen.vectors, source, target)
    tasks = [Task(f"vector {index}", partial(next, found, None)) for index in range(chosen.vectors.length)]
    for standing in jobs.work(job, tasks):
        yield draw_progress(standing)
    if standing.is_cancelled:
        return
    error = next((outcome.error for outcome in standing.outcomes if outcome.error), None)
    if error is not None:
        raise error
    words = next(found)
    assert isinstance(words, CarriedWords)
    entered = read_expression(write(words.tree), kind="expression", limits=host.limits)
    said = f"Words are {100 * words.share:.0f} % of it; the rest is left out."
    yield _finish(host, save_expression(entered, name, target, options), said, words.vectors, target)


def _source(host: PageHost, choice: Choice, target: TextModel) -> TextModel:
    """Return the model that the file was made for."""
    if choice.checkpoint in ("", LOADED):
        raise FileError(
            "The model that the file was made for is not chosen.", suggestion="Choose it from the list of checkpoints."
        )
    return open_checkpoint_named(choice.checkpoint, host, target)


def _reach(made: CarriedMap, way: str) -> str:
    cosines = ", ".join(f"{cosine:.2f} in {encoder}" for encoder, cosine in made.cosines.items())
    return f"By {WAYS[way]}; words that it was not made of come out with a cosine of {cosines}."


def _finish(
    host: PageHost, saved: list[Saved], said: str, vectors: tuple[ExplainedVector, ...], model: TextModel
) -> str:
    host.refresh_embeddings()
    return draw("inspect/carried", saved=saved, said=said, vectors=vectors, model=model)
