"""Texts that name installed embeddings in all ways that a tokenizer may read as the name, among other things."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Sequence

import torch

from lib_embmerge.families import CLIP_VOCABULARY_SIZE
from lib_embmerge.host_protocol import InstalledEmbedding
from lib_embmerge.language import write
from lib_embmerge.language.nodes import Text
from lib_embmerge.models.memory import WORDS, MemoryEncoder, MemoryModel
from lib_embmerge.models.tokenizers import END, START, tokenizer

NAMES = (
    "neg-xyzzy", "style", "style two", "Mc Cat", "né", "a", "😀x", "猫", "Straße", "ﬁne", "İx", "it's", 'say "x"',
    "x_1", "(bad:1.2)", "<lora>", "été-2", "cat dog", "1girl", "…dots", "٣x",
)  # fmt: skip
BETWEEN = (
    "", " ", "  ", "\n", "\t ", ", ", "-", "'", '"', "é", "🫨", "\u3000", "x", "\u00a0", "&amp;", "ß", "\u200b",
    "\u0301", "\r\n", "cat", " cat ", "(", "):", "\ufeff", "٣", "İ", "\u2028", "<b>", "\\",
)  # fmt: skip
PATTERNS = (
    "{0}", "{0}", "{0} + {1}", "mean({0}, {1})", "{0}, {1}", "({0})[0:2]", "{0}:3", "{0} * 2L", "-({0} - {1} / 3)",
    "repeat({0}, 2)", "concat({0}, {1}, {0})", "nearest({0})", "sum({0})", "lerp({0}, {1}, 0.3)", "({0}):+1",
)  # fmt: skip


class Speller:
    """Makes expressions out of texts that hold names in other spellings."""

    def __init__(self, chance: random.Random) -> None:
        """Take the source of chance."""
        self.chance = chance

    def expression(self) -> str:
        """Return an expression whose quoted texts hold names."""
        return self.chance.choice(PATTERNS).format(write(Text(self.text())), write(Text(self.text())))

    def text(self) -> str:
        """Return names, words and anything between them."""
        parts = []
        for _ in range(self.chance.choice((1, 1, 2, 3, 5))):
            parts += [self.chance.choice(BETWEEN), self._part(), self.chance.choice(BETWEEN)]
        return "".join(parts)

    def _part(self) -> str:
        kind = self.chance.random()
        if kind < 0.7:
            return self._spelled(self.chance.choice(NAMES))
        if kind < 0.85:
            return self.chance.choice(WORDS)
        return "".join(chr(self._code()) for _ in range(self.chance.choice((1, 2, 4))))

    def _code(self) -> int:
        code = self.chance.choice((0x20, 0xA0, 0x300, 0x600, 0x2000, 0x3000, 0x4E00, 0xFF00, 0x1F300))
        return code + self.chance.randrange(0x100)

    def _spelled(self, name: str) -> str:
        """Return the name with its letters' case, its blanks or its Unicode form changed."""
        ways: list[Callable[[str], str]] = [
            str, str, str.upper, str.title, str.swapcase, self._with_blanks, self._with_blanks, self._blanks_changed,
            lambda text: unicodedata.normalize("NFD", text), lambda text: unicodedata.normalize("NFKC", text),
            lambda text: text[: self.chance.randint(0, len(text))],
        ]  # fmt: skip
        return self.chance.choice(ways)(name)

    def _with_blanks(self, text: str) -> str:
        return "".join(letter + self.chance.choice(("", "", "", " ", "\n")) for letter in text)

    def _blanks_changed(self, text: str) -> str:
        return text.replace(" ", self.chance.choice(("  ", "\n", "\t", "\u00a0", ""))).replace("-", " - ")


class ClipEncoder(MemoryEncoder):
    """A small table behind CLIP's own tokenizer."""

    def __init__(self, name: str, width: int) -> None:
        """Make the table by chance."""
        rows = torch.randn(CLIP_VOCABULARY_SIZE, width, generator=torch.Generator().manual_seed(width))
        super().__init__(name, width=width, table=rows)
        self.size, self.start_id, self.end_id = len(rows), START, END

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids."""
        return [tokenizer(self.name)(text) for text in texts]


def models() -> dict[str, MemoryModel]:
    """Return a small model of each kind of tokenizer groups, all with the same embeddings."""
    clip_l, clip_g = MemoryEncoder("clip_l"), MemoryEncoder("clip_g", width=16, padding_id=20)
    knows_more = MemoryEncoder("clip_g", width=16, words=[*WORDS, "é", "owl", "neg"])
    t5 = MemoryEncoder("t5xxl", width=20, words=WORDS[:3], blanks=True)
    made = {
        "SD 1": MemoryModel([clip_l]),
        "SDXL": MemoryModel([clip_l, clip_g]),
        "SDXL whose encoders cut words differently": MemoryModel([clip_l, knows_more]),
        "SD 3": MemoryModel([clip_l, clip_g, t5]),
        "Flux": MemoryModel([clip_l, t5]),
        "a language model": MemoryModel.qwen(),
        "CLIP's own tokenizers": MemoryModel([ClipEncoder("clip_l", 12), ClipEncoder("clip_g", 16)]),
    }
    for model in made.values():
        install(model, NAMES)
    return made


def install(model: MemoryModel, names: Sequence[str]) -> None:
    """Install embeddings of one to three vectors under these names."""
    for number, name in enumerate(names, start=1):
        rows = {one.name: torch.full((number % 3 + 1, one.width), 0.25 * number) for one in model.encoders}
        model.install(InstalledEmbedding(name, rows))
