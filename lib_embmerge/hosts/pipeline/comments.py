"""What WebUIs cut out of prompts as comments, before anything of ours runs."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["BLOCKS_AND_LINES", "HASH", "HASH_OR_SLASHES", "blank_comments"]

HASH = [re.compile(r"#[^\n]*")]
"""Source: A1111 1.10.1, modules/processing_scripts/comments.py:5-9; the same in Forge and Forge Classic."""

HASH_OR_SLASHES = [
    re.compile(r"^/\*.*?\*/$", re.MULTILINE | re.DOTALL),
    re.compile(r"#.*"),
    re.compile(r"//.*"),
    re.compile(r"/\*.*|\*/.*"),
]
"""Source: reForge 3b56b268, modules/processing_scripts/comments.py:5-10."""

BLOCKS_AND_LINES = [re.compile(r"/\*.*?\*/", re.DOTALL), re.compile(r"(#|//).*")]
"""Source: Forge Neo 2.26, modules/processing_scripts/comments.py:10-19."""

WRITTEN = re.compile(r"[^\n]")


def blank_comments(prompt: str, patterns: Sequence[re.Pattern[str]]) -> str:
    """Put blanks in the places of comments, so that all else stays where it was."""
    for pattern in patterns:
        prompt = pattern.sub(lambda comment: WRITTEN.sub(" ", comment[0]), prompt)
    return prompt
