"""SD.Next's jobs: a mistake is told before anything is computed, wherever it stands, and is never lost."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from lib_embmerge.errors import EmbeddingMergeError, SyntaxProblem
from lib_embmerge.hosts.webui.extension import WebUI

from .fake_sdnext import FakeSDNext
from .job_contract import TEXTS_OF_SCRIPTS, check_script_texts

MISTAKES = ["<'cat' +>", "<'cat'", "<'cat' / 0>", "<norm('cat', 'x')>"]
DETAILER = {"detailer_enabled": True, "detailer_prompt": "", "detailer_negative": ""}


@pytest.fixture
def extension(sdnext: FakeSDNext) -> WebUI:
    webui = sdnext.webui()
    webui.start()
    return webui


@pytest.mark.parametrize(
    "where",
    [
        {"later picture": "a {}"},
        {"later negative": "a {}"},
        {"enable_hr": True, "refiner_prompt": "a {}"},
        {"enable_hr": True, "refiner_negative": "a {}"},
        {**DETAILER, "detailer_prompt": "a {}"},
        {**DETAILER, "detailer_prompt": "a face\nan eye, {}"},
        {**DETAILER, "detailer_negative": "[PROMPT], {}"},
    ],
    ids=lambda where: next(name for name in reversed(where) if where[name] not in (True, "")),
)
def test_a_mistake_is_told_before_anything_is_computed(
    sdnext: FakeSDNext, extension: WebUI, where: dict[str, Any]
) -> None:
    for mistake in MISTAKES:
        settings = {key: value.format(mistake) if isinstance(value, str) else value for key, value in where.items()}
        more = [settings.pop("later picture", "a dog")], [settings.pop("later negative", "rain")]

        def more_pictures(p: Any, more: Any = more) -> None:
            p.all_prompts, p.all_negative_prompts = p.all_prompts + more[0], p.all_negative_prompts + more[1]

        sdnext.scripts[:] = [SimpleNamespace(process=more_pictures)]
        with pytest.raises(EmbeddingMergeError):
            sdnext.generate("a <'cat'>", **settings)
        assert sdnext.model.called_with == [], mistake


def test_the_texts_of_a_chosen_script_are_looked_at_before_its_first_job(
    sdnext: FakeSDNext, extension: WebUI
) -> None:
    for text, is_told in TEXTS_OF_SCRIPTS.values():
        check_script_texts(sys.modules["modules.scripts"], text, is_told)


@pytest.mark.parametrize("settings", [{"detailer_prompt": "<'cat' +>"}, {**DETAILER, "detailer_prompt": "<'sun'>"}])
def test_what_is_right_or_never_read_stops_nothing(
    sdnext: FakeSDNext, extension: WebUI, settings: dict[str, Any]
) -> None:
    assert sdnext.generate("a <'cat'>", **settings).output is not None


@pytest.mark.parametrize(("own", "is_told"), [("", True), ("a <'cat'>", False), ("<clip_l('cat')>", True)])
def test_a_refiner_of_another_family_is_told_before(
    sdnext: FakeSDNext, extension: WebUI, own: str, is_told: bool
) -> None:
    sdnext.modules.modeldata.model_data.sd_refiner = sdnext.make("sd2")
    sdnext.load("sd1")
    prompt = "a <clip_l('dog')>"
    if is_told:
        with pytest.raises(EmbeddingMergeError, match="SD 2"):
            sdnext.generate(prompt, refiner_start=0.5, refiner_prompt=own)
        assert sdnext.model.called_with == []
    else:
        sdnext.generate(prompt, refiner_start=0.5, refiner_prompt=own)
    sdnext.generate(prompt)  # the refiner is loaded, but switched off


def add_script(sdnext: FakeSDNext, name: str, expression: str = "<'cat' +>") -> None:
    """Let a script have a prompt encoded when its turn comes."""

    def encode(_p: Any) -> None:
        sdnext.modules.prompt_parser_diffusers.PromptEmbedder([f"a {expression}"], [""], 20, None, sdnext.processing())

    sdnext.scripts[:] = [SimpleNamespace(**{name: encode})]


def test_a_mistake_that_a_script_s_pass_swallows_stops_the_job(sdnext: FakeSDNext, extension: WebUI) -> None:
    add_script(sdnext, "process")
    with pytest.raises(SyntaxProblem):
        sdnext.generate("a cat")
    assert sdnext.model.called_with == []
    add_script(sdnext, "process", "<'cat'>")
    assert sdnext.generate("a cat").output is not None


def test_a_mistake_that_is_swallowed_at_the_end_is_said_below_the_picture(
    sdnext: FakeSDNext, extension: WebUI, capsys: pytest.CaptureFixture[str]
) -> None:
    add_script(sdnext, "postprocess")
    processed = sdnext.modules.processing.process_images_inner(sdnext.processing("a cat"))
    assert processed.comments.startswith("A step of another extension was left out: ")
    assert "<'cat' +>" in processed.comments
    assert "<'cat' +>" in capsys.readouterr().out
    sdnext.scripts.clear()
    assert sdnext.modules.processing.process_images_inner(sdnext.processing("a cat")).comments == ""


def test_what_a_job_has_to_say_stands_below_the_picture(sdnext: FakeSDNext, extension: WebUI) -> None:
    sdnext.load("flux")
    sdnext.opts.embmerge_vectors = False
    sdnext.scripts.append(SimpleNamespace(process=extension.begin_job))
    processed = sdnext.modules.processing.process_images_inner(sdnext.processing("a <'cat'>"))
    assert "T5" in processed.comments


# The Control tab


def steps_of(sdnext: FakeSDNext, prompt: str, **settings: Any) -> list[Any]:
    return list(sys.modules["modules.control.run"].control_run(sdnext.processing(prompt, **settings)))


def test_the_control_tab_shows_why_there_is_no_picture(sdnext: FakeSDNext, extension: WebUI) -> None:
    _, (pictures, preview, text, video) = steps_of(sdnext, "a <'cat' +>")
    assert (pictures, preview, video) == ([None], "preview", None)
    assert text.startswith("<p>Ready</p><div class='error'>")
    assert "&lt;&#x27;cat&#x27; +&gt;" in text
    with pytest.raises(SyntaxProblem):  # of a job elsewhere, of which the next says nothing
        sdnext.generate("a <'cat' +>")
    assert [step[2] for step in steps_of(sdnext, "a <'cat'>")] == ["", "<p>Ready</p>"]


def test_the_control_tab_shows_what_is_said_below_pictures(sdnext: FakeSDNext, extension: WebUI) -> None:
    add_script(sdnext, "postprocess")
    _, step = steps_of(sdnext, "a cat")
    assert "A step of another extension was left out: " in step[2]
    assert step[0] != [None]


def test_a_host_without_a_control_tab(sdnext: FakeSDNext) -> None:
    del sys.modules["modules.control.run"]
    del sys.modules["modules.control"]
    sdnext.webui().start()
    assert sdnext.generate("a <'cat'>").output is not None
