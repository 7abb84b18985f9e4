"""What compares with a model's whole vocabulary waits until that was read, once; the page shows how far that is."""

from __future__ import annotations

from collections.abc import Iterator

from ...entered import is_one_expression
from ...errors import EmbeddingMergeError
from ...host_protocol import PageHost, TextModel
from .html import draw, draw_error
from .question import Answer, Question
from .source import Choice, model_for

__all__ = ["answer_first_reading", "read_vocabularies", "show_first_reading"]

STEP_S = 1.0
"""How long is read between two looks at it."""
LARGE = 100_000_000
"""Numbers in a table; CLIP's have fewer and are read in about a second, which is not worth a bar."""


def answer_first_reading(question: Question, host: PageHost) -> Answer | None:
    """Read for a moment and answer how far that is, to be asked again; None where all is read, or nothing is to be."""
    model, text = host.loaded_text_model(), question.text("text")
    if model is None or not text.strip() or not is_one_expression(text):
        return None
    drawn = next(read_vocabularies(model), None)
    return None if drawn is None else Answer(slots={question.kind: drawn}, then=question.kind)


def show_first_reading(choice: Choice, host: PageHost) -> Iterator[str]:
    """Read what a choice will be measured by, and yield HTML as often as there is news; nothing where all is read."""
    try:
        model = model_for(choice, host)
        if model is not None:
            yield from read_vocabularies(model)
    except EmbeddingMergeError as error:
        yield draw_error(error)


def read_vocabularies(model: TextModel) -> Iterator[str]:
    """Read the large vocabularies of a model, and yield a bar as often as there is news; nothing where all is read."""
    for encoder in model.encoders:
        if encoder.size * encoder.width < LARGE:
            continue
        while (share := encoder.vocabulary().read_on(STEP_S)) < 1:
            yield draw("first_reading", encoder=encoder, share=share, is_one=len(model.encoders) == 1)
