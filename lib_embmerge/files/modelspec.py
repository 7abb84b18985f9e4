"""The ModelSpec fields of a saved embedding's metadata: the ecosystem's convention for titles, authors and the like.

Source: https://github.com/Stability-AI/ModelSpec, version 1.0.1.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from ..families import Family

__all__ = ["IMPLEMENTATION", "modelspec_fields"]

IMPLEMENTATION = "https://github.com/AUTOMATIC1111/stable-diffusion-webui"
"""The software whose behaviour a textual inversion relies on."""


def modelspec_fields(
    title: str,
    family: Family | None,
    *,
    date: datetime.datetime | None = None,
    author: str = "",
    description: str = "",
    trigger_phrase: str = "",
    is_negative_embedding: bool | None = None,
    tags: Sequence[str] = (),
) -> dict[str, str]:
    """Return the fields by their keys; what is empty is left out, the date is now where none is given.

    `modelspec.hash_sha256` is not among them: it is added when the file's bytes are there.
    """
    moment = (date or datetime.datetime.now(datetime.timezone.utc)).replace(microsecond=0)
    fields = {
        "sai_model_spec": "1.0.1",
        "architecture": f"{family.architecture}/textual-inversion" if family else "",
        "implementation": IMPLEMENTATION,
        "title": title,
        "date": moment.isoformat(),
        "author": author,
        "description": description,
        "trigger_phrase": trigger_phrase,
        "is_negative_embedding": "" if is_negative_embedding is None else str(is_negative_embedding).lower(),
        "tags": ", ".join(tags),
    }
    return {f"modelspec.{key}": value for key, value in fields.items() if value}
