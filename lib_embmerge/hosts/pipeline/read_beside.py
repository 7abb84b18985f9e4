"""Reading a folder of embeddings beside what was read before, so that nobody meets an empty list meanwhile.

The hosts empty their lists and then read file by file. A save has the folder read again, by us and by the page's
cards; a picture that is made at that moment would take the names of embeddings for words.
Source: A1111 1.10.1, modules/textual_inversion/textual_inversion.py:212-236; Forge dfdcbab6, backend/text_processing/
textual_inversion.py, `load_textual_inversion_embeddings`.
"""

from __future__ import annotations

import copy
import itertools
import weakref
from collections.abc import Callable
from typing import Any

from ..encoders.installed_lookup import replace_installed
from .hooks import Hook

__all__ = ["read_beside", "reading_hook"]

WITHOUT = "A picture that is begun in the moment of a save may take the names of embeddings for words."

LISTS = ("ids_lookup", "word_embeddings", "skipped_embeddings")
"""What a database knows, by tokens and by names."""

_NUMBERS = itertools.count()
_SHOWN: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
"""By database the number of the reading that it shows."""


def reading_hook(host: Any) -> Hook:
    """Return the hook on how the databases of a host read their folder."""
    owner = getattr(host.textual_inversion, "EmbeddingDatabase", host.textual_inversion)
    return Hook(owner, "load_textual_inversion_embeddings", read_beside, WITHOUT)


def read_beside(original: Callable[..., Any], database: Any, *args: Any, **kwargs: Any) -> Any:
    """Stand in for a database's reading of its folder: what it finds is shown when it has found all of it.

    Of two readings at a time the one that began later is shown.
    """
    number = next(_NUMBERS)
    lists = [name for name in LISTS if name in vars(database)]
    before = {name: value.copy() if name in lists else value for name, value in vars(database).items()}
    beside = copy.copy(database)
    vars(beside).update({name: before[name].copy() for name in lists})
    result = original(beside, *args, **kwargs)
    after = vars(beside)
    if any(after[name] != before[name] for name in lists) and _SHOWN.get(database, -1) < number:
        _SHOWN[database] = number
        _show(database, {name: after[name] for name in lists})
    vars(database).update({n: value for n, value in after.items() if n not in lists and value is not before.get(n)})
    return result


def _show(database: Any, found: dict[str, Any]) -> None:
    if "ids_lookup" in found:  # stays the same object: pictures that are being encoded have placeholders in it
        replace_installed(database.ids_lookup, found.pop("ids_lookup"))
    vars(database).update(found)
