"""A Job's name tells its content: what can't be changed makes a new Job, and nothing else does."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.helm import CHART, MINIMAL, documents, overlay, rendered, the, told

pytestmark = pytest.mark.slow
TRIAL = {"job.training": {"epochs": 3}}


def name_of(values: Mapping[str, Any], release: str = "demo") -> str:
    name: str = the(rendered(values, release), "Job")["metadata"]["name"]
    return name


def test_unchanged_values_change_nothing() -> None:
    """The same values make the same bytes, also in another order of their keys."""
    assert told(*overlay(TRIAL)) == told(*overlay(TRIAL))
    assert name_of({"job.labels": {"a": "1", "b": "2"}}) == name_of({"job.labels": {"b": "2", "a": "1"}})


@pytest.mark.parametrize(
    "values",
    [
        {"job.training": {"epochs": 3}},
        {"job.labels": {"team": "x"}},
        {"image.digest": "sha256:" + "1" * 64},
        {"image.repository": "mirror.example.com/loraruner"},
        {"resources.limits.cpu": "16"},
        {"nodeSelector": {"zone": "a"}},
        {"podAnnotations": {"x": "y"}},
        {"extraEnv": [{"name": "A", "value": "b"}]},
        {"job.checkpoint": {"grace_s": 200}},
        {"gpu.count": 0},
        {"cache.enabled": True},
        {"serviceAccount.name": "other"},
        {"metrics.pushgateway": "http://pushgateway:9091"},
        {"continueRun": True},
        {"kueue.queueName": "queue"},
    ],
    ids=lambda values: next(iter(values)),
)
def test_another_content_another_name(values: Mapping[str, Any]) -> None:
    """A change of the job, the image or anything in the pod makes a new Job and a new ConfigMap of one name."""
    manifests = rendered(values)
    changed = the(manifests, "Job")["metadata"]["name"]
    assert changed != name_of({}) and changed == the(manifests, "ConfigMap")["metadata"]["name"]


@pytest.mark.parametrize(
    "values",
    [
        {"backoffLimit": 1},
        {"activeDeadlineSeconds": 60},
        {"ttlSecondsAfterFinished": 60},
        {"keep": True},
        {"networkPolicy.enabled": True},
        {"rbac.examples.create": True},
        {"serviceAccount.annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}},
    ],
    ids=lambda values: next(iter(values)),
)
def test_what_may_change_in_a_running_job(values: Mapping[str, Any]) -> None:
    """Limits, labels and neighbours change in place: the name stays, and so does the pod, to the byte."""
    before, after = the(rendered({}), "Job"), the(rendered(values), "Job")
    assert before["metadata"]["name"] == after["metadata"]["name"]
    for field in ("template", "podFailurePolicy", "completionMode", "completions"):
        assert before["spec"][field] == after["spec"][field]


@pytest.mark.parametrize(
    "values", [{"kueue.priorityClass": "high"}, {"activeDeadlineSeconds": 60}, {"kueue.queueName": "other"}]
)
def test_what_kueue_lets_nobody_change(values: Mapping[str, Any]) -> None:
    """Kueue refuses new labels on a Job that runs, and one of them is the deadline: they make a new Job."""
    queue = {"kueue.queueName": "queue"}
    assert name_of(queue) != name_of({**queue, **values})
    assert name_of({**queue, "backoffLimit": 1}) == name_of(queue)


def test_the_bytes_of_the_job_are_in_the_name(tmp_path: Path) -> None:
    """A chart that writes the same job in other bytes makes a new ConfigMap: the old one can't be changed."""
    copy = tmp_path / "loraruner"
    shutil.copytree(CHART, copy)
    helpers = copy / "templates/_helpers.tpl"
    helpers.write_text(helpers.read_text().replace("toPrettyJson .Values.job", "toJson .Values.job"))
    text = told("template", "demo", copy, "--namespace", "ml", "--values", MINIMAL)
    assert the(documents(text), "ConfigMap")["metadata"]["name"] != name_of({})


def test_a_new_template_alone_makes_a_new_name(tmp_path: Path) -> None:
    """An edit of the pod in the chart makes a new Job for the same values; a comment or a new version does not."""
    copy = tmp_path / "loraruner"
    shutil.copytree(CHART, copy)
    pod = copy / "templates/_pod.tpl"
    own = pod.read_text()

    def name() -> str:
        text = told("template", "demo", copy, "--namespace", "ml", "--values", MINIMAL)
        found: str = the(documents(text), "Job")["metadata"]["name"]
        return found

    unchanged = name_of({})
    pod.write_text(own.replace("  restartPolicy: Never", "  # A remark.\n  restartPolicy: Never"))
    (copy / "Chart.yaml").write_text((copy / "Chart.yaml").read_text().replace("0.1.0", "0.2.0"))
    assert name() == unchanged
    pod.write_text(own.replace("name: LORARUNER_TERMINATION_LOG", "name: LORARUNER_TERMINATION_LOG2"))
    assert name() != unchanged
    pod.write_text(own)
    policy = copy / "templates/_policy.tpl"
    policy.write_text(policy.read_text().replace("[76, 85]", "[85]"))
    assert name() != unchanged


@pytest.mark.parametrize(
    ("values", "release", "pattern"),
    [
        ({}, "demo", "demo-loraruner"),
        ({}, "loraruner", "loraruner"),
        ({}, "my-loraruner-1", "my-loraruner-1"),
        ({"nameOverride": "lora"}, "demo", "demo-lora"),
        ({"fullnameOverride": "training"}, "demo", "training"),
        ({}, "a.b", "a-b-loraruner-[0-9a-f]{8}"),
        ({}, "x" * 53, "x{37}-[0-9a-f]{8}"),
    ],
)
def test_names(values: Mapping[str, Any], release: str, pattern: str) -> None:
    """Release and chart make the name; one that must be shortened or changed carries a digest."""
    assert re.fullmatch(f"{pattern}-[0-9a-f]{{8}}", name_of(values, release))


def test_a_name_of_digits_is_a_name() -> None:
    """A name that YAML would read as a number is text in every object."""
    manifests = rendered({"fullnameOverride": "123", "networkPolicy.enabled": True, "cache.enabled": True})
    assert all(isinstance(each["metadata"]["name"], str) for each in manifests)


def test_two_long_names_stay_two() -> None:
    """Releases that differ only where their names are cut share neither account nor claim nor Job."""
    one, other = (rendered({"cache.enabled": True}, "r" * 52 + letter) for letter in "ab")
    assert not {each["metadata"]["name"] for each in one} & {each["metadata"]["name"] for each in other}
