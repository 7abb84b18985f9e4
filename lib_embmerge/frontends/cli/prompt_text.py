"""The plain parts of a prompt as a WebUI would tokenize them: without weights, extra networks and keywords.

Source: A1111 modules/prompt_parser.py `parse_prompt_attention`, modules/extra_networks.py `re_extra_net`.
"""

from __future__ import annotations

import re

__all__ = ["plain_pieces", "split_at_and", "split_at_break"]

EXTRA_NETWORK = re.compile(r"<(\w+):([^>]+)>")
ATTENTION = re.compile(r"\\([\\()\[\]])|:\s*[+-]?[.\d]+\s*\)|[()\[\]]|\bBREAK\b")
AND = re.compile(r"\bAND\b")
BREAK = re.compile(r"\bBREAK\b")


def split_at_and(prompt: str) -> list[str]:
    """Give the prompts that `AND` divides; they are encoded apart."""
    return AND.split(EXTRA_NETWORK.sub("", prompt))


def split_at_break(prompt: str) -> list[str]:
    """Give the texts that `BREAK` divides; each begins a new chunk."""
    return BREAK.split(prompt)


def plain_pieces(prompt: str) -> list[str]:
    """Give the texts between marks of attention, each tokenized alone; an escaped bracket is itself.

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
