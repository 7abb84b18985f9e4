"""What loading a module of ours brings with it, each in a fresh process."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "gradio", "numpy", "safetensors", "transformers", "tokenizers")


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(' '.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "statement",
    [
        "import lib_embmerge",
        "import lib_embmerge.errors, lib_embmerge.limits, lib_embmerge.families, lib_embmerge.operations",
        "import lib_embmerge.language",
        "import lib_embmerge.language as language; language.parse(\"lerp('cat', -'dog', 1/3)\")",
        "import lib_embmerge.__main__",
        "import lib_embmerge.frontends.cli",
    ],
)
def test_the_light_parts_load_nothing_heavy(statement: str) -> None:
    assert modules_after(statement).isdisjoint(HEAVY)


def test_importing_the_language_does_not_build_its_grammar() -> None:
    assert "lark" not in modules_after("import lib_embmerge.language")


def test_the_core_loads_no_web_page_and_nothing_before_it_is_used() -> None:
    core = ("evaluation", "inspection", "files", "models.checkpoint")
    loaded = modules_after(f"import {', '.join(f'lib_embmerge.{name}' for name in core)}")
    assert loaded.isdisjoint({"gradio", "fastapi", "launch", "modules"})
    assert loaded.isdisjoint({"tokenizers", "ftfy", "regex", "transformers"})
