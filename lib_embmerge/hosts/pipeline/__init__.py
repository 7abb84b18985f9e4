"""AUTOMATIC1111's prompt pipeline, shared by most hosts: the hooks in it, the token counter, comments."""
