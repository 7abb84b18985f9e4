"""One generation, as far as its conditioning."""

from modules import devices, prompt_parser, sd_hijack, shared


class StableDiffusionProcessing:
    cached_c = [None, None]  # noqa: RUF012  # the host shares them too
    cached_uc = [None, None]  # noqa: RUF012

    def __init__(self, prompt="", negative_prompt="", *, styles=(), steps=20, width=512, height=512, scripts=()):
        self.prompt = prompt
        self.negative_prompt = negative_prompt
        self.styles = styles
        self.steps = steps
        self.width = width
        self.height = height
        self.scripts = scripts
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
        old_scheduling = shared.opts.use_old_scheduling
        key = self.cached_params(required_prompts, steps, extra_network_data, hires_steps, old_scheduling)
        for cache in caches:
            if cache[0] is not None and key == cache[0]:
                return cache[1]
        cache = caches[0]
        with devices.autocast():
            cache[1] = function(shared.sd_model, required_prompts, steps, hires_steps, old_scheduling)
        cache[0] = key
        return cache[1]

    def setup_conds(self):
        positive = prompt_parser.SdConditioning(self.prompts, width=self.width, height=self.height)
        negative = prompt_parser.SdConditioning(
            self.negative_prompts, width=self.width, height=self.height, is_negative_prompt=True
        )
        learned, multicond = prompt_parser.get_learned_conditioning, prompt_parser.get_multicond_learned_conditioning
        cached_uc, cached_c = [self.cached_uc], [self.cached_c]
        self.uc = self.get_conds_with_caching(learned, negative, self.steps, cached_uc, self.extra_network_data)
        self.c = self.get_conds_with_caching(multicond, positive, self.steps, cached_c, self.extra_network_data)


def process_images(p):
    """Do what comes before sampling; give the processing, with its conditioning and the infotext's parameters."""
    hijack = sd_hijack.model_hijack
    hijack.clear_comments()
    p.setup_prompts()
    hijack.embedding_db.load_textual_inversion_embeddings()
    for script in p.scripts:
        script.process(p)
    p.prompts, p.negative_prompts = list(p.all_prompts), list(p.all_negative_prompts)
    p.setup_conds()
    p.extra_generation_params.update(hijack.extra_generation_params)
    return p
