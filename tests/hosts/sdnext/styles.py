"""Styles, and choices in braces."""

import re
from types import SimpleNamespace


def apply_curly_braces_to_prompt(prompt, seed=-1):
    """Choose the heaviest of `{a|b:2}`, innermost braces first; the host draws one by these weights."""
    prompt = prompt.strip()
    while found := re.search(r"\{([^{}]*)\}", prompt):
        parts = [part.rpartition(":") if ":" in part else (part, "", "1") for part in found[1].split("|")]
        chosen = max(parts, key=lambda part: float(part[2]) if re.fullmatch(r"[\d.]+", part[2]) else 1.0)
        prompt = prompt[: found.start()] + chosen[0].strip() + prompt[found.end() :]
    return prompt


def apply_styles_to_prompt(prompt, texts):
    for text in texts:
        joined = ", ".join(part for part in (prompt.strip(), text.strip()) if part)
        prompt = text.replace("{prompt}", prompt) if "{prompt}" in text else joined
    return prompt


class StyleDatabase:
    def __init__(self):
        self.styles = {}

    def apply_styles_to_prompts(self, prompts, negatives, styles, seeds):
        found = [SimpleNamespace(prompt=self.styles[name][0], negative=self.styles[name][1]) for name in styles]
        positive = [apply_styles_to_prompt(apply_curly_braces_to_prompt(t), [s.prompt for s in found]) for t in prompts]
        return positive, [
            apply_styles_to_prompt(apply_curly_braces_to_prompt(t), [s.negative for s in found]) for t in negatives
        ]
