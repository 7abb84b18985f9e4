"""One expression with one model: all that can be asked of it, from one reading.

`Analysis` plans an expression, has its texts tokenized and its rows read once, and answers from that. Nobody else
begins anew: a preview, a saved file and a merged prompt ask the same object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import torch

from ..entered import Entered
from ..errors import EmbeddingMergeError
from ..families import CLIP
from ..host_protocol import TextModel
from ..remarks import Remark
from ..vectors.embedding import Embedding
from .compute import Computations
from .measure import Size, measure
from .parts import ReadPart, list_parts
from .plan import plan
from .provenance import Provenance, resolve
from .reading import Readings
from .remarks import remark_on_reading, remark_on_value, remark_on_writing

__all__ = ["Analysis", "analyse"]


class Analysis:
    """An expression as it was entered, read with a model; every mistake has its place in the text that was entered.

    Example: `Analysis(read_expression("'black cat'"), MemoryModel.sd1()).length` is 2.
    """

    def __init__(
        self,
        entered: Entered,
        model: TextModel,
        *,
        stays_text: str = "",
        begins: bool = False,
        beside: Computations | None = None,
    ) -> None:
        """Take the expression and the model; nothing is read before it is asked for.

        `stays_text` is a name that quoted texts may hold without meaning the embedding that has it. `beside` is what
        several analyses share: see `analyse`. `begins` says that the expression stands where no blank is before it;
        some tokenizers cut its first word in another way there.
        Raises: UnsupportedHost for a model without any text encoder that takes embeddings.
        """
        self.entered = entered
        self.model = model
        self.begins = begins
        self._steps = plan(entered.tree, begins=begins)
        self._together = beside or Computations(Readings(model, stays_text=stays_text))
        self._readings = self._together.readings
        self._readings.add(self._steps)

    @cached_property
    def problem(self) -> EmbeddingMergeError | None:
        """The first mistake that shows without computing anything; None where there is none."""
        try:
            self._size = measure(self._steps, self._readings, self.entered.limits)
        except EmbeddingMergeError as error:
            return self._placed(error)
        self._computation = self._together.add(self._steps)
        return None

    @property
    def size(self) -> Size:
        """How many vectors the value has, and how much work it is. No table is read for it.

        Raises: `problem`.
        """
        if self.problem is not None:
            raise self.problem
        return self._size

    @property
    def length(self) -> int:
        """How many vectors the value has, of the tokenizer group that has the most. No table is read for it.

        Raises: `problem`.
        """
        return self.size.length

    @property
    def lengths(self) -> Mapping[str, int]:
        """How many vectors the value has, by tokenizer group. No table is read for it.

        Raises: `problem`.
        """
        return dict(zip(self._readings.groups, self.size.lengths, strict=True))

    def length_in(self, group: str) -> int:
        """Return how many vectors the value has in a tokenizer group, or in the first where the model has not that.

        Raises: `problem`.
        """
        lengths = self.lengths
        return lengths[group if group in lengths else next(iter(lengths))]

    def standing(self, *, begins: bool) -> Analysis:
        """Return the analysis of the same expression where no blank is before it, or one is; itself where it is that.

        Only tokenizers other than CLIP's make a difference between the two.
        """
        return self if begins == self.begins or self.model_is_clip else self._elsewhere

    @property
    def model_is_clip(self) -> bool:
        """Whether all text encoders of the model are CLIP's, which read blanks as nothing."""
        return self._readings.groups == (CLIP,)

    @cached_property
    def _elsewhere(self) -> Analysis:
        return Analysis(self.entered, self.model, begins=not self.begins, beside=self._together)

    def value(self) -> Embedding:
        """Return the vectors: float32, in memory of their own, the same object every time.

        Shapes: (n, width) per encoder of the model, the same n for all of a tokenizer group; n may be 0.
        Raises: `problem`; NotFinite and WrongArgument for what only the numbers show; ModelNotLoaded where a table
        cannot be read.
        """
        if self.problem is not None:
            raise self.problem
        return self._value

    @cached_property
    def _value(self) -> Embedding:
        try:
            return self._together.value(self._computation)
        except EmbeddingMergeError as error:
            raise self._placed(error) from None

    def parts(self) -> list[ReadPart]:
        """Return what the expression reads, one by one, in the order of its text.

        Raises: `problem`.
        """
        self._gather()
        return list_parts(self.entered.tree, self._steps, self._readings)

    def remarks(self) -> list[Remark]:
        """Return what is worth saying about the text, in its order; no table is read for it.

        Raises: `problem`.
        """
        return [
            *remark_on_writing(self.entered.expression),
            *remark_on_reading(self._steps, self._readings, self.lengths),
        ]

    def remarks_on_value(self) -> list[Remark]:
        """Return what is worth saying about the numbers; the whole vocabulary is read for it.

        Raises: as `value`.
        """
        return remark_on_value(self.value(), self.model)

    def provenance(self) -> Provenance:
        """Return what the value is made of: the expression with every name resolved, the tokens, the rows.

        Raises: `problem`.
        """
        self._gather()
        return resolve(self._steps, self._readings)

    def _gather(self) -> None:
        if self.problem is not None:
            raise self.problem
        with torch.inference_mode(mode=False), torch.no_grad():
            self._readings.gather()

    def _placed(self, error: EmbeddingMergeError) -> EmbeddingMergeError:
        if error.source is None and error.span is not None:
            error.located(*self.entered.source)
        return error


def analyse(entered: Sequence[Entered], model: TextModel) -> list[Analysis]:
    """Read many expressions together: their texts are tokenized in one call, and the rows of a table come in one.

    A mistake in one is its own `problem`, and does not keep the others from being read.
    """
    if not entered:
        return []
    shared = Computations(Readings(model))
    made = [Analysis(one, model, begins=one.begins, beside=shared) for one in entered]
    for one in made:
        one.problem  # noqa: B018 - measured now, so that the first value reads the rows of all
    return made
