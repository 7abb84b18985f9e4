"""Embeddings: words that are added to the tokenizers, whose vectors are added to the tables."""

from pathlib import Path

import safetensors.torch
from modules import shared


class Embedding:
    def __init__(self, vec, name, filename=None):
        self.vec = vec
        self.name = name
        self.filename = filename
        self.tokens = None


def get_text_encoders():
    text_encoders, tokenizers, sizes = [], [], []
    for suffix in ("", "_2", "_3"):
        encoder = getattr(shared.sd_model, "text_encoder" + suffix, None)
        if encoder is not None:
            text_encoders.append(encoder)
            tokenizers.append(getattr(shared.sd_model, "tokenizer" + suffix))
            sizes.append(encoder.get_input_embeddings().weight.shape[1])
    return text_encoders, tokenizers, sizes


def open_embeddings(filenames):
    found = []
    for filename in filenames:
        tensors = safetensors.torch.load_file(filename)
        found.append(Embedding([tensors[key] for key in sorted(tensors)], Path(filename).stem, filename))
    return found


def insert_vectors(embedding, tokenizers, text_encoders, sizes):
    for vectors in embedding.vec:
        place = sizes.index(vectors.shape[1])
        encoder, tokenizer = text_encoders[place], tokenizers[place]
        if len(encoder.get_input_embeddings().weight) != len(tokenizer):
            encoder.resize_token_embeddings(len(tokenizer))
        for token, vector in zip(embedding.tokens, vectors, strict=True):
            encoder.get_input_embeddings().weight.data[tokenizer.convert_tokens_to_ids(token)] = vector


class EmbeddingDatabase:
    def __init__(self):
        self.word_embeddings = {}
        self.skipped_embeddings = {}
        self.embedding_dirs = []
        self.embeddings_used = []

    def add_embedding_dir(self, path):
        self.embedding_dirs.append(path)

    def load_diffusers_embedding(self, filename=None, data=None):
        embeddings = open_embeddings(filename) if filename is not None else []
        embeddings += [Embedding(list(vectors.values()), name) for name, vectors in (data or {}).items()]
        text_encoders, tokenizers, sizes = get_text_encoders()
        for embedding in embeddings:
            widths = [vectors.shape[1] for vectors in embedding.vec]
            count = len(embedding.vec[0])
            embedding.tokens = [embedding.name if i == 0 else f"{embedding.name}_{i}" for i in range(count)]
            if not set(widths) <= set(sizes) or (len(widths) < len(sizes) and len(widths) != 2):
                embedding.tokens = []
                self.skipped_embeddings[embedding.name] = embedding
        for tokenizer in tokenizers:
            if hasattr(tokenizer, "add_tokens"):
                tokenizer.add_tokens([token for embedding in embeddings for token in embedding.tokens])
        for embedding in embeddings:
            if embedding.tokens:
                insert_vectors(embedding, tokenizers, text_encoders, sizes)
                self.word_embeddings[embedding.name] = embedding

    def load_textual_inversion_embeddings(self, force_reload=False):
        self.word_embeddings.clear()
        self.skipped_embeddings.clear()
        self.embeddings_used.clear()
        for folder in self.embedding_dirs:
            self.load_diffusers_embedding([str(path) for path in sorted(Path(folder).rglob("*.safetensors"))])
