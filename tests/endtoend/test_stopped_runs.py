"""Runs that are stopped in every stage, twice, or at the worst moment: nothing is lost, nothing is half visible."""

import json
import signal
from pathlib import Path

import pytest

from tests.support.attempts import Attempts
from tests.support.tiny_lm import write_tiny_lm
from tests.support.user import (
    Told,
    assert_nothing_visible,
    assert_refused,
    write_job,
    write_speech_job,
    write_text_job,
)

STAGES = ("fetch", "samples", "prepare", "export", "sample", "report", "publish")
INSIDE = {  # in the middle of encoding, of the measurement after step 2, of trying; each kind of job does it elsewhere
    "pictures": (
        "call 3 loraruner.families.diffusion.latents:open_rgb",
        "call 6 loraruner.training.evaluate:Draw",
        "call 2 loraruner.families.diffusion.sampling:_draw_all",
    ),
    "text": (
        "call 3 loraruner.families.causal_lm.encode:_render",
        "call 2 loraruner.training.evaluate:Draw",
        "call 2 loraruner.families.causal_lm.generate:_answers",
    ),
    "speech": (
        "call 3 loraruner.families.speech.pieces:PieceFiles._write",
        "call 2 loraruner.families.speech.transcribe:_decode",
        "call 2 loraruner.families.speech.generate:_Listener._transcripts",
    ),
}
LONG = ("training.max_steps=5", "lora.dropout=0.2", "checkpoint.every_steps=2", "checkpoint.grace_s=60")
MEASURED = ("evaluation.fraction=0.25", "evaluation.every_steps=2")
SHORT = ("sampling.prompts=[]", "training.max_steps=5", "checkpoint.every_steps=2", 'output.formats=["peft"]')
QUICK = ("sampling.prompts=[]", "training.max_steps=3", 'output.formats=["peft"]')


def new(tmp_path: Path, base: Path, *overrides: str, name: str = "job") -> Attempts:
    folder = tmp_path / name
    folder.mkdir()
    return Attempts(write_job(folder, base), *overrides)


def of_kind(kind: str, folder: Path, base: Path) -> Attempts:
    """A job of five steps with held-out samples and something to try."""
    folder.mkdir()
    if kind == "speech":
        return Attempts(write_speech_job(folder), *LONG)
    if kind == "text":
        write_tiny_lm(folder / "base")
        prompts = 'sampling.prompts=["question 1", "question 2"]'
        return Attempts(write_text_job(folder, folder / "base"), *LONG, *MEASURED, prompts)
    return Attempts(write_job(folder, base), *LONG, *MEASURED, 'sampling.prompts=["colour 1"]')


def assert_preempted(told: Told) -> None:
    assert_refused(told, 85, "PREEMPTED", "SIGTERM received", "start the same job again to resume")


@pytest.mark.slow
def test_stopped_in_every_stage(tmp_path: Path, tiny_base: Path) -> None:
    """One run, stopped in each stage in turn, publishes the tensors of the uninterrupted one; then it is a no-op."""
    formats = 'output.formats=["diffusers", "kohya", "peft"]'
    job = ("training.max_steps=5", 'sampling.prompts=["colour 1"]', "lora.dropout=0.2", formats)
    straight, stopped = (new(tmp_path, tiny_base, *job, name=name) for name in ("straight", "stopped"))
    assert straight.run().code == 0
    for stage in STAGES[:3]:
        assert_preempted(stopped.run(f"stage {stage}"))
    assert_preempted(stopped.run("step 2"))
    for stage in STAGES[3:]:
        assert_preempted(stopped.run(f"stage {stage}"))
        assert_nothing_visible(stopped.folder / "out")
    status = json.loads(next(stopped.output.glob("runs/*/status.json")).read_text())
    assert (status["state"], status["stage"], status["exit_code"]) == ("preempted", "publish", 85)
    done = stopped.run()
    assert done.code == 0 and not done.result["already_published"]
    assert len(stopped.tensors()) == 3 and stopped.tensors() == straight.tensors()
    assert stopped.manifest()["attempts"] == done.result["attempts"] == 9
    logs = next(stopped.output.glob("runs/*/logs"))
    steps = [json.loads(line)["step"] for line in (logs / "attempt-5" / "metrics.jsonl").read_text().splitlines()]
    assert steps == [3, 4, 5]
    before = {path: path.stat().st_mtime_ns for path in stopped.output.rglob("*") if path.is_file()}
    again = stopped.run()
    assert again.code == 0 and again.result == {**done.result, "already_published": True}
    after = {path: path.stat().st_mtime_ns for path in before}
    assert after == before


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["import", "wrapped prepare"])
def test_stopped_where_libraries_load(tmp_path: Path, tiny_base: Path, moment: str) -> None:
    """85, not a fault of ours, when the signal comes during an import, or a library wraps what it raised."""
    attempts = new(tmp_path, tiny_base, *QUICK)
    assert_preempted(attempts.run(moment))
    assert_nothing_visible(attempts.folder / "out")
    assert attempts.run().code == 0


@pytest.mark.slow
def test_a_second_signal_ends_at_once(tmp_path: Path, tiny_base: Path) -> None:
    """While the first one is being handled, the next kills; the same job publishes afterwards."""
    attempts = new(tmp_path, tiny_base, *QUICK)
    assert attempts.run("twice 2").code == -signal.SIGTERM
    assert_nothing_visible(attempts.folder / "out")
    done = attempts.run()
    assert done.code == 0 and done.result["attempts"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(INSIDE))
def test_stopped_in_the_middle(tmp_path: Path, tiny_base: Path, kind: str) -> None:
    """While encoding, measuring, sending a checkpoint, trying and publishing: 85, and no step is lost or done twice."""
    straight, stopped = (of_kind(kind, tmp_path / name, tiny_base) for name in ("straight", "stopped"))
    assert straight.run().code == 0
    encoding, measuring, trying = INSIDE[kind]
    sending, publishing = "upload /optimizer.safetensors", "upload versions/1/job.json"
    for moment in (encoding, measuring, sending, trying, publishing):
        told = stopped.run(moment)
        assert_preempted(told)
        assert "did not reach the store" not in told.err
        assert stopped.faults() == []
        assert not list(stopped.output.glob("versions/*/manifest.json"))
        assert stopped.steps() == list(range(1, len(stopped.steps()) + 1))
    done = stopped.run()
    assert done.code == 0 and done.result["attempts"] == 6
    assert stopped.steps() == straight.steps() == [1, 2, 3, 4, 5]
    assert stopped.tensors() and stopped.tensors() == straight.tensors()
    assert stopped.faults() == []


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Attempts:
    """A short job with two checkpoints, done in one attempt."""
    attempts = new(tmp_path_factory.mktemp("straight"), tiny_base, *SHORT)
    assert attempts.run().code == 0
    return attempts


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("twice 3", id="training"),
        pytest.param("twice-upload /optimizer.safetensors", id="sending a checkpoint"),
        pytest.param("twice-upload versions/1/report.html", id="publishing"),
        pytest.param("twice-write versions/1/manifest.json", id="the last write"),
    ],
)
def test_nothing_is_torn_by_a_second_signal(tmp_path: Path, tiny_base: Path, straight: Attempts, moment: str) -> None:
    """It ends the process at once; checkpoints and versions are whole or absent, and the next attempt publishes."""
    stopped = new(tmp_path, tiny_base, *SHORT)
    assert stopped.run(moment).code == -signal.SIGTERM
    assert stopped.faults() == [] and not list(stopped.output.glob("versions/*/manifest.json"))
    assert stopped.run().code == 0
    assert stopped.tensors() and stopped.tensors() == straight.tensors()
    assert stopped.faults() == []


@pytest.mark.slow
def test_the_end_of_publishing_is_not_torn(tmp_path: Path, tiny_base: Path) -> None:
    """From the manifest on SIGTERM changes nothing; after SIGKILL the same job moves latest.json."""
    attempts = new(tmp_path, tiny_base, *QUICK)
    done = attempts.run("write versions/1/manifest.json")
    assert done.code == 0 and done.result["version"] == attempts.latest() == "1"
    status = json.loads(next(attempts.output.glob("runs/*/status.json")).read_text())
    assert (status["state"], status["exit_code"]) == ("published", 0)

    killed = new(tmp_path, tiny_base, *QUICK, name="killed")
    assert killed.run("kill latest.json").code == -signal.SIGKILL
    assert killed.manifest()["version"] == "1" and not (killed.output / "latest.json").exists()
    done = killed.run()
    assert done.code == 0 and done.result["already_published"] and killed.latest() == "1"


@pytest.mark.slow
def test_a_named_version(tmp_path: Path, tiny_base: Path) -> None:
    """The same run finds its version published, and moves latest.json no more; another run is refused with 73."""
    attempts = new(tmp_path, tiny_base, *QUICK)
    assert attempts.run("never", 'output.version="first"').code == 0
    assert attempts.run("never", 'output.version="second"', "training.seed=1").code == 0
    assert attempts.latest() == "second"
    again = attempts.run("never", 'output.version="first"')
    assert again.code == 0 and again.result["already_published"] and attempts.latest() == "second"
    other = attempts.run("never", 'output.version="first"', "training.seed=2")
    assert_refused(other, 73, "VERSION_CONFLICT", "$.output.version: version 'first' exists", 'or "auto"')


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit_bytes", "stage"),
    [
        pytest.param(16 << 10, "prepare", id="cache"),
        pytest.param(1 << 20, "train", id="checkpoint"),
    ],
)
def test_a_disk_that_takes_no_more(tmp_path: Path, tiny_base: Path, limit_bytes: int, stage: str) -> None:
    """78 from whatever library writes there, in every stage; the same job publishes once there is room."""
    attempts = new(tmp_path, tiny_base, *QUICK, "lora.rank=256")
    told = attempts.run(f"files {limit_bytes}")
    assert_refused(told, 78, "ENVIRONMENT", "the disk is full", "free some space")
    assert_nothing_visible(attempts.folder)
    status = json.loads(next(attempts.output.glob("runs/*/status.json")).read_text())
    assert (status["state"], status["stage"], status["exit_name"]) == ("failed", stage, "ENVIRONMENT")
    assert attempts.run().code == 0


@pytest.mark.slow
def test_bad_samples_below_the_limit(tmp_path: Path, tiny_base: Path) -> None:
    """A torn picture among many is left out, and the manifest counts it and says why."""
    attempts = new(tmp_path, tiny_base, *QUICK)
    torn = attempts.folder / "pictures" / "00.png"
    torn.write_bytes(torn.read_bytes()[:50])
    assert attempts.run().code == 0
    data = attempts.manifest()["data"]
    assert isinstance(data, dict) and data["used"] == 11
    assert "00.png" in json.dumps(data["skipped"]) and "does not decode" in json.dumps(data["skipped"])
