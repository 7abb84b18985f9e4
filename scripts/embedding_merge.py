"""Wires embmerge into the WebUI. What it does stands in lib_embmerge; begin with lib_embmerge/merge.py."""

import sys

from modules import script_callbacks, scripts

for name in [name for name in sys.modules if name.split(".")[0] == "lib_embmerge"]:
    del sys.modules[name]  # "Reload UI" runs this file again: take the library's newest code with it

from lib_embmerge.errors import UnsupportedHost  # noqa: E402
from lib_embmerge.frontends.rest import serve_api  # noqa: E402
from lib_embmerge.frontends.tab import ELEM_ID, TITLE, build_tab  # noqa: E402
from lib_embmerge.hosts.detect import detect_host  # noqa: E402
from lib_embmerge.hosts.webui.extension import (  # noqa: E402
    WebUI,
    find_bracket_readers,
    other_extensions_with_expressions,
)
from lib_embmerge.hosts.webui.unserved import UnservedHost  # noqa: E402


class EmbeddingMerge(scripts.Script):
    """Our place among the host's scripts; the work is done in hooks, so that other scripts' inner passes have it."""

    def title(self):
        """Name the script among the host's."""
        return "Embedding merge"

    def show(self, is_img2img):
        """Run with every job."""
        return scripts.AlwaysVisible

    def process(self, p, *args):
        """Write what the infotext needs beside the prompts, and warn of what deserves it."""
        webui.begin_job(p)


def warn_of_neighbours():
    """Say it in the console and in the tab where another extension reads the same expressions, or their brackets."""
    webui.host.other_extensions = other_extensions_with_expressions(scripts.scripts_data, EmbeddingMerge)
    webui.host.bracket_readers = find_bracket_readers(scripts.scripts_data)
    for warning in webui.host.warnings():
        print(f"[embmerge] {warning}")
    if webui.host.lacking:
        print(f"[embmerge] Not found, or not to be extended: {', '.join(webui.host.lacking)}")


def add_routes(_page, app):
    """Answer under /embmerge/v1/ where the host's own API is on, and behind its login."""
    serve_api(app, webui.host)


def add_tab():
    """Add our tab to the host."""
    return [(build_tab(webui.host), TITLE, ELEM_ID)]


try:
    webui = WebUI(detect_host(), script_callbacks)
    webui.start()
except UnsupportedHost as problem:
    webui = WebUI(UnservedHost(problem), script_callbacks)
    webui.start()
script_callbacks.on_before_ui(warn_of_neighbours)
script_callbacks.on_app_started(add_routes)
script_callbacks.on_ui_tabs(add_tab)
