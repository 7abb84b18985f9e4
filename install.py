"""Run by a WebUI before the extension loads, and by ComfyUI's manager: install the one package that may be missing.

A lark that is there stays as it is, whatever its version, so that the host's own pins hold.
"""

import importlib.util
import subprocess
import sys

if importlib.util.find_spec("launch") is not None and importlib.util.find_spec("modules") is not None:
    import launch

    if not launch.is_installed("lark"):
        launch.run_pip("install lark", "lark, for Embedding Merge")
elif importlib.util.find_spec("lark") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "lark"], check=True)
