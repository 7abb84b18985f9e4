"""The other panes: look, compare, many at once, convert, and figures as a file."""

from __future__ import annotations

import csv
import io
import json
import pickle
import re
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from .expected import are_equal, compute, read_file
from .tab import Tab


def test_an_expression_is_inspected(tab: Tab) -> None:
    tab.open_pane("Inspect & compare")
    tab.write("'black cat'", into="inspect_expression").press("inspect")
    tab.sees("[2,768]", "[2,1280]", "nearest words", at="inspect_result")


def test_two_expressions_are_compared(tab: Tab) -> None:
    tab.open_pane("Inspect & compare").open_pane("Compare")
    tab.write("'cat'", into="a_expression").write("'cat' * 1", into="b_expression").press("compare")
    tab.sees("Equal.", at="compare_result")
    tab.write("'dog'", into="b_expression").press("compare")
    tab.sees_no("Equal.", at="compare_result").sees("clip_l", "clip_g", "cosine", at="compare_result")


def test_a_sweep_of_five(tab: Tab, folder: Path) -> None:
    tab.open_pane("Many at once").choose("A sweep over a number", of="many_mode")
    tab.write("lerp('cat', 'dog', {t})", into="many_expression").write("em_{n}", into="many_pattern")
    tab.press("many_run").sees("5 of 5", at="many_run_result")
    assert sorted(path.name for path in folder.iterdir()) == [f"em_{n}.safetensors" for n in range(1, 6)]
    assert are_equal(read_file(folder / "em_2.safetensors"), compute("lerp('cat', 'dog', 0.25)", embeddings=folder))


def test_each_line_of_a_list_fails_alone(tab: Tab, folder: Path) -> None:
    tab.open_pane("Many at once").write("em_a = 'cat'\nem_b = 'cat' + *\nem_c = 'dog'", into="many_lines")
    tab.press("many_run").sees("3 of 3", "1 failed", "^", at="many_run_result")
    assert sorted(path.stem for path in folder.iterdir()) == ["em_a", "em_c"]


def test_cancelling_keeps_what_is_done(tab: Tab, folder: Path) -> None:
    lines = "\n".join(f"em_{n} = 'cat' * {n}" for n in range(1, 2000))
    tab.open_pane("Many at once").write(lines, into="many_lines").press("many_run")
    tab.sees(re.compile(r"[1-9]\d* of 1999"), at="many_run_result")
    tab.press("many_run_cancel").sees("cancelled after", at="many_run_result")
    done = int(re.findall(r"cancelled after (\d+)", tab.read("many_run_result"))[0])
    assert 0 < done < 1999
    assert sorted(path.stem for path in folder.iterdir()) == sorted(f"em_{n}" for n in range(1, done + 1))


def test_a_pt_file_is_converted(tab: Tab, folder: Path, tmp_path: Path) -> None:
    rows = torch.linspace(-1, 1, 2 * 768).reshape(2, 768)
    torch.save({"string_to_param": {"*": rows}, "name": "em_old"}, tmp_path / "em_old.pt")
    tab.open_pane("Convert & check").give_files(tmp_path / "em_old.pt", to="convert_upload")
    tab.sees("em_old", at="convert_checked").press("convert_run").sees("em_old.safetensors", at="convert_made")
    assert are_equal(read_file(folder / "em_old.safetensors"), {"emb_params": rows})


def make_bad_file(path: Path) -> Path:
    """Write the bad file that the path's stem names."""
    if path.stem == "truncated":
        save_file({"emb_params": torch.zeros(1, 768)}, path)
        path.write_bytes(path.read_bytes()[:-1000])
    elif path.stem == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "nothing here")
    elif path.stem == "code":
        path.write_bytes(pickle.dumps(_Evil()))
    elif path.stem == "header":
        length = 100 * 1024 * 1024
        with path.open("wb") as file:
            file.write(length.to_bytes(8, "little") + json.dumps({}).encode())
            file.truncate(8 + length)
    return path


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (Path("code_was_run"),)


@pytest.mark.parametrize("name", ["truncated.safetensors", "zip.pt", "code.pt", "header.safetensors"])
def test_a_bad_file_is_refused_in_a_sentence(tab: Tab, folder: Path, tmp_path: Path, name: str) -> None:
    tab.open_pane("Convert & check").give_files(make_bad_file(tmp_path / name), to="convert_upload")
    tab.sees(name, at="convert_checked").press("convert_run").sees(name, at="convert_made")
    assert tab.page.locator("#embmerge_convert_made .embmerge-error").count() > 0
    assert list(folder.rglob("*")) == []


def test_the_table_is_handed_over_as_csv(tab: Tab) -> None:
    tab.write("'black cat' - 'adult'").sees("2 vectors").unfold("table")
    tab.page.locator("[data-embmerge-csv]").first.wait_for()
    with tab.page.expect_download() as waiting:
        tab.page.locator("[data-embmerge-csv]").first.click()
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text(encoding="utf-8-sig"))))
    assert {row["encoder"] for row in rows} == {"clip_l", "clip_g"}
    assert waiting.value.suggested_filename.endswith(".csv")


def test_help_lists_the_functions(tab: Tab) -> None:
    tab.open_pane("Help")
    tab.one("#embmerge_tab_help").get_by_text("slerp(a, b, t)").first.wait_for()
