"""Loading."""

from modules import modeldata, prompt_parser_diffusers, shared, textual_inversion

chosen = None


def load_diffuser(model):
    """Make a model the loaded one, as after reading its file."""
    modeldata.model_data.sd_model = model
    model.embedding_db = textual_inversion.EmbeddingDatabase()
    model.embedding_db.add_embedding_dir(shared.opts.embeddings_dir)
    model.embedding_db.load_textual_inversion_embeddings(force_reload=True)
    prompt_parser_diffusers.cache.clear()
    return model


def reload_model_weights(sd_model=None, info=None, op="model", force=False):
    """Load the chosen checkpoint; the tests say which model that gives."""
    return load_diffuser(chosen()) if chosen is not None else None
