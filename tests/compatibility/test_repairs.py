"""What `check` says helps is done, and the result passes `check`."""

import pytest

from lib_embmerge.compatibility.facts import describe_file
from lib_embmerge.compatibility.rules import check_file, judge
from lib_embmerge.files.convert import convert_embeddings

from ..files.kinds import FILES

PROMISES = ("convert", "equal lengths")


@pytest.mark.parametrize("name", [name for name in FILES if name != "out_only.safetensors"])
def test_what_convert_is_said_to_repair_it_repairs(name, tmp_path):
    source = tmp_path / name
    source.write_bytes(FILES[name]())
    promised = [verdict for verdict in judge(describe_file(source)) if verdict.repair in PROMISES]
    done = convert_embeddings(source, tmp_path / "new", unequal="pad", drop_bad=True)
    for one in done:
        after = check_file(one.path)
        assert not [verdict for verdict in after if verdict.repair in PROMISES]
        loaded = {(verdict.host, verdict.model) for verdict in after if verdict.loads}
        helped = {(verdict.host, verdict.model) for verdict in after if verdict.repair in ("remake", "split", "rename")}
        assert {(verdict.host, verdict.model) for verdict in promised} <= loaded | helped
