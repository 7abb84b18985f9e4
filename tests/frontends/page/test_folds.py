"""The folds at the right of "Build": the table and its CSV, the pictures, and where it will load."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lib_embmerge.compatibility.facts import MODELS, describe_file
from lib_embmerge.compatibility.judging import PROGRAMS, check_file
from lib_embmerge.entered import read_expression
from lib_embmerge.files.names import check_name, remark_on_name
from lib_embmerge.files.writing import write_embedding
from lib_embmerge.frontends.app.host import AppHost
from lib_embmerge.frontends.page.answers import answer
from lib_embmerge.frontends.page.build.norms import judge_norm
from lib_embmerge.frontends.page.build.pictures import WIDTH, place_norms, place_similarity
from lib_embmerge.frontends.page.build.table import _cell
from lib_embmerge.frontends.page.convert.loads import draw_loads, propose_name
from lib_embmerge.inspection import NormDistribution, measure_embedding
from lib_embmerge.models.memory import MemoryModel
from lib_embmerge.remarks import Action
from lib_embmerge.vectors.embedding import Embedding
from tests.analysed import evaluate


@pytest.fixture
def host(tmp_path: Path) -> AppHost:
    """A small model of SDXL's kind, without files."""
    app = AppHost(None, tmp_path / "embeddings", None)
    app.model = MemoryModel.sdxl()  # type: ignore[assignment]
    return app


@pytest.fixture
def app(tmp_path: Path) -> AppHost:
    """The app with the demonstration encoder, whose vectors have a real model's widths."""
    return AppHost(None, tmp_path / "embeddings", None)


def ask(host: AppHost, kind: str, **fields: object) -> dict:
    return json.loads(answer(json.dumps({"id": 7, "kind": kind, **fields}), host))


def xml(html: str) -> ElementTree.Element:
    """Read HTML that is XML, too: every tag closed, every value quoted and escaped."""
    return ElementTree.fromstring(f"<div>{html.replace(' data-embmerge-csv>', '>')}</div>")


def said(html: str) -> str:
    return " ".join(" ".join(xml(html).itertext()).split())


FOLDS = ("table", "pictures", "loads")


@pytest.mark.parametrize("kind", FOLDS)
def test_an_empty_box_empties_the_fold(host: AppHost, kind: str) -> None:
    assert ask(host, kind, text="  ")["slots"] == {kind: ""}


@pytest.mark.parametrize("kind", [*FOLDS, "csv"])
@pytest.mark.parametrize(
    "text", ["'cat", "a whole <'cat'> prompt with <'dog'>", "first('cat', 0)", "'cat' * 1e38 * 1e38", "'cat':0"]
)
def test_a_mistake_is_told_and_nothing_drawn(host: AppHost, kind: str, text: str) -> None:
    found = ask(host, kind, text=text)
    assert found["state"] == {"failed": True}
    assert list(found["slots"]) == ["error"]


@pytest.mark.parametrize("kind", [*FOLDS, "csv"])
@pytest.mark.parametrize("field", ["text", "name"])
def test_fields_may_be_anything(app: AppHost, kind: str, field: str) -> None:
    fields = {"text": "'cat'", "name": "kitten", "by": ["x"], "dtype": 5, "long": None, "folder": "../.."}
    for value in (7, None, ["x"], {"a": 1}, "x" * 100_001):
        assert ask(app, kind, **{**fields, field: value})["kind"] == kind


# --- Table -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "texts"),
    [("token", ["red", "cat", "dog"]), ("part", ["red cat", "dog"]), ("vector", ["", "", ""])],
)
def test_csv_has_every_row_of_each_encoder_and_its_figures_to_the_last_digit(
    host: AppHost, by: str, texts: list[str]
) -> None:
    found = ask(host, "csv", text="'red cat', 'dog'", by=by, name="kitten")["state"]
    assert found["file"] == "kitten.csv"
    rows = list(csv.DictReader(io.StringIO(found["csv"])))
    assert [(row["encoder"], row["text"]) for row in rows] == [
        (encoder, text) for encoder in ("clip_l", "clip_g") for text in texts
    ]
    if by == "vector":
        value = evaluate(read_expression("'red cat', 'dog'").tree, host.model)
        figures = measure_embedding(value, host.model)
        assert [float(row["norm"]) for row in rows] == [row.norm for row in figures]
        assert [float(row["sum"]) for row in rows] == [row.total for row in figures]
        assert rows[0]["nearest 1"]
        assert float(rows[0]["cosine 1"]) <= 1


def test_all_vectors_are_in_the_csv_and_the_first_on_the_page(host: AppHost) -> None:
    text = "repeat('cat', 160)"
    assert ask(host, "csv", text=text)["state"]["csv"].count("\r\n") == 1 + 2 * 160
    drawn = ask(host, "table", text=text)["slots"]["table"]
    assert said(drawn).count("and 10 more, in the CSV") == 2


@pytest.mark.parametrize(
    ("text", "cell"),
    [("=1+1", "'="), ("@SUM", "'@"), ("-x", "'-"), ("+x", "'+"), ("＝x", "'＝"), ("5", "5"), ("a=b", "a=b")],
)
def test_a_text_never_becomes_a_formula(text: str, cell: str) -> None:
    assert str(_cell(text)).startswith(cell)


@pytest.mark.parametrize("number", ["-1", "+1", "-1.5e-3"])
def test_a_text_that_is_a_number_stays_one(number: str) -> None:
    assert _cell(number) == number


@pytest.mark.parametrize("name", ["", "../x", "con", "a/b", "<b>"])
def test_a_name_that_is_none_names_no_file(host: AppHost, name: str) -> None:
    assert ask(host, "csv", text="'cat'", name=name)["state"]["file"] == "embedding.csv"


def test_the_table_is_grouped_by_encoder_and_has_words_for_vectors_only(host: AppHost) -> None:
    vectors = said(ask(host, "table", text="'cat', 'dog'", by="vector")["slots"]["table"])
    tokens = said(ask(host, "table", text="'cat', 'dog'", by="token")["slots"]["table"])
    assert vectors.index("clip_l") < vectors.index("clip_g")
    assert "nearest tokens" in vectors
    assert "cat 1.00" in vectors
    assert "nearest tokens" not in tokens


def test_markup_in_a_text_is_text(host: AppHost) -> None:
    drawn = ask(host, "table", text="'<b>\"&'", by="part")["slots"]["table"]
    assert "<b>" not in drawn
    assert "<b>" in said(drawn).replace(" ", "")


@pytest.mark.parametrize(
    ("ratio", "percentile", "kind", "sentence"),
    [
        (None, None, "usual", ""),
        (1.0, 50.0, "usual", "usual length"),
        (3.14, 100.0, "bad", "3.1 × as long as a word: expect burnt pictures"),
        (0.2, 0.0, "bad", "0.20 × as long as a word: will hardly be seen"),
        (0.0, 0.0, "bad", "a zero vector: nothing will be seen"),
        (2.0, 100.0, "care", "2.0 × as long as a word, longer than any"),
        (0.5, 0.0, "care", "0.50 × as long as a word, shorter than any"),
        (1.4, 99.5, "care", "1.4 × as long as a word: long for one"),
        (0.6, 0.5, "care", "0.60 × as long as a word: short for one"),
    ],
)
def test_a_norm_in_words(ratio: float | None, percentile: float | None, kind: str, sentence: str) -> None:
    found = judge_norm(ratio, percentile)
    assert (found.kind, found.sentence) == (kind, sentence)


# --- Pictures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["'cat'", "'cat' - 'cat'", "'red cat' * 1000", "repeat('cat', 80)", "'cat', 'dog'"])
def test_pictures_are_well_formed_and_say_what_they_show(host: AppHost, text: str) -> None:
    drawn = ask(host, "pictures", text=text)["slots"]["pictures"]
    pictures = [node for node in xml(drawn).iter("svg") if node.get("aria-labelledby")]
    assert len(pictures) == (2 if text in ("'cat'", "'cat' - 'cat'") else 4)  # one vector is like itself only
    ids = {node.get("id"): node for node in xml(drawn).iter() if node.get("id")}
    for picture in pictures:
        title, said_of_it = picture.get("aria-labelledby", "").split()
        assert (ids[title].tag, ids[said_of_it].tag) == ("title", "desc")
    assert ("The first 75 vectors are drawn, 5 more" in drawn) == ("80" in text)
    assert "nan" not in drawn.lower().replace("finance", "")


def test_75_different_vectors_stay_light(host: AppHost) -> None:
    text = ", ".join(f"random(1, {seed})" for seed in range(75))
    assert len(ask(host, "pictures", text=text)["slots"]["pictures"]) < 300_000


def test_the_axis_of_norms_holds_the_vocabulary_and_what_is_far_longer_stands_at_its_edge() -> None:
    model = MemoryModel.sd1()
    rows = model.encoder("clip_l").rows([1, 2])
    rows[1] *= 1000
    found = place_norms(
        NormDistribution("clip_l", 1.0, [0.0, 1.0, 2.0], [3, 1]), measure_embedding(Embedding({"clip_l": rows}), model)
    )
    assert found.end == 3.0
    assert [mark.is_beyond for mark in found.marks] == [False, True]
    assert found.marks[1].x == WIDTH
    assert found.mean_x == WIDTH / 3
    assert found.bars[0][2] == 3 * found.bars[1][2]


def test_a_heat_map_has_a_cell_for_every_two_vectors() -> None:
    found = place_similarity("clip_l", [[1.0, -0.5, None], [-0.5, 1.0, None], [None, None, None]])
    assert {(level.sign, level.opacity, level.path) for level in found.levels} == {
        ("plus", 1.0, "M0 0h1v1h-1zM1 1h1v1h-1z"),
        ("minus", 0.5, "M1 0h1v1h-1zM0 1h1v1h-1z"),
        ("none", 1.0, "M2 0h1v1h-1zM2 1h1v1h-1zM0 2h3v1h-3z"),
    }
    assert [text for _x, _y, text in found.written[:3]] == ["1.00", "−0.50", "–"]
    assert (found.least, found.most) == (-0.5, -0.5)


def test_one_vector_is_a_picture_too() -> None:
    found = place_similarity("clip_l", [[1.0]])
    assert (found.count, found.labels, found.least) == (1, (0,), None)


# --- Where will it load? ---------------------------------------------------------------------------------------------


def loads(app: AppHost, text: str = "'cat' - 'adult'", name: str = "my-kitten", **fields: object) -> str:
    return ask(app, "loads", text=text, name=name, **fields)["slots"]["loads"]


def actions(html: str) -> set[tuple[str | None, str | None]]:
    found = set()
    for node in xml(html).iter("button"):
        if node.get("data-embmerge-target"):
            found.add((node.get("data-embmerge-target"), node.get("data-embmerge-value")))
        elif node.get("data-embmerge-text"):
            found.add(("embmerge_expression", node.get("data-embmerge-text")))
    return found


def test_the_grid_has_every_host_and_family_and_no_colour_alone(app: AppHost) -> None:
    html = loads(app)
    cells = [cell for cell in xml(html).iter("td") if cell.get("title")]
    titles = {node.text for node in xml(html).iter("th")} & {target.title for target in MODELS.values()}
    assert titles == {"SD 1", "SD 2", "SDXL", "SD 3", "Flux"}
    assert len(cells) == len(PROGRAMS) * len(titles)
    for cell in cells:
        mark, words = (node.text for node in cell)
        assert (mark, words) in {("✓", "loads"), ("!", "loads, with a remark below"), ("✗", "does not load")}
    assert "SDXL: loads in 7 of 8 programs; not in diffusers" in said(html)
    assert "diffusers: It has no joint loader" in said(html)
    assert not actions(html)


@pytest.mark.parametrize(
    ("name", "proposed"),
    [
        ("ki tten", "ki_tten"),
        ("kätzchen (alt)", "katzchen_alt"),
        ("kitten", "kitten-emb"),  # a word of the vocabulary
        ("猫", "embedding"),  # nothing of it is left
        ("a<b>", None),  # cannot be saved at all, and the box says so
    ],
)
def test_a_name_that_some_host_cannot_find_has_a_better_one_on_a_button(
    app: AppHost, name: str, proposed: str | None
) -> None:
    expected = {("embmerge_name", proposed)} if proposed else set()
    html = loads(app, name=name)
    assert {one for one in actions(html) if proposed} == expected
    if proposed:
        assert not [one for one in actions(loads(app, name=proposed)) if one[0] == "embmerge_name"]


@pytest.mark.parametrize(
    "name", ["con", "CON.x", "x" * 120, "ＣＯＮ.x", "...", "_1", "", "a" * 300, "кот", "embedding", "cat"]
)
def test_a_proposed_name_can_be_saved(name: str) -> None:
    found = propose_name(name, ["embedding", "cat-emb", "Embedding-1"], lambda text: text in ("cat", "embedding"))
    check_name(found)
    assert not remark_on_name(found, others=["embedding", "cat-emb", "Embedding-1"])


def test_more_than_75_vectors_can_be_cut_or_split(app: AppHost) -> None:
    html = loads(app, text="repeat('cat', 80)")
    assert actions(html) == {
        ("embmerge_expression", "(repeat('cat', 80)):75"),
        ("embmerge_long", "split into several files"),
    }
    for choice in ("cut to the first 75", "pool into their mean", "split into several files"):
        assert not actions(loads(app, text="repeat('cat', 80)", long=choice))
    assert "the first file, my-kitten-1" in said(loads(app, text="repeat('cat', 80)", long="split into several files"))


def test_the_files_that_are_there_count(app: AppHost) -> None:
    vectors = app.model.encoders[0].rows([1])
    write_embedding({"clip_l": vectors}, app.embeddings_folder, "KITTY-b", metadata={})
    assert "differs only by case from KITTY-b" in said(loads(app, name="kitty-b"))
    assert "differs only by case" not in said(loads(app, name="KITTY-b"))  # it would be replaced
    (app.embeddings_folder / "sub").mkdir()
    assert "Another subfolder has a file of that name" in said(loads(app, name="KITTY-b", folder="sub"))


def test_any_file_can_be_judged(app: AppHost, tmp_path: Path) -> None:
    path = write_embedding({"clip_l": app.model.encoders[0].rows([1])}, tmp_path, "o ne&amp;", metadata={})
    facts = describe_file(path)
    html = draw_loads(facts, check_file(path), repairs={"rename": [Action("<b>", "some_button")]})
    assert "SD 1: " in said(html)
    assert ("embmerge_some_button", "") in actions(html)
    assert "<b>&lt;" not in html
    assert "o ne&amp;amp;" in html
    assert draw_loads(describe_file(path), check_file(path))  # of no known family


def test_a_float16_that_cannot_hold_the_numbers_is_told(app: AppHost) -> None:
    assert ask(app, "loads", text="'cat' * 1e7", dtype="float16")["state"] == {"failed": True}
    assert ask(app, "loads", text="'cat' * 1e7", dtype="float32")["state"] == {}


def test_what_matters_most_of_a_row_comes_first(app: AppHost) -> None:
    for by, first in (("vector", ["#", "verdict", "norm ÷ mean"]), ("part", ["#", "text", "id", "verdict"])):
        html = ask(app, "table", text="'cat' - 'adult' + 'child'", by=by)["slots"]["table"]
        heads = [head.text for head in xml(html).iter("th") if head.get("scope") == "col"]
        assert heads[: len(first)] == first
        cells = [cell.text for row in xml(html).iter("tr") for cell in row if cell.get("scope") == "row"]
        assert cells
        for row in xml(html).iter("tr"):
            if row[0].get("scope") == "row":
                assert len(row) == len(heads)
                assert "embmerge-verdict" in (row[heads.index("verdict")].get("class") or "")
