"""Every operator and function of the language, as one table.

The parser, the evaluation, the counting, the help in the tab, the command line's `functions`, the completion
list and the documentation all read this table; each text encoder of `families` has its function in it. It knows
nothing of torch: the mathematics of an entry is the function of `lib_embmerge.vectors.operators` that is registered
under the entry's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from .families import ENCODERS, EncoderKind

__all__ = ["FUNCTIONS", "OPERATIONS", "Operation", "Parameter", "ParameterKind", "listed_operations", "signature"]

ParameterKind = Literal["embedding", "number", "integer", "number or embedding", "text", "encoder"]


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name, what it takes, and whether its words count for an encoder that takes only text.

    `minimum` is the least value of a number, None where any will do, and `below` says what to do for a smaller one.
    """

    name: str
    kind: ParameterKind = "embedding"
    optional: bool = False
    repeated: bool = False
    gives_text: bool = True
    minimum: int | None = None
    below: str = ""


@dataclass(frozen=True)
class Operation:
    """One entry of the table.

    `length` gives the number of vectors of the result from those of the embedding arguments and the values of the
    others, in the order of the parameters; what was left out is absent or None. `pads` says that shorter embeddings
    are padded with zero vectors first. `symbol` is how an operator is written, None for a function that has none.
    `work` is how much a vector costs beside one of a sum: see `Limits.work`.
    """

    name: str
    parameters: tuple[Parameter, ...]
    summary: str
    formula: str
    example: str
    length: Callable[..., int]
    symbol: str | None = None
    is_function: bool = True
    pads: bool = False
    work: int = 1


def _longest(*lengths: int) -> int:
    return max(lengths)


def _same(length: int, *_others: object) -> int:
    return length


def _one(*_arguments: object) -> int:
    return 1


def _sliced(length: int, start: int | None = None, stop: int | None = None) -> int:
    return len(range(*slice(start, stop).indices(length)))


A = Parameter("a")
B = Parameter("b")
MORE = Parameter("…", repeated=True, optional=True)
ENCODER = Parameter("encoder", "encoder", optional=True)
INTEGER: ParameterKind = "integer"


def _only(kind: EncoderKind) -> Operation:
    """Return the function that has an encoder's name."""
    others = {"clip_l": "clip_l('cat') + clip_g('kitten')", "clip_g": "clip_l('cat') + clip_g('kitten')"}
    example = others.get(kind.key, f"'cat' + {kind.key}('kitten')")
    return Operation(
        kind.key, (A,), f"Only the vectors of {kind.title}, zeros for every other encoder.", "(a, 0, …)", example, _same
    )


_ENTRIES = (
    Operation(
        "add", (A, B), "The sum of two embeddings.", "a + b", "'red' * 0.5 + 'blue' * 0.5", _longest,
        symbol="a + b", is_function=False, pads=True,
    ),
    Operation(
        "subtract", (A, B), "The difference of two embeddings.", "a − b", "'cat' - 'adult'", _longest,
        symbol="a - b", is_function=False, pads=True,
    ),
    Operation(
        "negate", (A,), "Every vector reversed.", "−a", "-'ugly'", _same, symbol="-a", is_function=False
    ),
    Operation(
        "scale", (A, Parameter("t", "number"), ENCODER),
        "Every vector times a number; behind the number, L or G scales only that encoder's.",
        "t·a", "'red' * 0.8", _same, symbol="a * t", is_function=False,
    ),
    Operation(
        "divide", (A, Parameter("t", "number"), ENCODER),
        "Every vector over a number; behind the number, L or G divides only that encoder's.",
        "a / t", "'red' / 2", _same, symbol="a / t", is_function=False,
    ),
    Operation(
        "resize", (A, Parameter("n", INTEGER, minimum=0)), "Exactly n vectors: cut, or padded with zero vectors.",
        "a₀ … aₙ₋₁", "'a big cat' : 2", lambda a, n: n, symbol="a : n", is_function=False,
    ),
    Operation(
        "shift", (A, Parameter("n", INTEGER)), "The vectors turned in a circle; by +1 the last comes first.",
        "aᵢ₋ₙ", "'black cat' :+1", _same, symbol="a :+n", is_function=False,
    ),
    Operation(
        "index", (A, Parameter("i", INTEGER)), "One vector; a negative index counts from the end.",
        "aᵢ", "'black cat'[-1]", _one, symbol="a[i]", is_function=False,
    ),
    Operation(
        "slice", (A, Parameter("i", INTEGER, optional=True), Parameter("j", INTEGER, optional=True)),
        "The vectors from i up to, not including, j.", "aᵢ … aⱼ₋₁", "'a big cat'[1:3]", _sliced,
        symbol="a[i:j]", is_function=False,
    ),
    Operation(
        "lerp", (A, B, Parameter("t", "number")), "On the straight line from a to b, at t.",
        "a + t·(b − a)", "lerp('cat', 'dog', 0.5)", lambda a, b, t: max(a, b), pads=True,
    ),
    Operation(
        "slerp", (A, B, Parameter("t", "number")),
        "Per vector: the direction turns along the great circle from a to b, the norm goes linearly.",
        "(sin((1−t)φ)·â + sin(tφ)·b̂) / sin φ · (‖a‖ + t·(‖b‖ − ‖a‖))", "slerp('cat', 'dog', 0.5)",
        lambda a, b, t: max(a, b), pads=True,
    ),
    Operation(
        "mean", (A, MORE), "The mean of all arguments, vector by vector.", "(a + b + …) / count",
        "mean('cat', 'dog', 'fox')", _longest, pads=True,
    ),
    Operation("sum", (A,), "One vector: the sum of all of a's vectors.", "Σ aᵢ", "normalize(sum('black cat'))", _one),
    Operation("pool", (A,), "One vector: the mean of all of a's vectors.", "Σ aᵢ / n", "pool('black cat')", _one),
    Operation(
        "concat", (A, MORE), "One after the other.", "a₀ … aₙ₋₁ b₀ … bₘ₋₁", "concat('cat', 'dog')",
        lambda *lengths: sum(lengths), symbol="a, b",
    ),
    Operation(
        "repeat", (A, Parameter("n", INTEGER, minimum=0)), "n times, one after the other.", "a a … a", "repeat('cat', 3)",
        lambda a, n: a * n,
    ),
    Operation(
        "normalize", (A, Parameter("norm", "number or embedding", optional=True, gives_text=False, minimum=0,
                               below="To reverse the result, put - in front of it.")),
        "Each vector to the mean norm of the vocabulary, to a given norm, or to the norms of b's vectors.",
        "â·norm", "normalize('cat' - 'adult' + 'child')", _same,
    ),
    Operation(
        "project", (A, Parameter("b", gives_text=False)),
        "Each vector's part inside the span of b's vectors.", "V·Vᵀ·a", "project('queen', 'woman')", _same, work=256,
    ),
    Operation(
        "remove", (A, Parameter("b", gives_text=False)),
        "Each vector's part outside the span of b's vectors.", "a − V·Vᵀ·a", "remove('queen', 'woman')", _same, work=256,
    ),
    *map(_only, ENCODERS.values()),
    Operation(
        "token", (Parameter("id", INTEGER, minimum=0),), "The vector of a token by its id.", "row id", "token(2368)", _one
    ),
    Operation("pad", (), "The vector of each encoder's padding token.", "row of padding", "pad()", _one),
    Operation("end", (), "The vector of each encoder's end token.", "row 49407", "end()", _one),
    Operation("start", (), "The vector of each encoder's start token.", "row 49406", "start()", _one),
    Operation(
        "text", (Parameter("word", "text"),), "The literal text, even where an embedding of that name exists.",
        "rows of the tokens", "text('cat')", _same,
    ),
    Operation(
        "emb", (Parameter("name", "text"),), "An installed embedding by its file's name.", "the file's vectors",
        "emb('my_style')", _same,
    ),
    Operation(
        "nearest", (A,), "Each vector replaced with the most similar row of the vocabulary.",
        "argmax cos(a, row)", "nearest('cat' - 'adult' + 'child')", _same, work=512,
    ),
    Operation(
        "random", (Parameter("n", INTEGER, minimum=0), Parameter("seed", INTEGER)),
        "n vectors drawn like the vocabulary's; the same for a seed everywhere.", "N(mean, deviation)",
        "random(2, 7)", lambda n, seed: n, work=32,
    ),
)

OPERATIONS: Mapping[str, Operation] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""All operators and functions by name."""

FUNCTIONS: Mapping[str, Operation] = MappingProxyType({e.name: e for e in _ENTRIES if e.is_function})
"""Those that are written as `name(…)`."""


def listed_operations() -> list[Operation]:
    """Return the table's entries for a person to read: the functions of all text encoders as one."""
    first, *others = ENCODERS
    summary = f"Only that text encoder's vectors, zeros for every other. So do {', '.join(others)}."
    together = replace(OPERATIONS[first], summary=summary)
    return [together if name == first else entry for name, entry in OPERATIONS.items() if name not in others]


def signature(operation: Operation) -> str:
    """Return how an entry of the table is written: `lerp(a, b, t)`, `normalize(a[, norm])`, `a * t`."""
    if not operation.is_function and operation.symbol is not None:
        return operation.symbol
    text = ""
    for parameter in operation.parameters:
        if parameter.repeated:
            text += ", …"
        elif parameter.optional:
            text += f"[, {parameter.name}]"
        else:
            text += (", " if text else "") + parameter.name
    return f"{operation.name}({text})"
