"""From prompts to what a model makes of them, step by step: AUTOMATIC1111's two functions."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from .assembly import Modules
from .editing import parts_of, texts_by_step

Scheduled = namedtuple("Scheduled", ["end_at_step", "cond"])


class SdConditioning(list):  # type: ignore[type-arg]
    """Prompts with the size of their picture."""

    def __init__(
        self, prompts: Sequence[str], is_negative_prompt: bool = False, width: Any = None, height: Any = None,
        copy_from: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(prompts)
        given = {"is_negative_prompt": is_negative_prompt, "width": width, "height": height}
        vars(self).update({key: getattr(copy_from, key, None) or value for key, value in given.items()})


def prompt_parser(modules: Modules) -> Mapping[str, Any]:
    """Make the module."""
    has_old_scheduling = modules.facts["has_old_scheduling"]

    def get_learned_conditioning(model: Any, prompts: Any, steps: int, hires_steps: Any = None) -> Any:
        return [_encode(model, prompts, texts_by_step(prompt, steps)) for prompt in prompts]

    def with_old_scheduling(
        model: Any, prompts: Any, steps: int, hires_steps: Any = None, use_old_scheduling: bool = False
    ) -> Any:
        return get_learned_conditioning(model, prompts, steps, hires_steps)

    def get_multicond_learned_conditioning(model: Any, prompts: Any, steps: int, *args: Any, **kwargs: Any) -> Any:
        divided = [parts_of(prompt) for prompt in prompts]
        texts = SdConditioning([text for parts in divided for text, _ in parts], copy_from=prompts)
        learned = iter(modules["modules.prompt_parser"].get_learned_conditioning(model, texts, steps, *args, **kwargs))
        batch = [[SimpleNamespace(schedules=next(learned), weight=share) for _, share in parts] for parts in divided]
        return SimpleNamespace(shape=(len(batch),), batch=batch)

    return {
        "SdConditioning": SdConditioning,
        "get_learned_conditioning": with_old_scheduling if has_old_scheduling else get_learned_conditioning,
        "get_multicond_learned_conditioning": get_multicond_learned_conditioning,
    }


def _encode(model: Any, prompts: Any, schedule: Sequence[tuple[int, str]]) -> list[Scheduled]:
    encoded = model.get_learned_conditioning(SdConditioning([text for _, text in schedule], copy_from=prompts))
    return [Scheduled(step, _nth(encoded, number)) for number, (step, _) in enumerate(schedule)]


def _nth(encoded: Any, number: int) -> Any:
    if isinstance(encoded, Mapping):
        return {key: values[number] for key, values in encoded.items()}
    return encoded[number]
