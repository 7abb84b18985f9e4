"""Write and see: the preview while one types."""

from __future__ import annotations

from .tab import Tab


def test_what_is_typed_is_counted_and_taken_apart_without_a_button(tab: Tab) -> None:
    tab.type("'cat' - 'adult' + 'child'")
    tab.sees("1 vector", "clip_l", "clip_g", "1/75")
    tab.sees("'cat'", "2368", "− 'adult'", "7115", "+ 'child'", "2913")


def test_the_nearest_words_follow_by_encoder(tab: Tab) -> None:
    tab.write("'cat'").sees("nearest clip_l", "nearest clip_g", "cat 1.00")


def test_an_empty_box_shows_examples_that_fill_it(tab: Tab) -> None:
    tab.page.get_by_role("button", name="slerp('red', 'blue', 0.3)").click()
    tab.sees("1 vector", "'red'", "'blue'")
    assert tab.box("expression").input_value() == "slerp('red', 'blue', 0.3)"


def test_the_demonstration_encoder_is_named_as_such(tab: Tab) -> None:
    tab.sees("Demonstration encoder", "invented vectors")
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
    tab.page.locator("#embmerge_messages").first.get_by_role("button", name="normalize").click()
    tab.sees("1 vector").sees_no("Did you mean", at="messages")
    assert tab.box("expression").input_value() == "normalize('cat')"


def test_a_warning_can_be_mended(tab: Tab) -> None:
    tab.write("'cat' * 40").sees("long", at="messages")
    tab.page.get_by_role("button", name="normalize", exact=True).first.click()
    tab.sees("1 vector")
    assert tab.box("expression").input_value() == "normalize('cat' * 40)"


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
