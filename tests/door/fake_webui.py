"""A program of gradio's with a login and our tab among others, as a WebUI with `--gradio-auth` is one."""

from __future__ import annotations

import argparse
from pathlib import Path

import gradio as gr

from lib_embmerge.frontends.app.host import AppHost
from lib_embmerge.frontends.tab import build_tab

LOGIN = ("somebody", "secret word")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--embeddings", type=Path)
    options = parser.parse_args()
    tab = build_tab(AppHost(None, options.embeddings, None))
    with gr.Blocks(analytics_enabled=False) as page, gr.Tabs():
        with gr.Tab("txt2img"):
            gr.Textbox()
        with gr.Tab("Save embedding"):
            tab.render()
    page.queue()
    page.launch(server_name="127.0.0.1", server_port=options.port, auth=LOGIN)


if __name__ == "__main__":
    main()
