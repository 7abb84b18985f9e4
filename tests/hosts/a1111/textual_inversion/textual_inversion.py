"""Embeddings: files, and the database that finds their names in a prompt."""

import hashlib
from pathlib import Path

import safetensors.torch
import torch
from modules import shared


class Embedding:
    def __init__(self, vec, name, step=None):
        self.vec = vec
        self.name = name
        self.step = step
        self.shape = None
        self.vectors = 0
        self.filename = None
        self.hash = None
        self.shorthash = None

    def set_hash(self, value):
        self.hash = value
        self.shorthash = value[:12]


class DirWithTextualInversionEmbeddings:
    def __init__(self, path):
        self.path = path
        self.mtime = None

    def has_changed(self):
        return self.mtime is None or Path(self.path).stat().st_mtime_ns > self.mtime

    def update(self):
        self.mtime = Path(self.path).stat().st_mtime_ns


class EmbeddingDatabase:
    def __init__(self):
        self.ids_lookup = {}
        self.word_embeddings = {}
        self.skipped_embeddings = {}
        self.expected_shape = -1
        self.embedding_dirs = {}

    def add_embedding_dir(self, path):
        self.embedding_dirs[path] = DirWithTextualInversionEmbeddings(path)

    def register_embedding_by_name(self, embedding, model, name):
        ids = model.cond_stage_model.tokenize([name])[0]
        found = self.ids_lookup.setdefault(ids[0], [])
        if name in self.word_embeddings:
            found = [entry for entry in found if entry[1].name != name]
        if embedding is not None:
            found = [*found, (ids, embedding)]
        self.ids_lookup[ids[0]] = sorted(found, key=lambda entry: len(entry[0]), reverse=True)
        if embedding is None:
            self.word_embeddings.pop(name, None)
            if not self.ids_lookup[ids[0]]:
                del self.ids_lookup[ids[0]]
            return None
        self.word_embeddings[name] = embedding
        return embedding

    def register_embedding(self, embedding, model):
        return self.register_embedding_by_name(embedding, model, embedding.name)

    def load_textual_inversion_embeddings(self, force_reload=False):
        if not force_reload and not any(folder.has_changed() for folder in self.embedding_dirs.values()):
            return
        self.ids_lookup.clear()
        self.word_embeddings.clear()
        self.skipped_embeddings.clear()
        self.expected_shape = shared.sd_model.cond_stage_model.encode_embedding_init_text(",", 1).shape[1]
        for folder in self.embedding_dirs.values():
            for path in sorted(Path(folder.path).rglob("*.safetensors")):
                self._load_file(path)
            folder.update()

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
        embedding.set_hash(hashlib.sha256(path.read_bytes()).hexdigest())
        if self.expected_shape in (-1, embedding.shape):
            self.register_embedding(embedding, shared.sd_model)
        else:
            self.skipped_embeddings[embedding.name] = embedding
