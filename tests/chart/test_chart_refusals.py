"""What is wrong in values is refused before anything is rendered, in words that name the place."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from loraruner import settings
from loraruner.policy import addresses_of
from loraruner.spec import load
from tests.support.helm import CHART, MINIMAL, helm, refused, rendered, the

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
INVALID = ROOT / "tests/jobs/invalid"


@pytest.mark.parametrize(
    ("values", "place", "reason"),
    [
        ({"gpus": {"count": 1}}, "", "additional properties 'gpus' not allowed"),
        ({"image.digset": "x"}, "/image", "additional properties 'digset' not allowed"),
        ({"image.tag": "latest"}, "/image", "additional properties 'tag' not allowed"),
        ({"image.digest": "sha256:abc"}, "/image/digest", "does not match pattern"),
        ({"image.digest": None}, "/image", "missing property 'digest'"),
        ({"image.repository": "registry.example.com/loraruner:latest"}, "/image/repository", "does not match pattern"),
        ({"image.repository": "loraruner"}, "/image/repository", "does not match pattern"),
        ({"image.pullPolicy": "Sometimes"}, "/image/pullPolicy", "value must be one of"),
        ({"gpu.count": 2}, "/gpu/count", "maximum: got 2, want 1"),
        ({"gpu.resourceName": "gpu"}, "/gpu/resourceName", "does not match pattern"),
        ({"resources.limits.memory": "16 GB"}, "/resources/limits/memory", "does not match pattern"),
        ({"resources.limits.memory": None}, "/resources/limits", "missing property 'memory'"),
        ({"resources.limits.mem": "1Gi"}, "/resources/limits", "additional properties 'mem' not allowed"),
        ({"kueue.queueName": "a queue"}, "/kueue/queueName", "does not match pattern"),
        ({"store.endpoint": "minio:9000"}, "/store/endpoint", "does not match pattern"),
        ({"store.endpoint": "https://key:secret@minio"}, "/store/endpoint", "does not match pattern"),
        ({"metrics.pushgateway": "pushgateway:9091"}, "/metrics/pushgateway", "does not match pattern"),
        ({"tolerations": [{"keys": "a"}]}, "/tolerations/0", "additional properties 'keys' not allowed"),
        ({"affinity.nodeAfinity": {}}, "/affinity", "additional properties 'nodeAfinity' not allowed"),
        ({"networkPolicy.egress": [{"tos": []}]}, "/networkPolicy/egress/0", "additional properties 'tos' not allowed"),
        ({"extraEnv": [{"name": "A B", "value": "x"}]}, "/extraEnv/0/name", "does not match pattern"),
        ({"podLabels": {"team": "a b"}}, "/podLabels/team", "does not match pattern"),
        ({"rbac.examples.viewers": [{"kind": "Team", "name": "x"}]}, "/rbac/examples/viewers/0/kind", "must be one of"),
        ({"job.lora.rank": 0}, "/job/lora/rank", "minimum: got 0, want 1"),
        ({"job.lora.rnak": 8}, "/job/lora", "additional properties 'rnak' not allowed"),
        ({"job.trianing": {}}, "/job", "additional properties 'trianing' not allowed"),
        ({"job.task": "painting"}, "/job/task", "value must be one of"),
        ({"job.output": None}, "/job/output", "got null, want object"),
        ({"job.options.resolution": 500}, "/job/options/resolution", "multipleOf"),
        ({"job.name": "two words"}, "/job/name", "does not match pattern"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_the_schema_names_the_place(values: Mapping[str, Any], place: str, reason: str) -> None:
    """A typo, a tag, a number out of bounds or a wrong word is refused at its JSON pointer."""
    text = refused(values)
    assert f"at '{place}'" in text and reason in text


@pytest.mark.parametrize(
    "stem", ["bad-digest", "bad-name", "boolean-for-a-number", "camel-case-key", "key-at-the-wrong-level"]
)
def test_a_job_that_the_command_line_refuses(stem: str, tmp_path: Path) -> None:
    """Helm refuses the same document, and points to a place in the job."""
    values = tmp_path / "values.yaml"
    document = yaml.safe_load(MINIMAL.read_text()) | {"job": json.loads((INVALID / f"{stem}.json").read_text())}
    values.write_text(json.dumps(document))
    done = helm("template", "demo", CHART, "--values", values)
    assert done.returncode != 0 and re.search(r"at '/job[/']", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("key", "address"),
    [
        ("model.base", "models/sd15"),
        ("model.base", "/inputs/other/sd15"),
        ("model.base", "/inputs"),
        ("model.base", "/inputs/models2"),
        ("data.uri", "file:///data"),
        ("data.uri", "gs://bucket/x"),
        ("data.caption", {"model": "/models/blip"}),
        ("evaluation.uri", "held-out"),
        ("evaluation.general_uri", "./general"),
        ("checkpoint.resume", "out/loras/neon/checkpoints/e0001-step-000100"),
    ],
)
def test_an_input_that_no_pod_has(key: str, address: Any) -> None:
    """A path that no claim holds is refused in one sentence with its place and the ways out."""
    text = refused({f"job.{key}": address, "inputs": {"models": "weights"}})
    place = f"$.job.{key}.model" if isinstance(address, dict) else f"$.job.{key}"
    shown = address["model"] if isinstance(address, dict) else address
    assert f'{place}: "{shown}" lies nowhere that the pod can read; give an address with s3://' in text


@pytest.mark.parametrize(
    "address", ["out/loras", "/workspace/out", "file:///cache/loras", "https://x.example/", "gs://b"]
)
def test_an_output_that_is_lost_with_the_pod(address: str) -> None:
    """The result goes to a store; a claim with inputs does not make a path good for it."""
    text = refused({"job.output.uri": address})
    assert f'$.job.output.uri: "{address}" is no store that keeps the result' in text
    assert refused({"job.output.uri": "/inputs/models/out", "inputs": {"models": "weights"}})


@pytest.mark.parametrize(
    "address", ["/inputs/models", "/inputs/models/a/b", "file:///inputs/models/a", "S3://b/k", "hf://a/b"]
)
def test_an_input_that_a_pod_has(address: str) -> None:
    """Stores, the hub and what a claim holds are taken, and the claim is mounted read-only where the job looks."""
    spec = the(rendered({"job.model.base": address, "inputs": {"models": "weights"}}), "Job")["spec"]["template"][
        "spec"
    ]
    (mount,) = (mount for mount in spec["containers"][0]["volumeMounts"] if mount["mountPath"] == "/inputs/models")
    (volume,) = (volume for volume in spec["volumes"] if volume["name"] == mount["name"])
    assert mount["readOnly"] is True
    assert volume["persistentVolumeClaim"] == {"claimName": "weights", "readOnly": True}


def test_every_address_of_a_job_is_looked_at() -> None:
    """The chart judges the same addresses as the runner's own rules."""
    job = json.loads((ROOT / "tests/jobs/valid/full-text.json").read_text())
    job["checkpoint"] = {"resume": "s3://loras/x"}
    job["evaluation"] = {"uri": "s3://data/x", "general_uri": "s3://data/y"}
    named = {pointer for pointer, _ in addresses_of(load(json.dumps(job).encode()).spec)} | {"$.data.caption.model"}
    text = (CHART / "templates/_require.tpl").read_text()
    assert {f"$.{pointer}" for pointer in re.findall(r"\$\.job\.([a-z_.]+)[\":]", text)} == named


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"resources.requests.memory": "8Gi"}, "$.resources.requests.memory: 8Gi differs from the limit, 16Gi"),
        ({"resources.limits.cpu": 2}, "$.resources.requests.cpu: 4 is more than the limit, 2; lower it"),
        ({"resources.limits.cpu": "3900m"}, "$.resources.requests.cpu: 4 is more than the limit, 3900m"),
        ({"kueue.priorityClass": "high"}, "$.kueue.priorityClass: means nothing without a queue"),
        ({"podLabels": {"app.kubernetes.io/name": "x"}}, "$.podLabels: app.kubernetes.io/name is the chart's own"),
        (
            {"extraEnv": [{"name": "AWS_REGION", "value": "a"}], "store.region": "b"},
            "$.extraEnv[0]: AWS_REGION is set by",
        ),
        ({"extraEnv": [{"name": "A", "value": "a"}, {"name": "A", "value": "b"}]}, "$.extraEnv[1]: A is set by"),
    ],
    ids=["memory", "cpu", "milli", "kueue", "label", "variable", "twice"],
)
def test_what_values_say_together(values: Mapping[str, Any], sentence: str) -> None:
    """Values that contradict each other, or what the chart sets, are refused in one sentence."""
    assert sentence in refused(values)


@pytest.mark.parametrize("name", settings.SECRET_VARIABLES)
def test_no_secret_in_values(name: str) -> None:
    """A secret as plain text is refused, without showing it; from a Secret it is taken."""
    text = refused({"extraEnv": [{"name": name, "value": "hunter2hunter2"}]})
    assert f"$.extraEnv[0]: {name} is a secret" in text and "hunter2" not in text
    reference = {"secretKeyRef": {"name": "hub", "key": "token"}}
    assert rendered({"extraEnv": [{"name": name, "valueFrom": reference}]})


NULLABLE = {"nodeSelector", "tolerations", "affinity", "inputs", "imagePullSecrets", "extraEnv", "podAnnotations"}


def test_a_key_without_a_value() -> None:
    """A section whose lines are all commented out is null: one sentence says so, and no hardening is lost by it."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    sections = [name for name, value in defaults.items() if isinstance(value, dict) and name not in NULLABLE]
    for name in set(sections) - {"job", "image"}:
        assert f"$.{name}: is null, so its defaults are gone; leave the key out" in refused({name: None})
    text = refused({"store": None, "serviceAccount.annotations": None, "networkPolicy.dns": None})
    assert re.findall(r"^\$\.([\w.]+): is null", text, re.MULTILINE) == [
        "store",
        "serviceAccount.annotations",
        "networkPolicy.dns",
    ]
    for name in NULLABLE:
        assert rendered({name: None})


def test_all_faults_at_once() -> None:
    """Several faults are told together, each on its line."""
    text = refused({"job.output.uri": "out", "job.data.uri": "pictures", "kueue.priorityClass": "high"})
    assert len(re.findall(r"^\$\.", text, flags=re.MULTILINE)) == 3


def test_the_documented_hosts_and_prefixes_pass_both() -> None:
    """What the chart's schema takes as a prefix or host, the runner's settings take too."""
    values = {
        "operator.allowedPrefixes": ["s3://loras/a", "hf://", "/inputs", "https://x.example/", "file:///inputs"],
        "operator.allowedHosts": ["x.example", "x.example:8443", ".suffix.example", "[::1]:80"],
    }
    pod = the(rendered(values), "Job")["spec"]["template"]["spec"]["containers"][0]
    read = settings.load({entry["name"]: entry["value"] for entry in pod["env"]})
    assert list(read.allowed_prefixes) == values["operator.allowedPrefixes"]
    assert list(read.allowed_hosts) == values["operator.allowedHosts"]
