"""Whatever stands in a pickle, the reason that is given for not reading it is true of it."""

import io
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lib_embmerge.errors import FileError
from lib_embmerge.files.convert import Treatment, clean_embeddings

from ..examples import examples
from .kinds import G, H, L, packed

ROW = L[0].clone()
ONE = torch.tensor(1.0)
FLOATS = [[0.5] * 768] * 2
DEEPER = "has its tensors where no embedding has them"
NONE = "holds no tensors"
KEY = "has a key of a dict that is neither a text nor a number; it is not read."

SAID = [
    ([[L]], f"{DEEPER}; it is a list of lists of tensors of shape [2, 768]."),
    ([[[L], [G]]], f"{DEEPER}; it is a list of lists of lists of tensors of shape [2, 768] and [2, 1280]."),
    (([L],), f"{DEEPER}; it is a tuple of lists of tensors of shape [2, 768]."),
    ([(L, "x")], f"{DEEPER}; it is a list of tuples of tensors and texts."),
    ([{"a": [L]}], f"{DEEPER}; a is a list of tensors of shape [2, 768]."),
    ([{"a": {"b": L}}, {}], f"{DEEPER}; it is a list of dicts."),
    ({"<x>": [[L]]}, f"{DEEPER}; <x> is a list of lists of tensors of shape [2, 768]."),
    ({"<x>": (L, "x")}, f"{DEEPER}; <x> is a tuple of tensors and texts."),
    ({"<x>": [L, None]}, f"{DEEPER}; <x> is a list of tensors and nothing."),
    ({"<x>": [L, G]}, f"{DEEPER}; <x> is a list of tensors of shape [2, 768] and [2, 1280]."),
    ({"<x>": [ONE]}, f"{DEEPER}; <x> is a list of tensors of shape []."),
    ({"a": {"b": {"c": {"d": L}}}}, f"{DEEPER}; a is a dict with tensors in it."),
    ({"a": {"b": L}, "c": {"d": H}}, f"{DEEPER}; a is a dict with tensors in it, c is a dict with tensors in it."),
    ({"string_to_param": {"*": [[L]]}}, "x.pt: string_to_param has its tensors where no embedding has them; * is a"),
    ({"string_to_param": {"*": None}}, "x.pt: string_to_param holds no tensors; * is nothing."),
    ({"string_to_param": {}}, "x.pt: string_to_param holds no tensors; it is an empty dict."),
    ({"<x>": FLOATS}, f"{NONE}; <x> is a list of lists of numbers."),
    ({"<x>": {}, "y": [], "z": 1, "t": True}, f"{NONE}; <x> is an empty dict, y is an empty list, z is a number,"),
    (FLOATS, f"{NONE}; it is a list of lists of numbers."),
    (["a", 1, None, b"x"], f"{NONE}; it is a list of texts and numbers and nothing."),
    ({1, 2}, f"{NONE}; it is a list of numbers."),
    ([], f"{NONE}; it is an empty list."),
    ({}, f"{NONE}."),
    ({"<x>": {}, "name": {}}, f"{NONE}; <x> is an empty dict, name is an empty dict."),
    (None, f"{NONE}; it is nothing."),
    ("x", f"{NONE}; it is a text."),
    (1j, f"{NONE}; it is something else."),
    ({("a",): None}, f"{NONE}; a is nothing."),
    ([{}], f"{NONE}; it is an empty dict."),
    ([{"step": ONE}], "holds no vectors."),
    ({(("a",),): L}, KEY),
    ({frozenset("a"): L}, KEY),
    ({1j: L}, KEY),
    ({"<x>": np.array(["a"], dtype=object)}, "holds an array of numpy of another kind (O8); only plain ones are read."),
    ({"<x>": np.array(["abc"])}, "holds an array of numpy of another kind (U3); only plain ones are read."),
    ({"<x>": L.numpy().astype(">f4")}, "holds an array of numpy with another order of bytes; only plain ones are"),
    ({"<x>": L.to(torch.float8_e4m3fnuz)}, "holds numbers of the format float8_e4m3fnuz; only plain ones are read."),
    ({"<x>": torch.ones(2, 768, dtype=torch.complex128)}, "holds complex numbers, not vectors."),
]

READ = [
    ({("a", "b"): L}, [L], []),
    ({("a", 1): L, "b": L * 2}, [L, L * 2], []),
    ({"<x>": L, ("a",): 1}, [L], ["x.pt: a was left out."]),
    ({1: L, "1": L * 2}, [L, L * 2], []),
    ({"string_to_param": {("*",): L}}, [L], []),
    ({"string_to_param": {"*": [L]}}, [L], []),
    ({"string_to_param": {"*": L, "@": [L * 2]}}, [L, L * 2], []),
    ([L.numpy()], [L], []),
    ({"<x>": [L.numpy()]}, [L], []),
    ({"<x>": np.asfortranarray(L.numpy())}, [L], []),
    ({"<x>": L, "when": np.datetime64("2024-01-01")}, [L], ["x.pt: when was left out."]),
    ({"<x>": L, "kept": frozenset(["a"])}, [L], ["x.pt: kept was left out."]),
    (("cat", L), [L], ["x.pt: a text in the list was left out."]),
    ([{"a": L}, "x", 3], [L], ["x.pt: a text in the list was left out.", "x.pt: a number in the list was left out."]),
    (OrderedDict({"string_to_param": {"*": L}, "step": np.uint32(3), "name": np.str_("abc")}), [L], []),
]


def put(folder: Path, content: object) -> Path:
    written = io.BytesIO()
    torch.save(content, written)
    path = folder / "x.pt"
    path.write_bytes(written.getvalue())
    return path


@pytest.mark.parametrize(("content", "said"), SAID, ids=[said for _, said in SAID])
def test_why_it_is_not_read(tmp_path, content, said):
    with pytest.raises(FileError) as caught:
        clean_embeddings(put(tmp_path, content), Treatment())
    assert caught.value.sentence.startswith(said if said.startswith("x.pt") else f"x.pt {said}")


@pytest.mark.parametrize(("content", "rows", "notes"), READ, ids=[str(place) for place in range(len(READ))])
def test_what_is_read_all_the_same(tmp_path, content, rows, notes):
    found = clean_embeddings(put(tmp_path, content), Treatment())
    assert [one.vectors["clip_l"].tolist() for one in found] == [each.tolist() for each in rows]
    assert [note for note in found[0].notes if "one dimension" not in note] == notes


def test_a_number_of_numpy_and_its_text_are_kept(tmp_path):
    content = {"string_to_param": {"*": L}, "step": np.uint32(3), "name": np.str_("abc")}
    (found,) = clean_embeddings(put(tmp_path, content), Treatment())
    assert found.found.said == {"step": "3", "name": "abc"}


def test_a_dict_and_a_list_may_hold_themselves(tmp_path):
    around: dict[str, object] = {"a": [1]}
    around["self"] = around
    with pytest.raises(FileError, match="holds no tensors; a is a list of numbers, self is a dict"):
        clean_embeddings(put(tmp_path, around), Treatment())
    inside: list[object] = [[L]]
    inside.append(inside)
    with pytest.raises(FileError, match="has its tensors where no embedding has them; it is a list of lists"):
        clean_embeddings(put(tmp_path, inside), Treatment())


LEAVES = st.sampled_from([L, ROW, ONE, torch.zeros(0), L.numpy(), None, True, 3, 0.5, "x", b"x", 1j, L[:0]])
KEYS = st.sampled_from(["<x>", "name", "clip_l", 0, 1, None, b"k", ("a", 1), ("a",), 0.5, "string_to_param", "step"])
STRUCTURES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=3).map(OrderedDict)
    ),
    max_leaves=8,
)


def _has_tensor(value: object) -> bool:
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return True
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return any(map(_has_tensor, inside))


@settings(max_examples=examples(200), deadline=None)
@given(content=STRUCTURES)
def test_no_structure_is_called_what_it_is_not(tmp_path_factory, content):
    path = put(tmp_path_factory.getbasetemp(), content)
    try:
        found = clean_embeddings(path, Treatment())
    except FileError as error:
        said = error.sentence
        assert "damaged" not in said
        assert "could run code" not in said
        assert ("holds no tensors" not in said) or not _has_tensor(content) or "string_to_param" in said
        assert len(said) <= 200
    else:
        assert _has_tensor(content)
        assert found


def test_protocol_4_is_described_alike(tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(packed({"<x>": [[L]]}, "byteorder"))
    with pytest.raises(FileError, match="<x> is a list of lists of tensors"):
        clean_embeddings(path, Treatment())
