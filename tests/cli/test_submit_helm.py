"""``loraruner submit`` with the real Helm and the chart that this package carries; no cluster is there to be asked."""

import json
from pathlib import Path

import pytest

from loraruner.cli import run
from tests.support.tools import HELM, KUBECTL

pytestmark = pytest.mark.slow
CAPTURE = pytest.CaptureFixture[str]
DIGEST = "sha256:" + "0" * 64
VALUES = f"image: {{repository: registry.example.com/ml/loraruner, digest: '{DIGEST}'}}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job and values in a folder whose name holds what Helm reads as the end of a file's name."""
    folder = tmp_path / 'a,"b'
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LORARUNER_HELM", str(HELM))
    monkeypatch.setenv("LORARUNER_KUBECTL", str(KUBECTL))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert run(["init", "text-to-image"]) == 0
    Path("values.yaml").write_text(VALUES)
    return folder


def submit(*options: str) -> int:
    return run(["submit", "job.json", "--values", "values.yaml", *options])


def test_the_chart_of_this_version_renders_the_job(folder: Path, capsys: CAPTURE) -> None:
    """Without --chart the package's own is taken: one Job with the image by its digest, in the queue of the values."""
    Path("more.yaml").write_text("kueue: {queueName: gpu-queue}\n")
    capsys.readouterr()
    assert submit("--values", "more.yaml", "--dry-run", "--namespace", "training") == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert result["image"] == f"registry.example.com/ml/loraruner@{DIGEST}" and result["queue"] == "gpu-queue"
    assert result["kubernetes_job"].startswith("my-style-") and "kind: Job" in result["manifests"]
    assert "helm.sh/hook: test" not in result["manifests"]
    assert "resources  cpu" in err and "nvidia.com/gpu 1" in err


def test_the_same_job_has_the_same_manifests(folder: Path, capsys: CAPTURE) -> None:
    """Rendered twice the bytes are equal; another seed is another Job."""
    told = []
    for options in ([], [], ["--set", "training.seed=7"]):
        capsys.readouterr()
        assert submit("--dry-run", *options) == 0
        told.append(json.loads(capsys.readouterr().out))
    assert told[0] == told[1] and told[0]["kubernetes_job"] != told[2]["kubernetes_job"]


def test_any_text_arrives(folder: Path, capsys: CAPTURE) -> None:
    """Letters beyond 16 bits, and those that YAML takes for ends of lines, are in the job that the pod reads."""
    job = json.loads(Path("job.json").read_text()) | {
        "labels": {"purpose": "\U0001f600 a\u2028b \ufffe \u00e9 \\ud83d /"}
    }
    Path("job.json").write_text(json.dumps(job))
    capsys.readouterr()
    assert submit("--dry-run") == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        ("{}", [], "/image/digest: '' does not match pattern"),
        ("image: [", [], "failed to parse"),
        (f"{VALUES}job: {{labels: {{team: x}}}}\n", ["--set", "labels=null"], "take `job` out of the values files"),
        (VALUES, ["--set", "data.uri=/pictures"], '$.job.data.uri: "/pictures" lies nowhere that the pod can read'),
        (VALUES, ["--release", "--post-renderer=/bin/true"], "invalid release name"),
    ],
)
def test_refused(folder: Path, capsys: CAPTURE, values: str, options: list[str], said: str) -> None:
    """Values, a job or a release that Helm or the chart refuses are 64 with what they said, and no object on stdout."""
    Path("values.yaml").write_text(values)
    capsys.readouterr()
    assert submit("--dry-run", *options) == 64
    out, err = capsys.readouterr()
    assert out == "" and said in err and "Use --debug" not in err


def test_a_machine_without_a_cluster(folder: Path, capsys: CAPTURE) -> None:
    """The real kubectl without a server: 75, the manifests printed, and why nothing was created."""
    Path(folder.parent / "none").write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n"
        "clusters: [{name: a, cluster: {server: 'http://127.0.0.1:9'}}]\nusers: [{name: a, user: {}}]\n"
    )
    capsys.readouterr()
    assert submit() == 75
    out, err = capsys.readouterr()
    assert not json.loads(out)["created"] and "nothing was created: kubectl auth can-i create jobs: " in err


def test_a_registry_that_does_not_answer(folder: Path, capsys: CAPTURE) -> None:
    """A chart that cannot be pulled now is 75."""
    assert submit("--dry-run", "--chart", "oci://127.0.0.1:9/charts/loraruner:0.1.0") == 75
    assert "connection refused" in capsys.readouterr().err
