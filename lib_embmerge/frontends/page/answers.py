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
from .build.nearest import nearest
from .build.pictures import pictures
from .build.preview import follow, load, preview
from .build.saving import name
from .build.table import csv_file, table
from .convert.loads import loads
from .html import draw_error
from .many.batch import many
from .prompt.lines import prompt_lines
from .question import Answer, Question

__all__ = ["ASKED", "answer"]

ASKED: Mapping[str, Callable[[Question, PageHost], Answer]] = MappingProxyType(
    {
        "preview": preview,
        "load": load,
        "follow": follow,
        "nearest": nearest,
        "loads": loads,
        "table": table,
        "csv": csv_file,
        "pictures": pictures,
        "name": name,
        "prompt_lines": prompt_lines,
        "many": many,
    }
)
"""What can be asked, and who answers."""


def answer(text: str, host: PageHost) -> str:
    """Answer a question in JSON; a user's mistake becomes the slot `error`."""
    question = Question(0, "")
    try:
        question = Question.read(text)
        respond = ASKED.get(question.kind)
        if respond is None:
            raise EmbeddingMergeError(f"The page asked for {question.kind!r}, which nobody answers.")
        found = respond(question, host)
    except EmbeddingMergeError as error:
        found = Answer({"error": draw_error(error)}, {"failed": True})
    content = {"id": question.id, "kind": question.kind, **vars(found)}
    return json.dumps(content)  # in ASCII: a text may hold half of a surrogate pair, which has no UTF-8
