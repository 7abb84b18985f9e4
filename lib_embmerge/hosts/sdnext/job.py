"""A whole job in SD.Next: its mistakes are told before anything is computed, and said where the host loses them.

A job makes its pictures batch after batch, each in three passes (base, high resolution, refiner), and its detailer
makes jobs of its own from finished pictures. What is raised in a script's own pass is logged and lost, as is all that
is raised while the Control tab works, which then shows neither a picture nor a reason. What extensions have to say of a
job (`p.comment`) is shown nowhere.

Source: SD.Next 058a7f0c, modules/processing.py:436-598, modules/processing_diffusers.py:576-640,
modules/processing_helpers.py:28, modules/detailer/detailer.py:162-182, :255-264, modules/control/run.py:825-853,
modules/ui_control.py:59-71, modules/processing_class.py:681.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import SPEAKER
from ...host_protocol import TextModel
from ..host_modules import load_if_there
from ..pipeline.hooks import Hook
from ..pipeline.job import JobHooks, Mistakes, runner_hooks, with_expressions

if TYPE_CHECKING:
    from ...merge import MergeSettings
    from .adapter import SDNext

__all__ = ["SDNextJob"]

TEXT = 2
"""Where the text stands among what the Control tab is given to show: pictures, preview, text, video."""


class SDNextJob(JobHooks):
    """The hooks around a job."""

    host: SDNext

    def __init__(self, host: SDNext, settings: Callable[[], MergeSettings], mistakes: Mistakes) -> None:
        """Take the host's adapter, what reads the user's settings, and what the other hooks have met."""
        self.host = host
        self._said = threading.local()
        super().__init__(settings, mistakes, [
            Hook(host.processing_diffusers, "process_diffusers", self.set_up),
            Hook(host.processing, "process_images_inner", self.run_job),
            *(Hook(module, "control_run", self.run_control) for module in _control_modules()),
            *runner_hooks(self.run_script),
        ])  # fmt: skip

    def run_job(self, original: Callable[..., Any], p: Any, *args: Any, **kwargs: Any) -> Any:
        """Stand in for `process_images_inner(p)`: say below the pictures what was swallowed, and what p has to say."""
        processed = super().run_job(original, p, *args, **kwargs)
        if self.mistakes.depth == 0:
            for comment in p.comments:
                self.say_below(processed, comment)
        return processed

    def prompts(self, p: Any) -> list[str]:
        """Return those of all pictures, of their second pass and of the detailer."""
        second_pass = [p.refiner_prompt, p.refiner_negative]
        typed = with_expressions(p.all_prompts, p.all_negative_prompts, second_pass, _of_detailer(p))
        return list(dict.fromkeys(typed))

    def other_models(self, p: Any, model: TextModel) -> Sequence[tuple[Sequence[str], object]]:
        """Return the prompts of the refiner, which has a pass of its own where it is loaded and switched on."""
        refiner = self.host.refiner_of(p)
        own = [p.refiner_prompt] if p.refiner_prompt else p.all_prompts
        own_negative = [p.refiner_negative] if p.refiner_negative else p.all_negative_prompts
        texts = with_expressions(own, own_negative)
        return [] if refiner is None or not texts else [(texts, refiner)]

    def opened(self, other: Any, model: TextModel) -> TextModel:
        """Return the text model of a loaded model."""
        return self.host.text_model(other)

    def say_below(self, processed: Any, text: str) -> None:
        """Say something below the pictures, and keep it for the Control tab, which does not look there."""
        super().say_below(processed, text)
        self._said.texts = [*getattr(self._said, "texts", []), text]

    def run_control(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Stand in for the Control tab's `control_run(…)`, which gives step after step what the tab is to show."""
        steps = original(*args, **kwargs)
        try:
            while True:
                # The steps may be taken in different threads, and each remembers what it met before.
                self.mistakes.take()
                self._said.texts = []
                yield self._with_text(next(steps))
        except StopIteration:
            return
        finally:
            steps.close()

    def _with_text(self, step: Any) -> Any:
        mistake = self.mistakes.take()
        said = [f"<p>{html.escape(text)}</p>" for text in self._said.texts]
        if mistake is not None:
            said.insert(0, f"<div class='error'>{SPEAKER}: {html.escape(str(mistake))}</div>")
        if not said or not isinstance(step, tuple) or len(step) <= TEXT:
            return step
        return (*step[:TEXT], "".join([step[TEXT] or "", *said]), *step[TEXT + 1 :])


def _control_modules() -> Sequence[Any]:
    module = load_if_there("modules.control.run")
    return [] if module is None else [module]


def _of_detailer(p: Any) -> list[str]:
    """Return the prompts that the detailer has of its own: one in each line."""
    if not getattr(p, "detailer_enabled", False):
        return []
    found = []
    for name, others in (("detailer_prompt", p.all_prompts), ("detailer_negative", p.all_negative_prompts)):
        text = getattr(p, name, None) or ""
        for mark in ("[PROMPT]", "[prompt]"):
            text = text.replace(mark, others[0])
        found += [line.strip() for line in text.split("\n")]
    return found
