"""The preview asks its model little: an expression is tokenized once, and its rows are read once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lib_embmerge.frontends.page.build.nearest import answer_nearest
from lib_embmerge.frontends.page.build.preview import answer_preview
from lib_embmerge.frontends.page.question import Question
from lib_embmerge.limits import Limits
from lib_embmerge.models.memory import MemoryModel

TEXTS = ["'cat' - 'adult' + 'child'", "normalize('cat' + 'dog'), 'a photo', 'cat'", "mean('cat', 'dog', 'red' * 3)"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("answer", [answer_preview, answer_nearest])
def test_an_expression_is_tokenized_once(answer: Any, text: str) -> None:
    model = MemoryModel.sdxl()
    host: Any = SimpleNamespace(loaded_text_model=lambda: model, limits=Limits())
    assert answer(Question(1, "any", {"text": text}), host).slots
    assert model.calls["pieces"] == 1
    assert [encoder.calls["tokenize"] for encoder in model.encoders] == [1, 1]
    assert [encoder.calls["rows"] for encoder in model.encoders] == [1, 1]
