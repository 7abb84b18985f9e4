"""CLIP-L's tokenizer as tests/e2e/make_checkpoints.py writes it for a WebUI: transformers reads it as ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib_embmerge.models.tokenizers import END, START, tokenize_as_transformers
from tests.e2e.make_checkpoints import write_clip_l


def test_a_webui_reads_texts_as_we_do(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    write_clip_l(tmp_path)
    tokenizer = transformers.CLIPTokenizer.from_pretrained(tmp_path)
    for text in ("a Red cat, 1990's", "naïve 猫 😀", "embm0a0a0a0a0a"):
        assert tokenizer(text)["input_ids"] == [START, *tokenize_as_transformers(text), END]
    assert transformers.CLIPTextConfig.from_pretrained(tmp_path).hidden_size == 768
