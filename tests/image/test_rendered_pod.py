"""The pod that the chart renders runs: from a store to a version in it, refused, stopped and resumed."""

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from loraruner import settings
from loraruner.cli import run
from loraruner.stores import open_store
from tests.support.containers_run import podman, tensors, termination, wait_until
from tests.support.image_registry import push
from tests.support.oci_registry import registry
from tests.support.pods import Document, Pod, action, doctor_of, job_of, rendered, translated
from tests.support.s3_server import bucket, endpoint, seaweedfs
from tests.support.user import ROOT

__all__ = ["bucket", "endpoint", "seaweedfs"]
pytestmark = pytest.mark.image

STYLE = ROOT / "examples/style"
SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class Cluster:
    """What lies around a pod: a registry with the image, a store with the data, a folder for what is rendered."""

    def __init__(self, folder: Path, image: tuple[str, str], keys: Mapping[str, str], bucket: str) -> None:
        self.folder, self.keys, self.bucket = folder, keys, bucket
        self.repository, self.digest = image
        self.names = iter(range(100))

    def values(self, **changes: Any) -> dict[str, Any]:
        """Values of the style example on S3, 100 steps on one CPU; ``changes`` replace whole keys."""
        return {
            "image": {"repository": self.repository, "digest": self.digest},
            "job": self.job(),
            "store": {
                "endpoint": self.keys["AWS_ENDPOINT_URL_S3"],
                "region": self.keys["AWS_REGION"],
                "secretName": f"loraruner-test-{secrets.token_hex(4)}",
            },
            "gpu": {"count": 0},
            "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1", "memory": "3Gi"}},
            "extraEnv": [{"name": "OMP_NUM_THREADS", "value": "1"}],
            **changes,
        }

    def job(self) -> dict[str, Any]:
        """The style example's job with addresses in the store, each time with an output of its own."""
        job: dict[str, Any] = json.loads((STYLE / "job.json").read_text())
        del job["$schema"]
        job["model"]["base"] = f"s3://{self.bucket}/style/base"
        job["data"]["uri"] = f"s3://{self.bucket}/style/pictures"
        job["output"]["uri"] = f"s3://{self.bucket}/out-{next(self.names)}"
        job["training"]["max_steps"], job["checkpoint"] = 100, {"every_steps": 10, "grace_s": 60}
        job["evaluation"]["every_steps"], job["options"]["sample_steps"] = 50, 3
        job["sampling"]["prompts"] = job["sampling"]["prompts"][:1]
        return job

    def pod(self, values: Mapping[str, Any]) -> Pod:
        """The pod of a release with these values."""
        return self.with_keys(rendered(self.folder, f"test-{secrets.token_hex(3)}", values))

    def with_keys(self, documents: Sequence[Document]) -> Pod:
        """The pod of a Job that was rendered, with the store's keys as its secret."""
        return Pod(self.folder, documents, {name: self.keys[name] for name in SECRETS})


@pytest.fixture(scope="module")
def cluster(
    image: str, bucket: str, endpoint: str, seaweedfs: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """The built image, pushed to a registry and pulled by its digest, and the style example's inputs in a store."""
    folder = tmp_path_factory.mktemp("cluster")
    keys = seaweedfs.environment(endpoint)
    with pytest.MonkeyPatch.context() as patch, registry(folder / "registry", seaweedfs.free_ports(1)[0]) as host:
        for name, value in keys.items():
            patch.setenv(name, value)
        store = open_store(f"s3://{bucket}/style", settings.load())
        for part in ("base", "pictures"):
            for path in sorted((STYLE / part).rglob("*")):
                if path.is_file():
                    store.upload(path, path.relative_to(STYLE).as_posix())
        repository, digest = push(image, host, folder)
        yield Cluster(folder, (repository, digest), keys, bucket)
        podman("rmi", f"{repository}@{digest}")


@pytest.fixture(autouse=True)
def _keys(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host reaches the store too."""
    for name, value in cluster.keys.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def straight(cluster: Cluster) -> tuple[str, str]:
    """A pod that ran to its end: the version's address, and its termination log."""
    with cluster.pod(cluster.values()) as pod:
        pod.play()
        code = pod.ended()
        out, err = pod.output()
        assert code == 0, err
        return str(json.loads(out)["uri"]), pod.log.read_text()


def files(uri: str, end: str) -> dict[str, bytes]:
    """The objects below a prefix whose key has that end."""
    store = open_store(uri, settings.load())
    return {each.key: store.read(each.key)[0] for each in store.list() if each.key.endswith(end)}


def test_the_rendered_pod_publishes(
    cluster: Cluster, straight: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """From store to store, with the image by its digest: a version that anyone verifies and whose manifest names it."""
    uri, log = straight
    assert uri.startswith(f"s3://{cluster.bucket}/out-") and termination(log)["name"] == "OK"
    assert run(["adapter", "verify", uri]) == 0
    assert json.loads(capsys.readouterr().out)["verified"] is True
    manifest = json.loads(files(uri, "manifest.json")["manifest.json"])
    assert manifest["software"]["image"] == f"{cluster.repository}@{cluster.digest}"


def test_a_refused_job_fails_the_job_at_once(cluster: Cluster) -> None:
    """64 in the container's state and in the termination log, and the failure policy ends the Job for it."""
    with cluster.pod(cluster.values(operator={"requireDigests": True})) as pod:
        pod.play()
        assert pod.ended() == 64
        noted = termination(pod.log.read_text())
        assert (noted["code"], noted["name"]) == (64, "SPEC_INVALID") and "$.model.sha256" in str(noted["reason"])
        assert action(pod.job, 64) == "FailJob"


def test_a_stopped_pod_is_resumed_by_the_next(cluster: Cluster, straight: tuple[str, str]) -> None:
    """A stopped pod ends with 85, which does not count; the next one, with empty volumes, publishes the same tensors as
    a pod that nobody stopped."""
    values = cluster.values()
    output = values["job"]["output"]["uri"]
    with cluster.pod(values) as pod:
        pod.play()
        wait_until(lambda: any("step-000020" in key for key in files(output, "manifest.json")), "a checkpoint")
        assert pod.stop() == 85, pod.output()[1]
        assert termination(pod.log.read_text())["name"] == "PREEMPTED" and action(pod.job, 85) == "Ignore"
        assert not [key for key in files(output, "manifest.json") if "/versions/" in key]
        pod.down()
        pod.play()
        assert pod.ended() == 0, pod.output()[1]
        result = json.loads(pod.output()[0])
    assert (result["attempts"], result["steps"]) == (2, 100)
    resumed, uninterrupted = (tensors(files(uri, ".safetensors")) for uri in (result["uri"], straight[0]))
    assert len(resumed) == 3 and resumed == uninterrupted


def test_the_pod_of_helm_test_finds_all_well(cluster: Cluster) -> None:
    """What ``helm test`` starts passes every check, the store's too, with the rights and volumes that it has."""
    documents = rendered(cluster.folder, f"test-{secrets.token_hex(3)}", cluster.values())
    with cluster.with_keys(doctor_of(documents)) as pod:
        pod.play()
        code = pod.ended()
        out, err = pod.output()
        assert code == 0, err
        checks = {each["check"]: each["ok"] for each in json.loads(out)["checks"]}
        assert all(checks.values()) and "store" in checks


def test_only_what_podman_lacks_is_translated(cluster: Cluster) -> None:
    """The pod that was run is the rendered one but for the termination log's mount and the shared memory's."""
    documents = rendered(cluster.folder, "unchanged", cluster.values())
    template = job_of(documents)["spec"]["template"]
    *others, pod = translated(documents, Path("/log"))
    assert [each["kind"] for each in others] == ["ConfigMap"]
    assert set(pod["spec"]) == set(template["spec"])
    assert {key for key in pod["spec"] if pod["spec"][key] != template["spec"][key]} == {"containers", "volumes"}
    before, after = template["spec"]["containers"][0], pod["spec"]["containers"][0]
    assert {key for key in before if before[key] != after[key]} == {"volumeMounts"}
    mounts = [{each["mountPath"] for each in container["volumeMounts"]} for container in (before, after)]
    assert mounts[0] ^ mounts[1] == {"/dev/termination-log", "/dev/shm"}
    assert after["securityContext"]["readOnlyRootFilesystem"] is True and after["image"].endswith(cluster.digest)
