"""With dispatch the chart makes a CronJob and what it needs, and the Jobs that it creates are those of the chart."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from loraruner.cli import commands
from loraruner.clients.kubernetes import Account, Cluster
from loraruner.dispatch import cluster as clusters
from loraruner.dispatch import template as templates
from loraruner.spec import load
from tests.support.api_server import ApiServer, served
from tests.support.helm import CHART, DISPATCH, Document, helm, of_kind, rendered, the, told
from tests.support.helm_rules import faults

pytestmark = pytest.mark.slow
TASK, RUN = "86c2x9k1p", "86c2x9k1p-0123456789ab"
PREFIX = "$.dispatch.template.job"


def variant(folder: Path, **changes: Any) -> Path:
    """The values of dispatch with some changed: ``dispatch__list=""``."""
    values = yaml.safe_load(DISPATCH.read_text())
    for name, value in changes.items():
        node, *rest = values, *name.split("__")
        for key in rest[:-1]:
            node = node.setdefault(key, {})
        node[rest[-1]] = value
    path = folder / "values.json"
    path.write_text(json.dumps(values))
    return path


def render(path: Path) -> list[Document]:
    text = told("template", "demo", CHART, "--namespace", "ml", "--values", path)
    return [each for each in yaml.safe_load_all(text) if each]


def complaint(path: Path) -> str:
    done = helm("template", "demo", CHART, "--values", path)
    assert done.returncode != 0
    return done.stderr


def pod(manifests: list[Document]) -> Document:
    spec: Document = the(manifests, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return spec


def files(manifests: list[Document]) -> dict[str, str]:
    data: dict[str, str] = the(manifests, "ConfigMap")["data"]
    return data


def manifests_file(folder: Path) -> Path:
    path = folder / "manifests.json"
    path.write_text(files(render(DISPATCH))["manifests.json"])
    return path


def test_a_look_and_no_training() -> None:
    """Without a job the chart makes no Job: a CronJob, its files, an account with a Role, and the trainer's account."""
    kinds = sorted(manifest["kind"] for manifest in rendered(DISPATCH))
    accounts, own = ["ServiceAccount"] * 2, ["ConfigMap", "CronJob", "Role", "RoleBinding"]
    assert kinds == sorted([*own, *accounts, "NetworkPolicy", "Pod"])


def test_beside_a_job(tmp_path: Path) -> None:
    """A job in the values is trained all the same."""
    job = {"name": "a", "task": "text-to-image", "model": {"base": "hf://a/b"}, "data": {"uri": "s3://d/"}}
    kinds = {manifest["kind"] for manifest in render(variant(tmp_path, job={**job, "output": {"uri": "s3://l/"}}))}
    assert {"Job", "CronJob"} <= kinds


def test_the_rights_of_a_look() -> None:
    """It may create and read Jobs and create ConfigMaps, where it is, and nothing else; only its pod has a token."""
    manifests = rendered(DISPATCH)
    role, binding = the(manifests, "Role"), the(manifests, "RoleBinding")
    granted = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == {("batch", "jobs", "create"), ("batch", "jobs", "get"), ("", "configmaps", "create")}
    (subject,) = binding["subjects"]
    assert subject["name"] == pod(manifests)["serviceAccountName"] and subject["namespace"] == "ml"
    assert pod(manifests)["automountServiceAccountToken"] is True
    trained = json.loads(files(manifests)["manifests.json"])["job"]["spec"]["template"]["spec"]
    assert trained["automountServiceAccountToken"] is False
    assert trained["serviceAccountName"] != subject["name"]


def test_the_command_of_a_look(tmp_path: Path) -> None:
    """Its arguments are the command line's, its files are mounted where they say, its secrets come from Secrets."""
    spec = pod(rendered(DISPATCH))
    (container,) = spec["containers"]
    command = commands.get_command(None, "clickup").get_command(None, "dispatch")  # type: ignore[arg-type,union-attr]
    assert container["args"][:2] == ["clickup", "dispatch"]
    given = command.make_context("dispatch", container["args"][2:]).params
    assert (given["list_id"], given["status"], given["start"]) == ("901234567890", "ready to train", "kubernetes")
    assert (given["moving_to"], given["on_fault_status"], given["limit"]) == ("training", "incomplete", 4)
    (mount,) = (each for each in container["volumeMounts"] if each["name"] == "files")
    there = {f"{mount['mountPath']}/{item['path']}" for item in spec["volumes"][0]["configMap"]["items"]}
    assert {str(given["template"]), str(given["manifests"])} == there
    assert [each["secretRef"]["name"] for each in container["envFrom"]] == ["loraruner-s3", "loraruner-notify"]
    bare = variant(tmp_path, dispatch__movingTo="", dispatch__onFaultStatus="", dispatch__limit=None)
    assert not [each for each in pod(render(bare))["containers"][0]["args"] if "moving" in each or "limit" in each]


def test_the_template_arrives_as_it_was_given() -> None:
    """Through values, Helm and ConfigMap the runner reads the very template, and accepts it."""
    text = files(rendered(DISPATCH))["template.json"]
    assert json.loads(text) == yaml.safe_load(DISPATCH.read_text())["dispatch"]["template"]
    assert templates.read(text.encode()).output == "s3://loras/"


def test_the_jobs_that_it_makes_keep_all_rules(tmp_path: Path) -> None:
    """Names, labels, security and mounts are those of the chart's own Job, and so is the template's time to end."""
    manifests = clusters.read_manifests(manifests_file(tmp_path))
    server = ApiServer(looks=[])
    with served(server):
        name = clusters.submit(Cluster(Account(server.url, "ml", "token")), manifests, job(), RUN)
    made, config = server.objects["jobs", "ml", name], server.objects["configmaps", "ml", name]
    assert faults(made) == []
    assert made["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 220
    assert made["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "loraruner"
    assert load(config["data"]["job.json"].encode()).spec.name == TASK
    for version in ("1.29", "1.37"):
        assert_taken([made, config], version, tmp_path)


def assert_taken(made: list[Document], version: str, folder: Path) -> None:
    """Kubernetes of that version knows every field; what the server added itself is left out."""
    stamps = ("uid", "resourceVersion", "creationTimestamp")
    for manifest in made:
        manifest["metadata"] = {key: value for key, value in manifest["metadata"].items() if key not in stamps}
    stream = folder / f"made-{version}.yaml"
    stream.write_text(yaml.safe_dump_all(made))
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", "--kubernetes-version", version, str(stream)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.count(" passed for resource ") == len(made), done.stdout + done.stderr


def job() -> dict[str, Any]:
    document = {"name": TASK, "task": "text-to-image", "model": {"base": "s3://models/x"}}
    return {**document, "data": {"uri": f"clickup://{TASK}"}, "output": {"uri": "s3://loras/"}}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"dispatch__list": ""}, "$.dispatch.list: is missing"),
        ({"dispatch__template__job": {}}, f"{PREFIX}.output.uri: is missing"),
        ({"dispatch__template__job__output": {"uri": "out"}}, f'{PREFIX}.output.uri: "out" is no store'),
        ({"dispatch__template__job__model": {"base": "sd15"}}, f'{PREFIX}.model.base: "sd15" lies nowhere'),
        ({"dispatch__template__job__lora": {"rnak": 8}}, "at '/dispatch/template/job/lora': additional properties"),
        ({"dispatch__template__job__name": "x"}, "at '/dispatch/template/job': additional properties 'name'"),
        ({"dispatch__template__fields": {"Rank": "lora rank"}}, "at '/dispatch/template/fields/Rank'"),
        ({"dispatch__schedule": "often"}, "at '/dispatch/schedule'"),
        ({"dispatch__status": "$(CLICKUP_TOKEN)"}, "at '/dispatch/status'"),
        ({"dispatch__status": ""}, "at '/dispatch/status'"),
        ({"dispatch__status": "  "}, "at '/dispatch/status'"),
        ({"dispatch__movingTo": "ready to train"}, "$.dispatch.status: ready to train is also where"),
        ({"dispatch__onFaultStatus": "ready to train"}, "$.dispatch.status: ready to train is also where"),
        ({"dispatch__serviceAccount": {"create": False}}, "$.dispatch.serviceAccount.name: is missing"),
        ({"dispatch__serviceAccount": {"name": "demo-loraruner"}}, "is the account of the trainings"),
        ({"dispatch__concurrencyPolicy": "Never"}, "at '/dispatch/concurrencyPolicy'"),
        ({"dispatch__enabled": False}, "missing properties 'name', 'task', 'model', 'data', 'output'"),
        ({"notify__secretName": "", "store__secretName": ""}, "$.notify.secretName: is missing"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_refused(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    """Before anything is rendered, at its place."""
    assert sentence in complaint(variant(tmp_path, **change))


def test_a_template_that_does_nothing(tmp_path: Path) -> None:
    """A template without enabled is a slip, and is told."""
    whole = {"name": "a", "task": "text-to-image", "model": {"base": "hf://a/b"}, "data": {"uri": "s3://d/"}}
    values = variant(tmp_path, dispatch__enabled=False, job={**whole, "output": {"uri": "s3://l/"}})
    assert "$.dispatch.template: does nothing while dispatch.enabled is false" in complaint(values)


def test_the_account_of_a_look(tmp_path: Path) -> None:
    """An account that is there already is bound, not made; the store's role comes from the trainer's account."""
    manifests = render(variant(tmp_path, dispatch__serviceAccount={"create": False, "name": "looker"}))
    assert the(manifests, "RoleBinding")["subjects"][0]["name"] == pod(manifests)["serviceAccountName"] == "looker"
    assert "looker" not in {each["metadata"]["name"] for each in of_kind(manifests, "ServiceAccount")}
    annotations = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}
    both = of_kind(render(variant(tmp_path, serviceAccount={"annotations": annotations})), "ServiceAccount")
    assert [each["metadata"]["annotations"] for each in both] == [annotations] * 2


def test_the_notes_of_a_look() -> None:
    """After an install one reads when it looks, how to look now, and where the trainings are."""
    install = ("install", "demo", CHART, "--namespace", "ml", "--values", DISPATCH, "--dry-run=client")
    notes = told(*install).partition("NOTES:")[2]
    for part in (
        "looks at the list 901234567890 for tasks in the status ready to train",
        "create job look-now --from=cronjob/demo-loraruner-dispatch",
        "get jobs --selector app.kubernetes.io/instance=demo,app.kubernetes.io/component=trainer",
        "helm test demo",
    ):
        assert part in notes
    assert "trains" not in notes
