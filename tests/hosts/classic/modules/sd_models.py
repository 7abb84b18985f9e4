"""Checkpoints and the loaded model: one at a time, and the database is read anew for each."""

import threading
from types import SimpleNamespace

from modules import sd_hijack, shared
from modules.common.sd_models import CheckpointInfo, checkpoint_aliases, checkpoints_list
from modules_forge import forge_loader

__all__ = ["CheckpointInfo", "checkpoint_aliases", "checkpoints_list", "load_model", "model_data"]

model_data = SimpleNamespace(sd_model=None)
loading_threads = []
while_loading = bool
chosen = None


def load_model(model):
    """Make a model the loaded one, as after reading its file; the one before loses its parts and then its place."""
    loading_threads.append(threading.current_thread().name)
    before = model_data.sd_model
    if before is not None:
        if before.sd_checkpoint_info.filename == model.sd_checkpoint_info.filename:
            return before
        for part in ("cond_stage_model", "conditioner"):
            vars(before).pop(part, None)
        while_loading()
        model_data.sd_model = None
    while_loading()
    forge_loader.set_text_encoders(model)
    model_data.sd_model = shared.sd_model = model
    sd_hijack.model_hijack.embedding_db.load_textual_inversion_embeddings(force_reload=True)
    return model


def reload_model_weights():
    """Load the chosen checkpoint; the tests say which model that gives."""
    return load_model(chosen())
