"""How many examples property tests try: few while one works, many with `EMBMERGE_TESTS=thorough`, as CI does."""

from __future__ import annotations

import os

IS_THOROUGH = os.environ.get("EMBMERGE_TESTS") == "thorough"


def examples(thorough: int) -> int:
    """Give how many of so many are tried now."""
    return thorough if IS_THOROUGH else max(25, thorough // 10)
