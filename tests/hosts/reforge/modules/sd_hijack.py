"""What the host puts around a loaded model's text encoders: here the loader does it."""

from modules.common.sd_hijack import EmbeddingsWithFixes as Shared
from modules.textual_inversion.textual_inversion import EmbeddingDatabase


class EmbeddingsWithFixes(Shared):
    def __init__(self, wrapped, embeddings, textual_inversion_key="clip_l"):
        super().__init__(wrapped, embeddings, textual_inversion_key)
        self.weight = wrapped.weight


class StableDiffusionModelHijack:
    fixes = None
    clip = None

    def __init__(self):
        self.extra_generation_params = {}
        self.embedding_db = EmbeddingDatabase()

    def clear_comments(self):
        self.extra_generation_params = {}

    def hijack(self, model):
        pass

    def get_prompt_lengths(self, text, cond_stage_model):
        _, token_count = cond_stage_model.process_texts([text])
        return token_count, cond_stage_model.get_target_prompt_token_count(token_count)


model_hijack = StableDiffusionModelHijack()
