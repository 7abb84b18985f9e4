"""One generation: a setting lets comments be cut, `#` alone."""

import re

from modules.common import processing as common


class StableDiffusionProcessing(common.StableDiffusionProcessing):
    cached_c = [None, None]  # noqa: RUF012  # the host shares them too
    cached_uc = [None, None]  # noqa: RUF012

    def setup_prompts(self):
        super().setup_prompts()
        self.all_prompts[:] = map(strip_comments, self.all_prompts)
        self.all_negative_prompts[:] = map(strip_comments, self.all_negative_prompts)


def strip_comments(text):
    """Stands in another module in the host."""
    return re.sub(r"#[^\n]*(\n|$)", "\n", text)


process_images = common.process_images
