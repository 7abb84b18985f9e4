"""diffusers' pipelines with transformers' text encoders and tokenizers, as far as a prompt goes.

The conditioning of these models is the vectors that would enter their transformers, one row per position.
"""

import re

import torch
from modules import bpe


class CLIPTokenizer:
    """A tokenizer to which words can be added, which it finds verbatim wherever they stand; none can be taken away."""

    bos_token_id, eos_token_id = bpe.START, bpe.END
    vocab_size = bpe.SIZE
    model_max_length = 77

    def __init__(self, pad_token_id=bpe.END):
        self.pad_token_id = pad_token_id
        self.added_tokens_encoder = {}

    def __len__(self):
        return self.vocab_size + len(self.added_tokens_encoder)

    def __call__(self, text, truncation=False, add_special_tokens=True):
        if isinstance(text, list):
            return Encoded([self(one, truncation, add_special_tokens).input_ids for one in text])
        ids = [token for piece in self._pieces(text) for token in self._encode(piece)]
        return Encoded([bpe.START, *ids, bpe.END] if add_special_tokens else ids)

    def tokenize(self, text):
        return [self.convert_ids_to_tokens(i) for i in self(text, add_special_tokens=False).input_ids]

    def add_tokens(self, words):
        for word in words:
            self.added_tokens_encoder.setdefault(word, len(self))

    def get_vocab(self):
        return {**bpe.IDS, **self.added_tokens_encoder}

    def convert_tokens_to_ids(self, token):
        return self.get_vocab().get(token, bpe.END)

    def convert_ids_to_tokens(self, ids):
        spelled = [*bpe.SPELLINGS, *self.added_tokens_encoder]
        return [spelled[i] for i in ids] if isinstance(ids, list) else spelled[ids]

    def convert_tokens_to_string(self, tokens):
        return "".join(tokens).replace("</w>", " ").strip()

    def _pieces(self, text):
        added = sorted(self.added_tokens_encoder, key=len, reverse=True)
        return re.split("(" + "|".join(map(re.escape, added)) + ")", text) if added else [text]

    def _encode(self, piece):
        return [self.added_tokens_encoder[piece]] if piece in self.added_tokens_encoder else bpe.encode(piece)


class Encoded(dict):
    def __init__(self, input_ids):
        super().__init__(input_ids=input_ids)
        self.input_ids = input_ids


class CLIPTextModel(torch.nn.Module):
    """Gives the vectors that it looks up."""

    def __init__(self, table):
        super().__init__()
        self.token_embedding = table

    def get_input_embeddings(self):
        return self.token_embedding

    def resize_token_embeddings(self, size):
        old = self.token_embedding.weight.data
        added = torch.zeros(size - len(old), old.shape[1])
        self.token_embedding = torch.nn.Embedding.from_pretrained(torch.cat([old, added]))

    def forward(self, ids):
        return self.token_embedding(ids)


class T5Tokenizer:
    """Another vocabulary."""

    bos_token_id, eos_token_id = None, 1

    def get_vocab(self):
        return {"</s>": 1}

    def convert_tokens_to_ids(self, token):
        return self.get_vocab().get(token, 2)


class T5EncoderModel(torch.nn.Module):
    """Takes only text; it keeps what it was given."""

    def __init__(self):
        super().__init__()
        self.shared = torch.nn.Embedding(3, 4096, device="meta")
        self.texts = []

    def get_input_embeddings(self):
        return self.shared


class DiffusionPipeline:
    """One kind of model; `encoded` are all texts that it was given, in order."""

    def __init__(self, encoders, info):
        self.sd_checkpoint_info = info
        self.encoded = []
        self.before_encoding = bool
        self.called_with = []
        self.placed = []
        for place, (encoder, tokenizer) in encoders.items():
            suffix = f"_{place + 1}" if place else ""
            setattr(self, f"text_encoder{suffix}", encoder)
            setattr(self, f"tokenizer{suffix}", tokenizer)

    def __call__(self, prompt=None, negative_prompt=None, prompt_2=None, prompt_embeds=None, **arguments):
        self.called_with.append({"prompt": prompt, "negative_prompt": negative_prompt, "prompt_embeds": prompt_embeds})
        encoder, tokenizer = first_of(self)
        if prompt_embeds is None and isinstance(encoder, CLIPTextModel):
            texts = prompt if isinstance(prompt, list) else [prompt]
            prompt_embeds = torch.cat([encoder(torch.tensor([tokenizer(text).input_ids])) for text in texts])
        self.placed.append(prompt_embeds)
        return prompt_embeds

    def _get_t5_prompt_embeds(self, prompt, place=2):
        encoder = getattr(self, f"text_encoder_{place + 1}")
        encoder.texts.append(prompt)
        return " ".join(prompt.split())  # as its tokenizer does


class StableDiffusionPipeline(DiffusionPipeline):
    pass


class StableDiffusionXLPipeline(DiffusionPipeline):
    pass


class StableDiffusion3Pipeline(DiffusionPipeline):
    pass


class FluxPipeline(DiffusionPipeline):
    def encode_prompt(self, prompt, prompt_2):
        words = self._get_t5_prompt_embeds(prompt_2, place=1)
        ids = self.tokenizer(prompt).input_ids[:77]
        return self.text_encoder(torch.tensor([ids])), words


class QwenImagePipeline(DiffusionPipeline):
    pass


class HiDreamImagePipeline(DiffusionPipeline):
    pass


def first_of(pipe):
    """Give the first text encoder that there is; a refiner has only its second."""
    for suffix in ("", "_2"):
        encoder = getattr(pipe, "text_encoder" + suffix, None)
        if encoder is not None:
            return encoder, getattr(pipe, "tokenizer" + suffix)
    return None, None
