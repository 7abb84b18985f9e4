"""All that differs between the gradio versions of the hosts: 3.41.2 (A1111), 3.43.2, 4.40.0 (Forge), and the newest.

Where a name was changed, the component's own signature decides, never a version's number.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

__all__ = [
    "event_options",
    "file_input",
    "launch",
    "on_change",
    "on_click",
    "on_load",
    "on_open",
    "on_run",
    "on_select",
    "open_page",
    "then_call",
    "then_javascript",
    "uploaded_paths",
]


def on_click(
    button: Any,
    function: Callable[..., Any] | None,
    inputs: Sequence[Any] = (),
    outputs: Sequence[Any] = (),
    *,
    javascript: str | None = None,
    at_once: bool = False,
) -> Any:
    """Call `function` on a click; `javascript` runs before it and gives its arguments.

    `at_once` goes past the queue, in which a picture may be waiting before it. No list of API routes shows the event.
    """
    return _listen(button.click, function, inputs, outputs, javascript, at_once)


def on_change(
    component: Any,
    function: Callable[..., Any],
    inputs: Sequence[Any] = (),
    outputs: Sequence[Any] = (),
    *,
    at_once: bool = False,
) -> Any:
    """Call `function` when the component's value changes."""
    return _listen(component.change, function, inputs, outputs, None, at_once)


def on_run(
    button: Any,
    function: Callable[..., Any],
    inputs: Sequence[Any] = (),
    outputs: Sequence[Any] = (),
    *,
    javascript: str | None = None,
) -> Any:
    """Call a generator on a click, and show each of its values; any number of pages may have it run at once."""
    known = inspect.signature(button.click).parameters
    options: dict[str, Any] = {"concurrency_limit": None} if "concurrency_limit" in known else {}  # since 4.0: 1
    return _listen(partial(button.click, **options), function, inputs, outputs, javascript, False)


def on_select(tab: Any, function: Callable[..., Any], outputs: Sequence[Any] = ()) -> Any:
    """Call `function` when a tab is opened, past the queue."""
    return _listen(tab.select, function, (), outputs, None, True)


def then_call(event: Any, function: Callable[..., Any], outputs: Sequence[Any]) -> None:
    """Call `function`, once, when an event's function has answered or failed."""
    for end in _ends(event):
        _listen(end, function, (), outputs, None, True)


def then_javascript(event: Any, javascript: str, inputs: Sequence[Any] = ()) -> None:
    """Run javascript with the inputs' values, once, when an event's function has answered or failed."""
    for end in _ends(event):
        _listen(end, None, inputs, (), javascript, True)


def _ends(event: Any) -> Sequence[Any]:
    """Return what to listen to for an event's end: where gradio has `failure`, `then` may leave failures out."""
    return (event.success, event.failure) if hasattr(event, "failure") else (event.then,)


def _listen(
    listener: Any,
    function: Callable[..., Any] | None,
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    javascript: str | None,
    at_once: bool,
) -> Any:
    options = event_options(listener, javascript)
    if at_once:
        options["queue"] = False
    function = _with_types(function, inputs) if function is not None else None
    return listener(function, inputs=list(inputs), outputs=list(outputs), show_progress="hidden", **options)


def _with_types(function: Callable[..., Any], inputs: Sequence[Any]) -> Callable[..., Any]:
    """Return the function for values that may be anything, as a stranger sends them: each gets its component's type."""
    readers = [_reader(component) for component in inputs]

    def read(values: Sequence[Any]) -> list[Any]:
        return [reader(value) for reader, value in zip(readers, values, strict=True)]

    if inspect.isgeneratorfunction(function):  # gradio looks whether it is one

        def generate(*values: Any) -> Iterator[Any]:
            yield from function(*read(values))

        return generate

    def call(*values: Any) -> Any:
        return function(*read(values))

    return call


def _reader(component: Any) -> Callable[[Any], Any]:
    """Return what makes a component's value of anything: what is none becomes an untouched component's."""
    if isinstance(component, gr.File):
        return _as_it_is
    if isinstance(component, gr.Checkbox):
        return _read_tick
    if isinstance(component, gr.Radio):
        return partial(_read_choice, choices=[c[-1] if isinstance(c, tuple) else c for c in component.choices])
    if isinstance(component, gr.Dropdown) and component.multiselect:
        return _read_texts
    return _read_text


def _as_it_is(value: Any) -> Any:
    return value


def _read_tick(value: Any) -> bool:
    return value is True


def _read_choice(value: Any, choices: Sequence[str]) -> str:
    return value if isinstance(value, str) and value in choices else choices[0]


def _read_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _read_texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def event_options(listener: Any, javascript: str | None) -> dict[str, Any]:
    """Return the options of an event under the names that this gradio has for them."""
    known = inspect.signature(listener).parameters
    options: dict[str, Any] = {}
    if javascript is not None:
        options["js" if "js" in known else "_js"] = javascript  # renamed in 4.0
    if "api_visibility" in known:  # since 6.0
        options["api_visibility"] = "private"
    else:
        options["api_name"] = False
    return options


def file_input(label: str, *, extensions: Sequence[str], elem_id: str, several: bool = False) -> Any:
    """Return a field for uploads, whose value `uploaded_paths` reads; without extensions it takes any file."""
    kinds = {"file_types": list(extensions) or None, "file_count": "multiple" if several else "single"}
    if "filepath" in str(inspect.signature(gr.File.__init__)):  # since 4.0, which looks where the file lies
        return gr.File(label=label, elem_id=elem_id, type="filepath", **kinds)
    # gradio 3's own way takes the path of any file that the server may read, and leaves a copy of it.
    field = gr.File(label=label, elem_id=elem_id, **kinds)
    field.preprocess = partial(_read_uploads, folder=field.DEFAULT_TEMP_DIR)
    return field


def _read_uploads(value: Any, folder: str) -> list[str]:
    """Return the paths of what was uploaded; whatever else is sent is none."""
    root = os.path.realpath(folder) + os.sep
    paths = [_uploaded_path(item) for item in (value if isinstance(value, list) else [value])]
    return [path for path in paths if path and os.path.realpath(path).startswith(root)]


def _uploaded_path(item: Any) -> str:
    """Return the path that gradio 3's page sends for a file; one that no system knows is none."""
    path = item.get("name") if isinstance(item, dict) and item.get("is_file") is True else None
    return path if isinstance(path, str) and "\0" not in path and path.isprintable() else ""


def uploaded_paths(value: Any) -> list[str]:
    """Return the paths of an upload: of none, of one file, or of several."""
    if value is None:
        return []
    files = value if isinstance(value, list) else [value]
    return [file for file in files if isinstance(file, str)]


def open_page(title: str) -> gr.Blocks:
    """Return the blocks of a page of our own, in fonts that are there: nothing is fetched from the internet."""
    options: dict[str, Any] = {"title": title, "analytics_enabled": False}
    known = inspect.signature(gr.Blocks.__init__).parameters
    if "theme" in known:  # an option of launch since 6.0
        options["theme"] = _theme()
    if "fill_width" in known:  # since 4.27; before, pages were wide by themselves
        options["fill_width"] = True
    return gr.Blocks(**options)


def on_load(page: gr.Blocks, javascript: str) -> None:
    """Run javascript when a page of our own is opened."""
    page.load(None, None, None, **event_options(page.load, javascript))


def on_open(page: gr.Blocks, function: Callable[..., Any], outputs: Sequence[Any]) -> None:
    """Call `function` when a page of our own is opened, past the queue."""
    _listen(page.load, function, (), outputs, None, True)


def launch(
    page: gr.Blocks,
    greet: Callable[[str], None],
    *,
    name: str,
    port: int | None,
    layer: Callable[..., Any],
    routes: Any,
    most_bytes: int,
) -> None:
    """Serve a page until it is interrupted; on the next free port from 7860 on where none is given.

    `greet` is called with the page's address once it can be opened. `name` is what the server listens on, `layer` an
    ASGI layer that all requests pass first, `routes` a router of FastAPI's with what is served beside the page,
    `most_bytes` the size of an upload.
    """
    # gradio 3 does one thing at a time unless it is told otherwise; 4 still has the option, but refuses it.
    is_old = "default_concurrency_limit" not in inspect.signature(page.queue).parameters
    page.queue(**({"concurrency_count": 16} if is_old else {}))
    known = inspect.signature(page.launch).parameters
    wished = {
        "theme": _theme(),
        "show_api": False,
        "footer_links": [],
        "max_file_size": most_bytes,
        "ssr_mode": False,
        "mcp_server": False,
        "enable_monitoring": False,
    }
    options = {key: value for key, value in wished.items() if key in known}
    layers = {"middleware": [Middleware(layer)]}
    started = page.launch(
        server_name=name,
        server_port=port,
        share=False,
        app_kwargs=layers,
        prevent_thread_lock=True,
        quiet=True,
        **options,
    )
    started[0].include_router(routes)
    greet(str(started[1]))
    page.block_thread()


def _theme() -> Any:
    return gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
