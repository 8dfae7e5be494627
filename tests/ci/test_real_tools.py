"""The real Helm, kubectl and chart, driven by ci/train-by-chart and submit, against a stand-in of an API server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.api_server import OBJECT, ApiServer, served
from tests.support.scripted_cluster import pod
from tests.support.tools import HELM, KUBECTL

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
VALUES = f"image: {{repository: registry.example.com/ml/loraruner, digest: 'sha256:{'0' * 64}'}}\n"
STARTED = "2026-01-01T00:00:00Z"
PREEMPTED = pod("one", "Failed", code=85)
REPLACED = [
    {"job": "", "pods": [pod("one", "Pending", waiting="ContainerCreating")]},
    {"job": "", "pods": [pod("one", started=STARTED)]},
    {"job": "", "pods": [PREEMPTED, pod("two", "Pending")]},
    {"job": "", "pods": [PREEMPTED, pod("two", started=STARTED)]},
]
COMPLETE = {
    "job": "SuccessCriteriaMet= Complete=CompletionsReached",
    "pods": [PREEMPTED, pod("two", "Succeeded", code=0)],
}
FAILED = {"job": "FailureTarget= Failed=PodFailurePolicy", "pods": [pod("one", "Failed", code=66)]}


@pytest.fixture
def api() -> Iterator[ApiServer]:
    messages = {name: '{"code": 66, "name": "INPUT_MISSING", "reason": "s3://x is gone"}\n' for name in ("one", "two")}
    with served(ApiServer([*REPLACED, COMPLETE], {"one": ["step 1"], "two": ["step 2"]}, messages)) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, api: ApiServer) -> Path:
    """A job, values and a kubeconfig."""
    command = [sys.executable, "-m", "loraruner", "init", "text-to-image"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "values.yaml").write_text(VALUES)
    (tmp_path / "config").write_text(api.kubeconfig())
    return tmp_path


def environment(folder: Path, **more: str) -> dict[str, str]:
    tools = {"LORARUNER_HELM": str(HELM), "LORARUNER_KUBECTL": str(KUBECTL), "HOME": str(folder)}
    return os.environ | tools | {"KUBECONFIG": str(folder / "config"), "TRAIN_POLL_S": "0"} | more


def train(folder: Path, **more: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the script."""
    command = [str(ROOT / "ci/train-by-chart"), "job.json", "values.yaml"]
    more = {"TRAIN_NAMESPACE": "training", "TRAIN_RELEASE": "mine"} | more
    done = subprocess.run(
        command, cwd=folder, env=environment(folder, **more), capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


def submit(folder: Path) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "loraruner", "submit", "job.json", "--values=values.yaml", "--namespace=training"]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def test_trained_through_a_replacement(api: ApiServer, folder: Path) -> None:
    """Helm creates the Job, kubectl reads its states and both logs in the order of the pods, and the end is 0."""
    code, out, err = train(folder)
    assert code == 0, err
    assert out == "step 1\nstep 2\n"
    assert "pod one ended with 85: s3://x is gone" in err and "is complete" in err
    (job,) = api.of_kind("jobs")
    assert job["metadata"]["namespace"] == "training" and job["metadata"]["name"].startswith("mine-")


def test_the_same_again_only_watches(api: ApiServer, folder: Path) -> None:
    """An unchanged job is the Job that is there: Helm touches no object of it, and its end is told again."""
    assert train(folder)[0] == 0
    (before,) = [job["metadata"]["name"] for job in api.of_kind("jobs")]
    api.asked.clear()
    assert train(folder)[:2] == (0, "step 1\nstep 2\n")
    assert [job["metadata"]["name"] for job in api.of_kind("jobs")] == [before]
    assert not any(line.startswith(("DELETE", "POST /apis/batch")) for line in api.asked)


def test_failed_and_made_anew(api: ApiServer, folder: Path) -> None:
    """A failed Job ends with the trainer's code; TRAIN_AGAIN=1 deletes it, and Helm makes the same Job once more."""
    api.looks = [FAILED]
    code, _, err = train(folder)
    assert code == 66 and "pod one ended with 66: s3://x is gone" in err
    api.asked.clear()
    api.looks, api.looked = [FAILED, FAILED, FAILED, COMPLETE], 0
    assert train(folder, TRAIN_AGAIN="1")[0] == 0
    (path,) = [line.partition(" ")[2] for line in api.asked if line.startswith("DELETE")]
    assert "/jobs/mine-" in path
    assert any(line in (f"PATCH {path}", f"POST {path.rpartition('/')[0]}") for line in api.asked)


METHODS = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


def used(asked: list[str]) -> set[tuple[str, str]]:
    """Resource and verb of every request for an object, as a Role names them."""
    found = set()
    for line in asked:
        method, _, path = line.partition(" ")
        if match := OBJECT.fullmatch(path):
            looks = "get" if match["name"] else "list"
            found.add((match["kind"] + (match["log"] or ""), METHODS.get(method, looks)))
    return found


def test_the_role_of_a_runner_is_enough(api: ApiServer, folder: Path) -> None:
    """Installed, watched, failed and made anew, nothing is asked that the Role does not give; no Secret is touched."""
    values = VALUES + "serviceAccount: {create: false, name: trainer}\n"
    (folder / "values.yaml").write_text(values)
    api.looks = [*REPLACED[:2], FAILED]
    code, _, err = train(folder, HELM_DRIVER="configmap")
    assert code == 66, err
    api.looks, api.looked = [FAILED, FAILED, FAILED, COMPLETE], 0
    assert train(folder, HELM_DRIVER="configmap", TRAIN_AGAIN="1")[0] == 0
    rules = yaml.safe_load((ROOT / "helm/loraruner/rbac/runner.yaml").read_text())["rules"]
    granted = {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
    asked = used(api.asked)
    assert {("jobs", "delete"), ("pods/log", "get"), ("configmaps", "list")} < asked <= granted


TEXT = 'a\u2028b \U0001f600 \u00e9 \\ud83d\\ude00 \\\\ \\/ / "\\" {{ .Release }} # - x: y\n\t'


def with_label(job: dict[str, Any], form: str) -> str:
    """The job with hostile text in it, as other programs may write the same JSON."""
    text = json.dumps(job | {"labels": {"purpose": TEXT}}, indent="\t", ensure_ascii=form == "escaped")
    return text.replace("\n", "\r\n") if form == "crlf" else text.replace("/", "\\/")


@pytest.mark.parametrize("form", ["escaped", "clear", "crlf"])
def test_any_text_of_a_job_arrives(api: ApiServer, folder: Path, form: str) -> None:
    """However JSON writes a letter, in pairs of escapes or as it is, the pod reads the same job."""
    job = json.loads((folder / "job.json").read_text())
    text = with_label(job, form)
    (folder / "job.json").write_bytes(text.encode())
    code, _, err = train(folder)
    assert code == 0, err
    (config,) = [each for each in api.of_kind("configmaps") if "job.json" in each.get("data", {})]
    assert json.loads(config["data"]["job.json"]) == json.loads(text)


@pytest.mark.parametrize("between", [", ", "\n", "\r", "\u0085", "\u2028", "\n---\n", "\n...\n", "}\n"])
def test_a_job_sets_no_other_value(api: ApiServer, folder: Path, between: str) -> None:
    """What follows the job in its file is refused: who hands in a job chooses neither image nor operator's rules."""
    other = f'"image": {{"repository": "other.example.com/x", "digest": "sha256:{"1" * 64}"}}'
    (folder / "job.json").write_bytes(((folder / "job.json").read_text().rstrip() + between + other).encode())
    assert train(folder)[0] == 64 and api.of_kind("jobs") == []


def test_submitted(api: ApiServer, folder: Path) -> None:
    """kubectl says yes, Helm creates what was printed, and the pod's job is the one that was given."""
    code, result = submit(folder)
    assert code == 0 and result["created"]
    (job,) = api.of_kind("jobs")
    assert job["metadata"]["name"] == result["kubernetes_job"]
    told = [config["data"]["job.json"] for config in api.of_kind("configmaps")]
    assert [json.loads(text) for text in told] == [json.loads((folder / "job.json").read_text())]


def test_not_allowed(api: ApiServer, folder: Path) -> None:
    """A server that says no is 77, and nothing is created."""
    api.may_create = False
    code, result = submit(folder)
    assert code == 77 and not result["created"] and api.objects == {}
