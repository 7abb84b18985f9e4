"""The token counter."""

import re

from modules import shared


def update_token_counter(text):
    counted = re.sub(r"<(\w+):([^>]+)>", "", text)
    if not shared.sd_loaded or getattr(shared.sd_model, "tokenizer", None) is None:
        return {"value": _shown("0/0"), "visible": False, "__type__": "update"}
    tokenizer = shared.sd_model.tokenizer
    if not callable(tokenizer):
        return {"value": _shown("??/0"), "visible": True, "__type__": "update"}
    ids = tokenizer(list(re.split(r"\bBREAK\b|\n", counted))).input_ids
    counts = [len(group) - 2 for group in ids if len(group) > 2]
    details = f"[<div class='token-counter-detailed'>{', '.join(map(str, counts))}</div>]" if len(counts) > 1 else ""
    return {"value": _shown(f"{sum(counts)}/75", details), "visible": bool(counts), "__type__": "update"}


def _shown(total, details=""):
    inner = f"{details}<div class='token-counter-totals'>{total}</div>"
    return f"<div class='gr-box gr-text-input token-counter-contents'>{inner}</div>"
