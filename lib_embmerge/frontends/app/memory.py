"""Giving memory back to the system, in a program that runs for days and opens one checkpoint after the other."""

from __future__ import annotations

import ctypes
import gc

__all__ = ["forget_garbage", "give_large_blocks_back"]

M_MMAP_THRESHOLD = -3
"""Source: glibc, malloc.h; https://man7.org/linux/man-pages/man3/mallopt.3.html"""

LARGE = 128 * 1024
"""Bytes."""


def give_large_blocks_back() -> None:
    """Let each large block be the system's own again as soon as it is free; nothing where the C library has no say.

    By itself glibc raises the size from which it does so up to 32 MB with each block that is freed, and then cuts the
    blocks of a pass over a table out of its heap, where small things between them keep them: 80 MB for each Open.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if _has_libc() else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE)


def forget_garbage() -> None:
    """Free what only refers to itself, such as a model that was closed; for moments in which somebody waits anyway."""
    gc.collect()


def _has_libc() -> bool:
    try:
        ctypes.CDLL(None)
    except (OSError, TypeError):  # TypeError on Windows
        return False
    return True
