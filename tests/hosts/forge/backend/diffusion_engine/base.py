"""What all models have in common."""


class ForgeDiffusionEngine:
    def __init__(self):
        self.cond_stage_model = None
        self.is_sd1 = False
        self.is_sd2 = False
        self.is_sdxl = False
        self.is_sd3 = False

    def get_learned_conditioning(self, prompt):
        pass

    def get_prompt_lengths_on_ui(self, prompt):
        return 0, 75
