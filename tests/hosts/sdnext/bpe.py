"""The small vocabulary of the other fakes with some rare words in it, as CLIP's has many."""

import itertools

from tests.hosts.a1111 import bpe as small

RARE = ["zq" + "".join(letters) for letters in itertools.product("bcdfghjklm", "aeiou", "npqrstvwxz", "aei")]
SPELLINGS = [*small.SPELLINGS[:-2], *(word + "</w>" for word in RARE), *small.SPELLINGS[-2:]]
IDS = {spelling: number for number, spelling in enumerate(SPELLINGS)}
SIZE = len(SPELLINGS)
START, END = SIZE - 2, SIZE - 1


def encode(text):
    return [token for word in small.PATTERN.findall(text.lower()) for token in _encode_word(word)]


def _encode_word(word):
    whole = IDS.get(word + "</w>", IDS.get(word))
    if whole is not None and (len(word) > 1 or word in small.WORDS):
        return [whole]
    inner = [(byte - 33) % 256 for byte in word.encode()]
    return [*inner[:-1], inner[-1] + 256]
