"""What files hold, to the byte: files that people have must mean the same to later versions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from lib_embmerge.entered import read_expression
from lib_embmerge.files.reading import read_embedding
from lib_embmerge.files.writing import encode_embedding
from lib_embmerge.host_protocol import InstalledEmbedding
from lib_embmerge.models.memory import MemoryModel
from lib_embmerge.saving import SaveOptions, save_expression
from lib_embmerge.version import __version__


def test_a_file_of_one_encoder() -> None:
    texts = {"b": "é", "a": "x"}
    assert encode_embedding({"clip_l": torch.tensor([[1.0, -0.5]])}, metadata=texts) == (
        b"\xd0\0\0\0\0\0\0\0"
        b'{"__metadata__": {"a": "x", "b": "\xc3\xa9", '
        b'"modelspec.hash_sha256": "0xe5e0ce39fac89cd93af5ba8bcad2fe35d88c75417c7e44941fe5ee4e48f1cf75"}, '
        b'"emb_params": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]}} '
        b"\0\0\x80?\0\0\0\xbf"
    )


def test_a_file_of_two_encoders_in_half_precision() -> None:
    vectors = {"clip_l": torch.tensor([[1.0, -0.5]]), "clip_g": torch.tensor([[2.0]])}
    assert encode_embedding(vectors, metadata={}, dtype=torch.float16) == (
        b"\0\1\0\0\0\0\0\0"
        b'{"__metadata__": '
        b'{"modelspec.hash_sha256": "0xbe27d3a9620753eb5b4924ea2bc7ecab162020f5b589a905db4f452fca355167"}, '
        b'"clip_g": {"dtype": "F16", "shape": [1, 1], "data_offsets": [0, 2]}, '
        b'"clip_l": {"dtype": "F16", "shape": [1, 2], "data_offsets": [2, 6]}}     '
        b"\0@\0<\0\xb8"
    )


@pytest.fixture
def models() -> Mapping[str, MemoryModel]:
    two = MemoryModel.sdxl(widths=(768, 1280), title="two")
    vectors = {"clip_l": torch.full((2, 768), 0.5), "clip_g": torch.full((2, 1280), 0.25)}
    two.install(InstalledEmbedding("style", vectors))
    two.checkpoints["other"] = MemoryModel.sdxl(widths=(768, 1280), title="other")
    return {"one": MemoryModel.sd1(width=768, title="one"), "two": two}


SAVED: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("one", "'cat' - 'adult' + 'child'"): {
        "embmerge.checkpoint": "one",
        "embmerge.expression": "'cat' - 'adult' + 'child'",
        "embmerge.resolved": "text('cat') - text('adult') + text('child')",
        "embmerge.rows": "d38b93a067dc6f50e7cb2f112fc08c4343460bc56d3da2b28468326a1d3d4100",
        "embmerge.tokens": '{"clip_l": [0, 1, 2]}',
        "modelspec.architecture": "stable-diffusion-v1/textual-inversion",
        "modelspec.hash_sha256": "0x03b87272e0d002cbde9ac0c1d44feadc304e1f020ef30797a2278b5b16e69e0c",
    },
    ("two", "'cat, style'"): {
        "embmerge.checkpoint": "two",
        "embmerge.embeddings": '{"style": "8ee6a53f0ffd1138bc85580a6c55ad304aae5220c11f4cfa55675ea340c601bf"}',
        "embmerge.expression": "'cat, style'",
        "embmerge.resolved": "text('cat,'), emb('style')",
        "embmerge.rows": "978b35877777c1dda66cbaa26d7b71acee31adc5d627b3da11ba27ef83843f4d",
        "embmerge.tokens": '{"clip_l": [0, 54], "clip_g": [0, 54]}',
        "modelspec.architecture": "stable-diffusion-xl-v1-base/textual-inversion",
        "modelspec.hash_sha256": "0xaee9b0026676f667e4a168c31309ec1d808267715d16a61e20e71d8c9a7e366e",
    },
    ("two", "'dog' - 'cat' + 'style':1, 'red'@other"): {
        "embmerge.checkpoint": "two",
        "embmerge.embeddings": '{"style": "8ee6a53f0ffd1138bc85580a6c55ad304aae5220c11f4cfa55675ea340c601bf"}',
        "embmerge.expression": "'dog' - 'cat' + 'style':1, 'red'@other",
        "embmerge.resolved": "text('dog') - text('cat') + emb('style') : 1, text('red')@other",
        "embmerge.rows": "af04063ac1ee21d713b53c3986b82d34608ce0c9e6dbe03c4ab2c4460993212a",
        "embmerge.tokens": '{"clip_l": [4, 0, 5], "clip_g": [4, 0, 5]}',
        "modelspec.architecture": "stable-diffusion-xl-v1-base/textual-inversion",
        "modelspec.hash_sha256": "0x75d8e60b237e6542e426798f8537ede546d561a327bbad40c35d186816ba8097",
    },
    ("one", "'cat' * 0, token(3) / 2"): {
        "embmerge.checkpoint": "one",
        "embmerge.expression": "'cat' * 0, token(3) / 2",
        "embmerge.resolved": "text('cat') * 0, 3 / 2",
        "embmerge.rows": "0507365d3b8a2b389157d0dfcb504a9e656e92c5732752644d7685c58a42dd2a",
        "embmerge.tokens": '{"clip_l": [0, 3]}',
        "modelspec.architecture": "stable-diffusion-v1/textual-inversion",
        "modelspec.hash_sha256": "0xc5f4f51d6882ceae29cd396510d9b0c0f425a88091e2feca2bbd8794dda392a0",
    },
}


@pytest.mark.parametrize(("model", "text"), SAVED, ids=[text for _, text in SAVED])
def test_the_header_of_a_saved_expression(
    models: Mapping[str, MemoryModel], model: str, text: str, tmp_path: Path
) -> None:
    options = SaveOptions(tmp_path, about={"author": "somebody"})
    (saved,) = save_expression(read_expression(text), "gold-x", models[model], options)
    header = dict(read_embedding(saved.path).metadata)
    assert header.pop("embmerge.version") == __version__
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", header.pop("modelspec.date"))
    assert header == {**COMMON, **SAVED[model, text]}


COMMON = {
    "modelspec.sai_model_spec": "1.0.1",
    "modelspec.implementation": "https://github.com/AUTOMATIC1111/stable-diffusion-webui",
    "modelspec.title": "gold-x",
    "modelspec.author": "somebody",
}


def test_the_fingerprint_is_of_ids_and_rows_as_the_documents_say(models: Mapping[str, MemoryModel]) -> None:
    """A hash of its first line; for each checkpoint and encoder a line with the ids; and their rows."""
    digest = hashlib.sha256(b"embmerge rows 1\n")
    two = models["two"]
    for checkpoint, model, ids in (("", two, [0, 4]), ("other", two.checkpoints["other"], [5])):
        for name in ("clip_g", "clip_l"):
            encoder = model.encoder(name)
            digest.update(f"{checkpoint}\n{name} {encoder.width} {ids}\n".encode())
            digest.update(encoder.table[ids].numpy().astype(np.dtype("<f4")).tobytes())
    assert SAVED["two", "'dog' - 'cat' + 'style':1, 'red'@other"]["embmerge.rows"] == digest.hexdigest()
