"""Callbacks of extensions, and those whose caller we wrap."""

from modules.common import script_callbacks as common
from modules.common.script_callbacks import *  # noqa: F403


def before_token_counter_callback(params):
    common.call("before_token_counter", params)
