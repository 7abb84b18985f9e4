"""Textual-inversion embeddings out of words, with no training.

A person writes `<'cat' - 'adult' + 'child'>` in a prompt, and the picture is made with that vector. Reading order:

1. merge.py          a prompt with expressions becomes a prompt with placeholders that hold their vectors
2. operations.py     every operator and function of the language, as one table
3. language/         text to tree; no tensors
4. vectors/          the mathematics; no text
5. evaluation/       an expression and a model: the value, the count, the remarks; `Analysis` answers all
6. host_protocol.py  all that is asked of the outside
7. files/            checkpoints, embedding files, tokenizers, where a file will load
8. saving.py         an expression becomes a file that knows what it was made of
9. hosts/            each WebUI's inside, in one module each
10. frontends/       the command line, the tab "Save embedding" and the app

A module imports only what stands on a lower level; CONTRIBUTING.md has the table.
"""

from .version import __version__

__all__ = ["__version__"]
