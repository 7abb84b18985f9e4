"""The norms of a checkpoint's vocabulary, kept in the user's cache folder: reading all its rows takes a second.

What is kept is known by the checkpoint's identity, which changes with its file. Nothing depends on it: what is missing,
damaged or cannot be written is computed again.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from ..errors import FileError
from ..vectors.norm_scale import NormScale
from .paths import make_folder, size_of
from .writing import write_atomically

__all__ = ["NormCache", "cache_folder"]

MOST_BYTES = 16 * 1024 * 1024
"""Of a kept file; CLIP's vocabulary takes 0.4 MB."""


def cache_folder() -> Path:
    """Return the folder in which this user's programs keep what they can make again.

    Source: https://specifications.freedesktop.org/basedir-spec/, and the places of Windows and macOS.
    """
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "embmerge"


@dataclass(frozen=True)
class NormCache:
    """The file that keeps one encoder's norms; `identity` names the table that they are of."""

    identity: str

    @property
    def _path(self) -> Path:
        return cache_folder() / "norms" / f"{hashlib.sha256(self.identity.encode()).hexdigest()}.npy"

    def load(self) -> NormScale | None:
        """Return what was kept; None where nothing is, or where it cannot be read."""
        try:
            path = self._path
            if size_of(path) > MOST_BYTES:
                return None
            norms = np.load(path, allow_pickle=False)
        except (FileError, OSError, ValueError, EOFError, RuntimeError):  # RuntimeError: a system without a home folder
            return None
        is_sound = norms.ndim == 1 and norms.dtype == np.float64 and bool(np.all(np.diff(norms) >= 0))
        return NormScale(norms) if is_sound else None

    def keep(self, scale: NormScale) -> None:
        """Keep a scale; where the folder cannot be written in, it is computed again the next time."""
        with suppress(FileError, OSError, RuntimeError):
            path = self._path
            make_folder(path.parent)
            write_atomically(_encode(scale), path, overwrite=True)


def _encode(scale: NormScale) -> bytes:
    file = BytesIO()
    np.save(file, scale.norms, allow_pickle=False)
    return file.getvalue()
