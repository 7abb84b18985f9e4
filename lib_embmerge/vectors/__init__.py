"""Numbers: embeddings, the operators on them and the statistics of token tables. Knows no text.

embedding    the value of an expression
operators    the mathematics, one pure function each
registry     operators by name
sparse_fit   a vector as a sum of few rows of a token table
vocabulary   a token table's mean, deviation, norms and nearest rows
"""
