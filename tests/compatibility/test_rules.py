"""The publish check: one row for each rule of the loaders."""

import pytest
import torch
from safetensors.torch import save_file

from lib_embmerge.compatibility.facts import MODELS, FileFacts, TensorFacts, describe_file, describe_vectors
from lib_embmerge.compatibility.judging import PROGRAMS, check_file, judge
from lib_embmerge.compatibility.view import headlines
from lib_embmerge.errors import FileError


def file(name="my_style", extension=".safetensors", dtype="float32", **options):
    tensors = {key: TensorFacts(shape, dtype) for key, shape in options.pop("tensors", SD1).items()}
    if "after" in options:
        options["repaired"] = {options.pop("by", "convert"): (file(tensors=options.pop("after")),)}
    return FileFacts(name, extension, tensors, **options)


SD1 = {"emb_params": (2, 768)}
SD2 = {"emb_params": (2, 1024)}
SDXL = {"clip_l": (2, 768), "clip_g": (2, 1280)}
UNEQUAL = {"clip_l": (2, 768), "clip_g": (3, 1280)}
SDXL_COMFY = "sd1 sdxl sd3 flux"
WITH_T5 = {**SDXL, "t5xxl": (2, 4096)}
FLUX = {"clip_l": (2, 768), "t5xxl": (2, 4096)}
TRAINED = {"extension": ".pt", "tensors": {"*": (2, 768)}, "is_trained": True, "has_string_to_token": True}


def verdict(facts, host, model):
    return next(v for v in judge(facts) if (v.program, v.model) == (host, model))


# Which families each host loads a file for: "sd1 flux" means these, and no others.
LOADS = [
    ("SD 1, A1111", file(), "A1111", "sd1"),
    ("SD 1, Forge: Flux's CLIP-L takes it too", file(), "Forge", "sd1 flux"),
    ("SD 1, SD.Next: neither SD 3 nor Flux", file(), "SD.Next", "sd1"),
    ("SD 1, ComfyUI", file(), "ComfyUI", "sd1 flux"),
    ("SD 1, diffusers", file(), "diffusers", "sd1 flux"),
    ("SD 1, InvokeAI: neither SD 3 nor Flux", file(), "InvokeAI", "sd1"),
    ("SD 1, Civitai", file(), "Civitai", "sd1 flux"),
    *((f"SD 2, {host}", file(tensors=SD2), host, "sd2") for host in PROGRAMS),
    ("SDXL, A1111: on SD 3 as well", file(tensors=SDXL), "A1111", "sdxl sd3"),
    ("SDXL, Forge: SD 3.5 puts it aside", file(tensors=SDXL), "Forge", "sdxl"),
    ("SDXL, SD.Next", file(tensors=SDXL), "SD.Next", "sdxl"),
    ("SDXL, ComfyUI: each encoder its own key", file(tensors=SDXL), "ComfyUI", "sd1 sdxl sd3 flux"),
    ("SDXL, diffusers has no joint loader", file(tensors=SDXL), "diffusers", ""),
    ("SDXL, InvokeAI", file(tensors=SDXL), "InvokeAI", "sdxl"),
    ("SDXL, Civitai", file(tensors=SDXL), "Civitai", "sdxl sd3"),
    ("SD 3 with T5, A1111 ignores T5", file(tensors=WITH_T5), "A1111", "sdxl sd3"),
    ("SD 3 with T5, SD.Next counts every tensor", file(tensors=WITH_T5), "SD.Next", ""),
    ("SD 3 with T5, ComfyUI", file(tensors=WITH_T5), "ComfyUI", "sd1 sdxl sd3 flux chroma"),
    ("SD 3 with T5, InvokeAI takes fewer than ten tensors", file(tensors=WITH_T5), "InvokeAI", "sdxl"),
    ("Flux with T5, A1111: a second tensor is an error", file(tensors=FLUX), "A1111", ""),
    ("Flux with T5, Forge: a second tensor is an error", file(tensors=FLUX), "Forge", ""),
    ("Flux with T5, ComfyUI: of SD 3 T5 takes its part", file(tensors=FLUX), "ComfyUI", "sd1 sd3 flux chroma"),
    ("Flux with T5, Civitai", file(tensors=FLUX), "Civitai", "flux"),
    ("another key, A1111 takes any", file(tensors={"cat": (2, 768)}), "A1111", "sd1"),
    ("another key, InvokeAI reads the rows as width", file(tensors={"cat": (2, 768)}), "InvokeAI", ""),
    ("another key, InvokeAI takes one dimension", file(tensors={"cat": (768,)}), "InvokeAI", "sd1"),
    ("one dimension, A1111 makes it a row", file(tensors={"cat": (768,)}), "A1111", "sd1"),
    ("one dimension, SD.Next reads 768 rows", file(tensors={"cat": (768,)}), "SD.Next", ""),
    ("one dimension, ComfyUI", file(tensors={"cat": (768,)}), "ComfyUI", "sd1 flux"),
    ("other keys, SD.Next goes by width", file(tensors={"a": (2, 768), "b": (2, 1280)}), "SD.Next", "sdxl"),
    ("other keys, A1111 wants the names", file(tensors={"a": (2, 768), "b": (2, 1280)}), "A1111", ""),
    (".bin, A1111", file(extension=".bin"), "A1111", "sd1"),
    (".bin, SD.Next never lists it", file(extension=".bin"), "SD.Next", ""),
    (".ckpt, InvokeAI takes it", file(extension=".ckpt"), "InvokeAI", "sd1"),
    (".ckpt, A1111 does not look for it", file(extension=".ckpt"), "A1111", ""),
    (".ckpt, ComfyUI takes it by its whole name", file(extension=".ckpt"), "ComfyUI", "sd1 flux"),
    (".ckpt, SwarmUI hands on the whole name", file(extension=".ckpt"), "SwarmUI", "sd1 flux"),
    (".PT, SwarmUI lists small letters only", file(extension=".pt", ending=".PT"), "SwarmUI", ""),
    ("no ending, ComfyUI takes the name", file(extension=""), "ComfyUI", "sd1 flux"),
    (".sft, ComfyUI takes it for a pickle", file(extension=".sft", form="safetensors"), "ComfyUI", ""),
    (".ckpt, Civitai takes it", file(extension=".ckpt"), "Civitai", "sd1 flux"),
    ("trained, A1111", file(**TRAINED), "A1111", "sd1"),
    ("trained, SD.Next", file(**TRAINED), "SD.Next", "sd1"),
    ("trained, InvokeAI", file(**TRAINED), "InvokeAI", "sd1"),
    ("trained without string_to_token, InvokeAI", file(**{**TRAINED, "has_string_to_token": False}), "InvokeAI", ""),
    ("trained with a name, diffusers", file(**TRAINED, inner_name="cat"), "diffusers", "sd1 flux"),
    ("trained without a name, diffusers", file(**TRAINED), "diffusers", ""),
    ("trained under another key, A1111 takes any", file(**{**TRAINED, "tensors": {"+": (2, 768)}}), "A1111", "sd1"),
    ("trained under another key, SD.Next wants *", file(**{**TRAINED, "tensors": {"+": (2, 768)}}), "SD.Next", ""),
    ("trained, two words, A1111", file(**{**TRAINED, "tensors": {"*": (2, 768), "+": (2, 768)}}), "A1111", ""),
    ("trained, one dimension, A1111", file(**{**TRAINED, "tensors": {"*": (768,)}}), "A1111", ""),
    ("a plain .pt, SD.Next reads string_to_param only", file(extension=".pt"), "SD.Next", ""),
    ("an SDXL .pt, SD.Next never loads it", file(extension=".pt", tensors=SDXL), "SD.Next", ""),
    ("an SDXL .pt, A1111", file(extension=".pt", tensors=SDXL), "A1111", "sdxl sd3"),
    (
        "ten tensors, InvokeAI: one of them has a name that it knows",
        file(tensors={"emb_params": (2, 768), **{f"x{i}": (1,) for i in range(9)}}),
        "InvokeAI",
        "sd1",
    ),
    (
        "ten tensors, InvokeAI: none has such a name",
        file(tensors={f"x{i}": (768,) for i in range(10)}),
        "InvokeAI",
        "",
    ),
    *((f"unequal rows, {host}", file(tensors=UNEQUAL), host, "") for host in ("A1111", "Forge", "SD.Next", "InvokeAI")),
    ("unequal rows, ComfyUI: each encoder reads its own", file(tensors=UNEQUAL), "ComfyUI", "sd1 sdxl sd3 flux"),
    *((f"three dimensions, {host}", file(tensors={"emb_params": (1, 2, 768)}), host, "") for host in PROGRAMS),
    ("dimensions of 1 in between, diffusers", file(tensors={"emb_params": (2, 1, 768)}), "diffusers", "sd1 flux"),
    ("dimensions of 1 in between, ComfyUI", file(tensors={"emb_params": (2, 1, 768)}), "ComfyUI", "sd1 flux"),
    *((f"no vectors, {host}", file(tensors={"emb_params": (0, 768)}), host, "") for host in PROGRAMS),
    ("three dimensions beside the vectors, ComfyUI", file(tensors={**SDXL, "x": (1, 1, 2)}), "ComfyUI", SDXL_COMFY),
    ("a name with a blank, ComfyUI", file("my style"), "ComfyUI", ""),
    ("a name with a comma, ComfyUI", file("my,style"), "ComfyUI", "sd1 flux"),
    ("a name with a bracket, ComfyUI", file("my(style"), "ComfyUI", "sd1 flux"),
    ("a name with a blank, InvokeAI takes it", file("my style"), "InvokeAI", "sd1"),
    ("a name with a plus, InvokeAI", file("my+style"), "InvokeAI", ""),
    ("a name beyond ASCII, InvokeAI", file("stil_é"), "InvokeAI", ""),
    ("a name beyond ASCII, A1111", file("stil_é"), "A1111", "sd1"),
]


LATER = {"anima", "klein-4b", "klein-9b", "pixart", "ltx", "hunyuan-video", "hidream"}
"""Families that only ComfyUI takes any for, by the same rules; loaders.json has what it did."""


@pytest.mark.parametrize(("facts", "host", "models"), [row[1:] for row in LOADS], ids=[row[0] for row in LOADS])
def test_where_it_loads(facts, host, models):
    found = {v.model for v in judge(facts) if v.program == host and v.loads}
    assert found - LATER == set(models.split())


REASONS = [
    (
        "another family's width",
        file(),
        "A1111",
        "sdxl",
        "SDXL takes vectors of 768 and 1280 numbers; the file's",
        "remake",
    ),
    (
        "SDXL on SD 1",
        file(tensors=SDXL),
        "A1111",
        "sd1",
        "SD 1 takes vectors of 768 numbers; the file's have 768 and 1280.",
        "remake",
    ),
    ("SDXL on SD 1, SD.Next", file(tensors=SDXL), "SD.Next", "sd1", "SD 1 takes vectors of 768", "remake"),
    ("SDXL on SD 1, diffusers", file(tensors=SDXL), "diffusers", "sd1", "SD 1 takes vectors of 768", "remake"),
    ("no Flux", file(), "A1111", "flux", "It takes no embeddings for Flux.", None),
    ("an extension", file(extension=".bin", after=SD1), "SD.Next", "sd1", "It looks for .safetensors", "convert"),
    ("a second tensor", file(tensors=FLUX), "A1111", "sd1", "A second tensor is an error to it", "split"),
    ("a tensor too many", file(tensors=WITH_T5), "SD.Next", "sdxl", "Every further tensor counts", "remake"),
    ("a key", file(tensors={"cat": (2, 768)}, after=SD1), "InvokeAI", "sd1", "A matrix named cat is", "convert"),
    (
        "unequal rows",
        file(tensors=UNEQUAL, after=SDXL, by="equal lengths"),
        "A1111",
        "sdxl",
        "(clip_l 2, clip_g 3), so the prompt shifts",
        "equal lengths",
    ),
    ("three dimensions", file(tensors={"x": (1, 1, 768)}, after=SD1), "A1111", "sd1", "has the shape", "convert"),
    ("no vectors", file(tensors={"clip_l": (0, 768)}), "ComfyUI", "sd1", "clip_l holds no vectors.", None),
    ("a name", file("my style"), "ComfyUI", "sd1", "the name ends at a blank", "rename"),
    ("a name", file("a[b]"), "ComfyUI", "sd1", "the name ends at [", "rename"),
    ("a name", file("a(b)"), "SwarmUI", "sd1", "reads them as weights", "rename"),
    ("a name", file("a+b"), "InvokeAI", "sd1", "A-Z a-z 0-9 . , _ - and blank only", "rename"),
    ("SD 3.5 on Forge", file(tensors=SDXL), "Forge", "sd3", "want 768 and 1280 numbers each", "split"),
    ("half of SD 3.5 on Forge", file(), "Forge", "sd3", "Only one of its two engines would take it", "remake"),
    ("no joint loader", file(tensors=SDXL), "diffusers", "sdxl", "once per encoder", "split"),
    ("half of SDXL, ComfyUI", file(), "ComfyUI", "sdxl", "Only clip_l takes it", "remake"),
    ("half of SDXL, InvokeAI", file(tensors={"clip_g": (2, 1280)}), "InvokeAI", "sdxl", "needs both", "remake"),
]


@pytest.mark.parametrize(
    ("facts", "host", "model", "reason", "repair"), [row[1:] for row in REASONS], ids=[row[0] for row in REASONS]
)
def test_reasons_and_repairs(facts, host, model, reason, repair):
    found = verdict(facts, host, model)
    assert not found.loads
    assert reason in found.reason
    assert found.repair == repair


REMARKS = [
    (
        "many vectors",
        file(tensors={"emb_params": (76, 768)}),
        "A1111",
        "sd1",
        "It has 76 vectors; a prompt's chunk holds 75",
    ),
    ("NaN", file(is_finite=False), "A1111", "sd1", "infinity or NaN"),
    ("zero vectors", file(is_zero=True), "InvokeAI", "sd1", "All its vectors are zero"),
    (
        "one name in one folder",
        file(neighbours=("my_style",), twins=("my_style.pt",)),
        "A1111",
        "sd1",
        "Another file here has this name: my_style.pt.",
    ),
    ("float64", file(dtype="float64"), "A1111", "sd1", "kept in float64"),
    ("a pickle", file(**TRAINED), "A1111", "sd1", "It is a pickle"),
    ("an old build", file(**TRAINED, entries={"byteorder": 6}), "A1111", "sd1", "Builds before 1.10.1 refuse pickles"),
    ("SD 3 and T5", file(tensors=SDXL), "A1111", "sd3", "T5 reads the name as text"),
    ("SD.Next's numbered words", file(), "SD.Next", "sd1", "the further vectors my_style_1"),
    (
        "an ending that ComfyUI does not add",
        file(extension=".pt", ending=".PT"),
        "ComfyUI",
        "sd1",
        "Write embedding:my_style.PT; without an ending only .safetensors, .pt, .bin are found.",
    ),
    ("T5 in ComfyUI", file(tensors=SDXL), "ComfyUI", "sd3", "T5 gets no vectors"),
    ("twins in ComfyUI", file(neighbours=("my_style",)), "ComfyUI", "sd1", "Another subfolder has a file of that name"),
    ("diffusers' trigger", file(), "diffusers", "sd1", "the word for it is the tensor's name"),
    ("Flux in diffusers", file(), "diffusers", "flux", "pass tokenizer= and text_encoder="),
    ("Civitai's versions", file(), "Civitai", "sd1", "A version there is for one base model"),
    (
        "a name that differs by case",
        file(neighbours=("My_Style",)),
        "A1111",
        "sd1",
        "differs only by case from My_Style",
    ),
    ("a name beyond ASCII", file("é"), "A1111", "sd1", "The name holds é"),
]


@pytest.mark.parametrize(
    ("facts", "host", "model", "text"), [row[1:] for row in REMARKS], ids=[row[0] for row in REMARKS]
)
def test_remarks(facts, host, model, text):
    found = verdict(facts, host, model)
    assert found.loads
    assert any(text in remark.text for remark in found.remarks)


def test_a_vocabulary_word_is_a_remark():
    verdicts = judge(file("cat"), is_vocabulary_word=lambda text: text == "cat")
    assert any("a word of the model's own vocabulary" in remark.text for remark in verdicts[0].remarks)
    warned = {one.program for one in verdicts if "name: word" in {remark.kind for remark in one.remarks}}
    assert warned == {"A1111", "Forge", "SD.Next"}  # elsewhere something stands before an embedding's name


def test_numbered_names_concern_the_programs_that_number_vectors():
    verdicts = judge(file("cat", neighbours=("cat_1",)))
    warned = {one.program for one in verdicts if "name: numbered" in {remark.kind for remark in one.remarks}}
    assert warned == {"SD.Next", "diffusers"}


def test_the_safest_files_load_wherever_the_family_does():
    """What we write for SD 1 loads in all eight; for SDXL in all but diffusers, which has no joint loader."""
    sd1 = describe_vectors("my_style", {"clip_l": torch.zeros(1, 768)})
    assert [v.program for v in judge(sd1) if v.model == "sd1" and v.loads] == list(PROGRAMS)
    sdxl = describe_vectors("my_style", {"clip_l": torch.zeros(1, 768), "clip_g": torch.zeros(1, 1280)})
    assert [v.program for v in judge(sdxl) if v.model == "sdxl" and not v.loads] == ["diffusers"]


def test_every_host_judges_every_family():
    assert [(v.program, v.model) for v in judge(file())] == [(host, model) for host in PROGRAMS for model in MODELS]


# --- Describing ---


def test_files_are_described(tmp_path):
    save_file(
        {"clip_l": torch.zeros(1, 768).half(), "clip_g": torch.full((1, 1280), float("nan"))},
        tmp_path / "a.safetensors",
    )
    facts = describe_file(tmp_path / "a.safetensors", neighbours=["b"])
    assert dict(facts.tensors) == {
        "clip_g": TensorFacts((1, 1280), "float32"),
        "clip_l": TensorFacts((1, 768), "float16"),
    }
    assert (facts.name, facts.extension, facts.is_finite, facts.neighbours) == ("a", ".safetensors", False, ("b",))


def test_twins_are_no_files_of_another_folder(tmp_path):
    save_file({"emb_params": torch.ones(1, 768)}, tmp_path / "a.b.safetensors")
    torch.save({"emb_params": torch.ones(1, 768)}, tmp_path / "a.b.pt")
    facts = describe_file(tmp_path / "a.b.safetensors", neighbours=["a.b"])
    assert facts.twins == ("a.b.pt",)
    assert "subfolder" not in " ".join(remark.text for found in judge(facts) for remark in found.remarks)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float8_e4m3fn])
def test_files_of_zeros_are_described(tmp_path, dtype):
    for value in (0, 1):
        save_file({"emb_params": torch.full((2, 768), value).to(dtype)}, tmp_path / f"{value}.safetensors")
    assert describe_file(tmp_path / "0.safetensors").is_zero
    assert not describe_file(tmp_path / "1.safetensors").is_zero
    assert describe_vectors("x", {"clip_l": torch.zeros(1, 768)}).is_zero


def test_pickles_are_described(tmp_path):
    content = {"string_to_token": {"*": 265}, "string_to_param": {"*": torch.zeros(1, 768)}, "name": "n", "step": 3}
    torch.save(content, tmp_path / "a.pt")
    facts = describe_file(tmp_path / "a.pt")
    assert facts.is_trained
    assert facts.has_string_to_token
    assert facts.inner_name == "n"
    assert dict(facts.tensors) == {"*": TensorFacts((1, 768), "float32")}


def test_a_file_for_auraflow_is_read_by_expressions_in_comfyui():
    facts = file(tensors={"pile_t5xl": (2, 2048)})
    lines = headlines(facts, judge(facts))
    assert lines[0] == "AuraFlow: no program loads it; only the upload is taken, by Civitai"
    assert any(line.startswith("Expressions read it in ComfyUI: <emb(") for line in lines)


def test_a_file_without_tensors_is_an_error(tmp_path):
    torch.save({"a": 1}, tmp_path / "a.pt")
    with pytest.raises(FileError, match="holds no tensors"):
        check_file(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("tensors", "is_said"), [({"clip_l": (1, 768)}, False), ({"qwen3_4b": (2, 2560)}, True), (FLUX, True)]
)
def test_a_file_for_t5_says_where_expressions_read_it(tensors, is_said):
    facts = file(tensors=tensors)
    said = f"Expressions read it in Forge, Forge Neo and SD.Next, too: <emb('{facts.name}')>"
    assert any(said in line for line in headlines(facts, judge(facts))) == is_said
