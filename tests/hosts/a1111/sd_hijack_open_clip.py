"""The text encoders of open_clip: SD 2's, and the second one of SDXL."""

import open_clip.tokenizer
import torch
from modules import sd_hijack_clip

tokenizer = open_clip.tokenizer._tokenizer


class FrozenOpenCLIPEmbedderWithCustomWords(sd_hijack_clip.FrozenCLIPEmbedderWithCustomWordsBase):
    def __init__(self, wrapped, hijack):
        super().__init__(wrapped, hijack)
        self.comma_token = tokenizer.encoder[",</w>"]
        self.id_start = tokenizer.encoder["<start_of_text>"]
        self.id_end = tokenizer.encoder["<end_of_text>"]
        self.id_pad = 0

    def tokenize(self, texts):
        return [tokenizer.encode(text) for text in texts]

    def encode_with_transformers(self, tokens):
        return self.wrapped.model.token_embedding(tokens)

    def encode_embedding_init_text(self, text, _length):
        return self.wrapped.model.token_embedding.wrapped(torch.asarray(tokenizer.encode(text)))


class FrozenOpenCLIPEmbedder2WithCustomWords(FrozenOpenCLIPEmbedderWithCustomWords):
    pass
