"""From a prompt to conditioning: without the old scheduling, and with what the token counter takes off."""

from modules.common import prompt_parser as common
from modules.common.prompt_parser import (
    ComposableScheduledPromptConditioning,
    MulticondLearnedConditioning,
    ScheduledPromptConditioning,
    SdConditioning,
    get_multicond_prompt_list,
    parse_prompt_attention,
)

__all__ = [
    "ComposableScheduledPromptConditioning",
    "MulticondLearnedConditioning",
    "ScheduledPromptConditioning",
    "SdConditioning",
    "get_multicond_prompt_list",
    "parse_prompt_attention",
]


def get_learned_conditioning_prompt_schedules(prompts, base_steps, hires_steps=None):
    return common.get_learned_conditioning_prompt_schedules(prompts, base_steps, hires_steps)


def get_learned_conditioning(model, prompts, steps, hires_steps=None):
    res = []
    for schedule in get_learned_conditioning_prompt_schedules(prompts, steps, hires_steps):
        texts = SdConditioning([text for _, text in schedule], copy_from=prompts)
        conds = model.get_learned_conditioning(texts)
        each = [{k: v[i] for k, v in conds.items()} if isinstance(conds, dict) else conds[i] for i in range(len(texts))]
        res.append([ScheduledPromptConditioning(end, cond) for (end, _), cond in zip(schedule, each, strict=True)])
    return res


def get_multicond_learned_conditioning(model, prompts, steps, hires_steps=None):
    indexes, flat, _ = get_multicond_prompt_list(prompts)
    conds = get_learned_conditioning(model, flat, steps, hires_steps)
    batch = [[ComposableScheduledPromptConditioning(conds[i], weight) for i, weight in parts] for parts in indexes]
    return MulticondLearnedConditioning(shape=(len(prompts),), batch=batch)


def strip_emphasis(prompt):
    return "".join(text for text, _ in parse_prompt_attention(prompt))


def uses_emphasis(prompt):
    """Stands in another module in the host."""
    return any(weight != 1.0 for _, weight in parse_prompt_attention(prompt))
