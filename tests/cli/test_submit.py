"""``loraruner submit``: the job checked, rendered, told, and created only where the cluster lets it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loraruner import spec
from loraruner.cli import run
from tests.support.scripted_cluster import MANIFESTS, ScriptedCluster

CAPTURE = pytest.CaptureFixture[str]
SUMMARY = """\
release    my-style
namespace  training
job        my-style-3f9c2a1b: my-style (text-to-image)
image      registry.example.com/ml/loraruner@sha256:0000
queue      gpu-queue
resources  cpu 4 to 8, memory 32Gi, nvidia.com/gpu 1
run        my-style-<12 hex>; the pod computes it from job and inputs, and logs it
result     s3://loras/my-style/versions/<next free number>
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedCluster:
    """A job, values and a chart in the working folder, and a cluster that lets everything be created."""
    monkeypatch.chdir(tmp_path)
    assert run(["init", "text-to-image"]) == 0
    Path("values.yaml").touch()
    Path("chart").mkdir()
    scripted = ScriptedCluster(tmp_path / "bin")
    monkeypatch.setenv("PATH", scripted.write()["PATH"])
    return scripted


def submit(*options: str) -> int:
    return run(["submit", "job.json", "--values", "values.yaml", "--chart", "chart", *options])


def test_created_where_the_cluster_allows_it(cluster: ScriptedCluster, capsys: CAPTURE) -> None:
    """People read what would run, kubectl is asked first, Helm installs, and stdout is one JSON object."""
    capsys.readouterr()
    assert submit("--namespace", "training") == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert err.startswith(SUMMARY) and "created; follow it: kubectl logs --follow job/my-style-3f9c2a1b" in err
    assert result["created"] is True and result["error"] is None
    assert result["kubernetes_job"] == "my-style-3f9c2a1b" and result["namespace"] == "training"
    rendered, asked, installed = cluster.calls()
    assert rendered[0] == "template" and installed[:2] == ["upgrade", "--install"]
    assert asked[:4] == ["auth", "can-i", "create", "jobs.batch"] and asked[-2:] == ["--namespace", "training"]
    chart = str(Path("chart").absolute())
    assert rendered[-4:] == installed[-4:] == ["--namespace=training", "--", "my-style", chart]


def test_a_dry_run_asks_no_cluster(cluster: ScriptedCluster, capsys: CAPTURE) -> None:
    """--dry-run renders, and neither kubectl nor helm upgrade is called."""
    capsys.readouterr()
    assert submit("--dry-run", "--release", "mine") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["created"] is False and result["release"] == "mine" and result["error"] is None
    assert [call[0] for call in cluster.calls()] == ["template"]


def test_people_get_the_manifests(cluster: ScriptedCluster, capsys: CAPTURE) -> None:
    """--format table prints YAML alone to stdout, for kubectl, and the JSON object holds the same."""
    capsys.readouterr()
    submit("--dry-run", "--format", "table")
    manifests = capsys.readouterr().out
    submit("--dry-run", "--format", "json")
    assert manifests.startswith("---\napiVersion: v1\n")
    assert json.loads(capsys.readouterr().out)["manifests"] == manifests


def test_no_secret_is_printed(cluster: ScriptedCluster, capsys: CAPTURE) -> None:
    """Values of a Secret and of variables that are named like one are struck, in both forms."""
    cluster.manifests += "---\nkind: Secret\nstringData: {a: deep-in-a-secret}\ndata: {b: ZGVlcC1pbi1zZWNyZXQ=}\n"
    cluster.write()
    for format in ("json", "table"):
        assert submit("--dry-run", "--format", format) == 0
        out, err = capsys.readouterr()
        assert "[secret]" in out and "/workspace/home" in out
        for secret in ("not-for-a-screen", "deep-in-a-secret", "ZGVlcC1pbi1zZWNyZXQ="):
            assert secret not in out + err


@pytest.mark.parametrize(
    ("access", "code", "said"),
    [
        ("no", 77, "you may not create jobs in namespace training"),
        ("error: You must be logged in to the server (Unauthorized)", 77, "You must be logged in"),
        ("Unable to connect to the server: dial tcp 192.0.2.1:6443: i/o timeout", 75, "Unable to connect"),
        ("The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?", 75, "64"),
        (
            "The connection to the server localhost:8080 was refused - did you specify the right host or port?",
            78,
            "no cluster is configured; set KUBECONFIG",
        ),
        ("error: no configuration has been provided", 78, "no configuration"),
    ],
)
def test_not_created(cluster: ScriptedCluster, capsys: CAPTURE, access: str, code: int, said: str) -> None:
    """Without access the manifests are still printed; one sentence says why, and what to do by hand."""
    cluster.access = access
    cluster.write()
    capsys.readouterr()
    assert submit("--namespace", "training") == code
    out, err = capsys.readouterr()
    result, last = json.loads(out), err.splitlines()[-1]
    assert not result["created"] and result["error"]["code"] == code and result["manifests"]
    assert last.startswith(f"error {code} ") and "nothing was created: " in last and said in last
    assert "kubectl apply -f FILE" in last
    assert not any(call[0] == "upgrade" for call in cluster.calls("helm"))


@pytest.mark.parametrize(
    ("complaint", "code"),
    [
        ('Error: jobs.batch is forbidden: User "me" cannot create resource "secrets"', 77),
        ("Error: kubernetes cluster unreachable: connection refused", 75),
        ("Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress", 75),
        ("Error: UPGRADE FAILED: something new", 78),
    ],
)
def test_what_helm_meets_while_it_installs(
    cluster: ScriptedCluster, capsys: CAPTURE, complaint: str, code: int
) -> None:
    """What Helm complains of after it was allowed to begin has a code of the table, and does not say "nothing"."""
    cluster.upgrade = f"level=WARN msg=odd\n{complaint}\n"
    cluster.write()
    capsys.readouterr()
    assert submit() == code
    out, err = capsys.readouterr()
    reason = json.loads(out)["error"]["reason"]
    assert reason == f"helm upgrade --install my-style: {complaint.removeprefix('Error: ')}"
    assert err.splitlines()[-1].endswith(reason)


def test_every_fault_of_the_job_at_once(cluster: ScriptedCluster, capsys: CAPTURE) -> None:
    """A bad job is refused as validate does, 64 with each place, before Helm is started."""
    capsys.readouterr()
    assert submit("--set", "training.epochs=ten", "--set", "rank=3") == 64
    out, err = capsys.readouterr()
    assert [fault["pointer"] for fault in json.loads(out)["faults"]] == ["$.rank", "$.training.epochs"]
    assert err.splitlines()[-1] == "error 64 SPEC_INVALID: 2 faults in the job" and not cluster.calls()


def test_set_reaches_the_pod(cluster: ScriptedCluster) -> None:
    """--set changes the job that is rendered, and nothing else of it."""
    before = json.loads(Path("job.json").read_text())
    assert submit("--dry-run", "--set", "training.epochs=3") == 0
    before["training"]["epochs"] = 3
    assert cluster.job() == before


def test_places_of_refused_values(cluster: ScriptedCluster, capsys: CAPTURE) -> None:
    """What the chart's schema refuses is 64, each place named, in the words of either Helm."""
    cluster.template = (
        "Error: values don't meet the specifications of the schema(s) in the following chart(s):\nloraruner:\n"
        "- at '/image': validation failed\n  - at '/image/digest': '' does not match pattern '^sha256:'\n"
        "- at '': additional properties 'bar' not allowed\n- gpu.count: Must be greater than or equal to 1\n"
    )
    cluster.write()
    capsys.readouterr()
    assert submit() == 64
    assert capsys.readouterr() == (
        "",
        "error 64 SPEC_INVALID: values: /image/digest: '' does not match pattern '^sha256:'; /: additional properties "
        "'bar' not allowed; gpu.count: Must be greater than or equal to 1; correct these values\n",
    )


@pytest.mark.parametrize(
    ("manifests", "said"),
    [
        (MANIFESTS.replace("{job.json: JOB}", "{job.json: '{}'}"), "another job.json"),
        (MANIFESTS.replace("trainer", "other"), "0 Jobs with a container trainer"),
        ("kind: [", "renders no YAML"),
    ],
)
def test_another_chart(cluster: ScriptedCluster, capsys: CAPTURE, manifests: str, said: str) -> None:
    """A chart whose pod would not see the checked job, or has no trainer, is refused: 64."""
    cluster.manifests = manifests
    cluster.write()
    assert submit() == 64
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--values", "none.yaml"], 66, "--values none.yaml: there is no such file"),
        (["--values", "."], 66, "--values .: this is a folder"),
        (["--chart", "none"], 66, "--chart none: there is no such folder"),
        (["--helm", "helm-of-nobody"], 78, "helm-of-nobody: there is no such program on PATH"),
        (["--kubectl", "kubectl-of-nobody"], 78, "set LORARUNER_KUBECTL"),
    ],
)
def test_what_is_missing(cluster: ScriptedCluster, capsys: CAPTURE, options: list[str], code: int, said: str) -> None:
    """Files and programs that are not there have a code and a sentence; nothing is created."""
    assert submit(*options) == code
    assert said in capsys.readouterr().err
    assert not any(call[0] == "upgrade" for call in cluster.calls("helm"))


@pytest.mark.parametrize(
    ("name", "release"),
    [("my-style", "my-style"), ("My.Style", "my-style-8f17a32a"), ("x" * 63, f"{'x' * 44}-75220b47")],
)
def test_a_release_for_every_name(cluster: ScriptedCluster, name: str, release: str) -> None:
    """A name that Helm takes is the release; another one gets a digest, so that no two jobs share a release."""
    assert submit("--dry-run", "--set", f"name={name}") == 0
    assert cluster.calls()[0][-2] == release and len(release) <= 53


def test_a_program_that_hangs(cluster: ScriptedCluster, capsys: CAPTURE, monkeypatch: pytest.MonkeyPatch) -> None:
    """Helm that does not end within its time is 75, and is gone."""
    Path("bin/helm").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr("loraruner.helm.RENDER_S", 1)
    assert submit() == 75
    assert "did not end within 1 s" in capsys.readouterr().err


def test_submit_needs_no_torch(cluster: ScriptedCluster) -> None:
    """A whole submit imports neither torch nor boto3."""
    code = (
        "import sys; from loraruner.cli import run; code = run(sys.argv[1:]); "
        "sys.exit(code or any(name in sys.modules for name in ('torch', 'boto3', 'transformers', 'PIL')))"
    )
    command = [sys.executable, "-c", code, "submit", "job.json", "--chart", "chart"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_job_that_runs_is_the_job_that_was_checked(cluster: ScriptedCluster, capsys: CAPTURE) -> None:
    """The document that Helm is given gives the very Spec that was checked, defaults left to the pod."""
    assert submit("--dry-run") == 0
    written = Path("job.json").read_bytes()
    assert spec.load(json.dumps(cluster.job()).encode()).spec == spec.load(written).spec
    assert cluster.job() == json.loads(written)
