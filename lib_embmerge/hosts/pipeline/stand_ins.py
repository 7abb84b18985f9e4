"""Words in the places of expressions, while extensions search a picture's prompts with patterns of their own.

negpip looks for `(text:-1)` where the text has no bracket and no colon, and reads editing in the raw prompt: the signs
of an expression mislead it. Between the host's parsing of extra networks and its encoding, which is when scripts have
their turn, a word stands for each expression. Whoever has a word encoded or tokenized gets its expression's vectors.
Source: A1111 1.10.1, modules/processing.py:952-966; hako-mikan/sd-webui-negpip dc75fd2c, scripts/negpip.py:58, 182.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from ...errors import SyntaxProblem
from ...language.scan import Brackets, find_islands, holds_expression
from ...placeholders import stand_in_name, stood_for

__all__ = ["StandIns"]

PATTERN_READERS = frozenset({"negpip.py"})
"""Scripts of extensions that search prompts so."""

PROMPTS = ("prompts", "negative_prompts", "hr_prompts", "hr_negative_prompts")
"""Attributes of a job: the prompts of the pictures that are made next."""

MOST_KNOWN = 1_000
"""Words that are remembered from pictures before."""


class StandIns:
    """The words that stand for expressions in the prompts of the pictures that are made now."""

    def __init__(self) -> None:
        """Begin with none."""
        self._known: dict[str, str] = {}

    def hide(self, p: Any, brackets: Brackets) -> None:
        """Put words in the places of a job's expressions, where an extension is there that they are for."""
        if not _has_pattern_reader(p):
            return
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        for name, prompts in _lists(p):
            setattr(p, name, [self._without(prompt, brackets) for prompt in prompts])

    def restore(self, p: Any) -> None:
        """Put the expressions back into a job's prompts, as far as the words are still there."""
        for name, prompts in _lists(p) if self._known else ():
            setattr(p, name, self.shown(prompts))

    def shown(self, prompts: Sequence[str]) -> list[str]:
        """Return prompts with the expressions in the places of their words."""
        return [stood_for(prompt, self._known) for prompt in prompts]

    def __bool__(self) -> bool:
        """Return whether any word stands for an expression."""
        return bool(self._known)

    def _without(self, prompt: str, brackets: Brackets) -> str:
        if not holds_expression(prompt):
            return prompt
        try:
            islands = find_islands(prompt, brackets)
        except SyntaxProblem:
            return prompt  # which the host's encoding tells
        for island in reversed(islands):
            text = prompt[island.span.start : island.span.end]
            name = stand_in_name(text)
            self._known[name] = text
            prompt = prompt[: island.span.start] + name + prompt[island.span.end :]
        return prompt


def _has_pattern_reader(p: Any) -> bool:
    scripts = getattr(getattr(p, "scripts", None), "alwayson_scripts", None) or ()
    return any(PurePath(str(getattr(script, "filename", ""))).name in PATTERN_READERS for script in scripts)


def _lists(p: Any) -> list[tuple[str, list[str]]]:
    return [(name, found) for name in PROMPTS if isinstance(found := getattr(p, name, None), list)]
