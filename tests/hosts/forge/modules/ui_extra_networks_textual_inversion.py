"""The page's cards of embeddings, with a database of their own."""

from pathlib import Path

from modules import shared


class EmbeddingDatabase:
    def __init__(self):
        self.word_embeddings = {}

    def load_textual_inversion_embeddings(self, force_reload=False, sync_with_sd_model=True):
        if sync_with_sd_model:
            raise AttributeError("'NoneType' object has no attribute 'encode_embedding_init_text'")
        if force_reload:
            found = Path(shared.cmd_opts.embeddings_dir).rglob("*.safetensors")
            self.word_embeddings = {path.stem: str(path) for path in found}


embedding_db = EmbeddingDatabase()
