"""The extension in a WebUI: settings, infotext, pasted parameters, and the script that wires it."""

from __future__ import annotations

import html
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lib_embmerge.errors import UnsupportedHost
from lib_embmerge.hosts.webui.extension import find_bracket_readers, other_extensions_with_expressions
from lib_embmerge.hosts.webui.settings import LIMIT_SETTINGS, SETTINGS
from lib_embmerge.limits import Limits

from .fake_a1111 import FakeA1111, library_kept, same

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "embedding_merge.py"

EMPHASIS = {
    "only an expression has parentheses": ("a <('cat' + 'dog') * 0.5>", "", "No norm", "No norm"),
    "only an expression has square brackets": ("a <'red cat'[0]>", "", "No norm", "No norm"),
    "in the negative prompt": ("a", "<('cat')>", "No norm", "No norm"),
    "an expression without either": ("a <'cat'>", "", "No norm", None),
    "the host's default": ("a <('cat')>", "", "Original", None),
    "no expression": ("a (cat)", "", "No norm", "No norm"),
}


@pytest.mark.parametrize(("prompt", "negative", "emphasis", "noted"), EMPHASIS.values(), ids=EMPHASIS.keys())
def test_the_kind_of_emphasis_in_the_infotext(
    a1111: FakeA1111, prompt: str, negative: str, emphasis: str, noted: str | None
) -> None:
    webui = a1111.webui()
    webui.start()
    a1111.scripts.append(SimpleNamespace(process=webui.note_emphasis))
    a1111.opts.emphasis = emphasis
    assert a1111.generate(prompt, negative).extra_generation_params.get("Emphasis") == noted


def test_the_prompt_is_never_rewritten(a1111: FakeA1111) -> None:
    a1111.webui().start()
    a1111.modules.shared.prompt_styles.styles = {"s": ("{prompt} on <'mat'>", "<'rain'>")}
    p = a1111.generate("a <'cat'>", "<'sun'>", styles=["s"])
    assert p.prompt == "a <'cat'>"
    assert p.all_prompts == p.prompts == ["a <'cat'> on <'mat'>"]
    assert p.all_negative_prompts == p.negative_prompts == ["<'sun'>, <'rain'>"]
    assert p.extra_generation_params == {}


def test_every_setting_is_a_box_that_is_ticked_at_first_or_a_limit(a1111: FakeA1111) -> None:
    webui = a1111.webui()
    webui.start()
    a1111.modules.script_callbacks.call("ui_settings")
    added = a1111.opts.data_labels
    assert set(added) == {*SETTINGS, *LIMIT_SETTINGS}
    assert all(added[key].default is True for key in SETTINGS)
    assert [added[key].default for key in LIMIT_SETTINGS] == [16_384, 100, 1_024, 8_192, 2_000_000]
    assert {info.section for info in added.values()} == {("embmerge", "Embedding merge")}
    assert webui.settings().brackets.value == "<{"
    assert webui.settings().limits == Limits()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *[(2_000, 2_000), (2_000.0, 2_000), (0, 1), (-5, 1), (10**9, 8_000)],
        *[(wrong, 1_024) for wrong in (None, "many", True, float("nan"), float("inf"))],
    ],
)
def test_a_limit_is_what_the_settings_say_between_1_and_the_highest(
    a1111: FakeA1111, written: object, read: int
) -> None:
    a1111.opts.embmerge_limit_vectors = written
    assert a1111.webui().settings().limits == Limits(vectors=read)
    assert a1111.adapter().limits == Limits(vectors=read)


def test_pasted_parameters_of_the_old_extension_become_expressions(a1111: FakeA1111) -> None:
    a1111.webui().start()
    pasted = {"Prompt": "a <'EM_1'> cat", "EmbeddingMerge": "<'EM_1'>=<'cat'+'dog'>"}
    a1111.modules.script_callbacks.call("infotext_pasted", "…", pasted)
    assert pasted == {"Prompt": "a <'cat'+'dog'> cat"}


def test_before_a_model_is_loaded_the_counter_is_the_host_s(a1111: FakeA1111) -> None:
    a1111.modules.sd_models.model_data.sd_model = None
    a1111.modules.sd_hijack.model_hijack.clip = None
    a1111.webui().start()
    assert a1111.count("a <'cat'>") == "-/-"


def test_without_the_host_s_counter_expressions_work_and_it_is_said(a1111: FakeA1111) -> None:
    del a1111.modules.sd_hijack.StableDiffusionModelHijack.get_prompt_lengths
    webui = a1111.webui()
    webui.start()
    assert same(a1111.condition("a <'cat'>"), a1111.condition("a cat"))
    assert [notice.split(". ")[0] for notice in webui.host.warnings()] == [
        "The token counter counts expressions as the text that they are"
    ]


def test_a_model_without_clip(a1111: FakeA1111) -> None:
    a1111.webui().start()
    a1111.opts.embmerge_words = False
    a1111.modules.sd_models.model_data.sd_model = SimpleNamespace(cond_stage_model=object())
    said = html.unescape(a1111.count("a <'cat'>"))
    assert "no text encoder that embmerge can use" in said
    assert "under Embedding merge" in said
    with pytest.raises(UnsupportedHost, match="switch expressions off in the settings"):
        a1111.modules.prompt_parser.get_learned_conditioning(SimpleNamespace(), ["a <'cat'>"], 10)


def test_the_old_extension_is_recognized_beside_ours() -> None:
    ours = type("EmbeddingMerge", (), {})
    data = [
        SimpleNamespace(path="extensions/embmerge/scripts/embedding_merge.py", script_class=ours),
        SimpleNamespace(path="extensions/old/scripts/embedding_merge.py", script_class=type("Other", (), {})),
        SimpleNamespace(path="scripts/xyz_grid.py", script_class=type("Grid", (), {})),
    ]
    assert other_extensions_with_expressions(data, ours) == ["extensions/old/scripts/embedding_merge.py"]


@pytest.mark.parametrize(
    ("script", "option", "taken"),
    [
        ("dynamic_prompting.py", None, {"{": "Dynamic Prompts"}),
        ("dynamic_prompting.py", "%{", {"%{": "Dynamic Prompts"}),
        ("xyz_grid.py", None, {}),
    ],
)
def test_brackets_that_another_extension_reads(
    a1111: FakeA1111, script: str, option: str | None, taken: dict[str, str]
) -> None:
    host = a1111.webui().host
    host.bracket_readers = find_bracket_readers([SimpleNamespace(path=f"extensions/x/scripts/{script}")] * 2)
    if option is not None:
        a1111.opts.dp_parser_variant_start = option
    assert host.taken_brackets == taken
    said = [warning for warning in host.warnings() if "under Embedding merge" in warning]
    assert len(said) == ("{" in taken)
    a1111.opts.embmerge_curly_brackets = False
    assert host.warnings() == []


def run_script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def test_reload_ui_takes_the_newest_code(a1111: FakeA1111) -> None:
    parser = a1111.modules.prompt_parser
    original = parser.get_learned_conditioning
    with library_kept():
        run_script()
        first = sys.modules["lib_embmerge.merge"]
        a1111.reload_ui(run_script)
        assert sys.modules["lib_embmerge.merge"] is not first
        assert same(a1111.condition("a <'cat' - 'dog' + 'dog'>"), a1111.condition("a cat"))
        assert a1111.count("a <'cat'>") == "2/75"
        a1111.modules.script_callbacks.script_unloaded_callback()
    assert parser.get_learned_conditioning is original


def test_running_the_script_again_without_unloading(a1111: FakeA1111) -> None:
    """Some forks forget the callbacks of scripts without calling those for unloading."""
    parser = a1111.modules.prompt_parser
    original = parser.get_learned_conditioning
    with library_kept():
        run_script()
        a1111.modules.script_callbacks.clear_callbacks()
        run_script()
        assert same(a1111.condition("a <'cat'>"), a1111.condition("a cat"))
        a1111.modules.script_callbacks.script_unloaded_callback()
    assert parser.get_learned_conditioning is original


def test_an_unknown_webui_is_left_alone_with_a_sentence(
    a1111: FakeA1111, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = a1111.modules.prompt_parser
    del parser.get_multicond_learned_conditioning
    original = parser.get_learned_conditioning
    with library_kept():
        a1111.scripts.append(run_script()["EmbeddingMerge"]())
        a1111.modules.script_callbacks.call("before_ui")
        ((blocks, title, _),) = a1111.modules.script_callbacks.ui_tabs_callback()
        jobs = [a1111.job_without_conditioning(prompt) for prompt in ("a cat", "a <'cat'>")]
    assert parser.get_learned_conditioning is original
    console = capsys.readouterr().out
    assert "[embmerge] embmerge does not know this WebUI: it finds no way to turn prompts into conditioning" in console
    assert "to be extended: modules.prompt_parser.get_multicond_learned_conditioning\n" in console
    assert title == "Save embedding"
    assert "embmerge does not know this WebUI" in str(blocks.get_config_file())
    labels = [part["props"].get("label") for part in blocks.get_config_file()["components"]]
    assert {"Expression", "Work with", "Convert & check", "Help"} <= set(labels)
    assert [len(job.comments) for job in jobs] == [0, 1]
    assert next(iter(jobs[1].comments)).startswith("The prompt was taken as it is typed. embmerge does not know")


def test_what_fails_while_it_is_installed_leaves_the_tab(a1111: FakeA1111) -> None:
    """A host that offers all, and yet lets nobody replace it."""

    class Sealed(type):
        def __setattr__(cls, name: str, value: object) -> None:
            raise TypeError("this class cannot be changed")

    parser, processing = a1111.modules.prompt_parser, a1111.modules.processing
    before = parser.get_learned_conditioning
    processing.StableDiffusionProcessing = Sealed("Sealed", (processing.StableDiffusionProcessing,), {})
    with library_kept():
        run_script()
        ((blocks, *_),) = a1111.modules.script_callbacks.ui_tabs_callback()
    assert parser.get_learned_conditioning is before
    assert "needs is missing in this WebUI, or cannot be extended" in str(blocks.get_config_file())


@pytest.fixture(scope="class")
def wired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeA1111]:
    with FakeA1111.installed(tmp_path_factory.mktemp("host")) as modules, library_kept():
        host = FakeA1111(modules)
        host.load("sd1")
        host.script = run_script()  # type: ignore[attr-defined]
        yield host


class TestOneRunOfTheScript:
    """What there is after the script has run once; each run imports the library anew, which takes its time."""

    def test_the_script_wires_everything(self, wired: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        assert same(wired.condition("a <'cat'>"), wired.condition("a cat"))
        monkeypatch.setattr(wired, "scripts", [wired.script["EmbeddingMerge"]()])
        monkeypatch.setattr(wired.opts, "emphasis", "No norm")
        assert wired.generate("<('cat')>").extra_generation_params == {"Emphasis": "No norm"}
        assert wired.scripts[0].show(False) is wired.modules.scripts.AlwaysVisible

    def test_the_host_finds_one_script_in_the_file(self, wired: Any) -> None:
        base = wired.modules.scripts.Script
        found = [name for name, one in wired.script.items() if isinstance(one, type) and issubclass(one, base)]
        assert found == ["EmbeddingMerge"]

    def test_the_tab_is_among_the_host_s(self, wired: Any) -> None:
        ((blocks, title, elem_id),) = wired.modules.script_callbacks.ui_tabs_callback()
        assert (title, elem_id) == ("Save embedding", "embmerge")
        labels = [part["props"].get("label") for part in blocks.get_config_file()["components"]]
        assert {"Expression", "Name", "Overwrite"} <= set(labels)

    def test_the_old_extension_beside_ours_is_said_once(self, wired: Any, capsys: pytest.CaptureFixture[str]) -> None:
        data = wired.modules.scripts.ScriptClassData
        wired.modules.scripts.scripts_data[:] = [
            data(wired.script["EmbeddingMerge"], str(SCRIPT), "", None),
            data(type("Old", (), {}), "extensions/old/scripts/embedding_merge.py", "", None),
        ]
        wired.modules.script_callbacks.call("before_ui")
        said = capsys.readouterr().out
        assert said.count("extensions/old/scripts/embedding_merge.py") == 1
        assert str(SCRIPT) not in said
