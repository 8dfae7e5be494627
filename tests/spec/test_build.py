"""From a checked document to the typed spec."""

import json
from typing import Any

import pytest

from loraruner.spec import FORMATS, ImageOptions, SpeechOptions, TextOptions, load, to_document


def job(task: str, **sections: Any) -> bytes:
    base = {"name": "n", "task": task, "model": {"base": "b"}, "data": {"uri": "d"}, "output": {"uri": "o"}}
    return json.dumps({**base, **sections}).encode()


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("text-to-image", ImageOptions()),
        ("text-generation", TextOptions()),
        ("automatic-speech-recognition", SpeechOptions()),
    ],
)
def test_formats_and_options_come_from_the_task(task: str, options: object) -> None:
    """A job that names no formats gets all of its task, and the options of its task alone."""
    spec = load(job(task)).spec
    assert (spec.options, spec.output.formats) == (options, FORMATS[task])


def test_fields_have_their_declared_types() -> None:
    """8 becomes 8.0 for a float and 3.0 becomes 3 for an integer: equal jobs have equal bytes."""
    one = load(job("text-to-image", lora={"alpha": 8, "rank": 4.0}, training={"epochs": 3.0})).spec
    two = load(job("text-to-image", lora={"alpha": 8.0, "rank": 4}, training={"epochs": 3})).spec
    assert json.dumps(to_document(one)) == json.dumps(to_document(two))
    assert (type(one.lora.alpha), type(one.lora.rank), type(one.training.epochs)) == (float, int, int)


def test_steps_replace_the_default_epochs() -> None:
    """A job that gives max_steps alone has no epochs, also after the round trip."""
    spec = load(job("text-to-image", training={"max_steps": 5})).spec
    assert (spec.training.epochs, spec.training.max_steps) == (None, 5)
    assert load(json.dumps(to_document(spec)).encode()).spec == spec


def test_document_names_every_default() -> None:
    """The resolved job is plain JSON and shows what was not given; $schema appears only where it was."""
    document = to_document(load(job("text-generation")).spec)
    assert document["training"]["epochs"] == 10 and document["evaluation"]["uri"] is None
    assert "$schema" not in document and "schema" not in document


@pytest.mark.parametrize(
    ("task", "quality", "there", "not_there"),
    [
        ("text-to-image", {}, "blurred", "duplicate_row"),
        ("text-to-image", {}, "blurred", "trigger_missing"),
        ("text-to-image", {"trigger": "neon"}, "trigger_missing", "personal_data"),
        ("text-to-image", {"checks": {"trigger_missing": "off"}}, "trigger_missing", "long_answer"),
        ("text-generation", {}, "duplicate_row", "blurred"),
    ],
)
def test_a_document_names_the_checks_of_its_task(
    task: str, quality: dict[str, Any], there: str, not_there: str
) -> None:
    """The resolved job has the checks and thresholds that its samples can have, and loads again to an equal spec."""
    spec = load(job(task, data={"uri": "d", "quality": quality})).spec
    document = to_document(spec)
    found = document["data"]["quality"]
    assert there in found["checks"] and not_there not in found["checks"]
    assert ("max_answer_words" in found, "max_aspect" in found) == (
        task == "text-generation",
        task == "text-to-image",
    )
    assert load(json.dumps(document).encode()).spec == spec
