"""One generation: comments are cut, and the infotext's parameters come by way of `dynamic_args`."""

from backend.args import dynamic_args
from modules import sd_models, shared
from modules.common import processing as common
from modules.processing_scripts.comments import strip_comments


class StableDiffusionProcessing(common.StableDiffusionProcessing):
    cached_c = [None, None, None]  # noqa: RUF012  # the host shares them too
    cached_uc = [None, None, None]  # noqa: RUF012

    def setup_prompts(self):
        super().setup_prompts()
        self.all_prompts[:] = map(strip_comments, self.all_prompts)
        self.all_negative_prompts[:] = map(strip_comments, self.all_negative_prompts)

    def cached_params(self, required_prompts, steps, extra_network_data, hires_steps):
        return (
            required_prompts,
            steps,
            hires_steps,
            extra_network_data,
            self.width,
            self.height,
            self.distilled_cfg_scale,
            str(sd_models.model_data.forge_loading_parameters),
            shared.opts.CLIP_stop_at_last_layers,
            shared.opts.sdxl_crop_left,
            shared.opts.sdxl_crop_top,
            shared.opts.emphasis,
        )

    def get_conds_with_caching(self, function, required_prompts, steps, caches, extra_network_data, hires_steps=None):
        key = self.cached_params(required_prompts, steps, extra_network_data, hires_steps)
        for cache in caches:
            if cache[0] is not None and key == cache[0]:
                shared.sd_model.extra_generation_params.update(cache[2])
                return cache[1]
        cache = caches[0]
        cache[1] = function(shared.sd_model, required_prompts, steps, hires_steps)
        shared.sd_model.extra_generation_params.update(dynamic_args.last_extra_generation_params)
        cache[2] = dynamic_args.last_extra_generation_params.copy()
        dynamic_args.last_extra_generation_params.clear()
        cache[0] = key
        return cache[1]


process_images = common.process_images
