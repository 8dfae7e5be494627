"""The job that the pod reads is the job that was given."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from loraruner.spec import load
from tests.support.helm import CHART, JOB_VALUES, MINIMAL, documents, rendered, the, told

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
JOBS = [*sorted((ROOT / "tests/jobs/valid").glob("*.json")), *sorted((ROOT / "schemas/examples").glob("*.json"))]


def in_a_store(job: dict[str, Any]) -> dict[str, Any]:
    """The job with addresses that a pod can read in place of paths."""
    places = [
        ("model", "base"),
        ("data", "uri"),
        ("evaluation", "uri"),
        ("evaluation", "general_uri"),
        ("output", "uri"),
    ]
    for section, key in places:
        if isinstance(address := job.get(section, {}).get(key), str) and "://" not in address:
            job[section][key] = f"s3://store/{address}"
    return job


@pytest.mark.parametrize("path", JOBS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_runner_reads_the_same_spec(path: Path, tmp_path: Path) -> None:
    """Through values, Helm and ConfigMap every number, list and null of a job makes the same spec."""
    job = in_a_store(json.loads(path.read_text()))
    values = tmp_path / "values.json"
    values.write_text(json.dumps({"job": job}))
    text = told("template", "demo", CHART, "--namespace", "ml", "--values", MINIMAL, "--values", values)
    # The job of the minimal values lies beneath: what this one leaves out would come from there.
    alone = yaml.safe_load(MINIMAL.read_text())["job"]
    given = {**job, **{key: alone[key] | job[key] for key in ("model", "data", "output")}}
    arrived = the(documents(text), "ConfigMap")["data"]["job.json"]
    assert load(arrived.encode()).spec == load(json.dumps(given).encode()).spec


@pytest.mark.parametrize("path", JOB_VALUES, ids=lambda path: path.stem)
def test_the_job_is_mounted_where_it_is_read(path: Path) -> None:
    """The ConfigMap is immutable, holds the job of the values, and is what the pod mounts where it reads its job."""
    manifests = rendered(path)
    config, job = the(manifests, "ConfigMap"), the(manifests, "Job")
    wanted = yaml.safe_load(path.read_text())["job"]
    # PyYAML takes 2e-4 for text where Helm and YAML 1.2 see a number.
    assert json.loads(config["data"]["job.json"]) == json.loads(json.dumps(wanted).replace('"2e-4"', "0.0002"))
    assert config["immutable"] is True and config["metadata"]["name"] == job["metadata"]["name"]
    spec = job["spec"]["template"]["spec"]
    (volume,) = (volume for volume in spec["volumes"] if volume["name"] == "job")
    (mount,) = (mount for mount in spec["containers"][0]["volumeMounts"] if mount["name"] == "job")
    (item,) = volume["configMap"]["items"]
    assert volume["configMap"]["name"] == config["metadata"]["name"]
    assert spec["containers"][0]["args"][-1] == f"{mount['mountPath']}/{item['path']}" == "/etc/loraruner/job.json"


def test_any_text_arrives_unchanged() -> None:
    """Characters that YAML or HTML would take for something else reach the pod as they are."""
    text = "a\u0085b\u2028c \u007f<&> {{ .Release }} \u00e9\U0001f600\n- 'd': \"e\" #\t\\"
    config = the(rendered({"job.labels": {"purpose": text}}), "ConfigMap")
    assert json.loads(config["data"]["job.json"])["labels"] == {"purpose": text}


def test_a_chart_above_may_share_values() -> None:
    """As a part of another chart it gets that chart's global values, and takes no notice."""
    assert rendered({"global": {"region": "eu"}}) == rendered({})
