"""The extension inside a WebUI: its callbacks, settings, and the list of checkpoints."""
