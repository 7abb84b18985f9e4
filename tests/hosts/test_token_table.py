"""Tables as hosts store them: the right values, as copies, whatever the kind."""

from __future__ import annotations

import pytest
import torch

from lib_embmerge.errors import ModelNotLoaded
from lib_embmerge.hosts.encoders.token_table import CalledTable, HostTable, PickedTable

ROWS = torch.arange(24, dtype=torch.float32).reshape(6, 4) / 8
FLOATS = [torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2]


def layer(dtype: torch.dtype = torch.float32) -> torch.nn.Embedding:
    """Make a layer as a loader does that fills in stored weights."""
    made = torch.nn.Embedding.from_pretrained(ROWS.clone())
    made.weight.data = made.weight.data.to(dtype)
    return made


class QuantizedLayer(torch.nn.Module):
    """Stands for a layer of GGUF: the stored bytes are not the rows, though they claim their shape."""

    class Weight(torch.nn.Parameter):
        @property
        def shape(self) -> torch.Size:
            return ROWS.shape

    def __init__(self) -> None:
        super().__init__()
        self.weight = self.Weight(torch.zeros(6, 3, dtype=torch.uint8), requires_grad=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return ROWS[ids].to(torch.float16)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_rows_of_any_float_are_its_values(dtype: torch.dtype) -> None:
    table = HostTable(layer(dtype))
    rows = table.rows([5, 0, 5])
    assert rows.dtype == torch.float32
    assert torch.equal(rows, ROWS.to(dtype).to(torch.float32)[[5, 0, 5]])
    rows.zero_()
    assert table.rows([5]).any()
    assert table.rows([]).shape == (0, 4)


def test_rows_of_a_quantized_table_are_its_layer_s() -> None:
    table = HostTable(QuantizedLayer())
    assert (table.size, table.width) == (6, 4)
    assert torch.equal(table.rows([1, 5]), ROWS[[1, 5]])
    assert torch.equal(table.vocabulary((0, 5)).row(3), ROWS[3])


def test_what_hosts_wrap_around_a_layer_is_seen_through() -> None:
    outer = torch.nn.Module()
    outer.wrapped = layer()
    assert torch.equal(HostTable(outer).rows([2]), ROWS[[2]])


def test_rows_are_plain_tensors_inside_and_outside_of_inference_mode() -> None:
    with torch.inference_mode():
        table = HostTable(layer(torch.float16))
        inside = table.rows([1, 2])
        norm = table.vocabulary(()).mean_norm
    for rows in (inside, table.rows([1, 2])):
        assert not rows.is_inference()
        rows.add_(1)
    assert table.vocabulary(()).mean_norm == norm
    assert table.fingerprint() == table.fingerprint()


def test_the_same_values_in_another_precision_are_the_same_table() -> None:
    with torch.inference_mode():
        half, full = HostTable(layer(torch.float16)), HostTable(layer())
    assert half.fingerprint() == full.fingerprint()


def test_a_table_that_is_in_no_memory_says_so() -> None:
    with pytest.raises(ModelNotLoaded, match="generate once"):
        HostTable(layer().to("meta")).rows([1])


class ConvertingLayer(torch.nn.Embedding):
    """Stands for a layer that makes other numbers of all of its rows for each call, and takes the factor last."""

    converted = 0
    """Rows that were converted so far."""

    def __init__(self, dtype: torch.dtype = torch.float16, padding: int | None = None) -> None:
        super().__init__(len(ROWS), ROWS.shape[1], padding_idx=padding)
        self.weight = torch.nn.Parameter(ROWS.to(dtype), requires_grad=False)
        self.weight_function: list[object] = []

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        type(self).converted += len(self.weight)
        return torch.nn.functional.embedding(ids, self.weight.to(torch.float32), self.padding_idx) * 2


@pytest.fixture
def converting() -> type[ConvertingLayer]:
    ConvertingLayer.converted = 0
    return ConvertingLayer


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("padding", [None, 5])
def test_only_the_rows_that_are_asked_for_are_converted(
    converting: type[ConvertingLayer], dtype: torch.dtype, padding: int | None
) -> None:
    made = converting(dtype, padding)
    table = PickedTable(made)
    assert torch.equal(table.rows([5, 0, 5]), ROWS.to(dtype).to(torch.float32)[[5, 0, 5]] * 2)
    assert converting.converted == 3
    assert table.rows([]).shape == (0, 4)
    assert len(made.weight) == len(ROWS)
    assert made.padding_idx == padding
    assert torch.equal(CalledTable(made).rows([5, 0]), table.rows([5, 0]))


def test_a_vocabulary_is_read_without_converting_it_all_each_time(converting: type[ConvertingLayer]) -> None:
    with torch.inference_mode():
        made = converting()
    vocabulary = PickedTable(made).vocabulary(())
    vocabulary.chunk = 2
    assert torch.equal(vocabulary.norms, (ROWS * 2).double().norm(dim=1))
    assert converting.converted <= 3 * len(ROWS)


@pytest.mark.parametrize("attribute", ["weight_function", "forge_online_loras"])
def test_what_is_added_to_a_table_is_in_its_rows(converting: type[ConvertingLayer], attribute: str) -> None:
    made = converting()
    setattr(made, attribute, [lambda weight: weight])
    assert torch.equal(PickedTable(made).rows([1]), ROWS[[1]] * 2)
    assert converting.converted == len(ROWS)


def test_a_layer_s_own_way_is_asked_of_itself(converting: type[ConvertingLayer]) -> None:
    made = converting()
    made.forward = made.forward  # type: ignore[method-assign]
    assert torch.equal(PickedTable(made).rows([1]), ROWS[[1]] * 2)
    assert converting.converted == len(ROWS)
    quantized = QuantizedLayer()
    quantized.num_embeddings, quantized.embedding_dim = ROWS.shape  # type: ignore[assignment]
    assert torch.equal(PickedTable(quantized).rows([1, 5]), ROWS[[1, 5]])
