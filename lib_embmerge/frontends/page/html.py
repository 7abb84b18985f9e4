"""HTML of the page: the templates in templates/, drawn with values that are always escaped."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import EmbeddingMergeError
from ..figures import amount, duration, figure, size

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["draw", "draw_error"]

TEMPLATES = Path(__file__).parent / "templates"


def draw(template: str, **values: object) -> str:
    """Draw `templates/{template}.html`; a value that the template names and nobody gave is a KeyError of jinja2."""
    return _environment().get_template(f"{template}.html").render(**values)


def draw_error(error: EmbeddingMergeError) -> str:
    """Draw a user's mistake: the line with its caret in a monospace block, the sentence, the suggestion."""
    return draw("error", error=error)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    # jinja2 comes with torch; it is imported on the first drawing, so that loading the extension does not wait for it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"figure": figure, "amount": amount, "duration": duration, "bytes": size}
    return made
