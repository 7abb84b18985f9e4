"""From a prompt to conditioning: AND, prompt editing, attention."""

import re
from collections import namedtuple

ScheduledPromptConditioning = namedtuple("ScheduledPromptConditioning", ["end_at_step", "cond"])


class SdConditioning(list):
    def __init__(self, prompts, is_negative_prompt=False, width=None, height=None, copy_from=None):
        super().__init__(prompts)
        source = prompts if copy_from is None else copy_from
        self.is_negative_prompt = is_negative_prompt or getattr(source, "is_negative_prompt", False)
        self.width = width or getattr(source, "width", None)
        self.height = height or getattr(source, "height", None)


class ComposableScheduledPromptConditioning:
    def __init__(self, schedules, weight=1.0):
        self.schedules = schedules
        self.weight = weight


class MulticondLearnedConditioning:
    def __init__(self, shape, batch):
        self.shape = shape
        self.batch = batch


def get_learned_conditioning_prompt_schedules(prompts, base_steps, hires_steps=None, use_old_scheduling=False):
    return [_schedule(prompt, hires_steps or base_steps) for prompt in prompts]


def get_learned_conditioning(model, prompts, steps, hires_steps=None, use_old_scheduling=False):
    res = []
    for schedule in get_learned_conditioning_prompt_schedules(prompts, steps, hires_steps, use_old_scheduling):
        texts = SdConditioning([text for _, text in schedule], copy_from=prompts)
        conds = model.get_learned_conditioning(texts)
        res.append(
            [
                ScheduledPromptConditioning(
                    end, {k: v[i] for k, v in conds.items()} if isinstance(conds, dict) else conds[i]
                )
                for i, (end, _) in enumerate(schedule)
            ]
        )
    return res


def get_multicond_prompt_list(prompts):
    flat = SdConditioning(prompts)
    flat.clear()
    indexes = []
    for prompt in prompts:
        parts = []
        for part in re.split(r"\bAND\b", prompt):
            text, weight = re.fullmatch(r"(?s)(.*?)(?:\s*:\s*([-+]?(?:\d+\.?|\d*\.\d+)))?\s*", part).groups()
            if text not in flat:
                flat.append(text)
            parts.append((flat.index(text), 1.0 if weight is None else float(weight)))
        indexes.append(parts)
    return indexes, flat, {text: i for i, text in enumerate(flat)}


def get_multicond_learned_conditioning(model, prompts, steps, hires_steps=None, use_old_scheduling=False):
    indexes, flat, _ = get_multicond_prompt_list(prompts)
    conds = get_learned_conditioning(model, flat, steps, hires_steps, use_old_scheduling)
    batch = [[ComposableScheduledPromptConditioning(conds[i], weight) for i, weight in parts] for parts in indexes]
    return MulticondLearnedConditioning(shape=(len(prompts),), batch=batch)


def _schedule(prompt, steps):
    texts = [_at_step(prompt, step, steps) for step in range(1, steps + 1)]
    return [[i + 1, text] for i, text in enumerate(texts) if i + 1 == steps or texts[i + 1] != text]


def _at_step(prompt, step, steps):
    def choose(match):
        inner = match[1]
        if "|" in inner:
            choices = inner.split("|")
            return choices[(step - 1) % len(choices)]
        edited = re.fullmatch(r"(?s)(.*?):(?:(.*):)?([\d.]+)", inner)
        if edited is None:
            return f"\x01{inner}\x02"
        before, after, when = edited.groups() if edited[2] is not None else ("", edited[1], edited[3])
        end = float(when) * steps if float(when) < 1 else float(when)
        return before if step <= end else after

    done = None
    while done != prompt:
        done, prompt = prompt, re.sub(r"(?<!\\)\[([^\[\]]*)(?<!\\)\]", choose, prompt)
    return prompt.replace("\x01", "[").replace("\x02", "]")


def parse_prompt_attention(text):
    """Give [text, weight] pairs: `(a)` 1.1, `(a:1.3)` 1.3, `[a]` 1/1.1; a lone BREAK is ["BREAK", -1]."""
    res, opened = [], []

    def multiply(start, factor):
        for entry in res[start:]:
            entry[1] *= factor

    for match in re.finditer(r"\\.|\\|\(|\[|:\s*([+-]?[.\d]+)\s*\)|\)|\]|[^\\()\[\]:]+|:", text):
        piece = match[0]
        if piece in ("(", "["):
            opened.append((piece, len(res)))
        elif match[1] is not None and opened and opened[-1][0] == "(":
            multiply(opened.pop()[1], float(match[1]))
        elif piece == ")" and opened and opened[-1][0] == "(":
            multiply(opened.pop()[1], 1.1)
        elif piece == "]" and opened and opened[-1][0] == "[":
            multiply(opened.pop()[1], 1 / 1.1)
        elif piece.startswith("\\"):
            res.append([piece[1:], 1.0])
        else:
            for number, part in enumerate(re.split(r"\s*\bBREAK\b\s*", piece)):
                if number:
                    res.append(["BREAK", -1])
                res.append([part, 1.0])
    for bracket, start in opened:
        multiply(start, 1.1 if bracket == "(" else 1 / 1.1)
    merged = []
    for entry in res or [["", 1.0]]:
        if merged and merged[-1][1] == entry[1] and entry[0] != "BREAK" != merged[-1][0]:
            merged[-1][0] += entry[0]
        else:
            merged.append(entry)
    return merged
