"""The repair of the comma's slip, and the hooks over a host of no kind at all."""

from __future__ import annotations

import contextlib
import itertools
from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from lib_embmerge.hosts.pipeline.conditioning import ConditioningHooks, repair_comma_backtrack
from lib_embmerge.merge import MergeSettings
from lib_embmerge.models.memory import MemoryModel
from lib_embmerge.placeholders import find_names
from lib_embmerge.vectors.embedding import Embedding

from .fake_a1111 import FakeA1111, same

Fix = namedtuple("Fix", ["offset", "embedding"])
START, END, COMMA = 90, 91, 44


def chunk(tokens: Sequence[int], **fixes: tuple[int, int]) -> Any:
    """Make a chunk; each fix is a name with its offset and its number of vectors."""
    padded = [START, *tokens, *[END] * (76 - len(tokens))]
    found = [Fix(offset, SimpleNamespace(name=name, vectors=n)) for name, (offset, n) in fixes.items()]
    return SimpleNamespace(tokens=padded, multipliers=[1.0] * 77, fixes=found)


def fixes(chunks: Sequence[Any]) -> list[list[tuple[str, int]]]:
    return [[(fix.embedding.name, fix.offset) for fix in c.fixes] for c in chunks]


WORDS = list(range(1, 61))

SLIPS = {
    "nothing to do": ([chunk([7, 0, 0], a=(1, 2))], [[("a", 1)]]),
    "no chunks": ([], []),
    "moved with the text behind the comma": (
        [chunk([*WORDS, COMMA], a=(62, 2)), chunk([5, 0, 0, 6])],
        [[], [("a", 1)]],
    ),
    "right behind the comma": ([chunk([*WORDS, COMMA], a=(61, 3)), chunk([0, 0, 0])], [[], [("a", 0)]]),
    "one before the comma stays": (
        [chunk([0, 0, *WORDS, COMMA], a=(0, 2), b=(63, 1)), chunk([0, 5])],
        [[("a", 0)], [("b", 0)]],
    ),
    "two of them": (
        [chunk([*WORDS, COMMA], a=(61, 1), b=(63, 2)), chunk([0, 5, 0, 0])],
        [[], [("a", 0), ("b", 2)]],
    ),
    "before those of the next chunk": (
        [chunk([*WORDS, COMMA], a=(61, 1)), chunk([0, 5, 0], b=(2, 1))],
        [[], [("a", 0), ("b", 2)]],
    ),
    "in the second of three chunks": (
        [chunk([1] * 75), chunk([*WORDS, COMMA], a=(61, 1)), chunk([0])],
        [[], [], [("a", 0)]],
    ),
    "behind a chunk with one that stays": (
        [chunk([0, *WORDS], a=(0, 1)), chunk([*WORDS, COMMA], b=(61, 1)), chunk([0])],
        [[("a", 0)], [], [("b", 0)]],
    ),
    "at the last place of a chunk": ([chunk([1] * 73 + [COMMA], a=(74, 1)), chunk([0])], [[], [("a", 0)]]),
    "to the very end of a full chunk": ([chunk([1] * 74 + [0], a=(74, 1)), chunk([5])], [[("a", 74)], []]),
    "an embedding without vectors stays": ([chunk([*WORDS, COMMA], a=(61, 0)), chunk([5])], [[("a", 61)], []]),
}


@pytest.mark.parametrize(("chunks", "expected"), SLIPS.values(), ids=SLIPS.keys())
def test_fixes_follow_their_tokens(chunks: Sequence[Any], expected: Any) -> None:
    repair_comma_backtrack(chunks, END)
    assert fixes(chunks) == expected
    repair_comma_backtrack(chunks, END)
    assert fixes(chunks) == expected


# Chunks are filled by the same code for each kind, an encoder's with as many places as another's.
@pytest.mark.parametrize(
    ("kind", "before", "value"),
    [
        *itertools.product(["sdxl"], [58, 66, 70, 73, 74], ["red cat", "a red cat on the mat"]),
        *itertools.product(["sd1", "sd2", "refiner"], [66, 73], ["a red cat on the mat"]),
    ],
)
def test_behind_a_comma_at_a_chunk_s_end(a1111: FakeA1111, kind: str, before: int, value: str) -> None:
    """The tail may be relocated or not, and the value may fit or not: it must stand where plain words would, or whole
    at the start of the next chunk, which no plain words can show."""
    a1111.load(kind)
    head = " ".join(["sun"] * before)
    lengths = 2 if value == "red cat" else 6
    plain = a1111.condition(f"{head}, x {value} " + "rain " * 20)
    a1111.webui().start()
    merged = a1111.condition(f"{head}, x <'{value}'> " + "rain " * 20)
    if before + 2 + lengths <= 75 or before == 74:
        assert same(merged, plain)
    rows = a1111.positions(f"{head}, x <'{value}'> " + "rain " * 20)
    words = a1111.positions(value)[1 : 1 + lengths]
    assert any(same(rows[i : i + lengths], words) for i in range(len(rows) - lengths))


def test_the_host_s_own_embeddings_are_repaired_too(a1111: FakeA1111) -> None:
    a1111.save_embedding("mystyle-1", a1111.rows("red cat"))
    a1111.reload_embeddings()
    head = " ".join(["sun"] * 66)
    prompt, plain = (f"{head}, x {words} " + "rain " * 9 for words in ("mystyle-1", "red cat"))
    expected = a1111.condition(plain)
    assert not same(a1111.condition(prompt), expected)  # the slip, as the host has it
    a1111.webui().start()
    assert same(a1111.condition(prompt), expected)


def test_without_backtracking_nothing_is_moved(a1111: FakeA1111) -> None:
    a1111.opts.comma_padding_backtrack = 0
    head = " ".join(["sun"] * 66)
    expected = a1111.condition(f"{head}, x red cat " + "rain " * 9)
    a1111.webui().start()
    assert same(a1111.condition(f"{head}, x <'red cat'> " + "rain " * 9), expected)


class NoHost:
    """A host with functions to wrap and nothing else: its text model is the one in memory."""

    def __init__(self) -> None:
        self.owner = SimpleNamespace()
        self.registered: dict[str, Embedding] = {}
        self.log: list[str] = []

        def encode(model: Any, prompts: Sequence[str], *args: Any) -> Any:
            self.log += [*prompts, *sorted(self.registered)]
            return list(prompts)

        self.owner.encode = encode

    def model_of_vectors(self, sd_model: Any) -> MemoryModel:
        return sd_model

    def model_of(self, engine: Any) -> Any:
        return engine

    @contextlib.contextmanager
    def placeholders(self, sd_model: Any, vectors: Mapping[str, Embedding]) -> Iterator[None]:
        self.registered.update(vectors)
        yield
        self.registered.clear()

    def lending(self, sd_model: Any, merged: Any) -> Any:
        return contextlib.nullcontext()

    def blank_placeholders(self, engine: Any, names: Sequence[str]) -> Any:
        return contextlib.nullcontext()

    def dependencies(self, prompts: Sequence[str]) -> object:
        return None

    def hook_points(self) -> Mapping[str, Sequence[tuple[Any, str]]]:
        return {"encode": [(self.owner, "encode")]}

    def forget_placeholders(self) -> None:
        self.log.append("forgotten")

    def note_used_embeddings(self, model: Any) -> None:
        self.log.append("noted")


def test_what_a_host_is_asked_and_in_which_order() -> None:
    host = NoHost()
    ConditioningHooks(host, MergeSettings).install()  # type: ignore[arg-type]
    host.owner.encode(MemoryModel.sd1(), ["a <'cat'>", "<'cat'> <'dog'>"])
    first, second = host.log[:2]
    cat, dog = find_names(second)
    assert first == f"a {cat}"
    assert host.log[2:] == [*sorted([cat, dog]), "forgotten", "noted"]
    assert host.registered == {}


def test_prompts_without_expressions_ask_the_host_for_nothing() -> None:
    host = NoHost()
    ConditioningHooks(host, MergeSettings).install()  # type: ignore[arg-type]
    prompts = ["a cat", "a <3 dog"]
    assert host.owner.encode(None, prompts) == prompts
    assert host.log == prompts
