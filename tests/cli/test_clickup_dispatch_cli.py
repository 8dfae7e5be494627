"""``loraruner clickup dispatch`` as a user types it: what is printed, and what it exits with."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loraruner.cli import run
from loraruner.dispatch import local
from tests.support.api_server import ApiServer, served
from tests.support.dispatching import STATUS, Studio, document
from tests.support.loop_scripts import LIST_ID, ClickUpServer

CAPTURE = pytest.CaptureFixture[str]


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """A list, a template in the working folder, and trainings that are only noted."""
    monkeypatch.chdir(tmp_path)
    with ClickUpServer() as server:
        for name, kind in {"Rank": "number", "Prompts": "text", "Team": "short_text"}.items():
            server.add_field(name, kind)
        made = Studio(server, tmp_path / "loras")
        trainings = made.trainings
        monkeypatch.setattr(
            local.Children, "train", lambda children, job, run_id: trainings.train(children, job, run_id)
        )
        monkeypatch.setenv("CLICKUP_API_URL", server.url)
        monkeypatch.setenv("CLICKUP_TOKEN", server.token)
        Path("template.json").write_text(json.dumps(document(str(made.output))))
        yield made


def dispatch(*options: str) -> int:
    words = ("--list", LIST_ID, "--status", STATUS, "--template", "template.json", "--moving-to", "training")
    return run(["clickup", "dispatch", *words, *options])


def test_one_json_object_and_a_line_for_each_task(studio: Studio, capsys: CAPTURE) -> None:
    """Programs read what happened to each task, people a line as it happens."""
    good, bad = studio.task(Rank=4), studio.task(Rank=0)
    assert dispatch() == 64
    out, err = capsys.readouterr()
    one, two = json.loads(out)["tasks"]
    assert (one["task"], one["happened"], one["code"], one["version"]) == (good, "started", 0, "1")
    assert (two["task"], two["happened"], two["code"], len(two["reasons"])) == (bad, "fault", 64, 1)
    assert f"{good} started: run {one['run_id']}, version 1\n" in err
    assert f"{bad} fault: exit code 64, Rank: 0 is less than the minimum 1" in err
    assert err.splitlines()[-1].startswith(
        f"error 64 SPEC_INVALID: 1 of 2 tasks are not well; the first is {bad}: Rank"
    )


def test_a_table_for_people(studio: Studio, capsys: CAPTURE) -> None:
    """--format table shows tasks with their titles; nothing to do is a sentence, and 0."""
    studio.task("Cyberpunk")
    assert dispatch("--format", "table") == 0
    assert "Cyberpunk" in capsys.readouterr().out
    assert dispatch("--format", "table") == 0
    out, err = capsys.readouterr()
    assert not out and f"no task of list {LIST_ID} is in the status 'ready to train'" in err


def test_a_failed_training_is_the_code(studio: Studio, capsys: CAPTURE) -> None:
    """What a training ends with is what the look ends with."""
    studio.task()
    studio.trainings.ends = [79]
    assert dispatch() == 79
    assert "ended with 79" in capsys.readouterr().err


def manifests() -> dict[str, Any]:
    pod = {"containers": [{"name": "trainer", "args": ["train", "/etc/loraruner/job.json"]}]}
    spec = {"template": {"spec": {**pod, "volumes": [{"name": "job", "configMap": {"name": ""}}]}}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "demo"}, "spec": spec}
    return {"job": job, "configMap": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}}


def test_jobs_of_kubernetes(studio: Studio, tmp_path: Path, capsys: CAPTURE) -> None:
    """With the account's files and the address of the API server a Job is created for each task."""
    Path("manifests.json").write_text(json.dumps(manifests()))
    Path("token").write_text("t")
    Path("namespace").write_text("ml")
    task_id = studio.task()
    with served(ApiServer(looks=[{"job": "", "pods": []}])) as server:
        where = ("--api-server", server.url, "--account", str(tmp_path), "--manifests", "manifests.json")
        assert dispatch("--start", "kubernetes", *where) == 0
        (task,) = json.loads(capsys.readouterr().out)["tasks"]
        assert task["kubernetes_job"] == server.of_kind("jobs")[0]["metadata"]["name"]
        assert task["kubernetes_job"].startswith(f"demo-{task_id}-") and not studio.trainings.jobs


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--template", "none.json"), 66, "--template none.json: cannot be read (No such file or directory)"),
        (("--template", "bad.json"), 64, "$.job: is missing or no object"),
        (("--start", "kubernetes"), 64, "give --manifests FILE, which the chart renders"),
        (("--start", "kubernetes", "--manifests", "template.json"), 64, "this is no file of manifests"),
        (("--start", "kubernetes", "--manifests", "none"), 64, "--manifests none: cannot be read"),
        (("--start", "kubernetes", "--manifests", "manifests.json"), 78, "KUBERNETES_SERVICE_HOST is not set"),
        (("--limit", "0"), 2, "--limit"),
        (("--list", "902"), 66, "List not found"),
    ],
)
def test_what_is_wrong_is_said_at_once(
    studio: Studio, capsys: CAPTURE, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], code: int, words: str
) -> None:
    """One sentence and its code, and no task is touched."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    task_id = studio.task()
    Path("bad.json").write_text("{}")
    Path("manifests.json").write_text(json.dumps(manifests()))
    assert dispatch(*options) == code
    assert words in capsys.readouterr().err
    assert studio.server.status(task_id) == STATUS and not studio.claims(task_id)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--status", " "), "Invalid value for '--status': is empty"),
        (("--list", ""), "Invalid value for '--list': is empty"),
        (("--moving-to", STATUS), "--status is also --moving-to or --on-fault-status"),
        (("--on-fault-status", STATUS), "--status is also --moving-to or --on-fault-status"),
    ],
)
def test_options_that_say_nothing(studio: Studio, capsys: CAPTURE, options: tuple[str, ...], words: str) -> None:
    """An empty status would ask for all tasks, and one that tasks are moved to would never end: 2, nobody is asked."""
    studio.task()
    assert dispatch(*options) == 2
    assert words in capsys.readouterr().err and not studio.server.requests


def test_without_a_token(studio: Studio, capsys: CAPTURE, monkeypatch: pytest.MonkeyPatch) -> None:
    """78, naming the variable; a wrong one is 77."""
    monkeypatch.delenv("CLICKUP_TOKEN")
    assert dispatch() == 78
    assert "set CLICKUP_TOKEN" in capsys.readouterr().err
    monkeypatch.setenv("CLICKUP_TOKEN", "pk_another_token")
    assert dispatch() == 77
    assert "pk_another_token" not in capsys.readouterr().err
