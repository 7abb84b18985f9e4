"""A host's modules: put into `sys.modules` as a table says, and taken away again."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

FOREIGN = ("modules", "modules_forge", "backend", "open_clip")
"""Packages that only hosts have."""


class Modules:
    """A host's modules by their whole names, and what its parts share."""

    current: Modules
    """Those that are installed."""

    def __init__(self, folder: Path, **facts: Any) -> None:
        self.embeddings_folder = folder / "embeddings"
        self.embeddings_folder.mkdir()
        self.checkpoints_folder = folder / "checkpoints"
        self.facts = facts
        """In what hosts differ from each other, by name."""
        self.found: dict[str, ModuleType] = {}

    def __getitem__(self, name: str) -> Any:
        return self.found[name]

    def add(self, name: str, attributes: Mapping[str, Any]) -> None:
        """Make a module, with the packages around it."""
        package, _, last = name.rpartition(".")
        if package and package not in self.found:
            self.add(package, {})
        module = self.found.setdefault(name, ModuleType(name))
        module.__spec__ = ModuleSpec(name, None, is_package=True)
        module.__path__ = []  # nothing is found in files
        vars(module).update(attributes)
        if package:
            setattr(self.found[package], last, module)


Maker = Callable[[Modules], Mapping[str, Any]]
"""Gives a module's attributes; what they need of other modules they look up when they are used."""


@contextlib.contextmanager
def installed(table: Mapping[str, Maker], folder: Path, **facts: Any) -> Iterator[Modules]:
    """Let imports find a host's modules, freshly made, while the context lasts."""
    kept = taken_away(FOREIGN)
    modules = Modules.current = Modules(folder, **facts)
    for name, make in table.items():
        modules.add(name, make(modules))
    sys.modules.update(modules.found)
    try:
        yield modules
    finally:
        for name in modules.found:
            sys.modules.pop(name, None)
        sys.modules.update(kept)


@contextlib.contextmanager
def library_kept() -> Iterator[None]:
    """Let our script file import the library anew; the tests have theirs back afterwards."""
    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "lib_embmerge"}
    try:
        yield
    finally:
        taken_away(["lib_embmerge"])
        sys.modules.update(kept)


def taken_away(packages: Sequence[str]) -> dict[str, Any]:
    """Forget the modules of packages; give them."""
    if sys.modules.keys().isdisjoint(packages):
        return {}
    beginnings = tuple(packages)  # most modules are told apart by that, and there are thousands
    found = [name for name in sys.modules if name.startswith(beginnings) and name.split(".")[0] in packages]
    return {name: sys.modules.pop(name) for name in found}


def fresh(kind: type, name: str = "", *, base: type | None = None, **attributes: Any) -> Any:
    """Give a class that is only this host's, with attributes of its own: hooks are set on it."""
    bases = kind.__bases__ if base is None else (base,)
    return type(name or kind.__name__, bases, {**own_attributes(kind), **attributes})


def own_attributes(kind: type) -> dict[str, Any]:
    """Give what a class has beside what it inherits."""
    return {key: value for key, value in vars(kind).items() if key not in ("__dict__", "__weakref__")}
