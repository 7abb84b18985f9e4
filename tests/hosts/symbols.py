"""The symbols of a host that an adapter's docstring lists, and whether our code uses them."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

SHARED = (
    *("webui", "running_host", "embedding_words", "host_encoder", "host_table", "checkpoint_list"),
    "sdnext_prompts",
)
"""What adapters have in common; an adapter's symbols may be used there."""


def unused_symbols(adapter: ModuleType) -> list[str]:
    """Give the names that the adapter's docstring lists and nothing uses."""
    source = Path(str(adapter.__file__))
    listed, code = source.read_text(encoding="utf-8").split('"""', 2)[1:]
    code += "".join(source.with_name(f"{name}.py").read_text(encoding="utf-8") for name in SHARED)
    return [name for name in re.findall(r"`[\w.]*?\.?(\w+)`", listed) if not re.search(rf"\b{name}\b", code)]
