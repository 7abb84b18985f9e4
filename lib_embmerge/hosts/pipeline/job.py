"""A whole job: its mistakes are told before anything is computed, and those that another extension has met.

A host encodes the prompts of a second picture, of the high-resolution pass and of a refiner when their turn comes, when
what was computed before is lost. And it swallows what is raised inside a script's own pass (negpip's, ADetailer's),
which then makes a picture from something else.
Source: A1111 1.10.1, modules/processing.py:893-1010 `process_images_inner`, modules/scripts.py `ScriptRunner`.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from ...errors import EmbeddingMergeError, FileError
from ...language.scan import holds_expression
from ...legacy import restore_prompts
from ...merge import MergeSettings, check_prompts, merge_prompts
from .hooks import Hook, HookGroup

if TYPE_CHECKING:
    from .pipeline_host import PipelineHost

__all__ = ["JobHooks", "Mistakes"]

INFOTEXT_MODULES = ("modules.infotext_utils", "modules.generation_parameters_copypaste")
"""Where hosts read a picture's parameters, the newer place first."""


class Mistakes:
    """The mistake that was last met in this thread's job, while it may have been swallowed."""

    def __init__(self) -> None:
        """Begin outside of any job."""
        self._state = threading.local()

    @contextlib.contextmanager
    def remembered(self) -> Iterator[None]:
        """Remember the mistake that is raised while the context lasts."""
        try:
            yield
        except EmbeddingMergeError as error:
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


class JobHooks(HookGroup):
    """The hooks around a job of one host, installed and removed together."""

    def __init__(self, host: PipelineHost, settings: Callable[[], MergeSettings], mistakes: Mistakes) -> None:
        """Take the host's adapter, what reads the user's settings, and what the other hooks have met."""
        self.host = host
        self.settings = settings
        self.mistakes = mistakes
        processing = host.processing
        hooks = [Hook(processing.StableDiffusionProcessing, "setup_conds", self.set_up)]
        if hasattr(processing, "process_images_inner"):
            hooks.append(Hook(processing, "process_images_inner", self.run_job))
        infotexts = _find_infotexts()
        if infotexts is not None:
            hooks.append(Hook(infotexts, "parse_generation_parameters", self.read_infotext))
        super().__init__(hooks)

    def run_job(self, original: Callable[..., Any], p: Any, *args: Any, **kwargs: Any) -> Any:
        """Stand in for `process_images_inner(p)`: say below the pictures what was swallowed while they were made."""
        with self.mistakes.job() as is_outermost:
            processed = original(p, *args, **kwargs)
            mistake = self.mistakes.take() if is_outermost else None
        if mistake is not None:
            print(f"[embmerge] {mistake}")
            if hasattr(processed, "comments"):
                processed.comments = f"{processed.comments}A step of another extension was left out: {mistake}\n"
        return processed

    def set_up(self, original: Callable[..., Any], p: Any, *args: Any, **kwargs: Any) -> Any:
        """Stand in for `setup_conds()`, which a job calls before it computes anything."""
        mistake = self.mistakes.take() if self.mistakes.depth else None
        if mistake is not None:
            raise mistake
        with self.mistakes.remembered(), torch.inference_mode(False), torch.no_grad():
            self._check(p)
        return original(p, *args, **kwargs)

    def read_infotext(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Stand in for `parse_generation_parameters(text)`, which the API calls too, without the paste's callback."""
        parameters = original(*args, **kwargs)
        restore_prompts(parameters)
        return parameters

    def _check(self, p: Any) -> None:
        model = self.host.loaded_model()
        first = _with_expressions(p.prompts, p.negative_prompts)
        all_of_first = _with_expressions(p.all_prompts, p.all_negative_prompts)
        higher = _of_second_pass(p)
        if model is None or not (all_of_first or higher):
            return
        others = [
            (all_of_first, getattr(p, "refiner_checkpoint_info", None)),
            (higher, getattr(p, "hr_checkpoint_info", None)),
        ]
        files = [None if info is None else info.filename for _, info in others]
        if not self.mistakes.is_new((*all_of_first, "", *higher, "", *files)):
            return
        text_model = self.host.text_model(model)
        later = [prompt for prompt in dict.fromkeys([*all_of_first, *higher]) if prompt not in first]
        merge_prompts(later, text_model, self.settings())
        for prompts, info in others:
            if prompts and info is not None and info is not getattr(model, "sd_checkpoint_info", None):
                with contextlib.suppress(FileError):  # a pickle, which is not opened for this
                    other = self.host.checkpoints.open_info(info, text_model)
                    check_prompts(prompts, other, self.settings())


def _with_expressions(*lists: Sequence[str] | None) -> list[str]:
    return [prompt for prompts in lists for prompt in dict.fromkeys(prompts or ()) if holds_expression(prompt)]


def _of_second_pass(p: Any) -> list[str]:
    if not getattr(p, "enable_hr", False):
        return []
    return _with_expressions(getattr(p, "all_hr_prompts", None), getattr(p, "all_hr_negative_prompts", None))


def _find_infotexts() -> Any | None:
    for name in INFOTEXT_MODULES:
        with contextlib.suppress(ModuleNotFoundError):
            if importlib.util.find_spec(name) is not None:
                return importlib.import_module(name)
    return None
