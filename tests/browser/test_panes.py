"""The panes beside Build: look, compare, rebuild, convert, help."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from .expected import are_equal, read_file
from .tab import Tab

# --- Inspect & compare ------------------------------------------------------------------------------------------------


def test_an_expression_is_inspected(tab: Tab) -> None:
    tab.open_pane("Inspect & compare")
    tab.write("'black cat'", into="inspect_expression").press("inspect")
    tab.sees("[2,768]", "[2,1280]", "nearest words", at="inspect_result")


def test_a_file_is_picked_from_the_folder_and_inspected(tab: Tab) -> None:
    tab.save("'black cat'", "em_look", folder="mine").sees("✓", at="result")
    tab.open_pane("Inspect & compare").choose("a file in the folder", of="inspect_kind")
    tab.pick("mine/em_look.safetensors", of="inspect_file")
    tab.sees("[2,768]", "gives exactly this file", "'black cat'", at="inspect_result")
    tab.mend("open in Build", at="inspect_result").sees("2 vectors").holds("'black cat'")


def test_two_expressions_are_compared(tab: Tab) -> None:
    tab.open_pane("Inspect & compare").open_pane("Compare")
    tab.write("'cat'", into="a_expression").write("'cat' * 1", into="b_expression").press("compare")
    tab.sees("Equal.", at="compare_result")
    tab.write("'dog'", into="b_expression").press("compare")
    tab.sees_no("Equal.", at="compare_result").sees("clip_l", "clip_g", "cosine", at="compare_result")


def test_vectors_are_explained_in_words_that_open_in_build(tab: Tab) -> None:
    tab.open_pane("Inspect & compare")
    tab.write("('cat' - 'dog'), ('red' * 2)", into="inspect_expression").press("explain")
    tab.sees("2 of 2", "These 2 words are all of it.", "This word is all of it.", at="inspect_result")
    tab.mend("open in Build", at="inspect_result").sees("2 vectors").holds("('cat' - 'dog'), ('red' * 2)")


def test_a_file_is_carried(tab: Tab, folder: Path) -> None:
    save_file({"emb_params": torch.ones(1, 768)}, folder / "em_sd1.safetensors")
    tab.open_pane("Inspect & compare").open_pane("Carry").press("carry_refresh")
    tab.pick("em_sd1.safetensors", of="carry_file").press("carry")
    tab.sees("The model that the file was made for is not chosen.", at="carry_result")
    tab.choose("the shared encoder, zeros for others", of="carry_way")
    tab.write("em_half", into="carry_name").press("carry")
    tab.sees("em_half.safetensors", "zeros for what the other encoders have", at="carry_result")
    assert not read_file(folder / "em_half.safetensors")["clip_g"].any()


def test_a_file_is_made_again_from_its_recipe(tab: Tab, folder: Path) -> None:
    tab.save("'black cat'", "em_old").sees("✓", at="result")
    tab.open_pane("Inspect & compare").open_pane("Rebuild").press("rebuild_all").sees("em_old", at="rebuild_files")
    tab.press("rebuild").sees("1 of 1", "em_old-rebuilt.safetensors", at="rebuild_result")
    assert are_equal(read_file(folder / "em_old-rebuilt.safetensors"), read_file(folder / "em_old.safetensors"))


# --- Convert & check --------------------------------------------------------------------------------------------------


def test_a_pt_file_is_converted(tab: Tab, folder: Path, tmp_path: Path) -> None:
    rows = torch.linspace(-1, 1, 2 * 768).reshape(2, 768)
    torch.save({"string_to_param": {"*": rows}, "name": "em_old"}, tmp_path / "em_old.pt")
    tab.open_pane("Convert & check").give_files(tmp_path / "em_old.pt", to="convert_upload")
    tab.sees("em_old", at="convert_checked").press("convert_run").sees("em_old.safetensors", at="convert_made")
    assert are_equal(read_file(folder / "em_old.safetensors"), {"emb_params": rows})


def test_an_upload_that_takes_long_is_not_forgotten(tab: Tab, tmp_path: Path) -> None:
    torch.save({"string_to_param": {"*": torch.ones(2, 768)}}, tmp_path / "em_slow.pt")
    tab.open_pane("Convert & check").sees("Convert", at="convert")
    with tab.slow_upload():
        tab.give_files(tmp_path / "em_slow.pt", to="convert_upload")
        tab.page.wait_for_timeout(5000)  # the page asks now and then which checkpoint is loaded
    tab.sees("em_slow", at="convert_checked")


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (Path("code_was_run"),)


def make_bad_files(place: Path) -> list[Path]:
    """Write files that are no embeddings: half of one, an archive of something else, code, a header of 100 MB."""
    truncated, archive, code, header = (
        place / name for name in ("truncated.safetensors", "zip.pt", "code.pt", "header.safetensors")
    )
    save_file({"emb_params": torch.zeros(1, 768)}, truncated)
    truncated.write_bytes(truncated.read_bytes()[:-1000])
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("readme.txt", "nothing here")
    code.write_bytes(pickle.dumps(_Evil()))
    header.write_bytes((100 * 2**20).to_bytes(8, "little") + b'{"emb_params": ')
    return [truncated, archive, code, header]


def test_bad_files_are_refused_in_a_sentence_each(tab: Tab, folder: Path, tmp_path: Path) -> None:
    bad = make_bad_files(tmp_path)
    names = [path.name for path in bad]
    tab.open_pane("Convert & check").give_files(*bad, to="convert_upload").sees(*names, at="convert_checked")
    tab.press("convert_run").sees(*names, at="convert_made")
    assert tab.area("convert_made").locator(".embmerge-error").count() == len(bad)
    assert list(folder.rglob("*")) == []


# --- Help -------------------------------------------------------------------------------------------------------------


def test_help_lists_the_functions_and_its_examples_fill_the_box(tab: Tab) -> None:
    tab.open_pane("Help").sees("slerp(a, b, t)", "How expressions are written", at="help")
    tab.mend("normalize('cat' - 'adult' + 'child')", at="help")
    tab.holds("normalize('cat' - 'adult' + 'child')").sees("1 vector")
