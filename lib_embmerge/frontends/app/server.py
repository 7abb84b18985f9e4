"""`embmerge app`: the tab alone in a page on loopback, with a choice of checkpoint and embeddings folder."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import webbrowser
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from ...errors import EmbeddingMergeError
from ..assets import read_javascript, read_style
from ..cli.report import Report
from ..gradio_compat import launch, on_change, on_click, on_load, on_open, open_page, then_javascript
from ..page.html import draw, draw_error
from ..rest import build_routes
from ..tab import TITLE, fill_tab
from .door import Door, Rules, is_loopback
from .host import DEMONSTRATION_CHOICE, AppHost
from .memory import give_large_blocks_back
from .uploads import LARGEST_UPLOAD, keep_uploads

__all__ = ["build_app", "run_app"]

CHOOSE = "choose one"
"""What the list of known checkpoints says as long as none of it is taken."""

OPENED = "() => { window.embmerge.opened(); return []; }"


def run_app(options: argparse.Namespace) -> Report:
    """Serve the page until it is interrupted.

    Raises: EmbeddingMergeError where the port cannot be taken; FileError as `AppHost.choose`.
    """
    name = _read_name(options.host)
    _check_address(name, options.port)
    embeddings = options.embeddings or Path("embeddings")
    host = AppHost(options.checkpoint, embeddings, options.checkpoints, options.limits, options.tokenizer)
    give_large_blocks_back()
    signal.signal(signal.SIGTERM, _stop)
    if not is_loopback(name):
        print(f"Everybody who reaches {name} can read and write in the folders that are opened here.", file=sys.stderr)
    with keep_uploads() as uploads:
        layer = partial(Door, rules=Rules(name), uploads=uploads)
        page = build_app(host)
        routes = build_routes(host)
        greet = partial(_greet, host, opens_browser=not options.no_browser)
        launch(page, greet, name=name, port=options.port, layer=layer, routes=routes, most_bytes=LARGEST_UPLOAD)
    return Report({}, [])


def _greet(host: AppHost, url: str, *, opens_browser: bool) -> None:
    """Say where the page is, what it works with and where its files go; and open it in the browser."""
    print(f"The page is at {url} (Ctrl-C ends it).")
    if host.model.is_demonstration:
        print("Using the demonstration encoder, for trying only: word vectors of GloVe, not CLIP's.")
        print("For files to use choose a checkpoint in the page, or start with --checkpoint FILE.")
    else:
        print(f"Using {host.model.title} ({', '.join(encoder.name for encoder in host.model.encoders)}).")
    print(f"Files go to {host.embeddings_folder}", flush=True)
    if opens_browser and _has_screen():
        webbrowser.open(url)


def _has_screen() -> bool:
    """Return whether a browser could show anything: elsewhere one may open in the terminal, and take it over."""
    if os.name != "posix" or sys.platform == "darwin":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _stop(*_signal: object) -> None:
    """End the program as Ctrl-C does, so that what it keeps in files is removed."""
    raise KeyboardInterrupt


def _read_name(wished: str | None) -> str:
    """Return what to listen on: the name that was asked for, without the brackets around a number."""
    return (wished or "127.0.0.1").strip("[]").lower()


def _check_address(name: str, port: int | None) -> None:
    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name == "posix":  # as the server does: connections that have just ended do not count
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((name, port or 0))
        except (OSError, UnicodeError) as error:
            if port is None or isinstance(error, (socket.gaierror, UnicodeError)):
                raise EmbeddingMergeError(
                    f"This machine has no address {name}.", suggestion="Give a name or number of its own with --host."
                ) from error
            raise EmbeddingMergeError(
                f"Port {port} cannot be taken: {(error.strerror or str(error)).lower()}.",
                suggestion="Give another one with --port, or none for the next that is free.",
            ) from error


def build_app(host: AppHost) -> gr.Blocks:
    """Return the page."""
    page = open_page(f"{TITLE} · embmerge")
    with page:
        gr.HTML(f"<style>{read_style()}</style>", elem_classes=["embmerge-hidden"])
        gr.HTML(draw("welcome"), elem_id="embmerge_welcome")
        said = _build_choice(host)
        fill_tab(host)
        on_open(page, lambda: _draw_opened(host), [said])  # another page may have opened another checkpoint
        on_load(page, read_javascript())
    return page


def _build_choice(host: AppHost) -> Any:
    """Make the line that says what is in use, and the row behind its button; return the line's place."""
    said = gr.HTML(_draw_opened(host), elem_id="embmerge_opened")
    # The javascript shows it where somebody wants a change.
    with gr.Row(elem_id="embmerge_choice", elem_classes=["embmerge-page"]):
        # Not one list that takes other texts as well: gradio 3 loses them now and then for an item of the list.
        checkpoint = gr.Textbox(
            DEMONSTRATION_CHOICE if host.checkpoint is None else str(host.checkpoint),
            label="Checkpoint: a file or diffusers folder",
            max_lines=1,
            elem_id="embmerge_checkpoint",
            scale=4,
        )
        known = gr.Dropdown(
            [CHOOSE, DEMONSTRATION_CHOICE, *map(str, host.checkpoint_files())],
            value=CHOOSE,
            label="Known checkpoints",
            elem_id="embmerge_known",
            scale=2,
        )
        folder = gr.Textbox(
            str(host.embeddings_folder),
            label="Embeddings folder",
            max_lines=1,
            elem_id="embmerge_embeddings",
            scale=4,
        )
        button = gr.Button("Open", elem_id="embmerge_open", scale=1, min_width=100)

    def choose(
        path: str | None, place: str
    ) -> Iterator[str]:  # gradio looks whether the function itself is a generator
        yield from _choose(host, path, place)

    def take(chosen: str | None) -> tuple[Any, Any]:
        # The list goes back to its first line, so that the same item can be taken twice.
        return (gr.update(), gr.update()) if chosen in (None, "", CHOOSE) else (chosen, CHOOSE)

    on_change(known, take, [known], [checkpoint, known], at_once=True)
    opened = on_click(button, choose, [checkpoint, folder], [said])
    then_javascript(opened, OPENED)
    return said


def _choose(host: AppHost, checkpoint: str | None, folder: str) -> Iterator[str]:
    """Open what was chosen, and say how far that is: the tables of a large model take a second."""
    try:
        host.choose_named(checkpoint or "", folder)
        encoders = host.model.encoders
        for number, name in enumerate(host.read_tables(), start=1):
            yield _draw_opened(host, reading=f"Reading the table of {name} ({number} of {len(encoders)})…")
        yield _draw_opened(host)
    except EmbeddingMergeError as error:
        yield _draw_opened(host, error=draw_error(error))


def _draw_opened(host: AppHost, *, reading: str = "", error: str = "") -> str:
    """Draw what is in use, whatever came of opening another."""
    return draw("opened", model=host.model, folder=host.embeddings_folder, reading=reading, error=error)
