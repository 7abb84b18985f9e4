"""A host's text encoders: tokenizers, token tables, and the embeddings that it has installed."""
