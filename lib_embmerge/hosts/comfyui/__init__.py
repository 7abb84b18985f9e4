"""ComfyUI: its CLIP objects, its folders and its server."""
