"""The page's one channel: what its javascript asks, as JSON, and what it gets back, as JSON.

A question is an object with `id` (a number, given back), `kind` (a key of `ASKED`) and the fields of that kind. An
answer has `id` and `kind` again and

- `slots`: HTML by the name of the element that it goes into (`data-embmerge-slot`),
- `state`: plain values for the javascript,
- `then`: the kind to ask next with the same fields, or null.

Each answer is computed from the question alone, so a late one can be dropped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

from ...errors import EmbeddingMergeError
from ...host_protocol import PageHost
from .build.nearest import answer_nearest
from .build.pictures import answer_pictures
from .build.preview import answer_follow, answer_load, answer_preview
from .build.saving import answer_name
from .build.table import answer_csv, answer_table
from .convert.loads import answer_loads
from .first_reading import answer_first_reading
from .html import draw_error
from .many.batch import answer_many
from .prompt.lines import answer_prompt_lines
from .question import Answer, Question

__all__ = ["ASKED", "answer"]

ASKED: Mapping[str, Callable[[Question, PageHost], Answer]] = MappingProxyType(
    {
        "preview": answer_preview,
        "load": answer_load,
        "follow": answer_follow,
        "nearest": answer_nearest,
        "loads": answer_loads,
        "table": answer_table,
        "csv": answer_csv,
        "pictures": answer_pictures,
        "name": answer_name,
        "prompt_lines": answer_prompt_lines,
        "many": answer_many,
    }
)
"""What can be asked, and who answers."""

OF_ALL_ROWS = ("nearest", "table", "pictures")
"""What compares with the whole vocabulary; each has a slot of its name."""


def answer(text: str, host: PageHost) -> str:
    """Answer a question in JSON; a user's mistake becomes the slot `error`."""
    question = Question(0, "")
    try:
        question = Question.read(text)
        respond = ASKED.get(question.kind)
        if respond is None:
            raise EmbeddingMergeError(f"The page asked for {question.kind!r}, which nobody answers.")
        waits = answer_first_reading(question, host) if question.kind in OF_ALL_ROWS else None
        found = respond(question, host) if waits is None else waits
    except EmbeddingMergeError as error:
        found = Answer({"error": draw_error(error)}, {"failed": True})
    content = {"id": question.id, "kind": question.kind, **vars(found)}
    return json.dumps(content)  # in ASCII: a text may hold half of a surrogate pair, which has no UTF-8
