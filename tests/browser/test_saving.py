"""Save: the file, its name, and what stands in the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .expected import are_equal, compute, read_file, read_metadata
from .tab import Tab

SUM = "'cat' - 'adult' + 'child'"


def test_what_is_saved_is_what_the_library_computes(tab: Tab, folder: Path) -> None:
    tab.save(SUM, "em_one").sees("✓", "em_one.safetensors", "[1,768]", "[1,1280]", at="result")
    path = folder / "em_one.safetensors"
    assert are_equal(read_file(path), compute(SUM))
    assert "'cat' - 'adult' + 'child'" in read_metadata(path).values()


def test_all_that_is_said_about_a_file_is_in_it(tab: Tab, folder: Path) -> None:
    tab.unfold("about")
    tab.write("Ada", into="author").write("for tests", into="note").choose("float16", of="dtype")
    tab.save("'a big cat'", "em_about").sees("em_about.safetensors", "[3,768]", at="result")
    path = folder / "em_about.safetensors"
    assert {"Ada", "for tests"} <= set(read_metadata(path).values())
    assert {str(rows.dtype) for rows in read_file(path).values()} == {"torch.float16"}


def test_a_file_can_be_saved_into_a_folder_below(tab: Tab, folder: Path) -> None:
    tab.save(SUM, "em_below", folder="mine/new").sees("✓", at="result")
    assert (folder / "mine" / "new" / "em_below.safetensors").is_file()


def test_what_was_saved_can_be_used_in_the_next_expression(tab: Tab) -> None:
    tab.save("'black cat'", "em_next").sees("✓", at="result")
    tab.write("'em_next' * 0.5").sees("2 vectors", "em_next")


def test_overwriting_is_refused_and_then_allowed(tab: Tab, folder: Path) -> None:
    path = folder / "em_twice.safetensors"
    tab.save("'cat'", "em_twice").sees("✓", at="result")
    first = path.read_bytes()
    tab.write("'dog'").press("save").sees("exists already", 'Tick "Overwrite"', at="result")
    tab.sees("em_twice.safetensors exists already", at="name check")
    assert path.read_bytes() == first
    tab.tick("overwrite").press("save").sees("✓", at="result")
    assert are_equal(read_file(path), compute("'dog'"))


def test_a_name_that_was_just_saved_is_no_doubt(tab: Tab, folder: Path) -> None:
    tab.save("'cat'", "em_fresh").sees("✓", at="result")
    tab.page.wait_for_timeout(1000)  # the check of what was typed would have come by now
    tab.sees_no("exists already", at="name check")
    tab.write("em_fres", into="name").write("em_fresh", into="name").sees("exists already", at="name check")


def test_ctrl_enter_saves(tab: Tab, folder: Path) -> None:
    tab.write("em_key", into="name").write("'cat'")
    tab.key("Control+Enter").sees("✓", "em_key.safetensors", at="result")
    assert (folder / "em_key.safetensors").is_file()


BAD_NAMES = {
    "../em_x": "holds /, which is not allowed in a file name",
    "..\\em_x": "holds \\, which is not allowed in a file name",
    "/tmp/em_x": "holds /, which is not allowed in a file name",
    "con": "is the name of a device on Windows",
    "n" * 300: "The name has 300 characters",
}


def test_a_bad_name_is_refused_in_a_sentence(tab: Tab, folder: Path) -> None:
    tab.write(SUM).press("save").sees("The name is empty", at="result")
    for name, sentence in BAD_NAMES.items():
        tab.write(name, into="name").sees(sentence, at="name check")
        tab.press("save").sees(sentence, at="result")
    assert list(folder.rglob("*")) == []


def test_no_folder_leads_out_of_the_embeddings_folder(tab: Tab, folder: Path) -> None:
    for below in ("../elsewhere", "a/../../b", "a//b", "/tmp"):
        tab.save(SUM, "em_out", folder=below)
        tab.sees(f"The folder '{below}' must be a plain path below the embeddings folder", at="result")
    assert list(folder.rglob("*")) == []


def test_a_word_of_the_vocabulary_is_a_name_on_request_only(tab: Tab, folder: Path) -> None:
    tab.save(SUM, "kitten").sees("own vocabulary", "name anyway", at="result")
    assert list(folder.rglob("*")) == []
    tab.tick("same_name").press("save").sees("✓", "kitten.safetensors", at="result")


def test_two_tabs_that_save_one_name_at_once(tab: Tab, folder: Path, another_tab: Callable[[], Tab]) -> None:
    other = another_tab()
    for each, text in ((tab, "'cat'"), (other, "'dog'")):
        each.write(text).write("em_race", into="name").sees("1 vector")
    for each in (tab, other):
        each.press("save")
    for each in (tab, other):
        each.sees("em_race.safetensors", at="result")
    results = [tab.read("result"), other.read("result")]
    assert sum("exists already" in text for text in results) == 1
    winner = "'cat'" if "✓" in results[0] else "'dog'"
    assert are_equal(read_file(folder / "em_race.safetensors"), compute(winner))


def test_a_mistake_in_the_expression_saves_nothing(tab: Tab, folder: Path) -> None:
    tab.save("'cat' + ", "em_broken").sees("^", at="result")
    assert list(folder.rglob("*")) == []


def test_what_becomes_of_too_many_vectors_is_chosen_beside_the_message(tab: Tab, folder: Path) -> None:
    assert not tab.area("long").is_visible()
    tab.save("repeat('cat', 80)", "em_pooled").sees("This has 80 vectors", at="result")
    tab.sees_no("--long", at="result")
    tab.mend("pool into their mean", at="result").press("save").sees("✓", "[1,768]", at="result")
    tab.area("long").wait_for(state="visible")
    assert tab.area("about").locator("#embmerge_long").count() == 0  # the fold of things that are seldom given
    tab.write("'cat'").sees("1 vector")
    tab.area("long").wait_for(state="hidden")
