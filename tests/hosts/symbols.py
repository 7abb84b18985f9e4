"""The symbols of a host that an adapter's docstring lists, and whether our code uses them."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

from lib_embmerge import hosts

SHARED = ("webui", "pipeline", "encoders")
"""Folders of what adapters have in common; an adapter's symbols may be used there."""

HOSTS = Path(hosts.__path__[0])


def unused_symbols(adapter: ModuleType) -> list[str]:
    """Give the names that the adapter's docstring lists and nothing uses."""
    source = Path(str(adapter.__file__))
    listed, code = source.read_text(encoding="utf-8").split('"""', 2)[1:]
    beside = source.parent.glob("*.py") if source.parent != HOSTS else ()
    shared = (path for folder in SHARED for path in (HOSTS / folder).glob("*.py"))
    code += "".join(path.read_text(encoding="utf-8") for path in (*beside, *shared) if path != source)
    return [name for name in re.findall(r"`[\w.]*?\.?(\w+)`", listed) if not re.search(rf"\b{name}\b", code)]
