"""Paths that people write, and what lies there: no system's failure is anything but a sentence."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib_embmerge.errors import FileError
from lib_embmerge.files.checkpoint_files import find_checkpoints, open_checkpoint
from lib_embmerge.files.installed_embeddings import EmbeddingFolder
from lib_embmerge.files.paths import exists, full_path, is_below, is_file, is_folder, kind_of, list_folder, read_path
from lib_embmerge.models.checkpoint import open_model

NOBODY_S = ("~nosuch.x", "~nosuch", "~nosuch/cat.safetensors")
LONG = ("a" * 300, "a" * 300 + ".safetensors", "a/" * 3000)
BROKEN = ("cat\0.safetensors", "\0", "cat\ud83d.safetensors")


@pytest.mark.parametrize("text", [*NOBODY_S, *BROKEN, "", "  "])
def test_what_can_be_no_path_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(FileError) as caught:
        read_path(text)
    assert str(caught.value).endswith(".")
    str(caught.value).encode("utf-8")


@pytest.mark.parametrize("text", LONG)
def test_nothing_lies_at_a_path_that_is_too_long(text: str) -> None:
    assert kind_of(read_path(text)) is None
    assert list_folder(Path(text)) == []
    assert not is_below(Path(text), Path("/etc"))


@pytest.mark.parametrize("look", [kind_of, exists, is_file, is_folder, list_folder])
@pytest.mark.parametrize("text", BROKEN)
def test_looking_at_a_broken_path_finds_nothing(look: object, text: str) -> None:
    assert not look(Path(text))  # type: ignore[operator]


def test_home_is_where_it_is() -> None:
    assert read_path("~/x") == Path.home() / "x"
    assert read_path("a/~/x") == Path("a/~/x")


def test_what_lies_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    os.mkfifo(tmp_path / "pipe")
    assert [kind_of(tmp_path / name) for name in ("file", "", "pipe", "none", "file/none")] == [
        "file",
        "folder",
        "other",
        None,
        None,
    ]
    with pytest.raises(FileError):
        kind_of(tmp_path / "circle")
    assert full_path(tmp_path / "circle").name == "circle"


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder with an embedding's name, a checkpoint's and a sub-folder that can be listed and not entered."""
    for name in ("closed", "listed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cat.safetensors").write_bytes(b"x")
        (tmp_path / name / "cat.pt").write_bytes(b"x")
        (tmp_path / name / "text_encoder").mkdir()
    (tmp_path / "closed").chmod(0)
    (tmp_path / "listed").chmod(0o444)
    is_root = os.geteuid() == 0
    if is_root:  # who may enter everything
        nobody = pwd.getpwnam("nobody").pw_uid
        for folder in (tmp_path, *_folders_above(tmp_path)):
            os.chown(folder, nobody, -1)
        for name in ("closed", "listed"):
            os.chown(tmp_path / name, nobody, -1)
        os.seteuid(nobody)
    yield tmp_path
    if is_root:
        os.seteuid(0)
        for folder in _folders_above(tmp_path):
            os.chown(folder, 0, -1)
    for name in ("closed", "listed"):
        (tmp_path / name).chmod(0o755)


def _folders_above(folder: Path) -> list[Path]:
    """Return what pytest has made above a test's own folder: one more where tests run beside each other."""
    top = Path(tempfile.gettempdir())
    return [above for above in folder.parents if above != top and above.is_relative_to(top)]


def test_a_folder_that_cannot_be_entered_stops_nothing(locked: Path) -> None:
    assert find_checkpoints(locked) == []
    assert EmbeddingFolder(locked).paths() == {}
    model = open_model(None, embeddings=locked, checkpoints=locked)
    assert model.embedding_names() == []
    assert model.checkpoint_names() == []
    with pytest.raises(FileError, match="There is no checkpoint cat"):
        model.checkpoint("cat")


@pytest.mark.parametrize("name", ["closed", "listed"])
def test_what_may_not_be_looked_at_says_so(locked: Path, name: str) -> None:
    for look in (kind_of, open_checkpoint):
        with pytest.raises(FileError, match=r"ermission denied"):
            look(locked / name / "cat.safetensors")


@pytest.mark.parametrize("name", [*NOBODY_S, *LONG[:2], "\0.x", "/\0"])
def test_a_checkpoint_s_name_may_be_anything(name: str) -> None:
    with pytest.raises(FileError):
        open_model(None).checkpoint(name)
