"""The kinds of models: those with T5 count one text."""

from backend.common.diffusion_engine import models as common
from backend.common.diffusion_engine.models import StableDiffusion, StableDiffusionXL, StableDiffusionXLRefiner

__all__ = ["KINDS", "StableDiffusion", "StableDiffusionXL", "StableDiffusionXLRefiner"]


class Flux(common.Flux):
    def get_prompt_lengths_on_ui(self, prompt):
        count = len(self.text_processing_engine_t5.tokenize(prompt))
        return count, max(255, count)


class Chroma(common.Chroma):
    def get_prompt_lengths_on_ui(self, prompt):
        count = len(self.text_processing_engine_t5.tokenize(prompt))
        return count, max(255, count)


KINDS = {**common.KINDS, "flux": Flux, "chroma": Chroma}
