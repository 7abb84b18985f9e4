"""Differential tests: token ids against transformers' CLIPTokenizer and open_clip's SimpleTokenizer themselves.

open_clip needs torchvision as a package; its tokenizer.py does not, and is loaded by its path.
"""

import importlib.util
import random
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib_embmerge.families import CLIP_VOCABULARY_SIZE
from lib_embmerge.models import tokenizers
from lib_embmerge.models.tokenizers import END, START, spell, tokenizer
from tests.examples import examples

AWKWARD = [
    "",
    " ",
    "\t\n\r\x0b\x0c",
    "a photo of a cat",
    "A  Photo\tOF\na   CAT ",
    "don't can't I'll we've you're he'd I'm it's",
    "don’t ‘quoted’ “double” DON'T I'LL",
    "'S 'T 'RE 'VE 'M 'LL 'D 's't're",
    "&amp; &amp;amp; &amp;amp;amp; &lt;b&gt; &#39; &#x27; &quot; &nbsp; &notanentity; AT&T &copy &#xD800; &#0;",
    "<b>bold</b> &amp; <i>",
    "ﬁ ﬂ ﬃ ﬄ ﬀ ﬅ ﬆ ĳ ǆ",
    "e\u0301 é a\u030a å n\u0303o \u0301 x\u0301\u0302\u0303",
    "\ufefffirst \ufeff",
    "zero\u200bwidth\u200cnon\u200djoiner\u2060word\u00adsoft",
    "\x00\x01\x02\x1b[31mred\x1b[0m\x7f\x80\x85\x9f",
    "no\u00a0break\u2007\u202f\u3000ideographic\u2028line\u2029paragraph\u1680",
    "😀 👩‍👩‍👧‍👦 🇩🇪 👍🏽 ☺️ ✨",
    "漢字 かな カナ ﾊﾝｶｸ ｆｕｌｌｗｉｄｔｈ ＡＢＣ 한국어 \u1112\u1161\u11ab",
    "العربية עברית हिन्दी ไทย",
    "İ I ı i̇ ſ 'ſ K Å ΑΣ ΣΑΣ. ΟΔΥΣΣΕΥΣ ẞ ß ǅ",
    "1234567890 3.14 1e-3 ½ ² ① Ⅻ ٣ १",
    "<|endoftext|> <|startoftext|> a<|endoftext|>b <|ENDOFTEXT|> <|StartOfText|>",
    "<start_of_text> <end_of_text> a<end_of_text>b <START_OF_TEXT>",
    "<|endoftext|",
    "a" * 500,
    "pneumonoultramicroscopicsilicovolcanoconiosis" * 3,
    "!!!??? ... --- ___ *** ((a:1.2)) [b|c] {d} <lora:x:1>",
    "mixedCASEandDigits42and_underscores",
    "schÃ¶n â€œmojibakeâ€\x9d l’Humanité",
    "\ud800 lone \udfff surrogates",
    "\U0001f9ff\U00030000\U000e0041\ufffd\ufffe",
    "…–—‐−×÷°©®™€£¥",
    "a\u0345\u0390ΐ ᾳ ώ ΐ",
]

POOL = [
    *"abcXYZ019 '\"&;#<>|_-.,!?\n\t",
    *"éÉßİıſΣςσ\u0301\u0308\u200b\u200d\u00a0\u00ad\ufeff’“”ﬁ½²漢かｶ한😀\U0001f3fd\x00\x1b\x85\u2028Ã©â€™",
    "&amp;",
    "&#39;",
    "'s",
    "'LL",
    "<|endoftext|>",
    "<end_of_text>",
    " photo",
    "cat",
]


@pytest.fixture(scope="session")
def transformers_tokenizer():
    transformers = pytest.importorskip("transformers")
    from tokenizers import AddedToken

    merges = [tuple(line.split(" ")) for line in tokenizers._merges().split("\n")]
    vocabulary = {token: id_ for id_, token in enumerate(tokenizers._vocabulary())}
    # As in the files of openai/clip-vit-large-patch14: the start token is found after the text is lower-cased.
    start = AddedToken("<|startoftext|>", normalized=True, special=True)
    reference = transformers.CLIPTokenizer(vocab=vocabulary, merges=merges, bos_token=start)
    return lambda text: reference(text, add_special_tokens=False).input_ids


@pytest.fixture(scope="session")
def open_clip_tokenizer():
    package = importlib.util.find_spec("open_clip")
    if package is None:
        pytest.skip("open_clip_torch is not installed (pip install --no-deps open_clip_torch)")
    path = Path(package.submodule_search_locations[0], "tokenizer.py")
    spec = importlib.util.spec_from_file_location("open_clip_tokenizer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SimpleTokenizer().encode


def random_texts():
    generator = random.Random(20240607)
    for _ in range(examples(10_000)):
        yield "".join(generator.choices(POOL, k=generator.randint(1, 30)))


def every_character():
    """All assigned characters, sixteen to a text, between letters so that the splitting shows."""
    characters = [chr(i) for i in range(0x20000) if unicodedata.category(chr(i)) not in ("Cn", "Cs", "Co")]
    for i in range(0, len(characters), 16):
        yield "a".join(characters[i : i + 16])


def encodable(text):
    return text.encode("utf-8", errors="replace").decode("utf-8")


def differences(encode, reference, texts):
    pairs = [(text, encode(text), reference(encodable(text))) for text in texts]
    return [pair for pair in pairs if pair[1] != pair[2]]


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_text_has_the_ids_of_transformers(text, transformers_tokenizer):
    assert tokenizer("clip_l")(text) == transformers_tokenizer(encodable(text))


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_text_has_the_ids_of_open_clip(text, open_clip_tokenizer):
    assert tokenizer("clip_g")(text) == open_clip_tokenizer(encodable(text))


def test_random_mixtures_have_the_ids_of_transformers(transformers_tokenizer):
    assert differences(tokenizer("clip_l"), transformers_tokenizer, random_texts()) == []


def test_random_mixtures_have_the_ids_of_open_clip(open_clip_tokenizer):
    assert differences(tokenizer("clip_h"), open_clip_tokenizer, random_texts()) == []


def test_every_character_has_the_ids_of_transformers(transformers_tokenizer):
    assert differences(tokenizer("clip_l"), transformers_tokenizer, every_character()) == []


def test_every_character_has_the_ids_of_open_clip(open_clip_tokenizer):
    assert differences(tokenizer("clip_g"), open_clip_tokenizer, every_character()) == []


@settings(max_examples=examples(500), deadline=None)
@given(st.text(alphabet=st.characters(min_codepoint=0, max_codepoint=126), max_size=60))
def test_plain_ascii_needs_no_repair(text):
    """The shortcut that spares the import of ftfy: what it takes, ftfy and html leave alone."""
    import html

    import ftfy

    if tokenizers._NOTHING_TO_REPAIR.fullmatch(text):
        assert html.unescape(html.unescape(ftfy.fix_text(text))) == text


@settings(max_examples=examples(1000), deadline=None)
@given(text=st.text(max_size=40))
def test_any_text_has_the_ids_of_both_references(text, transformers_tokenizer, open_clip_tokenizer):
    assert tokenizer("clip_l")(text) == transformers_tokenizer(encodable(text))
    assert tokenizer("clip_g")(text) == open_clip_tokenizer(encodable(text))


def test_vocabulary_is_that_of_open_clip(open_clip_tokenizer):
    encoder = open_clip_tokenizer.__self__.encoder
    ours = tokenizers._vocabulary()
    assert len(ours) == CLIP_VOCABULARY_SIZE == len(encoder)
    assert [token for token in ours[:START] if encoder[token] != ours.index(token, encoder[token])] == []


def test_the_word_that_everyone_looks_up():
    assert tokenizer("clip_l")("woman") == tokenizer("clip_g")("woman") == [2308]


@pytest.mark.parametrize(
    ("text", "l_ids", "g_ids"),
    [
        ("don’t", [847, 728, 503], None),
        ("&amp;", [261, 6259, 282], [261]),
    ],
    ids=["a curly apostrophe", "an HTML entity"],
)
def test_where_the_two_tokenizers_differ(text, l_ids, g_ids):
    l_found, g_found = tokenizer("clip_l")(text), tokenizer("clip_g")(text)
    assert len(l_found) != len(g_found)
    if g_ids:
        assert g_found == g_ids


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([2368, 82], ["cat ", "s"]),
        ([START, END], ["<|startoftext|>", "<|endoftext|>"]),
        ([49408], ["<49408>"]),
        ([], []),
    ],
    ids=["a word's end is a blank", "special tokens", "a row past the vocabulary", "nothing"],
)
def test_spelling(ids, expected):
    assert spell(ids) == expected


def test_spelling_puts_a_text_together_again():
    text = "a photo of 漢 and 😀 kittens"
    assert "".join(spell(tokenizer("clip_l")("a photo of kittens"))) == "a photo of kittens "
    assert len(spell(tokenizer("clip_l")(text))) == len(tokenizer("clip_l")(text))


def test_importing_loads_no_library():
    code = (
        "import sys, lib_embmerge.models.tokenizers;"
        "print([m for m in ('tokenizers', 'ftfy', 'regex', 'torch', 'transformers') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_plain_english_does_not_load_ftfy():
    code = (
        "import sys; from lib_embmerge.models.tokenizers import tokenizer;"
        "tokenizer('clip_g')('a photo'); tokenizer('clip_l')('a photo');"
        "print([m for m in ('ftfy', 'torch', 'transformers') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
