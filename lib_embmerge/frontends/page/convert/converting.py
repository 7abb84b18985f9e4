"""Convert and check: where other people's files load, what repairs them, and clean files made of them.

A file comes from an upload or from the embeddings folder. Nothing is written but new files in that folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import cast

import torch

from ....compatibility.facts import FileFacts, describe_file
from ....compatibility.judging import judge
from ....errors import EmbeddingMergeError, FileError, FileExists, NotFinite
from ....files.convert import (
    Conversion,
    Treatment,
    Unequal,
    convert_embeddings,
    join_files,
    part_names,
    split_file,
)
from ....files.layouts import ALL_WIDTHS
from ....files.names import check_name, folder_below, remark_on_name
from ....files.paths import exists, size_of
from ....files.reading import EmbeddingFile, load_embeddings, read_embedding
from ....host_protocol import PageHost, TextModel
from ....inspection import word_test
from ....remarks import Action
from ....saving import DTYPES, read_recipe, rebuild
from ....vectors.embedding import shapes_of
from ...figures import amount, count_conversions
from ...save_form import SaveForm
from ..build.saving import NameCheck, list_embeddings, read_folder
from ..html import draw, draw_error
from ..source import loaded_model
from .loads import draw_loads, propose_name
from .sources import ChosenFile, choose_sources

__all__ = [
    "ENCODER_CHOICES",
    "REPAIR_FIELD",
    "UNEQUAL_CHOICES",
    "ConvertOptions",
    "FileView",
    "Made",
    "check_from_page",
    "convert_from_page",
    "repair",
]

UNEQUAL = MappingProxyType({"refuse": "refuse", "pad with zero vectors": "pad", "cut to the shortest": "cut"})
UNEQUAL_CHOICES = tuple(UNEQUAL)
"""What can become of encoders with unequal numbers of vectors, in the page's words."""

ENCODER_CHOICES = ("as the file says", *ALL_WIDTHS)
"""Whose the vectors are."""

REPAIR_FIELD = "convert_repair"
"""The hidden field into which a button of the page writes what is to be mended."""


@dataclass(frozen=True)
class ConvertOptions:
    """What the pane's boxes say; an empty `name` or `folder` stands for the file's own."""

    name: str = ""
    folder: str = ""
    unequal: str = UNEQUAL_CHOICES[0]
    dtype: str = "float32"
    overwrite: bool = False
    encoder: str = ENCODER_CHOICES[0]
    drop_bad: bool = False
    join: bool = False

    @property
    def how(self) -> Treatment:
        """How embeddings are made clean."""
        return Treatment(
            cast(Unequal, UNEQUAL.get(self.unequal, "refuse")),
            DTYPES.get(self.dtype, torch.float32),
            self.encoder if self.encoder in ALL_WIDTHS else "",
            self.drop_bad,
        )


@dataclass(frozen=True)
class Made:
    """A file that was written or kept: shapes as (vectors, width) by encoder, what was changed, what to know of it."""

    name: str
    path: Path
    shapes: Mapping[str, tuple[int, int]]
    size: int
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    loads: str = field(default="", repr=False)
    is_kept: bool = False


# --- Checking ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FileView:
    """A file as the page shows it: what it holds, or why it cannot be read, and where it loads.

    `held` are its embeddings, by name where there are several, each as shapes by encoder. `troubles` says that numbers
    in it are broken, or that its encoders have unequal numbers of vectors.
    """

    title: str
    layout: str = ""
    held: tuple[tuple[str, Mapping[str, tuple[int, int]]], ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""
    loads: str = ""
    troubles: bool = False

    @property
    def is_unreadable(self) -> bool:
        """Whether it is no embedding, or none that anybody can read."""
        return bool(self.error) and not self.loads


def check_from_page(host: PageHost, uploads: Sequence[str], picked: Sequence[str]) -> str:
    """Return for each file where it will load and what repairs it; a file that cannot be read fails alone.

    Without files it says what the pane is for.
    """
    if not uploads and not picked:
        return draw("convert/empty")
    try:
        sources = choose_sources(host, uploads, picked)
    except EmbeddingMergeError as error:
        return draw_error(error)
    files = [_view(host, source) for source in sources]
    refused = sum(view.is_unreadable for view in files)
    total = f"{amount(len(files), 'file')}: {len(files) - refused} can be read, {refused} cannot."
    return draw("convert/checked", files=files, total=total if len(files) > 1 else "")


def _view(host: PageHost, source: ChosenFile) -> FileView:
    try:
        facts = _facts_among_others(host, source.path)
    except EmbeddingMergeError as error:
        return FileView(source.title, error=draw_error(error))
    model = loaded_model(host)
    verdicts = judge(facts, is_vocabulary_word=word_test(model))
    try:
        files = load_embeddings(source.path)
    except EmbeddingMergeError as error:  # such as vectors of a width that nobody knows: programs have their say
        buttons = draw("actions", actions=_ask_encoder(source, error.alternatives))
        drawn = draw_error(_in_words_of_the_page(error)) + buttons
        return FileView(source.title, error=drawn, loads=draw_loads(replace(facts, refusal=""), verdicts))
    repairs = _find_repairs(host, source, files, facts, model)
    has_recipe = any(file.metadata.get("embmerge.resolved") for file in files)
    recipe = ("It says what it was made of: it can be made again for another checkpoint.",) if has_recipe else ()
    return FileView(
        source.title,
        layout=files[0].layout,
        held=tuple((file.token if len(files) > 1 else "", shapes_of(file.all_vectors)) for file in files),
        notes=(*dict.fromkeys(note for file in files for note in file.notes), *recipe),
        loads=draw_loads(facts, verdicts, repairs=repairs),
        troubles=any(map(_has_troubles, files)),
    )


def _has_troubles(file: EmbeddingFile) -> bool:
    lengths = {len(rows) for rows in file.vectors.values()}
    return len(lengths) > 1 or not all(bool(rows.double().isfinite().all()) for rows in file.all_vectors.values())


def _facts_among_others(host: PageHost, path: Path) -> FileFacts:
    """Return a file's facts among the other embeddings of the folder.

    Raises: FileError where it cannot be read.
    """
    others = [name for name, paths in list_embeddings(host).items() if any(other != path for other in paths)]
    try:
        return describe_file(path, neighbours=others)
    except OSError as error:
        raise FileError(f"{path.name} cannot be read: {error.strerror or error}.") from error


# --- Buttons that repair ---------------------------------------------------------------------------------------------


def _repair(source: ChosenFile, label: str, do: str) -> Action:
    return Action(label, REPAIR_FIELD, json.dumps({"file": source.key, "do": do}))


def _ask_encoder(source: ChosenFile, encoders: Iterable[str]) -> list[Action]:
    """Return a button for each encoder whose the vectors may be."""
    return [_repair(source, f"they are {encoder}'s", f"as {encoder}") for encoder in encoders if encoder in ALL_WIDTHS]


def _find_repairs(
    host: PageHost, source: ChosenFile, files: Sequence[EmbeddingFile], facts: FileFacts, model: TextModel | None
) -> dict[str, Sequence[Action]]:
    """Return the buttons by repair, and by the kind of the remarks that the same click repairs."""
    repair = partial(_repair, source)
    is_word = word_test(model)
    convert = (repair("convert" if len(files) == 1 else f"convert to {len(files)} files", "convert"),)
    drop_bad = (repair("convert without the bad vectors", "drop bad"),)
    renamed = (repair(f"copy as {_propose(host, source.path.stem, is_word)}", "rename"),)
    repairs: dict[str, Sequence[Action]] = {
        "convert": convert,
        "drop bad": drop_bad,
        "equal lengths": (repair("pad with zero vectors", "pad"), repair("cut to the shortest", "cut")),
        "rename": renamed,
        "convert, rename": renamed,
    }
    parts = files[0].all_vectors
    if len(files) == 1 and len(parts) > 1:
        repairs["split"] = (repair(f"split into {' and '.join(part_names(files[0].name, parts).values())}", "split"),)
    for remark in remark_on_name(source.path.stem, others=facts.neighbours, is_vocabulary_word=is_word):
        repairs[remark.kind] = renamed
    if len(files) == 1 and _can_remake(files[0], model):
        repairs["remake"] = (repair("make it again with the loaded checkpoint", "remake"),)
    repair_of_all = next(iter(facts.repaired), "")
    repairs |= {"number format": repairs[repair_of_all], "pickle": repairs[repair_of_all]} if repair_of_all else {}
    return repairs | ({"not finite": drop_bad} if repair_of_all == "drop bad" else {})


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
        source = sources[wanted]
        return _draw_made(host, [_try(source.title, partial(REPAIRS[do], host, source, options))])
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


def _mend(host: PageHost, source: ChosenFile, options: ConvertOptions, **changes: object) -> list[Made]:
    """Convert with what the button asks for; where the name is taken, a number is added to it."""
    return _convert(host, [source], replace(options, join=False, **changes), set(), numbered=True)  # type: ignore[arg-type]


def _rename(host: PageHost, source: ChosenFile, options: ConvertOptions) -> list[Made]:
    name = options.name or _propose(host, source.path.stem, word_test(loaded_model(host)))
    return _mend(host, source, options, name=name)


def _remake(host: PageHost, source: ChosenFile, options: ConvertOptions) -> list[Made]:
    """Make a file again from its recipe, for the family of the loaded model; the old one stays."""
    file = read_embedding(source.path)
    read_recipe(source.path.name, file.metadata)  # no model is loaded for a file without one
    model = host.load_text_model()
    family = model.family.key if model.family is not None else "remade"
    folder = _folder(host, source, options)
    wished = options.name or f"{file.name}-{family}"
    check_name(wished)
    free = (name for n in count(2) if not exists(folder / f"{(name := f'{wished}-{n}')}.safetensors"))
    is_taken = exists(folder / f"{wished}.safetensors") and not options.overwrite
    saved = rebuild(
        replace(file, path=file.path.with_name(f"{next(free) if is_taken else wished}.safetensors")),
        model,
        SaveForm(options.overwrite, options.dtype, "keep").options(folder, host.limits),
    )
    said = f"Made again with {model.title}; the old file stays."
    return [replace(_made(host, Conversion(one.path, (said,))), warnings=one.warnings) for one in saved]


def _split(host: PageHost, source: ChosenFile, options: ConvertOptions) -> list[Made]:
    folder, name = _folder(host, source, options), options.name or None
    done = split_file(source.path, folder, options.how, name=name, overwrite=options.overwrite, numbered=True)
    return [_made(host, one) for one in done]


REPAIRS: Mapping[str, Callable[[PageHost, ChosenFile, ConvertOptions], list[Made]]] = MappingProxyType(
    {
        "convert": _mend,
        "drop bad": partial(_mend, drop_bad=True),
        "pad": partial(_mend, unequal=UNEQUAL_CHOICES[1]),
        "cut": partial(_mend, unequal=UNEQUAL_CHOICES[2]),
        **{f"as {encoder}": partial(_mend, encoder=encoder) for encoder in ALL_WIDTHS},
        "rename": _rename,
        "remake": _remake,
        "split": _split,
    }
)
"""What a button can ask for."""


# --- Converting ----------------------------------------------------------------------------------------------------


def convert_from_page(host: PageHost, uploads: Sequence[str], picked: Sequence[str], options: ConvertOptions) -> str:
    """Write every embedding of the chosen files as clean safetensors; a file that fails, fails alone."""
    try:
        sources = choose_sources(host, uploads, picked)
        if options.join and not options.name:
            raise FileError("The files that are joined need a name.", suggestion="Write it into the box.")
        if options.name and len(sources) > 1 and not options.join:
            raise FileError("One name cannot serve several files.", suggestion="Leave the name empty, or join them.")
    except EmbeddingMergeError as error:
        return draw_error(error)
    taken: set[str] = set()
    groups = [sources] if options.join else [[source] for source in sources]
    tried = [_try(_title(group), partial(_convert, host, group, options, taken)) for group in groups]
    return _draw_made(host, tried, len(sources))


def _title(group: Sequence[ChosenFile]) -> str:
    return ", ".join(source.title for source in group[:4]) + (", …" if len(group) > 4 else "")


@dataclass(frozen=True)
class _Tried:
    """What came of one file, or of several that were to be joined."""

    title: str
    made: Sequence[Made] = ()
    error: str = ""


def _try(title: str, do: Callable[[], list[Made]]) -> _Tried:
    try:
        return _Tried(title, do())
    except EmbeddingMergeError as error:
        return _Tried(title, error=draw_error(_in_words_of_the_page(error)))
    except OSError as error:
        return _Tried(title, error=draw_error(FileError(f"{error.filename or 'A file'}: {error.strerror or error}.")))


def _in_words_of_the_page(error: EmbeddingMergeError) -> EmbeddingMergeError:
    """Return a mistake with what helps on this page, in the place of the command line's options."""
    if isinstance(error, FileExists):
        error.suggestion = 'Tick "Overwrite" to replace it, or give a name.'
    elif isinstance(error, NotFinite) and error.suggestion:
        error.suggestion = 'Tick "Leave out vectors with NaN or infinity" to keep the others.'
    elif set(error.alternatives) & set(ALL_WIDTHS):
        error.suggestion = 'Choose it at "Whose vectors".'
    return error


def _draw_made(host: PageHost, tried: Sequence[_Tried], sources: int = 1) -> str:
    if any(one.made for one in tried):
        host.refresh_embeddings()
    refused = sum(bool(one.error) for one in tried)
    refused = sources if refused and len(tried) < sources else refused
    done = [one.made for one in tried if one.made]
    total = count_conversions(sources, done, refused)
    return draw("convert/converted", tried=tried, total=total if sources > 1 else "")


def _folder(host: PageHost, source: ChosenFile, options: ConvertOptions) -> Path:
    """Return the folder that new files go to: the one that is wished, or the source's own.

    Raises: NameProblem where it is not below the embeddings folder.
    """
    return folder_below(host.embeddings_folder, read_folder(options.folder) or (source.folder or ""))


def _convert(
    host: PageHost,
    sources: Sequence[ChosenFile],
    options: ConvertOptions,
    taken: set[str],
    *,
    numbered: bool = False,
) -> list[Made]:
    """Write what one file holds, or join several."""
    folder, overwrite = _folder(host, sources[0], options), options.overwrite
    if options.join:
        paths = [source.path for source in sources]
        return [_made(host, join_files(paths, folder, options.name, options.how, overwrite=overwrite))]
    name = options.name or None
    path = sources[0].path
    done = convert_embeddings(
        path, folder, options.how, name=name, overwrite=overwrite, numbered=numbered, taken=taken
    )
    return [_made(host, one) for one in done]


def _made(host: PageHost, done: Conversion) -> Made:
    """Read the new file back and judge it."""
    path = done.path
    (file,) = load_embeddings(path)
    facts = _facts_among_others(host, path)
    model = loaded_model(host)
    verdicts = judge(facts, is_vocabulary_word=word_test(model))
    relative = Path(os.path.relpath(path.parent, host.embeddings_folder)).as_posix()
    check = NameCheck(host, path.stem, "" if relative == "." else relative, model)
    return Made(
        path.stem,
        path,
        shapes_of(file.all_vectors),
        size_of(path),
        done.notes,
        tuple(doubt.text for doubt in check.doubts),
        draw_loads(facts, verdicts),
        done.is_kept,
    )
