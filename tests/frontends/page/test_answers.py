"""The page's channel: questions and answers in JSON, and saving, which answers in HTML alone."""

import html
import json
import math

import pytest

from lib_embmerge.errors import FileError
from lib_embmerge.frontends.app.host import AppHost
from lib_embmerge.frontends.page import first_reading
from lib_embmerge.frontends.page.answers import ASKED, answer
from lib_embmerge.frontends.page.build.saving import LONG_CHOICES, save_from_page
from lib_embmerge.frontends.page.first_reading import show_first_reading
from lib_embmerge.frontends.page.source import Choice
from lib_embmerge.inspection import find_neighbours
from lib_embmerge.limits import Limits
from lib_embmerge.vectors.vocabulary import Vocabulary

from ..checkpoints import make_checkpoint


@pytest.fixture
def host(tmp_path):
    """The demonstration encoder."""
    return AppHost(None, tmp_path / "embeddings", None)


def ask(host, kind, **fields):
    return json.loads(answer(json.dumps({"id": 7, "kind": kind, **fields}), host).encode())


def save(host, text, name, folder=""):
    return save_from_page(host, text, name, folder, False, False, "float32", "refuse", "", "", "", "", False)


HOSTILE = (
    "'cat'@\"~nosuch.x\"",
    "'cat'@\"~nosuch/x\"",
    f"'cat'@\"{'x' * 300}.safetensors\"",
    f"'cat'@\"/{'x/' * 2_500}\"",
    f"'cat'@{'x' * 300}",
    "'cat'@\"/etc/passwd\"",
    "'cat'@\"/\"",
    "'cat'@\"../../x.safetensors\"",
    "'cat'@\"\0.x\"",
    "'cat'@\"\ud83d.x\"",
    "emb('~nosuch')",
    f"emb('{'x' * 300}')",
    "~nosuch",
    "\0",
    "x" * 300,
    "a/" * 90,
    "{" * 9_000,
    "[" * 50_000,
)
"""What nobody means, in each field of a question."""


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:30]))
@pytest.mark.parametrize("kind", ASKED)
def test_every_question_is_answered_at_once(host, kind, text):
    fields = ("text", "name", "folder", "expression", "pattern", "start", "stop", "steps", "negative", "caret", "rows")
    for value in (text, f"a <{text}>", {"a": [text]}, [text, [text]], 10**400, -1.5, None):
        found = ask(host, kind, **dict.fromkeys(fields, value))
        assert (found["id"], found["kind"]) == (7, kind)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:30]))
def test_saving_answers_whatever_was_written(host, tmp_path, text):
    assert "embmerge-error" in save(host, text, "x-y")
    for said in (save(host, "'cat'", text), save(host, "'cat'", "x-y", text)):
        assert "embmerge-error" in said or "embmerge-saved" in said
    assert {path.name for path in tmp_path.iterdir()} <= {"embeddings"}


@pytest.mark.parametrize("question", ["", "[", "[" * 100_000, "7", "null", '{"id": "x", "kind": []}', '{"id": 1e999}'])
def test_what_is_no_question_is_answered_too(host, question):
    assert json.loads(answer(question, host))["state"]["failed"]


def test_no_path_is_opened_for_an_expression(host, tmp_path):
    path = make_checkpoint(tmp_path / "small.safetensors", seed=1)
    assert "There is no checkpoint" in ask(host, "preview", text=f"'cat'@\"{path}\"")["slots"]["messages"]
    assert "There is no checkpoint" in save(host, f"'cat'@\"{path}\"", "x-y")


@pytest.mark.parametrize(
    ("checkpoint", "folder"),
    [
        ("~nosuch/x", ""),
        ("x" * 300, ""),
        ("\0", ""),
        ("/nowhere/x.safetensors", ""),
        ("", "~nosuch"),
        ("", "\0"),
        ("", "x" * 300),
        ("", "/nowhere/new"),
        ("", "  "),
        ("", "new"),
    ],
)
def test_what_cannot_be_opened_changes_nothing(host, tmp_path, monkeypatch, checkpoint, folder):
    monkeypatch.chdir(tmp_path)
    model = host.model
    with pytest.raises(FileError):
        host.choose_named(checkpoint, folder or str(host.embeddings_folder))
    assert host.model is model
    assert list(tmp_path.iterdir()) == []


def test_opening_makes_no_folder_and_saving_does(host, tmp_path):
    host.choose_named("", str(host.embeddings_folder))
    assert list(tmp_path.iterdir()) == []
    save(host, "'cat'", "x-y")
    assert "x-y" in host.model.embedding_names()


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


@pytest.mark.parametrize("folder", ["/tmp/abs", "/", "//a", " /a"])
def test_an_absolute_folder_is_refused(host, folder):
    assert "must be a plain path below" in ask(host, "name", name="x-y", folder=folder)["slots"]["name"]
    assert "must be a plain path below" in save(host, "'a'", "x-y", folder)
    assert not host.embeddings_folder.exists()


def test_the_limits_are_the_host_s(tmp_path):
    host = AppHost(None, tmp_path / "embeddings", None, Limits(vectors=3, depth=1))
    text = "'cat', 'dog', 'red', 'blue'"
    refusal = "at most 3 are allowed"
    assert refusal in ask(host, "preview", text=text)["slots"]["messages"]
    assert refusal in ask(host, "preview", text=f"a <{text}>")["slots"]["messages"]
    assert "nested 1 deep" in ask(host, "preview", text="(('cat'))")["slots"]["messages"]
    assert refusal in ask(host, "prompt_lines", text=f"a <{text}>")["slots"]["lines"]
    assert refusal in save(host, text, "four-words")
    assert not host.embeddings_folder.exists()


def test_limits_can_be_raised(tmp_path):
    limits = Limits(vectors=2_000, depth=300, characters=20_000)
    host = AppHost(None, tmp_path / "embeddings", None, limits)
    for text, shown in {
        "repeat('cat', 2000)": "2000 vectors",
        f"{'(' * 200}'cat'{')' * 200}": "1 vector",
        "'cat'" + " " * 18_000 + "* 2": "1 vector",
    }.items():
        assert shown in ask(host, "prompt_lines", text=f"a <{text}>")["slots"]["lines"].replace(",", "")
        assert ask(host, "preview", text=text)["state"]["count"] == int(shown.split()[0])


def test_more_than_75_vectors_are_refused_in_the_words_of_the_page(host):
    said = save(host, "repeat('cat', 80)", "x-y")
    assert "This has 80 vectors" in said
    assert "--long" not in said
    for choice in LONG_CHOICES[1:]:
        assert f'data-embmerge-target="embmerge_long" data-embmerge-value="{choice}"' in said
    assert ask(host, "preview", text="repeat('cat', 80)")["state"]["isLong"]
    assert not ask(host, "preview", text="'cat'")["state"]["isLong"]


def test_words_are_searched_for_the_vectors_that_are_shown(host, monkeypatch):
    searched = []

    def search(vectors, *args, **options):
        searched.append(vectors.length)
        return find_neighbours(vectors, *args, **options)

    monkeypatch.setattr("lib_embmerge.frontends.page.build.nearest.find_neighbours", search)
    assert "and 72 more in the table" in ask(host, "nearest", text="repeat('cat', 80)")["slots"]["nearest"]
    assert searched == [8]


@pytest.fixture
def first_reads(monkeypatch):
    """A vocabulary that is large, and of which the page's first look finds a quarter read."""
    shares, read_on = iter([0.25]), Vocabulary.read_on
    monkeypatch.setattr(first_reading, "LARGE", 49_408 * 1280)

    def slowly(vocabulary, seconds=math.inf):
        return next(shares, 1.0) if seconds == first_reading.STEP_S else read_on(vocabulary, seconds)

    monkeypatch.setattr(Vocabulary, "read_on", slowly)


@pytest.mark.parametrize("kind", ["nearest", "table", "pictures"])
def test_how_far_a_large_vocabulary_is_read_is_shown_until_the_answer(host, first_reads, kind):
    found = ask(host, kind, text="'cat'")
    assert found["then"] == kind
    assert "Reading the vocabulary of clip_g, once for this model: <strong>25 %" in found["slots"][kind]
    found = ask(host, kind, text="'cat'")
    assert (found["then"], "progressbar" in found["slots"][kind]) == (None, False)


def test_what_is_inspected_waits_for_a_large_vocabulary(host, first_reads):
    (shown,) = show_first_reading(Choice("an expression", "'cat'"), host)
    assert "Reading the vocabulary of clip_g" in shown
    assert list(show_first_reading(Choice("a file in the folder", file="gone.safetensors"), host)) == []
    (mistake,) = show_first_reading(Choice("an expression", "'cat'", "no-such"), host)
    assert "There is no checkpoint no-such" in mistake


def test_a_name_with_its_extension_is_mended_by_a_click(host: AppHost) -> None:
    drawn = ask(host, "name", name="kitten.safetensors", folder="")["slots"]["name"]
    assert 'data-embmerge-target="embmerge_name" data-embmerge-value="kitten">kitten</button>' in drawn


# fmt: off
MEANT = [
    ("cat - adult", "Did you mean 'cat' - 'adult'?", "'cat' - 'adult'"),
    ("‘cat’ - ‘adult’", "‘ and ’ are not quotes here.", "'cat' - 'adult'"),
    ("a photo of <cat - adult>", "Did you mean <'cat' - 'adult'>?", "a photo of <'cat' - 'adult'>"),
    ("'red'*0,3", "0 times, then token 3", "'red'*0.3"),
    ("'cat':1.2", "(<'a'>:1.2)", "'cat' * 1.2"),
    ("lerp(red, blue, 0.5)", "Write 'red', 'blue'.", "lerp('red', 'blue', 0.5)"),
]
# fmt: on


# fmt: off
UNFINISHED = [
    "'", "'cat' -", "'cat' - 'ad", "lerp('cat', ", "lerp('cat', 'dog'", "'cat'[", "'cat'[0", "'cat' * ",
    "a photo of <'cat'", "'a photo of', norm", "'cat' + 2", "'cat'@nowhere", "emb('nothing'", "('cat'", "'cat' =",
]
WRONG = ["'cat' + * 'dog'", "'cat' dog 'x'", "lurp('cat', 'dog') + 'x'", "<'cat' + > x", "'cat'] + 'x'"]
# fmt: on


@pytest.mark.parametrize("text", UNFINISHED)
def test_what_is_only_unfinished_is_a_quiet_hint_until_it_rests(host, text):
    found = ask(host, "preview", text=text)
    assert "Not finished yet" in found["slots"]["messages"]
    assert 'role="alert"' not in found["slots"]["messages"]
    assert 'role="alert"' in found["state"]["rested"]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_at_its_place_is_told_at_once(host, text):
    found = ask(host, "preview", text=text)
    assert 'role="alert"' in found["slots"]["messages"]
    assert "rested" not in found["state"]


def test_a_save_on_an_empty_page_says_what_to_do_first(host):
    assert "Write an expression first" in save(host, " ", "em_x")
    assert "The name is empty" in save(host, "'cat'", "")


def test_what_is_saved_is_made_or_replaced(host):
    assert "made:" in save(host, "'cat'", "em_made")
    again = save_from_page(host, "'dog'", "em_made", "", True, False, "float32", "", "", "", "", "", False)
    assert "replaced:" in again
    split = ("repeat('cat', 80)", "em_made", "", True, False, "float32", LONG_CHOICES[3], "", "", "", "", False)
    assert save_from_page(host, *split).count("made:") == 2


@pytest.mark.parametrize(("text", "said", "mended"), MEANT, ids=[row[0] for row in MEANT])
def test_what_was_meant_is_one_click_away(host, text, said, mended):
    messages = html.unescape(ask(host, "preview", text=text)["slots"]["messages"])
    assert said in messages
    assert f'data-embmerge-text="{mended}"' in messages
