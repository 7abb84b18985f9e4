"""The app in the place of a WebUI: a checkpoint file, or the demonstration encoder, and a folder of embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from ...errors import FileError, shorten
from ...files.checkpoint_files import find_checkpoints
from ...files.installed_embeddings import EmbeddingFolder
from ...files.paths import exists, full_path, is_folder, read_path
from ...language.scan import Brackets
from ...limits import Limits
from ...models.checkpoint import CheckpointModel, open_model
from .memory import forget_garbage

__all__ = ["DEMONSTRATION_CHOICE", "AppHost"]

DEMONSTRATION_CHOICE = "demonstration encoder"
"""What the page calls the model that is there without a checkpoint."""


class AppHost:
    """The `PageHost` of the app; `choose` opens another checkpoint or folder."""

    name = "embmerge app"
    brackets = Brackets.BOTH
    taken_brackets: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        checkpoint: Path | None,
        embeddings: Path,
        checkpoints: Path | None,
        limits: Limits | None = None,
        tokenizer: Path | None = None,
    ) -> None:
        """Open the checkpoint.

        `tokenizer` is the file of its T5's or language model's tokenizer, or that of any where there is no checkpoint.
        Raises: FileError as `choose`.
        """
        self._checkpoints = checkpoints
        self._tokenizer, self._tokenizer_of = tokenizer, checkpoint
        self.limits = limits or Limits()
        self.choose(checkpoint, embeddings)

    def without_comments(self, prompt: str) -> str:
        """Return the prompt as it is: only WebUIs have comments."""
        return prompt

    def choose(self, checkpoint: Path | None, embeddings: Path) -> None:
        """Take another checkpoint file, None for the demonstration encoder, and another folder of embeddings.

        A folder that is not there yet is made when something is saved in it, never here.
        Raises: FileError where one of them cannot be used; everything stays as it was then.
        """
        if exists(embeddings) and not is_folder(embeddings):
            raise FileError(f"{embeddings} is not a folder.")
        embeddings = full_path(embeddings)  # people are to see where their files are
        model = open_model(
            checkpoint,
            embeddings=EmbeddingFolder(embeddings),
            checkpoints=self._checkpoints,
            tokenizer=self._tokenizer if self._tokenizer_of in (None, checkpoint) else None,
            opens_paths=False,
        )
        is_first = not hasattr(self, "model")
        self.model: CheckpointModel = model
        self.checkpoint = checkpoint
        self.embeddings_folder = embeddings
        if not is_first:
            forget_garbage()  # takes a quarter of a second in a program with torch

    def choose_named(self, checkpoint: str, folder: str) -> None:
        """Take what a person has written: `DEMONSTRATION_CHOICE` or nothing, a path, or a name that `@` knows.

        Raises: FileError as `choose`, and where there is no such file.
        """
        if not folder.strip():
            raise FileError("The name of the embeddings folder is empty.")
        place = read_path(folder.strip())
        if not is_folder(place) and full_path(place) != full_path(self.embeddings_folder):
            raise FileError(f"There is no folder {place}.", suggestion="Make it first, or write another.")
        self.choose(self._find(checkpoint.strip().strip('"')), place)

    def _find(self, checkpoint: str) -> Path | None:
        if checkpoint in ("", DEMONSTRATION_CHOICE):
            return None
        path = read_path(checkpoint)
        if exists(path):
            return path
        named = [known for known in self.checkpoint_files() if checkpoint in (known.name, known.stem)]
        if len(named) == 1:
            return named[0]
        raise FileError(f"There is no file {shorten(checkpoint, 200)}.")

    def checkpoint_files(self) -> list[Path]:
        """Return the checkpoints beside the chosen one and in the folder of checkpoints."""
        folders = [self.checkpoint.parent if self.checkpoint else None, self._checkpoints]
        found = {full_path(path): path for folder in folders if folder is not None for path in find_checkpoints(folder)}
        return sorted(found.values(), key=lambda path: path.name.casefold())

    def read_tables(self) -> Iterator[str]:
        """Read what the first preview would wait for, each table's statistics; yield its encoder's name before."""
        for encoder in self.model.encoders:
            yield encoder.name
            encoder.vocabulary().sorted_norms  # noqa: B018  # computed on first use, and kept

    refusal = ""

    def work_with(self, name: str) -> None:
        """Open a checkpoint that `@name` knows, or the one that is open again.

        Raises: FileError as `choose`.
        """
        self.choose(self._find(name) if name else self.checkpoint, self.embeddings_folder)

    def prompt_text_model(self) -> CheckpointModel:
        """Return the model of the chosen checkpoint."""
        return self.model

    def loaded_text_model(self) -> CheckpointModel:
        """Return the model of the chosen checkpoint."""
        return self.model

    def load_text_model(self) -> CheckpointModel:
        """Return the same."""
        return self.model

    def checkpoint_names(self) -> list[str]:
        """Return the checkpoints beside the chosen one and in the folder of checkpoints."""
        return self.model.checkpoint_names()

    def refresh_embeddings(self) -> None:
        """List the folder again."""
        self.model.refresh_embeddings()

    def warnings(self) -> list[str]:
        """Return nothing: there is no other program here."""
        return []
