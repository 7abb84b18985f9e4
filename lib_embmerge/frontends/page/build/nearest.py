"""The second answer: what compares the vectors with the model's whole vocabulary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ....entered import is_one_expression, read_expression
from ....evaluation import Analysis
from ....host_protocol import PageHost
from ....inspection import Neighbour, find_neighbours
from ....vectors.embedding import Embedding
from ..html import draw
from ..question import Answer, Question
from ..repairs import repair_remark

__all__ = ["answer_nearest"]

SHOWN_VECTORS = 8
"""Vectors whose nearest words stand in the summary; those of all stand in the table."""
SHOWN_WORDS = 3


def answer_nearest(question: Question, host: PageHost) -> Answer:
    """Answer which words are near, and whether the vectors' norms are far off; nothing where the text is no value."""
    text = question.text("text")
    model = host.loaded_text_model()
    if model is None or not text.strip() or not is_one_expression(text):
        return Answer()
    entered = read_expression(text, limits=host.limits)
    analysis = Analysis(entered, model)
    value = analysis.value()
    judged = [repair_remark(remark, entered) for remark in analysis.remarks_on_value()]
    shown = Embedding({name: rows[:SHOWN_VECTORS] for name, rows in value.items()})
    found = find_neighbours(shown, model, k=SHOWN_WORDS)
    return Answer(
        slots={
            "judged": draw("remarks", remarks=judged),
            "nearest": draw("build/nearest", encoders=_by_encoder(found), more=max(0, value.length - SHOWN_VECTORS)),
        }
    )


def _by_encoder(found: Sequence[Neighbour]) -> Mapping[str, Mapping[int, list[Neighbour]]]:
    """Group by encoder and vector."""
    groups: dict[str, dict[int, list[Neighbour]]] = {}
    for neighbour in found:
        groups.setdefault(neighbour.encoder, {}).setdefault(neighbour.index, []).append(neighbour)
    return groups
