"""Options, styles and the loaded model."""

from types import SimpleNamespace


class OptionInfo:
    def __init__(self, default=None, label="", component=None, component_args=None, section=None):
        self.default = default
        self.label = label
        self.component = component
        self.component_args = component_args
        self.section = section


class Options:
    """Values as attributes; an option that nobody has added is no attribute."""

    def __init__(self, **values):
        self.data_labels = {}
        vars(self).update(values)

    def add_option(self, key, info):
        self.data_labels[key] = info
        vars(self).setdefault(key, info.default)


class StyleDatabase:
    """Prompts by name: a `{prompt}` in them is the user's, else they are put behind it."""

    def __init__(self):
        self.styles = {}

    def apply_styles_to_prompt(self, prompt, names):
        return self._apply(prompt, [self.styles[n][0] for n in names])

    def apply_negative_styles_to_prompt(self, prompt, names):
        return self._apply(prompt, [self.styles[n][1] for n in names])

    def _apply(self, prompt, texts):
        for text in texts:
            joined = ", ".join(part for part in (prompt.strip(), text.strip()) if part)
            prompt = text.replace("{prompt}", prompt) if "{prompt}" in text else joined
        return prompt


opts = Options(
    CLIP_stop_at_last_layers=1,
    comma_padding_backtrack=20,
    emphasis="Original",
    enable_prompt_comments=True,
    include_styles_into_token_counters=True,
    sdxl_crop_left=0,
    sdxl_crop_top=0,
    textual_inversion_add_hashes_to_infotext=True,
    use_old_scheduling=False,
)
cmd_opts = SimpleNamespace(embeddings_dir=None)
prompt_styles = StyleDatabase()
sd_model = None
