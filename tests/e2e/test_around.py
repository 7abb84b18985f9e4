"""What stands around prompts in a running WebUI: its options, the scripts that make jobs of their own, other models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .webui import HostError, Picture, WebUI

SD1, SD1B, SD2, SDXL, REFINER = (f"tiny-{kind}" for kind in ("sd1", "sd1b", "sd2", "sdxl", "refiner"))

OPTIONS = [
    {"emphasis": "None"},
    {"emphasis": "Ignore"},
    {"emphasis": "No norm"},
    {"use_old_emphasis_implementation": True},
    {"use_old_scheduling": True},
    {"CLIP_stop_at_last_layers": 2},
    {"comma_padding_backtrack": 0},
    {"comma_padding_backtrack": 74},
    {"pad_cond_uncond": True},
    {"pad_cond_uncond_v0": True},
    {"batch_cond_uncond": False},
    {"persistent_cond_cache": False},
    {"enable_prompt_comments": False},
    {"s_min_uncond": 1.0},
    {"skip_early_cond": 0.5},
    {"prompt_attention": "fixed"},
    {"prompt_attention": "compel"},
    {"prompt_attention": "a1111"},
    {"diffusers_zeros_prompt_pad": True},
]
"""Options that change how a host reads or encodes prompts, by host."""

FULL = " ".join(["sun,"] * 34)
PROMPTS = {
    "short": (
        "a (<'red, old cat'>:1.3), [<'dog'>:<'fox'>:0.5] on a mat",
        "a (red, old cat:1.3), [dog:fox:0.5] on a mat",
    ),
    "over a chunk": (f"{FULL} <'red cat, an old dog'> (<'mat'>:0.7)", f"{FULL} red cat, an old dog (mat:0.7)"),
}

LIST_SCRIPTS = ("prompts from file or textbox", "prompts from file")
PROMPT_BOXES = ("List of prompt inputs", "Prompts")
"""Hosts' names for one script and for its box."""
LINES = "a {}\n--prompt \"a {} on a mat\" --negative_prompt \"{}\"\n\na dog"


@pytest.fixture
def options(webui: WebUI) -> Iterator[Any]:
    """Give what sets options of the host until the test ends, and skips where it has not such."""
    before = webui.options()

    def set_options(chosen: dict[str, Any]) -> None:
        if not chosen.keys() <= before.keys():
            pytest.skip(f"the host has no option {', '.join(chosen.keys() - before.keys())}")
        webui.set_options(chosen)

    yield set_options
    webui.set_options({name: before[name] for chosen in OPTIONS for name in chosen if name in before})


@pytest.mark.parametrize("checkpoint", [SD1, SDXL])
@pytest.mark.parametrize("chosen", OPTIONS, ids=lambda chosen: " ".join(f"{k} {v}" for k, v in chosen.items()))
@pytest.mark.parametrize(("expression", "plain"), PROMPTS.values(), ids=PROMPTS.keys())
def test_options_around_prompts(
    webui: WebUI, options: Any, chosen: dict[str, Any], checkpoint: str, expression: str, plain: str
) -> None:
    options(chosen)
    more = {"checkpoint": checkpoint, "steps": 3}
    words = of_plain_words(webui, plain, negative_prompt="blurry rain", **more)[0]
    merged = webui.picture(expression, negative_prompt="<'blurry rain'>", **more)
    assert merged.pixels == words.pixels


def test_a_prompt_matrix(webui: WebUI) -> None:
    matrix = script(webui, "prompt matrix")
    plain = of_plain_words(webui, "a cat|red hat|on a mat", checkpoint=SD1, **matrix)
    merged = webui.pictures("a <'cat'>|<'red hat'>|on a {'mat'}", checkpoint=SD1, **matrix)
    assert len(merged) > 4
    assert [p.pixels for p in merged[1:]] == [p.pixels for p in plain[1:]]  # the first has the prompts drawn beside it
    with pytest.raises(HostError) as caught:
        webui.pictures("a <'cat'>|<'red hat' +>", checkpoint=SD1, **matrix)
    assert "found the end" in caught.value.message


def test_prompts_of_a_list(webui: WebUI) -> None:
    words, expressions = ("cat", "red hat", "rain"), ("<'cat'>", "<'red hat'>", "{'rain'}")
    names = [s["name"] for s in webui.call("/sdapi/v1/script-info")]
    name = next((name for name in LIST_SCRIPTS if name in names), LIST_SCRIPTS[0])
    plain = of_plain_words(webui, "", checkpoint=SD1, **script(webui, name, LINES.format(*words)))
    merged = webui.pictures("", checkpoint=SD1, **script(webui, name, LINES.format(*expressions)))
    assert len(merged) == 3
    assert [p.pixels for p in merged] == [p.pixels for p in plain]
    assert "a <'cat'>" in merged[0].infotext
    listed = LINES.format("cat", "<'red hat' +>", "rain")
    with pytest.raises(HostError) as caught:
        webui.pictures("", checkpoint=SD1, **script(webui, name, listed))
    assert "found the end" in caught.value.message


@pytest.mark.parametrize("name", ["loopback", "sd upscale"])
def test_scripts_of_img2img(webui: WebUI, name: str) -> None:
    start = webui.picture("a mat", checkpoint=SD1)
    more = {"path": "img2img", "init_images": [start.encoded], "denoising_strength": 0.5, "steps": 4, "checkpoint": SD1}
    more |= script(webui, name, is_img2img=True)
    if name == "sd upscale":  # the usual overlap is a whole picture of this size
        more["script_args"] = [16 if argument == 64 else argument for argument in more["script_args"]]
    made = []
    for prompt in ("a <'red cat'>", "a red cat"):
        webui.picture("a mat", checkpoint=SD1)  # the host draws the start's latent from the unseeded generator
        made.append(webui.pictures(prompt, **more))
    assert len(made[0]) == len(made[1])
    for merged, plain in zip(*made, strict=True):
        assert max(abs(a - b) for a, b in zip(merged.pixels, plain.pixels, strict=True)) <= 1


@pytest.mark.parametrize("axis", ["second pass", "refiner"])
@pytest.mark.parametrize(
    ("first", "other", "expression", "said"),
    [
        (SD1, SD2, "'red cat'", ""),
        (SDXL, SD2, "'red cat'", ""),
        (SD1, SD2, "clip_l('cat')", "SD 2"),
        (SD1, SDXL, "'red cat'", ""),
        (SD2, SD1, "clip_h('cat')", "SD 1"),
        (SDXL, SD2, "clip_g('cat')", "SD 2"),
        (SDXL, SD1, "'cat' * 0.5G", "SD 1"),
        (SD1, SD1B, "clip_l('red cat')", ""),
    ],
)
def test_a_model_of_another_family_later_in_the_job(
    webui: WebUI, axis: str, first: str, other: str, expression: str, said: str
) -> None:
    """What only the first model can read is refused before sampling; what the other can read, too, makes a picture."""
    if webui.is_sdnext():
        pytest.skip("the host takes no model's name for a later pass")
    more: dict[str, Any] = {"refiner_checkpoint": other, "refiner_switch_at": 0.5, "steps": 4}
    if axis == "second pass":
        more = {"enable_hr": True, "hr_scale": 2, "denoising_strength": 0.5, "hr_checkpoint_name": other}
    try:
        plain = webui.picture("a red cat", checkpoint=first, **more)
    except HostError as fault:
        pytest.skip(f"the host itself cannot do it, with plain words: {fault.message[:60]}")
    if not said:
        merged = webui.picture(f"a <{expression}>", checkpoint=first, **more)
        # The same words, with what makes every host encode them anew where the model changes.
        assert merged.pixels == webui.picture("a red cat<'':0>", checkpoint=first, **more).pixels
        if merged.pixels != plain.pixels and axis == "refiner":
            pytest.skip("the host itself gives a refiner the first model's encoding of plain words")
        assert merged.pixels == plain.pixels
        return
    with pytest.raises(HostError) as caught:
        webui.picture(f"a <{expression}>", checkpoint=first, **more)
    assert said in caught.value.message


def of_plain_words(webui: WebUI, prompt: str, **more: Any) -> list[Picture]:
    """Make pictures of plain words; skip where the host itself fails at it."""
    try:
        return webui.pictures(prompt, **more)
    except HostError as fault:
        pytest.skip(f"the host itself cannot do it, with plain words: {fault.message[:60]}")


def script(webui: WebUI, name: str, text: str | None = None, *, is_img2img: bool = False) -> dict[str, Any]:
    """Give what asks for a script with its usual values, and a text in its box of prompts; skip where it is not."""
    known = [s for s in webui.call("/sdapi/v1/script-info") if s["name"] == name and s["is_img2img"] == is_img2img]
    if not known:
        pytest.skip(f"the host has no script {name}")
    given = [text if text is not None and a["label"] in PROMPT_BOXES else a["value"] for a in known[0]["args"]]
    return {"script_name": name, "script_args": given}
