"""ModelSpec fields."""

import datetime

from lib_embmerge.families import FAMILIES
from lib_embmerge.files.modelspec import IMPLEMENTATION, modelspec_fields

DATE = datetime.datetime(2024, 5, 1, 12, 30, 0, 999, tzinfo=datetime.timezone.utc)


def test_all_fields():
    fields = modelspec_fields(
        "cat",
        FAMILIES["sdxl"],
        date=DATE,
        author="A",
        description="D",
        trigger_phrase="cat",
        is_negative_embedding=False,
        tags=["a", "b"],
    )
    assert fields == {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": "stable-diffusion-xl-v1-base/textual-inversion",
        "modelspec.implementation": IMPLEMENTATION,
        "modelspec.title": "cat",
        "modelspec.date": "2024-05-01T12:30:00+00:00",
        "modelspec.author": "A",
        "modelspec.description": "D",
        "modelspec.trigger_phrase": "cat",
        "modelspec.is_negative_embedding": "false",
        "modelspec.tags": "a, b",
    }


def test_what_is_empty_is_left_out():
    assert set(modelspec_fields("cat", None, date=DATE)) == {
        "modelspec.sai_model_spec",
        "modelspec.implementation",
        "modelspec.title",
        "modelspec.date",
    }


def test_the_date_is_now_where_none_is_given():
    written = datetime.datetime.fromisoformat(modelspec_fields("cat", None)["modelspec.date"])
    assert abs(datetime.datetime.now(datetime.timezone.utc) - written) < datetime.timedelta(minutes=1)
