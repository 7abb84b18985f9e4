"""`/embmerge/v1/` on the host's own server, for scripts and other front ends: the library's verbs, in JSON.

The models are plain, so that pydantic 1 and 2, of which each host has one, read them alike. A user's mistake is status
400 with a `MistakeFound`; what is no such question at all is 422, with a message.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from .. import library
from ..entered import read_expression
from ..errors import EmbeddingMergeError, closest_names, shorten
from ..files.names import folder_below
from ..files.paths import is_below
from ..host_protocol import PageHost
from ..limits import HIGHEST
from ..operations import OPERATIONS, signature
from ..saving import DTYPES, SaveOptions
from .page.source import find_file
from .save_form import LONGEST_ABOUT, SaveForm

__all__ = [
    "PREFIX",
    "CheckFound",
    "CountFound",
    "ExpressionFound",
    "ExpressionQuestion",
    "FileQuestion",
    "FileSaved",
    "FunctionFound",
    "FunctionsFound",
    "MistakeFound",
    "ModelFound",
    "SaveQuestion",
    "SavedFound",
    "TextQuestion",
    "VectorFound",
    "VectorsFound",
    "VerdictFound",
    "WordFound",
    "api_login",
    "build_routes",
    "serve_api",
]

PREFIX = "/embmerge/v1"
HOST_API = "/sdapi/v1/txt2img"
"""A route that only a WebUI's own API has: extensions add others beside it, without a login and where it is off."""

LARGEST_BODY = 2_000_000
"""Bytes of a question."""
LONGEST_TEXT = HIGHEST["characters"]
LONGEST_LINE = LONGEST_ABOUT
MOST_WORDS = 100
LONGEST_SENTENCE = 200


class TextQuestion(BaseModel):
    """An expression, or a prompt with expressions in brackets."""

    text: str = Field(max_length=LONGEST_TEXT)


class ExpressionQuestion(BaseModel):
    """An expression, and what is wished to know of it."""

    expression: str = Field(max_length=LONGEST_TEXT)
    nearest: int = Field(5, ge=0, le=MOST_WORDS, description="how many of the nearest words, for each vector")
    numbers: bool = Field(False, description="whether the vectors' numbers are given, too")


class SaveQuestion(BaseModel):
    """An expression, and how it is to be saved."""

    expression: str = Field(max_length=LONGEST_TEXT)
    name: str = Field(max_length=LONGEST_LINE)
    folder: str = Field("", max_length=LONGEST_LINE, description="below the embeddings folder")
    overwrite: bool = False
    dtype: str = Field("float32", description="float32 or float16")
    long: str = Field("", description="what becomes of more than 75 vectors: cut, pool, split or keep")
    author: str = Field("", max_length=LONGEST_LINE)
    note: str = Field("", max_length=LONGEST_LINE)
    trigger: str = Field("", max_length=LONGEST_LINE)
    tags: str = Field("", max_length=LONGEST_LINE)
    negative: bool = False


class FileQuestion(BaseModel):
    """A file of the embeddings folder."""

    file: str = Field(max_length=LONGEST_LINE, description="its path below the folder")
    nearest: int = Field(5, ge=0, le=MOST_WORDS)


class MistakeFound(BaseModel):
    """What is wrong: the sentence, where in the text, and what may stand there instead."""

    message: str
    suggestion: str | None = None
    source: str | None = None
    span: list[int] | None = Field(None, description="the first character and the one past the last")
    alternatives: list[str] = []


class ModelFound(BaseModel):
    """The model that answered."""

    title: str
    family: str | None = None
    encoders: dict[str, int] = Field(description="the length of a vector, by text encoder")
    demonstration: bool = False


class ExpressionFound(BaseModel):
    """An expression of a prompt."""

    text: str
    vectors: int


class CountFound(BaseModel):
    """How long a text is."""

    kind: str
    encoders: dict[str, int]
    chunks: dict[str, int]
    expressions: list[ExpressionFound]
    warnings: list[str]
    model: ModelFound


class VectorFound(BaseModel):
    """One vector: its norm, how that is beside the model's words, and the words that it is nearest to."""

    encoder: str
    index: int
    norm: float | None = None
    norm_ratio: float | None = None
    percentile: float | None = None


class WordFound(BaseModel):
    """A word of the model near to a vector."""

    encoder: str
    index: int
    id: int
    text: str
    cosine: float


class VectorsFound(BaseModel):
    """What an expression or a file holds."""

    encoders: dict[str, list[int]] = Field(description="how many vectors, and how long, by text encoder")
    vectors: list[VectorFound]
    nearest: list[WordFound]
    warnings: list[str]
    metadata: dict[str, str] = {}
    numbers: dict[str, list[list[float | None]]] | None = None
    model: ModelFound | None = None


class FileSaved(BaseModel):
    """A file that was written."""

    name: str
    path: str = Field(description="below the embeddings folder")
    encoders: dict[str, list[int]]
    bytes: int
    warnings: list[str]


class SavedFound(BaseModel):
    """The files that were written."""

    saved: list[FileSaved]
    model: ModelFound


class VerdictFound(BaseModel):
    """Whether a program loads a file for a model family."""

    program: str
    model: str
    loads: bool
    reason: str
    remarks: list[str]


class CheckFound(BaseModel):
    """Where a file loads."""

    verdicts: list[VerdictFound]


class FunctionFound(BaseModel):
    """An operator or a function of the language."""

    name: str
    signature: str
    summary: str
    formula: str
    example: str
    is_function: bool


class FunctionsFound(BaseModel):
    """All of the language."""

    functions: list[FunctionFound]


class _Bounded(APIRoute):
    """A route that takes no more than `LARGEST_BODY`, and whose mistakes are data."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler with a look at the size before it and at the mistake behind it."""
        handle = super().get_route_handler()

        async def handle_bounded(request: Request) -> Response:
            length = request.headers.get("content-length", "")
            if request.method == "POST" and not length.isdecimal():
                return _refusal(411, "The length of the question must be said before.")
            if length.isdecimal() and int(length) > LARGEST_BODY:
                return _refusal(413, f"A question has at most {LARGEST_BODY:,} bytes.")
            try:
                return await handle(request)
            except EmbeddingMergeError as error:
                return _json(_describe_mistake(error), 400)
            except RequestValidationError as error:  # FastAPI's own answer repeats what was sent
                return _refusal(422, "; ".join(map(_describe_field, error.errors())) + ".")

        return handle_bounded


def build_routes(host: PageHost, dependencies: Sequence[Any] = ()) -> APIRouter:
    """Return the routes over a host; `dependencies` are what FastAPI asks before each, such as a login."""
    router = APIRouter(prefix=PREFIX, tags=["embmerge"], dependencies=list(dependencies), route_class=_Bounded)
    answers = _Answers(host)
    for path, answer, model in (
        ("/count", answers.count, CountFound),
        ("/evaluate", answers.evaluate, VectorsFound),
        ("/save", answers.save, SavedFound),
        ("/inspect", answers.inspect, VectorsFound),
        ("/check", answers.check, CheckFound),
    ):
        router.post(path, response_model=model, responses={400: {"model": MistakeFound}})(answer)
    router.get("/functions", response_model=FunctionsFound)(answers.functions)
    return router


class _Answers:
    """The routes' functions; FastAPI calls them in threads of its own."""

    def __init__(self, host: PageHost) -> None:
        self.host = host

    def count(self, question: TextQuestion) -> Any:
        """Count an expression's vectors, or a prompt's tokens."""
        model = self.host.load_text_model()
        found = library.count(question.text, model, limits=self.host.limits)
        return {**asdict(found), "model": _describe(model)}

    def evaluate(self, question: ExpressionQuestion) -> Any:
        """Compute an expression: shapes, norms, nearest words, and on request the numbers."""
        model = self.host.load_text_model()
        entered = read_expression(question.expression, limits=self.host.limits)
        found = library.inspect(entered, model, k=question.nearest)
        numbers = {name: _plain(rows.tolist()) for name, rows in found.vectors.items()} if question.numbers else None
        return {**_describe_vectors(found), "numbers": numbers, "model": _describe(model)}

    def save(self, question: SaveQuestion) -> Any:
        """Save an expression in the embeddings folder."""
        _choose("dtype", question.dtype, list(DTYPES))
        _choose("long", question.long, ["", "cut", "pool", "split", "keep"])
        model = self.host.load_text_model()
        entered = read_expression(question.expression, limits=self.host.limits)
        root = self.host.embeddings_folder
        saved = library.save(entered, question.name, model, _save_options(question, self.host))
        self.host.refresh_embeddings()
        files = [
            {
                "name": one.name,
                "path": one.path.relative_to(root).as_posix() if is_below(one.path, root) else one.path.name,
                "encoders": {name: list(shape) for name, shape in one.shapes.items()},
                "bytes": one.size,
                "warnings": list(one.warnings),
            }
            for one in saved
        ]
        return {"saved": files, "model": _describe(model)}

    def inspect(self, question: FileQuestion) -> Any:
        """Look at a file of the embeddings folder; with the nearest words of the model that is loaded."""
        model = self.host.loaded_text_model()
        found = library.inspect(find_file(self.host, question.file), model, k=question.nearest)
        metadata = dict(found.file.metadata) if found.file else {}
        return {**_describe_vectors(found), "metadata": metadata, "model": None if model is None else _describe(model)}

    def check(self, question: FileQuestion) -> Any:
        """Tell where a file of the embeddings folder loads."""
        verdicts = library.check(find_file(self.host, question.file)).verdicts
        return {"verdicts": [{**asdict(one), "remarks": [said.text for said in one.remarks]} for one in verdicts]}

    def functions(self) -> Any:
        """List every operator and function."""
        return {
            "functions": [
                {**{key: getattr(entry, key) for key in FUNCTION_FIELDS}, "signature": signature(entry)}
                for entry in OPERATIONS.values()
            ]
        }


FUNCTION_FIELDS = ("name", "summary", "formula", "example", "is_function")


def serve_api(app: Any, host: PageHost) -> bool:
    """Add the routes to a WebUI's server, behind the login of its own API; return whether that API is there."""
    dependencies = api_login(app)
    if dependencies is None:
        return False
    app.include_router(build_routes(host, dependencies))
    app.openapi_schema = None  # which FastAPI keeps once it was asked for
    return True


def api_login(app: Any) -> list[Any] | None:
    """Return what a WebUI asks before each route of its own API, none without a login; None where its API is off."""
    for route in app.routes:
        if isinstance(route, APIRoute) and route.path == HOST_API:
            return list(route.dependencies)
    return None


def _save_options(question: SaveQuestion, host: PageHost) -> SaveOptions:
    form = SaveForm(
        overwrite=question.overwrite,
        dtype=question.dtype,
        long=question.long or None,  # type: ignore[arg-type]  # `_choose` has looked
        author=question.author,
        note=question.note,
        trigger=question.trigger,
        tags=question.tags,
        is_negative=question.negative,
    )
    return form.options(folder_below(host.embeddings_folder, question.folder), host.limits, is_installed_here=True)


def _choose(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        shown = ", ".join(choice for choice in choices if choice)
        raise EmbeddingMergeError(f"{name} must be one of {shown}.", alternatives=closest_names(value, choices))


def _describe(model: Any) -> dict[str, Any]:
    return {
        "title": model.title,
        "family": None if model.family is None else model.family.key,
        "encoders": {encoder.name: encoder.width for encoder in model.encoders},
        "demonstration": model.is_demonstration,
    }


def _describe_vectors(found: library.Inspection) -> dict[str, Any]:
    fields = ("encoder", "index", "norm", "norm_ratio", "percentile")
    return {
        "encoders": found.shapes,
        "vectors": [{field: _plain(getattr(row, field)) for field in fields} for row in found.rows],
        "nearest": [asdict(word) for word in found.nearest],
        "warnings": list(found.warnings),
    }


def _describe_mistake(error: EmbeddingMergeError) -> dict[str, Any]:
    return {
        "message": error.message,
        "suggestion": error.suggestion,
        "source": None if error.span is None else error.source,
        "span": None if error.span is None else [error.span.start, error.span.end],
        "alternatives": list(error.alternatives),
    }


def _describe_field(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"] if part != "body") or "the question"
    return shorten(f"{place}: {error['msg']}", LONGEST_SENTENCE)


def _refusal(status: int, sentence: str) -> Response:
    return _json({"message": sentence}, status)


def _json(content: Any, status: int) -> Response:
    """Return an answer in ASCII: a mistake may show half of a surrogate pair, which has no UTF-8."""
    return Response(json.dumps(content), status_code=status, media_type="application/json")


def _plain(value: Any) -> Any:
    """Return a number, or lists of them, with None for what JSON does not have."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
