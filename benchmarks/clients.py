"""The app under eight clients who write, while each of a list of hostile questions comes in between.

Every client asks for previews of expressions, one after the other, as a page does while somebody types; hostile ones
send what no page sends. Every ordinary question has to be answered rightly, and the program has to be there at the end.

    python -m benchmarks.clients --questions 40
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path

from tests.browser.app_server import AppServer, start_server
from tests.door.client import Client

CLIENTS = 8
SLOWEST_S = 30.0
"""How long an answer may take beside all others; one alone takes some hundredths of a second."""

WORDS = ("cat", "dog", "red", "blue", "castle", "king", "woman", "child")

HOSTILE = [
    "'cat'@\"~nosuch.x\"",
    "'cat'@\"" + "x" * 300 + '"',
    "'cat'@\"/etc/passwd\"",
    "'cat'@\"\0\"",
    "\ud83d",
    "(" * 5000,
    "'" * 16_000,
    "repeat('cat', 10000000)",
    "nearest(random(1024, 1))",
    "*1" * 8000,
    "'a'" + " + 'a'" * 2000,
    "emb('../../secret')",
    "<script>alert(1)</script>",
    "'" + "a " * 4000 + "'",
    "random(1024, 1) + random(1024, 2) + random(1024, 3)",
    "normalize('', '')",
]


def ask(client: Client, event: int, text: str, number: int) -> str:
    """Ask for the preview of a text, and return all that comes back."""
    return client.fire(event, [json.dumps({"id": number, "kind": "preview", "text": text})])


def write(client: Client, event: int, word: str, questions: int, times: list[float], wrong: list[str]) -> None:
    """Ask as somebody who writes, and note how long each answer took and what was wrong."""
    for number in range(questions):
        length = 1 + number % 5
        text = ", ".join([f"'{word}'"] * length)
        began = time.perf_counter()
        answer = ask(client, event, text, number)
        times.append(time.perf_counter() - began)
        expected = "1 vector" if length == 1 else f"{length} vectors"
        if expected not in answer:
            wrong.append(f"{text}: {answer[:200]}")


def attack(client: Client, event: int, times: list[float], wrong: list[str]) -> None:
    """Ask every hostile question."""
    for number, text in enumerate(HOSTILE):
        began = time.perf_counter()
        if not ask(client, event, text, number):
            wrong.append(f"no answer: {text[:40]!r}")
        times.append(time.perf_counter() - began)


def run(server: AppServer, questions: int) -> tuple[list[float], list[float], list[str]]:
    """Let all clients ask at once; return the times of ordinary and of hostile questions, and what was wrong."""
    event = next(one.number for one in Client(server.url).events() if "embmerge_ask" in one.elements)
    ask(Client(server.url), event, "'cat'", 0)  # the statistics of the tables are read once
    ordinary: list[float] = []
    hostile: list[float] = []
    wrong: list[str] = []
    work = [
        threading.Thread(target=write, args=(Client(server.url), event, word, questions, ordinary, wrong))
        for word in WORDS[:CLIENTS]
    ]
    work.append(threading.Thread(target=attack, args=(Client(server.url), event, hostile, wrong)))
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    if server.process.poll() is not None:
        wrong.append("the program is gone")
    return ordinary, hostile, wrong


def main() -> int:
    """Start the app, let the clients ask, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=40)
    options = parser.parse_args()
    gradio = version("gradio")
    with tempfile.TemporaryDirectory() as place, start_server(gradio, sys.executable, Path(place)) as server:
        ordinary, hostile, wrong = run(server, options.questions)
        failures = server.new_log().count("Traceback")
    print("| clients | questions | median | slowest | hostile questions | slowest | wrong | tracebacks in the log |")
    print("|---|---|---|---|---|---|---|---|")
    print(
        f"| {CLIENTS} | {len(ordinary)} | {statistics.median(ordinary):.2f} s | {max(ordinary):.2f} s "
        f"| {len(hostile)} | {max(hostile):.2f} s | {len(wrong)} | {failures} |"
    )
    for one in wrong[:10]:
        print(f"\n{one}")
    return 1 if wrong or failures or max(*ordinary, *hostile) > SLOWEST_S else 0


if __name__ == "__main__":
    sys.exit(main())
