"""Sessions that documents show: a command behind `$`, and below it what it prints.

`python -m tests.documents.sessions FILE` writes into a document what its commands print now.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lib_embmerge.__main__ import main

SESSION = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Outcome:
    """What a command gave."""

    status: int
    out: str
    err: str

    @property
    def is_fine(self) -> bool:
        """Whether it gave no refusal and no warning."""
        return self.status == 0 and "warning:" not in self.err


def run(command: str) -> Outcome:
    """Run a command line as a shell would."""
    program, *arguments = shlex.split(command)
    assert program == "embmerge", command
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(arguments)
        except SystemExit as stop:
            status = int(stop.code or 0)
    return Outcome(status, out.getvalue(), err.getvalue())


def read_sessions(text: str) -> Iterator[Sequence[tuple[str, str]]]:
    """Yield each session: its commands with what stands below them."""
    for block in SESSION.findall(text):
        parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)
        yield list(zip(parts[1::2], parts[2::2], strict=True))


def fill_in(text: str) -> str:
    """Return a document with what its commands print now."""

    def show(session: re.Match[str]) -> str:
        commands = re.findall(r"^\$ (.*)$", session[1], re.MULTILINE)
        return "```console\n" + "".join(f"$ {command}\n{run(command).out}" for command in commands) + "```"

    return SESSION.sub(show, text)


if __name__ == "__main__":
    document = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        document.write_text(fill_in(document.read_text(encoding="utf-8")), encoding="utf-8")
