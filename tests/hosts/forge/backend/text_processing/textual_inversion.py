"""Embeddings: files, and an engine's database that finds their names in a prompt."""

from pathlib import Path

import safetensors.torch
import torch


class Embedding:
    def __init__(self, vec, name, step=None):
        self.vec = vec
        self.name = name
        self.step = step
        self.shape = None
        self.vectors = 0


class EmbeddingDatabase:
    def __init__(self, tokenizer, expected_shape=-1):
        self.ids_lookup = {}
        self.word_embeddings = {}
        self.skipped_embeddings = {}
        self.embedding_dirs = {}
        self.expected_shape = expected_shape
        self.tokenizer = tokenizer
        self.fixes = []

    def add_embedding_dir(self, path):
        self.embedding_dirs[path] = Path(path)

    def register_embedding(self, embedding):
        return self.register_embedding_by_name(embedding, embedding.name)

    def register_embedding_by_name(self, embedding, name):
        ids = self.tokenizer([name], truncation=False, add_special_tokens=False)["input_ids"][0]
        found = self.ids_lookup.setdefault(ids[0], [])
        if name in self.word_embeddings:
            found = [entry for entry in found if entry[1].name != name]
        self.ids_lookup[ids[0]] = sorted([*found, (ids, embedding)], key=lambda entry: len(entry[0]), reverse=True)
        self.word_embeddings[name] = embedding
        return embedding

    def load_textual_inversion_embeddings(self):
        self.ids_lookup.clear()
        self.word_embeddings.clear()
        self.skipped_embeddings.clear()
        for folder in self.embedding_dirs.values():
            for path in sorted(folder.rglob("*.safetensors")):
                self._load_file(path)

    def find_embedding_at_position(self, tokens, offset):
        for ids, embedding in self.ids_lookup.get(tokens[offset], ()):
            if tokens[offset : offset + len(ids)] == ids:
                return embedding, len(ids)
        return None, None

    def _load_file(self, path):
        data = {name: rows.to(torch.float32) for name, rows in safetensors.torch.load_file(path).items()}
        both = "clip_g" in data and "clip_l" in data
        embedding = Embedding(data if both else next(iter(data.values())), path.stem)
        embedding.vectors = next(iter(data.values())).shape[0]
        embedding.shape = sum(rows.shape[-1] for rows in data.values())
        embedding.filename = str(path)
        if self.expected_shape in (-1, embedding.shape):
            self.register_embedding(embedding)
        else:
            self.skipped_embeddings[embedding.name] = embedding
