"""Options, styles and the loaded model."""

import sys
from types import ModuleType, SimpleNamespace

from modules import modeldata


class OptionInfo:
    def __init__(self, default=None, label="", component=None, component_args=None, onchange=None, section=None):
        self.default = default
        self.label = label
        self.section = section


class Options:
    """Values as attributes; an option that nobody has added is no attribute, one without a value has its default."""

    def __init__(self, **values):
        self.data_labels = {}
        vars(self).update(values)

    def add_option(self, key, info):
        self.data_labels[key] = info

    def __getattr__(self, key):
        if key in vars(self)["data_labels"]:
            return self.data_labels[key].default
        raise AttributeError(key)


class Shared(ModuleType):
    @property
    def sd_loaded(self):
        return modeldata.model_data.sd_model is not None

    @property
    def sd_model(self):
        return modeldata.model_data.sd_model


opts = Options(
    embeddings_dir=None,
    prompt_attention="native",
    prompt_mean_norm=False,
    diffusers_zeros_prompt_pad=False,
    te_pooled_embeds=False,
    sd_textencder_linebreak=True,
    sd_textencoder_cache_size=4,
)
cmd_opts = SimpleNamespace()
prompt_styles = None
state = SimpleNamespace(job_count=0)
sys.modules[__name__].__class__ = Shared
