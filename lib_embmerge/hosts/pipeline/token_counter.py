"""The WebUI's token counter, on hosts that ask extensions before they count: expressions count as their vectors."""

from __future__ import annotations

import contextlib
import html
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import EmbeddingMergeError, UnsupportedHost
from ...language.scan import holds_expression
from ...prompts.comments import find_cut_expression
from ...prompts.way_out import say_way_out
from .conditioning import ConditioningHooks
from .hooks import Hook, HookGroup

if TYPE_CHECKING:
    from .pipeline_host import PipelineHost

__all__ = ["TokenCounter", "counter_message", "make_mark"]


class TokenCounter(HookGroup):
    """Prepares the text that is counted, by the callback, and marks the count of a broken expression, by a hook."""

    without = "The token counter counts expressions as the text that they are."

    def __init__(self, host: PipelineHost, hooks: ConditioningHooks, callbacks: Any) -> None:
        """Take the host's adapter, its hooks, and its `script_callbacks` module."""
        self.host = host
        self.hooks = hooks
        self.callbacks = callbacks
        super().__init__([Hook(owner, name, self.mark_prompt_lengths) for owner, name in host.counter_points()])
        self._state = threading.local()
        self._is_installed = False

    def install(self) -> None:
        """Install the hook and register the callback; that is the host's to forget when it reloads its UI.

        Raises: UnsupportedHost where the host has no such callback, or the hook cannot work.
        """
        super().install()
        if not hasattr(self.callbacks, "on_before_token_counter"):
            self.uninstall()
            raise UnsupportedHost("This WebUI asks no extension before it counts.")
        self.callbacks.on_before_token_counter(self.count_expressions)
        self._is_installed = True

    def uninstall(self) -> None:
        """Take the hook out again; the callback does nothing any more."""
        self._is_installed = False
        super().uninstall()

    def count_expressions(self, params: Any) -> None:
        """Make the host's token counter count expressions as their vectors.

        Styles are applied here, where the host would add them afterwards: they may hold expressions too.
        """
        self._state.problem = None
        self._state.is_prepared = False
        model = self.host.loaded_model() if self._is_installed else None
        if model is None:
            return
        typed, styles = self._with_styles(params)
        prompt = self.host.without_comments(typed)  # some hosts cut them later, and some do not for the counter
        if not holds_expression(prompt):
            return
        try:
            params.prompt, self._state.problem = self.hooks.count(prompt, model)
        except EmbeddingMergeError as error:
            self._state.problem = counter_message(error)
            params.prompt = prompt
        if self._state.problem is not None:
            cut = find_cut_expression(typed, prompt, self.hooks.settings().brackets)
            self._state.problem = self._state.problem if cut is None else str(cut)
        params.styles = styles
        self._state.is_prepared = True

    def mark_prompt_lengths(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Stand in for the host's count of tokens, which gives a count and a limit that are shown as `count/limit`."""
        is_prepared = getattr(self._state, "is_prepared", False)
        problem = getattr(self._state, "problem", None)
        try:
            with self.hooks.counting() if is_prepared else contextlib.nullcontext():
                counted = original(*args, **kwargs)
        except EmbeddingMergeError as error:  # of what another extension has put into the text after us
            problem = counter_message(error)
            with self.hooks.taken_literally():
                counted = original(*args, **kwargs)
        if not problem or not isinstance(counted, tuple) or not isinstance(counted[0], int):
            return counted
        return (_MarkedCount(counted[0], problem), *counted[1:])

    def _with_styles(self, params: Any) -> tuple[str, Sequence[str]]:
        shared = self.host.shared
        with_styles = getattr(shared.opts, "include_styles_into_token_counters", True)  # ersatzForge always adds them
        if not with_styles or not params.styles:
            return params.prompt, params.styles
        known = shared.prompt_styles
        apply = known.apply_styles_to_prompt if params.is_positive else known.apply_negative_styles_to_prompt
        return apply(params.prompt, params.styles), []


def counter_message(error: EmbeddingMergeError) -> str:
    """Return what a token counter says of a mistake: of a model that is refused also the way out."""
    return str(say_way_out(error) if isinstance(error, UnsupportedHost) else error)


class _MarkedCount(int):
    """A number of tokens, comparable as such, that is shown with a mark and the message of a broken expression."""

    problem: str

    def __new__(cls, count: int, problem: str) -> _MarkedCount:
        self = super().__new__(cls, count)
        self.problem = problem
        return self

    def __str__(self) -> str:
        return make_mark(self.problem, str(int(self)))


def make_mark(problem: str, shown: str) -> str:
    """Return the HTML of a count that is shown with a mark, which says on hovering what is wrong."""
    title = html.escape(problem, quote=True)
    return f"<abbr class='embmerge-broken' title='{title}'>⚠ {shown}</abbr>"
