"""From a text to chunks of 75 tokens, and from those to conditioning: CLIP, with embeddings."""

from backend.args import dynamic_args
from backend.common.text_processing import classic_engine as common
from modules.prompt_parser import uses_emphasis
from modules.shared import opts


class ClipEngine(common.ClassicTextProcessingEngine):
    tokenize_line = common.ClassicTextProcessingEngine.tokenize_line
    __call__ = common.ClassicTextProcessingEngine.__call__

    @property
    def comma_padding_backtrack(self):
        return opts.comma_padding_backtrack

    @property
    def emphasis(self):
        return opts.emphasis

    def note(self, texts, used):
        parameters = dynamic_args.last_extra_generation_params
        if any(uses_emphasis(text) for text in texts):
            parameters["Emphasis"] = self.emphasis
        if used:
            names = [name.replace(":", "").replace(",", "") for name in used]
            parameters["TI"] = ", ".join([parameters.get("TI", ""), *names]).strip(", ")
