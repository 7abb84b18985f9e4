"""The token counter: without a model it counts nothing."""

from modules import prompt_parser, script_callbacks, sd_models, shared
from modules.sd_hijack import model_hijack


def update_token_counter(text, steps, styles, *, is_positive=True):
    params = script_callbacks.BeforeTokenCounterParams(text, steps, styles, is_positive=is_positive)
    script_callbacks.call("before_token_counter", params)
    text = params.prompt
    if shared.opts.include_styles_into_token_counters:
        known = shared.prompt_styles
        apply = known.apply_styles_to_prompt if is_positive else known.apply_negative_styles_to_prompt
        text = apply(text, params.styles)
    flat = prompt_parser.get_multicond_prompt_list([text])[1] if is_positive else [text]
    schedules = prompt_parser.get_learned_conditioning_prompt_schedules(flat, params.steps)
    texts = [text for schedule in schedules for _, text in schedule]
    try:
        stage = sd_models.model_data.sd_model.cond_stage_model
    except (AttributeError, TypeError):
        return "<span class='gr-box gr-text-input'>?/?</span>"
    count, limit = max((model_hijack.get_prompt_lengths(text, stage) for text in texts), key=lambda lengths: lengths[0])
    return f"<span class='gr-box gr-text-input'>{count}/{limit}</span>"
