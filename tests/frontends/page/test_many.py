"""Many at once: what is shown while one types, what is made, and what happens when it is stopped."""

import json
import re
from pathlib import Path

import pytest
import torch

from lib_embmerge.files.reading import read_embedding
from lib_embmerge.frontends.app.host import AppHost
from lib_embmerge.frontends.lists import Sweep
from lib_embmerge.frontends.page.answers import answer
from lib_embmerge.frontends.page.jobs import Jobs
from lib_embmerge.frontends.page.many.batch import MODES, ManyOptions, answer_many, run_many
from lib_embmerge.frontends.page.question import Question

LIST, SWEEP, WORDS = MODES
RED_BLUE = Sweep("slerp('red', 'blue', {t})", pattern="red_blue_{t}")


class Host(AppHost):
    """The app, which counts how often its folder was listed again."""

    refreshed = 0

    def refresh_embeddings(self):
        self.refreshed += 1
        super().refresh_embeddings()


@pytest.fixture
def host(tmp_path):
    return Host(None, tmp_path / "embeddings", None)


def wish(text="", mode=LIST, sweep=RED_BLUE, **others):
    return ManyOptions(mode, text, sweep, **others)


def run(host, *args, **options):
    return list(run_many(host, Jobs(), "a", wish(*args, **options)))[-1]


def files(host):
    root = host.embeddings_folder
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def plain(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def preview(host, **fields):
    return plain(answer_many(Question(1, "many", {"mode": LIST, **fields}), host).slots["many"])


# --- While one types -----------------------------------------------------------------------------------------------

SHOWN = [
    ({"text": "x1 = 'cat'\nx2 = 'red car'"}, ["2 files", "x1", "'red car'".replace("'", "&#39;")], ["mistake"]),
    ({"text": "x1 = 'cat'\nx2 = normlize('cat')"}, ["2 lines, 1 with a mistake", "line 2: x2", "normalize?"], []),
    ({"text": "x1 = 'cat'\nX1 = 'dog'"}, ["line 2: X1", "Line 1 has the name X1, too."], []),
    ({"text": "cat = 'dog'"}, ["vocabulary", "Tick “Use doubtful names anyway”"], ["with a mistake"]),
    ({"text": "cat = 'dog'", "same_name": True}, ["vocabulary"], ["Tick"]),
    ({"text": "../x = 'dog'\ncon = 'dog'"}, ["2 lines, 2 with a mistake", "not allowed in a file name", "device"], []),
    ({"text": "x1 = 'dog'", "folder": "../up"}, ["1 with a mistake", "plain path below"], []),
    ({"text": "there-x = 'dog'"}, ["1 file exists already (there-x)", "tick “Overwrite”"], []),
    ({"text": "there-x = 'dog'", "overwrite": True}, ["1 file exists already (there-x): replaced."], []),
    ({"text": "\n".join(f"x{n} = 'cat'" for n in range(300))}, ["300 files", "first 200", "and 288 more"], []),
    ({"text": "\n".join(f"x{n} = nothing" for n in range(9))}, ["9 lines, 9 with a mistake", "and 4 more"], []),
    ({"text": "x = 'cat'\n" * 2001}, ["The list has 2,001 lines; at most 2,000 are allowed."], []),
    ({"text": "<b>x</b> = 'cat'"}, ["&lt;b&gt;x&lt;/b&gt;"], []),
    ({"text": "x-y = '<img src=x>'"}, ["&lt;img src=x&gt;"], []),
    ({"text": ""}, ["One file for each line"], []),
    ({"mode": SWEEP}, ["A sweep makes one file for each step"], []),
    (
        {"mode": SWEEP, "expression": "'red' * {t}", "start": "0", "stop": "1", "steps": "5", "pattern": "r_{t}"},
        ["5 files", "r_0.25", "0.75"],
        ["mistake"],
    ),
    ({"mode": SWEEP, "expression": "'red' * {t}", "start": "x"}, ["“from” must be a number"], []),
]


@pytest.mark.parametrize(("fields", "has", "lacks"), SHOWN)
def test_the_lines_are_shown_while_one_types(host, fields, has, lacks):
    run(host, "there-x = 'cat'")
    html = preview(host, **fields)
    assert [part for part in has if part not in html] == []
    assert [part for part in lacks if part in html] == []
    assert files(host) == ["there-x.safetensors"]


def test_nothing_from_a_line_is_markup(host):
    html = answer_many(Question(1, "many", {"text": "<i>a</i> = '<img src=x onerror=1>"}), host).slots["many"]
    assert "<i>a" not in html
    assert "<img" not in html


@pytest.mark.parametrize("field", [{"text": 5}, {"mode": [], "text": None}, {"expression": {}}, {"folder": 1}])
def test_a_question_of_a_wrong_kind_is_answered(host, field):
    assert (
        "must be a text" in json.loads(answer(json.dumps({"id": 1, "kind": "many", **field}), host))["slots"]["error"]
    )


# --- Making the files ----------------------------------------------------------------------------------------------


def test_a_list_becomes_files(host):
    html = run(host, "one-cat = 'cat'\n# nothing\n\ntwo-x = 'red car'", folder="sub/deep")
    assert files(host) == ["sub/deep/one-cat.safetensors", "sub/deep/two-x.safetensors"]
    assert "2 of 2" in html
    assert 'data-embmerge-name="one-cat"' in html
    cat = read_embedding(host.embeddings_folder / "sub" / "deep" / "one-cat.safetensors").vectors["clip_l"]
    assert torch.equal(cat, host.model.encoders[0].rows(host.model.encoders[0].tokenize(["cat"])[0]))
    assert host.refreshed == 1


def test_a_sweep_becomes_files(host):
    run(host, mode=SWEEP)
    assert files(host) == sorted(f"red_blue_{t}.safetensors" for t in ("0", "0.25", "0.5", "0.75", "1"))
    header = read_embedding(host.embeddings_folder / "red_blue_0.25.safetensors").metadata
    assert header["embmerge.expression"] == "slerp('red', 'blue', 0.25)"


def test_options_reach_the_files(host):
    run(host, "x-y = 'cat'", dtype="float16", author="me ", note="")
    file = read_embedding(host.embeddings_folder / "x-y.safetensors")
    assert file.vectors["clip_l"].dtype == torch.float16
    assert file.metadata["modelspec.author"] == "me"
    assert "modelspec.description" not in file.metadata


LONG = "x-y = ('cat'):80"
LENGTHS = [
    ("refuse", [], "80 vectors"),
    ("cut to the first 75", ["x-y.safetensors"], "[75,768]"),
    ("split into several files", ["x-y-1.safetensors", "x-y-2.safetensors"], "[5,768]"),
    ("keep all in one file", ["x-y.safetensors"], "[80,768]"),
    ("no such choice", [], "80 vectors"),
]


@pytest.mark.parametrize(("long", "made", "said"), LENGTHS)
def test_more_than_a_chunk(host, long, made, said):
    html = run(host, LONG, long=long)
    assert files(host) == made
    assert said in html


FAILING = [
    ("no equals", "The line has no ="),
    ("bad = normlize('cat')", "^^^^^^^^"),
    ("good1 = 'dog'", "Line 1 has the name good1, too."),
    ("cat = 'dog'", "Use doubtful names anyway"),
    ("there-x = 'dog'", "there-x.safetensors exists already."),
    ("THERE-X = 'dog'", "differs only by case"),
    ("good1_1 = 'dog'", "SD.Next and diffusers"),  # the first line's file has just been made
    ("../up = 'dog'", "not allowed in a file name"),
    ("con = 'dog'", "device"),
    (" = 'dog'", "The name is empty."),
    (f"{'x' * 300} = 'dog'", "300 characters"),
    ("zero = 'cat' / 0", "zero"),
    ("<script>alert(1)</script> = 'cat'", "&lt;script&gt;"),
]


@pytest.mark.parametrize(("line", "said"), FAILING)
def test_a_line_fails_alone(host, line, said):
    run(host, "there-x = 'cat'")
    before = (host.embeddings_folder / "there-x.safetensors").read_bytes()
    html = run(host, f"good1 = 'red'\n{line}\ngood2 = 'blue'")
    assert files(host) == ["good1.safetensors", "good2.safetensors", "there-x.safetensors"]
    assert (host.embeddings_folder / "there-x.safetensors").read_bytes() == before
    assert "2 saved, 1 failed" in plain(html)
    assert "3 of 3" not in html
    assert said in html
    assert "<script>" not in html
    assert list(host.embeddings_folder.parent.iterdir()) == [host.embeddings_folder]


def test_a_line_of_more_than_75_vectors_is_marked_until_something_is_chosen(host):
    text = "x1 = 'cat'\nx2 = repeat('cat', 80)"
    shown = preview(host, text=text)
    assert "2 lines, 1 with a mistake" in shown
    assert "This has 80 vectors" in shown
    asked = Question(1, "many", {"mode": LIST, "text": text, "long": "pool into their mean"})
    assert plain(answer_many(asked, host).slots["many"]).startswith(" 2 files")
    assert answer_many(asked, host).state["isLong"]
    ran = run(host, text)
    for html in (answer_many(Question(1, "many", {"mode": LIST, "text": text}), host).slots["many"], ran):
        assert 'data-embmerge-target="embmerge_many_long" data-embmerge-value="cut to the first 75"' in html
        assert "--long" not in html
    assert "1 saved, 1 failed" in plain(ran)


def test_ticks_let_lines_through(host):
    run(host, "there-x = 'cat'")
    html = run(host, "there-x = 'dog'\ncat = 'red'", overwrite=True, same_name=True)
    assert files(host) == ["cat.safetensors", "there-x.safetensors"]
    assert "failed" not in html.replace("embmerge-failed", "")


NOTHING = [
    ({"text": ""}, "There are no lines yet."),
    ({"text": "# only\n"}, "There are no lines yet."),
    ({"text": "x = 'cat'\n" * 2001}, "at most 2,000"),
    ({"text": "x" * 100_001}, "at most 100,000"),
    ({"mode": SWEEP, "sweep": Sweep("'red'", pattern="r{t}")}, "no {t}"),
    ({"mode": SWEEP, "sweep": Sweep("'red' * {t}", steps="9999", pattern="r{t}")}, "“steps”"),
]


@pytest.mark.parametrize(("what", "said"), NOTHING)
def test_nothing_is_made_of_nothing(host, what, said):
    html = run(host, **what)
    assert said in html
    assert files(host) == []
    assert host.refreshed == 0


def test_cancelling_keeps_what_is_done(host, monkeypatch):
    monkeypatch.setattr("lib_embmerge.frontends.page.jobs.INTERVAL", 0)
    jobs = Jobs()
    for html in run_many(host, jobs, "a", wish(mode=SWEEP)):
        if "<strong>3 of 5</strong>" in html:
            jobs.cancel("a")
    assert "cancelled after 3 of 5" in html
    assert files(host) == sorted(f"red_blue_{t}.safetensors" for t in ("0", "0.25", "0.5"))
    assert host.refreshed == 1
    assert len(jobs) == 0


def test_a_page_that_is_closed_lists_what_was_made(host, monkeypatch):
    monkeypatch.setattr("lib_embmerge.frontends.page.jobs.INTERVAL", 0)
    jobs = Jobs()
    work = run_many(host, jobs, "a", wish(mode=SWEEP))
    while "<strong>2 of 5</strong>" not in next(work):
        pass
    work.close()
    assert len(files(host)) == 2
    assert host.refreshed == 1
    assert len(jobs) == 0


def test_two_pages_at_once(host, monkeypatch):
    monkeypatch.setattr("lib_embmerge.frontends.page.jobs.INTERVAL", 0)
    jobs = Jobs()
    first = run_many(host, jobs, "a", wish("a1 = 'cat'\na2 = 'cat'\na3 = 'cat'"))
    second = run_many(host, jobs, "b", wish("b1 = 'cat'\nb2 = 'cat'\na3 = 'dog'"))
    again = run_many(host, jobs, "a", wish("c1 = 'cat'"))
    next(first), next(second)
    assert "at work already" in next(again)
    jobs.cancel("a")
    assert "cancelled after 0 of 3" in list(first)[-1]
    assert "3 of 3" in list(second)[-1]
    assert files(host) == ["a3.safetensors", "b1.safetensors", "b2.safetensors"]


def test_no_model_is_loaded_for_the_preview_and_one_for_making(host, monkeypatch):
    monkeypatch.setattr(Host, "loaded_text_model", lambda self: None)
    assert "vectors" not in preview(host, text="x1 = 'cat'")
    first, *_, last = run_many(host, Jobs(), "a", wish("x1 = 'cat'"))
    assert "being loaded" in first
    assert "1 of 1" in last
    assert Path(host.embeddings_folder / "x1.safetensors").is_file()


def test_words_become_files_named_by_them(host):
    assert "red-cat" in preview(host, mode=WORDS, text="red cat\ndog")
    said = plain(run(host, "red cat\n2::dog", WORDS, same_name=True))
    assert "2 of 2" in said
    assert files(host) == ["dog-emb.safetensors", "red-cat.safetensors"]
