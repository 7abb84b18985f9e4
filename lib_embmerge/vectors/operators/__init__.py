"""The mathematics of the language, one short pure function each, registered by name.

arithmetic   sums, scaling, blends of two or more embeddings
sequence     which vectors there are and in which order
geometry     lengths, directions and spans
vocabulary   what looks at the whole token table
"""

from ..registry import OPERATORS, seal
from . import arithmetic, geometry, sequence, vocabulary

__all__ = ["OPERATORS", "arithmetic", "geometry", "sequence", "vocabulary"]

seal()
