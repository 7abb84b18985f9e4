"""The tab "Save embedding" in a running WebUI, in a browser."""

from __future__ import annotations

import csv
import importlib.util
import io
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ..browser.tab import Tab
from .page import OURS, PATIENCE_MS, Page
from .test_inline import skip_where_the_host_has_a_slip
from .webui import WebUI

SD1, SDXL = "tiny-sd1", "tiny-sdxl"
EXPRESSION = "'cat' - 'adult' + 'child'"
NAME = "embmergetabtest"
FOLDER = "embmerge tests"
PROMPT_S = 10
"""How soon another checkpoint is seen on a busy machine; a look comes every 2 s."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if importlib.util.find_spec("playwright") is None or found is None:
        pytest.skip("needs playwright, and Chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def page(webui: WebUI, browser: Any) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    yield Page(context.new_page(), webui.url)
    context.close()


@pytest.fixture
def tab(webui: WebUI, page: Page) -> Tab:
    """Our tab with an empty box, with SD 1 loaded."""
    load(webui, SD1)
    page.show(OURS)
    page.hide_old_answers()
    tab = Tab(page.page).open_pane("Build").write("", into="folder").write("", into="name").write("")
    return tab.sees("An embedding is", at="messages")


@pytest.fixture
def folder(webui: WebUI) -> Path:
    return Path(webui.embeddings_folder())


@pytest.fixture(autouse=True)
def _no_trouble(webui: WebUI, page: Page) -> Iterator[None]:
    page.troubles.clear()
    yield
    made = list(Path(webui.embeddings_folder()).rglob(f"{NAME}*"))
    for path in made:
        path.unlink()
        if path.parent.name == FOLDER:
            path.parent.rmdir()
    if made:  # hosts with Forge's text engines load two checkpoints for it
        webui.refresh_embeddings()
    assert page.troubles == []


def load(webui: WebUI, checkpoint: str) -> None:
    webui.picture("a", checkpoint=checkpoint, steps=1)


@pytest.mark.parametrize("checkpoint", [SD1, SDXL])
@pytest.mark.parametrize("folder", ["", FOLDER])
def test_what_is_saved_is_used_by_the_next_picture(webui: WebUI, page: Page, checkpoint: str, folder: str) -> None:
    skip_where_the_host_has_a_slip(webui, checkpoint)
    load(webui, checkpoint)
    before = webui.picture(f"a {NAME} on a mat", checkpoint=checkpoint).pixels
    assert "1 vector" in page.preview(EXPRESSION)
    page.write("embmerge_folder", folder)
    assert f"{NAME}.safetensors" in page.save(NAME)
    assert NAME in webui.embeddings()
    picture = webui.picture(f"a {NAME} on a mat", checkpoint=checkpoint)
    assert picture.pixels == webui.picture(f"a <{EXPRESSION}> on a mat", checkpoint=checkpoint).pixels
    assert picture.pixels != before


def test_the_preview_follows_a_change_of_checkpoint(webui: WebUI, page: Page) -> None:
    load(webui, SD1)
    assert "Made with tiny-sd1" in page.preview(EXPRESSION)
    load(webui, SDXL)
    began = time.monotonic()
    page.page.wait_for_selector("#embmerge_summary >> text=Made with tiny-sdxl")
    assert time.monotonic() - began < PROMPT_S
    assert "clip_g" in page.summary()


def test_the_lines_under_a_prompt_follow_a_change_of_checkpoint(webui: WebUI, page: Page) -> None:
    load(webui, SDXL)
    page.show("txt2img")
    page.write("txt2img_prompt", "a <clip_g('dog')>")
    page.page.wait_for_selector("#embmerge_lines_txt2img_prompt >> text=1 vector")
    load(webui, SD1)
    began = time.monotonic()
    page.page.wait_for_selector("#embmerge_lines_txt2img_prompt >> text=mistake")
    assert time.monotonic() - began < PROMPT_S
    page.write("txt2img_prompt", "")


def test_a_mistake_shows_its_caret_and_saves_nothing(webui: WebUI, page: Page) -> None:
    page.preview(EXPRESSION)
    page.write("embmerge_expression", "'cat' - normlize('adult')")
    page.page.wait_for_selector("#embmerge_messages .embmerge-error")
    assert "^^^^^^^^" in page.messages()
    assert "There is no function normlize" in page.save(NAME)
    assert NAME not in webui.embeddings()


def test_a_file_is_overwritten_only_when_that_is_asked(webui: WebUI, page: Page) -> None:
    load(webui, SD1)
    page.write("embmerge_folder", "")
    page.preview("'cat'")
    page.save(NAME)
    page.preview("'dog'")
    assert "exists already" in page.save(NAME)
    assert webui.picture(f"a {NAME}").pixels == webui.picture("a cat").pixels
    page.page.check("#embmerge_overwrite input")
    assert f"{NAME}.safetensors" in page.press_save()
    assert webui.picture(f"a {NAME}").pixels == webui.picture("a dog").pixels


def test_the_saved_name_is_sent_to_the_prompt(webui: WebUI, page: Page) -> None:
    page.show("txt2img")
    page.write("txt2img_prompt", "a photo of")
    page.show(OURS)
    page.write("embmerge_folder", "")
    page.preview("'a big', 'cat'")
    page.save(NAME)
    page.page.click("#embmerge_result button[data-embmerge-send=txt2img]")
    assert page.read("txt2img_prompt") == f"a photo of, {NAME}"
    count = "5/75" if webui.is_sdnext() else "7/75"  # there an embedding is one token, however many vectors it has
    page.page.wait_for_function(f"document.querySelector('#txt2img_token_counter').innerText.includes('{count}')")
    page.write("txt2img_prompt", "")


def test_a_saved_embedding_is_among_the_cards(webui: WebUI, page: Page) -> None:
    """Without pressing anything; the lists are of the page, and made anew in it."""
    if webui.is_sdnext():
        pytest.skip("the host's cards are made when somebody opens them")
    load(webui, SD1)
    page.show(OURS)
    page.write("embmerge_folder", "")
    page.preview(EXPRESSION)
    page.save(NAME)
    page.show("txt2img")
    page.page.click("#txt2img_extra_tabs .tab-nav button:text('Textual Inversion')")
    page.page.wait_for_selector(f"#txt2img_textual_inversion_cards [data-name='{NAME}']")
    page.page.click("#txt2img_extra_tabs .tab-nav button:text('Generation')")


def test_after_reload_ui_all_is_there_again(webui: WebUI, page: Page) -> None:
    if webui.is_sdnext():
        pytest.skip("the host has no such button: it starts its whole program anew")
    load(webui, SD1)
    page.show(OURS)
    page.write("embmerge_folder", "")
    page.preview(EXPRESSION)
    page.show("txt2img")
    page.write("txt2img_prompt", f"a <{EXPRESSION}>")
    page.page.wait_for_selector("#embmerge_lines_txt2img_prompt >> text=1 vector")
    page.reload_ui()
    page.write("txt2img_prompt", f"a <{EXPRESSION}>")
    page.page.wait_for_selector("#embmerge_lines_txt2img_prompt >> text=1 vector")
    assert page.page.locator(".embmerge-prompt-lines").count() == 1
    page.write("txt2img_prompt", "")
    assert "1 vector" in page.preview(EXPRESSION)
    assert f"{NAME}.safetensors" in page.save(NAME)
    assert webui.picture(f"a {NAME}").pixels == webui.picture(f"a <{EXPRESSION}>").pixels


def test_a_prompt_shows_what_its_expressions_are(webui: WebUI, page: Page) -> None:
    page.show("txt2img")
    page.write("txt2img_prompt", "a photo of <'black cat', 'hat'> on a mat")
    line = page.page.wait_for_selector("#embmerge_lines_txt2img_prompt >> text=3 vectors")
    assert line is not None
    page.write("txt2img_prompt", "a photo of <'black cat' + > on a mat")
    page.page.wait_for_selector("#embmerge_lines_txt2img_prompt >> text=^")
    page.write("txt2img_prompt", "a photo of <'black cat' + ")
    page.page.wait_for_selector("#embmerge_lines_txt2img_prompt >> text=still open")
    page.write("txt2img_prompt", "a photo of <black cat - dog>")
    page.page.click("#embmerge_lines_txt2img_prompt >> text=write <'black cat' - 'dog'>")
    page.page.wait_for_selector("#embmerge_lines_txt2img_prompt >> text=2 vectors")
    assert page.read("txt2img_prompt") == "a photo of <'black cat' - 'dog'>"
    page.write("txt2img_prompt", f"a <{EXPRESSION}>")
    page.page.wait_for_selector("#embmerge_lines_txt2img_prompt >> text=1 vector")
    page.page.click("#embmerge_lines_txt2img_prompt [data-embmerge-line]")
    page.page.click("#embmerge_lines_txt2img_prompt >> text=open in Save embedding")
    page.page.wait_for_selector("#embmerge_expression textarea:visible")
    assert page.read("embmerge_expression") == EXPRESSION
    page.show("txt2img")
    page.write("txt2img_prompt", "")


def test_a_mistake_stands_where_the_picture_would(webui: WebUI, page: Page) -> None:
    load(webui, SD1)
    said = page.generate("a <'cat' + >")
    assert "a quoted text" in said
    assert "^" in said
    assert page.generate("a <'cat'>").startswith("a <'cat'>")
    page.write("txt2img_prompt", "")


def test_the_counter_counts_vectors_and_marks_a_mistake(webui: WebUI, page: Page) -> None:
    load(webui, SD1)
    page.show("txt2img")
    page.write("txt2img_prompt", "a photo of <'black cat', 'hat'> on a mat")
    page.page.wait_for_function("document.querySelector('#txt2img_token_counter').innerText.includes('9/75')")
    page.write("txt2img_prompt", "a <'cat' + >")
    page.page.wait_for_selector("#txt2img_token_counter .embmerge-broken")
    page.write("txt2img_prompt", "")


def test_after_quick_pastes_the_counter_counts_the_last_text(webui: WebUI, page: Page) -> None:
    load(webui, SD1)
    page.show("txt2img")
    for pause_ms in (30, 300, 900):
        for text in ("a cat", "a photo of <'black cat', 'hat'> on a mat", " ".join(["dog"] * 11)):
            page.paste("txt2img_prompt", text)
            page.page.wait_for_timeout(pause_ms)
        page.page.wait_for_function("document.querySelector('#txt2img_token_counter').innerText.includes('11/75')")
        page.page.wait_for_timeout(1500)
        assert page.counter() == "11/75"
    page.write("txt2img_prompt", "")


# --- The other panes --------------------------------------------------------------------------------------------------


def test_a_file_of_the_folder_is_inspected(tab: Tab) -> None:
    tab.save("'black cat'", NAME).sees("✓", at="result")
    tab.open_pane("Inspect & compare").open_pane("Inspect").choose("a file in the folder", of="inspect_kind")
    tab.pick(f"{NAME}.safetensors", of="inspect_file")
    tab.sees("[2,768]", "gives exactly this file", "'black cat'", at="inspect_result")
    tab.choose("an expression", of="inspect_kind")


def test_one_expression_on_two_checkpoints_is_compared(tab: Tab) -> None:
    tab.open_pane("Inspect & compare").open_pane("Compare").write("'woman'", into="a_expression").press("compare")
    tab.write("'woman'", into="b_expression").press("compare").sees("Equal.", at="compare_result")
    tab.pick("tiny-sd1b", of="b_checkpoint").press("compare")
    tab.sees_no("Equal.", at="compare_result").sees("cosine", "clip_l", at="compare_result")


def test_a_file_is_made_again_for_another_checkpoint(webui: WebUI, tab: Tab, folder: Path) -> None:
    tab.save("'black cat'", NAME).sees("✓", at="result")
    load(webui, SDXL)
    tab.open_pane("Inspect & compare").open_pane("Rebuild").press("rebuild_refresh")
    tab.pick(f"{NAME}.safetensors", of="rebuild_files").sees(NAME, at="rebuild_files")
    tab.press("rebuild").sees("1 of 1", f"{NAME}-rebuilt.safetensors", at="rebuild_result")
    assert {key: tuple(v.shape) for key, v in load_file(folder / f"{NAME}-rebuilt.safetensors").items()} == {
        "clip_l": (2, 768),
        "clip_g": (2, 1280),
    }


def test_another_checkpoint_is_worked_with_while_pictures_keep_theirs(
    webui: WebUI, tab: Tab, folder: Path
) -> None:
    tab.unfold("another").pick(SDXL, of="working").press("working_take").sees(SDXL, at="working_said")
    tab.write("'black cat'").sees(f"Made with {SDXL}", "clip_g")
    tab.save("'black cat'", NAME).sees("✓", "clip_g", at="result")
    assert load_file(folder / f"{NAME}.safetensors")["clip_g"].shape == (2, 1280)
    assert webui.picture("a <'red cat'>").pixels == webui.picture("a red cat").pixels
    assert SD1 in webui.option("sd_model_checkpoint")
    tab.pick("the loaded checkpoint", of="working").press("working_take")
    tab.write("'cat'").sees(f"Made with {SD1}").unfold("another")


def test_a_sweep_of_five_and_what_it_made_is_used(webui: WebUI, tab: Tab, folder: Path) -> None:
    tab.open_pane("Many at once").choose("A sweep over a number", of="many_mode")
    tab.write("lerp('cat', 'dog', {t})", into="many_expression").write(f"{NAME}_{{n}}", into="many_pattern")
    tab.write("5", into="many_steps").sees("5 files", at="many_preview").press("many_run")
    tab.sees("5 of 5", at="many_run_result")
    assert sorted(path.stem for path in folder.glob(f"{NAME}*")) == [f"{NAME}_{n}" for n in range(1, 6)]
    assert webui.picture(f"a {NAME}_2").pixels == webui.picture("a <lerp('cat', 'dog', 0.25)>").pixels


def test_cancelling_keeps_what_is_done(tab: Tab, folder: Path) -> None:
    tab.open_pane("Many at once").choose("A sweep over a number", of="many_mode")
    # Each line takes its time: on a busy machine nobody cancels 900 quick ones before they are done.
    tab.write("nearest('cat' * {t} + 'hat')", into="many_expression").write(f"{NAME}_{{n}}", into="many_pattern")
    tab.write("900", into="many_steps").press("many_run").sees(re.compile(r"[1-9]\d* of 900"), at="many_run_result")
    tab.press("many_run_cancel").sees("cancelled after", at="many_run_result")
    done = int(re.findall(r"cancelled after (\d+)", tab.read("many_run_result"))[0])
    assert 0 < done < 900
    assert len(list(folder.glob(f"{NAME}*"))) == done


def test_a_pt_file_is_converted_and_used(webui: WebUI, tab: Tab, folder: Path, tmp_path: Path) -> None:
    rows = torch.linspace(-1, 1, 2 * 768).reshape(2, 768)
    torch.save({"string_to_param": {"*": rows}}, tmp_path / f"{NAME}.pt")
    tab.open_pane("Convert & check").give_files(tmp_path / f"{NAME}.pt", to="convert_upload")
    tab.sees(NAME, at="convert_checked").press("convert_run").sees(f"{NAME}.safetensors", at="convert_made")
    assert load_file(folder / f"{NAME}.safetensors")["emb_params"].equal(rows)
    assert NAME in webui.embeddings()
    assert webui.picture(f"a {NAME}").pixels == webui.picture(f"a <emb('{NAME}')>").pixels


def test_the_table_is_handed_over_as_csv(tab: Tab) -> None:
    tab.write("'black cat'").sees("2 vectors").unfold("table").sees("CSV", at="table")
    with tab.page.expect_download() as waiting:
        tab.one("#embmerge_table [data-embmerge-csv]").click()
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text(encoding="utf-8-sig"))))
    assert [row["encoder"] for row in rows] == ["clip_l"] * 2
    tab.unfold("table")


def test_names_that_cannot_be_are_refused(tab: Tab, folder: Path) -> None:
    before = set(folder.rglob("*"))
    names = {"../x": "holds /", "con": "device", "n" * 300: "300 characters", "cat": "own vocabulary"}
    for name, sentence in names.items():
        tab.save("'cat'", name).sees(sentence, at="result")
    tab.write("", into="name").press("save").sees("The name is empty", at="result")
    assert set(folder.rglob("*")) == before


def test_help_fills_the_box(tab: Tab) -> None:
    tab.open_pane("Help").mend("normalize('cat' - 'adult' + 'child')", at="help")
    tab.holds("normalize('cat' - 'adult' + 'child')").sees("1 vector")


def test_our_tab_is_named(page: Page) -> None:
    assert OURS in page.page.inner_text("#tabs > .tab-nav")
