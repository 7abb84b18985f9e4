"""The kinds of models; each stands in a file of its own in the host."""

import torch
from backend.diffusion_engine.base import ForgeDiffusionEngine
from modules.shared import opts


class Observed(ForgeDiffusionEngine):
    """Lets the tests see what a model is given, and act before it is encoded."""

    def __init__(self):
        super().__init__()
        self.encoded = []
        self.before_encoding = bool

    def note(self, prompt):
        self.encoded += prompt
        self.before_encoding()


class StableDiffusion(Observed):
    def __init__(self, engines):
        super().__init__()
        (self.text_processing_engine,) = engines
        self.is_sd1 = True

    def get_learned_conditioning(self, prompt):
        self.note(prompt)
        return self.text_processing_engine(prompt)

    def get_prompt_lengths_on_ui(self, prompt):
        return _lengths(self.text_processing_engine, prompt)


class StableDiffusion2(StableDiffusion):
    def get_prompt_lengths_on_ui(self, prompt):
        return _lengths(self.text_processing_engine, prompt)


class StableDiffusionXL(Observed):
    def __init__(self, engines):
        super().__init__()
        self.text_processing_engine_l, self.text_processing_engine_g = engines
        self.is_sdxl = True

    def get_learned_conditioning(self, prompt):
        self.note(prompt)
        crossattn = torch.cat([self.text_processing_engine_l(prompt), self.text_processing_engine_g(prompt)], dim=2)
        return {"crossattn": crossattn, "vector": _sizes(prompt)}

    def get_prompt_lengths_on_ui(self, prompt):
        return _lengths(self.text_processing_engine_l, prompt)


class StableDiffusionXLRefiner(Observed):
    def __init__(self, engines):
        super().__init__()
        (self.text_processing_engine_g,) = engines
        self.is_sdxl = True

    def get_learned_conditioning(self, prompt):
        self.note(prompt)
        return {"crossattn": self.text_processing_engine_g(prompt), "vector": _sizes(prompt)}

    def get_prompt_lengths_on_ui(self, prompt):
        return _lengths(self.text_processing_engine_g, prompt)


class StableDiffusion3(Observed):
    def __init__(self, engines):
        super().__init__()
        self.text_processing_engine_l, self.text_processing_engine_g, self.text_processing_engine_t5 = engines
        self.is_sd3 = True

    def get_learned_conditioning(self, prompt):
        self.note(prompt)
        both = torch.cat([self.text_processing_engine_g(prompt), self.text_processing_engine_l(prompt)], dim=2)
        words = self.text_processing_engine_t5(prompt) if opts.sd3_enable_t5 else torch.zeros(len(prompt), 256, 2)
        return {"crossattn": both, "words": words}

    def get_prompt_lengths_on_ui(self, prompt):
        count = len(self.text_processing_engine_t5.tokenize([prompt])[0])
        return count, max(255, count)


class Flux(Observed):
    def __init__(self, engines):
        super().__init__()
        self.text_processing_engine_l, self.text_processing_engine_t5 = engines

    def get_learned_conditioning(self, prompt):
        self.note(prompt)
        return {"crossattn": self.text_processing_engine_l(prompt), "words": self.text_processing_engine_t5(prompt)}

    def get_prompt_lengths_on_ui(self, prompt):
        count = len(self.text_processing_engine_t5.tokenize([prompt])[0])
        return count, max(255, count)


class Chroma(Observed):
    def __init__(self, engines):
        super().__init__()
        (self.text_processing_engine_t5,) = engines

    def get_learned_conditioning(self, prompt):
        self.note(prompt)
        return self.text_processing_engine_t5(prompt)


KINDS = {
    "sd1": StableDiffusion,
    "sd2": StableDiffusion2,
    "sdxl": StableDiffusionXL,
    "refiner": StableDiffusionXLRefiner,
    "sd3": StableDiffusion3,
    "flux": Flux,
    "chroma": Chroma,
}


def _lengths(engine, prompt):
    _, count = engine.process_texts([prompt])
    return count, engine.get_target_prompt_token_count(count)


def _sizes(prompt):
    return torch.tensor([[float(prompt.height), float(prompt.width)]]).repeat(len(prompt), 1)
