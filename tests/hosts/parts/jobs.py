"""A job as far as its conditioning: styles, comments, the scripts' turn, and the cache of what was encoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from .assembly import Modules, fresh
from .page import without


class StableDiffusionProcessing:
    """A picture that is to be made."""

    modules: Modules
    cached_c: list[Any]
    cached_uc: list[Any]

    def __init__(
        self, prompt: str = "", negative_prompt: str = "", *, styles: Sequence[str] = (), scripts: Sequence[Any] = (),
        **settings: Any,
    ) -> None:  # fmt: skip
        self.prompt = prompt
        self.negative_prompt = negative_prompt
        self.styles = styles
        self.scripts = scripts
        self.steps, self.width, self.height = 20, 512, 512
        self.extra_generation_params: dict[str, Any] = {}
        self.comments: dict[str, int] = {}
        self.c = self.uc = None
        vars(self).update(settings)

    def comment(self, text: str) -> None:
        self.comments[text] = 1

    def cached_params(
        self, required_prompts: Any, steps: int, extra_network_data: Any, hires_steps: Any = None,
        use_old_scheduling: bool = False,
    ) -> tuple[Any, ...]:  # fmt: skip
        opts = self.modules["modules.shared"].opts
        loaded = self.modules.facts["loaded"](self.modules)
        return (required_prompts, steps, hires_steps, use_old_scheduling, opts.emphasis, extra_network_data, loaded)

    def setup_prompts(self) -> None:
        """Put the styles around the prompts, and cut comments."""
        shared = self.modules["modules.shared"]
        prompt = shared.prompt_styles.apply_styles_to_prompt(self.prompt, self.styles)
        negative = shared.prompt_styles.apply_negative_styles_to_prompt(self.negative_prompt, self.styles)
        # One that has no setting for it always cuts them.
        comments = self.modules.facts["comments"] if getattr(shared.opts, "enable_prompt_comments", True) else ()
        self.prompts = self.all_prompts = [without(comments, prompt)]
        self.negative_prompts = self.all_negative_prompts = [without(comments, negative)]

    def setup_conds(self) -> None:
        """Encode the prompts, the negative one first."""
        self.uc = self._learned("get_learned_conditioning", self.negative_prompts, self.cached_uc)
        self.c = self._learned("get_multicond_learned_conditioning", self.prompts, self.cached_c)

    def _learned(self, name: str, prompts: list[str], cache: list[Any]) -> Any:
        parser = self.modules["modules.prompt_parser"]
        texts = parser.SdConditioning(prompts, width=self.width, height=self.height)
        key = self.cached_params(texts, self.steps, None)
        if not cache or cache[0] != key:
            learned = getattr(parser, name)(self.modules["modules.sd_models"].model_data.sd_model, texts, self.steps)
            cache[:] = [key, learned, self.modules.facts["take_notes"](self.modules)]
        self.extra_generation_params.update(cache[2])
        return cache[1]


def newer_cached_params(
    self: Any, required_prompts: Any, steps: int, extra_network_data: Any, hires_steps: Any = None
) -> tuple[Any, ...]:
    """Stand in for `cached_params` where there is no old scheduling."""
    return StableDiffusionProcessing.cached_params(self, required_prompts, steps, extra_network_data, hires_steps)


def processing(modules: Modules) -> Mapping[str, Any]:
    """Make the module."""
    own = {} if modules.facts["has_old_scheduling"] else {"cached_params": newer_cached_params}
    kind = fresh(StableDiffusionProcessing, modules=modules, cached_c=[], cached_uc=[], **own)
    inner = _images_maker(modules)

    def process_images(p: Any) -> Any:
        return modules["modules.processing"].process_images_inner(p)

    return {"StableDiffusionProcessing": kind, "process_images": process_images, "process_images_inner": inner}


def _images_maker(modules: Modules) -> Callable[[Any], Any]:
    def process_images_inner(p: Any) -> Any:
        begin = modules.facts["begin_job"]
        begin(modules)
        p.setup_prompts()
        for script in p.scripts:
            script.process(p)
        with torch.inference_mode(modules.facts["in_inference_mode"]):
            p.setup_conds()
        modules.facts["end_job"](modules, p)
        return p

    return process_images_inner
