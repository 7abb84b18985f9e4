"""From a text to conditioning: T5, which takes no embeddings."""

import re
import zlib

import torch
from modules.prompt_parser import parse_prompt_attention

BLANK = 3


class T5Tokenizer:
    """Stands for T5's: words and signs, any blanks one; a sign behind a blank has a token for the blank before it."""

    def __call__(self, texts, truncation=False, add_special_tokens=False):
        return {"input_ids": [self._encode(text) for text in texts]}

    def _encode(self, text):
        tokens = []
        for blank, part in re.findall(r"(\s*)(\w+|[^\w\s])", text):
            if blank and not part.isalnum():
                tokens.append(BLANK)
            tokens.append(zlib.crc32(part.encode()))
        return tokens


class PromptChunk:
    def __init__(self):
        self.tokens = []
        self.multipliers = []


class T5TextProcessingEngine:
    min_length = 256

    def __init__(self, text_encoder, tokenizer):
        self.text_encoder = text_encoder
        self.tokenizer = tokenizer
        self.id_end = 1
        self.id_pad = 0

    def tokenize(self, texts):
        return self.tokenizer(texts, truncation=False, add_special_tokens=False)["input_ids"]

    def tokenize_line(self, line):
        parsed = parse_prompt_attention(line)
        tokenized = self.tokenize([text for text, _ in parsed])
        chunk = PromptChunk()
        for tokens, (_, weight) in zip(tokenized, parsed, strict=True):
            chunk.tokens += tokens
            chunk.multipliers += [weight] * len(tokens)
        count = len(chunk.tokens) + 1
        padding = self.min_length - count
        chunk.tokens += [self.id_end, *[self.id_pad] * padding]
        chunk.multipliers += [1.0] * (padding + 1)
        return [chunk], count

    def __call__(self, texts):
        """Give (texts, 256, 2): each token and its weight, times one another."""
        lines = []
        for line in texts:
            ((chunk,), _) = self.tokenize_line(line)
            lines.append(torch.tensor([chunk.tokens, chunk.multipliers], dtype=torch.float64).T)
        return torch.stack(lines)
