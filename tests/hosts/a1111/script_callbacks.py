"""Callbacks of extensions."""

import dataclasses

callback_map = {}


@dataclasses.dataclass
class BeforeTokenCounterParams:
    prompt: str
    steps: int
    styles: list
    is_positive: bool = True


def _add(kind, callback):
    callback_map.setdefault(kind, []).append(callback)


def on_ui_settings(callback, *, name=None):
    _add("ui_settings", callback)


def on_ui_tabs(callback, *, name=None):
    _add("ui_tabs", callback)


def on_before_ui(callback, *, name=None):
    _add("before_ui", callback)


def on_before_token_counter(callback, *, name=None):
    _add("before_token_counter", callback)


def on_infotext_pasted(callback, *, name=None):
    _add("infotext_pasted", callback)


def on_script_unloaded(callback, *, name=None):
    _add("script_unloaded", callback)


def ui_tabs_callback():
    return [tab for callback in callback_map.get("ui_tabs", ()) for tab in callback()]


def call(kind, *args):
    for callback in callback_map.get(kind, ()):
        callback(*args)


def script_unloaded_callback():
    for callback in reversed(callback_map.get("script_unloaded", ())):
        callback()


def clear_callbacks():
    callback_map.clear()
