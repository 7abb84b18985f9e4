"""One generation, as far as its conditioning."""

import torch
from modules import prompt_parser, sd_models, shared


class StableDiffusionProcessing:
    cached_c = [None, None, None]  # noqa: RUF012  # the host shares them too
    cached_uc = [None, None, None]  # noqa: RUF012

    def __init__(self, prompt="", negative_prompt="", *, styles=(), steps=20, width=512, height=512, scripts=()):
        self.prompt = prompt
        self.negative_prompt = negative_prompt
        self.styles = styles
        self.steps = steps
        self.width = width
        self.height = height
        self.scripts = scripts
        self.cfg_scale = 7
        self.distilled_cfg_scale = 3.5
        self.comments = {}
        self.extra_generation_params = {}
        self.extra_network_data = None
        self.c = self.uc = None

    def comment(self, text):
        self.comments[text] = 1

    def setup_prompts(self):
        styles = shared.prompt_styles
        self.all_prompts = [styles.apply_styles_to_prompt(self.prompt, self.styles)]
        self.all_negative_prompts = [styles.apply_negative_styles_to_prompt(self.negative_prompt, self.styles)]

    def cached_params(self, required_prompts, steps, extra_network_data, hires_steps=None, use_old_scheduling=False):
        return (
            required_prompts,
            self.distilled_cfg_scale,
            steps,
            hires_steps,
            use_old_scheduling,
            shared.opts.CLIP_stop_at_last_layers,
            shared.sd_model.sd_checkpoint_info,
            extra_network_data,
            self.width,
            self.height,
            shared.opts.emphasis,
        )

    def get_conds_with_caching(self, function, required_prompts, steps, caches, extra_network_data, hires_steps=None):
        from backend.text_processing import classic_engine as engine

        old_scheduling = shared.opts.use_old_scheduling
        key = self.cached_params(required_prompts, steps, extra_network_data, hires_steps, old_scheduling)
        for cache in caches:
            if cache[0] is not None and key == cache[0]:
                shared.sd_model.extra_generation_params.update(cache[2])
                return cache[1]
        cache = caches[0]
        cache[1] = function(shared.sd_model, required_prompts, steps, hires_steps, old_scheduling)
        cache[2] = engine.last_extra_generation_params.copy()
        shared.sd_model.extra_generation_params.update(cache[2])
        engine.last_extra_generation_params = {}
        cache[0] = key
        return cache[1]

    def setup_conds(self):
        more = {"width": self.width, "height": self.height}
        positive = prompt_parser.SdConditioning(self.prompts, **more)
        negative = prompt_parser.SdConditioning(self.negative_prompts, is_negative_prompt=True, **more)
        learned, multicond = prompt_parser.get_learned_conditioning, prompt_parser.get_multicond_learned_conditioning
        cached_uc, cached_c = [self.cached_uc], [self.cached_c]
        if self.cfg_scale != 1:
            self.uc = self.get_conds_with_caching(learned, negative, self.steps, cached_uc, self.extra_network_data)
        self.c = self.get_conds_with_caching(multicond, positive, self.steps, cached_c, self.extra_network_data)


@torch.inference_mode()
def process_images(p):
    """Do what comes before sampling; give the processing, with its conditioning and the infotext's parameters."""
    sd_models.forge_model_reload()
    shared.sd_model.extra_generation_params = {}
    p.setup_prompts()
    for script in p.scripts:
        script.process(p)
    p.prompts, p.negative_prompts = list(p.all_prompts), list(p.all_negative_prompts)
    p.setup_conds()
    p.extra_generation_params.update(shared.sd_model.extra_generation_params)
    return p
