"""What is not to reach the model, nor the counter."""

import re


def strip_comments(text):
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return re.sub(r"[^\S\n]*(#|//).*", "", text)
