"""Stands for CLIP's tokenizers: words of a list are one token, other runs of letters one for each byte.

As in CLIP a digit is always a token of its own, a run of other signs one word, text is lower-cased, and the last
token of a word is another one than the same letters inside it. Id 0 is `!` inside a word.
"""

import re

WORDS = """
    cat dog adult child kitten red blue a photo of on mat the house castle sun rain black big old x and break style
""".split()  # noqa: SIM905
PATTERN = re.compile(r"<\|startoftext\|>|<\|endoftext\|>|[^\W\d_]+|\d|[^\s\w]+|_+")


def _spell(number):
    return chr((number + 33) % 256) if (number + 33) % 256 < 127 else f"\\x{(number + 33) % 256:02x}"


SPELLINGS = [_spell(n) for n in range(256)] + [_spell(n) + "</w>" for n in range(256)]
SPELLINGS += [word + "</w>" for word in WORDS] + ["<|startoftext|>", "<|endoftext|>"]
IDS = {spelling: number for number, spelling in enumerate(SPELLINGS)}
SIZE = len(SPELLINGS)
START, END = SIZE - 2, SIZE - 1


def encode(text):
    return [token for word in PATTERN.findall(text.lower()) for token in _encode_word(word)]


def _encode_word(word):
    whole = IDS.get(word + "</w>", IDS.get(word))
    if whole is not None and (len(word) > 1 or word in WORDS):
        return [whole]
    inner = [(byte - 33) % 256 for byte in word.encode()]
    return [*inner[:-1], inner[-1] + 256]


class TransformersTokenizer:
    """The interface of transformers' CLIPTokenizer, the slow one."""

    bos_token_id, eos_token_id = START, END

    def __call__(self, texts, truncation=False, add_special_tokens=False):
        return {"input_ids": [encode(text) for text in texts]}

    def get_vocab(self):
        return IDS

    def convert_ids_to_tokens(self, number):
        return SPELLINGS[number]

    def convert_tokens_to_string(self, tokens):
        return "".join(tokens).replace("</w>", " ").strip()


class OpenClipTokenizer:
    """The interface of open_clip's SimpleTokenizer."""

    def __init__(self):
        self.encoder = {**IDS, "<start_of_text>": START, "<end_of_text>": END}

    def encode(self, text):
        return encode(text)

    def decode(self, numbers):
        return "".join(SPELLINGS[n] for n in numbers).replace("</w>", " ")
