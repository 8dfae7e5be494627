"""The custom fields of a task: which fact goes where, in which form."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loraruner.errors import SpecInvalid
from tests.support.clickup import FACTS, finished, notifier
from tests.support.loop_scripts import ClickUpServer

RUN = "style-0123456789ab"


def test_a_renamed_field(server: ClickUpServer, task: str, tmp_path: Path) -> None:
    """A field that the job names and the list lacks is told, in the error and on the task; the others are filled."""
    server.add_field("Version", "text")
    server.add_field("Use", "text")
    server.rename_field("Version", "Release")
    telling = notifier(server, tmp_path, task, fields={"Version": "version", "Use": "purpose"})
    with pytest.raises(SpecInvalid, match="no custom field 'Version', perhaps it was renamed"):
        telling.send(finished(tmp_path / "files", report=1))
    assert server.values(task) == {"Use": "Campaign"}
    assert "Not done: the list has no custom field 'Version'" in server.comments(task)[0]
    assert list(server.attachments(task)) == ["loraruner-style-v3-report.html"]


@pytest.mark.parametrize(
    ("kind", "options", "fact", "value"),
    [
        ("text", (), "license", "Internal"),
        ("short_text", (), "success", "yes"),
        ("number", (), "peak_memory_gb", 18.7),
        ("currency", (), "duration_min", 142.5),
        ("checkbox", (), "success", True),
        ("drop_down", ("Public", "internal"), "license", "internal"),
        ("labels", ("Internal", "Public"), "license", ["Internal"]),
        ("date", (), "created", 1767323045000),
        ("url", (), "web", "https://x/3"),
        ("email", (), "customer", "a@example.com"),
    ],
)
def test_values_by_type(
    server: ClickUpServer, task: str, tmp_path: Path, kind: str, options: tuple[str, ...], fact: str, value: Any
) -> None:
    """Each type of field gets the fact in its own form."""
    server.add_field("It", kind, options)
    told = finished(tmp_path / "files")
    told = replace(told, facts={**FACTS, "web": "https://x/3", "customer": "a@example.com"})
    notifier(server, tmp_path, task, fields={"It": fact}).send(told)
    assert server.values(task) == {"It": value}


@pytest.mark.parametrize(
    ("kind", "fact", "told"),
    [
        ("users", "license", "a field of the type users"),
        ("number", "license", "'Internal' is none"),
        ("date", "license", "'Internal' is none"),
        ("drop_down", "license", "no option 'Internal'"),
        ("url", "address", "takes web addresses"),
    ],
)
def test_values_that_do_not_fit(
    server: ClickUpServer, task: str, tmp_path: Path, kind: str, fact: str, told: str
) -> None:
    """A named field that can't hold its fact is told; a usual one of another type is left alone."""
    server.add_field("License", kind, ("Public",) if kind == "drop_down" else ())
    with pytest.raises(SpecInvalid, match=told):
        notifier(server, tmp_path, task, fields={"License": fact}).send(finished(tmp_path / "files"))
    if fact == "license":
        notifier(server, tmp_path, task).send(finished(tmp_path / "files"))
    assert server.values(task) == {}
