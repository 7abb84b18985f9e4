"""Expressions in the text encodes of other packs: behind *Expressions for CLIP*, and with the switch on.

Each case needs that pack in `custom_nodes`, and is skipped without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .server import ComfyServer, node, picture_graph
from .test_graphs import SD1, SDXL

SMZ = {
    "mean_normalization": True,
    "multi_conditioning": True,
    "use_old_emphasis_implementation": False,
    "with_SDXL": False,
    "ascore": 6.0,
    "crop_w": 0,
    "crop_h": 0,
    "text_g": "",
    "text_l": "",
}
SIZES = {"width": 32, "height": 32, "target_width": 32, "target_height": 32}
CR_SIZES = {"base_width": 32, "base_height": 32, "crop_w": 0, "crop_h": 0, "target_width": 32, "target_height": 32}

CLIP_INPUTS = {"rgthree": "opt_clip", "rgthree for SDXL": "opt_clip", "Comfyroll for SDXL": "base_clip"}
"""What takes the CLIP where that is not called `clip`."""

ADV_CLIP_EMB = {
    "comfy": "none",
    "A1111": "length+mean",
    "compel": "mean",
    "comfy++": "none",
    "down_weight": "length",
}
"""How it reads weights, and how tokens are normalized with that here."""

OTHERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "prompt-control": ("PCTextEncode", "text", {}),
    "prompt-control, lazy": ("PCLazyTextEncode", "text", {}),
    **{
        f"ADV_CLIP_emb, {weights}": (
            "BNK_CLIPTextEncodeAdvanced",
            "text",
            {"token_normalization": normalization, "weight_interpretation": weights},
        )
        for weights, normalization in ADV_CLIP_EMB.items()
    },
    "SwarmUI": ("SwarmClipTextEncodeAdvanced", "prompt", {"steps": 2, **SIZES}),
    "smZNodes, comfy": ("smZ CLIPTextEncode", "text", {"parser": "comfy", **SMZ, **SIZES}),
    "smZNodes, comfy++": ("smZ CLIPTextEncode", "text", {"parser": "comfy++", **SMZ, **SIZES}),
    "rgthree": ("Power Prompt - Simple (rgthree)", "prompt", {}),
    "rgthree for SDXL": ("SDXL Power Prompt - Simple / Negative (rgthree)", "prompt_g", {"prompt_l": "a mat"}),
    "Inspire": ("CLIPTextEncodeWithWeight //Inspire", "text", {"strength": 1.0, "add_weight": 0.1}),
    "Comfyroll": ("CR Encode Scheduled Prompts", "current_prompt", {"next_prompt": "a mat", "weight": 0.3}),
    "Comfyroll for SDXL": (
        "CR SDXL Base Prompt Encoder",
        "pos_g",
        {"pos_l": "a mat", "neg_g": "", "neg_l": "", "preset": "preset A", **CR_SIZES},
    ),
    "the host's own for SDXL": ("CLIPTextEncodeSDXL", "text_g", {"text_l": "a mat", "crop_w": 0, "crop_h": 0, **SIZES}),
}
"""By what it is called here: the node, its input for the prompt, and its other inputs."""

SAME = {
    "an expression": ("a <'cat' * 2 - 'cat'> on a mat", "a cat on a mat"),
    "weighted": ("a (<'cat'>:1.3) on a (<'big mat'>:0.8), old", "a (cat:1.3) on a (big mat:0.8), old"),
    "over one chunk": (" ".join(["<'cat'>"] * 80), " ".join(["cat"] * 80)),
    "alone": ("<'cat'>", "cat"),
    "a phrase": ("<'a photo of a cat'>, old", "a photo of a cat, old"),
    "two in a row": ("<'black'><'cat'> on", "black cat on"),
    "over lines": ("a <'cat'\n + 'cat' \n /2 \n - 'cat'/2> on a mat", "a cat on a mat"),
    "escaped parentheses": (r"a <'cat'> \(old\)", r"a cat \(old\)"),
    "weighted twice": ("a ((<'cat'>)) on (<'mat'>)", "a ((cat)) on (mat)"),
}

IN_THEIR_SYNTAX = {
    "prompt-control schedules": ("prompt-control, lazy", "a [<'cat'>:<'dog'>:0.5] on", "a [cat:dog:0.5] on"),
    "prompt-control BREAK": ("prompt-control", "a <'cat'> BREAK <'dog'>", "a cat BREAK dog"),
    "prompt-control style": ("prompt-control", "STYLE(A1111) (<'cat'>:1.3) on", "STYLE(A1111) (cat:1.3) on"),
    "prompt-control encoders": ("prompt-control", "a <'cat'> TE(l=<'dog'>)", "a cat TE(l=dog)"),
    "SwarmUI from to": ("SwarmUI", "a [<'cat'>:<'dog'>:0.5] on", "a [cat:dog:0.5] on"),
    "SwarmUI alternating": ("SwarmUI", "a [<'cat'>|<'dog'>] on", "a [cat|dog] on"),
    "SwarmUI break": ("SwarmUI", "a <'cat'><break><'dog'>", "a cat<break>dog"),
    "SwarmUI escaped brackets": ("SwarmUI", r"a <'big cat'\[1\]> on", "a cat on"),
}


def other_s_graph(comfy: ComfyServer, other: str, text: str, checkpoint: str = SD1, **more: Any) -> Any:
    kind, prompt, inputs = OTHERS[other]
    if kind not in comfy.call("/object_info"):
        pytest.skip(f"{kind} is not there")
    graph = picture_graph("", checkpoint, **more)
    clip = {CLIP_INPUTS.get(other, "clip"): graph["2"]["inputs"]["clip"]}
    graph["2"] = node(kind, **clip, **{**inputs, prompt: text})
    return graph


@pytest.fixture
def switched_on(comfy: ComfyServer) -> Iterator[None]:
    comfy.set_setting("embmerge.every_clip", True)
    yield
    comfy.set_setting("embmerge.every_clip", False)


def read(comfy: ComfyServer, *args: Any, **more: Any) -> str:
    done = comfy.fingerprint(other_s_graph(comfy, *args, **more))
    assert done.mistake == ""
    assert done.fingerprint
    return done.fingerprint


@pytest.mark.parametrize(("text", "plain"), SAME.values(), ids=SAME.keys())
@pytest.mark.parametrize("other", OTHERS)
def test_others_nodes_read_expressions(comfy: ComfyServer, other: str, text: str, plain: str) -> None:
    checkpoint = SDXL if "SDXL" in other else SD1
    merged = read(comfy, other, text, checkpoint, through="clip")
    assert merged == read(comfy, other, plain, checkpoint, through="host")
    assert merged != read(comfy, other, "", checkpoint, through="host")


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.usefixtures("switched_on")
def test_others_nodes_with_the_switch_on(comfy: ComfyServer, other: str) -> None:
    checkpoint = SDXL if "SDXL" in other else SD1
    plain = read(comfy, other, "a (cat:1.2), on", checkpoint, through="host")
    assert read(comfy, other, "a (<'cat'>:1.2), on", checkpoint, through="host") == plain
    mistaken = comfy.fingerprint(other_s_graph(comfy, other, "a <'cat' + >", checkpoint, through="host"))
    assert "Expected" in mistaken.mistake
    assert mistaken.fingerprint == ""


@pytest.mark.parametrize(("other", "text", "plain"), IN_THEIR_SYNTAX.values(), ids=IN_THEIR_SYNTAX.keys())
def test_their_own_syntax_around_expressions(comfy: ComfyServer, other: str, text: str, plain: str) -> None:
    assert read(comfy, other, text, through="clip") == read(comfy, other, plain, through="host")


@pytest.mark.parametrize("parser", ["A1111", "full", "compel", "fixed attention"])
def test_what_reads_prompts_in_its_own_way_says_so(comfy: ComfyServer, parser: str) -> None:
    """It hands the prompt to no tokenizer of the host's, so that nothing may be made of it."""
    graph = other_s_graph(comfy, "smZNodes, comfy", "a <'cat'> on", through="clip")
    graph["2"]["inputs"]["parser"] = parser
    done = comfy.fingerprint(graph)
    assert "expression" in done.mistake
    assert done.fingerprint == ""
