"""reForge (read and run at 3b56b268), and Forge Classic (read only): AUTOMATIC1111's text path on another backend.

All that `a1111.py` lists is touched here too; beside it:

- `modules_forge.main_thread.run_and_wait_result`: wrapped, because the main thread prints what a job raises and then
  gives None, so that the page would show another error than ours; called, to load a model where the host loads one
- `modules.sd_models.reload_model_weights` loads the chosen checkpoint, as the host's own settings do it

What is different otherwise needs nothing of the host. All text encoders are transformers' CLIP, so the padding alone
tells SD 2's from SD 1's; the database keeps the model's before, so each embedding is compared with the loaded model.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import EmbeddingMergeError
from .a1111 import A1111
from .hooks import Hook

__all__ = ["ReForge"]


class ReForge(A1111):
    """The running host, as `A1111`, but for its main thread and its text encoders of choice."""

    name = "reForge"

    def __init__(self) -> None:
        """Find the host's modules; they are loaded already."""
        super().__init__()
        from modules_forge import main_thread

        self.main_thread = main_thread

    def own_hooks(self) -> Sequence[Hook]:
        """Give the hook that brings our errors out of the main thread."""
        return [Hook(self.main_thread, "run_and_wait_result", self.hand_on_mistakes)]

    def hand_on_mistakes(
        self, original: Callable[..., Any], func: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Stand in for `run_and_wait_result(func, …)`: raise here what a user's mistake has raised in the main thread.

        Source: reForge 3b56b268, modules_forge/main_thread.py:34-39 (an exception is printed, the result stays None).
        """
        mistakes: list[EmbeddingMergeError] = []

        def task(*args: Any, **kwargs: Any) -> Any:
            try:
                return func(*args, **kwargs)
            except EmbeddingMergeError as error:
                mistakes.append(error)
                return None

        result = original(task, *args, **kwargs)
        if mistakes:
            raise mistakes[0]
        return result

    def dependencies(self, prompts: Sequence[str]) -> object:
        """Give the same as for A1111, and which text encoders are loaded.

        The setting "text encoder" loads the same checkpoint with others, whose tables may be equal where their layers
        are not; the host's own key has only the checkpoint.
        """
        model = self.loaded_model()
        return (super().dependencies(prompts), None if model is None else weakref.ref(model))

    def reload_chosen_model(self) -> None:
        """Load the chosen checkpoint in the main thread.

        Source: reForge 3b56b268, modules/initialize_util.py:193 (the setting of the checkpoint does it so).
        """
        if self.loaded_model() is None:
            self.main_thread.run_and_wait_result(self.sd_models.reload_model_weights)
