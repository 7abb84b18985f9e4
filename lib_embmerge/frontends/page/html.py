"""HTML of the page: the templates that lie here and in the features' folders, drawn with values always escaped."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import EmbeddingMergeError
from ..figures import amount, duration, figure, size

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["draw", "draw_error"]

FOLDER = Path(__file__).parent


def draw(template: str, **values: object) -> str:
    """Draw the template of that name, `error` or `build/summary`.

    Raises: jinja2's UndefinedError for a value that the template names and nobody gave.
    """
    return _environment().get_template(f"{template}.html").render(**values)


def draw_error(error: EmbeddingMergeError, *, is_quiet: bool = False) -> str:
    """Draw a user's mistake: the line with its caret in a monospace block, the sentence, the suggestion.

    A quiet one does not interrupt a screen reader: for what is looked at while one still types.
    """
    return draw("error", error=error, is_quiet=is_quiet)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    # jinja2 comes with torch; it is imported on the first drawing, so that loading the extension does not wait for it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"figure": figure, "amount": amount, "duration": duration, "bytes": size}
    return made
