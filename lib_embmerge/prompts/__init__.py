"""Prompts as a WebUI reads them: their syntax, and how they fill the chunks of the text encoders."""
