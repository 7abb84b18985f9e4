"""The page's channel: questions and answers in JSON, and saving, which answers in HTML alone."""

import json

import pytest

from lib_embmerge.frontends.app_host import AppHost
from lib_embmerge.frontends.page.answers import answer
from lib_embmerge.frontends.page.saving import save_from_page
from lib_embmerge.hosts.standalone import open_model


@pytest.fixture
def host(tmp_path):
    """The demonstration encoder."""
    return AppHost(open_model, None, tmp_path / "embeddings", None)


def ask(host, kind, **fields):
    return json.loads(answer(json.dumps({"id": 7, "kind": kind, **fields}), host).encode())


def save(host, text, name, folder=""):
    return save_from_page(host, text, name, folder, False, False, "float32", "refuse", "", "", "", "", False)


@pytest.mark.parametrize("broken", ["\ud83d", "\0"])
def test_a_broken_character_is_a_mistake(host, broken):
    assert "broken character" in str(ask(host, "preview", text=f"'a{broken}'"))
    assert "broken character" in save(host, f"'a{broken}'", "x")


def test_a_mistake_in_the_expression_comes_before_one_in_the_name(host):
    assert "found the end" in save(host, "'a' +", "a/b")
    assert "not allowed in a file name" in save(host, "'a'", "a/b")


def test_a_folder_of_many_parts_is_too_long(host):
    folder = "/".join(["a" * 119] * 40)
    assert "at most 200 are allowed" in ask(host, "name", name="x", folder=folder)["slots"]["name"]
    assert "at most 200 are allowed" in save(host, "'a'", "x", folder)
