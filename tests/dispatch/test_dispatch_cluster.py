"""Runs as Jobs: one name for one run, made from manifests without names, whoever creates them and however often."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loraruner.clients.clickup import open_client
from loraruner.clients.kubernetes import Account, Cluster
from loraruner.dispatch import claims
from loraruner.dispatch import cluster as clusters
from loraruner.dispatch.outcome import Outcome
from loraruner.dispatch.run import KUBERNETES, Dispatcher, Request
from loraruner.errors import SpecInvalid, VersionConflict
from tests.support.api_server import ApiServer, served
from tests.support.dispatching import BACK, MOVING_TO, STATUS, Studio, template
from tests.support.loop_scripts import LIST_ID

RUN = "86c2x9k1p-0123456789ab"
JOB = {"name": "86c2x9k1p", "output": {"uri": "s3://loras/"}}


def document() -> dict[str, Any]:
    """What the chart renders, as short as it may be."""
    pod = {"containers": [{"name": "trainer", "args": ["train", "/etc/loraruner/job.json"]}]}
    volumes = [{"name": "job", "configMap": {"name": "", "items": []}}]
    metadata = {"name": "demo-loraruner", "labels": {"a": "b"}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"labels": {"a": "b"}}}
    return {"job": {**job, "spec": {"template": {"spec": {**pod, "volumes": volumes}}}}, "configMap": config}


@pytest.fixture
def manifests(tmp_path: Path) -> clusters.Manifests:
    path = tmp_path / "manifests.json"
    path.write_text(json.dumps(document()))
    return clusters.read_manifests(path)


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with served(ApiServer(looks=[{"job": "", "pods": []}])) as running:
        yield running


def cluster(server: ApiServer) -> Cluster:
    return Cluster(Account(server.url, "ml", "t"), sleep=lambda pause_s: None)


def test_what_is_made(server: ApiServer, manifests: clusters.Manifests) -> None:
    """The Job runs the run of the claim on the ConfigMap that it owns, which holds the job and can't be changed."""
    name = clusters.submit(cluster(server), manifests, JOB, RUN)
    assert name == "demo-loraruner-86c2x9k1p-01234567"
    made, config = server.objects["jobs", "ml", name], server.objects["configmaps", "ml", name]
    spec = made["spec"]["template"]["spec"]
    assert spec["containers"][0]["args"] == ["train", "--run-id", RUN, "/etc/loraruner/job.json"]
    assert spec["volumes"][0]["configMap"]["name"] == name
    assert made["metadata"]["annotations"] == {
        "loraruner.io/run-id": RUN,
        "loraruner.io/job-name": "86c2x9k1p",
        "loraruner.io/output": "s3://loras/86c2x9k1p",
    }
    (owner,) = config["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Job", name, made["metadata"]["uid"])
    assert config["immutable"] is True and json.loads(config["data"]["job.json"]) == JOB


def test_made_again_it_is_the_same(server: ApiServer, manifests: clusters.Manifests) -> None:
    """A dispatcher that died between Job and ConfigMap is followed by one that makes what is missing, and no second."""
    name = clusters.submit(cluster(server), manifests, JOB, RUN)
    del server.objects["configmaps", "ml", name]
    assert clusters.submit(cluster(server), manifests, JOB, RUN) == name
    assert len(server.of_kind("jobs")) == len(server.of_kind("configmaps")) == 1


def test_a_name_that_is_another_run_s(server: ApiServer, manifests: clusters.Manifests) -> None:
    """Eight digits are no proof: another run under that name is told, not taken for this one."""
    clusters.submit(cluster(server), manifests, JOB, RUN)
    with pytest.raises(VersionConflict, match="belongs to another run"):
        clusters.submit(cluster(server), manifests, JOB, "86c2x9k1p-01234567ffff")


@pytest.mark.parametrize(
    ("task", "release", "expected"),
    [
        ("86C2_x9", "demo", "demo-86c2-x9-01234567"),
        ("a" * 42, "demo", "a" * 42 + "-01234567"),
        ("b" * 63, "demo", "b" * 46 + "-01234567"),
        ("c" * 45 + "_d", "a-release", "c" * 45 + "-01234567"),
    ],
)
def test_names_are_dns_labels(manifests: clusters.Manifests, task: str, release: str, expected: str) -> None:
    """Also with what Kubernetes adds for the pod a name has 63 characters at most, and no letter that DNS lacks."""
    manifests.job["metadata"]["name"] = release
    found = clusters.job_name(manifests, task, f"{task}-0123456789ab")
    assert found == expected and len(found) <= 55


@pytest.mark.parametrize(
    ("conditions", "alive"),
    [
        ([], True),
        ([{"type": "Suspended", "status": "True"}], True),
        ([{"type": "Failed", "status": "False"}], True),
        ([{"type": "Complete", "status": "True"}], False),
        ([{"type": "Failed", "status": "True"}], False),
    ],
)
def test_alive_until_it_ended(
    server: ApiServer, manifests: clusters.Manifests, conditions: list[dict[str, str]], alive: bool
) -> None:
    """A Job in a queue or between two pods is under way; one that ended, or is gone, is not."""
    name = clusters.submit(cluster(server), manifests, JOB, RUN)
    told = " ".join(f"{each['type']}={each['type']}" for each in conditions if each["status"] == "True")
    server.looks[:] = [{"job": told, "pods": []}]
    assert clusters.is_job_alive(cluster(server), manifests, "86c2x9k1p", RUN) is alive
    del server.objects["jobs", "ml", name]
    assert clusters.is_job_alive(cluster(server), manifests, "86c2x9k1p", RUN) is False


@pytest.mark.parametrize(
    "spoil",
    [
        lambda whole: whole.pop("job"),
        lambda whole: whole.update(configMap=[]),
        lambda whole: whole["job"]["spec"]["template"]["spec"].update(containers=[]),
        lambda whole: whole["job"]["spec"]["template"]["spec"]["containers"][0].update(args=["doctor"]),
        lambda whole: whole["job"]["spec"]["template"]["spec"].pop("volumes"),
        lambda whole: whole["job"]["metadata"].update(name=7),
    ],
)
def test_a_file_that_is_no_manifests(tmp_path: Path, spoil: Any) -> None:
    """What the chart did not render is refused before anything is claimed: 64."""
    whole = document()
    spoil(whole)
    path = tmp_path / "manifests.json"
    path.write_text(json.dumps(whole))
    with pytest.raises(SpecInvalid, match="this is no file of manifests"):
        clusters.read_manifests(path)


def look(studio: Studio, server: ApiServer, manifests: clusters.Manifests) -> list[Outcome]:
    own = studio.settings()
    request = Request(LIST_ID, STATUS, start=KUBERNETES, moving_to=MOVING_TO)
    made = template(str(studio.output))
    return list(Dispatcher(request, made, open_client(own), own, cluster=(cluster(server), manifests)).run())


def test_a_task_becomes_a_job(studio: Studio, server: ApiServer, manifests: clusters.Manifests) -> None:
    """Nothing is trained here; the task is moved on, and the claim knows its Job."""
    task_id = studio.task(Rank=4)
    (found,) = look(studio, server, manifests)
    assert (found.happened, found.code) == ("started", 0) and not studio.trainings.jobs
    assert json.loads(server.of_kind("configmaps")[0]["data"]["job.json"])["lora"] == {"rank": 4}
    assert studio.server.status(task_id) == MOVING_TO
    (claim,) = studio.claims(task_id)
    assert claim["kubernetes_job"] == found.kubernetes_job == server.of_kind("jobs")[0]["metadata"]["name"]


def test_moved_back_while_its_job_waits(studio: Studio, server: ApiServer, manifests: clusters.Manifests) -> None:
    """A Job in a queue keeps the next entry of its task waiting, though the run has written nothing yet."""
    task_id = studio.task()
    look(studio, server, manifests)
    studio.server.move(task_id, BACK)
    studio.server.move(task_id, STATUS)
    assert [each.happened for each in look(studio, server, manifests)] == ["busy"]
    server.looks[:] = [{"job": "Complete=Done", "pods": []}]
    assert [each.happened for each in look(studio, server, manifests)] == ["started"]
    assert len(server.of_kind("jobs")) == 2


def test_a_cluster_that_refuses(studio: Studio, manifests: clusters.Manifests, server: ApiServer) -> None:
    """Without a Job the claim is given up and the task stays where it is; the next look starts the same run."""
    task_id = studio.task()
    clusters.submit(cluster(server), manifests, JOB, RUN)
    away = ApiServer(looks=[], url="http://127.0.0.1:9")
    (found,) = look(studio, away, manifests)
    assert (found.happened, found.code) == ("error", 75)
    (claim,) = studio.claims(task_id)
    assert studio.server.status(task_id) == STATUS and claim["state"] == "claimed"
    assert [(each.happened, each.code) for each in look(studio, away, manifests)] == [("error", 75)]
    (found,) = look(studio, server, manifests)
    assert (found.happened, found.run_id) == ("started", claim["run_id"])
    assert len(studio.claims(task_id)) == 1


def test_a_job_whose_dispatcher_died(studio: Studio, manifests: clusters.Manifests, server: ApiServer) -> None:
    """Edited after its Job was made and before the claim was finished, the task waits for that Job to end."""
    task_id = studio.task()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "change", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            look(studio, server, manifests)
    (path,) = (studio.output / ".dispatch" / task_id).iterdir()
    os.utime(path, (0, 0))
    studio.server.set_value(task_id, "Rank", 8)
    assert [each.happened for each in look(studio, server, manifests)] == ["busy"]
    assert len(server.of_kind("jobs")) == 1
