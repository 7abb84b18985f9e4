"""Texts of any length that invite quadratic work, recursion or backtracking: for the tests and for the benchmark."""

from __future__ import annotations


def huge_expressions(many: int) -> dict[str, str]:
    """Give an expression of about so many characters for each name, right ones and wrong ones."""
    return {
        "a sum": "'a'+" * (many // 4) + "'a'",
        "a concatenation": "'a'" + ",1" * (many // 2),
        "a product": "'a'" + "*1" * (many // 2),
        "whole sums": "'a'" + "=*1" * (many // 3),
        "indices": "'a'" + "[0]" * (many // 3),
        "signs": "-" * many + "'a'",
        "numbers": "'a'*(" + "1+" * (many // 2) + "1)",
        "powers of nothing": "'a'*(" + "1e9*" * (many // 4) + "1)",
        "a long number": "'a'*" + "9" * many,
        "a long fraction": "'a'*0." + "9" * many,
        "a long id": "'a'," + "9" * many,
        "a long name": "x" * many + "('a')",
        "a long bare word": "x" * many,
        "many bare words": "x " * (many // 2),
        "a long text": "'" + "x" * many + "'",
        "a text of quotes": "'" * many,
        "a text of quotes, unclosed": "'" * (many + 1),
        "an unclosed text": "'" + "x" * many,
        "an unclosed text of pairs": "'" + "x''" * (many // 3),
        "texts without operators": "'a'" * 2 + " 'a'" * (many // 4),
        "blanks": " " * many,
        "blanks around": " " * many + "'a'",
        "arguments": "mean(" + "'a'," * (many // 4) + "'a')",
        "opening parentheses": "(" * many,
        "closing parentheses": ")" * many,
        "calls": "sum(" * (many // 4),
        "a path": "'a'@x" + "/x" * (many // 2),
        "checkpoints": "'a'" + "@x-" * (many // 3),
        "curly quotes": "‘" * many,
    }


def huge_prompts(many: int) -> dict[str, str]:
    """Give a prompt for each name, of so many characters and up to ten times as many."""
    return {
        "opening brackets": "<" * many,
        "signs": "<-" * many,
        "parentheses": "<(" * many,
        "numbers": "<1*" * many,
        "one long number expression": "<" + "1+" * many,
        "escapes": "\\<'" * many,
        "expressions": "<'a'>" * (many // 5),
        "networks": "<lora:x:1>" * (many // 10),
        "unclosed quotes": "<'" + "x''" * many,
        "one text of quotes": "<" + "'" * many,
        "words": "word, " * many,
    }


def huge_plain_texts(many: int) -> dict[str, str]:
    """Give texts that look like other extensions' syntax which never ends."""
    return {"parentheses": "(" * many + ")" * many, "brackets": "[" * many, "networks": "<a:" * many}
