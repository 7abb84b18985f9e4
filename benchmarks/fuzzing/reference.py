"""What an expression means, a second time: with numpy, by rules written after docs/language.md."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lib_embmerge.families import CLIP, group_of
from lib_embmerge.models.memory import MemoryModel

from .right import MOST_VECTORS, Node
from .small_model import OTHER, STYLE


class Wrong(Exception):  # noqa: N818 - said of the expression
    """The expression is a user's mistake after all: `normalize('a', '')`."""


class Unclear(Exception):  # noqa: N818 - not an error
    """The value hangs on a rounding error: the direction of a vector that should be zero, a tie, a rank."""


class Value(NamedTuple):
    """Vectors of one encoder, float32, and how far another right way to compute them may be off."""

    rows: np.ndarray
    noise: float


STEP = 3e-7
"""Rounding to float32 once, relative to the largest number."""


class Reference:
    """Evaluates a node for one encoder. Each operation rounds once to float32, as docs/language.md has it."""

    def __init__(self, model: MemoryModel, name: str) -> None:
        """Take the tables of the encoder."""
        self.name = name
        self.encoder = model.encoder(name)
        self.tables = {
            False: self.encoder.table.numpy(),
            True: model.checkpoints[OTHER].encoder(name).table.numpy(),
        }
        self.style = model.installed[0].vectors[name].numpy()
        special = {self.encoder.start_id, self.encoder.end_id}
        self.known = np.array([number for number in range(self.encoder.size) if number not in special])
        self.vocabularies = {key: table[self.known].astype(np.float64) for key, table in self.tables.items()}
        self.is_alone = len({group_of(encoder.name) for encoder in model.encoders}) == 1
        self.is_for_clip = False

    def value(self, node: Node, other: bool = False) -> Value:
        """Give the vectors of a node; `other` says that tables are the other checkpoint's."""
        name, *arguments = node
        if name == "at":
            return self._at(arguments[0])
        was_for_clip = self.is_for_clip
        self.is_for_clip = was_for_clip or name in ("clip_l", "clip_g")  # where a token's id is CLIP's
        has_operands = name not in ("quoted", "text")  # whose tuples are words
        try:
            found = [self.value(a, other) if has_operands and isinstance(a, tuple) else a for a in arguments]
        finally:
            self.is_for_clip = was_for_clip
        if name in ("normalize", "nearest", "quoted", "text", "token", "pad", "end", "start", "random"):
            value = getattr(self, "_" + name)(*found, other=other)
        else:
            value = getattr(self, "_" + name)(*found)
        if not np.isfinite(value.rows).all():
            raise Wrong("infinity or NaN")
        if len(value.rows) > MOST_VECTORS:  # a tokenizer may make more of a text than the one that it was made for
            raise Wrong("too many vectors")
        if not math.isfinite(value.noise) or value.noise > 1e-2 * max(1e-30, float(np.abs(value.rows).max(initial=0))):
            raise Unclear("all noise")
        return value

    def _at(self, node: Node) -> Value:
        return self.value(node, True)

    # What is read

    def _ids(self, words: Sequence[str]) -> list[int]:
        known = self.encoder.words
        ids: list[int] = []
        for word in words:  # before each of them is a blank; some tokenizers read it
            read = f" {word}" if self.encoder.blanks else word
            ids += [known.index(word)] if word in known else [len(known) + byte for byte in read.encode()]
        return ids

    def _rows(self, ids: Sequence[int], other: bool) -> Value:
        return Value(self.tables[other][np.asarray(ids, dtype=np.int64)], 0.0)

    def _text(self, words: Sequence[str], other: bool) -> Value:
        return self._rows(self._ids(words), other)

    def _quoted(self, words: Sequence[str], other: bool) -> Value:
        parts = [self.style if word == STYLE else self._rows(self._ids([word]), other).rows for word in words]
        return Value(np.concatenate([np.zeros((0, self.encoder.width), np.float32), *parts]), 0.0)

    def _emb(self) -> Value:
        return Value(self.style, 0.0)

    def _token(self, number: int, other: bool) -> Value:
        if not self.is_alone and not self.is_for_clip:
            raise Wrong("a token of one tokenizer")
        if not self.is_alone and group_of(self.name) != CLIP:
            return self._nothing()
        return self._rows([number], other)

    def _pad(self, other: bool) -> Value:
        return self._rows([self.encoder.padding_id], other)

    def _end(self, other: bool) -> Value:
        return self._rows([self.encoder.end_id], other)

    def _start(self, other: bool) -> Value:
        if self.encoder.start_id is None and self.is_for_clip:
            return self._nothing()
        if self.encoder.start_id is None:
            raise Wrong("no start token")
        return self._rows([self.encoder.start_id], other)

    def _nothing(self) -> Value:
        return Value(np.zeros((1, self.encoder.width), np.float32), 0.0)

    # Number by number: exact where the operands are

    def _add(self, a: Value, b: Value) -> Value:
        x, y = _same_length(a.rows, b.rows)
        return _with_noise(x + y, a.noise + b.noise)

    def _subtract(self, a: Value, b: Value) -> Value:
        x, y = _same_length(a.rows, b.rows)
        return _with_noise(x - y, a.noise + b.noise)

    def _negate(self, a: Value) -> Value:
        return Value(-a.rows, a.noise)

    def _scale(self, a: Value, t: float, only: str | None = None) -> Value:
        if only not in (None, self.name):
            return a
        return _with_noise(a.rows * np.float32(t), a.noise * abs(t))

    def _divide(self, a: Value, t: float, only: str | None = None) -> Value:
        if only not in (None, self.name):
            return a
        return _with_noise(a.rows / np.float32(t), a.noise / abs(t))

    def _lerp(self, a: Value, b: Value, t: float) -> Value:
        x, y = (rows.astype(np.float64) for rows in _same_length(a.rows, b.rows))
        return _with_noise(x + t * (y - x), a.noise * (1 + abs(t)) + b.noise * abs(t))

    def _mean(self, *values: Value) -> Value:
        longest = max(len(value.rows) for value in values)
        total = sum(_padded(value.rows, longest).astype(np.float64) for value in values)
        return _rounded(total / len(values), max(value.noise for value in values))

    def _clip_l(self, a: Value) -> Value:
        return a if self.name == "clip_l" else Value(a.rows * 0, 0.0)

    def _clip_g(self, a: Value) -> Value:
        return a if self.name == "clip_g" else Value(a.rows * 0, 0.0)

    # Which vectors

    def _sum(self, a: Value) -> Value:
        rows = a.rows.astype(np.float64)
        return _rounded(rows.sum(axis=0, keepdims=True)[: len(rows)], a.noise * len(rows) + _spread(rows))

    def _pool(self, a: Value) -> Value:
        rows = a.rows.astype(np.float64)
        return _rounded(rows.sum(axis=0, keepdims=True)[: len(rows)] / max(1, len(rows)), a.noise + _spread(rows))

    def _concat(self, *values: Value) -> Value:
        return Value(np.concatenate([value.rows for value in values]), max(value.noise for value in values))

    def _repeat(self, a: Value, times: int) -> Value:
        return Value(np.tile(a.rows, (times, 1)), a.noise)

    def _resize(self, a: Value, size: int) -> Value:
        return Value(_padded(a.rows[:size], size), a.noise)

    def _shift(self, a: Value, by: int) -> Value:
        return Value(np.roll(a.rows, by, axis=0), a.noise)

    def _index(self, a: Value, i: int) -> Value:
        if not -len(a.rows) <= i < len(a.rows):
            raise Wrong("no such vector")
        return Value(a.rows[i][None], a.noise)

    def _slice(self, a: Value, start: int | None, stop: int | None) -> Value:
        return Value(a.rows[start:stop], a.noise)

    # Lengths, directions, spans

    def _slerp(self, a: Value, b: Value, t: float) -> Value:
        x, y = (rows.astype(np.float64) for rows in _same_length(a.rows, b.rows))
        result, noise = np.zeros_like(x), a.noise + b.noise
        for i, (p, q) in enumerate(zip(x, y, strict=True)):
            norm_p, norm_q = _certain_norm(p, a.noise), _certain_norm(q, b.noise)
            straight = p + t * (q - p)
            if not norm_p or not norm_q:
                result[i] = straight
                noise = max(noise, (a.noise + b.noise) * (1 + abs(t)))
                continue
            u, v = p / norm_p, q / norm_q
            angle = 2 * math.atan2(np.linalg.norm(u - v), np.linalg.norm(u + v))
            off = a.noise / norm_p + b.noise / norm_q
            aside = min(angle, math.pi - angle)
            if 0.5e-4 < aside < 2e-4 or (off and aside < 100 * off + 2e-4):
                raise Unclear("nearly parallel")
            if aside < 1e-4:
                result[i] = straight
                continue
            turned = (math.sin((1 - t) * angle) * u + math.sin(t * angle) * v) / math.sin(angle)
            result[i] = turned * (norm_p + t * (norm_q - norm_p))
            most = abs(norm_p) + abs(t) * (norm_p + norm_q)
            noise = max(noise, 4 * (off + 1e-14) * (1 + abs(t)) / math.sin(angle) * most)
        return _rounded(result, noise)

    def _normalize(self, a: Value, norm: Value | float | None, other: bool) -> Value:
        if norm is None:
            goals = [float(np.linalg.norm(self.vocabularies[other], axis=1).mean())] * len(a.rows)
            off = 0.0
        elif isinstance(norm, Value):
            goals, off = self._goals(a, norm), norm.noise * math.sqrt(norm.rows.shape[1])
        else:
            goals, off = [float(norm)] * len(a.rows), 0.0
        result, noise = np.zeros(a.rows.shape), off
        for i, row in enumerate(a.rows.astype(np.float64)):
            length = _certain_norm(row, a.noise)
            if length:
                result[i] = row / length * goals[i]
                noise = max(noise, off + 4 * a.noise / length * goals[i] * math.sqrt(len(row)))
        return _rounded(result, noise)

    def _goals(self, a: Value, b: Value) -> list[float]:
        if not len(b.rows):
            raise Wrong("no vectors to take norms of")
        norms = [float(np.linalg.norm(row.astype(np.float64))) for row in b.rows]
        if not any(norms):
            if b.noise or a.noise:
                raise Unclear("zero or not")
            if a.rows.any():
                raise Wrong("only zero vectors to take norms of")
        if b.noise and max(norms) < 100 * b.noise:
            raise Unclear("zero or not")
        return [norms[i] if i < len(norms) else sum(norms) / len(norms) for i in range(len(a.rows))]

    def _project(self, a: Value, b: Value) -> Value:
        inside, noise = self._inside(a, b)
        return _rounded(inside, noise)

    def _remove(self, a: Value, b: Value) -> Value:
        inside, noise = self._inside(a, b)
        return _rounded(a.rows.astype(np.float64) - inside, noise)

    def _inside(self, a: Value, b: Value) -> tuple[np.ndarray, float]:
        rows, span = a.rows.astype(np.float64), b.rows.astype(np.float64)
        if b.noise and len(span) and float(np.abs(span).max()) < 100 * b.noise:
            raise Unclear("zero or not")
        if not span.any():
            return np.zeros_like(rows), a.noise
        # By the eigenvectors of the Gram matrix of the columns: another way than a singular value decomposition,
        # whose small values it shows only as squares; those below the cut are told by the decomposition.
        values = np.linalg.svd(span, compute_uv=False)
        share = values / values[0]
        is_noisy = b.noise and (b.noise * 1e4 > values[share > 1e-5].min() or (share <= 1e-5).any())
        if is_noisy or ((share > 1e-7) & (share < 1e-2)).any():
            raise Unclear("a span of uncertain rank")
        rank = int((share > 1e-5).sum())
        _, directions = np.linalg.eigh(span.T @ span)
        basis = directions[:, -rank:]
        size = float(np.abs(rows).max(initial=0)) * math.sqrt(rows.shape[1])
        least = values[rank - 1]
        noise = a.noise * math.sqrt(rows.shape[1]) + size * (1e-11 + 10 * math.sqrt(len(span)) * b.noise / least)
        return rows @ basis @ basis.T, noise

    # The vocabulary

    def _nearest(self, a: Value, other: bool) -> Value:
        vocabulary = self.vocabularies[other]
        norms = np.linalg.norm(vocabulary, axis=1)
        units = vocabulary / np.where(norms > 0, norms, 1)[:, None]
        result = np.zeros_like(a.rows)
        for i, row in enumerate(a.rows.astype(np.float64)):
            length = _certain_norm(row, a.noise)
            if not length:
                continue
            cosines = np.where(norms > 0, units @ (row / length), -np.inf).round(12)
            best = int(np.argmax(cosines))
            rivals = np.abs(cosines - cosines[best]) <= 1e-10 + 8 * a.noise / length * math.sqrt(len(row))
            if (a.noise and rivals.sum() > 1) or (cosines[rivals] != cosines[best]).any():
                raise Unclear("a tie")
            result[i] = self.tables[other][self.known[best]]
        return Value(result, 0.0)

    def _random(self, number: int, seed: int, other: bool) -> Value:
        vocabulary = self.vocabularies[other]
        mean, deviation = vocabulary.mean(axis=0), vocabulary.std(axis=0)
        drawn = [mean + deviation * self._normal(seed, i) for i in range(number)]
        return _rounded(np.array(drawn).reshape(number, vocabulary.shape[1]), 1e-12)

    def _normal(self, seed: int, i: int) -> np.ndarray:
        return np.array(_draw(f"embmerge random 1\n{seed}\n{self.name}\n{i}", self.encoder.width))


def _draw(key: str, count: int) -> list[float]:
    """Marsaglia's polar method over the bits of SHAKE-256, number by number."""
    stream = hashlib.shake_256(key.encode()).digest(16 * count + 1024)
    numbers: list[float] = []
    for at in range(0, len(stream), 16):
        x, y = ((int.from_bytes(stream[at + k : at + k + 8], "little") // 4096 + 0.5) / 2**51 - 1 for k in (0, 8))
        squared = x * x + y * y
        if squared < 1:
            factor = math.sqrt(-2 * math.log(squared) / squared)
            numbers += [x * factor, y * factor]
        if len(numbers) >= count:
            break
    return numbers[:count]


def _padded(rows: np.ndarray, length: int) -> np.ndarray:
    return np.concatenate([rows, np.zeros((max(0, length - len(rows)), rows.shape[1]), rows.dtype)])


def _same_length(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    longest = max(len(a), len(b))
    return _padded(a, longest), _padded(b, longest)


def _largest(rows: np.ndarray) -> float:
    return float(np.abs(rows).max(initial=0))


def _spread(rows: np.ndarray) -> float:
    return 1e-13 * _largest(rows) * len(rows)


def _with_noise(rows: np.ndarray, noise: float) -> Value:
    """Of an operation that is one IEEE operation: exact where its operands are."""
    return Value(rows.astype(np.float32), noise + STEP * _largest(rows) if noise else 0.0)


def _rounded(rows: np.ndarray, noise: float) -> Value:
    """Of an operation that may be computed in another order."""
    return Value(rows.astype(np.float32), noise + STEP * _largest(rows))


def _certain_norm(row: np.ndarray, noise: float) -> float:
    """Give a norm; zero only where it is zero for certain."""
    norm = float(np.linalg.norm(row))
    if noise and norm < 1000 * noise * math.sqrt(len(row)):
        raise Unclear("zero or not")
    return norm
