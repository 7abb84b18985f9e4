"""Where a model gets its text encoders."""

from types import SimpleNamespace

from modules import bpe
from modules.sd_hijack import EmbeddingsWithFixes, model_hijack
from modules_forge import forge_clip


def set_text_encoders(model):
    conditioner = getattr(model, "conditioner", None)
    if conditioner is None:
        if not hasattr(model.cond_stage_model, "tokenize_line"):
            model.cond_stage_model = _set_up(model.cond_stage_model, is_xl=False)
        return
    conditioner.embedders[:] = [_set_up(embedder, is_xl=True) for embedder in conditioner.embedders]
    texts = [embedder for embedder in conditioner.embedders if hasattr(embedder, "tokenize_line")]
    model.cond_stage_model = texts[0] if len(texts) == 1 else conditioner


def _set_up(embedder, is_xl):
    kind = type(embedder).__name__
    if kind == "FrozenCLIPEmbedder":
        _put_transformer(embedder, "clip_l")
        return (forge_clip.CLIP_SD_XL_L if is_xl else forge_clip.CLIP_SD_15_L)(embedder, model_hijack)
    if kind == "FrozenOpenCLIPEmbedder":
        _put_transformer(embedder, "clip_l")
        return forge_clip.CLIP_SD_21_H(embedder, model_hijack)
    if kind == "FrozenOpenCLIPEmbedder2":
        _put_transformer(embedder, "clip_g")
        return forge_clip.CLIP_SD_XL_G(embedder, model_hijack)
    return embedder


def _put_transformer(embedder, key):
    """Put the backend's transformer and tokenizer into what the model's configuration has made empty."""
    if hasattr(embedder, "model"):
        place = SimpleNamespace(token_embedding=embedder.model.token_embedding)
        embedder.transformer = SimpleNamespace(text_model=SimpleNamespace(embeddings=place))
        embedder.tokenizer = bpe.TransformersTokenizer()
        del embedder.model
    place = embedder.transformer.text_model.embeddings
    place.token_embedding = EmbeddingsWithFixes(place.token_embedding, model_hijack, key)
