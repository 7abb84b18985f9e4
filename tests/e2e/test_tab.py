"""The tab "Save embedding" in a running WebUI, in a browser."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .page import OURS, Page
from .webui import WebUI

SD1, SDXL = "tiny-sd1", "tiny-sdxl"
EXPRESSION = "'cat' - 'adult' + 'child'"
NAME = "embmergetabtest"
FOLDER = "embmerge tests"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if importlib.util.find_spec("playwright") is None or found is None:
        pytest.skip("needs playwright, and Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def page(webui: WebUI, browser: Any) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    yield Page(context.new_page(), webui.url)
    context.close()


@pytest.fixture(autouse=True)
def _no_trouble(webui: WebUI, page: Page) -> Iterator[None]:
    page.troubles.clear()
    yield
    for path in list(Path(webui.embeddings_folder()).rglob(f"{NAME}*")):
        path.unlink()
        if path.parent.name == FOLDER:
            path.parent.rmdir()
    webui.refresh_embeddings()
    assert page.troubles == []


def load(webui: WebUI, checkpoint: str) -> None:
    webui.picture("a", checkpoint=checkpoint, steps=1)


@pytest.mark.parametrize("checkpoint", [SD1, SDXL])
@pytest.mark.parametrize("folder", ["", FOLDER])
def test_what_is_saved_is_used_by_the_next_picture(webui: WebUI, page: Page, checkpoint: str, folder: str) -> None:
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
    page.page.wait_for_selector("#embmerge_summary >> text=Made with tiny-sdxl", timeout=15_000)
    assert "clip_g" in page.summary()


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
    page.page.wait_for_function("document.querySelector('#txt2img_token_counter').innerText.includes('7/75')")
    page.write("txt2img_prompt", "")


def test_after_reload_ui_all_is_there_again(webui: WebUI, page: Page) -> None:
    load(webui, SD1)
    page.show(OURS)
    page.write("embmerge_folder", "")
    page.preview(EXPRESSION)
    page.reload_ui()
    page.troubles.clear()
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
    page.write("txt2img_prompt", f"a <{EXPRESSION}>")
    page.page.wait_for_selector("#embmerge_lines_txt2img_prompt >> text=1 vector")
    page.page.click("#embmerge_lines_txt2img_prompt button")
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


def test_our_tab_is_named(page: Page) -> None:
    assert OURS in page.page.inner_text("#tabs > .tab-nav")
