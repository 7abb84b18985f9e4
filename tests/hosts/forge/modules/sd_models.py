"""Checkpoints and the loaded model."""

from pathlib import Path

from modules import shared

checkpoints_list = {}


class CheckpointInfo:
    def __init__(self, filename):
        self.filename = str(filename)
        self.name = str(filename).split("checkpoints/")[-1]
        self.name_for_extra = Path(filename).stem
        self.sha256 = None
        self.title = f"{self.name} [0123456789]"

    def register(self):
        checkpoints_list[self.title] = self


class FakeInitialModel:
    """Stands for no model: it counts words."""

    def __init__(self):
        self.cond_stage_model = None
        self.chunk_length = 75

    def get_prompt_lengths_on_ui(self, prompt):
        return len(prompt.split()), self.chunk_length


class SdModelData:
    def __init__(self):
        self.sd_model = FakeInitialModel()
        self.forge_loading_parameters = {"checkpoint_info": None}
        self.forge_hash = ""

    def set_sd_model(self, model):
        self.sd_model = shared.sd_model = model


model_data = SdModelData()


def forge_loader(filename):
    """Read a checkpoint; the tests put a function here."""
    raise FileNotFoundError(filename)


def forge_model_reload():
    """Load the model that the parameters say, if it is another one."""
    current_hash = str(model_data.forge_loading_parameters)
    if model_data.forge_hash == current_hash:
        return model_data.sd_model, False
    model_data.sd_model = None
    info = model_data.forge_loading_parameters["checkpoint_info"]
    if info is None:
        raise ValueError("You do not have any model!")
    model = forge_loader(info.filename)
    model.extra_generation_params = {}
    model.sd_checkpoint_info = info
    model_data.set_sd_model(model)
    model_data.forge_hash = current_hash
    return model, True
