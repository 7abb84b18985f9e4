"""The token counter below a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .assembly import Modules
from .editing import parts_of, texts_by_step


def ui(modules: Modules) -> Mapping[str, Any]:
    """Make the module; the fact `count` asks for a text's length and limit."""

    def update_token_counter(text: str, steps: int, styles: Any, *, is_positive: bool = True) -> str:
        callbacks = modules["modules.script_callbacks"]
        params = callbacks.BeforeTokenCounterParams(text, steps, styles, is_positive)
        callbacks.call("before_token_counter", params)
        prompt = _with_styles(modules, params)
        texts = {text for part, _ in parts_of(prompt) for _, text in texts_by_step(part, params.steps)}
        lengths = [modules.facts["count"](modules, text) for text in sorted(texts)]
        count, limit = max(lengths, key=lambda found: found[0])
        return f"<span class='gr-box gr-text-input'>{count}/{limit}</span>"

    return {"update_token_counter": update_token_counter}


def _with_styles(modules: Modules, params: Any) -> str:
    shared = modules["modules.shared"]
    known = shared.prompt_styles
    apply = known.apply_styles_to_prompt if params.is_positive else known.apply_negative_styles_to_prompt
    adds = getattr(shared.opts, "include_styles_into_token_counters", True)  # ersatzForge always does
    return str(apply(params.prompt, params.styles if adds else []))
