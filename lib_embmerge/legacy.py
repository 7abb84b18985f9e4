"""Pictures made with the predecessor: its placeholders back to the expressions that they stood for.

Its infotext holds `<'EM_1'>` in the prompts and, under the key `EmbeddingMerge`, what each of them was:
`<'EM_1'>=<'cat'+'dog'>, {'EM_2'}={'red'*0.5}`.
Source: klimaleksus/stable-diffusion-webui-embedding-merge, scripts/embedding_merge.py:1606.
"""

from __future__ import annotations

import json
import re
from collections.abc import MutableMapping

from .errors import ExpressionError
from .language.scan import Brackets, find_islands

__all__ = ["INFOTEXT_KEY", "read_predecessor_expressions", "restore_prompts"]

INFOTEXT_KEY = "EmbeddingMerge"
PROMPT_KEYS = ("Prompt", "Negative prompt", "Hires prompt", "Hires negative prompt")
ENTRY = re.compile(r"""\s*,?\s*(<'EM_\d+'>|\{'EM_\d+'\})=""")


def restore_prompts(parameters: MutableMapping[str, object]) -> None:
    """Put the expressions back into the prompts of pasted parameters and drop the predecessor's key.

    Parameters without the key are left as they are.
    """
    recorded = parameters.pop(INFOTEXT_KEY, None)
    if not isinstance(recorded, str):
        return
    expressions = read_predecessor_expressions(recorded)
    for key in PROMPT_KEYS:
        prompt = parameters.get(key)
        if isinstance(prompt, str):
            for placeholder, expression in expressions.items():
                prompt = prompt.replace(placeholder, expression)
            parameters[key] = prompt


def read_predecessor_expressions(recorded: str) -> dict[str, str]:
    """Read the value of `EmbeddingMerge`: what each placeholder stood for, brackets included."""
    text = _unquoted(recorded)
    expressions = {}
    entry = ENTRY.match(text)
    while entry is not None:
        length = _length_of_expression(text[entry.end() :])
        if length == 0:
            break
        expressions[entry.group(1)] = text[entry.end() : entry.end() + length]
        entry = ENTRY.match(text, entry.end() + length)
    return expressions


def _unquoted(recorded: str) -> str:
    if not recorded.startswith('"'):
        return recorded
    try:
        return str(json.loads(recorded))
    except ValueError:
        return recorded.strip('"')


def _length_of_expression(text: str) -> int:
    """Measure the bracketed expression at the start of a text; 0 where none stands there."""
    try:
        first = next(iter(find_islands(text, Brackets.BOTH)), None)
    except ExpressionError:
        first = None
    if first is not None and first.span.start == 0:
        return first.span.end
    # The predecessor took expressions that begin in ways ours leaves alone: up to the bracket outside of quotes.
    closing = {"<": ">", "{": "}"}.get(text[:1])
    inside = False
    for position, character in enumerate(text if closing else ""):
        inside ^= character == "'"
        if character == closing and not inside:
            return position + 1
    return 0
