"""Rebuild files of the folder from their recipes, with the loaded checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from ....errors import EmbeddingMergeError, FileError, FileExists
from ....files.names import check_name, folder_below
from ....files.paths import exists
from ....files.reading import read_embedding
from ....files.safetensors_reader import open_safetensors
from ....host_protocol import PageHost, TextModel
from ....saving import Saved, read_recipe, rebuild
from ...save_form import SaveForm
from ..html import draw, draw_error
from ..jobs import Jobs, Standing, Task, draw_progress
from ..source import find_file, list_files

__all__ = ["SUFFIX", "list_rebuildable", "rebuild_from_page"]

SUFFIX = "-rebuilt"
"""What is added to a file's name where it is not overwritten."""


def rebuild_from_page(
    host: PageHost, jobs: Jobs, job: str, files: Sequence[str], overwrite: bool, suffix: str
) -> Iterator[str]:
    """Make the chosen files again, each beside its old one or in its place; yield HTML as often as there is news.

    The folder is listed again at the end, also where the page has gone away in the middle.
    """
    try:
        if not files:
            raise FileError("No file is chosen.", suggestion="Choose one or more from the list.")
        if not overwrite and not suffix.strip():
            raise FileError("The new files need other names.", suggestion='Give a suffix, or tick "Overwrite".')
        model = host.load_text_model()
        again = _Rebuilding(host, model, overwrite, suffix.strip())
        tasks = [Task(file, partial(again.make, file)) for file in dict.fromkeys(files)]
        try:
            for standing in jobs.work(job, tasks):
                if standing.is_over:
                    again.list_folder()
                yield _draw(standing, model)
        finally:
            again.list_folder()
    except EmbeddingMergeError as error:
        yield draw_error(error)


def list_rebuildable(host: PageHost) -> list[str]:
    """Return the files of the folder that say what they were made of; of each only the header is read."""
    return [file for file in list_files(host) if _has_recipe(host.embeddings_folder / file)]


def _has_recipe(path: Path) -> bool:
    try:
        return path.suffix.lower() == ".safetensors" and bool(open_safetensors(path).metadata.get("embmerge.resolved"))
    except FileError:
        return False


class _Rebuilding:
    """One run: what was wished, and which names have been made so far."""

    def __init__(self, host: PageHost, model: TextModel, overwrite: bool, suffix: str) -> None:
        self.host = host
        self.model = model
        self.overwrite = overwrite
        self.suffix = suffix
        self.limits = host.limits
        self.listed = frozenset(list_files(host))
        self.unlisted: set[str] = set()

    def list_folder(self) -> None:
        """Let the host find what has been made; nothing where that is done."""
        if self.unlisted:
            self.host.refresh_embeddings()
            self.unlisted.clear()

    def make(self, relative: str) -> list[Saved]:
        path = find_file(self.host, relative, self.listed)
        folder = folder_below(self.host.embeddings_folder, relative.rpartition("/")[0])  # written to: no link out of it
        file = read_embedding(path)
        recipe = read_recipe(path.name, file.metadata)
        if self.unlisted & set(recipe.embeddings):
            self.list_folder()  # it is made of one that has just been made
        name = file.name if self.overwrite else file.name + self.suffix
        check_name(name)
        wished = replace(file, path=path.with_name(f"{name}{path.suffix}"))
        target = folder / f"{name}.safetensors"
        if exists(target) and not self.overwrite:
            raise FileExists(f"{target.name} exists already.", suggestion='Tick "Overwrite", or give another suffix.')
        is_half = all(rows.dtype == torch.float16 for rows in file.vectors.values())
        form = SaveForm(self.overwrite, "float16" if is_half else "float32", "keep")
        saved = rebuild(wished, self.model, form.options(folder, self.limits))
        self.unlisted |= {one.name for one in saved}
        return saved


def _draw(standing: Standing[list[Saved]], model: TextModel) -> str:
    rows = [
        (outcome.name, outcome.result or (), draw_error(outcome.error) if outcome.error else "")
        for outcome in standing.outcomes
    ]
    return draw_progress(standing) + draw("inspect/rebuilt", rows=rows, is_over=standing.is_over, model=model)
