"""What an expression or an embedding is, in figures: dataclasses of plain values, for `dataclasses.asdict` and JSON.

tokens       the tokens of quoted texts, per encoder
statistics   rows of norms and moments, of what is read by part or token, of what results by vector
neighbours   the vocabulary's words nearest to each vector
compare      how far two embeddings are from each other
explain      each vector as a sum of words, and what is left
"""

from .compare import Difference, measure_differences, measure_similarity
from .explain import ExplainedVector, WeightedWord, explain, join_explained, write_words
from .neighbours import Neighbour, find_neighbours, group_by_vector
from .statistics import By, NormDistribution, RowStatistics, measure_embedding, measure_norms, measure_parts
from .tokens import ReadThing, ShownToken, list_tokens, word_test

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

    "explain",
    "find_neighbours",
    "group_by_vector",
    "join_explained",
    "list_tokens",
    "measure_differences",
    "measure_embedding",
    "measure_norms",
    "measure_parts",
    "measure_similarity",
    "word_test",
    "write_words",
]
