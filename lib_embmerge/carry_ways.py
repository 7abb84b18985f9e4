"""How an embedding can be carried to another model: a table, without the mathematics."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CARRY_WAYS"]

CARRY_WAYS: Mapping[str, str] = {
    "words": "what each vector is in words, written for the other model",
    "ridge": "a linear map between the two models' words, by least squares",
    "rotation": "the rotation and the factor of length between the two models' words",
    "shared": "the vectors of an encoder that both models have, zeros for the others",
}
"""The ways by name, and what each is. `carry` does them."""
