"""A template and what people typed make a job, or faults by the titles of the fields."""

import json
from typing import Any

import pytest

from loraruner.clients.clickup_records import Field
from loraruner.dispatch.fields import said, value
from loraruner.dispatch.template import fill, missing, read, spoken
from loraruner.spec import JobInvalid, catalog
from tests.support.dispatching import document, template

TASK = "86c2x9k1p"
CHOICE = (("id-a", "cosine"), ("id-b", "linear"))


def field(name: str, kind: str, raw: Any, options: tuple[tuple[str, str], ...] = ()) -> Field:
    return Field("f1", name, kind, options, raw, tuple(str(place) for place in range(len(options))))


def key(dotted: str) -> catalog.Key:
    return next(each for each in catalog.all_keys() if each.path == tuple(dotted.split(".")))


def refused(whole: dict[str, Any]) -> str:
    with pytest.raises(JobInvalid) as caught:
        read(json.dumps(whole).encode())
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "raw", "place", "expected"),
    [
        ("number", "16", "lora.rank", 16),
        ("number", 16.0, "lora.rank", 16),
        ("short_text", " 16 ", "lora.rank", 16),
        ("number", "2e-4", "training.learning_rate", 2e-4),
        ("currency", 5, "training.epochs", 5),
        ("short_text", "7", "labels.team", "7"),
        ("text", "neon, a cat\r\n\r\n neon, a dog \n", "sampling.prompts", ["neon, a cat", "neon, a dog"]),
        ("checkbox", "true", "options.spec_augment", True),
        ("short_text", "No", "options.spec_augment", False),
        ("url", "s3://models/sd", "model.base", "s3://models/sd"),
        ("short_text", "unet", "lora.targets", "unet"),
    ],
)
def test_values_by_the_schema_s_type(kind: str, raw: Any, place: str, expected: Any) -> None:
    """What was typed becomes a value of the type that the job has there."""
    there = key(place) if place != "labels.team" else catalog.Key(("labels", "team"), {"type": "string"}, False)
    assert value(field("x", kind, raw), there) == expected


@pytest.mark.parametrize(
    ("kind", "raw", "place", "reason"),
    [
        ("short_text", "sixteen", "lora.rank", "is no whole number"),
        ("number", "8.5", "lora.rank", "is no whole number"),
        ("number", "nan", "training.learning_rate", "is no number"),
        ("number", "1e999", "training.learning_rate", "is no number"),
        ("short_text", "maybe", "options.spec_augment", "is neither yes nor no"),
        ("users", [{"id": 1}], "labels.team", "is of the type users, which no job can read"),
        ("labels", ["id-a", "id-b"], "lora.rank", "is no whole number"),
    ],
)
def test_values_that_are_none(kind: str, raw: Any, place: str, reason: str) -> None:
    """What can be no such value says what it is not."""
    there = key(place) if place != "labels.team" else catalog.Key(("labels", "team"), {"type": "string"}, False)
    with pytest.raises(ValueError, match=reason):
        value(field("x", kind, raw, CHOICE), there)


@pytest.mark.parametrize("raw", [0, "0", "id-a"])
def test_a_drop_down_is_the_option_s_name(raw: Any) -> None:
    """Tasks tell the option's place, webhooks and requests its id; both are the name that people see."""
    assert said(field("x", "drop_down", raw, CHOICE)) == "cosine"


def test_other_forms_as_people_see_them() -> None:
    """Labels are their texts, an option that is gone is told as it is, nothing is nothing."""
    assert said(field("x", "labels", ["id-b", "id-a", "gone"], CHOICE)) == ["cosine", "linear"]
    assert said(field("x", "drop_down", "gone", CHOICE)) == "gone"
    empty: tuple[Any, ...] = (None, "", [])
    assert [said(field("x", "text", raw)) for raw in empty] == [None, None, None]


@pytest.mark.parametrize(
    "offset_h",
    [-10, -5, 0, 1, 5.5, 8, 9, 12, 13],
)
def test_a_day_is_the_day_that_was_chosen(offset_h: float) -> None:
    """A date without a time lies at 4 in the morning of whoever chose it, from Hawaii to New Zealand."""
    chosen_ms = 1_798_761_600_000  # 2027-01-01 00:00 UTC
    stored_ms = chosen_ms + (4 - offset_h) * 3_600_000
    assert said(field("x", "date", str(int(stored_ms)))) == "2027-01-01"
    assert said(field("x", "date", chosen_ms)) == "2027-01-01"


@pytest.mark.parametrize("raw", ["soon", 10**30, "9" * 50])
def test_a_day_that_is_none(raw: Any) -> None:
    """Hostile numbers are shown, not computed with; the job's own check refuses them."""
    assert said(field("x", "date", raw)) == str(raw)[:40] or len(said(field("x", "date", raw))) <= 40


def test_the_job_of_a_task() -> None:
    """Fields go where the template says, whatever the letters of their titles; the rest stands as it was."""
    fields = [field("rank", "number", "4"), field("PROMPTS ", "text", "a\nb"), field("Other", "text", "x")]
    job, spec = fill(template("s3://loras", labels={"team": "brand"}), TASK, fields)
    assert (spec.name, spec.data.uri, spec.lora.rank) == (TASK, f"clickup://{TASK}", 4)
    assert spec.sampling.prompts == ("a", "b") and job["labels"] == {"team": "brand"}
    assert job["notify"] == [{"kind": "clickup", "task_id": TASK}]


@pytest.mark.parametrize(
    ("labels", "name", "expected"),
    [
        ({}, "Train Neon Style", {"title": "Train Neon Style"}),
        ({"title": "Posters"}, "Train Neon Style", {"title": "Posters"}),
        ({}, "n" * 1000, {"title": "n" * 200}),
        ({}, "", {}),
        ({f"k{number}": "x" for number in range(50)}, "Neon", {f"k{number}": "x" for number in range(50)}),
    ],
)
def test_the_title_of_the_task_is_a_label(labels: dict[str, str], name: str, expected: dict[str, str]) -> None:
    """What is called after an id is found by the words that people gave it; a title of the template's own stays."""
    _, spec = fill(template("s3://loras", labels=labels), TASK, [], name)
    assert dict(spec.labels) == expected


def test_the_template_is_never_changed() -> None:
    """One task's values are no other's."""
    made = template("s3://loras", lora={"rank": 2})
    assert fill(made, TASK, [field("Rank", "number", "4")])[0]["lora"] == {"rank": 4}
    assert fill(made, TASK, [])[0]["lora"] == {"rank": 2}


def test_a_template_s_own_notice_stays_alone() -> None:
    """A template that says how the task hears of the run gets no second entry."""
    own = [{"kind": "webhook", "url": "https://x.example/y"}, {"kind": "clickup", "attach": ["report"]}]
    assert fill(template("s3://loras", notify=own), TASK, [])[0]["notify"] == own


def test_every_fault_by_the_title_of_its_field() -> None:
    """All at once, each told once: what the conversion, the schema and the checks of a job find."""
    fields = [field("Rank", "number", "many"), field("Team", "short_text", "t" * 501), field("Prompts", "text", "p")]
    with pytest.raises(JobInvalid) as caught:
        fill(template("s3://loras"), TASK, fields)
    assert [fault.pointer for fault in caught.value.faults] == ["Rank", "Team"]


@pytest.mark.parametrize(("place", "other"), [("epochs", "max_steps"), ("max_steps", "epochs")])
def test_one_measure_of_length_takes_the_place_of_the_other(place: str, other: str) -> None:
    """A job has epochs or steps: the one that a task gives takes the place of the one in the template."""
    whole = document("s3://loras", training={other: 3})
    whole["fields"]["Length"] = f"training.{place}"
    job, _ = fill(read(json.dumps(whole).encode()), TASK, [field("Length", "number", "7")])
    assert job["training"] == {place: 7}


def test_what_is_read_and_what_is_missing() -> None:
    """Only fields that the template reads count for a claim; titles that no field has are named."""
    fields = [field("Rank", "number", "4"), field("Prompts", "text", None), field("Else", "text", "x")]
    made = template("s3://loras")
    assert spoken(made, fields) == {"Rank": "4"} and missing(made, fields) == ["Team"]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"job": None}, "$.job: is missing"),
        ({"fields": []}, "$.fields: "),
        ({"jobs": {}}, "$.jobs: is no key of a template"),
        ({"fields": {"Rank": "lora.rnak"}}, '$.fields.Rank: "lora.rnak" is no place in a job'),
        ({"fields": {"Name": "name"}}, '$.fields.Name: "name" is set by dispatch itself'),
        ({"fields": {"Data": "data.uri"}}, "$.fields.Data: "),
        ({"fields": {"Out": "output.uri"}}, '$.fields.Out: "output.uri" is the template\'s alone'),
        ({"fields": {"All": "training"}}, '$.fields.All: "training" holds more than a field can say'),
        ({"fields": {"Language": "options.language"}}, '$.fields.Language: "options.language" is no place in a job'),
    ],
)
def test_a_bad_template_is_refused_at_once(change: dict[str, Any], place: str) -> None:
    """Before ClickUp is asked, with the place in the template."""
    assert place in refused({**document("s3://loras"), **change})


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": "x"}, "$.job.name: is set by dispatch"),
        ({"data": {"uri": "s3://x/y"}}, "$.job.data.uri: is set by dispatch"),
        ({"lora": {"rnak": 1}}, "$.job.lora.rnak: "),
        ({"lora": {"rank": 0}}, "$.job.lora.rank: 0 is less than the minimum 1"),  # a field may stay empty
        ({"model": {}}, "$.job.model.base: is missing"),
        ({"output": {}}, "$.job.output.uri: is missing"),
    ],
)
def test_a_bad_job_in_a_template(change: dict[str, Any], place: str) -> None:
    """What no field can mend is the template's fault."""
    whole = document("s3://loras")
    whole["job"].update(change)
    assert place in refused(whole)


def test_what_a_field_fills_may_be_missing() -> None:
    """A template may leave out what a field gives, and then each task must give it."""
    whole = document("s3://loras", model={})
    whole["fields"]["Base"] = "model.base"
    made = read(json.dumps(whole).encode())
    assert fill(made, TASK, [field("Base", "short_text", "hf://a/b")])[1].model.base == "hf://a/b"
    with pytest.raises(JobInvalid, match=r"^Base: is missing"):
        fill(made, TASK, [])
