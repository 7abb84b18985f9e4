"""The one thread in which the page's pictures are made; it prints what a task raises, and goes on."""

import threading
import traceback

finished_list = []
"""What the last job gave: the host forgets it only with the next one."""


def run_and_wait_result(func, *args, **kwargs):
    results = []

    def work():
        try:
            results.append(func(*args, **kwargs))
        except Exception:  # noqa: BLE001  # the host does
            traceback.print_exc()

    thread = threading.Thread(target=work, name="the main thread")
    thread.start()
    thread.join()
    finished_list[:] = results
    return results[0] if results else None
