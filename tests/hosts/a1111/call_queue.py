"""The lock that lets one picture be made at a time."""

import threading

queue_lock = threading.Lock()
