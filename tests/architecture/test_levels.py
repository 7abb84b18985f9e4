"""Who may import whom: an AST walk over every module, imports inside functions included."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .sources import nodes_of, text_of

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "lib_embmerge"

LEVELS = {
    "errors": 0,
    "limits": 0,
    "families": 0,
    "operations": 1,
    "carry_ways": 0,
    "placeholders": 0,
    "prompt_rules": 0,
    "remarks": 2,
    "version": 0,
    "language": 2,
    "vectors": 2,
    "entered": 3,
    "host_protocol": 3,
    "files": 4,
    "evaluation": 4,
    "inspection": 4,
    "merge": 5,
    "saving": 5,
    "legacy": 5,
    "carry": 5,
    "compatibility": 5,
    "models": 5,
    "prompts": 5,
    "library": 6,
    "frontends": 7,
    "hosts": 7,
    "__main__": 8,
}
"""Level of each part of the package; a part imports only parts of smaller levels, and itself."""

ABOVE_ALL = 9
"""Level of what a WebUI runs."""

HOST_MODULES = {"modules", "modules_forge", "backend", "ldm_patched", "launch", "comfy", "folder_paths", "server"}
ONLY_IN = {
    "gradio": {
        "lib_embmerge/frontends/gradio_compat.py",
        "lib_embmerge/frontends/app/server.py",
        *(p.relative_to(ROOT).as_posix() for p in (PACKAGE / "frontends" / "tab").glob("*.py")),
    },
    "fastapi": {"lib_embmerge/frontends/rest.py"},
}
"""Foreign packages that only these files may import."""

ALLOWED_BELOW_LARK = {"lark"} | set(sys.stdlib_module_names)


def module_paths() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def all_sources() -> list[Path]:
    scripts = sorted((ROOT / "scripts").glob("*.py"))
    return [*module_paths(), *scripts, ROOT / "install.py", ROOT / "__init__.py"]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line and dotted parts of everything imported, relative imports made absolute."""
    own = list(path.relative_to(ROOT).with_suffix("").parts)
    for node in nodes_of(text_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = own[: len(own) - node.level] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            yield from ((node.lineno, [*base, alias.name]) for alias in node.names)


def part_of(parts: list[str]) -> str | None:
    return parts[1] if parts[0] == "lib_embmerge" and len(parts) > 1 else None


# The rules: each gives a sentence for every place of a file that breaks it


def imports_go_down(path: Path) -> list[str]:
    """A part imports parts of smaller levels, and itself."""
    part = part_of(list(path.relative_to(ROOT).with_suffix("").parts)) or ""
    found = []
    for line, parts in imports(path):
        other = part_of(parts)
        if path == PACKAGE / "__init__.py" or other in (None, part) or not is_part(str(other)):
            continue
        level, own = LEVELS[str(other)], LEVELS.get(part, ABOVE_ALL)
        if level >= own:
            found.append(f"{line} imports {other}, level {level}; its own is {own}")
    return found


def is_part(name: str) -> bool:
    """Say whether it is a module or a package of ours, not a name that the package itself lends."""
    return (PACKAGE / f"{name}.py").exists() or (PACKAGE / name).exists()


def host_modules_stay_at_the_border(path: Path) -> list[str]:
    """Modules of a WebUI are imported by its adapter, and by the scripts that it runs."""
    if path.is_relative_to(PACKAGE / "hosts") or not path.is_relative_to(PACKAGE):
        return []
    return [f"{line} imports {parts[0]}" for line, parts in imports(path) if parts[0] in HOST_MODULES]


def frontend_packages_stay_in_their_files(path: Path) -> list[str]:
    """The page's framework is imported where its components are made, and no other server's at all."""
    return [
        f"{line} imports {parts[0]}"
        for line, parts in imports(path)
        if name_of(path) not in ONLY_IN.get(parts[0], {name_of(path)})
    ]


def the_language_needs_only_lark(path: Path) -> list[str]:
    """The language is the standard library's and lark's alone."""
    if not path.is_relative_to(PACKAGE / "language"):
        return []
    allowed = ALLOWED_BELOW_LARK | {"lib_embmerge"}
    return [f"{line} imports {parts[0]}" for line, parts in imports(path) if parts[0] not in allowed]


def nothing_catches_everything(path: Path) -> list[str]:
    """Only the wiring of a WebUI, at the host's border, may catch everything."""
    if path.parent == ROOT / "scripts":
        return []
    handlers = [n for n in nodes_of(text_of(path)) if isinstance(n, ast.ExceptHandler)]
    broad = [h for h in handlers if h.type is None or {"Exception", "BaseException"} & names_in(h.type)]
    return [f"{handler.lineno} catches everything" for handler in broad]


def names_in(node: ast.expr) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


RULES: dict[Callable[[Path], list[str]], dict[str, str]] = {
    imports_go_down: {
        "vectors/a.py": "def f():\n    from ..evaluation import evaluate",
        "language/b.py": "from .. import remarks",
        "errors.py": "import lib_embmerge.vectors.embedding",
        "files/c.py": "from ..frontends.page import table",
    },
    host_modules_stay_at_the_border: {
        "frontends/tab/a.py": "from modules import shared",
        "saving.py": "def f():\n    import modules.shared",
        "files/b.py": "import backend.args",
    },
    frontend_packages_stay_in_their_files: {
        "frontends/page/a.py": "import gradio as gr",
        "inspection/b.py": "def f():\n    from gradio import Blocks",
        "frontends/tab/c.py": "from fastapi import FastAPI",
    },
    the_language_needs_only_lark: {
        "language/a.py": "import regex",
        "language/b.py": "def f():\n    import torch.nn",
    },
    nothing_catches_everything: {
        "files/a.py": "try:\n    pass\nexcept Exception:\n    pass",
        "files/b.py": "try:\n    pass\nexcept:\n    pass",
        "files/c.py": "try:\n    pass\nexcept (OSError, BaseException) as error:\n    pass",
    },
}
"""Each rule with files that break it, by their places in the package."""

RIGHT = {
    "vectors/a.py": "from ..errors import Span\nfrom .embedding import Embedding\nimport torch",
    "language/b.py": "import lark\nfrom ..operations import OPERATIONS\nfrom . import parse",
    "hosts/c.py": "from modules import shared\nfrom ..frontends_of import x",
    "frontends/tab/build.py": "import gradio as gr",
    "files/d.py": "try:\n    pass\nexcept (OSError, ValueError):\n    pass\nfrom .. import __version__",
}
WRONG = [(rule, place, source) for rule, broken in RULES.items() for place, source in broken.items()]


def test_every_part_has_a_level() -> None:
    parts = {p.stem if p.parent == PACKAGE else p.relative_to(PACKAGE).parts[0] for p in module_paths()}
    assert parts - {"__init__"} == set(LEVELS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_all_files_keep_a_rule(rule: Callable[[Path], list[str]]) -> None:
    assert [f"{name_of(path)}:{sentence}" for path in all_sources() for sentence in rule(path)] == []


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another package with our parts, which are empty."""
    package = tmp_path / "lib_embmerge"
    for part in LEVELS:
        (package / part).mkdir(parents=True)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", package)
    return package


def write(package: Path, place: str, source: str) -> Path:
    path = package / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")
    return path


@pytest.mark.parametrize(("rule", "place", "source"), WRONG, ids=[f"{r.__name__} {place}" for r, place, _ in WRONG])
def test_what_breaks_a_rule_is_seen(
    elsewhere: Path, rule: Callable[[Path], list[str]], place: str, source: str
) -> None:
    assert len(rule(write(elsewhere, place, source))) == 1


@pytest.mark.parametrize(("place", "source"), RIGHT.items(), ids=RIGHT)
def test_what_keeps_the_rules_is_let_be(elsewhere: Path, place: str, source: str) -> None:
    path = write(elsewhere, place, source)
    assert [sentence for rule in RULES for sentence in rule(path)] == []
