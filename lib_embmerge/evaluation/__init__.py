"""From a tree and a text model to an embedding.

analysis     one expression with one model: start here; the others are its parts
plan         a tree as a list of steps
reading      what the steps read: tokens, installed embeddings, rows
measure      how many vectors there are, without reading a table
compute      the value
norm_classes a norm beside those of the vocabulary's words
remarks      what is worth saying about it, in words
parts        what it reads, one by one
provenance   what it is made of, so that it can be made again
"""

from .analysis import Analysis, analyse
from .norm_classes import NormClass, class_of_norm
from .parts import ReadPart
from .provenance import Provenance
from .remarks import remark_on_norms

__all__ = ["Analysis", "NormClass", "Provenance", "ReadPart", "analyse", "class_of_norm", "remark_on_norms"]
