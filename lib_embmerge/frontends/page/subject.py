"""What the folds of the pane "Build" are about: the value of the expression in the box."""

from __future__ import annotations

from dataclasses import dataclass

from ...entered import Entered, read_expression
from ...errors import ExpressionError
from ...evaluation import Analysis
from ...host_protocol import PageHost, TextModel
from ...vectors.embedding import Embedding
from .question import Question

__all__ = ["Subject", "read_subject"]


@dataclass(frozen=True)
class Subject:
    """An expression, the model that it was computed with, and its vectors: at least one."""

    entered: Entered
    model: TextModel
    value: Embedding
    analysis: Analysis


def read_subject(question: Question, host: PageHost) -> Subject | None:
    """Compute the expression in the field `text`; None where the box is empty or no model is loaded.

    Raises: EmbeddingMergeError for a mistake, for a prompt that is more than one expression, and for no vectors.
    """
    text = question.text("text")
    model = host.loaded_text_model()
    if model is None or not text.strip():
        return None
    entered = read_expression(text, limits=host.limits)
    analysis = Analysis(entered, model)
    value = analysis.value()
    if value.is_empty():
        raise ExpressionError("This has no vectors.")
    return Subject(entered, model, value, analysis)
