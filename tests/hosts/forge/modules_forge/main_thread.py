"""The one thread that loads models and makes the page's pictures."""

import threading

last_exception = None

finished_list = []
"""What the last job gave: the host forgets it only with the next one."""


def run_and_wait_result(func, *args, **kwargs):
    """Give what the function gives there, None where it raises: the host only prints that."""
    results = []

    def work():
        global last_exception
        try:
            results.append(func(*args, **kwargs))
        except Exception as problem:  # noqa: BLE001  # as the host does
            last_exception = problem

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    finished_list[:] = results
    return results[0] if results else None
