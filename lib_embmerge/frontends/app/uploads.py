"""Where files lie that are dropped on the app's page: few, for a while, and gone when the app ends."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...errors import FileError
from ...files.paths import is_below, is_folder, walk_folders
from ...files.reading import SIZE_LIMIT

__all__ = ["LARGEST_UPLOAD", "Uploads", "keep_uploads"]

LARGEST_UPLOAD = 4 * SIZE_LIMIT
"""Bytes that are sent at once: a few of the largest files that are read."""
MOST_BYTES = 8 * SIZE_LIMIT
MOST_FILES = 500
LONGEST_S = 3_600.0
"""Seconds that a file is kept."""

VARIABLE = "GRADIO_TEMP_DIR"
"""By which gradio, in all versions, is told where uploads belong."""


@dataclass(frozen=True)
class Uploads:
    """The folder of uploads."""

    folder: Path

    def holds(self, path: Path) -> bool:
        """Return whether a file is one of them."""
        try:
            return is_below(path, self.folder)
        except FileError:
            return False

    def tidy(self) -> None:
        """Remove what is old, and of the rest the oldest, until another upload can be taken."""
        kept_bytes, kept_files = 0, 0
        for changed, size, path in sorted(self._files(), reverse=True):
            kept_bytes, kept_files = kept_bytes + size, kept_files + 1
            is_old = time.time() - changed > LONGEST_S
            if is_old or kept_files > MOST_FILES or kept_bytes > MOST_BYTES - LARGEST_UPLOAD:
                _remove(path)

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        for folder, _, files in walk_folders(self.folder):
            for path in (folder / name for name in files):
                try:
                    status = path.stat()
                except OSError:  # gone meanwhile
                    continue
                yield status.st_mtime, status.st_size, path


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # Windows keeps a file that is being read; the next time will do


@contextmanager
def keep_uploads() -> Iterator[Uploads]:
    """Return gradio a folder of its own for uploads, and remove it in the end."""
    before = os.environ.get(VARIABLE)
    folder = Path(tempfile.mkdtemp(prefix="embmerge-", dir=before if before and is_folder(Path(before)) else None))
    os.environ[VARIABLE] = str(folder)
    try:
        yield Uploads(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
