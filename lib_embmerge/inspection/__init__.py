"""What an expression or an embedding is, in figures: dataclasses of plain values, for `dataclasses.asdict` and JSON.

tokens       the tokens of quoted texts, per encoder
statistics   rows of norms and moments, of what is read by part or token, of what results by vector
neighbours   the vocabulary's words nearest to each vector
compare      how far two embeddings are from each other
explain      each vector as a sum of words, and what is left
word_sums    such sums written as expressions
"""

from .compare import Difference, measure_differences, measure_similarity
from .explain import ExplainedVector, describe_uneven, explain, explained_part, join_explained, say_left_out
from .neighbours import Neighbour, find_neighbours, group_by_vector
from .statistics import By, NormDistribution, RowStatistics, measure_embedding, measure_norms, measure_parts
from .tokens import ReadThing, ShownToken, list_tokens, word_test
from .word_sums import WeightedWord

__all__ = [
    "By",
    "Difference",
    "ExplainedVector",
    "Neighbour",
    "NormDistribution",
    "ReadThing",
    "RowStatistics",
    "ShownToken",
    "WeightedWord",
    "describe_uneven",
    "explain",
    "explained_part",
    "find_neighbours",
    "group_by_vector",
    "join_explained",
    "list_tokens",
    "measure_differences",
    "measure_embedding",
    "measure_norms",
    "measure_parts",
    "measure_similarity",
    "say_left_out",
    "word_test",
]
