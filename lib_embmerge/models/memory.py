"""A text model in memory: ten words, letters for everything else, and tables that can be checked by hand.

Shipped, like httpx's mock transport, so that every part can be tried and tested without a WebUI or a checkpoint file.

Word k of `WORDS` has the row that is 1 in column k and 0 elsewhere; all other tokens have rows of small fractions of
two, so that sums are exact. It touches nothing of any host.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..errors import FileError, closest_names
from ..families import FAMILIES, Family, family_of, is_for
from ..host_protocol import InstalledEmbedding, TextPieces
from ..language.quoted_text import divide_ids, divide_text
from ..prompt_rules import WEBUI
from ..vectors.vocabulary import Vocabulary

__all__ = ["WORDS", "MemoryEncoder", "MemoryModel"]

WORDS = ("cat", "adult", "child", "kitten", "dog", "red", "blue", "a", "photo", "of")
"""Words that are one token each, with ids from 0 on."""


class MemoryEncoder:
    """A text encoder with a tokenizer of words and UTF-8 bytes, and a table in memory.

    Ids: the words from 0 on, then the 256 bytes, then start and end token. With `blanks` it is as those of language
    models: a word without a blank before it is another token than with one, before other bytes a blank is one, too, and
    there is no start token; the ids of the words without a blank follow all others. `calls` counts each method's calls.
    """

    start_id: int | None

    def __init__(
        self,
        name: str = "clip_l",
        *,
        width: int = 12,
        words: Sequence[str] = WORDS,
        table: Tensor | None = None,
        padding_id: int | None = None,
        blanks: bool = False,
    ) -> None:
        """Make the table unless one is given."""
        self.name = name
        self.width = width
        self.words = tuple(words)
        self.blanks = blanks
        self.size = len(self.words) + 256 + 2
        self.start_id, self.end_id = self.size - 2, self.size - 1
        if blanks:
            self.start_id, self.size = None, self.size + len(self.words)
        self.padding_id = self.end_id if padding_id is None else padding_id
        self.table = _make_table(name, self.size, width, len(self.words)) if table is None else table
        self._numbers: np.ndarray = self.table.to(torch.float32).numpy()
        self.calls: Counter[str] = Counter()
        self._ids = {word: number for number, word in enumerate(self.words)}
        self._vocabulary: Vocabulary | None = None

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids: a known word is one, any other one for each UTF-8 byte."""
        self.calls["tokenize"] += 1
        return [self._tokenize(text) for text in texts]

    def spell(self, ids: Sequence[int]) -> list[str]:
        """Return each token's spelling; bytes beyond ASCII as `\\xc3`."""
        return [self._spell(token) for token in ids]

    def rows(self, ids: Sequence[int]) -> Tensor:
        """Gather rows of the table: (len(ids), width), float32, a copy."""
        self.calls["rows"] += 1
        # numpy gathers in this thread; torch wakes others, which takes milliseconds on a busy machine.
        return torch.from_numpy(self._numbers[np.asarray(ids, dtype=np.int64)])

    def vocabulary(self) -> Vocabulary:
        """Return the statistics of the table, the same object every time."""
        self.calls["vocabulary"] += 1
        if self._vocabulary is None:
            self._vocabulary = Vocabulary(
                self._read,
                size=self.size,
                width=self.width,
                excluded=[token for token in (self.start_id, self.end_id) if token is not None],
            )
        return self._vocabulary

    def _read(self, start: int, stop: int) -> Tensor:
        return self.table[start:stop]

    def _tokenize(self, text: str) -> list[int]:
        ids: list[int] = []
        for blank, word in re.findall(r"( ?)([^\W\d_]+|\d|[^\w\s]|_)", text.lower()):
            known = self._ids.get(word)
            if known is None:
                read = blank + word if self.blanks else word
                ids += [len(self.words) + byte for byte in read.encode(errors="replace")]
            else:
                ids.append(known if blank or not self.blanks else self.end_id + 1 + known)
        return ids

    def _spell(self, token: int) -> str:
        if token < len(self.words):
            return self.words[token] + " "
        if token > self.end_id:
            return self.words[token - self.end_id - 1]
        if token >= self.end_id - 1:
            return "<|startoftext|>" if token < self.end_id else "<|endoftext|>"
        byte = token - len(self.words)
        return chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}"


def _make_table(name: str, size: int, width: int, words: int) -> Tensor:
    """Return a table: row k is the k-th unit vector for the first `words` tokens, multiples of 1/256 for the others."""
    digest = hashlib.shake_256(f"embmerge memory {name}".encode()).digest(size * width)
    numbers = np.frombuffer(digest, dtype=np.int8).astype(np.float32).reshape(size, width) / 256
    table = torch.from_numpy(numbers)
    count = min(words, width)
    table[:count] = torch.eye(count, width)
    return table


class MemoryModel:
    """A text model of encoders in memory, with installed embeddings and other checkpoints.

    Names of installed embeddings are found in a text by their tokens, the longest first, as A1111 does.
    """

    def __init__(
        self,
        encoders: Sequence[MemoryEncoder] | None = None,
        *,
        title: str = "memory",
        family: Family | None = None,
        embeddings: Sequence[InstalledEmbedding] = (),
        checkpoints: Mapping[str, MemoryModel] | None = None,
        half_precision: bool = False,
        is_demonstration: bool = False,
    ) -> None:
        """Take the encoders; one `clip_l` where none are given."""
        self.encoders = tuple(encoders or (MemoryEncoder(),))
        self.title = title
        self.family = family or family_of(encoder.name for encoder in self.encoders)
        self.checkpoints = dict(checkpoints or {})
        self.half_precision = half_precision
        self.is_demonstration = is_demonstration
        self.prompt_rules = WEBUI
        self.known: Mapping[str, str] = {"name": title}
        """What `record` gives."""
        self.installed: list[InstalledEmbedding] = []
        self.calls: Counter[str] = Counter()
        for embedding in embeddings:
            self.install(embedding)

    @classmethod
    def sd1(cls, *, width: int = 12, title: str = "memory-sd1") -> MemoryModel:
        """Return a model with one encoder, `clip_l`."""
        return cls([MemoryEncoder("clip_l", width=width)], title=title, family=FAMILIES["sd1"])

    @classmethod
    def sd2(cls, *, width: int = 14, title: str = "memory-sd2") -> MemoryModel:
        """Return a model with one encoder, `clip_h`."""
        return cls([MemoryEncoder("clip_h", width=width, padding_id=20)], title=title, family=FAMILIES["sd2"])

    @classmethod
    def sdxl(cls, *, widths: tuple[int, int] = (12, 16), title: str = "memory-sdxl") -> MemoryModel:
        """Return a model with two encoders of different width, `clip_l` and `clip_g`."""
        encoders = [
            MemoryEncoder("clip_l", width=widths[0]),
            MemoryEncoder("clip_g", width=widths[1], padding_id=20),
        ]
        return cls(encoders, title=title, family=FAMILIES["sdxl"])

    @classmethod
    def flux(cls, *, widths: tuple[int, int] = (12, 20), title: str = "memory-flux") -> MemoryModel:
        """Return a model with a CLIP and a T5 encoder, which knows fewer words and cuts the others into bytes."""
        encoders = [
            MemoryEncoder("clip_l", width=widths[0]),
            MemoryEncoder("t5xxl", width=widths[1], words=WORDS[:3], blanks=True),
        ]
        return cls(encoders, title=title, family=FAMILIES["flux"])

    @classmethod
    def qwen(cls, *, width: int = 20, title: str = "memory-qwen") -> MemoryModel:
        """Return a model with a language model's encoder alone."""
        return cls([MemoryEncoder("qwen3_4b", width=width, blanks=True)], title=title)

    @property
    def identity(self) -> str:
        """A hash of all tables."""
        digest = hashlib.sha256(self.title.encode())
        for encoder in self.encoders:
            digest.update(encoder.name.encode() + encoder.table.to(torch.float32).numpy().tobytes())
        return digest.hexdigest()[:16]

    def record(self, *, with_hash: bool = False) -> Mapping[str, str]:
        """Return the title as the checkpoint's name, and what else `known` says."""
        return self.known

    def encoder(self, name: str) -> MemoryEncoder:
        """Return an encoder by name."""
        return next(encoder for encoder in self.encoders if encoder.name == name)

    def install(self, embedding: InstalledEmbedding) -> InstalledEmbedding:
        """Install an embedding and return it."""
        self.installed.append(embedding)
        return embedding

    def remove(self, name: str) -> None:
        """Take every embedding of that name away."""
        self.installed = [embedding for embedding in self.installed if embedding.name != name]

    def pieces(self, texts: Sequence[str]) -> list[Mapping[str, TextPieces]]:
        """Resolve quoted texts into tokens and installed embeddings, per text and encoder."""
        self.calls["pieces"] += 1
        columns = {encoder.name: self._pieces(encoder, texts) for encoder in self.encoders}
        return [{name: column[place] for name, column in columns.items()} for place in range(len(texts))]

    def embeddings_named(self, *stems: str) -> list[InstalledEmbedding]:
        """Return all installed embeddings of these names, case ignored, other families' included."""
        wanted = {stem.casefold() for stem in stems}
        return [embedding for embedding in self.installed if embedding.name.casefold() in wanted]

    def embedding_names(self) -> list[str]:
        """Return the names of the installed embeddings that fit this model."""
        return [embedding.name for embedding in self.installed if self._fits(embedding)]

    def checkpoint(self, name: str) -> MemoryModel:
        """Return another checkpoint.

        Raises: FileError where there is none of that name.
        """
        if name not in self.checkpoints:
            raise FileError(
                f"There is no checkpoint named {name}.", alternatives=closest_names(name, self.checkpoints)
            )
        return self.checkpoints[name]

    def _fits(self, embedding: InstalledEmbedding) -> bool:
        widths = {name: int(rows.shape[-1]) for name, rows in embedding.vectors.items()}
        return is_for(widths, {encoder.name: encoder.width for encoder in self.encoders})

    def _pieces(self, encoder: MemoryEncoder, texts: Sequence[str]) -> list[TextPieces]:
        fitting = [one for one in self.installed if self._fits(one) and encoder.name in one.vectors]
        if encoder.blanks:
            by_name = {embedding.name.casefold(): embedding for embedding in fitting}
            return [divide_text(text, by_name.get, encoder.tokenize) for text in texts]
        names = encoder.tokenize([embedding.name for embedding in fitting]) if fitting else []
        by_ids = sorted(zip(names, fitting, strict=True), key=lambda pair: -len(pair[0]))
        return [divide_ids(ids, partial(_find_name, ids, by_ids)) for ids in encoder.tokenize(texts)]


def _find_name(
    ids: Sequence[int], names: Sequence[tuple[list[int], InstalledEmbedding]], place: int
) -> tuple[InstalledEmbedding, int] | None:
    return next(((one, len(run)) for run, one in names if run and list(ids[place : place + len(run)]) == run), None)
