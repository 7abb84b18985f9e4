"""The one thread in which some hosts load models and make pictures."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

NAME = "the main thread"


class MainThread:
    """Runs what it is given and waits for it; keeps what the last one gave, and every error to itself."""

    def __init__(self) -> None:
        self.finished_list: list[Any] = []

    def run_and_wait_result(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        results = []

        def work() -> None:
            try:
                results.append(func(*args, **kwargs))
            except Exception:  # noqa: BLE001 (as the hosts do)
                traceback.print_exc()

        thread = threading.Thread(target=work, name=NAME)
        thread.start()
        thread.join()
        self.finished_list[:] = results
        return results[0] if results else None
