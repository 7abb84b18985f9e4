"""A folder of embeddings: names are found in a text as A1111's find_embedding_at_position finds them."""

import os

import pytest
import torch
from safetensors.torch import save_file

from lib_embmerge.files.installed_embeddings import EmbeddingFolder
from lib_embmerge.files.reading import EmbeddingFile
from lib_embmerge.models.tokenizers import tokenizer

L, G = ["clip_l"], ["clip_l", "clip_g"]


def tokenize(texts):
    return [tokenizer("clip_l")(text) for text in texts]


def install(root, *names, value=1.0, width=768):
    for name in names:
        path = root / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"emb_params": torch.full((1, width), value)}, path)


def install_sdxl(root, *names):
    for name in names:
        save_file({"clip_l": torch.ones(1, 768), "clip_g": torch.ones(1, 1280)}, root / f"{name}.safetensors")


def found(folder, text, encoders=L):
    """Show the pieces: names of embeddings, and the words of the tokens between them."""
    from lib_embmerge.models.tokenizers import spell

    pieces = folder.split("clip_l", tokenize([text])[0], tokenize, encoders)
    return [piece.name if isinstance(piece, EmbeddingFile) else "".join(spell(piece)).strip() for piece in pieces]


TEXTS = [
    ("no name", "a cat", ["a cat"]),
    ("nothing", "", []),
    ("a name", "mystyle", ["mystyle"]),
    ("a name in words", "a cat, mystyle, red", ["a cat ,", "mystyle", ", red"]),
    ("case does not matter", "MyStyle", ["mystyle"]),
    ("the longest wins", "my style two", ["my style two"]),
    ("the shorter where the longer is not whole", "my style three", ["my style", "three"]),
    ("blanks as the tokenizer sees them", "my   style", ["my style"]),
    ("a name with punctuation", "x art-v1.2 y", ["x", "art-v1.2", "y"]),
    ("twice", "mystyle mystyle", ["mystyle", "mystyle"]),
    ("a part of a longer word is no name", "mystyles", ["mystyles"]),
    ("a part of a name", "my styl", ["my styl"]),
    ("names of one beginning", "art art-v1.2", ["art", "art-v1.2"]),
]


@pytest.mark.parametrize(("text", "pieces"), [row[1:] for row in TEXTS], ids=[row[0] for row in TEXTS])
def test_names_in_a_text(tmp_path, text, pieces):
    install(tmp_path, "mystyle", "my style", "my style two", "art-v1.2", "sub/art")
    assert found(EmbeddingFolder(tmp_path), text) == pieces


def test_no_folder():
    folder = EmbeddingFolder(None)
    assert found(folder, "a cat") == ["a cat"]
    assert folder.names(L) == []
    assert folder.named("cat") == []


def test_another_familys_embedding_stays_text(tmp_path):
    install(tmp_path, "two", width=1024)
    install_sdxl(tmp_path, "big")
    folder = EmbeddingFolder(tmp_path)
    assert found(folder, "two big") == ["two big"]
    assert found(folder, "two big", G) == ["two", "big"]
    assert folder.names(L) == []
    assert folder.names(G) == ["big"]


def test_the_shorter_name_where_the_longer_is_another_familys(tmp_path):
    install(tmp_path, "my")
    install(tmp_path, "my style", width=1024)
    assert found(EmbeddingFolder(tmp_path), "my style") == ["my", "style"]


def test_twins_of_two_families_are_told_apart(tmp_path):
    (tmp_path / "sdxl").mkdir()
    install(tmp_path, "sd1/x")
    install_sdxl(tmp_path / "sdxl", "x")
    folder = EmbeddingFolder(tmp_path)
    assert found(folder, "x") == found(folder, "x", G) == ["x"]
    assert len(folder.named("X")) == 2


def test_of_two_files_of_one_name_the_later_wins(tmp_path):
    install(tmp_path, "a/x", value=1.0)
    install(tmp_path, "b/x", value=2.0)
    pieces = EmbeddingFolder(tmp_path).split("clip_l", tokenize(["x"])[0], tokenize, L)
    assert isinstance(pieces[0], EmbeddingFile)
    assert pieces[0].vectors["clip_l"][0, 0] == 2.0


def test_broken_and_foreign_files_are_no_names(tmp_path):
    (tmp_path / "broken.safetensors").write_bytes(b"x" * 50)
    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "text.txt").write_text("x")
    (tmp_path / "picture.png").write_bytes(b"x")
    (tmp_path / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    folder = EmbeddingFolder(tmp_path)
    assert found(folder, "broken empty text picture gone") == ["broken empty text picture gone"]
    assert folder.names(L) == []
    ((path, problem),) = folder.named("broken")
    assert path.name == "broken.safetensors"
    assert "broken.safetensors is a text, not a file of tensors" in problem


def test_pickles_are_embeddings_too(tmp_path):
    torch.save({"string_to_param": {"*": torch.ones(1, 768)}}, tmp_path / "old.pt")
    torch.save({"<x>": torch.ones(1, 768)}, tmp_path / "older.bin")
    assert EmbeddingFolder(tmp_path).names(L) == ["old", "older"]


def test_named_ignores_case_and_gives_every_family(tmp_path):
    install(tmp_path, "Style")
    install(tmp_path, "sub/style", width=1024)
    found = [embedding for _, embedding in EmbeddingFolder(tmp_path).named("STYLE", "other")]
    assert sorted(next(iter(embedding.vectors)) for embedding in found) == ["clip_h", "clip_l"]


def test_links_are_followed_once(tmp_path):
    install(tmp_path / "real", "x")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    (tmp_path / "real2").symlink_to(tmp_path / "real")
    assert len(EmbeddingFolder(tmp_path).named("x")) == 1


def test_files_are_read_only_when_they_are_named(tmp_path, monkeypatch):
    install(tmp_path, "one", "two")
    from lib_embmerge.files import installed_embeddings

    opened = []
    load = installed_embeddings.load_embedding
    monkeypatch.setattr(installed_embeddings, "load_embedding", lambda path: (opened.append(path.stem), load(path))[1])
    folder = EmbeddingFolder(tmp_path)
    assert found(folder, "a cat") == ["a cat"]
    assert opened == []
    found(folder, "one and one")
    found(folder, "one")
    assert opened == ["one"]


def test_refresh_finds_new_and_changed_files(tmp_path):
    install(tmp_path, "one", value=1.0)
    folder = EmbeddingFolder(tmp_path)
    assert folder.names(L) == ["one"]
    install(tmp_path, "two")
    install(tmp_path, "one", value=2.0)
    os.utime(tmp_path / "one.safetensors", ns=(5, 5))
    assert folder.names(L) == ["one"]
    folder.refresh()
    assert folder.names(L) == ["one", "two"]
    pieces = folder.split("clip_l", tokenize(["one"])[0], tokenize, L)
    assert isinstance(pieces[0], EmbeddingFile)
    assert pieces[0].vectors["clip_l"][0, 0] == 2.0
