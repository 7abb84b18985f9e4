"""The token counter: comments and attention are taken off before it counts."""

from modules import prompt_parser, script_callbacks, sd_models, shared
from modules.processing_scripts.comments import strip_comments


def update_token_counter(text, steps, styles, *, is_positive=True):
    params = script_callbacks.BeforeTokenCounterParams(text, steps, styles, is_positive=is_positive)
    script_callbacks.before_token_counter_callback(params)
    text = params.prompt
    if shared.opts.include_styles_into_token_counters:
        known = shared.prompt_styles
        apply = known.apply_styles_to_prompt if is_positive else known.apply_negative_styles_to_prompt
        text = apply(text, params.styles)
    text = strip_comments(text).strip()
    flat = prompt_parser.get_multicond_prompt_list([text])[1] if is_positive else [text]
    schedules = prompt_parser.get_learned_conditioning_prompt_schedules(flat, params.steps)
    count = getattr(sd_models.model_data.sd_model, "get_prompt_lengths_on_ui", None)
    if count is None:
        return "<span class='gr-box gr-text-input'>?/?</span>"
    texts = [prompt_parser.strip_emphasis(text) for schedule in schedules for _, text in schedule]
    length, limit = max((count(text) for text in texts), key=lambda lengths: lengths[0])
    return f"<span class='gr-box gr-text-input'>{length}/{limit}</span>"
