"""Who may import whom: an AST walk over every module, imports inside functions included."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "lib_embmerge"

LEVELS = {
    "errors": 0,
    "limits": 0,
    "families": 0,
    "operations": 0,
    "placeholders": 0,
    "version": 0,
    "language": 1,
    "vectors": 1,
    "remarks": 1,
    "entry": 2,
    "host_protocol": 2,
    "files": 3,
    "evaluation": 3,
    "inspection": 3,
    "merge": 4,
    "saving": 4,
    "legacy": 4,
    "carry": 4,
    "models": 4,
    "frontends": 5,
    "hosts": 5,
    "__main__": 6,
}
"""Level of each part of the package; a part imports only parts of smaller levels, and itself."""

HOST_MODULES = {"modules", "modules_forge", "backend", "ldm_patched", "launch"}
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
    return [*module_paths(), *scripts, ROOT / "install.py"]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line and dotted parts of everything imported, relative imports made absolute."""
    own = list(path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = own[: len(own) - node.level] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            yield from ((node.lineno, [*base, alias.name]) for alias in node.names)


def part_of(parts: list[str]) -> str | None:
    return parts[1] if parts[0] == "lib_embmerge" and len(parts) > 1 else None


def forbidden_imports(path: Path) -> list[str]:
    """Give a sentence for each import of a part that is not below this file's own."""
    part = part_of(list(path.relative_to(ROOT).with_suffix("").parts)) or ""
    found = []
    for line, parts in imports(path):
        other = part_of(parts)
        if other is None or other == part or (PACKAGE / f"{other}.py").exists() is (PACKAGE / other).exists():
            continue
        if LEVELS[other] >= LEVELS[part]:
            found.append(f"{name_of(path)}:{line} imports {other} (level {LEVELS[other]}, its own is {LEVELS[part]})")
    return found


def test_every_part_has_a_level() -> None:
    parts = {p.stem if p.parent == PACKAGE else p.relative_to(PACKAGE).parts[0] for p in module_paths()}
    assert parts - {"__init__"} <= set(LEVELS)


@pytest.mark.parametrize("path", module_paths(), ids=name_of)
def test_imports_go_down(path: Path) -> None:
    if path == PACKAGE / "__init__.py":
        return
    assert forbidden_imports(path) == []


@pytest.mark.parametrize("path", module_paths(), ids=name_of)
def test_host_modules_stay_at_the_border(path: Path) -> None:
    if path.is_relative_to(PACKAGE / "hosts"):
        return
    assert [(line, parts) for line, parts in imports(path) if parts[0] in HOST_MODULES] == []


@pytest.mark.parametrize("path", all_sources(), ids=name_of)
def test_frontend_packages_stay_in_their_file(path: Path) -> None:
    found = [parts[0] for _, parts in imports(path) if name_of(path) not in ONLY_IN.get(parts[0], {name_of(path)})]
    assert found == []


@pytest.mark.parametrize("path", sorted((PACKAGE / "language").glob("*.py")), ids=name_of)
def test_the_language_needs_only_lark(path: Path) -> None:
    foreign = {parts[0] for _, parts in imports(path)} - ALLOWED_BELOW_LARK - {"lib_embmerge"}
    assert foreign == set()


@pytest.mark.parametrize("path", all_sources(), ids=name_of)
def test_no_broad_except(path: Path) -> None:
    """Only the wiring of a WebUI, at the host's border, may catch everything."""
    if path.parent == ROOT / "scripts":
        return
    handlers = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.ExceptHandler)]
    broad = [h.lineno for h in handlers if h.type is None or {"Exception", "BaseException"} & names_in(h.type)]
    assert broad == []


def names_in(node: ast.expr) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def test_an_upward_import_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk itself: a relative import inside a function counts."""
    path = tmp_path / "lib_embmerge" / "vectors" / "wrong.py"
    path.parent.mkdir(parents=True)
    path.write_text("def f():\n    from ..evaluation import evaluate\n    from ..errors import Span\n")
    (tmp_path / "lib_embmerge" / "evaluation").mkdir()
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert [parts[1] for _, parts in imports(path)] == ["evaluation", "errors"]
    assert LEVELS["evaluation"] > LEVELS["vectors"]
