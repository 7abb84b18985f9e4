"""embmerge as a pack of nodes for ComfyUI, which imports this file; a WebUI runs `scripts/` instead."""

import importlib.util

if importlib.util.find_spec("folder_paths") is not None:  # without ComfyUI this is the folder of a project
    if importlib.util.find_spec("lark") is None:
        raise ImportError("embmerge needs lark: python -m pip install lark")

    from .lib_embmerge.frontends.nodes.lines import answer_line
    from .lib_embmerge.frontends.nodes.nodes import DISPLAY_NAMES, make_nodes
    from .lib_embmerge.hosts.comfyui.adapter import ComfyUI

    host = ComfyUI()
    host.start({"line": lambda question: answer_line(question, host)})

    NODE_CLASS_MAPPINGS = make_nodes(host)
    NODE_DISPLAY_NAME_MAPPINGS = DISPLAY_NAMES
    WEB_DIRECTORY = "./web"
