"""The merge language: text in, tree out; no tensors, and nothing of a WebUI.

Reading order:

1. nodes.py          what a tree is made of
2. scan.py           where expressions stand in a prompt, and what takes their place
3. grammar.lark      what can be written between the brackets
4. parse.py          text to tree; with tree_builder.py, numbers.py, calls.py and kind_errors.py
5. hints.py          the sentence for a mistake
6. write.py          tree to its canonical text
7. literal_text.py   tree to words, for encoders that take no embeddings
8. quoted_text.py    what loses its meaning inside quotes
9. intended.py       what a text that is no expression was meant to be; with unquoted.py and typography.py
10. unfinished.py    whether a text is merely not written to its end

Importing this loads only the standard library; lark comes with the first `parse`.
"""

from __future__ import annotations

from .decimal_comma import find_decimal_commas
from .intended import find_intended, guess_intended
from .literal_text import literal_text
from .nodes import Apply, Argument, At, Expression, Number, Text, walk
from .parse import parse
from .quoted_text import plain_text_warnings
from .scan import (
    Brackets,
    Island,
    begins_text,
    find_islands,
    holds_expression,
    is_expression,
    make_placeholder_error,
    splice,
)
from .unfinished import close_text, is_unfinished
from .write import quote, write

__all__ = [
    "Apply",
    "Argument",
    "At",
    "Brackets",
    "Expression",
    "Island",
    "Number",
    "Text",
    "begins_text",
    "close_text",
    "find_decimal_commas",
    "find_intended",
    "find_islands",
    "guess_intended",
    "holds_expression",
    "is_expression",
    "is_unfinished",
    "literal_text",
    "make_placeholder_error",
    "parse",
    "plain_text_warnings",
    "quote",
    "splice",
    "walk",
    "write",
]
