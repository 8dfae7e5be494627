"""The chart's schema and README say what values.yaml, the job's schema and the exit codes say."""

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

from loraruner import __version__
from loraruner.errors import POD_ACTIONS, ExitCode

ROOT = Path(__file__).parents[2]
chart = SimpleNamespace(**runpy.run_path(str(ROOT / "ci/chart.py")))
JOBS = sorted((ROOT / "tests/jobs").rglob("*.json"))
# What Helm 3 (JSON Schema draft 7) and Helm 4 read alike.
SUBSET = {
    *("$schema", "title", "description", "default", "examples", "definitions", "$ref", "type", "enum", "const"),
    *("properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"),
    *("items", "minItems", "maxItems", "uniqueItems", "pattern", "minLength", "maxLength"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "allOf", "if", "then"),
}


def nodes(node: Any, path: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema inside a schema, with its place."""
    if not isinstance(node, dict):
        return
    yield path, node
    for key, child in node.items():
        if key in ("properties", "definitions"):
            for name, each in child.items():
                yield from nodes(each, f"{path}.{name}")
        elif key in ("items", "additionalProperties", "propertyNames", "if", "then"):
            yield from nodes(child, f"{path}.{key}")
        elif key == "allOf":
            for each in child:
                yield from nodes(each, f"{path}.allOf")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((chart.CHART / "values.schema.json").read_text(encoding="utf-8"))
    return loaded


def test_both_files_are_up_to_date() -> None:
    """values.schema.json and README.md are what ``make chart`` writes."""
    assert (chart.CHART / "values.schema.json").read_text(encoding="utf-8") == chart.schema_text()
    assert (chart.CHART / "README.md").read_text(encoding="utf-8") == chart.readme()


def test_the_job_is_checked_by_the_very_schema(schema: dict[str, Any]) -> None:
    """The value ``job`` has the schema of the command line.

    Only ``$schema`` is gone, which a root alone may have; what is required stands where dispatch can make it optional.
    """
    own = json.loads((ROOT / "schemas/job.schema.json").read_text(encoding="utf-8"))
    kept = {"$schema": own["$schema"], "required": own["required"]}
    assert {**kept, **schema["properties"]["job"]} == own
    assert [each["then"]["properties"]["job"]["required"] for each in schema["allOf"]] == [own["required"]] * 2


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_a_job_is_judged_alike(schema: dict[str, Any], path: Path) -> None:
    """The same faults at the same places: as a value, read as draft 7, and as a job, read as 2020-12."""
    try:
        job = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return  # no JSON: never becomes a value
    own = Draft202012Validator(json.loads((ROOT / "schemas/job.schema.json").read_text(encoding="utf-8")))
    alone = sorted((*error.absolute_path, error.message) for error in own.iter_errors(job))
    values = {"job": job, "image": {"repository": "r.example.com/x", "digest": "sha256:" + "0" * 64}}
    inside = sorted((*error.absolute_path, error.message) for error in Draft7Validator(schema).iter_errors(values))
    assert inside == [("job", *fault) for fault in alone]


def test_only_what_both_helms_read(schema: dict[str, Any]) -> None:
    """No keyword that Helm 3 would overlook, and a draft that it knows."""
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(schema)
    assert {key for _, node in nodes(schema) for key in node} <= SUBSET


def test_every_object_is_closed(schema: dict[str, Any]) -> None:
    """A key that is not known is an error everywhere; maps of free keys say what their values are."""
    # Helm's own, of a chart above this one; and what each task and each kind of notice closes for itself.
    open_on_purpose = {"$.global"}
    for job in ("$.job", "$.dispatch.template.job"):
        open_on_purpose |= {f"{job}.options", f"{job}.notify.items"}
    assert open_on_purpose <= {path for path, _ in nodes(schema)}
    for path, node in nodes(schema):
        if node.get("type") == "object" and path not in open_on_purpose:
            assert "additionalProperties" in node and node["additionalProperties"] is not True, path


def test_every_value_is_documented_and_checked(schema: dict[str, Any]) -> None:
    """Each leaf of values.yaml, or a key above it, has a comment, and the schema knows the values that are there."""
    comments = chart.comments()

    def leaves(node: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        if isinstance(node, dict) and node and path not in comments:
            for key, child in node.items():
                yield from leaves(child, (*path, key))
        else:
            yield path

    values = chart.defaults()
    assert set(leaves(values, ())) == set(comments)
    assert all(comment.section and comment.text.endswith(".") for comment in comments.values())
    assert set(schema["properties"]) == {*values, "global"}
    for path in comments:
        assert chart.node_at(schema, path)["description"], path


def test_the_defaults_pass_but_for_what_must_be_given(schema: dict[str, Any]) -> None:
    """Without values only image and job are wanting."""
    places = {tuple(error.absolute_path) for error in Draft7Validator(schema).iter_errors(chart.defaults())}
    assert places == {("image", "repository"), ("image", "digest"), ("job",)}


def test_the_readme_tells_every_exit_code() -> None:
    """Each code of the table stands in the README with what the Job does about it."""
    found = dict(re.findall(r"^\| (\d+) \| \w+ \| [^|]+ \| (.+) \|$", chart.readme(), flags=re.MULTILINE))
    assert found == {str(code.value): chart.ACTIONS[action] for code, action in POD_ACTIONS.items()} | {
        str(ExitCode.OK.value): "is complete"
    }


def test_one_version() -> None:
    """The chart, what it installs and the package have one version, without the plus that OCI tags forbid."""
    told = yaml.safe_load((chart.CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert told["version"] == told["appVersion"] == __version__ and "+" not in __version__


@pytest.mark.parametrize("role", ["viewer", "runner", "releaser"])
def test_roles_give_what_they_say(role: str) -> None:
    """Every role looks; only a releaser reads secrets; nobody gets a wildcard, binds roles or enters pods."""
    rules = yaml.safe_load((chart.CHART / f"rbac/{role}.yaml").read_text(encoding="utf-8"))["rules"]
    granted = {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
    assert {("jobs", "get"), ("pods", "list"), ("pods/log", "get"), ("events", "list")} <= granted
    assert ("jobs", "create") in granted or role == "viewer"
    assert {verb for _, verb in granted} == {"get", "list", "watch"} or role != "viewer"
    assert (("secrets", "get") in granted) == (("serviceaccounts", "create") in granted) == (role == "releaser")
    assert not {"*", "pods/exec", "pods/attach", "roles", "rolebindings"} & {resource for resource, _ in granted}
    assert not {"*", "bind", "escalate", "impersonate"} & {verb for _, verb in granted}
