"""The host's package of this name."""
