"""`__all__` of every module names exactly what is public in it."""

from __future__ import annotations

import ast
from pathlib import Path

from .sources import nodes_of, text_of, tree_of

PACKAGE = Path(__file__).resolve().parents[2] / "lib_embmerge"
MODULES = [p for p in sorted(PACKAGE.rglob("*.py")) if p.read_text(encoding="utf-8").strip()]


def defined_names(tree: ast.Module) -> set[str]:
    """Give the public functions and classes that a module defines, constants apart: those may stay unlisted."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")}


def bound_names(tree: ast.Module) -> set[str]:
    names = defined_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_each_name_is_used_once() -> None:
    """A class or function is known by its name alone, wherever it is met; so are the names of types."""
    places: dict[str, list[str]] = {}
    for path in MODULES:
        tree = tree_of(text_of(path))
        for name in sorted(defined_names(tree) | type_names(tree)):
            places.setdefault(name, []).append(path.relative_to(PACKAGE).as_posix())
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def type_names(tree: ast.Module) -> set[str]:
    """Give the names of types that a module defines with `=`, such as `Run = Union[…]`."""
    targets = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets if isinstance(t, ast.Name)]
    return {t.id for t in targets if t.id[0].isupper() and not t.id.isupper()} - {"T", "R"}


def listed_names(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return list(ast.literal_eval(node.value))
    return None


def test_all_is_what_is_public() -> None:
    for path in MODULES:
        tree = tree_of(text_of(path))
        listed = listed_names(tree)
        if listed is None:
            assert defined_names(tree) == set(), f"{path}: a module with public names lists them in __all__"
            continue
        assert len(listed) == len(set(listed)), path
        if path.name != "__init__.py":
            # a helper of a sibling module may stay unlisted only under a leading underscore
            assert defined_names(tree) - set(listed) - internal_names(path) == set(), path
        assert set(listed) <= bound_names(tree) or path == PACKAGE / "__init__.py", path


def test_docstrings_say_what_is_returned() -> None:
    """`Return …`, as the rest of the field writes, not `Give …`, `Say whether …` or `Returns …`."""
    functions = [(p, n) for p in MODULES for n in nodes_of(text_of(p)) if isinstance(n, ast.FunctionDef)]
    first = [(p.name, n.name, (ast.get_docstring(n) or "").split("\n")[0]) for p, n in functions]
    odd = ("Give the ", "Give a ", "Give what ", "Give each ", "Give all ", "Say whether ", "Returns ", "Gives ")
    assert [found for found in first if found[-1].startswith(odd)] == []


def internal_names(path: Path) -> set[str]:
    """Give the names that other modules of the same part take from this one without its being public."""
    return {"draw_caret"} if path.name == "errors.py" else set()
