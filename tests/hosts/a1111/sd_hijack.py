"""What the host puts around a loaded model's text encoders."""

import torch
from modules import devices, sd_hijack_clip, sd_hijack_open_clip
from modules.textual_inversion.textual_inversion import EmbeddingDatabase


class EmbeddingsWithFixes(torch.nn.Module):
    def __init__(self, wrapped, embeddings, textual_inversion_key="clip_l"):
        super().__init__()
        self.wrapped = wrapped
        self.embeddings = embeddings
        self.textual_inversion_key = textual_inversion_key

    def forward(self, input_ids):
        batch_fixes, self.embeddings.fixes = self.embeddings.fixes, None
        rows = self.wrapped(input_ids).detach()
        for line, fixes in zip(rows, batch_fixes or [[]] * len(rows), strict=True):
            for offset, embedding in fixes:
                vec = embedding.vec[self.textual_inversion_key] if isinstance(embedding.vec, dict) else embedding.vec
                vec = devices.cond_cast_unet(vec)
                length = min(line.shape[0] - offset - 1, vec.shape[0])
                line[offset + 1 : offset + 1 + length] = vec[:length].to(line.dtype)
        return rows


class StableDiffusionModelHijack:
    def __init__(self):
        self.fixes = None
        self.clip = None
        self.extra_generation_params = {}
        self.embedding_db = EmbeddingDatabase()

    def clear_comments(self):
        self.extra_generation_params = {}

    def hijack(self, model):
        conditioner = getattr(model, "conditioner", None)
        if conditioner is None:
            if not isinstance(model.cond_stage_model, sd_hijack_clip.TextConditionalModel):
                model.cond_stage_model = self._hijacked(model.cond_stage_model)
        else:
            conditioner.embedders[:] = [self._hijacked(embedder) for embedder in conditioner.embedders]
            model.cond_stage_model = conditioner
        self.clip = model.cond_stage_model

    def undo_hijack(self, model):
        conditioner = getattr(model, "conditioner", None)
        if conditioner is None:
            model.cond_stage_model = self._bare(model.cond_stage_model)
        else:
            conditioner.embedders[:] = [self._bare(embedder) for embedder in conditioner.embedders]
            del model.cond_stage_model
        self.clip = None

    def get_prompt_lengths(self, text):
        if self.clip is None:
            return "-", "-"
        _, token_count = self.clip.process_texts([text])
        return token_count, self.clip.get_target_prompt_token_count(token_count)

    def _bare(self, embedder):
        if not isinstance(embedder, sd_hijack_clip.TextConditionalModel):
            return embedder
        bare = embedder.wrapped
        place = bare.transformer.text_model.embeddings if hasattr(bare, "transformer") else bare.model
        place.token_embedding = place.token_embedding.wrapped
        return bare

    def _hijacked(self, embedder):
        kind = type(embedder).__name__
        if kind == "FrozenCLIPEmbedder":
            place = embedder.transformer.text_model.embeddings
            place.token_embedding = EmbeddingsWithFixes(place.token_embedding, self)
            return sd_hijack_clip.FrozenCLIPEmbedderWithCustomWords(embedder, self)
        if kind == "FrozenOpenCLIPEmbedder":
            embedder.model.token_embedding = EmbeddingsWithFixes(embedder.model.token_embedding, self)
            return sd_hijack_open_clip.FrozenOpenCLIPEmbedderWithCustomWords(embedder, self)
        if kind == "FrozenOpenCLIPEmbedder2":
            embedder.model.token_embedding = EmbeddingsWithFixes(embedder.model.token_embedding, self, "clip_g")
            return sd_hijack_open_clip.FrozenOpenCLIPEmbedder2WithCustomWords(embedder, self)
        return embedder


model_hijack = StableDiffusionModelHijack()
