"""What every adapter with the prompt pipeline must keep of a whole job: its mistakes, and what stands at a border."""

from __future__ import annotations

import contextlib
import re
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from lib_embmerge.errors import EmbeddingMergeError, SyntaxProblem
from lib_embmerge.hosts.webui.extension import WebUI
from lib_embmerge.hosts.webui.running_host import BracketReader

from ..frontends.checkpoints import KEYS_OF_SD2, make_checkpoint
from .contract import HostUnderTest
from .fake_a1111 import FakeA1111, enlist, same
from .fake_forge import FakeForge

TEXTS_AT_A_BORDER = {
    "two words": ("<'red cat'>", "red cat"),
    "with a comma": ("<'red, old cat'>", "red, old cat"),
    "behind a comma": ("x, <'red cat'>", "x, red cat"),
    "in attention": ("(<'red, old cat'>:1.2) sun", "(red, old cat:1.2) sun"),
    "many": ("<repeat('cat', 40)> dog", " ".join(["cat"] * 40) + " dog"),
}

PLACES = (*range(33, 38), 50, *range(53, 57), *range(66, 77))
"""Words before such a text: around a chunk's end, a comma's reach before it, and where the longest text ends there."""
BORDERS = (34, 35, 36, 54, 55, 72, 73, 74, 75)
"""Those at which something changes, for hosts whose chunks are filled by another's code."""

BRACES_THAT_ARE_READ = {
    "taken": ("a {'cat'}", ["Others read the brackets of {'cat'}, which was plain text then: write <'cat'>."]),
    "twice": ("{'cat'} {'cat'}", ["Others read the brackets of {'cat'}, which was plain text then: write <'cat'>."]),
    "left alone": ("a {'dog'}", []),
    "in angle brackets": ("a <'cat'>", []),
    "choices of its own": ("a {cat|dog}", []),
    "text": (r"a \{'cat'}", []),
}

FOR_A_LATER_MODEL = {
    "words": ("'cat' - 'adult'", ""),
    "an encoder that it has not": ("clip_l('cat')", "clip_h"),
}
"""Expressions for SD 1, and what a job says of them whose later pass has a model of SD 2; nothing where it makes it."""

TEXTS_OF_SCRIPTS = {
    "good lines": ("a <'cat'>\n--prompt \"a <'dog'>\" --steps 3", False),
    "a mistake in the last line": ("a <'cat'>\na <'dog' +>", True),
    "an unknown function": ("a <'cat'>\na <lurp('a', 'b', 1)>", True),
    "halves of expressions to search and replace": ("<'cat', <'dog'", False),
    "an expression and half of one": ("<'cat'>, <'dog'", False),
    "a mistake and half of an expression": ("<'cat' +>, <'dog'", True),
    "no expression": ("a cat\n<lora:x:1> <3", False),
    "escaped": (r"a \<'cat' +>", False),
}
"""What somebody writes into a script's box, and whether it is a mistake before any job is made of it."""


def check_script_texts(scripts: Any, text: str, is_told: bool) -> None:
    """Choose the second of two scripts, with that text among its own values and a mistake among the other's."""
    ran = []

    def run(_p: Any, *given: Any) -> str:
        ran.append(given)
        return "pictures"

    first, second = (SimpleNamespace(args_from=2 * n + 1, args_to=2 * n + 3, run=run) for n in range(2))
    args = (2, "a <'cat' +>", None, text, 5)
    runner = scripts.ScriptRunner(first, second)
    if is_told:
        with pytest.raises(EmbeddingMergeError):
            runner.run(None, *args)
        assert not ran
    else:
        assert runner.run(None, *args) == "pictures"
        assert ran == [(text, 5)]
    assert runner.run(None, 0, *args[1:]) is runner.run(None) is None


class JobContract:
    """The contract; a subclass gives the fixture `host`, in which an SD 1 model is loaded and nothing of ours."""

    @pytest.fixture
    def extension(self, host: HostUnderTest) -> WebUI:
        webui = host.webui()
        webui.start()
        return webui

    @pytest.mark.parametrize(("expression", "plain"), TEXTS_AT_A_BORDER.values(), ids=TEXTS_AT_A_BORDER.keys())
    def test_plain_words_are_plain_words_at_every_place(
        self, host: HostUnderTest, extension: WebUI, expression: str, plain: str
    ) -> None:
        for before in PLACES if type(host) in (FakeA1111, FakeForge) else BORDERS:
            filling = " ".join(["sun"] * before)
            assert same(host.condition(f"{filling} {expression}"), host.condition(f"{filling} {plain}")), before
            if "," not in expression.partition("'")[2]:  # the counter reads no table, so it knows no commas
                assert host.count(f"{filling} {expression}") == host.count(f"{filling} {plain}")

    @pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl", "refiner"])
    def test_a_placeholder_is_what_a_loader_makes_of_a_file(
        self, host: HostUnderTest, extension: WebUI, kind: str
    ) -> None:
        host.load(kind)
        seen = []
        original = host.modules.prompt_parser.get_learned_conditioning
        adapter = extension.host

        def looking(model: Any, prompts: Any, *args: Any, **kwargs: Any) -> Any:
            encoder = adapter.text_model(model).encoders[0]
            lists = adapter.database_of(encoder).ids_lookup.values()
            seen.extend(entry for entries in lists for _, entry in entries)
            return original(model, prompts, *args, **kwargs)

        extension.stop()
        host.modules.prompt_parser.get_learned_conditioning = looking
        extension.start()
        host.condition("<'cat' * 2>")
        assert seen
        for entry in seen:
            if len(host.tables()) == 1:
                assert isinstance(entry.vec, torch.Tensor)
                shapes = [entry.vec.shape]
            else:
                shapes = [rows.shape for rows in entry.vec.values()]
            assert {shape[0] for shape in shapes} == {entry.vectors}
            assert entry.shape == sum(shape[1] for shape in shapes)

    @pytest.mark.parametrize("where", ["all_prompts", "all_negative_prompts", "all_hr_prompts"])
    def test_a_mistake_is_told_before_anything_is_computed(
        self, host: HostUnderTest, extension: WebUI, where: str
    ) -> None:
        for mistake in ("<'cat' +>", "<'cat'", "<'cat' / 0>", "<norm('cat', 'x')>"):
            p = self.job(host, "a <'cat'>", enable_hr=True)
            setattr(p, where, [*getattr(p, where, []), f"a {mistake}"])
            with pytest.raises(EmbeddingMergeError):
                p.setup_conds()
            assert host.texts_encoded() == [], mistake

    def test_braces_that_another_extension_reads_are_said_below_the_picture(
        self, host: HostUnderTest, extension: WebUI
    ) -> None:
        extension.host.bracket_readers = [BracketReader("Others", "others_bracket", "{")]

        def process(p: Any) -> None:
            p.all_prompts[:] = [prompt.replace("{'cat'}", "'cat'") for prompt in p.all_prompts]

        for what, (typed, said) in BRACES_THAT_ARE_READ.items():
            p = self.job(host, typed)
            process(p)
            p.setup_conds()
            assert list(p.comments) == said, what

    def test_the_texts_of_a_chosen_script_are_looked_at_before_its_first_job(
        self, host: HostUnderTest, extension: WebUI
    ) -> None:
        for text, is_told in TEXTS_OF_SCRIPTS.values():
            check_script_texts(host.modules.scripts, text, is_told)

    @pytest.mark.parametrize(("expression", "said"), FOR_A_LATER_MODEL.values(), ids=FOR_A_LATER_MODEL.keys())
    @pytest.mark.parametrize("later", ["refiner_checkpoint_info", "hr_checkpoint_info"])
    def test_a_model_of_another_family_later_in_the_job_reads_with_its_own_encoders(
        self, host: HostUnderTest, extension: WebUI, later: str, expression: str, said: str
    ) -> None:
        host.checkpoints_folder.mkdir(exist_ok=True)
        path = make_checkpoint(host.checkpoints_folder / "second.safetensors", seed=1, keys=KEYS_OF_SD2)
        prompt = f"a <{expression}>"
        p = self.job(host, prompt, enable_hr=True, all_hr_prompts=[prompt])
        setattr(p, later, enlist(path))
        if said:
            with pytest.raises(EmbeddingMergeError, match=said):
                p.setup_conds()
        else:
            p.setup_conds()
        assert bool(said) == (p.c is None)

    def test_hires_prompts_of_a_job_without_a_second_pass_are_not_looked_at(
        self, host: HostUnderTest, extension: WebUI
    ) -> None:
        p = self.job(host, "a <'cat'>", all_hr_prompts=["<'cat' +>"])
        p.setup_conds()
        assert p.c is not None

    def test_a_mistake_that_a_script_s_pass_swallows_stops_the_job(
        self, host: HostUnderTest, extension: WebUI
    ) -> None:
        with pytest.raises(SyntaxProblem):
            host.modules.processing.process_images_inner(self.job(host, "a cat", scripts=[self.swallowing(host)]))

    def test_a_mistake_that_is_swallowed_at_the_end_is_said_below_the_picture(
        self, host: HostUnderTest, extension: WebUI, capsys: pytest.CaptureFixture[str]
    ) -> None:
        inner = host.modules.processing.process_images_inner
        script = self.swallowing(host)
        extension.stop()

        def with_a_later_pass(p: Any) -> Any:
            inner(p)
            script.process(p)
            return SimpleNamespace(comments="its own\n")

        host.modules.processing.process_images_inner = with_a_later_pass
        extension.start()
        processed = host.modules.processing.process_images_inner(self.job(host, "a cat"))
        assert processed.comments.startswith("its own\nA step of another extension was left out: ")
        assert "<'cat' +>" in processed.comments
        assert "^" not in processed.comments  # blanks before it count for nothing in the page

    def test_a_mistake_of_an_earlier_job_is_forgotten(self, host: HostUnderTest, extension: WebUI) -> None:
        with pytest.raises(SyntaxProblem):
            host.modules.processing.process_images_inner(self.job(host, "a <'cat' +>"))
        host.modules.processing.process_images_inner(self.job(host, "a cat"))

    def test_a_key_of_the_cache_that_is_no_tuple_is_extended(self, host: HostUnderTest) -> None:
        kind = host.modules.processing.StableDiffusionProcessing
        kind.cached_params = lambda self, *args, **kwargs: "a hash"
        host.webui().start()
        p = host.processing("a cat")
        assert p.cached_params(["a cat"], 20, None, None) == p.cached_params(["a cat"], 20, None, None)
        assert p.cached_params(["a cat"], 20, None, None) != p.cached_params(["a <'cat'>"], 20, None, None)

    def test_parameters_that_are_read_have_their_expressions_again(
        self, host: HostUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = ModuleType("modules.infotext_utils")
        module.__spec__ = SimpleNamespace(name=module.__name__)  # type: ignore[assignment]
        module.parse_generation_parameters = lambda text: {  # type: ignore[attr-defined]
            "Prompt": "a <'EM_1'>", "EmbeddingMerge": "<'EM_1'>=<'cat'+'dog'>"
        }  # fmt: skip
        monkeypatch.setitem(sys.modules, module.__name__, module)
        webui = host.webui()
        webui.start()
        assert module.parse_generation_parameters("") == {"Prompt": "a <'cat'+'dog'>"}
        webui.stop()
        assert "EmbeddingMerge" in module.parse_generation_parameters("")

    def test_a_refiner_reads_its_part(self, host: HostUnderTest, extension: WebUI) -> None:
        host.load("refiner")
        assert same(host.condition("a <'cat' * 0.5L>"), host.condition("a cat"))
        assert same(host.condition("a <clip_l('dog') + clip_g('cat')>"), host.condition("a cat"))
        host.load("sd1")
        with pytest.raises(EmbeddingMergeError, match="SD 1"):
            host.condition("a <clip_g('cat')>")

    def job(self, host: HostUnderTest, prompt: str, **settings: Any) -> Any:
        """Make a job whose prompts are set up."""
        p = host.processing(prompt)
        vars(p).update(settings)
        p.setup_prompts()
        return p

    def swallowing(self, host: HostUnderTest) -> Any:
        """Make a script that encodes a prompt with a mistake, as the host runs it: what it raises is lost."""

        def process(_p: Any) -> None:
            with contextlib.suppress(EmbeddingMergeError):
                host.modules.prompt_parser.get_learned_conditioning(host.model, ["a <'cat' +>"], 20)

        return SimpleNamespace(process=process)

    @pytest.mark.parametrize("reader", ["negpip.py", "another.py"])
    def test_an_extension_that_searches_prompts_sees_a_word(self, host: HostUnderTest, reader: str) -> None:
        kind = host.modules.processing.StableDiffusionProcessing
        kind.parse_extra_network_prompts = lambda self: None
        host.webui().start()
        typed = "a sun, (<lerp('cat', 'dog', 0)>:-1) <'red house'[0:1]>"
        p = host.processing(typed)
        p.scripts = SimpleNamespace(alwayson_scripts=[SimpleNamespace(filename=f"extensions/x/scripts/{reader}")])
        p.setup_prompts()
        p.parse_extra_network_prompts()
        found = re.findall(r"\(([^(:)]*):-1\)", p.prompts[0])
        if reader != "negpip.py":
            assert p.prompts == [typed]
            assert found == []
            return
        assert len(found) == 1
        assert same(host.condition(f"({found[0]}:1.1)"), host.condition("(cat:1.1)"))
        p.prompts[0] = p.prompts[0].replace(f"({found[0]}:-1)", "")
        p.setup_conds()
        assert p.prompts == ["a sun,  <'red house'[0:1]>"]

    def test_a_prompt_with_a_mistake_is_left_to_the_job(self, host: HostUnderTest) -> None:
        host.modules.processing.StableDiffusionProcessing.parse_extra_network_prompts = lambda self: None
        host.webui().start()
        p = host.processing("a <'cat'")
        p.scripts = SimpleNamespace(alwayson_scripts=[SimpleNamespace(filename="negpip.py")])
        p.setup_prompts()
        p.parse_extra_network_prompts()
        with pytest.raises(SyntaxProblem):
            p.setup_conds()
