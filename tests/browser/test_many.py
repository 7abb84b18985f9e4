"""Many at once: a list, a sweep, and stopping in the middle."""

from __future__ import annotations

import re
from pathlib import Path

from .expected import are_equal, compute, read_file
from .tab import Tab


def test_a_sweep_of_five(tab: Tab, folder: Path) -> None:
    tab.open_pane("Many at once").choose("A sweep over a number", of="many_mode")
    tab.write("lerp('cat', 'dog', {t})", into="many_expression").write("em_{n}", into="many_pattern")
    tab.sees("5 files", "em_1", "em_5", at="many_preview")
    tab.press("many_run").sees("5 of 5", at="many_run_result")
    assert sorted(path.name for path in folder.iterdir()) == [f"em_{n}.safetensors" for n in range(1, 6)]
    assert are_equal(read_file(folder / "em_2.safetensors"), compute("lerp('cat', 'dog', 0.25)"))


def test_each_line_of_a_list_fails_alone(tab: Tab, folder: Path) -> None:
    tab.open_pane("Many at once").write("em_a = 'cat'\nem_b = 'cat' + *\nem_c = 'dog'", into="many_lines")
    tab.sees("3 lines, 1 with a mistake", "line 2: em_b", "^", at="many_preview")
    tab.key("Control+Enter").sees("2 saved, 1 failed", "^", at="many_run_result")
    assert sorted(path.stem for path in folder.iterdir()) == ["em_a", "em_c"]


def test_cancelling_keeps_what_is_done(tab: Tab, folder: Path) -> None:
    tab.open_pane("Many at once").choose("A sweep over a number", of="many_mode")
    tab.write("'cat' * {t}", into="many_expression").write("em_{n}", into="many_pattern")
    tab.write("2000", into="many_steps").press("many_run")
    tab.sees(re.compile(r"[1-9]\d* of 2000"), at="many_run_result")
    tab.press("many_run_cancel").sees("cancelled after", at="many_run_result")
    done = int(re.findall(r"cancelled after (\d+)", tab.read("many_run_result"))[0])
    assert 0 < done < 2000
    assert sorted(path.stem for path in folder.iterdir()) == [f"em_{n:04}" for n in range(1, done + 1)]
    # Not "2 of 2" alone, which "12 of 2000" of the run before holds.
    tab.write("2", into="many_steps").press("many_run").sees(re.compile(r"\b2 of 2\b"), at="many_run_result")


def test_a_line_of_too_many_vectors_is_mended_in_the_preview(tab: Tab, folder: Path) -> None:
    tab.open_pane("Many at once").write("em_a = 'cat'\nem_b = repeat('cat', 80)", into="many_lines")
    tab.sees("2 lines, 1 with a mistake", "This has 80 vectors", at="many_preview")
    tab.mend("split into several files", at="many_preview").sees("2 files", at="many_preview")
    tab.press("many_run").sees("em_b-2", at="many_run_result").is_done("many_run")
    assert sorted(path.stem for path in folder.iterdir()) == ["em_a", "em_b-1", "em_b-2"]
