"""A picture job from its files to a published version, in this process."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import torch
from safetensors.torch import load_file

from loraruner import pipeline, settings
from loraruner.errors import DataInvalid, Diverged, LoraRunerError, Paused, Preempted, SpecInvalid
from loraruner.events import Event, StageStarted, StepDone
from loraruner.files import digest_file
from loraruner.pipeline import Request
from loraruner.registry import validate_manifest, verify_version
from loraruner.result import RunResult
from loraruner.spec import Spec
from loraruner.stores.base import Capabilities
from loraruner.stores.local import LocalStore
from loraruner.training.signals import StopSignal
from tests.support.pictures import write_pictures
from tests.support.tiny_training import job

STEPS = 3
STAGES = ["fetch", "samples", "prepare", "train", "export", "sample", "report", "publish"]


@pytest.fixture(autouse=True)
def _own_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Records of the usual level; what the pipeline binds to them ends with the test."""
    caplog.set_level("INFO")
    yield
    structlog.contextvars.clear_contextvars()


class Lab:
    """A job on four pictures, and a machine that runs it."""

    def __init__(self, folder: Path, base: Path) -> None:
        self.folder, self.base = folder, base
        self.events: list[Event] = []
        self.attempts = 0
        write_pictures(folder / "data", 4)

    @property
    def output(self) -> Path:
        return self.folder / "out" / "tiny"

    def job(self, **overrides: Any) -> Spec:
        fields = {
            "model__base": str(self.base),
            "data__uri": str(self.folder / "data"),
            "output__uri": str(self.folder / "out"),
            "options__resolution": 32,
            "options__sample_steps": 1,
            "training__max_steps": STEPS,
            "training__batch_size": 2,
            "training__learning_rate": 0.01,
            "training__precision": "fp32",
            "evaluation__fraction": 0.25,
            "sampling__prompts": ["neon picture"],
            "lora__rank": 2,
        }
        return job(**{**fields, **overrides})

    def train(self, *, stop_after: int | None = None, request: Request = Request(), **overrides: Any) -> RunResult:  # noqa: B008 - frozen
        """One attempt on a machine of its own; a signal comes in the step ``stop_after``."""
        self.attempts += 1
        stop, home = StopSignal(), self.folder / f"machine-{self.attempts}"

        def see(event: Event) -> None:
            self.events.append(event)
            if isinstance(event, StepDone) and event.step == stop_after:
                stop.received = "SIGTERM"

        return pipeline.train(self.job(**overrides), request, settings.load({"HOME": str(home)}), see, stop)

    def stages(self) -> list[str]:
        return [event.stage for event in self.events if isinstance(event, StageStarted)]

    def run_file(self, result_or_id: str, name: str) -> Any:
        return json.loads((self.output / "runs" / result_or_id / name).read_text())


@pytest.fixture
def lab(tmp_path: Path, tiny_base: Path) -> Lab:
    return Lab(tmp_path, tiny_base)


def tensors(path: Path) -> bytes:
    """Everything after the safetensors header."""
    data = path.read_bytes()
    return data[8 + int.from_bytes(data[:8], "little") :]


def test_a_job_becomes_a_version(lab: Lab) -> None:
    """Every stage once; the manifest is valid and names every file of the folder with its digest."""
    result = lab.train()
    folder = lab.output / "versions" / "1"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert lab.stages() == STAGES
    validate_manifest(manifest)
    verify_version(str(folder), settings.load({"HOME": str(lab.folder)}))
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {entry["name"] for entry in manifest["files"]} == there - {"manifest.json"} == set(result.files)
    assert all(digest_file(folder / entry["name"]).sha256 == entry["sha256"] for entry in manifest["files"])
    assert {
        "tiny.safetensors",
        "pytorch_lora_weights.safetensors",
        "adapter_model.safetensors",
        "adapter_config.json",
        "samples/before-00.png",
        "samples/after-00.png",
        "samples/sheet.png",
        "report.html",
        "README.md",
        "job.json",
        "metrics.jsonl",
        "train.log",
        "sbom.json",
    } <= there
    assert (result.version, result.steps, result.attempts, result.already_published) == ("1", STEPS, 1, False)
    assert (result.selected_step, manifest["metrics"]["selected_step"], result.measures) == (STEPS, STEPS, {})
    assert (manifest["data"]["used"], manifest["data"]["held_out"]) == (3, 1)
    assert lab.run_file(result.run_id, "status.json")["state"] == "published"
    assert json.loads((lab.output / "latest.json").read_text())["version"] == "1"


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16", "auto"), ("fp16", "auto"), ("fp32", "bfloat16"), ("bf16", "float32")]
)
def test_low_precision_is_published_too(lab: Lab, precision: str, dtype: str) -> None:
    """What ``auto`` becomes on most GPUs: the files are proven in fp32, and all three are there. Alpha is not rank."""
    result = lab.train(training__precision=precision, model__dtype=dtype, lora__alpha=3)
    manifest = json.loads((lab.output / "versions" / "1" / "manifest.json").read_text())
    assert [adapter["format"] for adapter in manifest["adapters"]] == ["diffusers", "kohya", "peft"]
    assert max(adapter["max_difference"] for adapter in manifest["adapters"]) < 1e-4
    assert manifest["resolved"]["precision"] == precision and not result.already_published


def test_the_best_weights_are_published(lab: Lab) -> None:
    """With ``select: best`` and wild strides the proven files and the manifest are those of step 2 of 3."""
    overrides: dict[str, Any] = {
        "evaluation__every_steps": 1,
        "evaluation__select": "best",
        "training__learning_rate": 0.5,
        "training__lr_scheduler": "constant",
        "lora__alpha": 64,
    }
    result = lab.train(**overrides)
    folder = lab.output / "versions" / "1"
    records = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    losses = {each["step"]: each["loss"] for each in records if each["group"] == "evaluation"}
    metrics = json.loads((folder / "manifest.json").read_text())["metrics"]
    assert min((1, 2, 3), key=lambda step: losses[step]) == 2 == result.selected_step == metrics["selected_step"]
    assert metrics["evaluation_after"] == {"step": 2, "loss": losses[2]}
    kept = load_file(lab.output / "runs" / result.run_id / "checkpoints/e0001-step-000003/optimizer.safetensors")
    best = {name.removeprefix("best."): tensor for name, tensor in kept.items() if name.startswith("best.")}
    exported = load_file(folder / "adapter_model.safetensors")
    assert exported.keys() == {f"base_model.model.{name}" for name in best}
    assert all(torch.equal(exported[f"base_model.model.{name}"], tensor) for name, tensor in best.items())


def test_a_small_effect_is_an_effect(lab: Lab) -> None:
    """A low learning rate leaves an adapter whose effect is near rounding; it is sound, and it is published."""
    assert lab.train(training__learning_rate=1e-5, lora__rank=4, lora__alpha=3).version == "1"


def test_a_warm_up_longer_than_the_job_is_refused(lab: Lab) -> None:
    """Only when the samples are counted is the number of steps of a job with epochs known."""
    with pytest.raises(SpecInvalid, match=r"\$\.training\.warmup_steps: 1000 is not less than the job's \d+ steps"):
        lab.train(training__max_steps=None, training__epochs=1, training__warmup_steps=1000)


def test_the_same_job_again_is_a_no_op(lab: Lab) -> None:
    """Nothing is trained or written; a lost pointer is set again; another job gets the next version."""
    first = lab.train()
    before = {path: path.stat().st_mtime_ns for path in (lab.output / "versions").rglob("*")}
    (lab.output / "latest.json").unlink()
    again = lab.train()
    assert (again.already_published, again.version, again.run_id) == (True, "1", first.run_id)
    assert {path: path.stat().st_mtime_ns for path in (lab.output / "versions").rglob("*")} == before
    assert json.loads((lab.output / "latest.json").read_text())["version"] == "1"
    assert lab.stages() == STAGES
    assert lab.train(training__seed=7).version == "2"


def test_a_stopped_run_resumes(lab: Lab, tmp_path: Path, tiny_base: Path) -> None:
    """Stopped in step 2 and started again on another machine: two attempts, and the bits of an unbroken run."""
    with pytest.raises(Preempted):
        lab.train(stop_after=2)
    assert lab.run_file(next((lab.output / "runs").iterdir()).name, "status.json")["state"] == "preempted"
    result = lab.train()
    straight = Lab(tmp_path / "straight", tiny_base)
    straight.train()
    first, second = (each.output / "versions" / "1" for each in (straight, lab))
    manifest = json.loads((second / "manifest.json").read_text())
    assert (result.attempts, manifest["resumed_from_step"]) == (2, 2)
    for name in ("tiny.safetensors", "pytorch_lora_weights.safetensors", "adapter_model.safetensors"):
        assert tensors(first / name) == tensors(second / name)
    metrics = [json.loads(line) for line in (second / "metrics.jsonl").read_text().splitlines()]
    assert [each["step"] for each in metrics if each["group"] == "train"] == [1, 2, 3]
    attempts = [json.loads(line)["attempt"] for line in (second / "train.log").read_text().splitlines()]
    assert attempts == sorted(attempts) and set(attempts) == {1, 2}


def test_an_adapter_that_changes_nothing_is_not_published(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """All lora_B zero after training is 79; the same job ends the same way at once, until it is continued."""
    monkeypatch.setattr("loraruner.training.loop.learning_rate", lambda *args: 0.0)
    with pytest.raises(Diverged, match="training changed nothing in 3 steps"):
        lab.train()
    with pytest.raises(Diverged, match=r"has ended: training changed nothing .*--continue"):
        lab.train()
    assert not (lab.output / "versions").exists() and not (lab.output / "reservations").exists()
    with pytest.raises(Diverged, match=r"^training changed nothing"):
        lab.train(request=Request(resume_ended=True))


def test_a_paused_run_goes_on_when_people_say_so(lab: Lab) -> None:
    """80 on a plateau, with its weights in the run; the same job ends so at once, another ``monitor`` goes on."""
    flat: dict[str, Any] = {"monitor__on_plateau": "pause", "monitor__plateau_steps": 1, "monitor__min_improvement": 1}
    with pytest.raises(Paused, match="has not improved for 1 step:"):
        lab.train(**flat)
    with pytest.raises(Paused, match=r"has ended: paused by \$\.monitor.*--continue"):
        lab.train(**flat)
    [run] = (path.name for path in (lab.output / "runs").iterdir())
    status = lab.run_file(run, "status.json")
    assert (status["state"], status["exit_code"], status["step"]) == ("paused", 80, 2)
    assert [path.name for path in lab.output.rglob("adapter/*")] == ["adapter.safetensors"]
    assert lab.train(**{**flat, "monitor__plateau_steps": 2}).run_id == run
    manifest = json.loads((lab.output / "versions/1/manifest.json").read_text())
    validate_manifest(manifest)
    assert (manifest["resumed_from_step"], manifest["monitor"]["rollbacks"], manifest["monitor"]["gpu"]) == (2, 0, None)
    assert [(each["kind"], each["step"]) for each in manifest["monitor"]["warnings"]] == [("plateau", 2)]


def test_bad_data_ends_before_training(lab: Lab) -> None:
    """Half the pictures torn is 65, told in the status and in the run's log."""
    for number in (0, 1):
        (lab.folder / "data" / f"{number}.png").write_bytes(b"torn")
    with pytest.raises(DataInvalid, match=r"2 of 4 samples are bad"):
        lab.train()
    (run,) = (lab.output / "runs").iterdir()
    status = lab.run_file(run.name, "status.json")
    assert (status["state"], status["exit_code"], status["stage"]) == ("failed", 65, "samples")
    last = json.loads((run / "logs/attempt-1/train.log").read_text().splitlines()[-1])
    assert "2 of 4 samples are bad" in last["event"] and last["run"] == run.name and last["attempt"] == 1


def test_our_own_fault_is_recorded(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw is 70 in the status, with its traceback in the run's log."""

    def broken(*args: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("loraruner.pipeline.samples.open_samples", broken)
    with pytest.raises(ZeroDivisionError):
        lab.train()
    (run,) = (lab.output / "runs").iterdir()
    assert lab.run_file(run.name, "status.json")["exit_code"] == 70
    assert "ZeroDivisionError: planted" in (run / "logs/attempt-1/train.log").read_text()


def test_an_output_without_a_probe_starts_nothing(lab: Lab) -> None:
    """An output that is a file ends the run before anything is fetched."""
    (lab.folder / "out").write_text("a file")
    with pytest.raises(LoraRunerError):
        lab.train()
    assert lab.stages() == []


def test_plan_trains_nothing(lab: Lab) -> None:
    """Samples, steps and parameters are counted, and no run begins."""
    told = pipeline.plan(lab.job(), settings.load({"HOME": str(lab.folder / "machine")}))
    assert (told["steps"], told["steps_per_epoch"], told["samples"]["train"]) == (STEPS, 2, 3)
    assert told["trained_modules"] == 32
    assert told["estimate"]["step_s"] > 0
    assert not (lab.folder / "out").exists()


def test_a_store_without_conditional_writes(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Stopped and resumed there too: checkpoints carry their owner's nonce, the version its run's digest; a warning."""
    plain = Capabilities(create_exclusive=False, replace_if_match=False, checksum_mode="none")
    monkeypatch.setattr(LocalStore, "probe", lambda store: plain)
    with pytest.raises(Preempted):
        lab.train(stop_after=1)
    result = lab.train()
    assert (result.attempts, result.already_published) == (2, False) and re.fullmatch(r"1-[0-9a-f]{12}", result.version)
    assert lab.train().already_published
    names = [path.name for path in lab.output.glob("runs/*/checkpoints/*")]
    assert names and all(re.fullmatch(r"e000[12]-[0-9a-f]{16}-step-\d{6}", name) for name in names)
    leases = [json.loads(path.read_text()) for path in sorted(lab.output.glob("runs/*/leases/*.json"))]
    assert [(each["epoch"], each["released"]) for each in leases] == [(1, True), (2, True)]
    assert "two attempts of one run cannot be kept apart for certain" in caplog.text
