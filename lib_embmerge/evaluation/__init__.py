"""From a tree and a text model to an embedding.

evaluate     the value of an expression, or of many together
count        how many vectors it has, without reading a table
lengths      how long a vector is beside the vocabulary's words
warnings     what is worth saying about it, in words
parts        what it reads, one by one
provenance   what it is made of, so that it can be made again
plan         a tree as a list of steps
reading      what the steps read: tokens, installed embeddings, rows
"""

from .count import count, count_all
from .evaluate import evaluate, evaluate_all
from .lengths import Length, judge_length
from .parts import ReadPart, read_parts
from .place import Source
from .provenance import Provenance, resolve
from .warnings import find_warnings

__all__ = [
    "Length",
    "Provenance",
    "ReadPart",
    "Source",
    "count",
    "count_all",
    "evaluate",
    "evaluate_all",
    "find_warnings",
    "judge_length",
    "read_parts",
    "resolve",
]
