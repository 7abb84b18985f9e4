"""A question at which Python itself fails: the page says so at once, and answers the next one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .app_server import AppServer, start_server
from .failing_app import FAULT
from .visitor import Visitor

PROGRAM = (str(Path(__file__).with_name("failing_app.py")),)


def test_the_page_is_told_and_goes_on(server: AppServer, browser: Any, tmp_path: Path) -> None:
    with start_server(server.gradio, server.process.args[0], tmp_path, program=PROGRAM) as failing:
        somebody = Visitor(browser, failing.url)
        tab = somebody.open()
        tab.write("'cat'").sees("1 vector")
        tab.write(FAULT).sees("embmerge has failed", at="messages")
        tab.write("'cat', 'dog'").sees("2 vectors").sees_no("embmerge has failed", at="messages")
        tab.write(FAULT).sees("embmerge has failed", at="messages")
        assert "planted" in failing.new_log()
        somebody.context.close()
