"""The extension inside a WebUI with A1111's callbacks: settings, infotext, pasted parameters, and what the host needs.

`WebUI.start` installs everything, `WebUI.stop` takes it out again; the script file does nothing but call them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from ...errors import UnsupportedHost, printable
from ...language.scan import holds_expression
from ...legacy import restore_prompts
from ...limits import Limits
from ...merge import MergeSettings, warn_of_strangers
from .running_host import Attachment, BracketReader, RunningHost
from .settings import LIMIT_SETTINGS, SETTINGS

__all__ = ["WebUI", "find_bracket_readers", "other_extensions_with_expressions"]

BRACKET_READERS = {"dynamic_prompting.py": BracketReader("Dynamic Prompts", "dp_parser_variant_start", "{")}
"""Other extensions that read brackets in prompts before we do, by their scripts.

Source: adieyal/sd-dynamic-prompts e8326b5e, run in A1111 1.10.1: its `process` makes `{'cat'}` into `'cat'`.
"""

SECTION = ("embmerge", "Embedding merge")
"""Ours in the settings page: its key and its title."""


class WebUI:
    """Everything that embmerge adds to one running WebUI."""

    def __init__(self, host: RunningHost, callbacks: Any) -> None:
        """Take the host's adapter and its `script_callbacks` module."""
        self.host = host
        self.callbacks = callbacks
        self.parts = host.parts(self.settings, callbacks)
        """What changes prompts and the token counter in this host."""

    def start(self) -> None:
        """Install the parts and register the callbacks; they are the host's to forget when it reloads its UI.

        Raises: UnsupportedHost where a part cannot work without which nothing does; the host is as before then.
        """
        for part in self.parts:
            self._install(part)
        self.callbacks.on_ui_settings(self.add_settings)
        self.callbacks.on_infotext_pasted(self.restore_pasted)
        self.callbacks.on_script_unloaded(self.stop)

    def _install(self, part: Attachment) -> None:
        try:
            part.install()
        except UnsupportedHost as problem:
            if not part.without:
                self.stop()
                raise
            self.host.notices.append(f"{part.without} {problem.sentence}")
            self.host.lacking += problem.places

    def stop(self) -> None:
        """Take the parts out, the last one first."""
        for part in reversed(self.parts):
            part.uninstall()

    def settings(self) -> MergeSettings:
        """Read the user's settings."""
        return MergeSettings(self.host.brackets, self.host.limits)

    def add_settings(self) -> None:
        """Add our section to the settings page."""
        shared = self.host.shared
        for key, label in SETTINGS.items():
            shared.opts.add_option(key, shared.OptionInfo(True, label, section=SECTION))
        usual = Limits()
        for key, (limit, label) in LIMIT_SETTINGS.items():
            shared.opts.add_option(key, shared.OptionInfo(getattr(usual, limit), label, section=SECTION))

    def restore_pasted(self, _infotext: str, parameters: dict[str, Any]) -> None:
        """Put the predecessor's expressions back into pasted prompts."""
        restore_prompts(parameters)

    def begin_job(self, processing: Any) -> None:
        """Write what the infotext needs beside the prompts, and warn of what expressions are not in this model."""
        if not self.host.refusal:
            self.note_emphasis(processing)
        for warning in self.find_warnings(processing):
            print(f"[embmerge] {printable(warning)}")
            if hasattr(processing, "comment"):
                processing.comment(warning)  # below its pictures

    def find_warnings(self, processing: Any) -> list[str]:
        """Return what is to be said once for a job: encoders that take only words, embeddings of another family."""
        higher = getattr(processing, "all_hr_prompts", None), getattr(processing, "all_hr_negative_prompts", None)
        typed = (processing.all_prompts, processing.all_negative_prompts, *higher)
        prompts = [prompt for some in typed for prompt in some or () if holds_expression(prompt)]
        if prompts and self.host.refusal:
            return [f"The prompt was taken as it is typed. {self.host.refusal}"]
        model = self.host.loaded_model() if prompts else None
        if model is None:
            return []
        warning = self.host.words_warning(model)
        try:
            strangers = warn_of_strangers(prompts, self.host.text_model(model), self.settings())
        except UnsupportedHost as refused:
            if refused.reads_words:
                return [refused.message]
            strangers = []  # it stops the job where the prompt is encoded
        return [*([warning] if warning else []), *strangers]

    def note_emphasis(self, processing: Any) -> None:
        """Write the kind of emphasis into the infotext where only an expression makes the prompt look weighted.

        The host writes it for brackets in the text that it encodes, where ours are gone, but reads it for brackets in
        the text that was typed. Source: A1111 1.10.1, modules/infotext_utils.py:371-376.
        """
        emphasis = getattr(self.host.shared.opts, "emphasis", "Original")  # not every host has kinds of it
        if emphasis == "Original":
            return
        prompts = [*processing.all_prompts, *processing.all_negative_prompts]
        if any(holds_expression(p) and ("(" in p or "[" in p) for p in prompts):
            processing.extra_generation_params["Emphasis"] = emphasis


def other_extensions_with_expressions(scripts_data: Sequence[Any], our_class: type) -> list[str]:
    """Return the files of loaded scripts that also take `<'…'>` in prompts: the predecessor."""
    return [
        str(data.path)
        for data in scripts_data
        if str(data.path).endswith("embedding_merge.py") and data.script_class is not our_class
    ]


def find_bracket_readers(scripts_data: Sequence[Any]) -> list[BracketReader]:
    """Return those of the loaded scripts' extensions that read brackets in prompts before we do."""
    names = dict.fromkeys(PurePath(str(data.path)).name for data in scripts_data)
    return [BRACKET_READERS[name] for name in names if name in BRACKET_READERS]
