"""A host's tokenizer, in the forms that transformers has given it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from lib_embmerge.hosts.encoders.encoder import HostEncoder

TOKENS = {1: "cat</w>", 2: "photo"}


@pytest.mark.parametrize("joined", [str, lambda text: text.replace("</w>", " ").strip()], ids=["version 5", "before"])
def test_tokens_are_spelled_with_a_blank_for_the_end_of_a_word(joined: type[str]) -> None:
    tokenizer = SimpleNamespace(
        convert_ids_to_tokens=TOKENS.__getitem__, convert_tokens_to_string=lambda tokens: joined("".join(tokens))
    )
    engine = SimpleNamespace(tokenizer=tokenizer, id_start=0, id_end=0, id_pad=0)
    encoder = HostEncoder(engine, torch.nn.Embedding(3, 4), name="clip_l", key="clip_l")
    assert encoder.spell([1, 2]) == ["cat ", "photo"]
