"""The plain parts of a prompt as a WebUI would tokenize them: without weights, extra networks and keywords.

Source: A1111 modules/prompt_parser.py `parse_prompt_attention`, `re_AND`, `re_weight`, modules/extra_networks.py
`re_extra_net`.
"""

from __future__ import annotations

import re

__all__ = ["is_plain", "plain_pieces", "split_at_and", "split_at_break", "without_weight"]

EXTRA_NETWORK = re.compile(r"<(\w+):([^>]+)>")
ATTENTION = re.compile(r"\\([\\()\[\]])|:\s*[+-]?[.\d]+\s*\)|[()\[\]]|\bBREAK\b")
AND = re.compile(r"\bAND\b")
BREAK = re.compile(r"\bBREAK\b")
PROMPT_WEIGHT = re.compile(r"[-+]?(?:\d+\.?|\d*\.\d+)")


def split_at_and(prompt: str) -> list[str]:
    """Return the prompts that `AND` divides; they are encoded apart."""
    return AND.split(_without_networks(prompt))


def _without_networks(prompt: str) -> str:
    # Behind the last > is none: looking for one there takes a time that grows with the square of the text's length.
    before, end, rest = prompt.rpartition(">")
    return EXTRA_NETWORK.sub("", before + end) + rest


def without_weight(prompt: str) -> str:
    """Return one of the prompts that `AND` divides without the weight at its end, `a cat :1.2`."""
    before, colon, weight = prompt.rpartition(":")
    return before if colon and PROMPT_WEIGHT.fullmatch(weight.strip()) else prompt


def is_plain(prompt: str) -> bool:
    """Return whether a prompt is nothing but words: no weights, extra networks, keywords and escapes."""
    has_marks = "\\" in prompt or ATTENTION.search(prompt) or AND.search(prompt)
    return not has_marks and without_weight(_without_networks(prompt)) == prompt


def split_at_break(prompt: str) -> list[str]:
    """Return the texts that `BREAK` divides; each begins a new chunk."""
    return BREAK.split(prompt)


def plain_pieces(prompt: str) -> list[str]:
    """Return the texts between marks of attention, each tokenized alone; an escaped bracket is itself.

    Edge: editing and alternation, `[a:b:0.5]` and `[a|b]`, keep all their words: the longest that they can be.
    """
    pieces = [""]
    end = 0
    for mark in ATTENTION.finditer(prompt):
        pieces[-1] += prompt[end : mark.start()] + (mark[1] or "")
        if mark[1] is None:
            pieces.append("")
        end = mark.end()
    pieces[-1] += prompt[end:]
    return [piece for piece in pieces if piece.strip()]
