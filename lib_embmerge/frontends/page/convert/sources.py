"""Which files are looked at: uploads, files of the embeddings folder, and whole folders of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ....errors import FileError
from ....files.names import CONVERTIBLE
from ....files.paths import walk_folders
from ....host_protocol import PageHost
from ..source import find_file

__all__ = ["ChosenFile", "choose_sources", "list_choices"]

MOST_FILES = 100

ALL = "*"
"""What stands for all files of a folder."""


@dataclass(frozen=True)
class ChosenFile:
    """A file to look at: `key` finds it again among those that are chosen; `folder` is its place below the root.

    `folder` is None for an upload, which has none.
    """

    key: str
    path: Path
    folder: str | None

    @property
    def title(self) -> str:
        """How a person knows it."""
        return self.path.name if self.folder is None else self.key


def list_choices(host: PageHost) -> list[str]:
    """Return the files that can be picked, as paths below the embeddings folder; before them each folder, `style/*`."""
    files = _list_files(host)
    folders = {str(PurePosixPath(file).parent / ALL) for file in files}
    several = [folder for folder in folders if sum(PurePosixPath(file).match(folder) for file in files) > 1]
    return [*sorted(several, key=_order), *files]


def _list_files(host: PageHost) -> list[str]:
    return sorted(_find_files(host.embeddings_folder), key=_order)


def _order(path: str) -> tuple[int, str]:
    return path.count("/"), path.casefold()


def _find_files(root: Path) -> Iterator[str]:
    for folder, _, names in walk_folders(root, follow_links=True):
        for name in names:
            path = folder / name
            relative = path.relative_to(root).as_posix()
            if path.suffix.lower() in CONVERTIBLE and relative.isprintable():
                yield relative


def choose_sources(host: PageHost, uploads: Sequence[str], picked: Sequence[str]) -> list[ChosenFile]:
    """Return the files that were uploaded (paths that gradio gave) and picked (of `list_choices`).

    Raises: FileError where there are none or far too many; NameProblem for a path that is not in the folder.
    """
    listed = _list_files(host) if picked else []
    wanted = list(dict.fromkeys(file for choice in picked for file in _expand(choice, listed)))
    if len(uploads) + len(wanted) > MOST_FILES:
        raise FileError(f"These are {len(uploads) + len(wanted)} files; at most {MOST_FILES} are taken at once.")
    chosen = [ChosenFile(f"{place}:{Path(path).name}", Path(path), None) for place, path in enumerate(uploads)]
    chosen += [ChosenFile(file, find_file(host, file, listed), file.rpartition("/")[0]) for file in wanted]
    if not chosen:
        raise FileError("No file is chosen.", suggestion="Upload one, or pick one from the embeddings folder.")
    return chosen


def _expand(choice: str, listed: Sequence[str]) -> list[str]:
    folder, _, name = choice.rpartition("/")
    return [file for file in listed if file.rpartition("/")[0] == folder] if name == ALL else [choice]
