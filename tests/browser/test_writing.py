"""Write and see: the preview while one types."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .tab import Tab


def test_what_is_typed_is_counted_and_taken_apart_without_a_button(tab: Tab) -> None:
    tab.type("'cat' - 'adult' + 'child'")
    tab.sees("1 vector", "clip_l", "clip_g", "1/75")
    tab.sees("'cat'", "2368", "− 'adult'", "7115", "+ 'child'", "2913")


def test_the_nearest_words_follow_by_encoder(tab: Tab) -> None:
    tab.write("'cat'").sees("nearest clip_l", "nearest clip_g", "cat 1.00")


def test_an_empty_box_shows_examples_that_fill_it(tab: Tab) -> None:
    tab.mend("slerp('red', 'blue', 0.3)", at="summary").holds("slerp('red', 'blue', 0.3)")
    tab.sees("1 vector", "'red'", "'blue'")


def test_the_demonstration_encoder_is_named_as_such(tab: Tab) -> None:
    tab.sees("Demonstration encoder", "word vectors of GloVe")
    tab.write("'cat'").sees("Demonstration encoder")


def test_a_mistake_has_a_caret_and_the_last_good_answer_stays_greyed(tab: Tab) -> None:
    tab.write("'cat' - 'adult'").sees("− 'adult'").sees_greyed(False)
    tab.write("'cat' - 'adult' + * 'child'")
    tab.sees("'cat' - 'adult' + * 'child'\n                  ^", "Expected a quoted text", at="messages")
    tab.sees_greyed().sees("− 'adult'")
    tab.write("'cat' - 'child'").sees("− 'child'").sees_greyed(False)
    tab.sees_no("Expected", at="messages")


def test_a_suggestion_can_be_clicked(tab: Tab) -> None:
    tab.write("normalise('cat')").sees("Did you mean normalize", at="messages")
    tab.mend("normalize", at="messages").holds("normalize('cat')")
    tab.sees("1 vector").sees_no("Did you mean", at="messages")


def test_a_warning_can_be_mended(tab: Tab) -> None:
    tab.write("'cat' * 40").sees("long", at="messages")
    tab.mend("normalize", at="messages").holds("normalize('cat' * 40)").sees("1 vector")


def test_the_newest_answer_wins(tab: Tab) -> None:
    with tab.slow_answer(to="an early question"):
        with tab.page.expect_request(lambda request: "an early question" in (request.post_data or "")):
            tab.write("'an early question'")
        tab.write("'late', 'late'")
        tab.watch("summary")
    tab.sees("2 vectors", "'late'", "nearest")
    seen = ["late" in text for text in tab.watched() if "late" in text or "early" in text]
    assert seen == sorted(seen), "an older answer came over a newer one"


def test_nothing_that_is_typed_is_markup(tab: Tab) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    tab.write(f"'{evil}'").sees("img src=x", "script")
    tab.write(f"'cat' + {evil}").sees("^", at="messages")
    tab.write(evil, into="name").sees("not allowed", at="name check")
    assert tab.markup_free()


def test_a_whole_prompt_is_seen_as_what_it_is(tab: Tab) -> None:
    tab.write("a photo of <'cat' - 'adult'>, sitting")
    tab.sees("6 tokens in 1 chunk", "6/75", "a photo of", "'cat' - 'adult'", "1 vector")
    assert tab.strips() == ["Chunk 1: a photo of: 3 tokens, expression 1: 1 vector, , sitting: 2 tokens"]
    tab.write("a photo BREAK <'cat', 'dog'>").sees("in 2 chunks")
    assert len(tab.strips()) == 2


def test_a_prompt_can_be_made_one_expression(tab: Tab) -> None:
    tab.write("a photo of <'cat' - 'adult'>").sees("in 1 chunk")
    tab.mend("make it one expression", at="messages").holds("'a photo of', ('cat' - 'adult')").sees("4 vectors")


def test_what_an_example_replaces_can_be_brought_back(tab: Tab) -> None:
    tab.write("'my own' * 2").sees("2 vectors").open_pane("Help")
    tab.mend("normalize('cat' - 'adult' + 'child')", at="help").sees("1 vector")
    tab.open_pane("Help").mend("'cat', 2368", at="help").sees("Replaced 'my own' * 2", at="messages").sees("2368")
    tab.mend("bring back", at="messages").holds("'my own' * 2").sees_no("bring back", at="messages")


def test_what_is_written_outlives_a_reload(tab: Tab, another_tab: Callable[[], Tab], folder: Path) -> None:
    tab.write("'black cat'").write("em_kept", into="name").write("mine", into="folder").sees("2 vectors")
    tab.page.reload()
    tab.holds("'black cat'").holds("em_kept", into="name").holds("mine", into="folder").sees("2 vectors")
    tab.press("save").sees("✓", at="result")
    assert (folder / "mine" / "em_kept.safetensors").is_file()
    another_tab().holds("")
