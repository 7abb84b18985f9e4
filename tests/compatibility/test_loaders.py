"""The verdicts, held to what the programs' own loading functions did with a file of every kind.

`loaders.json` says for each file of `kinds` and `variants`, program and families what happened when the program's
function was run on it under torch 2.13: A1111 1.10.1 (check_pt, create_embedding_from_data, EmbeddingsWithFixes), Forge
dfdcbab (its EmbeddingDatabase with each engine's width), SD.Next 431bcc3 (open_embeddings to insert_vectors), ComfyUI
a125cd8 and 4f874c5 (load_embed to process_tokens, by the whole file name where the ending is none that it adds, and
whether a tokenizer's class is handed the folder), InvokeAI 8e71a8a (load_state_dict, _get_base_or_raise,
from_checkpoint), diffusers 0.42.1 (load_textual_inversion). Names with brackets were tried in ComfyUI with backslashes
before them. SwarmUI 062407c (AddAllFromFolder, the tag `embed`, GetBestModelInList, FillEmbedsInString, compiled from
its source with collections in an older spelling) was asked what it makes of `<embed:NAME>`; ComfyUI was given that.
"""

import json
import re
from pathlib import Path

import pytest

from lib_embmerge.compatibility.facts import MODELS, describe_file
from lib_embmerge.errors import FileError

from ..files.kinds import FILES
from ..files.variants import VARIANTS

TABLE = json.loads((Path(__file__).parent / "loaders.json").read_text())

LONGEST_REASON = 190

NO_INPUT = {"out_only.safetensors"}
"""Its vectors belong behind the encoder: whatever a program does with it, it is no embedding."""


def loads(program: str, family: str, did: str) -> bool:
    """Say whether what a program did is loading: in ComfyUI, that all of CLIP or another encoder got its vectors.

    What one encoder fails at there ends the prompt. SwarmUI has ComfyUI do it.
    """
    is_comfy = program in ("ComfyUI", "SwarmUI")
    if is_comfy and re.search(r"Error: |fails when used", did):
        return False
    taken = set(did.partition(" only;")[0].split(", "))
    if is_comfy and " only;" in did:
        return bool(taken - set(MODELS[family].clip)) or set(MODELS[family].clip) <= taken
    return did == "loads"


def test_every_kind_was_tried():
    assert set(TABLE) == {*FILES, *VARIANTS}


@pytest.mark.parametrize("name", [name for name in TABLE if name not in NO_INPUT])
def test_what_the_programs_did_is_what_is_said(judged, name):
    said = {(found.program, found.model): found for found in judged(name)[1]}
    did = {
        (program, family): done
        for program, outcomes in TABLE[name].items()
        for families, done in outcomes.items()
        for family in families.split()
    }
    assert {place: said[place].loads for place in did} == {place: loads(*place, done) for place, done in did.items()}


@pytest.mark.parametrize("name", [name for name in TABLE if name not in NO_INPUT])
def test_no_reason_contradicts_itself(judged, name):
    facts, verdicts = judged(name)
    for verdict in verdicts:
        wanted, has = re.match(r"(?:.*of ([\d and]+) numbers; the file's have ([\d and]+)\.)?", verdict.reason).groups()
        assert wanted is None or wanted != has, verdict.reason
        assert len(verdict.reason) <= LONGEST_REASON, verdict.reason
        assert facts.form == "pickle" or "pickle" not in {remark.kind for remark in verdict.remarks}


@pytest.mark.parametrize("name", sorted(NO_INPUT))
def test_vectors_for_behind_the_encoder_are_no_embedding(made, name):
    with pytest.raises(FileError, match="behind the text encoder only"):
        describe_file(made[name])
