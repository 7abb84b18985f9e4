"""From a text to conditioning: T5, which takes no embeddings and reads attention while it tokenizes, in its own way."""

import re

import torch
from backend.common.text_processing.t5_engine import T5Tokenizer
from modules.shared import opts


class TransformersTokenizer(T5Tokenizer):
    """The same with the end token, of one text or of several."""

    def __call__(self, texts):
        if isinstance(texts, str):
            return {"input_ids": [*self._encode(texts), 1]}
        return {"input_ids": [[*self._encode(text), 1] for text in texts]}


class SDTokenizer:
    min_length = 256

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def tokenize_with_weights(self, text, disable_weights=False):
        text = text.replace("\\)", "\0\1").replace("\\(", "\0\2")
        parts = [(text, 1.0)] if disable_weights else _token_weights(text, 1.0)
        tokens = [
            (token, weight)
            for part, weight in parts
            for token in self.tokenizer(part.replace("\0\1", ")").replace("\0\2", "("))["input_ids"][:-1]
        ]
        tokens.append((1, 1.0))
        return [tokens + [(0, 1.0)] * (self.min_length - len(tokens))]


class T5XXLEngine:
    def __init__(self, text_encoder, tokenizer):
        self.text_encoder = text_encoder
        self.tokenizer = SDTokenizer(tokenizer)

    def tokenize(self, texts):
        return self.tokenizer.tokenizer(texts)["input_ids"]

    def __call__(self, texts):
        """Give for each text (256, 2): each token and its weight."""
        zs = []
        for line in texts:
            (tokens,) = self.tokenizer.tokenize_with_weights(line, disable_weights=opts.emphasis == "None")
            zs.append(torch.tensor(tokens, dtype=torch.float64))
        return zs


def _token_weights(text, current):
    """Give (text, weight) pairs: `(a)` 1.1 times, `(a:1.3)` 1.3; no other sign means anything."""
    found = []
    depth, part = 0, ""
    for sign in text:
        if sign == "(" and depth == 0 and part:
            found.append(part)
            part = ""
        depth += (sign == "(") - (sign == ")")
        part += sign
        if sign == ")" and depth == 0:
            found.append(part)
            part = ""
    found += [part] if part else []
    pairs = []
    for part in found:
        if not (len(part) >= 2 and part[0] == "(" and part[-1] == ")"):
            pairs.append((part, current))
            continue
        inner, weight = part[1:-1], current * 1.1
        number = re.fullmatch(r"(?s)(.+):\s*([+-]?[\d.]+)\s*", inner)
        if number is not None:
            inner, weight = number[1], float(number[2])
        pairs += _token_weights(inner, weight)
    return pairs
