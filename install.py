"""Run by a WebUI before the extension loads: install the one package that it may lack.

A lark that is there stays as it is, whatever its version, so that the host's own pins hold.
"""

import launch

if not launch.is_installed("lark"):
    launch.run_pip("install lark", "lark, for Embedding Merge")
