"""Checkpoints and the loaded model: a change of model takes the one before apart, and leaves the database as it is."""

import threading

from modules import shared
from modules.common.sd_models import CheckpointInfo, checkpoint_aliases, checkpoints_list, model_data
from modules_forge import forge_loader

__all__ = ["CheckpointInfo", "checkpoint_aliases", "checkpoints_list", "load_model", "model_data"]

model_data.loaded_sd_models = []
loading_threads = []
while_loading = bool
chosen = None


class TornDown:
    """What is left of a torch module whose dictionaries are gone."""

    def __getattr__(self, name):
        raise TypeError("argument of type 'NoneType' is not iterable")


def complete_model_teardown(model):
    vars(model).clear()
    model.__class__ = TornDown


def load_model(model):
    """Make a model the loaded one, as after reading its file."""
    loading_threads.append(threading.current_thread().name)
    kept = model_data.loaded_sd_models
    while len(kept) >= getattr(shared.opts, "sd_checkpoints_limit", 1):
        complete_model_teardown(kept.pop())
    while_loading()
    forge_loader.set_text_encoders(model)
    kept.insert(0, model)
    model_data.sd_model = shared.sd_model = model
    return model


def reload_model_weights():
    """Load the chosen checkpoint; the tests say which model that gives."""
    return load_model(chosen())
