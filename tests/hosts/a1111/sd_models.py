"""Checkpoints and the loaded model."""

from pathlib import Path
from types import SimpleNamespace

from modules import sd_hijack, shared

checkpoints_list = {}
checkpoint_aliases = {}
model_data = SimpleNamespace(sd_model=None)


class CheckpointInfo:
    def __init__(self, filename):
        self.filename = str(filename)
        self.name = str(filename).split("checkpoints/")[-1]
        self.name_for_extra = Path(filename).stem
        self.sha256 = None
        self.title = f"{self.name} [0123456789]"

    def register(self):
        checkpoints_list[self.title] = self


def load_model(model):
    """Make a model the loaded one, as after reading its file."""
    sd_hijack.model_hijack.hijack(model)
    model_data.sd_model = shared.sd_model = model
    sd_hijack.model_hijack.embedding_db.load_textual_inversion_embeddings(force_reload=True)
    return model


def reload_model_weights():
    """Load the chosen checkpoint again after an unload; the tests say which model that gives."""
    if chosen is not None:
        load_model(chosen())


chosen = None
