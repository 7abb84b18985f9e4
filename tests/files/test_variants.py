"""Every kind of file has its answer: what is read of it, or the sentence that says what it is."""

import json
from pathlib import Path

import pytest
import torch

from lib_embmerge.compatibility.facts import describe_file
from lib_embmerge.errors import EmbeddingMergeError, FileError
from lib_embmerge.files.convert import Treatment, clean_embeddings

from .kinds import FILES
from .variants import OTHERS, VARIANTS

ANSWERS = json.loads((Path(__file__).parent / "answers.json").read_text())
"""By file: for each embedding the name that converting gives it, and by encoder (vectors, width) and their sum."""

EVERY = {**FILES, **VARIANTS}
LONGEST_LINE = 200


def test_every_kind_has_an_answer():
    assert set(ANSWERS) == set(EVERY) - {"out_only.safetensors"}


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_what_is_read(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(EVERY[name]())
    clean = clean_embeddings(path, Treatment(unequal="pad", drop_bad=True))
    found = {}
    for one in clean:
        assert max(map(len, one.notes), default=0) <= LONGEST_LINE
        sums = {key: [*rows.shape, round(float(rows.double().sum()), 2)] for key, rows in one.vectors.items()}
        found.setdefault(one.name, []).append(sums)
    assert found == ANSWERS[name]


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_what_is_no_embedding_is_called_what_it_is(tmp_path, name):
    content, said = OTHERS[name]
    path = tmp_path / name
    path.write_bytes(content())
    with pytest.raises(EmbeddingMergeError) as caught:
        clean_embeddings(path, Treatment(unequal="pad", drop_bad=True))
    sentence = str(caught.value)
    assert said in sentence
    assert name in sentence
    assert max(map(len, sentence.splitlines())) <= LONGEST_LINE
    assert _said_by_check(path) == sentence


def _said_by_check(path):
    """Programs may have their say on vectors that nobody knows; then what convert would say stands among the facts."""
    try:
        return describe_file(path).refusal
    except FileError as error:
        return str(error)


def test_numpy_arrays_are_read(tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(VARIANTS["numpy_array.pt"]())
    (found,) = clean_embeddings(path, Treatment())
    assert found.vectors["clip_l"].dtype == torch.float32
