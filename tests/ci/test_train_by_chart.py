"""``ci/train-by-chart`` ends as the trainer does, shows the log of every pod, and never leaves anyone guessing."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.scripted_cluster import KUBERNETES_JOB, ScriptedCluster, pod

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "ci/train-by-chart"
ONE, TWO = f"{KUBERNETES_JOB}-a", f"{KUBERNETES_JOB}-b"
WAITS = {"job": "", "pods": [pod(ONE, "Pending", waiting="ContainerCreating")]}
RUNS = {"job": "", "pods": [pod(ONE, started="2026-01-01T00:00:00Z")]}
DONE = {"job": "SuccessCriteriaMet= Complete=CompletionsReached ", "pods": [pod(ONE, "Succeeded", code=0)]}


@pytest.fixture
def cluster(tmp_path: Path) -> ScriptedCluster:
    (tmp_path / "my-style.json").write_text('{"name": "my-style"}')
    (tmp_path / "values, mine.yaml").write_text("image: {}\n")
    return ScriptedCluster(tmp_path / "bin", looks=[WAITS, RUNS, DONE], logs={ONE: ["step 1", "step 2"]})


def command(cluster: ScriptedCluster, **environment: str) -> dict[str, Any]:
    """How the script is started: quick looks, one job, one file of values."""
    folder = cluster.folder.parent
    return {
        "args": [str(SCRIPT), str(folder / "my-style.json"), str(folder / "values, mine.yaml")],
        "env": os.environ | {"TRAIN_POLL_S": "0"} | cluster.write() | environment,
        "text": True,
    }


def train(cluster: ScriptedCluster, **environment: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr; what it says of itself without its name."""
    done = subprocess.run(**command(cluster, **environment), capture_output=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr.replace("train-by-chart: ", "")


def failed(code: int, reason: str = "PodFailurePolicy", name: str = ONE) -> dict[str, Any]:
    return {"job": f"FailureTarget={reason} Failed={reason} ", "pods": [pod(name, "Failed", code=code)]}


def test_a_job_from_pending_to_complete(cluster: ScriptedCluster) -> None:
    """The release gets the job and the values, each state is told once, stdout is the log alone."""
    cluster.looks.insert(0, WAITS)
    assert train(cluster, TRAIN_NAMESPACE="training", TRAIN_CONTEXT="big", TRAIN_RELEASE="mine") == (
        0,
        "step 1\nstep 2\n",
        f"Job {KUBERNETES_JOB} of release mine\npod {ONE}: Pending, ContainerCreating\npod {ONE} runs\n"
        f"pod {ONE} ended with 0: \nJob {KUBERNETES_JOB} is complete\n",
    )
    installed = cluster.calls("helm")[0]
    assert installed[:6] == ["upgrade", "--install", "--namespace", "training", "--kube-context", "big"]
    assert installed[-3:] == ["--", "mine", str(ROOT / "helm/loraruner")]
    assert cluster.job() == {"name": "my-style"}
    assert all(call[:4] == ["--namespace", "training", "--context", "big"] for call in cluster.calls("kubectl"))


@pytest.mark.parametrize("code", [64, 75, 79, 137])
def test_a_failed_job_ends_with_the_trainers_code(cluster: ScriptedCluster, code: int) -> None:
    """The CI job gets the code of the table, and the reason in the termination message."""
    cluster.looks = [RUNS, failed(code)]
    cluster.messages = {ONE: f'{{"code": {code}, "name": "X", "reason": "$.data.uri: \\"x\\" is gone"}}\n'}
    ended, out, err = train(cluster)
    assert ended == code and out == "step 1\nstep 2\n"
    assert f'pod {ONE} ended with {code}: $.data.uri: \\"x\\" is gone\n' in err
    assert err.endswith(f"Job {KUBERNETES_JOB} has failed: exit code {code}\n")


def test_logs_go_on_after_a_pod_is_replaced(cluster: ScriptedCluster) -> None:
    """After 85 the log of the next pod follows, none is shown twice, and the last pod decides."""
    first, second = pod(ONE, "Failed", code=85), pod(TWO, started="2026-01-01T00:01:00Z")
    cluster.looks = [
        RUNS,
        {"job": "", "pods": [first]},
        {"job": "", "pods": [first, pod(TWO, "Pending")]},
        {"job": "", "pods": [first, second]},
        {"job": "Complete= ", "pods": [first, pod(TWO, "Succeeded", code=0)]},
    ]
    cluster.logs = {ONE: ["step 1"], TWO: ["resumed", "step 2"]}
    cluster.messages = {ONE: '{"code": 85, "name": "PREEMPTED", "reason": "SIGTERM received"}'}
    code, out, err = train(cluster)
    assert (code, out) == (0, "step 1\nresumed\nstep 2\n")
    assert f"pod {ONE} ended with 85: SIGTERM received\n" in err and f"pod {TWO}: Pending\n" in err


def test_a_pod_that_nobody_saw_run_is_shown(cluster: ScriptedCluster) -> None:
    """A trainer that ended between two looks has its log shown all the same."""
    cluster.looks = [WAITS, failed(64)]
    assert train(cluster)[:2] == (64, "step 1\nstep 2\n")


def test_a_log_that_breaks_off_is_taken_up(cluster: ScriptedCluster) -> None:
    """Where the connection breaks, the log goes on from there, and the end is still the trainer's."""
    cluster.looks = [RUNS, RUNS, DONE]
    cluster.logs = {ONE: ["BREAK", "step 1"]}
    code, out, _ = train(cluster)
    assert code == 0 and out == "step 1\n"
    assert any("--since" in call for call in cluster.calls("kubectl"))


def test_a_log_that_is_refused_is_asked_for_again(cluster: ScriptedCluster) -> None:
    """Where the first connection for a log is refused, the next one shows it, and the end is the trainer's."""
    cluster.looks = [RUNS, RUNS, DONE]
    cluster.logs = {ONE: ["REFUSE", "step 1"]}
    assert train(cluster)[:2] == (0, "step 1\n")


@pytest.mark.parametrize("end", [DONE, {"job": "Complete= ", "pods": []}], ids=["ended", "gone"])
def test_a_log_that_never_ends_is_cut(cluster: ScriptedCluster, end: dict[str, Any]) -> None:
    """The log of a lost node may stay open: once the trainer has ended, or its pod is gone, nobody waits for it."""
    cluster.looks = [RUNS, end]
    cluster.logs = {ONE: ["step 1", "HANG"]}
    code, out, _ = train(cluster)
    assert code == 0 and out.startswith("step 1\n")


def test_a_pod_that_was_lost_is_told_once(cluster: ScriptedCluster) -> None:
    """A pod that failed without a code is told once, however often it is seen beside the next one."""
    lost = pod(ONE, "Failed", started="2026-01-01T00:00:00Z")
    waits = {"job": "", "pods": [lost, pod(TWO, "Pending")]}
    cluster.looks = [RUNS, waits, waits, waits, {"job": "Complete= ", "pods": [lost, pod(TWO, "Succeeded", code=0)]}]
    cluster.logs[TWO] = []
    code, _, err = train(cluster)
    assert code == 0 and err.count(f"pod {ONE}: Failed") == err.count(f"pod {TWO}: Pending") == 1


@pytest.mark.parametrize(
    ("looks", "code", "said"),
    [
        ([RUNS, failed(85, "DeadlineExceeded")], 124, "has used up activeDeadlineSeconds; its checkpoints are kept"),
        ([RUNS, {"job": "Failed=DeadlineExceeded ", "pods": []}], 124, "activeDeadlineSeconds"),
        ([WAITS, {"job": "Failed=BackoffLimitExceeded ", "pods": []}], 125, "no pod told an exit code"),
        ([WAITS, {"job": None, "pods": []}], 125, "is gone; somebody has deleted it"),
        ([RUNS, {**DONE, "job": ""}, {"job": None, "pods": []}], 0, "ttlSecondsAfterFinished"),
        ([{"job": "Suspended= ", "pods": []}, DONE], 0, "waits for its turn in the queue"),
    ],
)
def test_ends_without_a_trainers_code(
    cluster: ScriptedCluster, looks: list[dict[str, Any]], code: int, said: str
) -> None:
    """Deadline, pods that are gone, a Job that was deleted: a code of their own, and a sentence."""
    cluster.looks = looks
    ended, _, err = train(cluster)
    assert ended == code and said in err


def test_time_that_is_up(cluster: ScriptedCluster) -> None:
    """After TRAIN_WAIT_S the script ends with 124 and says that the Job goes on."""
    cluster.looks = [WAITS]
    code, _, err = train(cluster, TRAIN_WAIT_S="0")
    assert code == 124 and f"Job {KUBERNETES_JOB} goes on" in err


def test_seconds_with_a_leading_zero(cluster: ScriptedCluster) -> None:
    """Numbers are decimal, whatever bash would take 08 for."""
    assert train(cluster, TRAIN_WAIT_S="0800", TRAIN_POLL_S="00", TRAIN_UNHEARD_S="08")[0] == 0


def test_a_silent_cluster(cluster: ScriptedCluster) -> None:
    """A cluster that does not answer for a while is asked again; one that stays silent ends with 75."""
    silent = {"silent": True, "job": "", "pods": []}
    cluster.looks = [RUNS, silent, silent, DONE]
    assert train(cluster)[0] == 0
    cluster.looks = [RUNS, silent]
    (cluster.folder / "looks").unlink()
    code, _, err = train(cluster, TRAIN_UNHEARD_S="0")
    assert code == 75 and "has not answered for 0 s" in err


@pytest.mark.parametrize(
    ("complaint", "code"),
    [
        ("Error: values don't meet the specifications of the schema(s) in the following chart(s):\n- at '/job'", 64),
        ('Error: release my-style failed: jobs.batch is forbidden: User "ci" cannot create', 77),
        ("Error: kubernetes cluster unreachable: dial tcp 192.0.2.1:6443: i/o timeout", 75),
        ('Error: release name check failed: release name "My Style": invalid release name, must match regex', 64),
        ("Error: nobody knows", 78),
    ],
)
def test_a_release_that_cannot_be_installed(cluster: ScriptedCluster, complaint: str, code: int) -> None:
    """What Helm complains of is shown, and has a code of the table."""
    cluster.upgrade = complaint
    ended, _, err = train(cluster)
    assert ended == code and err.startswith(complaint)


def test_a_release_without_a_job(cluster: ScriptedCluster) -> None:
    """A chart that makes no Job is refused rather than waited for."""
    cluster.names = "configmap/x"
    assert train(cluster)[0] == 78


def test_again_makes_a_failed_job_anew(cluster: ScriptedCluster) -> None:
    """An unchanged Job that has failed tells its failure again; TRAIN_AGAIN=1 makes it anew."""
    cluster.looks = [failed(78)]
    assert train(cluster)[0] == 78
    assert not any(call[0] == "delete" for call in cluster.calls())
    (cluster.folder / "looks").unlink()
    cluster.looks = [failed(78), DONE]
    code, _, err = train(cluster, TRAIN_AGAIN="1")
    assert code == 0 and "it is made anew" in err
    assert ["delete", "job", KUBERNETES_JOB, "--cascade=foreground"] in cluster.calls()
    assert sum(call[0] == "upgrade" for call in cluster.calls("helm")) == 3


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_ci_job_says_what_goes_on(cluster: ScriptedCluster, number: signal.Signals, code: int) -> None:
    """On SIGTERM and SIGINT the script ends at once, and says that the Job goes on and how to end it."""
    cluster.looks, cluster.logs = [RUNS], {ONE: ["step 1", "HANG"]}
    with subprocess.Popen(**command(cluster), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not (cluster.folder / "hangs").exists() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert f"Job {KUBERNETES_JOB} goes on" in err and "helm uninstall my-style" in err


def test_a_log_gives_github_no_orders(cluster: ScriptedCluster) -> None:
    """On GitHub what a pod prints stands between marks that nobody can guess: no line of it is obeyed."""
    cluster.logs = {ONE: ["::add-mask::e"]}
    code, out, _ = train(cluster, GITHUB_ACTIONS="true")
    opened, line, closed = out.splitlines()
    mark = opened.removeprefix("::stop-commands::")
    assert code == 0 and line == "::add-mask::e" and closed == f"::{mark}::" and len(mark) == 32
    assert train(cluster, GITHUB_ACTIONS="true")[1].splitlines()[0] != opened


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        ([], {}, 2, "give a job and values"),
        (["none.json"], {}, 66, "none.json: there is no such file"),
        (["JOB", "none.yaml"], {}, 66, "none.yaml"),
        (["JOB"], {"LORARUNER_KUBECTL": "kubectl-of-nobody"}, 78, "kubectl-of-nobody: there is no such program"),
        (["JOB"], {"TRAIN_WAIT_S": "1h"}, 2, "whole numbers"),
    ],
)
def test_a_bad_call(
    cluster: ScriptedCluster, arguments: list[str], environment: dict[str, str], code: int, said: str
) -> None:
    """Nothing is installed for a call that cannot work."""
    started = command(cluster, **environment)
    job = started["args"][1]
    started["args"] = [str(SCRIPT), *(job if argument == "JOB" else argument for argument in arguments)]
    done = subprocess.run(**started, capture_output=True, check=False)
    assert done.returncode == code and said in done.stderr and not cluster.calls()


def test_nothing_is_left_behind(cluster: ScriptedCluster, tmp_path: Path) -> None:
    """The values that the script makes of the job are removed, however it ends."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    assert train(cluster, TMPDIR=str(temporary))[0] == 0
    assert list(temporary.iterdir()) == [] and shutil.which("bash")
