"""What `check` says helps is done as it says, and the result loads there."""

import shutil
from pathlib import Path

import pytest

from lib_embmerge.compatibility.judging import check_file
from lib_embmerge.compatibility.view import REPAIRS
from lib_embmerge.files.convert import Conversion, Treatment, convert_embeddings, split_file

from ..files.kinds import FILES
from ..files.variants import VARIANTS

EVERY = {**FILES, **VARIANTS}


def copy_as_plain_name(path, folder):
    folder.mkdir()
    return Conversion(Path(shutil.copy(path, folder / f"plain-name{path.suffix}")), ())


DONE = {
    "convert": lambda path, folder: convert_embeddings(path, folder),
    "drop bad": lambda path, folder: convert_embeddings(path, folder, Treatment(drop_bad=True)),
    "equal lengths": lambda path, folder: convert_embeddings(path, folder, Treatment(unequal="pad")),
    "convert, rename": lambda path, folder: convert_embeddings(path, folder, name="plain-name"),
    "rename": lambda path, folder: [copy_as_plain_name(path, folder)],
    "split": lambda path, folder: split_file(path, folder),
}


def test_every_repair_is_tried():
    assert set(DONE) | {"remake"} == set(REPAIRS)


ONE_EACH = {("diffusers", "sdxl"), ("diffusers", "sd3"), ("Forge", "sd3")}
"""Places that load a file for each encoder, so none of the files is enough for the family."""

CONVERTING = ("convert", "drop bad", "equal lengths")


@pytest.mark.parametrize("name", [name for name in EVERY if name != "out_only.safetensors"])
def test_what_is_said_to_help_helps(name, made, judged, tmp_path):
    source = made[name]
    promised = [verdict for verdict in judged(name)[1] if verdict.repair in DONE]
    for repair in {verdict.repair for verdict in promised}:
        mended = [one.path for one in DONE[repair](source, tmp_path / repair)]
        loaded = [{(v.program, v.model) for v in check_file(path) if v.loads} for path in mended]
        needed = {(v.program, v.model) for v in promised if v.repair == repair}
        if repair == "split":
            assert len(mended) > 1
            needed = {place for place in needed if place not in ONE_EACH}
            assert needed <= set().union(*loaded)
        else:
            assert all(needed <= there for there in loaded)
    for one in convert_embeddings(source, tmp_path / "new", Treatment(unequal="pad", drop_bad=True)):
        assert not [v for v in check_file(one.path) if v.repair in CONVERTING], "what is clean needs no converting"
