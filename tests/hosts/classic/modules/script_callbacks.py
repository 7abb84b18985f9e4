"""Callbacks of extensions, in the older form: without names."""

from modules.common import script_callbacks as common
from modules.common.script_callbacks import *  # noqa: F403


def on_ui_settings(callback):
    common.on_ui_settings(callback)


def on_ui_tabs(callback):
    common.on_ui_tabs(callback)


def on_before_ui(callback):
    common.on_before_ui(callback)


def on_before_token_counter(callback):
    common.on_before_token_counter(callback)


def on_infotext_pasted(callback):
    common.on_infotext_pasted(callback)


def on_script_unloaded(callback):
    common.on_script_unloaded(callback)
