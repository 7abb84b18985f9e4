"""Checkpoints, embeddings and tokenizers as files: read by rows, written in one go, judged before publishing.

Read in this order: safetensors_reader (the one file format), tokenizers, checkpoint_files (token tables),
recognition (what a file is), stored, pickles and pictures (what is in it), layouts (which of that is an embedding),
reading and writing, installed_embeddings (a folder as a WebUI sees it); then names, modelspec, convert and
what convert makes of them. Importing a module reads no file.
"""
