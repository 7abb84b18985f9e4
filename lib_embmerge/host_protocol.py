"""All that embmerge asks of the outside.

Evaluation reads a `TextModel`: the text encoders of one model (or checkpoint file) and the embeddings that are
installed beside it. `files` and `hosts` provide them; nothing below knows whether they come from a running WebUI or
from a file. All tensors handed over are plain CPU tensors that share no memory with the model's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from torch import Tensor

from .families import Family
from .language.scan import Brackets
from .limits import Limits
from .prompt_rules import PromptRules
from .vectors.embedding import digest_vectors
from .vectors.vocabulary import Vocabulary

__all__ = ["EXTENSIONS", "InstalledEmbedding", "PageHost", "TextEncoder", "TextModel", "TextPieces"]

EXTENSIONS = (".safetensors", ".pt", ".bin")
"""Extensions of embedding files, as the hosts look for them."""


@dataclass(frozen=True, eq=False)
class InstalledEmbedding:
    """An embedding file of the host's.

    `name` is the word that stands for it in a prompt (the file's stem). `vectors` is by encoder name, each (n, width)
    as stored: any float dtype, and not yet checked against the model. It need not have them for all tokenizer groups of
    a model: the others read its name. A file that cannot be read has none, and
    `problem` is the sentence that says why. `path` is the file, where it is known.
    """

    name: str
    vectors: Mapping[str, Tensor] = field(repr=False)
    problem: str = ""
    path: Path | None = None

    @property
    def length(self) -> int:
        """How many vectors it has, of the encoder that has the most."""
        return max((int(rows.shape[0]) for rows in self.vectors.values() if rows.dim()), default=0)

    @cached_property
    def digest(self) -> str:
        """The hash of its vectors, the same for the same vectors in every host and on the command line."""
        return digest_vectors(self.vectors)


TextPieces = list["Sequence[int] | InstalledEmbedding"]
"""What one quoted text means to one encoder, in order: runs of token ids, and embeddings whose names stood there."""


class TextEncoder(Protocol):
    """One text encoder: a tokenizer and a table with a row per token."""

    name: str
    """A key of `families.ENCODERS`, which says its tokenizer group."""
    width: int
    """Columns of the table."""

    @property
    def start_id(self) -> int | None:
        """The start token; None where the encoder has none, and so for the next two."""
        ...

    @property
    def end_id(self) -> int | None:
        """The end token."""
        ...

    @property
    def padding_id(self) -> int | None:
        """What a chunk is filled up with."""
        ...

    size: int
    """Rows of the table."""

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids, without start and end token and without a limit of length.

        The encoder lower-cases and cleans the text as it does for a prompt. A text that begins with a blank is cut as
        where one stands before its first word, any other as at a prompt's very beginning: to tokenizers that are no
        CLIP's it may make a difference. One call for many texts is much cheaper than many calls.
        """
        ...

    def spell(self, ids: Sequence[int]) -> list[str]:
        """Return each token's spelling, a blank for the end of a word: `["cat ", "s "]`."""
        ...

    def rows(self, ids: Sequence[int]) -> Tensor:
        """Gather rows of the table: (len(ids), width), float32, a copy. Ids are below `size`."""
        ...

    def vocabulary(self) -> Vocabulary:
        """Return the statistics of the table: all rows but the start and the end token's. Computed on first use."""
        ...


class TextModel(Protocol):
    """The text encoders of one model, and what else an expression can read beside it."""

    @property
    def title(self) -> str:
        """For people: the checkpoint's name."""
        ...

    @property
    def family(self) -> Family | None:
        """The model family, where it is a known one."""
        ...

    @property
    def encoders(self) -> Sequence[TextEncoder]:
        """Those that take embeddings, in the family's order."""
        ...

    @property
    def identity(self) -> str:
        """Changes whenever any row of any table may have changed; equal for equal tables of the same checkpoint."""
        ...

    @property
    def half_precision(self) -> bool:
        """Whether vectors are cast to float16 when the model uses them."""
        ...

    @property
    def prompt_rules(self) -> PromptRules:
        """How the prompts are read that its embeddings will be named in."""
        ...

    @property
    def is_demonstration(self) -> bool:
        """Whether its vectors are the built-in demonstration's."""
        ...

    def record(self, *, with_hash: bool = False) -> Mapping[str, str]:
        """Return which checkpoint these tables are of, for a file's header: `name`, and what is known without work.

        `with_hash` has its file hashed, where there is one; nothing is known of the demonstration's.
        """
        ...

    def pieces(self, texts: Sequence[str]) -> list[Mapping[str, TextPieces]]:
        """Resolve quoted texts: per text and encoder name its tokens and the installed embeddings named in it.

        Names are found as the host finds them. An embedding made for another family is not found: its name stays text.
        Blanks at a text's beginning count as for `TextEncoder.tokenize`.
        """
        ...

    def embeddings_named(self, *stems: str) -> list[InstalledEmbedding]:
        """Return all installed embeddings of these file stems, case ignored, those of other families included.

        One call for many stems is much cheaper than many calls.
        """
        ...

    def embedding_names(self) -> list[str]:
        """Return the names of the installed embeddings that fit this model, for suggestions."""
        ...

    def checkpoint(self, name: str) -> TextModel:
        """Return another checkpoint's text model for `@name`.

        Raises: FileError where there is none of that name, or two.
        """
        ...


class PageHost(Protocol):
    """What the page asks of the program that it is part of: a WebUI, or the app."""

    @property
    def name(self) -> str:
        """For people: the program's name."""
        ...

    @property
    def embeddings_folder(self) -> Path:
        """Where the program looks for embeddings; it need not exist yet."""
        ...

    @property
    def brackets(self) -> Brackets:
        """Those that make an expression in a prompt."""
        ...

    @property
    def taken_brackets(self) -> Mapping[str, str]:
        """Opening brackets that another extension takes out of prompts before expressions are read, with its name."""
        ...

    @property
    def limits(self) -> Limits:
        """Those on what an expression may cost, as the user has set them."""
        ...

    def without_comments(self, prompt: str) -> str:
        """Put blanks in the places of what the program cuts out of prompts as comments."""
        ...

    @property
    def refusal(self) -> str:
        """Why no prompt can hold expressions in this program; empty where they can."""
        ...

    def work_with(self, name: str) -> None:
        """Let the page work with a checkpoint that `@name` knows, read from its file; with the loaded one for none.

        Raises: FileError where there is none of that name, or two, or it cannot be read.
        """
        ...

    def prompt_text_model(self) -> TextModel | None:
        """Return the text model that prompts are encoded with, or None where none is in memory.

        Raises: UnsupportedHost where the loaded model has no text encoder that takes embeddings.
        """
        ...

    def loaded_text_model(self) -> TextModel | None:
        """Return what the page works with: the same, or another checkpoint; never loads one, never waits for one.

        Raises: UnsupportedHost where the loaded model has no text encoder that takes embeddings.
        """
        ...

    def load_text_model(self) -> TextModel:
        """Return the same, after loading the chosen model where none is in memory; this may take long.

        Raises: ModelNotLoaded where that fails, with the reason; UnsupportedHost as above.
        """
        ...

    def checkpoint_names(self) -> list[str]:
        """Return the names that `@name` knows."""
        ...

    def refresh_embeddings(self) -> None:
        """Let the next prompt find the embeddings that are in the folder now, and let every list show them."""
        ...

    def warnings(self) -> list[str]:
        """Return what a person should know of this program, in sentences: another extension that takes `<'…'>`, …."""
        ...
