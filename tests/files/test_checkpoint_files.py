"""Checkpoints: which layouts are recognised as which family, and what is said of files that are none."""

import hashlib
import json
import os
import sys
from types import ModuleType

import pytest
import torch

from lib_embmerge.errors import FileError
from lib_embmerge.files.checkpoint_files import find_checkpoints, open_checkpoint
from tests.files.builders import HF, REFINER, ROWS, SD1, SD2, SD3_G, SD3_L, SDXL_G, SDXL_L, sd1, sdxl, write_checkpoint

L, H, G = (ROWS, 768), (ROWS, 1024), (ROWS, 1280)
UNET = {"model.diffusion_model.input_blocks.0.0.weight": (4, 4)}
MMDIT = {"model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight": (4, 4)}
FLUX = {"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": (4, 4)}
T5 = {"text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q.weight": (4, 4)}

LAYOUTS = [
    ("SD 1", {SD1: L, **UNET}, "sd1", ["clip_l"]),
    ("SD 1, an early merge", {"cond_stage_model.transformer.embeddings.token_embedding.weight": L}, "sd1", ["clip_l"]),
    ("SD 2", {SD2: H, **UNET}, "sd2", ["clip_h"]),
    ("SDXL", {SDXL_G: G, SDXL_L: L, **UNET}, "sdxl", ["clip_l", "clip_g"]),
    ("SDXL refiner", {REFINER: G, **UNET}, "sdxl-refiner", ["clip_g"]),
    ("SD 3", {SD3_L: L, SD3_G: G, **MMDIT}, "sd3", ["clip_l", "clip_g"]),
    ("SD 3 with T5", {SD3_L: L, SD3_G: G, **T5}, "sd3", ["clip_l", "clip_g"]),
    ("Flux all in one", {SD3_L: L, **FLUX, **T5}, "flux", ["clip_l"]),
    ("a Hugging Face CLIP-L", {HF: L}, "sd1", ["clip_l"]),
    ("a Hugging Face CLIP-G", {HF: G, "text_projection.weight": (4, 4)}, "sdxl-refiner", ["clip_g"]),
    ("a whole CLIP model", {HF: L, "vision_model.embeddings.class_embedding": (4,)}, "sd1", ["clip_l"]),
    ("an open_clip H", {"token_embedding.weight": H, "positional_embedding": (77, 1024)}, "sd2", ["clip_h"]),
    (
        "L and G of ComfyUI",
        {f"clip_l.transformer.{HF}": L, f"clip_g.transformer.{HF}": G},
        "sdxl",
        ["clip_l", "clip_g"],
    ),
    ("L and G of Forge", {f"clip_l.{HF}": L, f"clip_g.{HF}": G}, "sdxl", ["clip_l", "clip_g"]),
    ("an averaged copy beside it", {f"model_ema.{HF}": L, SD1: L}, "sd1", ["clip_l"]),
    ("a key used for something else", {"xtoken_embedding.weight": (4, 4), SD1: L}, "sd1", ["clip_l"]),
]


@pytest.mark.parametrize(
    ("tensors", "family", "encoders"), [row[1:] for row in LAYOUTS], ids=[row[0] for row in LAYOUTS]
)
def test_layouts(tmp_path, tensors, family, encoders):
    found = open_checkpoint(write_checkpoint(tmp_path / "model.safetensors", tensors))
    assert found.family is not None
    assert found.family.key == family
    assert [table.encoder for table in found.tables] == encoders
    assert found.title == "model"


def test_of_two_tables_the_models_own_is_taken(tmp_path):
    path = write_checkpoint(tmp_path / "m.safetensors", {f"a_copy.{HF}": L, SD1: L}, rows={SD1: {5: 1.0}})
    assert open_checkpoint(path).tables[0].key == SD1


NOT_A_CHECKPOINT = [
    (
        "a LoRA",
        {"lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight": (4, 4)},
        "is a LoRA; it has no token table",
    ),
    ("a LyCORIS", {"x.lokr_w1": (4, 4)}, "is a LoRA"),
    ("an embedding", {"emb_params": (1, 768)}, "is an embedding, not a checkpoint"),
    ("an SDXL embedding", {"clip_l": (1, 768), "clip_g": (1, 1280)}, "is an embedding, not a checkpoint"),
    (
        "a Flux transformer",
        {"double_blocks.0.img_attn.qkv.weight": (4, 4)},
        "a diffusion model without its text encoder",
    ),
    ("a U-Net", UNET, "a diffusion model without its text encoder. Give the text encoder's own file"),
    ("a diffusers U-Net", {"down_blocks.0.resnets.0.conv1.weight": (4, 4)}, "Give the diffusers folder it belongs to"),
    ("a VAE", {"first_stage_model.encoder.down.0.block.0.conv1.weight": (4, 4)}, "is a VAE"),
    ("T5", {"encoder.block.0.layer.0.SelfAttention.q.weight": (4, 4)}, "a part of a text encoder (T5"),
    ("something else", {"weight": (4, 4)}, "holds no token table of a text encoder"),
    ("nothing", {}, "holds no token table"),
    ("an unknown width", {HF: (ROWS, 512)}, "holds no token table"),
    ("too few rows", {HF: (1000, 768)}, "has 1,000 rows; CLIP's tokenizer needs 49,408"),
]


@pytest.mark.parametrize(
    ("tensors", "sentence"), [row[1:] for row in NOT_A_CHECKPOINT], ids=[row[0] for row in NOT_A_CHECKPOINT]
)
def test_what_is_said_of_other_files(tmp_path, tensors, sentence):
    with pytest.raises(FileError) as caught:
        open_checkpoint(write_checkpoint(tmp_path / "x.safetensors", tensors))
    assert "x.safetensors" in caught.value.message
    assert sentence in caught.value.message


def test_a_quantized_table_is_refused(tmp_path):
    with pytest.raises(FileError, match="kept as I8, which is not a float format"):
        open_checkpoint(write_checkpoint(tmp_path / "x.safetensors", {HF: L}, dtype="I8"))


@pytest.mark.parametrize("name", ["model.ckpt", "model.pt", "model.bin", "MODEL.CKPT"])
def test_pickles_are_refused_unread(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x02cos\nsystem\nq\x00X\x04\x00\x00\x00exitq\x01\x85q\x02Rq\x03.")
    with pytest.raises(FileError, match=r"is a pickle, .* Convert it to safetensors first"):
        open_checkpoint(tmp_path / name)


@pytest.mark.parametrize("package", [None, ModuleType("gguf")], ids=["missing", "an empty folder"])
def test_a_gguf_is_refused_without_its_package(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, "gguf", package)
    with pytest.raises(FileError, match="the package gguf is needed"):
        open_checkpoint(tmp_path / "model.gguf")


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"])
def test_rows_of_every_number_format(tmp_path, dtype):
    rows = {SDXL_L: {7: 0.5, 49407: -2.0}, SDXL_G: {7: 0.25}}
    found = open_checkpoint(sdxl(tmp_path / "x.safetensors", dtype=dtype, rows=rows))
    left, right = found.tables
    assert left.rows([49407, 7, 0]).dtype == torch.float32
    assert torch.equal(left.rows([49407, 7, 0])[:, 0], torch.tensor([-2.0, 0.5, 0.0]))
    assert torch.equal(right.rows([7]), torch.full((1, 1280), 0.25))


def test_identity_is_that_of_the_file(tmp_path):
    path = sdxl(tmp_path / "x.safetensors")
    assert open_checkpoint(path).identity == open_checkpoint(path).identity


def test_identity_changes_with_rows_and_with_time(tmp_path):
    first = open_checkpoint(sd1(tmp_path / "x.safetensors")).identity
    os.utime(tmp_path / "x.safetensors", ns=(1, 1))
    later = open_checkpoint(tmp_path / "x.safetensors").identity
    sd1(tmp_path / "x.safetensors", rows={SD1: dict.fromkeys(range(3000, 3100), 1.0)})
    os.utime(tmp_path / "x.safetensors", ns=(1, 1))
    assert len({first, later, open_checkpoint(tmp_path / "x.safetensors").identity}) == 3


def test_record_has_the_hash_only_on_request_or_from_metadata(tmp_path):
    path = sd1(tmp_path / "m.safetensors")
    plain = open_checkpoint(path).record()
    assert plain["name"] == "m.safetensors"
    assert plain["size"] == str(path.stat().st_size)
    length = int.from_bytes(path.read_bytes()[:8], "little")
    assert plain["header_sha256"] == hashlib.sha256(path.read_bytes()[8 : 8 + length]).hexdigest()
    assert set(plain) == {"name", "size", "header_sha256"}
    assert open_checkpoint(path).record(with_hash=True)["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    known = sd1(tmp_path / "k.safetensors", metadata={"modelspec.hash_sha256": "0xabc"})
    assert open_checkpoint(known).record()["tensors_sha256"] == "abc"


# --- Diffusers folders ---


def encoder(folder, shape, *, name="model.safetensors", rows=None):
    return write_checkpoint(folder / name, {HF: shape}, rows={HF: rows or {}})


@pytest.mark.parametrize(
    ("pipeline", "encoders", "family"),
    [
        ("StableDiffusionPipeline", [L], "sd1"),
        ("StableDiffusionPipeline", [H], "sd2"),
        ("StableDiffusionXLPipeline", [L, G], "sdxl"),
        ("StableDiffusionXLImg2ImgPipeline", [None, G], "sdxl-refiner"),
        ("StableDiffusion3Pipeline", [L, G], "sd3"),
        ("FluxPipeline", [L], "flux"),
        (None, [L, G], "sdxl"),
    ],
)
def test_diffusers_folders(tmp_path, pipeline, encoders, family):
    folder = tmp_path / "model"
    for name, shape in zip(("text_encoder", "text_encoder_2"), encoders, strict=False):
        if shape:
            encoder(folder / name, shape)
    if pipeline:
        (folder / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    found = open_checkpoint(folder)
    assert found.family is not None
    assert found.family.key == family
    assert found.title == "model"


def test_a_sharded_encoder(tmp_path):
    folder = tmp_path / "m" / "text_encoder"
    encoder(folder, L, name="model-00002-of-00002.safetensors", rows={3: 1.0})
    places = {HF: "model-00002-of-00002.safetensors", "other": "model-00001-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    assert open_checkpoint(tmp_path / "m").tables[0].rows([3])[0, 0] == 1.0


def test_the_precise_variant_is_preferred(tmp_path):
    encoder(tmp_path / "text_encoder", L, name="model.fp16.safetensors")
    whole = encoder(tmp_path / "text_encoder", L)
    assert open_checkpoint(tmp_path).tables[0].file.path == whole
    whole.unlink()
    assert open_checkpoint(tmp_path).tables[0].file.path.name == "model.fp16.safetensors"


def test_a_known_name_is_preferred_to_a_shorter_one(tmp_path):
    encoder(tmp_path / "text_encoder", L, name="x.safetensors")
    whole = encoder(tmp_path / "text_encoder", L)
    assert open_checkpoint(tmp_path).tables[0].file.path == whole


@pytest.mark.parametrize("part", [".", "text_encoder"])
def test_of_several_checkpoints_in_a_folder_none_is_guessed(tmp_path, part):
    for name in ("b", "longer", "a"):
        encoder(tmp_path / part, L, name=f"{name}.safetensors")
    with pytest.raises(FileError) as caught:
        open_checkpoint(tmp_path)
    names = "a.safetensors, b.safetensors, longer.safetensors"
    assert str(caught.value) == f"{tmp_path / part} holds 3 safetensors files; name the checkpoint among them: {names}"


def test_a_sole_checkpoint_in_a_folder_is_meant(tmp_path):
    assert open_checkpoint(sd1(tmp_path / "any name.safetensors").parent).tables[0].encoder == "clip_l"


def test_the_encoders_own_folder(tmp_path):
    encoder(tmp_path / "text_encoder", L)
    assert [table.encoder for table in open_checkpoint(tmp_path / "text_encoder").tables] == ["clip_l"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"weight_map": {HF: "../../secret.safetensors"}}, "names a shard outside the folder"),
        ({"weight_map": 3}, "has no weight_map"),
        ([], "is not a JSON object"),
    ],
    ids=["a shard elsewhere", "no map", "a list"],
)
def test_hostile_indexes(tmp_path, content, sentence):
    folder = tmp_path / "text_encoder"
    folder.mkdir()
    (folder / "model.safetensors.index.json").write_text(json.dumps(content))
    with pytest.raises(FileError, match=sentence):
        open_checkpoint(tmp_path)


def test_folders_without_an_encoder(tmp_path):
    with pytest.raises(FileError, match="is not a diffusers folder"):
        open_checkpoint(tmp_path)
    (tmp_path / "text_encoder").mkdir()
    with pytest.raises(FileError, match=r"holds no model\.safetensors"):
        open_checkpoint(tmp_path)
    (tmp_path / "text_encoder" / "pytorch_model.bin").touch()
    with pytest.raises(FileError, match="holds only pickles"):
        open_checkpoint(tmp_path)


def test_listing_a_folder_of_checkpoints(tmp_path):
    sd1(tmp_path / "b.safetensors")
    sd1(tmp_path / "sub" / "A.SAFETENSORS")
    (tmp_path / "note.txt").touch()
    encoder(tmp_path / "diff" / "text_encoder", L)
    (tmp_path / "diff" / "model_index.json").write_text("{}")
    listed = [path.relative_to(tmp_path).as_posix() for path in find_checkpoints(tmp_path)]
    assert listed == ["b.safetensors", "diff", "sub/A.SAFETENSORS"]
