"""Models with a text encoder that takes only text beside those that take embeddings: SD 3 and Flux."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .test_inline import save
from .webui import WebUI

SD3, FLUX = "tiny-sd3", "tiny-flux"
NEWER = pytest.mark.parametrize("checkpoint", [SD3, FLUX])
NOTICE = "of each expression it reads the words"

SAME_AS_PLAIN_WORDS = [
    ("a word", "a <'cat'> on a mat", "a cat on a mat"),
    ("a phrase with a comma behind it", "<'a photo of a cat, old'>, on a mat", "a photo of a cat, old, on a mat"),
    ("no blank before", "black<'cat'>.", "black cat."),
    ("attention", "a (<'cat'>:1.3) on [<'mat'>]", "a (cat:1.3) on [mat]"),
    ("editing", "a [<'cat'>:<'dog'>:0.5] on a mat", "a [cat:dog:0.5] on a mat"),
    ("AND", "<'cat'> AND <'dog'> :0.7", "cat AND dog :0.7"),
    ("many, over one chunk", " ".join(["<'cat'>"] * 80), " ".join(["cat"] * 80)),
]


@pytest.fixture(autouse=True)
def _sd3_uses_t5(webui: WebUI) -> Iterator[None]:
    known = {model["model_name"] for model in webui.models()}
    if FLUX not in known:
        pytest.skip("the host has no checkpoint tiny-flux")
    can_choose = webui.option("sd3_enable_t5") is not None
    if can_choose:
        webui.set_options({"sd3_enable_t5": True})
    yield
    if can_choose:
        webui.set_options({"sd3_enable_t5": False})


def picture(webui: WebUI, prompt: str, checkpoint: str, **more: Any) -> Any:
    """Make a picture with the one schedule that these small models bear."""
    guidance = {"cfg_scale": 1} if checkpoint == FLUX else {}
    return webui.picture(prompt, checkpoint=checkpoint, scheduler="Simple", sampler_name="Euler", **guidance, **more)


@NEWER
@pytest.mark.parametrize(
    ("expression", "plain"), [case[1:] for case in SAME_AS_PLAIN_WORDS], ids=[case[0] for case in SAME_AS_PLAIN_WORDS]
)
def test_the_picture_is_that_of_plain_words(webui: WebUI, checkpoint: str, expression: str, plain: str) -> None:
    merged = picture(webui, expression, checkpoint)
    assert merged.pixels == picture(webui, plain, checkpoint).pixels
    assert merged.infotext.startswith(f"{expression}\n")
    assert "embm" not in merged.infotext
    assert NOTICE not in merged.infotext


@NEWER
def test_an_expression_changes_the_picture_by_vectors_and_by_words(webui: WebUI, checkpoint: str) -> None:
    prompts = ["cat child", "<'cat' - 'adult' + 'child'>", "<'cat' + 'child'>", "<'cat', 'child'>", "<'cat'>"]
    pictures = [picture(webui, prompt, checkpoint).pixels for prompt in prompts]
    assert pictures[0] == pictures[3]
    assert len(set(pictures)) == 4


def test_the_negative_prompt_too(webui: WebUI) -> None:
    merged = picture(webui, "a mat", SD3, negative_prompt="<'blurry cat'>, <'rain'>")
    assert merged.pixels == picture(webui, "a mat", SD3, negative_prompt="blurry cat, rain").pixels


def test_break_too(webui: WebUI) -> None:
    """On SD 3 the host itself cannot do it, with or without expressions: T5 has one chunk where CLIP has two."""
    merged = picture(webui, "<'cat'> BREAK <'dog'>", FLUX)
    assert merged.pixels == picture(webui, "cat BREAK dog", FLUX).pixels


@NEWER
def test_a_saved_file_is_the_expression_where_the_host_takes_it(
    webui: WebUI, checkpoint: str, tmp_path: Path
) -> None:
    """Forge reads a file with both encoders' vectors for SDXL only: on SD 3 an expression knows it, a prompt not."""
    folder, name = Path(webui.embeddings_folder()), "e2e_newer"
    save(webui, checkpoint, folder, name, "'cat' - 'adult' + 'child'")
    try:
        webui.refresh_embeddings()
        inline = picture(webui, "a <'cat' - 'adult' + 'child'>", checkpoint)
        assert picture(webui, f"a <text('cat') * 0 + emb('{name}')>", checkpoint).pixels != inline.pixels
        named = picture(webui, f"a {name}", checkpoint)
        assert (name in named.infotext.partition("\n")[2]) == (checkpoint == FLUX)
    finally:
        (folder / f"{name}.safetensors").unlink()
        webui.refresh_embeddings()
