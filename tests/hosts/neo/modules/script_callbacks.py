"""Callbacks of extensions, and those whose caller we wrap."""

from modules.common import script_callbacks as common
from modules.common.script_callbacks import (
    BeforeTokenCounterParams,
    call,
    callback_map,
    clear_callbacks,
    on_before_token_counter,
    on_before_ui,
    on_infotext_pasted,
    on_script_unloaded,
    on_ui_settings,
    on_ui_tabs,
    script_unloaded_callback,
    ui_tabs_callback,
)

__all__ = [
    "BeforeTokenCounterParams",
    "call",
    "callback_map",
    "clear_callbacks",
    "on_before_token_counter",
    "on_before_ui",
    "on_infotext_pasted",
    "on_script_unloaded",
    "on_ui_settings",
    "on_ui_tabs",
    "script_unloaded_callback",
    "ui_tabs_callback",
]


def before_token_counter_callback(params):
    common.call("before_token_counter", params)
