"""Textual-inversion embeddings out of words, with no training.

A person writes `<'cat' - 'adult' + 'child'>` in a prompt, and the picture is made with that vector. Reading order:

1. merge.py          a prompt with expressions becomes a prompt with placeholders that hold their vectors
2. operations.py     every operator and function of the language, as one table
3. language/         text to tree; no tensors
4. vectors/          the mathematics; no text
5. evaluation/       an expression and a model: the value, the count, the remarks; `Analysis` answers all
6. host_protocol.py  all that is asked of the outside
7. files/            checkpoints, embedding files, tokenizers, where a file will load
8. saving.py         an expression becomes a file that knows what it was made of
9. library.py        the verbs for scripts, which the command line uses, too; docs/library.md shows them
10. hosts/           each WebUI's inside, in one module each
11. frontends/       the command line, the tab "Save embedding" and the app

A module imports only what stands on a lower level; CONTRIBUTING.md has the table.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .carry import carry_map, carry_shared, carry_words
    from .entered import read_expression
    from .errors import EmbeddingMergeError
    from .files.reading import read_embedding
    from .inspection import explain
    from .library import Count, Inspection, check, compare, count, evaluate, inspect, merge_prompt, rebuild, save
    from .limits import Limits
    from .models.checkpoint import open_model
    from .operations import OPERATIONS
    from .saving import SaveOptions

__all__ = [
    "OPERATIONS",
    "Count",
    "EmbeddingMergeError",
    "Inspection",
    "Limits",
    "SaveOptions",
    "__version__",
    "carry_map",
    "carry_shared",
    "carry_words",
    "check",
    "compare",
    "count",
    "evaluate",
    "explain",
    "inspect",
    "merge_prompt",
    "open_model",
    "read_embedding",
    "read_expression",
    "rebuild",
    "save",
]

_MODULES = {
    "OPERATIONS": "operations",
    "EmbeddingMergeError": "errors",
    "Limits": "limits",
    "SaveOptions": "saving",
    "explain": "inspection",
    "open_model": "models.checkpoint",
    "read_embedding": "files.reading",
    "read_expression": "entered",
    **dict.fromkeys(("carry_map", "carry_shared", "carry_words"), "carry"),
    **dict.fromkeys(
        (
            *("Count", "Inspection", "check", "compare", "count", "evaluate"),
            *("inspect", "merge_prompt", "rebuild", "save"),
        ),
        "library",
    ),
}
"""Where each name stands: it is imported when it is first asked for, so that nobody waits for torch in vain."""


def __getattr__(name: str) -> Any:
    """Import a public name on its first use. Source: https://peps.python.org/pep-0562/"""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return sorted({*globals(), *__all__})
