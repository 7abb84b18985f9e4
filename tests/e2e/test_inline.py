"""Expressions in the prompts of a running WebUI."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .webui import HostError, WebUI

SD1, SD1B, SD2, SDXL, SDXLB, REFINER = (
    f"tiny-{kind}" for kind in ("sd1", "sd1b", "sd2", "sdxl", "sdxlb", "refiner")
)
FAMILIES = pytest.mark.parametrize("checkpoint", [SD1, SD2, SDXL])
HIRES = {
    "enable_hr": True,
    "hr_scale": 2,
    "denoising_strength": 0.7,
    "hr_second_pass_steps": 2,
}
SDNEXT_PLOT = "xyz grid script"
SDNEXT_AXES = {"Prompt S/R": "[Prompt] Search & replace", "Checkpoint name": "[Model] Model"}
LONG = "a photo of a big old cat, sitting on a mat, in the sun, "

SAME_AS_PLAIN_WORDS = [
    ("a word", "a <'cat'> on a mat", "a cat on a mat"),
    ("a word alone", "<'cat'>", "cat"),
    ("curly brackets", "a {'cat'} on a mat", "a cat on a mat"),
    ("a phrase", "<'a photo of a cat'>", "a photo of a cat"),
    ("a phrase with a comma behind it", "<'a photo of a cat, old'>, on a mat", "a photo of a cat, old, on a mat"),
    ("no blank before", "black<'cat'>", "black cat"),
    ("upper case", "<'A CAT'> on a mat", "a cat on a mat"),
    ("a number of no effect", "a <'cat'*1> on a mat", "a cat on a mat"),
    ("taken apart and put together", "<'cat' - 'dog' + 'dog'>", "cat"),
    ("attention", "a (<'cat'>:1.3) on a mat", "a (cat:1.3) on a mat"),
    ("brackets for attention", "a ((<'cat'>)) on [<'mat'>]", "a ((cat)) on [mat]"),
    ("editing", "a [<'cat'>:<'dog'>:0.5] on a mat", "a [cat:dog:0.5] on a mat"),
    ("alternation", "a [<'cat'>|<'dog'>] on a mat", "a [cat|dog] on a mat"),
    ("AND", "<'cat'> AND <'dog'> :0.7", "cat AND dog :0.7"),
    ("BREAK", "<'cat'> BREAK <'dog'>", "cat BREAK dog"),
    ("over several lines", "a <'cat'\n + 'cat' \n /2 \n - 'cat'/2> on a mat", "a <'cat' + 'cat'/2 - 'cat'/2> on a mat"),
    ("many, over one chunk", " ".join(["<'cat'>"] * 80), " ".join(["cat"] * 80)),
    ("nothing", "a cat<'':0> on a mat", "a cat on a mat"),
    ("a literal bracket", r"a \<'cat'> on a mat", "a  <'cat'> on a mat".replace("<", "\\<")),
    ("not an expression", "a <3 cat", "a <3 cat"),
]


@FAMILIES
@pytest.mark.parametrize(
    ("expression", "plain"), [case[1:] for case in SAME_AS_PLAIN_WORDS], ids=[case[0] for case in SAME_AS_PLAIN_WORDS]
)
def test_the_picture_is_that_of_plain_words(webui: WebUI, checkpoint: str, expression: str, plain: str) -> None:
    picture = webui.picture(expression, checkpoint=checkpoint, steps=4)
    assert picture.pixels == webui.picture(plain, checkpoint=checkpoint, steps=4).pixels


@FAMILIES
def test_an_expression_changes_the_picture(webui: WebUI, checkpoint: str) -> None:
    merged = webui.picture("<'cat' - 'adult' + 'child'>", checkpoint=checkpoint)
    assert merged.pixels != webui.picture("cat", checkpoint=checkpoint).pixels


@FAMILIES
def test_the_negative_prompt_too(webui: WebUI, checkpoint: str) -> None:
    merged = webui.picture("a mat", negative_prompt="<'blurry cat'>", checkpoint=checkpoint)
    assert merged.pixels == webui.picture("a mat", negative_prompt="blurry cat", checkpoint=checkpoint).pixels


@pytest.mark.parametrize("checkpoint", [SD1, SDXL])
def test_the_saved_file_makes_the_same_picture(webui: WebUI, checkpoint: str) -> None:
    skip_where_the_host_has_a_slip(webui, checkpoint)
    expression = "'cat' - 'adult' + 'child'"
    name = f"e2e_{checkpoint.replace('-', '_')}_kitten"
    folder = Path(webui.embeddings_folder())
    save(webui, checkpoint, folder, name, expression)
    try:
        inline = webui.picture(f"a <{expression}> on a mat", checkpoint=checkpoint)
        webui.refresh_embeddings()
        assert name in webui.embeddings()
        assert webui.picture(f"a {name} on a mat", checkpoint=checkpoint).pixels == inline.pixels
        named = webui.picture(f"a <'{name}' * 1> on a mat", checkpoint=checkpoint)
        assert named.pixels == inline.pixels
    finally:
        (folder / f"{name}.safetensors").unlink()
        webui.refresh_embeddings()


@pytest.mark.parametrize("checkpoint", [SD1, SDXL])
def test_a_file_that_changes_between_two_equal_prompts(webui: WebUI, checkpoint: str) -> None:
    folder = Path(webui.embeddings_folder()) / "e2e"
    folder.mkdir(exist_ok=True)
    prompt = "a <'e2e_changing' + 'dog' - 'dog'> on a mat"
    try:
        for word in ("cat", "fish"):
            save(webui, checkpoint, folder, "e2e_changing", f"'{word}'")
            if word == "cat":
                webui.refresh_embeddings()
            plain = webui.picture(f"a {word} on a mat", checkpoint=checkpoint)
            assert webui.picture(prompt, checkpoint=checkpoint).pixels == plain.pixels
    finally:
        (folder / "e2e_changing.safetensors").unlink()
        folder.rmdir()
        webui.refresh_embeddings()


def test_twenty_changing_expressions_in_a_row(webui: WebUI) -> None:
    for number in range(20):
        expression = f"<'cat' * {number / 10} + 'dog' * {1 - number / 10}>"
        picture = webui.picture(f"a {expression} on a mat", checkpoint=SD1)
        assert picture.infotext.startswith(f"a {expression} on a mat\n")
        if number == 10:
            assert picture.pixels == webui.picture("a cat on a mat", checkpoint=SD1).pixels


@pytest.mark.parametrize(("first", "second"), [(SD1, SD1B), (SDXL, SDXLB), (SD1, SDXL), (SD2, SD1)])
def test_the_same_text_on_two_checkpoints(webui: WebUI, first: str, second: str) -> None:
    for checkpoint in (first, second, first):
        plain = webui.picture("a cat on a mat", checkpoint=checkpoint)
        assert webui.picture("a <'cat'> on a mat", checkpoint=checkpoint).pixels == plain.pixels


def test_another_text_encoder_for_the_same_checkpoint(webui: WebUI) -> None:
    if webui.option("sd_text_encoder") is None or webui.is_sdnext():
        pytest.skip("the host has no setting for the text encoder")
    before = webui.picture("a <'cat'> on a mat", checkpoint=SD1)
    webui.set_options({"sd_text_encoder": f"TE: {SD1B}"})
    try:
        merged = webui.picture("a <'cat'> on a mat")
        assert merged.pixels == webui.picture("a cat on a mat").pixels
        assert merged.pixels != before.pixels
    finally:
        webui.set_options({"sd_text_encoder": "Automatic"})
    again = webui.picture("a <'cat'> on a mat")
    assert again.pixels == webui.picture("a cat on a mat").pixels
    assert again.pixels != merged.pixels


@pytest.mark.parametrize(("checkpoint", "other"), [(SD1, SD1B), (SDXL, SDXLB)])
@pytest.mark.parametrize("with_other", [False, True], ids=["one checkpoint", "hires with another checkpoint"])
def test_hires_with_its_own_prompt(webui: WebUI, checkpoint: str, other: str, with_other: bool) -> None:
    if with_other and webui.is_sdnext():
        pytest.skip("the host's second pass has the first one's checkpoint")
    more: dict[str, Any] = {**HIRES, "hr_checkpoint_name": other} if with_other else dict(HIRES)
    hires = webui.picture(
        "a <'cat'>", hr_prompt="<'a dog'>", hr_negative_prompt="<'rain'>", checkpoint=checkpoint, **more
    )
    plain = webui.picture("a cat", hr_prompt="a dog", hr_negative_prompt="rain", checkpoint=checkpoint, **more)
    assert hires.pixels == plain.pixels
    pasted = webui.pasted(hires)
    assert pasted["Refiner prompt" if webui.is_sdnext() else "Hires prompt"] == "<'a dog'>"


def test_the_refiner_takes_over(webui: WebUI) -> None:
    refiner = {"refiner_checkpoint": REFINER, "refiner_switch_at": 0.5, "steps": 4}
    try:
        plain = webui.picture("a cat", checkpoint=SDXL, **refiner)
    except HostError as fault:
        pytest.skip(f"the host itself cannot use the refiner, with plain words: {fault.message[:60]}")
    if plain.pixels == webui.picture("a cat", checkpoint=SDXL, steps=4).pixels:
        pytest.skip("the host itself uses no refiner, with plain words: SD.Next takes one of this size for SD 1")
    merged = webui.picture("a <'cat'>", checkpoint=SDXL, **refiner)
    assert merged.pixels == plain.pixels


def test_a_batch_of_different_seeds(webui: WebUI) -> None:
    batch = {"batch_size": 2, "n_iter": 2, "checkpoint": SD1}
    merged = webui.pictures("a <'cat'>", **batch)
    plain = webui.pictures("a cat", **batch)
    assert [p.pixels for p in merged] == [p.pixels for p in plain]
    assert len({p.pixels for p in merged[1:]}) > 1
    assert all("a <'cat'>" in p.infotext for p in merged)


def test_img2img(webui: WebUI) -> None:
    # The host draws the latent of the start picture from the unseeded generator: make the same picture before each.
    start = webui.picture("a mat", checkpoint=SD1)
    more = {"path": "img2img", "init_images": [start.encoded], "denoising_strength": 0.6}
    webui.picture("a mat")
    merged = webui.picture("a <'cat'>", **more)
    webui.picture("a mat")
    plain = webui.picture("a cat", **more)
    assert _largest_difference(merged.pixels, plain.pixels) <= 1
    assert merged.infotext.startswith("a <'cat'>\n")


@pytest.mark.parametrize("checkpoint", [SD1])
def test_the_model_asked_directly_for_conditioning(webui: WebUI, checkpoint: str) -> None:
    if webui.is_sdnext():
        pytest.skip("the host has no script that asks the model directly")
    start = webui.picture("a mat", checkpoint=checkpoint)

    def decoded(prompt: str) -> bytes:
        webui.picture("a mat")
        arguments = [None, True, True, prompt, "", True, 2, True, 1.0, 0.0, False]
        return webui.picture(
            prompt,
            path="img2img",
            init_images=[start.encoded],
            script_name="img2img alternative test",
            script_args=arguments,
        ).pixels

    try:
        plain = decoded("a cat")
    except HostError as problem:
        pytest.skip(f"the host's own script fails without us: {problem.message}")
    assert _largest_difference(decoded("a <'cat'>"), plain) <= 1
    assert _largest_difference(decoded("a dog"), plain) > 1


def test_prompt_search_and_replace_in_a_plot(webui: WebUI) -> None:
    plot = _plot(webui, "Prompt S/R", "cat,dog", [])
    pictures = webui.pictures("a <'cat'>", **plot, checkpoint=SD1)
    assert [p.pixels for p in pictures[1:3]] == [webui.picture(f"a {w}").pixels for w in ("cat", "dog")]


def test_a_checkpoint_change_inside_a_plot(webui: WebUI) -> None:
    checkpoints = [SD1, SD1B] if webui.is_sdnext() else [f"{SD1}.safetensors", f"{SD1B}.safetensors"]
    plot = _plot(webui, "Checkpoint name", "", checkpoints)
    pictures = webui.pictures("a <'cat'>", **plot, checkpoint=SD1)
    plain = [webui.picture("a cat", checkpoint=c).pixels for c in (SD1, SD1B)]
    assert [p.pixels for p in pictures[1:3]] == plain


def test_what_was_typed_stands_in_the_infotext_and_comes_back_on_paste(webui: WebUI) -> None:
    prompt = "a (<'cat [old:new:0.5]' - \"adult\"*0.5, 256 :2>:1.2), {'red'*0.3+'blue'*.7} AND <lerp('a','b',1/3)>"
    negative = "<'blurry' =* 2>, [low:<'quality'>:0.3]"
    picture = webui.picture(prompt, negative_prompt=negative, checkpoint=SD1)
    pasted = webui.pasted(picture)
    assert (pasted["Prompt"], pasted["Negative prompt"]) == (prompt, negative)
    assert "embm" not in picture.infotext


def test_the_kind_of_emphasis_survives_paste(webui: WebUI) -> None:
    if webui.option("emphasis") is None:
        pytest.skip("the host has no kinds of emphasis")
    webui.set_options({"emphasis": "No norm"})
    try:
        picture = webui.picture("a <('cat')*(2)>", checkpoint=SD1)
        assert webui.pasted(picture)["Emphasis"] == "No norm"
    finally:
        webui.set_options({"emphasis": "Original"})


ERRORS = [
    ("'cat' + >", "<'cat' + >", "a quoted text"),
    ("an unknown function", "a <lurp('a', 'b', 1)>", "Did you mean lerp"),
    ("an unclosed bracket", "a <'cat' on a mat", "Nothing closes this expression"),
    ("L on SD 1", "<'cat' * 2L>", "L and G need a model with two text encoders"),
    ("the old extension's parameters", "a <'EM_1'>", "the parameters of the old extension"),
]


@pytest.mark.parametrize(("prompt", "expected"), [c[1:] for c in ERRORS], ids=[c[0] for c in ERRORS])
def test_a_mistake_stops_the_job(webui: WebUI, prompt: str, expected: str) -> None:
    with pytest.raises(HostError) as caught:
        webui.picture(prompt, checkpoint=SD1)
    assert expected in caught.value.message
    assert "^" in caught.value.message
    assert webui.picture("a <'cat'>", checkpoint=SD1).pixels == webui.picture("a cat", checkpoint=SD1).pixels


def test_a_mistake_among_good_prompts_stops_the_whole_job(webui: WebUI) -> None:
    with pytest.raises(HostError):
        webui.pictures("a cat", negative_prompt="<'cat' +>", batch_size=2, checkpoint=SD1)


def test_brackets_can_be_switched_off(webui: WebUI) -> None:
    before = webui.picture("a <'cat' * 0.1>", checkpoint=SD1)
    webui.set_options({"embmerge_angle_brackets": False, "embmerge_curly_brackets": False})
    try:
        off = webui.picture("a <'cat' * 0.1>", checkpoint=SD1)
        assert off.pixels != before.pixels
        assert webui.picture("a <'cat' + >", checkpoint=SD1).infotext.startswith("a <'cat' + >")
    finally:
        webui.set_options({"embmerge_angle_brackets": True, "embmerge_curly_brackets": True})
    assert webui.picture("a <'cat' * 0.1>", checkpoint=SD1).pixels == before.pixels


def test_a_comma_before_the_chunks_end_takes_the_expression_along(webui: WebUI) -> None:
    # 60 words, a comma, an expression at tokens 62 to 70, words over the end of the chunk: the host moves the tail.
    words = " ".join(["word"] * 60)
    tail = "one two three four five six seven eight nine ten"
    prompt = f"{words}, <'a photo of a big old cat'> {tail}"
    plain = f"{words}, a photo of a big old cat {tail}"
    assert webui.picture(prompt, checkpoint=SD1).pixels == webui.picture(plain, checkpoint=SD1).pixels


def test_a_style_with_an_expression(webui: WebUI) -> None:
    styles = [s["name"] for s in webui.call("/sdapi/v1/prompt-styles")]
    if "e2e expression" not in styles:
        pytest.skip("the host has no style named 'e2e expression' with the prompt \"{prompt}, <'cat'>\"")
    styled = webui.picture("a mat", styles=["e2e expression"], checkpoint=SD1)
    assert styled.pixels == webui.picture("a mat, cat", checkpoint=SD1).pixels


def skip_where_the_host_has_a_slip(webui: WebUI, checkpoint: str) -> None:
    """SD.Next's SDXL takes the pooled vector where an embedding's token stands: it is behind the end's by number."""
    if webui.is_sdnext() and checkpoint == SDXL:
        pytest.skip("the host itself uses an embedding otherwise than its vectors")


def save(webui: WebUI, checkpoint: str, folder: Path, name: str, expression: str) -> None:
    """Save an expression from the host's checkpoint file into a folder, as a user without the host would."""
    command = [sys.executable, "-m", "lib_embmerge", "save", name, expression, "--overwrite"]
    command += ["--checkpoint", webui.checkpoint_file(checkpoint), "--dir", str(folder)]
    subprocess.run(command, check=True, capture_output=True)


def _plot(webui: WebUI, axis: str, values: str, choices: list[str]) -> dict[str, Any]:
    """Give what asks for a plot along one axis, with its single pictures; forks have more arguments, of their own."""
    scripts = webui.call("/sdapi/v1/script-info")
    name = SDNEXT_PLOT if webui.is_sdnext() else "x/y/z plot"
    known = next(s["args"] for s in scripts if s["name"] == name and not s["is_img2img"])
    axes = known[0]["choices"]
    chosen = {"Draw legend": False, "Include Sub Images": True, "Include images": True}
    number = axes.index(SDNEXT_AXES[axis] if webui.is_sdnext() else axis)
    arguments = [number, values, choices, *[axes.index("Nothing"), "", []] * 2]
    arguments += [chosen.get(a["label"], a["value"]) for a in known[len(arguments) :]]
    return {"script_name": name, "script_args": arguments}


def _largest_difference(left: bytes, right: bytes) -> int:
    return max(abs(a - b) for a, b in zip(left, right, strict=True))
