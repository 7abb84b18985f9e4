"""The folds of Build: table, pictures, where it will load; each follows what is written."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from .tab import Tab


def test_the_table_follows_what_is_written(tab: Tab) -> None:
    tab.write("'black cat'").unfold("table").sees("norm ÷ mean", "percentile", "black 1.00", at="table")
    tab.write("'dog'").sees("dog 1.00", at="table").sees_no("black", at="table")
    tab.choose("token", of="table_by").sees("1929", "before any operator", at="table")


def test_the_table_is_handed_over_as_csv(tab: Tab) -> None:
    tab.write("'black cat' - 'adult'").unfold("table").sees("CSV", at="table")
    with tab.page.expect_download() as waiting:
        tab.one("#embmerge_table [data-embmerge-csv]").click()
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text(encoding="utf-8-sig"))))
    assert [row["encoder"] for row in rows] == ["clip_l"] * 2 + ["clip_g"] * 2
    assert waiting.value.suggested_filename.endswith(".csv")


def test_the_pictures_follow_what_is_written(tab: Tab) -> None:
    tab.write("'black cat'").unfold("pictures").sees("Norms among the vocabulary's", "Similarity", at="pictures")
    assert tab.area("pictures").locator("figure svg").count() == 4
    tab.write("'dog'").sees_no("Similarity", at="pictures").sees("Norms among", at="pictures")


def test_where_it_will_load_follows_and_one_click_renames(tab: Tab) -> None:
    tab.write("'cat'").unfold("loads").sees("No name yet", "of 8 programs", "A1111", at="loads")
    tab.write("kitten", into="name").sees("own vocabulary", at="loads").sees_no("No name yet", at="loads")
    tab.mend("name it kitten-emb", at="loads").holds("kitten-emb", into="name").sees_no("own vocabulary", at="loads")


def test_one_click_splits_what_is_too_long(tab: Tab, folder: Path) -> None:
    tab.write("'" + "cat " * 80 + "'").write("em_long", into="name").unfold("loads")
    tab.mend("split into several files", at="loads").sees("this is the first file, em_long-1", at="loads")
    tab.press("save").sees("em_long-1.safetensors", "em_long-2.safetensors", at="result")
    assert sorted(path.stem for path in folder.iterdir()) == ["em_long-1", "em_long-2"]


def test_what_is_about_another_text_is_greyed_at_once(tab: Tab) -> None:
    tab.write("'black cat'")
    for fold in ("table", "pictures", "loads"):
        asked = f'\\"kind\\":\\"{fold}\\"'
        with tab.slow_answer(to=asked):
            with tab.page.expect_request(lambda request, asked=asked: asked in (request.post_data or "")):
                tab.unfold(fold)
            tab.sees("Computing…", at=fold)
        tab.sees_no("Computing…", at=fold)
    with tab.slow_answer(to="'dog'"):
        with tab.page.expect_request(lambda request: "'dog'" in (request.post_data or "")):
            tab.write("'dog'").sees_old("table", "pictures", "loads")
        tab.write("'black cat'").sees_old("table", "pictures", "loads", is_old=False)
        tab.write("'dog'").sees_old("table", "pictures", "loads")
    tab.sees_old("table", "pictures", "loads", is_old=False).sees("dog 1.00", at="table")
