"""Parameters of the extension before this one."""

from __future__ import annotations

import json

import pytest

from lib_embmerge.legacy import read_predecessor_expressions, restore_prompts

RECORDED = {
    "one": ("<'EM_1'>=<'cat'+'dog'>", {"<'EM_1'>": "<'cat'+'dog'>"}),
    "in curly brackets": ("{'EM_1'}={'red'*0.5}", {"{'EM_1'}": "{'red'*0.5}"}),
    "several": (
        "<'EM_1'>=<'cat'+'dog'>, {'EM_2'}={'red'*0.5}, <'EM_10'>=<'a','b'>",
        {"<'EM_1'>": "<'cat'+'dog'>", "{'EM_2'}": "{'red'*0.5}", "<'EM_10'>": "<'a','b'>"},
    ),
    "with brackets and commas in its texts": (
        "<'EM_1'>=<'a > b, <c>'+'}'>, <'EM_2'>=<'x'>",
        {"<'EM_1'>": "<'a > b, <c>'+'}'>", "<'EM_2'>": "<'x'>"},
    ),
    "with a text that looks like an entry": (
        "<'EM_1'>=<', <EM_2>=<x>'>, <'EM_2'>=<'y'>",
        {"<'EM_1'>": "<', <EM_2>=<x>'>", "<'EM_2'>": "<'y'>"},
    ),
    "with quotes doubled": ("<'EM_1'>=<'it''s'>", {"<'EM_1'>": "<'it''s'>"}),
    "beginning as ours never does": (
        "<'EM_1'>=< 'cat' >, <'EM_2'>=<'x'>",
        {"<'EM_1'>": "< 'cat' >", "<'EM_2'>": "<'x'>"},
    ),
    "over two lines": ("<'EM_1'>=<'cat'\n+'dog'>", {"<'EM_1'>": "<'cat'\n+'dog'>"}),
    "quoted as JSON": (json.dumps("<'EM_1'>=<'a\n\"b\"'>"), {"<'EM_1'>": "<'a\n\"b\"'>"}),
    "quoted, but not JSON": ("\"<'EM_1'>=<'a\n'>\"", {"<'EM_1'>": "<'a\n'>"}),
    "cut off": ("<'EM_1'>=<'cat'>, <'EM_2'>=<'do", {"<'EM_1'>": "<'cat'>"}),
    "nothing": ("", {}),
    "something else": ("true", {}),
}


@pytest.mark.parametrize(("recorded", "expressions"), RECORDED.values(), ids=RECORDED.keys())
def test_what_the_placeholders_stood_for(recorded: str, expressions: dict[str, str]) -> None:
    assert read_predecessor_expressions(recorded) == expressions


PASTED = {
    "all four prompts": (
        {
            "Prompt": "a <'EM_1'> on {'EM_2'}",
            "Negative prompt": "<'EM_2'>",
            "Hires prompt": "<'EM_1'>",
            "Hires negative prompt": "x <'EM_1'>",
            "EmbeddingMerge": "<'EM_1'>=<'cat'+'dog'>, {'EM_2'}={'red'}",
        },
        {
            "Prompt": "a <'cat'+'dog'> on {'red'}",
            "Negative prompt": "<'EM_2'>",
            "Hires prompt": "<'cat'+'dog'>",
            "Hires negative prompt": "x <'cat'+'dog'>",
        },
    ),
    "one that another's number begins with": (
        {"Prompt": "<'EM_1'> <'EM_10'>", "EmbeddingMerge": "<'EM_1'>=<'a'>, <'EM_10'>=<'b'>"},
        {"Prompt": "<'a'> <'b'>"},
    ),
    "one used twice": (
        {"Prompt": "<'EM_1'>, <'EM_1'>", "EmbeddingMerge": "<'EM_1'>=<'a'>"},
        {"Prompt": "<'a'>, <'a'>"},
    ),
    "other parameters": (
        {"Prompt": "<'EM_1'>", "Seed": "<'EM_1'>", "EmbeddingMerge": "<'EM_1'>=<'a'>"},
        {"Prompt": "<'a'>", "Seed": "<'EM_1'>"},
    ),
    "without the key": ({"Prompt": "<'EM_1'>"}, {"Prompt": "<'EM_1'>"}),
    "a value that is no text": ({"Prompt": "<'EM_1'>", "EmbeddingMerge": 7}, {"Prompt": "<'EM_1'>"}),
    "a prompt that is no text": ({"Prompt": None, "EmbeddingMerge": "<'EM_1'>=<'a'>"}, {"Prompt": None}),
}


@pytest.mark.parametrize(("pasted", "restored"), PASTED.values(), ids=PASTED.keys())
def test_pasted_parameters(pasted: dict[str, object], restored: dict[str, object]) -> None:
    parameters = dict(pasted)
    restore_prompts(parameters)
    assert parameters == restored
