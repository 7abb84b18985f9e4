"""A whole prompt in the box, and the lines under the WebUI's prompt boxes."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from lib_embmerge.errors import UnsupportedHost
from lib_embmerge.frontends.app.host import AppHost
from lib_embmerge.frontends.page.answers import answer
from lib_embmerge.frontends.page.build.saving import save_from_page
from lib_embmerge.frontends.page.prompt.lines import read_prompt_lines
from lib_embmerge.frontends.page.repairs import repair_prompt
from lib_embmerge.hosts.pipeline.comments import HASH, blank_comments
from lib_embmerge.language import Brackets, parse
from lib_embmerge.models.memory import MemoryModel
from tests.analysed import count

CAPTION = re.compile(r">([^<>]+)</button>")
TEXT = re.compile(r'data-embmerge-text="([^"]*)"')
STRIP = re.compile(r'aria-label="Chunk (\d+): ([^"]*)"')


@pytest.fixture
def host(tmp_path: Path) -> AppHost:
    return AppHost(None, tmp_path / "embeddings", None)


def ask(host: AppHost, text: object, kind: str = "preview") -> tuple[dict[str, str], dict[str, object]]:
    found = json.loads(answer(json.dumps({"id": 1, "kind": kind, "text": text}), host))
    return found["slots"], found["state"]


def buttons(drawn: str) -> dict[str, str]:
    """Give the buttons of a drawing: what each is called, and what it puts into the box."""
    return dict(zip(CAPTION.findall(drawn), map(html.unescape, TEXT.findall(drawn)), strict=True))


# --- In the box ------------------------------------------------------------------------------------------------------

STRIPS = {
    "plain words": ("a photo of a cat", ["a photo of a cat: 5 tokens"]),
    "an expression": ("a <'black cat'>, hd", ["a: 1 token, expression 1: 2 vectors, , hd: 2 tokens"]),
    "BREAK": ("a BREAK <'cat'>", ["a: 1 token", "expression 1: 1 vector"]),
    "AND": ("a AND <'cat'>", ["a: 1 token", "expression 1: 1 vector"]),
    "divided as words are": (
        "cat " * 74 + "<'red dog'>",
        ["cat " * 73 + "cat: 74 tokens, expression 1: 1 vector", "expression 1: 1 vector"],
    ),
    "nothing but weights": ("(:1.2) ()", ["empty"]),
}


@pytest.mark.parametrize(("prompt", "strips"), STRIPS.values(), ids=STRIPS.keys())
def test_the_map(host: AppHost, prompt: str, strips: list[str]) -> None:
    slots, state = ask(host, prompt)
    assert [what for _, what in STRIP.findall(slots["summary"])] == strips
    assert state["prompt"] is True


def test_the_size(host: AppHost) -> None:
    slots, state = ask(host, "cat " * 75 + "<'red dog'>")
    assert "77 tokens in 2 chunks" in slots["summary"]
    assert "75/75" in slots["summary"]
    assert "2/75" in slots["summary"]
    assert state["count"] == 77


def test_at_most_twenty_chunks_are_drawn(host: AppHost) -> None:
    slots, _ = ask(host, "cat BREAK " * 30 + "dog")
    assert len(STRIP.findall(slots["summary"])) == 20
    assert "and 11 more chunks" in slots["summary"]


def test_each_expression_can_be_opened_alone(host: AppHost) -> None:
    slots, _ = ask(host, "a <'cat' - 'adult'>, <slerp('old', 'car', 0.3)>")
    assert list(map(html.unescape, TEXT.findall(slots["summary"]))) == ["'cat' - 'adult'", "slerp('old', 'car', 0.3)"]


def test_mistakes_are_placed_in_the_whole_prompt(host: AppHost) -> None:
    slots, state = ask(host, "a <'cat'>, <'dog' + * 2> and <normlize('x')>")
    messages = html.unescape(slots["messages"])
    assert "a <'cat'>, <'dog' + * 2> and <normlize('x')>\n" + " " * 20 + "^" in messages
    assert "There is no function normlize" in messages
    assert buttons(slots["messages"]) == {"normalize": "a <'cat'>, <'dog' + * 2> and <normalize('x')>"}
    assert slots["summary"].count("</span> mistake</span>") == 2
    assert "broken" not in state


def test_a_bracket_that_nothing_closes(host: AppHost) -> None:
    slots, state = ask(host, "a photo of <'cat'")
    assert "Not finished yet" in slots["messages"]
    assert "a photo of <'cat'\n           ^" in html.unescape(state["rested"])
    assert state["broken"] is True


def test_warnings_name_their_expression_and_mend_it_in_place(host: AppHost) -> None:
    slots, _ = ask(host, "a <repeat('cat', 80)>, hd")
    assert "Expression 1: This has 80 vectors" in slots["messages"]
    assert buttons(slots["messages"])["cut to 75"] == "a <(repeat('cat', 80)):75>, hd"


def test_an_expression_in_brackets_alone_is_an_expression(host: AppHost) -> None:
    slots, state = ask(host, " <'black cat'> ")
    assert state["count"] == 2
    assert "embmerge-chip" in slots["summary"]
    assert "nearest" in ask(host, "<'black cat'>", "nearest")[0]


@pytest.mark.parametrize("kind", ["preview", "prompt_lines"])
def test_nothing_of_a_prompt_is_markup(host: AppHost, kind: str) -> None:
    slots, _ = ask(host, "<img src=x onerror=alert(1)> <'<b>\"x'>, <'</code><script>' + >", kind)
    for drawn in slots.values():
        assert not re.search(r"<(img|b|script)[ >\"]", drawn)


@pytest.mark.parametrize("text", [7, None, ["a"], {"a": 1}, "cat" * 50_000])
def test_a_field_that_is_no_text_is_refused(host: AppHost, text: object) -> None:
    assert list(ask(host, text, "prompt_lines")[0]) == ["error"]


# --- A prompt as one expression ---------------------------------------------------------------------------------------

MENDS = {
    "plain words": ("a photo  of a cat", "use as text", "'a photo of a cat'"),
    "words with a quote": ("the cat's ear", "use as text", "'the cat''s ear'"),
    "plain words with a weight": ("a (cat:1.2)", "use as text", "'a (cat:1.2)'"),
    "words around an expression": (
        "a photo of <'cat' - 'adult'>, hd", "make it one expression", "'a photo of', ('cat' - 'adult'), ', hd'"
    ),
    "two expressions": ("<'a' * 2>{'b'}", "make it one expression", "('a' * 2), ('b')"),
    "an expression alone": ("<'cat'>", None, None),
    "no prompt": ("'cat'", None, None),
    "a weight around the expression": ("a (<'cat'>:1.2)", None, None),
    "BREAK": ("a BREAK <'cat'>", None, None),
    "a network": ("<lora:x:1> <'cat'>", None, None),
    "an escaped bracket": ("\\<'a'> <'cat'>", None, None),
    "a placeholder of the predecessor": ("a <'EM_1'>", None, None),
}  # fmt: skip


@pytest.mark.parametrize(("prompt", "label", "text"), MENDS.values(), ids=MENDS.keys())
def test_a_prompt_as_one_expression(prompt: str, label: str | None, text: str | None) -> None:
    mend = repair_prompt(prompt)
    assert (mend and mend.label, mend and mend.value) == (label, text)
    if text is not None:
        parse(text)


def test_it_has_the_vectors_of_the_prompt() -> None:
    mend = repair_prompt("a photo of <'cat' - 'adult' + 'red dog'> and {'child' * 2}")
    assert mend is not None
    assert count(parse(mend.value), MemoryModel.sd1()) == 3 + 2 + 3 + 1  # "and" is a token for each letter


@pytest.mark.parametrize("prompt", ["a photo of a cat " * 9, "a photo of <'cat' - 'adult'>, hd"])
def test_saving_a_prompt_offers_it(host: AppHost, prompt: str) -> None:
    drawn = save_from_page(host, prompt, "my_prompt", "", False, False, "float32", "refuse", "", "", "", "", False)
    assert "This is a prompt" in drawn
    assert list(buttons(drawn).values()) == [mend.value if (mend := repair_prompt(prompt)) else ""]
    assert not host.embeddings_folder.exists()


# --- Under the WebUI's boxes ------------------------------------------------------------------------------------------


def test_the_lines(host: AppHost) -> None:
    slots, _ = ask(host, "a <'black cat'>, <'dog' + >", "prompt_lines")
    lines = html.unescape(slots["lines"])
    assert "2 vectors" in lines
    assert "a <'black cat'>, <'dog' + >\n" + " " * 25 + "^" in lines
    assert 'data-embmerge-pane="build"' in lines


@pytest.mark.parametrize("prompt", ["", "a photo", "<lora:x:1>", "\\<'cat'>", "a < b"])
def test_a_prompt_without_expressions_has_none(host: AppHost, prompt: str) -> None:
    assert ask(host, prompt, "prompt_lines")[0] == {"lines": ""}


def test_brackets_that_are_switched_off(host: AppHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "brackets", Brackets.CURLY)
    assert ask(host, "<'cat'>", "prompt_lines")[0] == {"lines": ""}
    assert "1 vector" in ask(host, "{'cat'}", "prompt_lines")[0]["lines"]


def test_what_is_being_typed_leaves_the_others() -> None:
    lines, problem = read_prompt_lines("a <'red cat'> and <'do", Brackets.BOTH, MemoryModel.sd1())
    assert [line.vectors for line in lines] == [2]
    assert problem is not None
    assert problem.message.startswith("Nothing closes this expression")


def test_without_a_model_nothing_is_counted() -> None:
    lines, _ = read_prompt_lines("<'cat'> <'dog' + >", Brackets.BOTH, None)
    assert [(line.vectors, line.problem is None) for line in lines] == [(None, True), (None, False)]


def chips(drawn: str) -> list[str]:
    """Give what stands on the chips, without numbers and signs."""
    found = re.findall(r"<button [^>]*data-embmerge-line=.*?</button>", drawn, re.DOTALL)
    return [" ".join(re.sub(r"<code>.*?</code>|<[^>]*>|⚠", "", chip).split()[1:]) for chip in found]


def unfolded(drawn: str) -> list[str]:
    """Give the numbers of the details that can be seen."""
    return re.findall(r'data-embmerge-detail="(\d+)">', drawn)


def mends(drawn: str) -> list[str]:
    return [html.unescape(prompt) for prompt in re.findall(r'data-embmerge-repair="([^"]*)"', drawn)]


def ask_lines(host: AppHost, text: str, **more: object) -> str:
    question = json.dumps({"id": 1, "kind": "prompt_lines", "text": text, **more})
    return str(json.loads(answer(question, host))["slots"]["lines"])


def test_many_expressions_have_a_chip_each_and_no_text(host: AppHost) -> None:
    drawn = ask_lines(host, "<'cat'> " * 20)
    assert chips(drawn) == ["1 vector"] * 20
    assert unfolded(drawn) == []
    assert "<code>" not in drawn.partition("embmerge-line-detail")[0]
    assert "and 1 more expression" in ask_lines(host, "<'cat'> " * 301)


TYPED = (
    "<'cat' - 'adult' + 'child'>",
    "<lerp('black cat', \"dog's\", 0.5) =* 1.5e-3>",
    "<normalize('a':2, 'x'[0:1]) / 3>",
    "{'it''s', 256, ('b' + -2*'c')}",
    "<.5*'cat', repeat('dog', 2)>",
)


@pytest.mark.parametrize("before", ["", "a <'cat'>, "], ids=["alone", "behind another"])
@pytest.mark.parametrize("behind", ["", " on a mat", ", hd, <'dog'>"], ids=["at the end", "in words", "before another"])
@pytest.mark.parametrize("written", TYPED)
def test_no_state_of_typing_a_right_expression_is_a_mistake(
    host: AppHost, written: str, before: str, behind: str
) -> None:
    for end in range(1, len(written) + 1):
        drawn = ask_lines(host, before + written[:end] + behind, caret=len(before) + end)
        assert "mistake" not in chips(drawn), written[:end]


@pytest.mark.parametrize("written", TYPED)
def test_nor_between_brackets_that_the_editor_has_closed(host: AppHost, written: str) -> None:
    for end in range(1, len(written)):
        assert "mistake" not in chips(ask_lines(host, f"a {written[:end]}{written[-1]}", caret=2 + end)), written[:end]


WRONG_AT_ITS_PLACE = {
    "two texts": ("a <'cat' 'adult", None, "Write 'cat', 'adult'"),
    "a word without quotes": ("a <'cat' - adult", None, "A text must be quoted"),
    "before the caret": ("a <'cat' ** 2 + ", None, "There are no powers"),
    "behind the caret": ("a <'cat' - dog>, hd", 19, "A text must be quoted"),
    "left behind": ("a <'cat' - , and more", -1, "Nothing closes this expression"),
    "before it": ("a <'cat' + >, and mo", None, "Expected a quoted text"),
}


@pytest.mark.parametrize(("prompt", "caret", "said"), WRONG_AT_ITS_PLACE.values(), ids=WRONG_AT_ITS_PLACE.keys())
def test_what_is_wrong_at_its_place_is_told(host: AppHost, prompt: str, caret: int | None, said: str) -> None:
    more = {} if caret == -1 else {"caret": len(prompt) if caret is None else caret}
    drawn = ask_lines(host, prompt, **more)
    assert chips(drawn) == ["mistake"]
    assert unfolded(drawn) == ["1"]
    assert said in html.unescape(drawn)


@pytest.mark.parametrize("caret", [None, -1, True, "3", 10**9, [], {}])
def test_a_caret_that_is_none(host: AppHost, caret: object) -> None:
    assert chips(ask_lines(host, "a <'cat'> <'d", caret=caret))[0] == "1 vector"


COMMENTS = {
    "one behind": ("a <'cat' # + 'dog'>", "What stands behind # is a comment"),
    "one before": ("a # b\n <'cat' + 'dog'", None),
    "none": ("a <'cat' + 'dog'", None),
    "a sign that is none": ("a <'cat' // + 'dog'", None),
}


@pytest.mark.parametrize(("prompt", "said"), COMMENTS.values(), ids=COMMENTS.keys())
def test_a_comment_is_named_where_one_stands(
    host: AppHost, monkeypatch: pytest.MonkeyPatch, prompt: str, said: str | None
) -> None:
    monkeypatch.setattr(host, "without_comments", lambda text: blank_comments(text, HASH))
    drawn = html.unescape(ask_lines(host, prompt))
    assert "Nothing closes this expression" in drawn
    assert (said or "What stands behind") in drawn if said else "comment" not in drawn
    if said:
        assert prompt in drawn  # as it was typed


MEANT = {
    "words": ("a <cat - adult>, <lora:x:1>", ["a <'cat' - 'adult'>, <lora:x:1>"]),
    "quotes": ("a <‘cat’>", ["a <'cat'>"]),
    "brackets": ("a ‹'cat'› <'dog'>", ["a <'cat'> <'dog'>"]),
    "a word in an expression": ("a <'cat' - dog> # b", ["a <'cat' - 'dog'> # b"]),
}


@pytest.mark.parametrize(("prompt", "mended"), MEANT.values(), ids=MEANT.keys())
def test_one_click_mends_the_whole_prompt(
    host: AppHost, monkeypatch: pytest.MonkeyPatch, prompt: str, mended: list[str]
) -> None:
    monkeypatch.setattr(host, "without_comments", lambda text: blank_comments(text, HASH))
    drawn = ask_lines(host, prompt)
    assert mends(drawn) == mended
    assert unfolded(drawn) != []
    assert mends(ask_lines(host, mended[0])) == []


def test_what_stays_text_is_no_mistake(host: AppHost) -> None:
    assert chips(ask_lines(host, "a <cat - adult>")) == ["stays text"]


def test_a_model_that_takes_no_expressions_is_told(host: AppHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise UnsupportedHost("This model takes none.")

    monkeypatch.setattr(host, "prompt_text_model", refuse)
    drawn = ask_lines(host, "a <'cat'>")
    assert "This model takes none. To keep a bracket as text write \\&lt;, or" in drawn
    assert "under Embedding merge" in drawn
    assert chips(drawn) == []
    assert ask_lines(host, "a cat") == ""


def test_braces_that_another_extension_takes(host: AppHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "taken_brackets", {"{": "Dynamic Prompts"})
    drawn = ask_lines(host, "a {'black cat'} on <'dog'>")
    assert chips(drawn) == ["Dynamic Prompts", "1 vector"]
    assert mends(drawn) == ["a <'black cat'> on <'dog'>"]
    assert "under Embedding merge" in drawn
    assert "2 vectors" not in drawn
