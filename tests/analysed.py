"""Expressions asked one thing at a time: a text, or a tree that no text need have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

from lib_embmerge.entered import Entered, read_expression
from lib_embmerge.evaluation import Analysis, Provenance, ReadPart, analyse
from lib_embmerge.host_protocol import TextModel
from lib_embmerge.language import write
from lib_embmerge.language.nodes import Expression
from lib_embmerge.limits import Limits
from lib_embmerge.remarks import Remark
from lib_embmerge.vectors.embedding import Embedding

Asked = Union[str, Expression]


def entered(asked: Asked, limits: Limits | None = None) -> Entered:
    if isinstance(asked, str):
        return read_expression(asked, kind="expression", limits=limits)
    text = write(asked)
    return Entered(text, text, 0, asked, limits or Limits())


def evaluate(asked: Asked, model: TextModel, limits: Limits | None = None) -> Embedding:
    return Analysis(entered(asked, limits), model).value()


def evaluate_all(asked: Sequence[Asked], model: TextModel) -> list[Embedding]:
    return [one.value() for one in analyse([entered(one) for one in asked], model)]


def count(asked: Asked, model: TextModel, limits: Limits | None = None) -> int:
    return Analysis(entered(asked, limits), model).length


def count_all(asked: Sequence[Asked], model: TextModel) -> list[int]:
    return [one.length for one in analyse([entered(one) for one in asked], model)]


def remarks(asked: Asked, model: TextModel) -> list[Remark]:
    return Analysis(entered(asked), model).remarks()


def read_parts(asked: Asked, model: TextModel) -> list[ReadPart]:
    return Analysis(entered(asked), model).parts()


def resolve(asked: Asked, model: TextModel) -> Provenance:
    return Analysis(entered(asked), model).provenance()
