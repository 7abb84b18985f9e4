"""Tables of GGUF files in ComfyUI: packed bytes by row, of which a layer makes numbers at each call."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from lib_embmerge.hosts.comfyui.encoders import ComfyTable

ROWS = torch.randint(-128, 128, (6, 4), generator=torch.Generator().manual_seed(0)).float() / 2


class Packed(Tensor):
    """A tensor of bytes that says that it is as long as its numbers: here each takes two bytes."""

    tensor_type: Any
    tensor_shape: torch.Size
    patches: list[Any]

    def __new__(cls, data: Tensor, **_: Any) -> Packed:
        return super().__new__(cls, data)

    def __init__(self, data: Tensor, *, tensor_type: Any, tensor_shape: torch.Size, patches: Any = ()) -> None:
        super().__init__()
        self.tensor_type, self.tensor_shape, self.patches = tensor_type, tensor_shape, list(patches)

    def detach(self) -> Packed:
        return self

    @property
    def shape(self) -> torch.Size:
        return self.tensor_shape


class PackedLayer(torch.nn.Embedding):
    """A layer that unpacks all of its table at each call, and adds what its patches are."""

    unpacked = 0
    """Rows so far."""

    def __init__(self, patches: tuple[float, ...] = ()) -> None:
        super().__init__(*ROWS.shape, padding_idx=5)
        data = ROWS.half().view(torch.uint8)
        weight = Packed(data, tensor_type=1, tensor_shape=ROWS.shape, patches=patches)
        self.weight = torch.nn.Parameter(weight, requires_grad=False)

    def forward(self, ids: Tensor, out_dtype: torch.dtype | None = None) -> Tensor:
        weight: Any = self.weight
        numbers = weight.as_subclass(Tensor).view(torch.float16).reshape(weight.tensor_shape)
        type(self).unpacked += len(numbers)
        return torch.nn.functional.embedding(ids, numbers + sum(weight.patches), self.padding_idx).to(out_dtype)


@pytest.mark.parametrize("is_inference", [False, True])
def test_only_the_rows_that_are_asked_for_are_unpacked(is_inference: bool) -> None:
    with torch.inference_mode(is_inference):
        layer = PackedLayer()
    PackedLayer.unpacked = 0
    table = ComfyTable(layer)
    assert (table.size, table.width) == (6, 4)
    with torch.inference_mode(is_inference):
        rows = table.rows([5, 0, 5])
    assert torch.equal(rows, ROWS[[5, 0, 5]])
    assert PackedLayer.unpacked == 3
    assert torch.equal(table.vocabulary(()).norms, ROWS.double().norm(dim=1))
    assert layer.weight.shape == ROWS.shape


def test_a_patched_table_is_unpacked_whole() -> None:
    layer = PackedLayer((0.5, 1.0))
    PackedLayer.unpacked = 0
    assert torch.equal(ComfyTable(layer).rows([1]), ROWS[[1]] + 1.5)
    assert PackedLayer.unpacked == 6
