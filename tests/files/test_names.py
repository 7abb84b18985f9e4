"""Names: what is refused everywhere, what is advised against, and folders that stay below their root."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib_embmerge.errors import NameProblem
from lib_embmerge.files.names import check_name, folder_below, remark_on_name
from lib_embmerge.prompt_rules import PromptRules
from lib_embmerge.remarks import Remark

REFUSED = [
    ("", "The name is empty."),
    ("a" * 121, "The name has 121 characters; at most 120 are allowed."),
    ("漢" * 120, "The name is too long for a file: at most 255 bytes with .safetensors."),
    ("a/b", "holds /"),
    ("a\\b", "holds \\"),
    ("..", "begins or ends with a dot or a blank"),
    (".", "begins or ends with a dot or a blank"),
    (".hidden", "begins or ends with a dot or a blank"),
    ("a.", "begins or ends with a dot or a blank"),
    (" a", "begins or ends with a dot or a blank"),
    ("a ", "begins or ends with a dot or a blank"),
    ("../a", "holds /"),
    ("C:a", "holds :"),
    ("a*", "holds *"),
    ("a?", "holds ?"),
    ('a"', 'holds "'),
    ("<a>", "holds <"),
    ("a|b", "holds |"),
    ("a\0b", "the invisible character U+0000"),
    ("a\nb", "the invisible character U+000A"),
    ("a\x7f", "the invisible character U+007F"),
    ("a\u202eb", "the invisible character U+202E"),
    ("a\u200bb", "the invisible character U+200B"),
    ("a\ud800", "the invisible character U+D800"),
    ("CON", "is the name of a device on Windows"),
    ("nul.txt", "is the name of a device on Windows"),
    ("Com1", "is the name of a device on Windows"),
    ("lpt9.a.b", "is the name of a device on Windows"),
    ("COM¹", "is the name of a device on Windows"),
    ("CONIN$", "is the name of a device on Windows"),
    ("aux .x", "is the name of a device on Windows"),
]


@pytest.mark.parametrize(("name", "sentence"), REFUSED, ids=[repr(name[:12]) for name, _ in REFUSED])
def test_refused_names(name, sentence):
    with pytest.raises(NameProblem) as caught:
        check_name(name)
    assert sentence in caught.value.message


@pytest.mark.parametrize(
    "name", ["a", "a" * 120, "my_style-v1.2", "con1", "comet", "a b", "é漢", "a,b", "com10", "1", "'s"]
)
def test_allowed_names(name):
    check_name(name)


@given(st.text(max_size=130))
def test_an_allowed_name_stays_in_its_folder(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp()
    try:
        check_name(name)
    except NameProblem:
        return
    assert (folder / f"{name}.safetensors").resolve().parent == folder.resolve()


ADVICE = [
    ("plain", "my_style-1.x", [], []),
    ("a blank and a comma", "my, style", [], ["The name holds a blank and a comma; only ASCII letters"]),
    ("not ASCII", "é", [], ["The name holds é; only ASCII"]),
    ("only case differs", "Style", ["style"], ["The name differs only by case from style"]),
    ("its own file", "style", ["style"], []),
    ("numbered beside the plain", "style_1", ["style"], ["style_1 beside style: SD.Next and diffusers"]),
    ("plain beside the numbered", "style", ["style_2"], ["style_2 beside", "style beside style_2"][1:]),
    ("numbered alone", "style_1", ["other"], []),
]


@pytest.mark.parametrize(("name", "others", "advice"), [row[1:] for row in ADVICE], ids=[row[0] for row in ADVICE])
def test_advice(name, others, advice):
    found = remark_on_name(name, others=others)
    assert len(found) == len(advice)
    assert all(remark.text.startswith(start) for remark, start in zip(found, advice, strict=True))


def test_advice_on_a_vocabulary_word():
    assert remark_on_name("cat", is_vocabulary_word=lambda text: text == "cat") == [
        Remark(
            "name: word",
            "cat is a word of the model's own vocabulary: every prompt with that word would use the embedding.",
        )
    ]
    assert remark_on_name("catx", is_vocabulary_word=lambda text: text == "cat") == []


COMFYUI = PromptRules(before_names="embedding:")


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("cat", ["cat"], "in expressions 'cat' will be the embedding, and the word only as text('cat')."),
        ("Style", ["x"], "many disks keep only one of them, and quotes in expressions find only one."),
    ],
)
def test_advice_where_a_prompt_names_embeddings_by_a_prefix(name, words, said):
    (found,) = remark_on_name(name, others=["style"], is_vocabulary_word=words.__contains__, rules=COMFYUI)
    assert found.text.endswith(said)
    assert "every prompt" not in found.text
    assert "lower-cased" not in found.text


@pytest.mark.parametrize("relative", ["", "a", "a/b", "sd1/new folder"])
def test_folders_below(tmp_path, relative):
    assert folder_below(tmp_path, relative) == tmp_path / relative


@pytest.mark.parametrize(
    "relative",
    [
        *("..", "a/..", "a/../..", "/etc", "/", "a//b", "./a", "a/", "\\\\host\\x", "C:/x", "a\\..\\b", "con/a", "a\0"),
        "b/" * 100 + "b",
    ],
)
def test_folders_that_leave(tmp_path, relative):
    with pytest.raises(NameProblem):
        folder_below(tmp_path, relative)


def test_links_that_leave(tmp_path):
    root = tmp_path / "root"
    (root / "inside").mkdir(parents=True)
    (root / "out").symlink_to(tmp_path)
    (root / "within").symlink_to(root / "inside")
    (root / "loop").symlink_to(root / "loop")
    (tmp_path / "linked").symlink_to(root)
    with pytest.raises(NameProblem, match="leads out of the embeddings folder"):
        folder_below(root, "out")
    with pytest.raises(NameProblem, match="leads out"):
        folder_below(root, "out/deeper")
    assert folder_below(root, "within") == root / "within"
    assert folder_below(tmp_path / "linked", "inside") == tmp_path / "linked" / "inside"
    with contextlib.suppress(NameProblem):  # a loop is refused, or (Python 3.13) resolved to itself
        assert folder_below(root, "loop") == root / "loop"


def test_a_name_that_looks_just_like_another_is_told() -> None:
    composed, decomposed = "caf\u00e9-x", "cafe\u0301-x"
    (said,) = (one.text for one in remark_on_name(decomposed, others=[composed]) if one.kind == "name: taken")
    assert said.endswith("looks just like this name: its accents are stored another way.")
    assert [one.kind for one in remark_on_name(composed, others=[composed])] == ["name: characters"]
