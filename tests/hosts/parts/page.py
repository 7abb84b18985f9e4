"""What a host's page knows: options, styles, the callbacks of scripts, and the token counter."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

CALLBACKS = (
    "app_started", "before_reload", "before_token_counter", "before_ui", "infotext_pasted", "model_loaded",
    "script_unloaded", "ui_settings", "ui_tabs",
)  # fmt: skip


class OptionInfo:
    """An option's default, its label, and where it stands in the settings."""

    def __init__(self, default: Any = None, label: str = "", *_: Any, section: Any = None, **__: Any) -> None:
        self.default = default
        self.label = label
        self.section = section


class Options(SimpleNamespace):
    """The settings: each an attribute, added ones with their descriptions in `data_labels`."""

    def __init__(self, **values: Any) -> None:
        super().__init__(data_labels={}, **values)

    def add_option(self, key: str, info: OptionInfo) -> None:
        self.data_labels[key] = info
        if not hasattr(self, key):
            setattr(self, key, info.default)


class Styles:
    """Texts that are put around prompts, by the style's name: for the prompt and for the negative one."""

    def __init__(self) -> None:
        self.styles: dict[str, tuple[str, str]] = {}

    def apply_styles_to_prompt(self, prompt: str, names: Sequence[str]) -> str:
        return self._applied(prompt, names, 0)

    def apply_negative_styles_to_prompt(self, prompt: str, names: Sequence[str]) -> str:
        return self._applied(prompt, names, 1)

    def _applied(self, prompt: str, names: Sequence[str], which: int) -> str:
        for style in (self.styles[name][which] for name in names):
            has_place = "{prompt}" in style
            prompt = style.replace("{prompt}", prompt) if has_place else ", ".join(filter(None, (prompt, style)))
        return prompt


class Callbacks:
    """The callbacks of scripts; some hosts take a name with each."""

    def __init__(self, *, takes_names: bool, lacking: Sequence[str] = ()) -> None:
        self.takes_names = takes_names
        self.kinds = [kind for kind in CALLBACKS if kind not in lacking]
        self.registered: list[tuple[str, Callable[..., Any]]] = []

    def attributes(self) -> dict[str, Any]:
        """Give what the host's module has."""
        return {
            **{f"on_{kind}": self._registrar(kind) for kind in self.kinds},
            "call": self.call,
            "clear_callbacks": self.registered.clear,
            "script_unloaded_callback": lambda: self.call("script_unloaded", backwards=True),
            "ui_tabs_callback": lambda: [tab for tabs in self.call("ui_tabs") for tab in tabs or []],
            "BeforeTokenCounterParams": BeforeTokenCounterParams,
        }

    def call(self, wanted: str, *args: Any, backwards: bool = False) -> list[Any]:
        """Call all of a kind, as the host does: what one raises is printed."""
        found = [callback for kind, callback in self.registered if kind == wanted]
        results = []
        for callback in reversed(found) if backwards else found:
            try:
                results.append(callback(*args))
            except Exception:  # noqa: BLE001 (as the hosts do)
                traceback.print_exc()
        return results

    def _registrar(self, kind: str) -> Callable[..., None]:
        def register(callback: Callable[..., Any]) -> None:
            self.registered.append((kind, callback))

        def register_with_name(callback: Callable[..., Any], *, name: str | None = None) -> None:
            register(callback)

        return register_with_name if self.takes_names else register


@dataclass
class BeforeTokenCounterParams:
    """What is going to be counted; extensions change it."""

    prompt: str
    steps: int
    styles: list[str]
    is_positive: bool = True


def without(comments: Sequence[str], prompt: str) -> str:
    """Cut what a host takes for comments out of a prompt."""
    for comment in comments:
        prompt = re.sub(comment, "", prompt, flags=re.DOTALL | re.MULTILINE)
    return prompt
