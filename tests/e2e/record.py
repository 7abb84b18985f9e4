"""What was seen in a running program, kept beside what was seen before at the same commit of that program."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def keep_results(identity: Mapping[str, Any], seen: Mapping[str, str]) -> None:
    """Write results/NAME.json, NAME as E2E_RESULTS says; nothing without it, or where nothing was seen."""
    name = os.environ.get("E2E_RESULTS")
    if not (name and identity and seen):
        return
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    cases = {**_seen_before(path, identity["commit"]), **seen}
    kept = {**identity, "embmerge": _own_commit(), "date": date.today().isoformat()}
    kept["cases"] = dict(sorted(cases.items()))
    path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _own_commit() -> str | None:
    """Give the commit of the code that these tests are of; None outside of a git repository."""
    asked = ["git", "-C", str(RESULTS.parent), "rev-parse", "--short", "HEAD"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def _seen_before(path: Path, commit: str | None) -> dict[str, str]:
    if not path.exists():
        return {}
    before = json.loads(path.read_text(encoding="utf-8"))
    return dict(before["cases"]) if before["commit"] == commit else {}
