"""The pod of a rendered Job, run for real by ``podman kube play``.

podman 4.3 is no kubelet. What it leaves out is done here in its place and nowhere else, each under a name:

- ``job``: the Job's pod template becomes a Pod that has the Job's name; podman knows no Jobs.
- ``secret``: the Secret of ``envFrom`` becomes a podman secret of that name; its kube play reads no Secret documents.
- ``termination log``: kubelet makes the file and mounts it; here it is a file of the host, mounted in the same place.
- ``shared memory``: of an emptyDir in memory podman makes a folder on the disk that root owns. Its own ``/dev/shm``
  lies in memory; that one is left in place.

Service account, tolerations, disk limits, ``fsGroup`` and the grace period are read by a cluster only: podman gives a
new volume to the container's user, and ``Pod.stop`` hands over the grace period.
"""

import base64
import copy
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.containers_run import exit_code, podman, told
from tests.support.tools import HELM
from tests.support.user import ROOT

Document = dict[str, Any]
TERMINATION_LOG, SHARED_MEMORY = "/dev/termination-log", "/dev/shm"
GRACE_S = 30  # where a pod says nothing
CHART = ROOT / "helm/loraruner"


def rendered(folder: Path, release: str, values: Mapping[str, Any]) -> list[Document]:
    """The documents that ``helm template`` makes of the chart with ``values``."""
    import yaml

    path = folder / f"{release}-values.json"
    path.write_text(json.dumps(values))
    places = {f"HELM_{name}_HOME": str(folder / "helm") for name in ("CACHE", "CONFIG", "DATA")}
    command = [str(HELM), "template", release, str(CHART), "--namespace", "training", "--values", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | places, check=False)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def job_of(documents: Sequence[Document]) -> Document:
    """The one Job."""
    (job,) = [document for document in documents if document["kind"] == "Job"]
    return job


def doctor_of(documents: Sequence[Document]) -> list[Document]:
    """The pod that ``helm test`` starts, told as a Job's."""
    (pod,) = [document for document in documents if document["kind"] == "Pod"]
    return [{"kind": "Job", "metadata": pod["metadata"], "spec": {"template": pod}}]


def translated(documents: Sequence[Document], log: Path) -> list[Document]:
    """The Pod of the Job and the ConfigMaps, as podman can play them; ``log`` is the host's termination log."""
    job = job_of(documents)
    template = copy.deepcopy(job["spec"]["template"])
    spec = template["spec"]
    (container,) = spec["containers"]
    in_memory = {each["name"] for each in spec["volumes"] if each.get("emptyDir", {}).get("medium") == "Memory"}
    mounts = container["volumeMounts"]
    container["volumeMounts"] = [
        each for each in mounts if not (each["mountPath"] == SHARED_MEMORY and each["name"] in in_memory)
    ]
    left = {each["name"] for each in container["volumeMounts"]}
    spec["volumes"] = [each for each in spec["volumes"] if each["name"] in left]
    assert container["terminationMessagePath"] == TERMINATION_LOG
    container["volumeMounts"].append({"name": "termination-log", "mountPath": TERMINATION_LOG})
    spec["volumes"].append({"name": "termination-log", "hostPath": {"path": str(log), "type": "File"}})
    metadata = {**template["metadata"], "name": job["metadata"]["name"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    return [*(each for each in documents if each["kind"] == "ConfigMap"), pod]


def action(job: Document, code: int) -> str:
    """What the Job's failure policy does about an exit code: its first rule that matches; without one it counts."""
    for rule in job["spec"]["podFailurePolicy"]["rules"]:
        if code in rule.get("onExitCodes", {}).get("values", ()):
            return str(rule["action"])
    return "Count"


class Pod:
    """The pod of a rendered Job; with its secret it is there from ``__enter__`` to ``__exit__``, which removes all."""

    def __init__(self, folder: Path, documents: Sequence[Document], secret: Mapping[str, str]) -> None:
        import yaml

        self.job, self.secret = job_of(documents), secret
        self.name = str(self.job["metadata"]["name"])
        self.config_maps = [each["metadata"]["name"] for each in documents if each["kind"] == "ConfigMap"]
        self.log, self.file = folder / f"{self.name}.termination", folder / f"{self.name}.yaml"
        self.log.touch()
        self.log.chmod(0o666)  # as kubelet makes it: the container's user is not ours
        self.file.write_text(yaml.safe_dump_all(translated(documents, self.log)))
        spec = self.job["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        self.container = f"{self.name}-{container['name']}"
        self.grace_s = int(spec.get("terminationGracePeriodSeconds", GRACE_S))
        self.secrets = [each["secretRef"]["name"] for each in container.get("envFrom", ())]

    def __enter__(self) -> "Pod":
        """Make the secret, as an administrator did before the release."""
        encoded = {name: base64.b64encode(value.encode()).decode() for name, value in self.secret.items()}
        source = self.file.with_suffix(".secret.json")
        source.write_text(json.dumps(encoded))
        for name in self.secrets:
            told("secret", "create", name, str(source))
        source.unlink()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
        for name in self.secrets:
            podman("secret", "rm", name)
        for name in self.config_maps:  # podman makes a volume of each, and keeps it
            podman("volume", "rm", "--force", name)

    def play(self) -> None:
        """Start the pod in the host's network, where the store is."""
        told("kube", "play", "--network", "host", "--tls-verify=false", str(self.file))

    def down(self) -> None:
        """Remove the pod and its volumes."""
        podman("kube", "down", str(self.file))

    def ended(self) -> int:
        """Wait for the container's end; its exit code."""
        return exit_code(self.container)

    def stop(self) -> int:
        """Stop the pod as a cluster does, with its own grace period; the container's exit code."""
        told("pod", "stop", "--time", str(self.grace_s), self.name)
        return self.ended()

    def output(self) -> tuple[str, str]:
        """What the container wrote to stdout and stderr."""
        done = podman("logs", self.container)
        return done.out, done.err
