"""What the page asks of every program that it is part of, on every host's adapter; see `contract.py`."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from lib_embmerge.entered import read_expression
from lib_embmerge.errors import ModelNotLoaded, UnsupportedHost
from lib_embmerge.frontends.page.build.preview import answer_follow, answer_preview
from lib_embmerge.frontends.page.prompt.lines import answer_prompt_lines
from lib_embmerge.frontends.page.question import Question
from lib_embmerge.host_protocol import PageHost
from lib_embmerge.saving import SaveOptions, save_expression
from tests.analysed import evaluate

from .fake_a1111 import same


class PageContract:
    """The contract; a subclass gives the fixtures `host`, in which an SD 1 model is loaded, and `page`.

    `COMMENTS` is what of `COMMENTED` the host takes for comments, each a text that stands there once. `WITH_T5` are
    kinds of models with a T5 or a language model that the host knows.
    """

    COMMENTS: ClassVar[Sequence[str]] = ("# one", "# two <'a", "# four")
    CAN_KEEP_COMMENTS = True
    WITH_T5: ClassVar[Sequence[str]] = ()
    COMMENTED = "a <'cat' # one\n+ 'dog'> # two <'a\n/* three\n*/ b // five\nc # four\n"

    @pytest.fixture
    def page(self, host: Any) -> PageHost:
        return host.adapter()  # type: ignore[no-any-return]

    @pytest.fixture
    def started(self, host: Any) -> None:
        host.webui().start()

    def unload(self, host: Any) -> None:
        """Take the model out of memory, as the host's own button does."""
        raise NotImplementedError

    def can_load(self, host: Any, kind: str) -> None:
        """Let the host find a checkpoint to load."""
        raise NotImplementedError

    def save(self, page: PageHost, expression: str, name: str, folder: str = "") -> None:
        model = page.load_text_model()
        options = SaveOptions(page.embeddings_folder / folder)
        save_expression(read_expression(expression), name, model, options)
        page.refresh_embeddings()

    def test_it_has_a_name_and_a_folder(self, host: Any, page: PageHost) -> None:
        assert page.name
        assert page.embeddings_folder == host.embeddings_folder
        assert page.warnings() == []
        assert page.brackets.value == "<{"

    def test_comments_give_way_to_blanks(self, page: PageHost) -> None:
        expected = self.COMMENTED
        for comment in self.COMMENTS:
            assert self.COMMENTED.count(comment) == 1
            expected = expected.replace(comment, "".join("\n" if c == "\n" else " " for c in comment))
        assert page.without_comments(self.COMMENTED) == expected

    def test_comments_are_kept_where_the_setting_says_so(self, host: Any, page: PageHost) -> None:
        if not self.CAN_KEEP_COMMENTS:
            pytest.skip("there is no setting for it")
        host.opts.enable_prompt_comments = False
        assert page.without_comments(self.COMMENTED) == self.COMMENTED

    @pytest.mark.usefixtures("started")
    def test_the_counter_and_the_lines_do_not_read_comments(self, host: Any, page: PageHost) -> None:
        comment = self.COMMENTS[0]
        end = "" if comment.startswith("/*") else "\n"
        prompt = f"a <'cat' {comment}{end} + 'dog'>"
        assert host.count(prompt) == host.count("a <'cat' + 'dog'>")
        answer = answer_prompt_lines(Question(1, "lines", {"text": prompt}), page)
        assert "mistake" not in answer.slots["lines"]
        assert "1 vector" in answer.slots["lines"]

    @pytest.mark.usefixtures("started")
    def test_what_the_settings_refuse_is_said_before_the_job(self, host: Any, page: PageHost) -> None:
        host.opts.embmerge_vectors = host.opts.embmerge_words = False
        for kind in self.WITH_T5:
            host.load(kind)
            with pytest.raises(UnsupportedHost) as refused:
                host.generate("a <'cat'>")
            for said in (self.lines(page, "a <'cat'>"), host.count("a <'cat'>")):
                assert refused.value.sentence in html.unescape(said)
                assert "1 vector" not in said
            assert page.loaded_text_model() is not None  # the tab goes on with it
            assert self.lines(page, "a cat") == ""
        host.load("sd1")
        assert "1 vector" in self.lines(page, "a <'cat'>")

    def lines(self, page: PageHost, prompt: str) -> str:
        return answer_prompt_lines(Question(1, "lines", {"text": prompt}), page).slots["lines"]

    @pytest.mark.parametrize("kind", ["sd1", "sdxl"])
    def test_the_loaded_model_is_read_in_place(self, host: Any, page: PageHost, kind: str) -> None:
        host.load(kind)
        model = page.loaded_text_model()
        assert model is not None
        value = evaluate(read_expression("'red cat'").tree, model)
        widths = {name: table.weight.shape[1] for name, table in host.tables().items()}
        assert {name: rows.shape[1] for name, rows in value.items()} == widths
        assert same(value["clip_l"], host.rows("red cat"))

    def test_the_preview_follows_a_change_of_checkpoint(self, host: Any, page: PageHost) -> None:
        host.load("sd1", seed=1)
        first = page.loaded_text_model()
        host.load("sdxl", seed=2)
        second = page.loaded_text_model()
        assert first is not None
        assert second is not None
        assert [e.name for e in second.encoders] == ["clip_l", "clip_g"]
        assert first.identity != second.identity
        assert first.title != second.title

    def test_every_answer_names_its_model_and_another_model_has_another_name(self, host: Any, page: PageHost) -> None:
        seen = []
        for seed in (1, 2):
            host.load("sd1", seed=seed)
            names = answer_follow(Question(1, "follow", {}), page).state
            question = Question(1, "asked", {"text": "<'cat'>"})
            assert answer_preview(question, page).state["model"] == names["model"]
            assert answer_prompt_lines(question, page).state["model"] == names["prompts"]
            seen.append(names)
        assert seen[0]["model"] != seen[1]["model"]
        assert seen[0]["prompts"] != seen[1]["prompts"]
        self.unload(host)
        assert answer_follow(Question(1, "follow", {}), page).state == {"model": "", "prompts": ""}

    def test_no_model_is_loaded_by_looking(self, host: Any, page: PageHost) -> None:
        self.unload(host)
        assert page.loaded_text_model() is None

    def test_the_first_need_loads_one(self, host: Any, page: PageHost) -> None:
        self.unload(host)
        self.can_load(host, "sdxl")
        assert [e.name for e in page.load_text_model().encoders] == ["clip_l", "clip_g"]
        assert page.loaded_text_model() is not None

    def test_a_model_that_cannot_be_loaded_is_said(self, host: Any, page: PageHost) -> None:
        self.unload(host)
        with pytest.raises(ModelNotLoaded):
            page.load_text_model()

    # How many encoders a file is for and where it lies are two matters.
    @pytest.mark.parametrize(("kind", "folder"), [("sd1", ""), ("sd1", "sub"), ("sdxl", "sub")])
    @pytest.mark.usefixtures("started")
    def test_a_saved_file_is_usable_at_once(self, host: Any, page: PageHost, kind: str, folder: str) -> None:
        host.load(kind)
        self.save(page, "'red cat' - 'dog'", "mine", folder)
        assert same(host.condition("a mine on a mat"), host.condition("a <'red cat' - 'dog'> on a mat"))

    @pytest.mark.usefixtures("started")
    def test_a_file_saved_anew_is_noticed_by_the_next_picture_of_the_same_prompt(
        self, host: Any, page: PageHost
    ) -> None:
        self.save(page, "'red'", "mine", "sub")
        host.generate("a <'mine'>")
        (page.embeddings_folder / "sub" / "mine.safetensors").unlink()
        self.save(page, "'blue castle'", "mine", "sub")
        made = host.generate("a <'mine'>").c
        parts = [[(part.weight, list(part.schedules)) for part in parts] for parts in made.batch]
        assert same(parts, host.condition("a blue castle", steps=20))

    def test_it_says_which_checkpoint_a_file_was_made_with(self, host: Any, page: PageHost) -> None:
        host.load("sd1", name="someone's model")
        assert page.load_text_model().record()["name"].startswith("someone's model")
        assert "someone's model" in page.checkpoint_names()

    def test_a_model_keeps_its_record_when_another_is_loaded(self, host: Any, page: PageHost) -> None:
        host.load("sd1", name="someone's model")
        model = page.load_text_model()
        host.load("sd1", name="another's model")
        assert model.record()["name"].startswith("someone's model")
        assert page.load_text_model().record()["name"].startswith("another's model")
