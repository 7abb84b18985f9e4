"""Callbacks of extensions: the old style, without names and without one for the token counter."""

callback_map = {}


def _add(kind, callback):
    callback_map.setdefault(kind, []).append(callback)


def on_ui_settings(callback):
    _add("ui_settings", callback)


def on_ui_tabs(callback):
    _add("ui_tabs", callback)


def on_before_ui(callback):
    _add("before_ui", callback)


def on_infotext_pasted(callback):
    _add("infotext_pasted", callback)


def on_script_unloaded(callback):
    _add("script_unloaded", callback)


def call(kind, *args):
    for callback in callback_map.get(kind, ()):
        callback(*args)


def script_unloaded_callback():
    for callback in reversed(callback_map.get("script_unloaded", ())):
        callback()


def clear_callbacks():
    callback_map.clear()
