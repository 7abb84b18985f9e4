"""The faults that `benchmarks/mutation` puts into the code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from benchmarks.mutation.mutants import find_mutants

FAULTS = {
    "x = a < b": ["x = a <= b"],
    "x = a and b": ["x = a or b"],
    "x = a + 1": ["x = a - 1", "x = a + 2"],
    "x = not a": ["x = a"],
    "x = True": ["x = False"],
    "x = 'a'": ["x = 'a1'"],
    "x += y": ["x -= y"],
    "f(x)": ["pass"],
    "if a:\n    f()": ["if True:\n    f()", "if False:\n    f()", "if a:\n    pass"],
    "while a:\n    break": ["while False:\n    break", "while a:\n    continue"],
    "'''A docstring.'''": [],
    "__all__ = ['a']": [],
    "raise ValueError('a' + 'b')": [],
    "x: dict['a', 'b'] = y": [],
    "import a": [],
}


@pytest.mark.parametrize(("source", "faulty"), FAULTS.items(), ids=FAULTS)
def test_the_faults_of_a_source(source: str, faulty: list[str], tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(source, encoding="utf-8")
    assert [ast.unparse(mutant.tree()) for mutant in find_mutants(path)] == faulty
