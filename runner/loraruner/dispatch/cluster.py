"""Dispatched runs as Jobs of Kubernetes, made from the manifests that the chart renders: no Helm, no kubectl."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loraruner.clients.kubernetes import Cluster
from loraruner.errors import SpecInvalid, TemporaryFailure, VersionConflict

CONTAINER, JOB_FILE, JOB_VOLUME = "trainer", "job.json", "job"
RUN_ANNOTATION = "loraruner.io/run-id"
MAX_NAME_CHARACTERS = 46  # with the digest and what Kubernetes adds for the pod, the longest DNS label
MAX_MANIFESTS_BYTES = 1 << 20
ENDED = ("Complete", "Failed", "SuccessCriteriaMet", "FailureTarget")


@dataclass(frozen=True)
class Manifests:
    """A Job and its ConfigMap without names, as the chart renders them."""

    job: Mapping[str, Any]
    config_map: Mapping[str, Any]


def read_manifests(path: Path) -> Manifests:
    """The chart's manifests; raises SpecInvalid (64) for a file that is none."""
    wrong = f"--manifests {path}: this is no file of manifests; give the one that the chart renders for dispatch"
    try:
        if path.stat().st_size > MAX_MANIFESTS_BYTES:
            raise SpecInvalid(wrong)
        whole = json.loads(path.read_text(encoding="utf-8"))
        found = Manifests(whole["job"], whole["configMap"])
        parts = (_volume(found.job)["configMap"]["name"], found.job["metadata"]["name"], found.config_map["kind"])
        if "train" not in _trainer(found.job)["args"] or not all(isinstance(each, str) for each in parts):
            raise SpecInvalid(wrong)
    except OSError as error:
        raise SpecInvalid(f"--manifests {path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, StopIteration, RecursionError):
        raise SpecInvalid(wrong) from None
    return found


def job_name(manifests: Manifests, task_id: str, run_id: str) -> str:
    """The Job of a run: the release and the task for people, eight digits of the run's digest for the machine."""
    task = task_id.lower().replace("_", "-").strip("-")
    stem = f"{manifests.job['metadata']['name']}-{task}"
    if len(stem) > MAX_NAME_CHARACTERS:
        stem = task[:MAX_NAME_CHARACTERS].rstrip("-")
    return f"{stem}-{run_id.rpartition('-')[2][:8]}"


def submit(cluster: Cluster, manifests: Manifests, job: Mapping[str, Any], run_id: str) -> str:
    """Create the Job of a run and its ConfigMap, and return the Job's name; what exists already is left as it is.

    The Job comes first, as it owns the ConfigMap; its pod waits for that. Raises VersionConflict (73) where another run
    has that name, and what ``Cluster`` raises.
    """
    name = job_name(manifests, str(job["name"]), run_id)
    made = cluster.create("jobs", _job(manifests, job, run_id, name)) or cluster.read("jobs", name)
    if made is None:
        raise TemporaryFailure(f"Kubernetes: the Job {name} was deleted while it was created; try again later")
    if (made["metadata"].get("annotations") or {}).get(RUN_ANNOTATION) != run_id:
        raise VersionConflict(f"Kubernetes: the Job {name} belongs to another run than {run_id}; delete it if it ended")
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": made["metadata"].get("uid")}
    config_map = _copy(manifests.config_map)
    config_map["metadata"] |= {"name": name, "ownerReferences": [owner]}
    config_map |= {"immutable": True, "data": {JOB_FILE: json.dumps(job, indent=1)}}
    cluster.create("configmaps", config_map)
    return name


def is_job_alive(cluster: Cluster, manifests: Manifests, task_id: str, run_id: str) -> bool:
    """Whether the Job of a run is there and has not ended, be it in a queue or between two pods."""
    found = cluster.read("jobs", job_name(manifests, task_id, run_id))
    if found is None:
        return False
    conditions = (found.get("status") or {}).get("conditions") or []
    return not any(each.get("type") in ENDED and each.get("status") == "True" for each in conditions)


def _job(manifests: Manifests, job: Mapping[str, Any], run_id: str, name: str) -> dict[str, Any]:
    made = _copy(manifests.job)
    made["metadata"]["name"] = name
    address = f"{str(job['output']['uri']).rstrip('/')}/{job['name']}"
    told = {RUN_ANNOTATION: run_id, "loraruner.io/job-name": job["name"], "loraruner.io/output": address}
    made["metadata"].setdefault("annotations", {}).update(told)
    arguments = _trainer(made)["args"]
    at = arguments.index("train") + 1
    arguments[at:at] = ["--run-id", run_id]
    _volume(made)["configMap"]["name"] = name
    return made


def _trainer(job: Mapping[str, Any]) -> dict[str, Any]:
    containers = job["spec"]["template"]["spec"]["containers"]
    return next(each for each in containers if each["name"] == CONTAINER)


def _volume(job: Mapping[str, Any]) -> dict[str, Any]:
    return next(each for each in job["spec"]["template"]["spec"]["volumes"] if each["name"] == JOB_VOLUME)


def _copy(manifest: Mapping[str, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(json.dumps(manifest))
    return copied
