"""A whole job: its mistakes are told before anything is computed, and those that another extension has met.

A host encodes the prompts of a second picture, of the high-resolution pass and of a refiner when their turn comes, when
what was computed before is lost. And it swallows what is raised inside a script's own pass (negpip's, ADetailer's),
which then makes a picture from something else.
A script that is chosen in the page makes jobs after jobs, of lines of a text or of values along an axis.
Source: A1111 1.10.1, modules/processing.py:893-1010 `process_images_inner`, modules/scripts.py `ScriptRunner`.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ...errors import EmbeddingMergeError, FileError, SyntaxProblem, UnsupportedHost, shorten
from ...files.installed_embeddings import EmbeddingFolder
from ...language.scan import find_islands, holds_expression
from ...legacy import restore_prompts
from ...merge import MergeSettings, check_prompts, check_writing, merge_prompts, read_as_words
from ...prompts.comments import find_cut_expression
from ...prompts.way_out import say_way_out
from .hooks import Hook, HookGroup
from .stand_ins import StandIns

if TYPE_CHECKING:
    from ...host_protocol import TextModel
    from ..webui.running_host import RunningHost
    from .pipeline_host import PipelineHost

__all__ = ["JobHooks", "Mistakes", "PipelineJob", "runner_hooks", "with_expressions"]

INFOTEXT_MODULES = ("modules.infotext_utils", "modules.generation_parameters_copypaste")
"""Where hosts read a picture's parameters, the newer place first."""

READ = ("all_prompts", "all_negative_prompts", "all_hr_prompts", "all_hr_negative_prompts")
"""Attributes of a job: the prompts that are encoded for its pictures."""


class Mistakes:
    """The mistake that was last met in this thread's job, while it may have been swallowed."""

    def __init__(self) -> None:
        """Begin outside of any job."""
        self._state = threading.local()

    @contextlib.contextmanager
    def remembered(self) -> Iterator[None]:
        """Remember the mistake that is raised while the context lasts; a refusal says what can be done about it."""
        try:
            yield
        except EmbeddingMergeError as error:
            if isinstance(error, UnsupportedHost):
                say_way_out(error)
            self._state.met = error
            raise

    @contextlib.contextmanager
    def job(self) -> Iterator[bool]:
        """Begin a job, and forget what an earlier one has met; gives whether it is no other extension's inner one."""
        depth = self.depth
        if depth == 0:
            self._state.met = None
            self._state.checked = set()
        self._state.depth = depth + 1
        try:
            yield depth == 0
        finally:
            self._state.depth = depth

    @property
    def depth(self) -> int:
        """How many jobs run inside each other."""
        return getattr(self._state, "depth", 0)

    def take(self) -> EmbeddingMergeError | None:
        """Return the mistake that was met, and forget it."""
        met: EmbeddingMergeError | None = getattr(self._state, "met", None)
        self._state.met = None
        return met

    def is_new(self, what: object) -> bool:
        """Return whether this was not asked before in this job."""
        if self.depth == 0:
            return True
        before = len(self._state.checked)
        self._state.checked.add(what)
        return len(self._state.checked) > before


class JobHooks(HookGroup, ABC):
    """The hooks around a job of one host, installed and removed together."""

    without = "Mistakes in the prompts of later pictures and passes are found only when their turn comes."
    host: RunningHost

    def __init__(self, settings: Callable[[], MergeSettings], mistakes: Mistakes, hooks: Sequence[Hook]) -> None:
        """Take what reads the user's settings, what the other hooks have met, and the hooks."""
        self.settings = settings
        self.mistakes = mistakes
        super().__init__(hooks)

    @abstractmethod
    def prompts(self, p: Any) -> list[str]:
        """Return all prompts with expressions that the job's model will read."""

    @abstractmethod
    def other_models(self, p: Any, model: TextModel) -> Sequence[tuple[Sequence[str], object]]:
        """Return the prompts with expressions that other models than this one will read, with what `opened` takes."""

    @abstractmethod
    def opened(self, other: Any, model: TextModel) -> TextModel:
        """Return another model that the job will use.

        Raises: FileError where that cannot be known before.
        """

    def run_job(self, original: Callable[..., Any], p: Any, *args: Any, **kwargs: Any) -> Any:
        """Stand in for `process_images_inner(p)`: say below the pictures what was swallowed while they were made."""
        with self.mistakes.job() as is_outermost:
            processed = original(p, *args, **kwargs)
            mistake = self.mistakes.take() if is_outermost else None
        if mistake is not None:
            print(f"[embmerge] {mistake}")
            self.say_below(processed, f"A step of another extension was left out: {mistake.in_a_row}")
        return processed

    def set_up(self, original: Callable[..., Any], p: Any, *args: Any, **kwargs: Any) -> Any:
        """Stand in for what a job calls before it computes anything."""
        mistake = self.mistakes.take() if self.mistakes.depth else None
        if mistake is not None:
            raise mistake
        with self._naming_comments(p):
            with self.mistakes.remembered(), torch.inference_mode(False), torch.no_grad():
                self._check(p)
            return original(p, *args, **kwargs)

    def run_script(self, original: Callable[..., Any], runner: Any, p: Any, *args: Any) -> Any:
        """Stand in for `ScriptRunner.run(p, *args)`: a chosen script makes jobs of its own, of prompts in its texts."""
        with self.mistakes.remembered():
            for text in _script_texts(runner, args):
                check_writing(text, self.settings())
        return original(runner, p, *args)

    def say_below(self, processed: Any, text: str) -> None:
        """Say something below the pictures of a job."""
        if hasattr(processed, "comments"):
            processed.comments = f"{processed.comments}{text}\n"

    @contextlib.contextmanager
    def _naming_comments(self, p: Any) -> Iterator[None]:
        """Say of an expression that lost its end to a comment that it did: the prompts here are without comments."""
        try:
            yield
        except SyntaxProblem as unclosed:
            brackets = self.settings().brackets
            cuts = (find_cut_expression(typed, self.host.without_comments(typed), brackets) for typed in _typed(p))
            raise next(filter(None, cuts), unclosed) from None

    def _check(self, p: Any) -> None:
        """Look for mistakes in all that the job will encode but for what it encodes at once."""
        prompts = self.prompts(p)
        loaded = self.host.loaded_model() if prompts else None
        if loaded is None:
            return
        model = self.host.model_of_vectors(loaded)
        if model is None:
            for prompt in prompts:
                read_as_words(prompt, self.settings())
            return
        others = self.other_models(p, model)
        if not self.mistakes.is_new((*prompts, *((*texts, id(other)) for texts, other in others))):
            return
        first = with_expressions(p.prompts, p.negative_prompts)
        merge_prompts([prompt for prompt in prompts if prompt not in first], model, self.settings())
        for texts, other in others:
            with contextlib.suppress(FileError):  # a pickle, which is not opened for this
                check_prompts(texts, self.opened(other, model), self.settings())


class PipelineJob(JobHooks):
    """The hooks around a job of a host with A1111's prompt pipeline."""

    def __init__(
        self, host: PipelineHost, settings: Callable[[], MergeSettings], mistakes: Mistakes, stand_ins: StandIns
    ) -> None:
        """Take the host's adapter, what reads the user's settings, and what the other hooks have met and know."""
        self.host = host
        self.stand_ins = stand_ins
        processing = host.processing
        hooks = [Hook(processing.StableDiffusionProcessing, "setup_conds", self.set_up_after_scripts)]
        for kind in ("StableDiffusionProcessing", "StableDiffusionProcessingTxt2Img"):
            if "parse_extra_network_prompts" in vars(getattr(processing, kind, object)):
                hooks.append(Hook(getattr(processing, kind), "parse_extra_network_prompts", self.before_scripts))
        if hasattr(processing, "process_images_inner"):
            hooks.append(Hook(processing, "process_images_inner", self.run_job))
        infotexts = _find_infotexts()
        if hasattr(infotexts, "parse_generation_parameters"):
            hooks.append(Hook(infotexts, "parse_generation_parameters", self.read_infotext))
        super().__init__(settings, mistakes, [*hooks, *runner_hooks(self.run_script)])

    def before_scripts(self, original: Callable[..., Any], p: Any, *args: Any, **kwargs: Any) -> Any:
        """Stand in for `parse_extra_network_prompts()`, after which scripts see the prompts of the next pictures."""
        result = original(p, *args, **kwargs)
        self.stand_ins.hide(p, self.settings().brackets)
        return result

    def set_up_after_scripts(self, original: Callable[..., Any], p: Any, *args: Any, **kwargs: Any) -> Any:
        """Stand in for `setup_conds()`, before which scripts have seen the prompts."""
        self.stand_ins.restore(p)
        for notice in self._find_taken(p) if hasattr(p, "comment") else ():
            p.comment(notice)
        return self.set_up(original, p, *args, **kwargs)

    def read_infotext(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Stand in for `parse_generation_parameters(text)`, which the API calls too, without the paste's callback."""
        parameters = original(*args, **kwargs)
        restore_prompts(parameters)
        return parameters

    def _find_taken(self, p: Any) -> Iterator[str]:
        """Yield what is to be said of expressions that another extension has made plain text of."""
        signs = self.settings().brackets.value
        taken = {sign: name for sign, name in self.host.taken_brackets.items() if sign in signs}
        if not taken:
            return
        read = "\n".join(prompt for name in READ for prompt in getattr(p, name, None) or ())
        for typed in map(self.host.without_comments, _typed(p)):
            for island in _islands(typed):
                if island[0] in taken and island not in read:
                    yield (
                        f"{taken[island[0]]} read the brackets of {shorten(island)}, which was plain text then: "
                        f"write {shorten(f'<{island[1:-1]}>')}."
                    )

    def prompts(self, p: Any) -> list[str]:
        """Return those of all pictures and of their second pass."""
        return list(dict.fromkeys([*_of_first_pass(p), *_of_second_pass(p)]))

    def other_models(self, p: Any, model: TextModel) -> Sequence[tuple[Sequence[str], object]]:
        """Return the prompts of a refiner and of a second pass with a checkpoint of its own."""
        found = [
            (_of_first_pass(p), getattr(p, "refiner_checkpoint_info", None)),
            (_of_second_pass(p), getattr(p, "hr_checkpoint_info", None)),
        ]
        loaded = getattr(self.host.loaded_model(), "sd_checkpoint_info", None)
        return [(texts, info) for texts, info in found if texts and info is not None and info is not loaded]

    def opened(self, other: Any, model: TextModel) -> TextModel:
        """Return the text model of a checkpoint's file."""
        return self.host.checkpoints.open_later(other, model, EmbeddingFolder(self.host.embeddings_folder))


def runner_hooks(target: Callable[..., Any]) -> list[Hook]:
    """Return the hook around the host's running of a chosen script."""
    scripts = importlib.import_module("modules.scripts")
    return [Hook(scripts.ScriptRunner, "run", target)] if hasattr(scripts, "ScriptRunner") else []


def _script_texts(runner: Any, args: Sequence[Any]) -> list[str]:
    """Return the texts that hold expressions of the script that is chosen, of what all scripts are given."""
    chosen = args[0] if args else None
    if not isinstance(chosen, int) or not 0 < chosen <= len(runner.selectable_scripts):
        return []
    script = runner.selectable_scripts[chosen - 1]
    given = args[script.args_from : script.args_to]
    return [text for text in given if isinstance(text, str) and holds_expression(text)]


def _islands(prompt: str) -> Iterator[str]:
    with contextlib.suppress(SyntaxProblem):  # which the encoding tells
        yield from (prompt[island.span.start : island.span.end] for island in find_islands(prompt))


def with_expressions(*lists: Sequence[str] | None) -> list[str]:
    """Return the prompts of some lists that hold an expression, those of each list once."""
    return [prompt for prompts in lists for prompt in dict.fromkeys(prompts or ()) if holds_expression(prompt)]


def _of_first_pass(p: Any) -> list[str]:
    return with_expressions(getattr(p, "all_prompts", None), getattr(p, "all_negative_prompts", None))


def _of_second_pass(p: Any) -> list[str]:
    if not getattr(p, "enable_hr", False):
        return []
    return with_expressions(getattr(p, "all_hr_prompts", None), getattr(p, "all_hr_negative_prompts", None))


def _typed(p: Any) -> Iterator[str]:
    """Yield the prompts as they were typed; a job may have a list of each."""
    for name in ("prompt", "negative_prompt", "hr_prompt", "hr_negative_prompt"):
        prompts = getattr(p, name, "")
        yield from [prompts] if isinstance(prompts, str) else prompts or ()


def _find_infotexts() -> Any | None:
    for name in INFOTEXT_MODULES:
        with contextlib.suppress(ModuleNotFoundError):
            if importlib.util.find_spec(name) is not None:
                return importlib.import_module(name)
    return None
