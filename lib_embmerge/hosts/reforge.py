"""reForge (read and run at 3b56b268), and Forge Classic (1f95d717): AUTOMATIC1111's text path on another backend.

All that `a1111.py` lists is touched here too; beside it:

- `modules_forge.main_thread.run_and_wait_result`: wrapped, because the main thread prints what a job raises and then
  gives None, so that the page would show another error than ours; called, to load a model where the host loads one
- `modules.sd_models.load_model`: wrapped, because the embeddings are not loaded anew for another model there; the
  database's `expected_shape` says for which they were loaded
- `modules.sd_models.complete_model_teardown`, where there is one, and `model_data.loaded_sd_models`: whether the model
  is being taken apart

All text encoders are transformers' CLIP, so the padding alone tells SD 2's from SD 1's.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import EmbeddingMergeError, UnsupportedHost
from .a1111 import A1111
from .pipeline.comments import HASH_OR_SLASHES
from .pipeline.hooks import Hook

__all__ = ["ReForge"]


class ReForge(A1111):
    """The running host, as `A1111`, but for its main thread and its text encoders of choice."""

    name = "reForge"

    def __init__(self) -> None:
        """Find the host's modules; they are loaded already."""
        super().__init__()
        from modules_forge import main_thread

        self.main_thread = main_thread

    def loaded_model(self) -> Any | None:
        """Return the host's model object, or None, also while the host changes it; never loads one.

        To make room for the next one a model leaves the list of those in memory and is taken apart, and yet stays the
        current one until that is loaded. Source: reForge 3b56b268, modules/sd_models.py:1104-1112, :1219-1240. Forge
        Classic keeps no such list and takes the parts away. Source: `load_model` in modules/sd_models.py of its copy
        fajarnnn/sd-webui-reforge-classic 133fc761.
        """
        model = self.sd_models.model_data.sd_model
        if not hasattr(self.sd_models, "complete_model_teardown"):
            return model if hasattr(model, "cond_stage_model") else None
        return model if any(kept is model for kept in self.sd_models.model_data.loaded_sd_models) else None

    def comments(self) -> Sequence[re.Pattern[str]]:
        """Return what is a comment: reForge has no setting for it and always cuts; Forge Classic is as A1111 here."""
        return super().comments() if hasattr(self.shared.opts, "enable_prompt_comments") else HASH_OR_SLASHES

    def own_hooks(self) -> Sequence[Hook]:
        """Return the hooks that bring our errors out of the main thread, and the embeddings of another family in."""
        return [
            *super().own_hooks(),
            Hook(
                self.main_thread,
                "run_and_wait_result",
                self.hand_on_mistakes,
                "For a mistake in an expression the page shows another message than ours.",
            ),
            Hook(
                self.sd_models,
                "load_model",
                self.load_embeddings_too,
                "After a change of checkpoint, press Refresh for its embeddings.",
            ),
        ]

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

    def load_embeddings_too(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Stand in for `load_model(…)`, which gives the model, a new one or one that was kept in memory.

        Without this an embedding stays unknown, or of the wrong family, until someone presses the refresh button.
        Source: A1111 1.10.1 does it in modules/sd_models.py:860; of the call only the timer's label is left here.
        """
        model = original(*args, **kwargs)
        if model is not None:
            self._match_database(model)
        return model

    def dependencies(self, prompts: Sequence[str]) -> object:
        """Return the same as for A1111, and which text encoders are loaded.

        The setting "text encoder" loads the same checkpoint with others, whose tables may be equal where their layers
        are not; the host's own key has only the checkpoint.
        """
        model = self.loaded_model()
        if model is None:
            return super().dependencies(prompts)
        self._match_database(model)  # the host's list of kept models changes the model without loading one
        return (super().dependencies(prompts), weakref.ref(model))

    def reload_chosen_model(self) -> None:
        """Load the chosen checkpoint in the main thread, which keeps what its last job gave; so this gives no model.

        Source: reForge 3b56b268, modules/initialize_util.py:193 (the setting of the checkpoint does it so).
        """

        def load() -> None:
            self.sd_models.reload_model_weights()

        self.main_thread.run_and_wait_result(load)

    def _match_database(self, sd_model: Any) -> None:
        try:
            encoders = self.text_model(sd_model).encoders
        except UnsupportedHost:  # a model without CLIP has no embeddings either
            return
        if self.database.expected_shape != sum(e.width for e in encoders):
            self.database.load_textual_inversion_embeddings(force_reload=True)
