"""``--set a.b=c`` replaces one field and is checked like the rest."""

import json

import pytest

from loraruner.spec import JobInvalid, Loaded, load

JOB = json.dumps(
    {
        "name": "n",
        "task": "text-to-image",
        "model": {"base": "b"},
        "data": {"uri": "d"},
        "output": {"uri": "o"},
        "training": {"epochs": 3},
        "labels": {"team": "t"},
    }
).encode()


def with_set(*overrides: str) -> Loaded:
    return load(JOB, overrides=overrides)


def fault(*overrides: str) -> str:
    with pytest.raises(JobInvalid) as caught:
        with_set(*overrides)
    return str(caught.value)


def test_values_are_json_else_strings() -> None:
    """Numbers, lists and plain words all arrive as what they look like; sections are made where absent."""
    spec = with_set(
        "lora.rank=16",
        'sampling.prompts=["a", "b"]',
        "name=other",
        "output.uri=s3://x/?a=b",
        "$.lora.alpha=4",
    ).spec
    assert (spec.lora.rank, spec.lora.alpha, spec.sampling.prompts) == (16, 4.0, ("a", "b"))
    assert (spec.name, spec.output.uri) == ("other", "s3://x/?a=b")


def test_the_last_override_wins() -> None:
    """The same path twice takes the last value."""
    assert with_set("lora.rank=16", "lora.rank=4").spec.lora.rank == 4


def test_steps_beside_epochs_need_a_null() -> None:
    """max_steps on a job with epochs is a contradiction until the epochs are taken out."""
    assert fault("training.max_steps=5").startswith("$.training.max_steps: 5 is given beside epochs")
    training = with_set("training.max_steps=5", "training.epochs=null").spec.training
    assert (training.epochs, training.max_steps) == (None, 5)


def test_null_takes_a_key_out() -> None:
    """Null gives the default back, whether the key was there or not, and takes a label away."""
    spec = with_set("training.epochs=null", "lora.rank=null", "labels.team=null").spec
    assert (spec.training.epochs, spec.lora.rank, spec.labels) == (10, 8, {})


@pytest.mark.parametrize(
    ("override", "told"),
    [
        (
            "training.epcohs=3",
            "$.training.epcohs: 3 is the value of an unknown key; did you mean $.training.epochs?",
        ),
        (
            "tranining.epochs=null",
            "$.tranining: an object is the value of an unknown key; did you mean $.training?",
        ),
        ("lora.rank=ten", '$.lora.rank: "ten" is not of type integer; give a whole number, e.g. 8'),
        (
            "lora.alpha=1e999",
            "$.lora.alpha: 1e999 is too large for a number; give a finite number of usual size",
        ),
        ("lora.alpha=NaN", "$.lora.alpha: NaN is no JSON number; give a finite number of usual size"),
        ("name.first=x", '$.name.first: "n" is what $.name holds; set that key as a whole'),
        ("epochs", '$: "epochs" is no override; write --set training.epochs=3'),
        ("training..epochs=3", '$: "training..epochs=3" is no override; write --set training.epochs=3'),
        ("name=a\x1b[31m", "$.name: holds a control character; give plain text"),
        ('labels={"a": 1, "a": 2}', "$.labels.a: is given twice; keep one of them"),
    ],
)
def test_bad_override_names_its_place(override: str, told: str) -> None:
    """A bad override is one fault at the path that it sets."""
    assert fault(override) == told


def test_deep_values_and_paths_are_refused() -> None:
    """Neither a nested value nor an endless path reaches a recursive function."""
    assert fault("lora.alpha=" + "[" * 5000).startswith("$.lora.alpha: is nested deeper than 32 levels")
    assert "is no override" in fault("a." * 5000 + "b=1")


def test_several_bad_overrides_are_reported_together() -> None:
    """Every override that cannot be applied is named."""
    assert fault("x", "name.y=1").splitlines()[0] == "2 faults:"


def test_a_null_section_is_none() -> None:
    """``"quality": null`` in the job is no obstacle to setting a key inside it."""
    document = {**json.loads(JOB), "data": {"uri": "d", "quality": None}}
    found = load(json.dumps(document).encode(), overrides=["data.quality.max_aspect=3"]).spec
    assert found.data.quality is not None and found.data.quality.max_aspect == 3


def test_an_object_is_asked_for_in_plain_words() -> None:
    """Where an object belongs, the fix names no example that only says "an object" again."""
    assert fault("data.quality=3") == "$.data.quality: 3 is not of type object; give an object"
