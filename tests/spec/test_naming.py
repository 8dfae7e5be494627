"""Advice on names goes to jobs of the team's loop alone."""

import pytest

from loraruner.spec import naming

TELLS = [{"kind": "clickup", "task_id": "86c2"}]


@pytest.mark.parametrize(
    "uri",
    [
        "s3://data/cyberpunk_style_202404/",
        "/data/retail_tone_20240401.zip",
        "data/brand_a_photos_2024-04",
        "https://example.com/a_b_2024-04-01.tar.gz?x=1",
    ],
)
def test_well_named_jobs_hear_nothing(uri: str) -> None:
    """A job named after its task, with data named by project, type and date, gets no advice."""
    assert list(naming.warnings({"name": "86c2", "data": {"uri": uri}, "notify": TELLS})) == []


def test_a_task_of_its_own_attachments() -> None:
    """Attachments of the task need no name; the task without an id in the entry is that of the data."""
    job = {"name": "86c2", "data": {"uri": "clickup://86c2"}, "notify": [{"kind": "clickup"}]}
    assert list(naming.warnings(job)) == []
    assert [text.split(":")[0] for text in naming.warnings({**job, "name": "style"})] == ["$.name"]


@pytest.mark.parametrize("uri", ["s3://data/pictures/", "data/cyberpunk_202404", "data/cyberpunk_style", "a_b_24"])
def test_data_without_its_form(uri: str) -> None:
    """Each part that the name of the data lacks is worth one line."""
    told = list(naming.warnings({"name": "86c2", "data": {"uri": uri}, "notify": TELLS}))
    assert len(told) == 1 and told[0].startswith("$.data.uri: ")


@pytest.mark.parametrize("notify", [[], [{"kind": "webhook"}], None, "x", [3]])
def test_other_jobs_are_named_at_will(notify: object) -> None:
    """A job that tells no ClickUp task hears nothing, whatever its form."""
    assert list(naming.warnings({"name": "style", "data": {"uri": "pictures"}, "notify": notify})) == []
