"""As Forge's, but for where it notes what the infotext names."""

from backend.args import dynamic_args
from backend.common.text_processing import classic_engine as common
from modules.prompt_parser import uses_emphasis
from modules.shared import opts


class ClassicTextProcessingEngine(common.ClassicTextProcessingEngine):
    tokenize_line = common.ClassicTextProcessingEngine.tokenize_line
    __call__ = common.ClassicTextProcessingEngine.__call__

    def note(self, texts, used):
        parameters = dynamic_args.last_extra_generation_params
        if any(uses_emphasis(text) for text in texts):
            parameters["Emphasis"] = opts.emphasis
        if used:
            names = [name.replace(":", "").replace(",", "") for name in used]
            noted = parameters.get("TI")
            parameters["TI"] = ", ".join(names if noted is None else [noted, *names])
