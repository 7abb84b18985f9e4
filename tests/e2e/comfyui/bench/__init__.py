"""A pack of nodes for the tests: lay a link to this folder into ComfyUI's `custom_nodes`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any


class Fingerprint:
    """Shows a hash of a conditioning's numbers, to the bit, so that no picture has to be made."""

    RETURN_TYPES = ("STRING",)
    FUNCTION = "fingerprint"
    CATEGORY = "tests"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, object]:  # noqa: N802 - ComfyUI's name
        """Return what the node takes."""
        return {"required": {"conditioning": ("CONDITIONING",)}}

    def fingerprint(self, conditioning: Any) -> dict[str, object]:
        """Return the hash."""
        digest = hashlib.sha256()
        for piece in _pieces(conditioning):
            digest.update(piece)
        text = digest.hexdigest()
        return {"ui": {"fingerprint": [text]}, "result": (text,)}


def _pieces(value: Any) -> Iterator[bytes]:
    if hasattr(value, "detach"):
        yield str(tuple(value.shape)).encode()
        yield value.detach().cpu().float().contiguous().numpy().tobytes()
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            yield str(key).encode()
            yield from _pieces(value[key])
    elif isinstance(value, (list, tuple)):
        yield f"[{len(value)}]".encode()
        for each in value:
            yield from _pieces(each)
    elif not isinstance(value, str):  # a note of the prompt itself
        yield repr(value).encode()


NODE_CLASS_MAPPINGS = {"E2EFingerprint": Fingerprint}
