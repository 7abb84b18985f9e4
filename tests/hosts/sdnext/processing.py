"""One generation, as far as its conditioning."""

import re

from modules import processing_diffusers, shared, styles

shared.prompt_styles = styles.StyleDatabase()


class StableDiffusionProcessing:
    def __init__(self, prompt="", negative_prompt="", *, styles=(), steps=20, scripts=(), batch=1, **more):
        self.prompt = prompt
        self.negative_prompt = negative_prompt
        self.styles = list(styles)
        self.steps = steps
        self.batch_size = batch
        self.scripts = scripts
        self.task_args = {}
        self.refiner_prompt = ""
        self.enable_hr = False
        self.sd_refiner = None
        self.prompt_attention = None
        self.extra_generation_params = {}
        self.comments = {}
        vars(self).update(more)

    def comment(self, text):
        self.comments[text] = 1


def process_images(p):
    """Make a picture; give the processing, with its conditioning and the infotext's parameters."""
    p.all_prompts, p.all_negative_prompts = shared.prompt_styles.apply_styles_to_prompts(
        [p.prompt] * p.batch_size, [p.negative_prompt] * p.batch_size, p.styles, [1]
    )
    for script in p.scripts:
        script.process(p)
    p.prompts = [re.sub(r"<(\w+):([^>]+)>", "", prompt) for prompt in p.all_prompts]
    p.negative_prompts = list(p.all_negative_prompts)
    p.output = processing_diffusers.process_diffusers(p)
    p.c = p.embedder and p.embedder.prompt_embeds
    used = shared.sd_model.embedding_db.embeddings_used
    if used:
        p.extra_generation_params["Embeddings"] = ", ".join(used)
    return p
