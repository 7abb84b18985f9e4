"""Paths: what people write, and what lies there. Every failure of the system becomes a sentence here, and only here.

Nothing else asks the system about a path; an architecture test holds that.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ..errors import FileError, shorten

__all__ = [
    "PathKind",
    "check_regular",
    "exists",
    "full_path",
    "is_below",
    "is_file",
    "is_folder",
    "kind_of",
    "list_folder",
    "make_folder",
    "read_path",
    "read_small_text",
    "size_of",
    "time_of_change",
    "unreadable",
    "walk_folders",
]

PathKind = Literal["file", "folder", "other"]
"""What lies at a path: a regular file, a folder, or what is neither, such as a pipe; of a link, what it leads to."""

LARGEST_TEXT = 256 * 1024 * 1024
"""Bytes of a text file that is read whole; the largest tokenizer.json has 34 MB."""

SHOWN = 200
"""Characters of a path in a message."""

_NOTHING_THERE = (FileNotFoundError, NotADirectoryError)


def read_path(text: str) -> Path:
    """Return the path that a person wrote; `~` at its beginning is the home folder.

    Raises: FileError where it is empty, holds a character that no path may hold, or names a person's home folder
    that is not there.
    """
    if not text.strip():
        raise FileError("The path is empty.")
    if not _is_writable(text):
        raise FileError(f"No path may hold the broken character in {shorten(_printable(text), SHOWN)}.")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise FileError(f"There is no home folder {Path(text).parts[0]}.") from error


def kind_of(path: Path) -> PathKind | None:
    """Return what lies at a path; None where nothing does, or where it is longer than any name may be.

    Raises: FileError where the system does not say, for want of permission for instance.
    """
    try:
        mode = path.stat().st_mode
    except _NOTHING_THERE:
        return None
    except ValueError:  # a character that no path may hold
        return None
    except OSError as error:
        if _is_too_long(error):
            return None
        raise unreadable(path, error) from error
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"


def exists(path: Path) -> bool:
    """Return whether anything lies at a path. Raises: FileError as `kind_of`."""
    return kind_of(path) is not None


def is_file(path: Path) -> bool:
    """Return whether a regular file lies at a path. Raises: FileError as `kind_of`."""
    return kind_of(path) == "file"


def is_folder(path: Path) -> bool:
    """Return whether a folder lies at a path. Raises: FileError as `kind_of`."""
    return kind_of(path) == "folder"


def size_of(path: Path) -> int:
    """Return a file's size in bytes.

    Raises: FileError where it cannot be had.
    """
    try:
        return path.stat().st_size
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def check_regular(path: Path) -> None:
    """Refuse, before it is opened, what is no file: a pipe waits for its writer, and some devices never end.

    Raises: FileError where it is something else; OSError where it is missing or cannot be looked at.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise FileError(f"{path.name} is a folder, not a file.")
    if not stat.S_ISREG(mode):
        raise FileError(f"{path.name} is not a regular file.")


def read_small_text(path: Path) -> str:
    """Return what a text file in UTF-8 holds.

    Raises: FileError where it is no file, is far too large, or cannot be read.
    """
    try:
        check_regular(path)
        size = size_of(path)
        if size > LARGEST_TEXT:
            raise FileError(f"{path.name} is far too large a text: {size:,} bytes.")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FileError(f"{path.name} is not a text in UTF-8.") from error
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def time_of_change(path: Path) -> int | None:
    """Return when a file or folder was changed, in nanoseconds; None where there is none, or nobody may know."""
    try:
        return path.stat().st_mtime_ns
    except (OSError, ValueError):
        return None


def full_path(path: Path) -> Path:
    """Return the absolute path without links; what is not there, or a link in a circle, is taken as it is written.

    Raises: FileError for a character that no path may hold.
    """
    try:
        return Path(os.path.realpath(path))  # Path.resolve refuses links in a circle until Python 3.13
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def is_below(path: Path, root: Path) -> bool:
    """Return whether a path, links followed, is `root` or lies below it. Raises: FileError as `full_path`."""
    return full_path(path).is_relative_to(full_path(root))


def list_folder(folder: Path) -> list[Path]:
    """Return what a folder holds, sorted; nothing where it is not there.

    Raises: FileError where it may not be read.
    """
    try:
        return sorted(folder.iterdir())
    except _NOTHING_THERE:
        return []
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and not _is_too_long(error):
            raise unreadable(folder, error) from error
        return []


def walk_folders(root: Path, *, follow_links: bool = False) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder with the names of the folders and of the files in it, sorted, beginning with `root`.

    A folder that may not be entered is left out, and of folders that links lead to more than once, all but the first.
    The caller may shorten the list of folders.
    """
    seen: set[str] = set()
    for place, folders, files in os.walk(root, followlinks=follow_links):
        real = os.path.realpath(place)
        if real in seen or not _may_enter(place):
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        files.sort()
        yield Path(place), folders, files


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there.

    Raises: FileError where that fails, or something else lies there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise FileError(f"{folder} is not a folder.") from error
    except (OSError, ValueError) as error:
        raise FileError(f"The folder {folder} cannot be made: {_reason(error)}.") from error


def unreadable(path: Path, error: Exception) -> FileError:
    """Return the error for what the system says where a path was to be read."""
    return FileError(f"{shorten(_printable(str(path)), SHOWN)} cannot be read: {_reason(error)}.")


def _may_enter(folder: str) -> bool:
    return os.access(folder, os.R_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def _reason(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said[:1].lower() + said[1:]


def _is_too_long(error: OSError) -> bool:
    return error.errno == errno.ENAMETOOLONG


def _is_writable(text: str) -> bool:
    """Return whether a path can be handed to the system; names that are no UTF-8 are surrogates in Python."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
