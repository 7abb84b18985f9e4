"""The faults: every place of a source at which one can be put, and the source with it."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.Break: ast.Continue,
    ast.Continue: ast.Break,
}
"""What stands in an operator's place."""


@dataclass(frozen=True)
class Mutant:
    """One fault: its file, its line, what it is, and the way to its node in the file's tree."""

    path: Path
    line: int
    what: str
    node: int
    change: Callable[[ast.AST], ast.AST]

    def tree(self) -> ast.Module:
        """Give the file's tree with the fault, lines as they are in the file."""
        tree = ast.parse(self.path.read_text(encoding="utf-8"))
        target = list(ast.walk(tree))[self.node]
        return ast.fix_missing_locations(_Replacer(target, self.change(copy.deepcopy(target))).visit(tree))


class _Replacer(ast.NodeTransformer):
    def __init__(self, target: ast.AST, replacement: ast.AST) -> None:
        self.target = target
        self.replacement = ast.copy_location(replacement, target)

    def visit(self, node: ast.AST) -> ast.AST:
        return self.replacement if node is self.target else self.generic_visit(node)


def find_mutants(path: Path) -> list[Mutant]:
    """Give all faults of a file; docstrings, annotations and `__all__` are left alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    numbers = {id(node): number for number, node in enumerate(ast.walk(tree))}
    left_alone = {id(below) for node in _left_alone(tree) for below in ast.walk(node)}
    found = []
    for node in ast.walk(tree):
        if id(node) not in left_alone:
            found += [Mutant(path, node.lineno, what, numbers[id(node)], change) for what, change in _faults(node)]
    return found


def _left_alone(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, WITHOUT_FAULTS) or _is_docstring_or_list(node):
            yield node
        elif isinstance(node, (ast.AnnAssign, ast.arg)) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns is not None:
            yield node.returns


WITHOUT_FAULTS = (ast.Import, ast.ImportFrom, ast.Raise, ast.JoinedStr)
"""The words of a message are another matter."""


def _is_docstring_or_list(node: ast.AST) -> bool:
    """Say whether it is a docstring, `__all__`, or imports for types alone."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) == "__all__"
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


Fault = tuple[str, Callable[[ast.AST], ast.AST]]


def _faults(node: ast.AST) -> Iterator[Fault]:
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            if type(operator) in SWAPPED:
                yield _describe(node, operator), _swap_compared(place)
    elif isinstance(node, (ast.BoolOp, ast.BinOp, ast.AugAssign)) and type(node.op) in SWAPPED:
        yield _describe(node, node.op), _swap_operator
    elif isinstance(node, (ast.Break, ast.Continue)):
        yield f"{type(node).__name__} → {SWAPPED[type(node)].__name__}", lambda n: SWAPPED[type(n)]()
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield f"{ast.unparse(node)}: sign gone", lambda n: n.operand  # type: ignore[attr-defined]
    elif isinstance(node, ast.Constant):
        yield from _constant_faults(node)
    elif isinstance(node, (ast.If, ast.While, ast.IfExp)):
        for value in (True, False):
            if not (value and isinstance(node, ast.While)):
                yield f"{type(node).__name__} {ast.unparse(node.test)} → {value}", _with_test(value)
    elif isinstance(node, ast.Expr) and isinstance(node.value, (ast.Call, ast.Yield, ast.YieldFrom)):
        yield f"{ast.unparse(node)}: gone", lambda _: ast.Pass()


def _constant_faults(node: ast.Constant) -> Iterator[Fault]:
    value = node.value
    if isinstance(value, bool):
        yield f"{value} → {not value}", lambda n: ast.Constant(not n.value)  # type: ignore[attr-defined]
    elif isinstance(value, (int, float)):
        yield f"{value} → {value + 1}", lambda n: ast.Constant(n.value + 1)  # type: ignore[attr-defined]
    elif isinstance(value, (str, bytes)) and value:
        yield f"{value!r} → changed", lambda n: ast.Constant(n.value + type(n.value)(1))  # type: ignore[attr-defined]


def _swap_compared(place: int) -> Callable[[ast.AST], ast.AST]:
    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Compare)
        node.ops[place] = SWAPPED[type(node.ops[place])]()  # type: ignore[call-overload]
        return node

    return change


def _swap_operator(node: ast.AST) -> ast.AST:
    node.op = SWAPPED[type(node.op)]()  # type: ignore[attr-defined]
    return node


def _with_test(value: bool) -> Callable[[ast.AST], ast.AST]:
    def change(node: ast.AST) -> ast.AST:
        node.test = ast.Constant(value)  # type: ignore[attr-defined]
        return node

    return change


def _describe(node: ast.AST, operator: ast.AST) -> str:
    return f"{ast.unparse(node)}: {type(operator).__name__} → {SWAPPED[type(operator)].__name__}"
