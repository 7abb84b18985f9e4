"""A WebUI whose prompts cannot hold expressions: the tab does all that the app does, and a job says what it lacks.

Symbols of the host that are touched, each only where it is there: `modules.shared` (`cmd_opts.embeddings_dir` or
`opts.embeddings_dir`, `opts` with our settings) and `checkpoints_list` of `modules.sd_models` or
`modules.sd_checkpoint`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from ...errors import UnsupportedHost
from ...host_protocol import TextModel
from ...merge import MergeSettings
from ..host_modules import load_if_there
from .running_host import Attachment, RunningHost

__all__ = ["UnservedHost"]

CHECKPOINTS = ("modules.sd_models", "modules.sd_checkpoint")
"""Where hosts have their list of checkpoints."""


class UnservedHost(RunningHost):
    """The running host, as far as files, its settings and its list of checkpoints go."""

    name = "this WebUI"

    def __init__(self, problem: UnsupportedHost) -> None:
        """Take what it lacks."""
        super().__init__(_find_checkpoints())
        self.shared = load_if_there("modules.shared") or SimpleNamespace(opts=SimpleNamespace(data={}))
        self.refusal = f"{problem.sentence} Expressions in prompts stay as they are typed."
        self.notices = [self.refusal]
        self.lacking = list(problem.places)

    def loaded_model(self) -> None:
        """Return None: no model of it can be read."""
        return

    def text_model(self, sd_model: Any) -> NoReturn:
        """Refuse to read a model.

        Raises: UnsupportedHost.
        """
        raise UnsupportedHost(self.refusal)

    def prompt_text_model(self) -> NoReturn:
        """Refuse to read a model.

        Raises: UnsupportedHost.
        """
        raise UnsupportedHost(self.refusal)

    def loaded_text_model(self) -> TextModel:
        """Return the checkpoint that was taken for the page.

        Raises: UnsupportedHost where none was.
        """
        return self.prompt_text_model() if self._working is None else self._working

    def parts(self, settings: Callable[[], MergeSettings], callbacks: Any) -> Sequence[Attachment]:
        """Return nothing: the host stays as it is."""
        return []

    def reload_chosen_model(self) -> None:
        """Do nothing."""

    def embedding_files(self) -> Mapping[str, str]:
        """Return nothing: what the host has loaded cannot be seen."""
        return {}

    def load_embeddings(self) -> None:
        """Do nothing: the host lists its folder when it does."""

    def without_comments(self, prompt: str) -> str:
        """Return the prompt as it is."""
        return prompt

    @property
    def embeddings_folder(self) -> Path:
        """The folder that the host's options name."""
        for options in (getattr(self.shared, "cmd_opts", None), getattr(self.shared, "opts", None)):
            folder = getattr(options, "embeddings_dir", None)
            if isinstance(folder, str) and folder:
                return Path(folder).absolute()
        return Path("embeddings").absolute()


def _find_checkpoints() -> Mapping[str, Any]:
    found = (getattr(load_if_there(name), "checkpoints_list", None) for name in CHECKPOINTS)
    return next((known for known in found if isinstance(known, Mapping)), {})
