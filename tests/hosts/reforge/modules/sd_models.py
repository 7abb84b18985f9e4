"""Checkpoints and the loaded model: a change of model leaves the database of embeddings as it is."""

import threading

from modules import shared
from modules.common.sd_models import CheckpointInfo, checkpoint_aliases, checkpoints_list, model_data
from modules_forge import forge_loader

__all__ = ["CheckpointInfo", "checkpoint_aliases", "checkpoints_list", "load_model", "model_data"]

loading_threads = []
chosen = None


def load_model(model):
    """Make a model the loaded one, as after reading its file."""
    loading_threads.append(threading.current_thread().name)
    forge_loader.set_text_encoders(model)
    model_data.sd_model = shared.sd_model = model
    return model


def reload_model_weights():
    """Load the chosen checkpoint; the tests say which model that gives."""
    return load_model(chosen())
