"""One generation: comments are always cut, and the cache keeps the infotext's parameters beside the conditioning."""

import re

from modules import devices, sd_hijack, shared
from modules.common import processing as common


class StableDiffusionProcessing(common.StableDiffusionProcessing):
    cached_c = [None, None, None]  # noqa: RUF012  # the host shares them too
    cached_uc = [None, None, None]  # noqa: RUF012

    def setup_prompts(self):
        super().setup_prompts()
        self.all_prompts[:] = map(strip_comments, self.all_prompts)
        self.all_negative_prompts[:] = map(strip_comments, self.all_negative_prompts)

    def get_conds_with_caching(self, function, required_prompts, steps, caches, extra_network_data, hires_steps=None):
        old_scheduling = shared.opts.use_old_scheduling
        key = self.cached_params(required_prompts, steps, extra_network_data, hires_steps, old_scheduling)
        for cache in caches:
            if cache[0] is not None and key == cache[0]:
                sd_hijack.model_hijack.extra_generation_params.update(cache[2])
                return cache[1]
        cache = caches[0]
        with devices.autocast():
            cache[1] = function(shared.sd_model, required_prompts, steps, hires_steps, old_scheduling)
            cache[2] = sd_hijack.model_hijack.extra_generation_params
        cache[0] = key
        return cache[1]


def strip_comments(text):
    text = re.sub(r"^/\*.*?\*/(\n|$)", "\n", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"#.*(\n|$)", "\n", text)
    text = re.sub(r"//.*(\n|$)", "\n", text)
    return re.sub(r"(/\*.*(\n|$))|(\*/.*(\n|$))", "\n", text)


process_images = common.process_images
