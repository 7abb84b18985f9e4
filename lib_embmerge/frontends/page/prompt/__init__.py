"""Prompts with expressions in them: in the box of Build, and under a WebUI's prompt boxes."""
