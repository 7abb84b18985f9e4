"""`embmerge app` in which Python fails at the preview of one expression."""

from __future__ import annotations

import sys
from types import MappingProxyType

from lib_embmerge.frontends.cli import run_command
from lib_embmerge.frontends.page import answers
from lib_embmerge.frontends.page.question import Answer, Question
from lib_embmerge.host_protocol import PageHost

FAULT = "'fault'"


def preview(question: Question, host: PageHost) -> Answer:
    if question.text("text") == FAULT:
        raise RuntimeError("planted")
    return answers.answer_preview(question, host)


if __name__ == "__main__":
    answers.ASKED = MappingProxyType({**answers.ASKED, "preview": preview})
    sys.exit(run_command(["app", "--no-browser", *sys.argv[1:]]))
