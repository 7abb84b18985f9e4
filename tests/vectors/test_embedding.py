"""The hash of vectors: one for the same numbers, wherever they come from, and those that older versions wrote."""

from __future__ import annotations

import hashlib

import pytest
import torch

from lib_embmerge.vectors.embedding import Embedding, digest_vectors, former_digests

L2, G2 = torch.arange(24.0).reshape(2, 12), torch.arange(32.0).reshape(2, 16)


def test_the_digest_is_that_of_the_numbers() -> None:
    assert digest_vectors({"clip_l": L2, "clip_g": G2}) == digest_vectors({"clip_g": G2.double(), "clip_l": L2})
    assert digest_vectors({"clip_l": L2}) != digest_vectors({"clip_l": L2 * 2})
    assert digest_vectors({"clip_l": L2}) != digest_vectors({"clip_h": L2})
    assert digest_vectors({"clip_l": L2}) != digest_vectors({"clip_l": L2.reshape(1, 24)})


@pytest.mark.parametrize(
    "other",
    [{"clip_l": L2, "clip_g": G2 + 1}, {"clip_l": L2 + 1, "clip_g": G2}, {"clip_l": L2}, {"clip_l": L2, "clip_h": G2}],
)
def test_equal_is_the_same_in_each_encoder(other: dict[str, torch.Tensor]) -> None:
    one = Embedding({"clip_l": L2, "clip_g": G2})
    assert one.equals(Embedding({"clip_g": G2.clone(), "clip_l": L2.clone()}))
    assert not one.equals(Embedding(other))


def test_the_digest_never_changes() -> None:
    """Files hold it."""
    written = b"clip_g[2, 16]" + G2.numpy().tobytes() + b"clip_l[2, 12]" + L2.numpy().tobytes()
    assert digest_vectors({"clip_l": L2, "clip_g": G2}) == hashlib.sha256(written).hexdigest()


def test_former_digests_are_still_known() -> None:
    both = hashlib.sha256(b"clip_g" + G2.numpy().tobytes() + b"clip_l" + L2.numpy().tobytes()).hexdigest()
    assert former_digests({"clip_l": L2.half().float(), "clip_g": G2}) == {both}
    alone = {hashlib.sha256(key + L2.numpy().tobytes()).hexdigest() for key in (b"", b"clip_l")}
    assert former_digests({"clip_l": L2}) == alone
