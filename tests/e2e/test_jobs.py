"""Whole jobs in a running WebUI: what stands at a chunk's end, mistakes before anything is computed, a refiner."""

from __future__ import annotations

from typing import Any

import pytest

from .webui import HostError, WebUI

PLACES = pytest.mark.parametrize("before", [0, 52, 72, 73, 74, 75, 149])
HIRES = {"enable_hr": True, "hr_scale": 2, "hr_second_pass_steps": 1, "denoising_strength": 0.5}
REFINED = {"checkpoint": "tiny-sdxl", "refiner_switch_at": 0.5, "steps": 4}


@pytest.mark.parametrize("checkpoint", ["tiny-sd1", "tiny-sdxl"])
@pytest.mark.parametrize("words", ["red cat", "red, old cat", "red cat, old"])
@PLACES
def test_words_are_words_at_every_place(webui: WebUI, checkpoint: str, words: str, before: int) -> None:
    filling = " ".join(["sun"] * before)
    expression = webui.picture(f"{filling} <'{words}'> mat", checkpoint=checkpoint, steps=1)
    assert expression.pixels == webui.picture(f"{filling} {words} mat", checkpoint=checkpoint, steps=1).pixels


def test_the_old_emphasis(webui: WebUI) -> None:
    if webui.option("use_old_emphasis_implementation") is None:
        pytest.skip("the host has no old emphasis")
    webui.set_options({"use_old_emphasis_implementation": True})
    try:
        expression = webui.picture("a (<'red cat'>:1.2)", checkpoint="tiny-sd1")
        assert expression.pixels == webui.picture("a (red cat:1.2)", checkpoint="tiny-sd1").pixels
    finally:
        webui.set_options({"use_old_emphasis_implementation": False})


def test_a_mistake_in_the_prompt_of_the_second_pass(webui: WebUI) -> None:
    with pytest.raises(HostError) as caught:
        webui.picture("a cat", hr_prompt="a <'cat' +>", checkpoint="tiny-sd1", **HIRES)
    assert "found the end" in caught.value.message


@pytest.fixture
def refined(webui: WebUI) -> dict[str, Any]:
    """What to ask for a picture with SDXL's refiner."""
    try:
        refined = webui.picture("a cat", refiner_checkpoint="tiny-refiner", **REFINED)
    except HostError as fault:
        pytest.skip(f"the host itself cannot use the refiner, with plain words: {fault.message[:60]}")
    if refined.pixels == webui.picture("a cat", checkpoint="tiny-sdxl", steps=4).pixels:
        pytest.skip("the host itself uses no refiner, with plain words: SD.Next takes one of this size for SD 1")
    return {"refiner_checkpoint": "tiny-refiner", **REFINED}


@pytest.mark.parametrize("expression", ["'cat' * 0.5L", "clip_l('cat')", "clip_g('cat')", "clip_l('a') + clip_g('b')"])
def test_a_refiner_reads_its_part(webui: WebUI, refined: dict[str, Any], expression: str) -> None:
    assert webui.picture(f"a <{expression}>", **refined).pixels


def test_a_refiner_of_another_family(webui: WebUI) -> None:
    with pytest.raises(HostError) as caught:
        webui.picture("a <clip_g('cat')>", refiner_checkpoint="tiny-sd1", **REFINED)
    assert "SD 1" in caught.value.message


def test_parameters_that_the_api_is_given(webui: WebUI) -> None:
    if webui.is_forge() or webui.is_sdnext():
        pytest.skip("the host's own field for them does not work, or is not there")
    recorded = "Steps: 1, Sampler: Euler a, Seed: 5, Size: 64x64, EmbeddingMerge: \"<'EM_1'>=<'cat'+'dog'>\""
    answer = webui.call("/sdapi/v1/txt2img", {"infotext": f"a <'EM_1'>\n{recorded}"})
    assert "a <'cat'+'dog'>" in answer["info"]
