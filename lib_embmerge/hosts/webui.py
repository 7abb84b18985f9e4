"""The extension inside a WebUI with A1111's callbacks: settings, token counter, pasted parameters, and the hooks.

`WebUI.start` installs everything, `WebUI.stop` takes it out again; the script file does nothing but call them.
"""

from __future__ import annotations

import contextlib
import html
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..errors import EmbeddingMergeError
from ..host_protocol import PageHost
from ..language.scan import holds_expression
from ..legacy import restore_prompts
from ..merge import MergeSettings
from .conditioning import ConditioningHooks, PromptHost
from .hooks import Hook
from .settings import SETTINGS, read_brackets

__all__ = ["Adapter", "WebUI", "other_extensions_with_expressions"]


class Adapter(PromptHost, PageHost, Protocol):
    """What one kind of WebUI offers: to the hooks, to the page, and to the callbacks here."""

    shared: Any
    """The host's module of that name."""
    other_extensions: list[str]
    """Files of other extensions that take the same expressions; the wiring finds them."""

    def loaded_model(self) -> Any | None:
        """Give the host's model object, or None; never loads one."""
        ...

    def own_hooks(self) -> Sequence[Hook]:
        """Give what is to be wrapped beside the conditioning and the counter."""
        ...


class WebUI:
    """Everything that embmerge adds to one running WebUI."""

    def __init__(self, host: Adapter, callbacks: Any) -> None:
        """Take the host's adapter and its `script_callbacks` module."""
        self.host = host
        self.callbacks = callbacks
        self.hooks = ConditioningHooks(host, self.settings)
        counting = [Hook(owner, name, self.mark_prompt_lengths) for owner, name in host.counter_points()]
        self._other_hooks = [*counting, *host.own_hooks()]
        self._counter = threading.local()

    def start(self) -> None:
        """Install the hooks and register the callbacks; they are the host's to forget when it reloads its UI."""
        self.hooks.install()
        for hook in self._other_hooks:
            hook.install()
        self.callbacks.on_ui_settings(self.add_settings)
        self.callbacks.on_before_token_counter(self.count_expressions)
        self.callbacks.on_infotext_pasted(self.restore_pasted)
        self.callbacks.on_script_unloaded(self.stop)

    def stop(self) -> None:
        """Take the hooks out."""
        for hook in self._other_hooks:
            hook.uninstall()
        self.hooks.uninstall()

    def settings(self) -> MergeSettings:
        """Read the user's settings."""
        return MergeSettings(brackets=read_brackets(self.host.shared.opts))

    def add_settings(self) -> None:
        """Add our section to the settings page."""
        shared = self.host.shared
        for key, label in SETTINGS.items():
            shared.opts.add_option(key, shared.OptionInfo(True, label, section=("embmerge", "Embedding merge")))

    def count_expressions(self, params: Any) -> None:
        """Make the host's token counter count expressions as their vectors.

        Styles are applied here, where the host would add them afterwards: they may hold expressions too.
        """
        self._counter.problem = None
        self._counter.is_prepared = False
        model = self.host.loaded_model()
        if model is None:
            return
        prompt, styles = self._with_styles(params)
        if not holds_expression(prompt):
            return
        try:
            params.prompt, self._counter.problem = self.hooks.count(prompt, model)
        except EmbeddingMergeError as error:
            self._counter.problem = str(error)
            params.prompt = prompt
        params.styles = styles
        self._counter.is_prepared = True

    def mark_prompt_lengths(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Stand in for the host's count of tokens, which gives a count and a limit that are shown as `count/limit`."""
        is_prepared = getattr(self._counter, "is_prepared", False)
        with self.hooks.counting() if is_prepared else contextlib.nullcontext():
            count, limit = original(*args, **kwargs)
        problem = getattr(self._counter, "problem", None)
        return (_MarkedCount(count, problem), limit) if problem and isinstance(count, int) else (count, limit)

    def restore_pasted(self, _infotext: str, parameters: dict[str, Any]) -> None:
        """Put the predecessor's expressions back into pasted prompts."""
        restore_prompts(parameters)

    def begin_job(self, processing: Any) -> None:
        """Write what the infotext needs beside the prompts, and warn where expressions reach an encoder as words."""
        self.note_emphasis(processing)
        self.warn_of_words(processing)

    def warn_of_words(self, processing: Any) -> None:
        """Say it once for a job, in the console and among the comments below its pictures."""
        prompts = [*processing.all_prompts, *processing.all_negative_prompts]
        model = self.host.loaded_model()
        notice = self.host.words_notice(model) if model is not None and any(map(holds_expression, prompts)) else None
        if notice:
            print(f"[embmerge] {notice}")
            processing.comment(notice)

    def note_emphasis(self, processing: Any) -> None:
        """Write the kind of emphasis into the infotext where only an expression makes the prompt look weighted.

        The host writes it for brackets in the text that it encodes, where ours are gone, but reads it for brackets in
        the text that was typed. Source: A1111 1.10.1, modules/infotext_utils.py:371-376.
        """
        emphasis = self.host.shared.opts.emphasis
        if emphasis == "Original":
            return
        prompts = [*processing.all_prompts, *processing.all_negative_prompts]
        if any(holds_expression(p) and ("(" in p or "[" in p) for p in prompts):
            processing.extra_generation_params["Emphasis"] = emphasis

    def _with_styles(self, params: Any) -> tuple[str, Sequence[str]]:
        shared = self.host.shared
        if not shared.opts.include_styles_into_token_counters or not params.styles:
            return params.prompt, params.styles
        known = shared.prompt_styles
        apply = known.apply_styles_to_prompt if params.is_positive else known.apply_negative_styles_to_prompt
        return apply(params.prompt, params.styles), []


class _MarkedCount(int):
    """A number of tokens, comparable as such, that is shown with a mark and the message of a broken expression."""

    problem: str

    def __new__(cls, count: int, problem: str) -> _MarkedCount:
        self = super().__new__(cls, count)
        self.problem = problem
        return self

    def __str__(self) -> str:
        title = html.escape(self.problem, quote=True)
        return f"<abbr class='embmerge-broken' title='{title}'>⚠ {int(self)}</abbr>"


def other_extensions_with_expressions(scripts_data: Sequence[Any], our_class: type) -> list[str]:
    """Give the files of loaded scripts that also take `<'…'>` in prompts: the predecessor."""
    return [
        str(data.path)
        for data in scripts_data
        if str(data.path).endswith("embedding_merge.py") and data.script_class is not our_class
    ]
