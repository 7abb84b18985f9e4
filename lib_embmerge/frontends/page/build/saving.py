"""Saving from the page: the name as one types it, the file, and the line that says what was saved."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import cast

from ....entered import Entered, read_expression
from ....errors import EmbeddingMergeError, FileError, FileExists, NameProblem
from ....evaluation import Analysis
from ....families import CLIP
from ....files.installed_embeddings import EmbeddingFolder
from ....files.names import check_new_name, folder_below, remark_on_name
from ....files.paths import exists, list_folder
from ....host_protocol import PageHost, TextModel
from ....inspection import word_test
from ....limits import CHUNK
from ....remarks import Action, Remark
from ....saving import Long, Saved, SaveOptions, TooLong, save_expression
from ...save_form import SaveForm
from ..html import draw, draw_error
from ..model_name import name_model
from ..question import Answer, Question
from ..repairs import repair_error

__all__ = [
    "LONG_CHOICES",
    "SAME_NAME",
    "NameCheck",
    "answer_name",
    "check_length",
    "check_ticks",
    "check_wished_name",
    "choose_length",
    "draw_saved",
    "list_embeddings",
    "long_choice",
    "read_folder",
    "save_from_page",
    "save_or_ask",
]

LONG = MappingProxyType(
    {
        "refuse": None,
        "cut to the first 75": "cut",
        "pool into their mean": "pool",
        "split into several files": "split",
        "keep all in one file": "keep",
    }
)
CHOOSE = "Choose what becomes of them."
SAME_NAME = "Use this name anyway"
"""The tick that lets a doubtful name through."""

LONG_CHOICES = tuple(LONG)
"""What can become of more than 75 vectors, in the page's words."""


def long_choice(label: str) -> Long | None:
    """Return what one of `LONG_CHOICES` means; None where nothing is chosen."""
    return cast("Long | None", LONG.get(label))


class NameCheck:
    """What a wished name comes to: the file's place, whether one is there, remarks, and what of it asks for a tick."""

    def __init__(
        self,
        host: PageHost,
        wished: str,
        folder: str,
        model: TextModel | None,
        others: Mapping[str, Sequence[Path]] | None = None,
    ) -> None:
        """Check the name and the folder; `others` are all embeddings by name, listed here where they are not given.

        Raises: NameProblem where nothing can be saved under them.
        """
        check_new_name(wished)
        root = host.embeddings_folder
        self.folder = folder_below(root, read_folder(folder))
        self.path = self.folder / f"{wished}.safetensors"
        self.exists = exists(self.path)
        others = list_embeddings(host) if others is None else others
        twins = [path for path in others.get(wished, []) if path != self.path]
        said = remark_on_name(wished, others=others, is_vocabulary_word=word_test(model))
        self.characters = [remark for remark in said if remark.kind == "name: characters"]
        self.doubts = [remark for remark in said if remark.kind != "name: characters"]
        for path in twins:
            self.doubts.append(Remark("name: twins", f"{path} has this name, too: only one of them will be found."))


def read_folder(text: str) -> str:
    """Return a folder as it was written, without blanks and a slash at its end; one at its beginning is not ours."""
    text = text.strip()
    return text if text.startswith("/") else text.rstrip("/")


def list_embeddings(host: PageHost) -> Mapping[str, Sequence[Path]]:
    """Return the files in the host's embeddings folder and below it, by name."""
    root = host.embeddings_folder
    return EmbeddingFolder(root).paths()


def check_wished_name(host: PageHost, wished: str, folder: str) -> NameCheck:
    """Check a name against the files that are there and the loaded model's vocabulary.

    Raises: NameProblem where nothing can be saved under it.
    """
    return NameCheck(host, wished, folder, host.loaded_text_model())


def answer_name(question: Question, host: PageHost) -> Answer:
    """Answer what is wrong with the name that is being typed."""
    wished, folder = question.text("name").strip(), question.text("folder")
    if not wished:
        return Answer(slots={"name": ""}, state={"exists": False, "doubtful": False})
    try:
        found = check_wished_name(host, wished, folder)
    except NameProblem as error:
        others = [Action(other, "name", other) for other in error.alternatives]
        drawn = draw_error(error, is_quiet=True) + draw("actions", actions=others)
        return Answer(slots={"name": drawn}, state={"exists": False, "doubtful": False, "refused": True})
    return Answer(
        slots={"name": draw("build/name", check=found)},
        state={"exists": found.exists, "doubtful": bool(found.doubts)},
    )


def save_from_page(
    host: PageHost,
    text: str,
    wished: str,
    folder: str,
    overwrite: bool,
    same_name: bool,
    dtype: str,
    long: str,
    author: str,
    note: str,
    trigger: str,
    tags: str,
    negative: bool,
) -> str:
    """Save what is written; return the result line, or the mistake, as HTML."""
    form = SaveForm(overwrite, dtype, long_choice(long), author, note, trigger, tags, is_negative=negative)
    try:
        if not text.strip():
            raise EmbeddingMergeError(
                "There is nothing to save yet.", suggestion="Write an expression first, or take an example."
            )
        entered = read_expression(text, limits=host.limits)  # its mistakes come before those of a name
        model = host.load_text_model()
        place = check_wished_name(host, wished.strip(), folder)
        check_ticks(place, overwrite=overwrite, same_name=same_name)
        options = form.options(place.folder, host.limits, is_installed_here=True)
        before = _files_in(place.folder)
        saved = save_or_ask(entered, wished.strip(), model, options)
        host.refresh_embeddings()
    except EmbeddingMergeError as error:
        choices = choose_length("long") if isinstance(error, TooLong) else []
        return draw_error(error) + draw("actions", actions=[*repair_error(error, text), *choices])
    return draw_saved(saved, model, replaced=before)


def _files_in(folder: Path) -> frozenset[Path]:
    """Return the files of a folder; none where there is no such folder yet."""
    try:
        return frozenset(list_folder(folder))
    except FileError:
        return frozenset()


def save_or_ask(entered: Entered, name: str, model: TextModel, options: SaveOptions) -> list[Saved]:
    """Save an expression; where it is too long, ask for what the page calls the choice.

    Raises: as `save_expression`.
    """
    try:
        return save_expression(entered, name, model, options)
    except TooLong as error:
        error.suggestion = CHOOSE
        raise


def draw_saved(saved: Sequence[Saved], model: TextModel, *, replaced: Collection[Path] = ()) -> str:
    """Draw what was saved: a line for each file, with a button that sends its name to a prompt.

    `replaced` are the files that were there before.
    """
    # The time tells this answer from the one before, where the same file is saved twice.
    now = time.strftime("%H:%M:%S")
    return draw(
        "build/saved", saved=saved, replaced=replaced, model=model, model_name=name_model(model), time=now
    )


def check_ticks(
    place: NameCheck, *, overwrite: bool, same_name: bool, tick: str = SAME_NAME
) -> None:
    """Refuse to replace a file, or to use a doubtful name, without its tick; `tick` is what the latter is called.

    Raises: FileExists, NameProblem.
    """
    if place.exists and not overwrite:
        raise FileExists(f"{_shown(place.path)} exists already.", suggestion='Tick "Overwrite" to replace it.')
    if place.doubts and not same_name:
        raise NameProblem(place.doubts[0].text, suggestion=f'Tick "{tick}", or take another.')


def check_length(entered: Entered, model: TextModel, long: str) -> int:
    """Return how many vectors an expression has.

    Raises: TooLong for more than 75, unless `long`, one of `LONG_CHOICES`, says what becomes of them; and as `count`.
    """
    analysis = Analysis(entered, model)
    of_clip = analysis.lengths.get(CLIP, 0)
    if of_clip > CHUNK and LONG.get(long) is None:
        raise TooLong(of_clip, suggestion=CHOOSE)
    return analysis.length


def choose_length(target: str) -> list[Action]:
    """Return a button for each choice of the field `target`, which says what becomes of more than 75 vectors."""
    return [Action(label, target, label) for label, choice in LONG.items() if choice is not None]


def _shown(path: Path) -> str:
    return path.name
