"""The app in the place of a WebUI: a checkpoint file, or the demonstration encoder, and a folder of embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FileError
from ..language.scan import Brackets

if TYPE_CHECKING:
    from .cli.inputs import FileModel, OpenModel

__all__ = ["AppHost"]


class AppHost:
    """The `PageHost` of the app; `choose` opens another checkpoint or folder."""

    name = "embmerge app"
    brackets = Brackets.BOTH

    def __init__(self, opener: OpenModel, checkpoint: Path | None, embeddings: Path, checkpoints: Path | None) -> None:
        """Open the checkpoint.

        Raises: FileError as `choose`.
        """
        self._open = opener
        self._checkpoints = checkpoints
        self.choose(checkpoint, embeddings)

    def choose(self, checkpoint: Path | None, embeddings: Path) -> None:
        """Take another checkpoint file, None for the demonstration encoder, and another folder of embeddings.

        Raises: FileError where one of them cannot be used; everything stays as it was then.
        """
        if embeddings.exists() and not embeddings.is_dir():
            raise FileError(f"{embeddings} is not a folder.")
        try:
            embeddings.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"The folder {embeddings} cannot be made: {error.strerror or error}.") from error
        model = self._open(checkpoint, embeddings=embeddings, checkpoints=self._checkpoints)
        self.model: FileModel = model
        self.checkpoint = checkpoint
        self.embeddings_folder = embeddings

    def read_tables(self, step: Callable[[str], None]) -> None:
        """Read what the first preview would have to wait for: each table's statistics; `step` is told of each."""
        for encoder in self.model.encoders:
            step(encoder.name)
            encoder.vocabulary().sorted_norms  # noqa: B018  # computed on first use, and kept

    def loaded_text_model(self) -> FileModel:
        """Give the model of the chosen checkpoint."""
        return self.model

    def load_text_model(self) -> FileModel:
        """Give the same."""
        return self.model

    def checkpoint_record(self) -> Mapping[str, str]:
        """Say which checkpoint is open."""
        record = self.model.record()
        return record if isinstance(record, Mapping) else {}

    def checkpoint_names(self) -> list[str]:
        """Give the checkpoints beside the chosen one and in the folder of checkpoints."""
        return self.model.checkpoint_names()

    def refresh_embeddings(self) -> None:
        """List the folder again."""
        self.model.refresh_embeddings()

    def notices(self) -> list[str]:
        """Give nothing: there is no other program here."""
        return []
