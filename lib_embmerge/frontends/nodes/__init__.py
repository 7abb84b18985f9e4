"""Nodes of ComfyUI, and what its page asks while one types; the host is handed in."""
