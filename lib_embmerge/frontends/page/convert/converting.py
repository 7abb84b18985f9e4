"""Convert and check: where other people's files load, what mends them, and clean files made of them.

A file comes from an upload or from the embeddings folder. Nothing is written but new files in that folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import cast

import torch

from ....compatibility.facts import FileFacts, describe_file
from ....compatibility.rules import judge
from ....errors import EmbeddingMergeError, FileError, FileExists
from ....files.convert import Conversion, Unequal, convert_file, part_names, split_file
from ....files.names import advise_on_name, check_name, folder_below
from ....files.paths import size_of
from ....files.reading import EmbeddingFile, load_embedding, read_embedding
from ....host_protocol import PageHost, TextModel
from ....inspection import word_test
from ....remarks import Action
from ....saving import DTYPES, read_recipe, rebuild
from ....vectors.embedding import shapes_of
from ...save_form import SaveForm
from ..build.saving import NameCheck, list_embeddings, read_folder
from ..html import draw, draw_error
from ..source import find_file, list_files, loaded_model
from .loads import draw_loads, propose_name

__all__ = [
    "REPAIR_FIELD",
    "UNEQUAL_CHOICES",
    "ChosenFile",
    "ConvertOptions",
    "FileView",
    "Made",
    "check_from_page",
    "choose_sources",
    "convert_from_page",
    "list_choices",
    "repair",
]

UNEQUAL = MappingProxyType({"refuse": "refuse", "pad with zero vectors": "pad", "cut to the shortest": "cut"})
UNEQUAL_CHOICES = tuple(UNEQUAL)
"""What can become of encoders with unequal numbers of vectors, in the page's words."""

REPAIR_FIELD = "convert_repair"
"""The hidden field into which a button of the page writes what is to be mended."""

MOST_FILES = 100


@dataclass(frozen=True)
class ChosenFile:
    """A file to look at: `key` finds it again among those that are chosen; `folder` is its place below the root.

    `folder` is None for an upload, which has none.
    """

    key: str
    path: Path
    folder: str | None


@dataclass(frozen=True)
class ConvertOptions:
    """What the pane's boxes say; an empty `name` or `folder` stands for the file's own."""

    name: str = ""
    folder: str = ""
    unequal: str = UNEQUAL_CHOICES[0]
    dtype: str = "float32"
    overwrite: bool = False

    @property
    def precision(self) -> torch.dtype:
        """The number format to write."""
        return DTYPES.get(self.dtype, torch.float32)


@dataclass(frozen=True)
class Made:
    """A file that was written: shapes as (vectors, width) by encoder, what was changed, what to know of it."""

    name: str
    path: Path
    shapes: Mapping[str, tuple[int, int]]
    size: int
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    loads: str = field(default="", repr=False)


# --- Which files ---------------------------------------------------------------------------------------------------


def list_choices(host: PageHost) -> list[str]:
    """Return the files that can be picked, as paths below the embeddings folder."""
    return list_files(host)


def choose_sources(host: PageHost, uploads: Sequence[str], picked: Sequence[str]) -> list[ChosenFile]:
    """Return the files that were uploaded (paths that gradio gave) and picked (paths below the embeddings folder).

    Raises: FileError where there are none or far too many; NameProblem for a path that is not in the folder.
    """
    if len(uploads) + len(picked) > MOST_FILES:
        raise FileError(f"These are {len(uploads) + len(picked)} files; at most {MOST_FILES} are taken at once.")
    chosen = [ChosenFile(f"{place}:{Path(path).name}", Path(path), None) for place, path in enumerate(uploads)]
    for relative in picked:
        chosen.append(ChosenFile(relative, find_file(host, relative), relative.rpartition("/")[0]))
    if not chosen:
        raise FileError("No file is chosen.", suggestion="Upload one, or pick one from the embeddings folder.")
    return chosen


# --- Checking ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileView:
    """A file as the page shows it: what it holds, or why it cannot be read, and where it loads.

    `troubles` says that numbers in it are broken, or that its encoders have unequal numbers of vectors.
    """

    title: str
    layout: str = ""
    shapes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    error: str = ""
    loads: str = ""
    troubles: bool = False


def check_from_page(host: PageHost, uploads: Sequence[str], picked: Sequence[str]) -> str:
    """Return for each file where it will load and what mends it; a file that cannot be read fails alone.

    Without files it says what the pane is for.
    """
    if not uploads and not picked:
        return draw("convert/empty")
    try:
        sources = choose_sources(host, uploads, picked)
    except EmbeddingMergeError as error:
        return draw_error(error)
    return draw("convert/checked", files=[_view(host, source) for source in sources])


def _view(host: PageHost, source: ChosenFile) -> FileView:
    title = source.path.name if source.folder is None else source.key
    try:
        facts = _facts_among_others(host, source.path)
    except EmbeddingMergeError as error:
        return FileView(title, error=draw_error(error))
    model = loaded_model(host)
    verdicts = judge(facts, is_vocabulary_word=word_test(model))
    try:
        file = load_embedding(source.path)
    except EmbeddingMergeError as error:  # such as vectors of a width that nobody knows: programs have their say
        return FileView(title, error=draw_error(error), loads=draw_loads(verdicts, families=facts.families))
    fixes = _find_fixes(host, source, file, facts, model)
    has_recipe = bool(file.metadata.get("embmerge.resolved"))
    recipe = ("It says what it was made of: it can be made again for another checkpoint.",) if has_recipe else ()
    return FileView(
        title,
        layout=file.layout,
        shapes=shapes_of(file.vectors),
        notes=(*file.notes, *recipe),
        loads=draw_loads(verdicts, families=facts.families, fixes=fixes),
        troubles=_has_troubles(file),
    )


def _has_troubles(file: EmbeddingFile) -> bool:
    lengths = {len(rows) for rows in file.vectors.values()}
    return len(lengths) > 1 or not all(bool(rows.double().isfinite().all()) for rows in file.vectors.values())


def _facts_among_others(host: PageHost, path: Path) -> FileFacts:
    """Return a file's facts among the other embeddings of the folder.

    Raises: FileError where it cannot be read.
    """
    others = [name for name, paths in list_embeddings(host).items() if any(other != path for other in paths)]
    try:
        return describe_file(path, neighbours=others)
    except OSError as error:
        raise FileError(f"{path.name} cannot be read: {error.strerror or error}.") from error


# --- Buttons that mend ---------------------------------------------------------------------------------------------


def _find_fixes(
    host: PageHost, source: ChosenFile, file: EmbeddingFile, facts: FileFacts, model: TextModel | None
) -> dict[str, Sequence[Action]]:
    """Return the buttons by repair, and by the kind of the cautions that the same click mends."""

    def fix(label: str, do: str) -> Action:
        return Action(label, REPAIR_FIELD, json.dumps({"file": source.key, "do": do}))

    is_word = word_test(model)
    convert = (fix("convert", "convert"),)
    fixes: dict[str, Sequence[Action]] = {"convert": convert}
    if len({rows for rows, _ in shapes_of(file.vectors).values()}) > 1:
        fixes["equal lengths"] = (fix("pad with zero vectors", "pad"), fix("cut to the shortest", "cut"))
        fixes["convert"] = ()
    elif len(file.vectors) > 1:
        fixes["split"] = (fix(f"split into {' and '.join(part_names(file.name, file.vectors).values())}", "split"),)
    renamed = (fix(f"copy as {_propose(host, file.name, is_word)}", "rename"),)
    fixes["rename"] = renamed
    for remark in advise_on_name(file.name, others=facts.neighbours, is_vocabulary_word=is_word):
        fixes[remark.kind] = renamed
    if _can_remake(file, model):
        fixes["remake"] = (fix("make it again with the loaded checkpoint", "remake"),)
    return fixes | {"number format": fixes["convert"], "pickle": fixes["convert"]}


def _propose(host: PageHost, name: str, is_word: Callable[[str], bool] | None) -> str:
    return propose_name(name, [*list_embeddings(host)], is_word)


def _can_remake(file: EmbeddingFile, model: TextModel | None) -> bool:
    """Return whether there is a recipe, and a model of another family to follow it with."""
    if not file.metadata.get("embmerge.resolved"):
        return False
    return model is None or {encoder.name for encoder in model.encoders} != set(file.vectors)


def repair(host: PageHost, request: str, uploads: Sequence[str], picked: Sequence[str], options: ConvertOptions) -> str:
    """Do what a button of the page asks for; return the new files, or the mistake, as HTML."""
    try:
        wanted, do = _read_request(request)
        sources = {source.key: source for source in choose_sources(host, uploads, picked)}
        if wanted not in sources:
            raise FileError("That file is no longer among those that are chosen.", suggestion="Check again.")
        return _draw_made(host, [_try(partial(REPAIRS[do], host, sources[wanted], options))])
    except EmbeddingMergeError as error:
        return draw_error(error)


def _read_request(text: str) -> tuple[str, str]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    wanted, do = (content.get("file"), content.get("do")) if isinstance(content, dict) else (None, None)
    if not isinstance(wanted, str) or not isinstance(do, str) or do not in REPAIRS:
        raise EmbeddingMergeError("The page asked for a repair that nobody knows.")
    return wanted, do


def _convert_again(host: PageHost, source: ChosenFile, options: ConvertOptions) -> list[Made]:
    return _convert(host, source, options, is_repair=True)


def _pad(host: PageHost, source: ChosenFile, options: ConvertOptions) -> list[Made]:
    return _convert_again(host, source, replace(options, unequal=UNEQUAL_CHOICES[1]))


def _cut(host: PageHost, source: ChosenFile, options: ConvertOptions) -> list[Made]:
    return _convert_again(host, source, replace(options, unequal=UNEQUAL_CHOICES[2]))


def _rename(host: PageHost, source: ChosenFile, options: ConvertOptions) -> list[Made]:
    name = options.name or _propose(host, source.path.stem, word_test(loaded_model(host)))
    return _convert_again(host, source, replace(options, name=name))


def _remake(host: PageHost, source: ChosenFile, options: ConvertOptions) -> list[Made]:
    """Make a file again from its recipe, for the family of the loaded model; the old one stays."""
    file = read_embedding(source.path)
    read_recipe(source.path.name, file.metadata)  # no model is loaded for a file without one
    model = host.load_text_model()
    family = model.family.key if model.family is not None else "remade"
    place = _Place(host, source, options, f"{file.name}-{family}", is_repair=True)
    saved = rebuild(
        replace(file, path=file.path.with_name(f"{place.name}.safetensors")),
        model,
        SaveForm(options.overwrite, options.dtype, "keep").options(place.folder, host.limits),
    )
    said = (f"Made again with {model.title}; the old file stays.", *place.notes)
    return [replace(_made(host, one.path, said, place), warnings=one.warnings) for one in saved]


def _split(host: PageHost, source: ChosenFile, options: ConvertOptions) -> list[Made]:
    place = _Place(host, source, options, source.path.stem, is_repair=True, parts=("_l", "_g", "_h"))
    done = split_file(source.path, place.folder, name=place.name, dtype=options.precision, overwrite=options.overwrite)
    return [_made(host, one.path, (*one.notes, *place.notes), place) for one in done]


REPAIRS: Mapping[str, Callable[[PageHost, ChosenFile, ConvertOptions], list[Made]]] = MappingProxyType(
    {"convert": _convert_again, "pad": _pad, "cut": _cut, "rename": _rename, "remake": _remake, "split": _split}
)
"""What a button can ask for."""


# --- Converting ----------------------------------------------------------------------------------------------------


def convert_from_page(host: PageHost, uploads: Sequence[str], picked: Sequence[str], options: ConvertOptions) -> str:
    """Write every chosen file as clean safetensors; a file that fails, fails alone."""
    try:
        sources = choose_sources(host, uploads, picked)
        if options.name and len(sources) > 1:
            raise FileError("One name cannot serve several files.", suggestion="Leave the name empty.")
        made = [_try(partial(_convert, host, source, options)) for source in sources]
    except EmbeddingMergeError as error:
        return draw_error(error)
    return _draw_made(host, made)


@dataclass(frozen=True)
class _Tried:
    """What came of one file."""

    made: Sequence[Made] = ()
    error: str = ""


def _try(do: Callable[[], list[Made]]) -> _Tried:
    try:
        return _Tried(do())
    except EmbeddingMergeError as error:
        return _Tried(error=draw_error(error))
    except OSError as error:
        return _Tried(error=draw_error(FileError(f"{error.filename or 'A file'}: {error.strerror or error}.")))


def _draw_made(host: PageHost, tried: Sequence[_Tried]) -> str:
    if any(one.made for one in tried):
        host.refresh_embeddings()
    return draw("convert/converted", tried=tried)


class _Place:
    """Where a new file goes: its folder and name, and what to say about both.

    A repair whose name is taken gets the next free one, `name-2`, unless overwriting is wished.
    """

    def __init__(
        self,
        host: PageHost,
        source: ChosenFile,
        options: ConvertOptions,
        name: str,
        *,
        is_repair: bool,
        parts: Sequence[str] = ("",),
    ) -> None:
        wished = options.name or name
        relative = read_folder(options.folder) or (source.folder or "")
        self.folder = folder_below(host.embeddings_folder, relative)
        self.notes: tuple[str, ...] = ()
        self.name = wished
        check_name(wished)
        if options.overwrite or self._is_free(wished, parts):
            return
        if not is_repair:
            raise FileExists(
                f"{wished}.safetensors exists already.", suggestion='Tick "Overwrite" to replace it, or give a name.'
            )
        self.name = next(other for n in count(2) if self._is_free(other := f"{wished}-{n}", parts))
        self.notes = (f'{wished} exists already, so this is {self.name}; tick "Overwrite" to replace a file.',)

    def _is_free(self, name: str, parts: Sequence[str]) -> bool:
        return not any(os.path.lexists(self.folder / f"{name}{part}.safetensors") for part in parts)


def _convert(host: PageHost, source: ChosenFile, options: ConvertOptions, *, is_repair: bool = False) -> list[Made]:
    place = _Place(host, source, options, source.path.stem, is_repair=is_repair)
    done: Conversion = convert_file(
        source.path,
        place.folder,
        name=place.name,
        unequal=cast(Unequal, UNEQUAL.get(options.unequal, "refuse")),
        dtype=options.precision,
        overwrite=options.overwrite,
    )
    return [_made(host, done.path, (*done.notes, *place.notes), place)]


def _made(host: PageHost, path: Path, notes: Sequence[str], place: _Place) -> Made:
    """Read the new file back and judge it."""
    file = load_embedding(path)
    facts = _facts_among_others(host, path)
    model = loaded_model(host)
    verdicts = judge(facts, is_vocabulary_word=word_test(model))
    relative = "" if place.folder == host.embeddings_folder else os.path.relpath(place.folder, host.embeddings_folder)
    check = NameCheck(host, path.stem, Path(relative).as_posix() if relative else "", model)
    return Made(
        path.stem,
        path,
        shapes_of(file.vectors),
        size_of(path),
        tuple(notes),
        tuple(doubt.text for doubt in check.doubts),
        draw_loads(verdicts, families=facts.families),
    )
