"""What people are told: the words, the facts behind them, and nothing that is not known."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loraruner import spec
from loraruner.errors import POD_ACTIONS, ExitCode
from loraruner.events import EpochDone, Warned
from loraruner.notifiers import facts, messages
from loraruner.notifiers.attachments import files_of, names_of
from loraruner.notifiers.base import FACTS, Message
from loraruner.notifiers.ledger import NoLedger
from loraruner.notifiers.log_tail import MAX_BYTES, tail
from loraruner.notify import open_couriers
from loraruner.redact import Redactor
from tests.support.listeners import JOB, SECRET, manifest, operator, run_facts

ADDRESS, ENDED = "s3://loras/tiny/versions/3/", "2026-03-01T12:22:00+00:00"
EPOCH = EpochDone(epoch=3, step=120, total_steps=400, loss=0.0812, epoch_s=61.0, eta_s=425.0, evaluation_loss=0.09)
TYPES: dict[str, type | tuple[type, ...]] = {"number": (int, float), "flag": bool}


def first_line(message: Message) -> str:
    return message.text.split("\n")[0]


def test_a_start() -> None:
    """The first message says what is trained, how, and from what."""
    told = messages.started(run_facts(), resumed=False)
    assert (told.id, told.moment) == ("started", "started")
    assert first_line(told) == "tiny (Neon): training has started (SD LoRA, rank 8, learning rate 0.0002, 10 epochs)"
    assert "s3://data/set" in told.text and told.text.endswith("\nRun: tiny-0123")
    assert told.facts["project"] == "Neon" and told.facts["state"] == "running"


def test_a_run_that_goes_on_after_a_failure() -> None:
    """It is another message than the first start, as people were told of a failure in between."""
    told = messages.started(run_facts(attempt=2), resumed=True)
    assert told.id == "resumed-2" and first_line(told).startswith("tiny (Neon): training goes on")
    assert told.text.endswith("\nRun: tiny-0123, attempt 2")


def test_an_epoch() -> None:
    """Losses, steps and what is left; the data hold the numbers themselves."""
    told = messages.of_event(run_facts(), EPOCH)
    assert told.id == "epoch-3"
    assert told.text == (
        "tiny (Neon): epoch 3 of 10 is done, loss 0.0812, held-out loss 0.09\n"
        "Step 120 of 400, about 7 min of training left"
    )
    assert told.data["eta_s"] == 425.0 and told.facts["evaluation_loss"] == 0.09


def test_the_last_epoch() -> None:
    """Where nothing is left to train, it says what comes next."""
    told = messages.of_event(run_facts(), replace(EPOCH, step=400, eta_s=0.0))
    assert told.text.endswith("\nStep 400 of 400, next come the samples and the report")


def test_a_run_without_a_project() -> None:
    """The name stands alone; a project is shown beside it, as a name may be the id of a task."""
    run = run_facts()
    assert messages.title(run) == "tiny (Neon)"
    assert messages.title(replace(run, job={**run.job, "labels": {"project": "tiny"}})) == "tiny"
    assert messages.title(replace(run, job={**run.job, "labels": {}})) == "tiny"


def test_numbers_that_json_does_not_have() -> None:
    """A loss that is no number is left out, so that the event stays JSON."""
    event = EpochDone(epoch=1, step=1, total_steps=2, loss=math.nan, epoch_s=1.0, eta_s=math.inf)
    told = messages.of_event(run_facts(), event)
    json.dumps([dict(told.facts), dict(told.data)], allow_nan=False)
    assert "loss" not in told.facts and "an unknown time of training left" in told.text


def test_a_warning() -> None:
    """Each warning of a step is a message of its own."""
    told = messages.of_event(run_facts(), Warned("plateau", "the loss has not fallen for 500 steps", 700))
    assert (told.id, told.moment) == ("warning-plateau-700", "warning")
    assert told.text.startswith("tiny (Neon): the loss has not fallen for 500 steps\n")


def test_a_published_version(tmp_path: Path) -> None:
    """The brief's row: project, model type, samples, minutes, memory, success, address; and the key figures as text."""
    told = messages.finished(run_facts(), manifest(), ADDRESS, ENDED, {})
    assert told.text == (
        "tiny (Neon): version 3 is published\nHeld-out loss: 0.09\nTraining loss: 0.0812\n"
        "Trained for 2.4 h on 180 samples, 18.7 GB of memory at its peak\ns3://loras/tiny/versions/3/"
    )
    shown = {name: told.facts[name] for name in ("project", "model_type", "num_samples", "training_min", "success")}
    assert shown == {
        "project": "Neon",
        "model_type": "SD LoRA",
        "num_samples": 180,
        "training_min": 142.0,
        "success": True,
    }
    assert told.facts["peak_memory_gb"] == 18.7 and told.facts["version_address"] == f"3: {ADDRESS}"
    assert told.facts["duration_min"] == 142.0 and told.facts["gpu_hours"] == 2.367
    assert told.data["measures"]["wer"] == 0.1


def test_the_figures_of_a_speech_model() -> None:
    """What people ask for first comes first: how many words are wrong, before and now."""
    before, after = {"loss": 2.0, "wer": 0.5}, {"loss": 1.0, "wer": 0.25}
    metrics = {"first_loss": 3.0, "last_loss": None, "evaluation_before": before, "evaluation_after": after}
    rates = {"wer.before": 0.456, "wer.after": 0.123}
    told = messages.finished(run_facts(), manifest(metrics={**metrics, "samples": rates}), ADDRESS, ENDED, {})
    assert told.text.split("\n")[1:3] == [
        "Words that are wrong: 12.3 % (before: 45.6 %)",
        "Held-out loss: 1 (before: 2)",
    ]
    assert "Training loss" not in told.text


def test_memory_without_a_gpu() -> None:
    """Without a GPU it is the host's memory that counts."""
    assert facts.gigabytes({"host_bytes": 9_040_000_000, "gpu_bytes": 0}) == 9.0


@pytest.mark.parametrize("code", [ExitCode.INPUT_MISSING, ExitCode.DIVERGED, ExitCode.PAUSED, ExitCode.INTERNAL])
def test_a_failure(code: ExitCode, tmp_path: Path) -> None:
    """Code, reason, what to do and the end of the log; a pause is no failure of anything."""
    known = facts.of_failure(run_facts(), code, "it went wrong; mend it", ENDED, {"num_samples": 210})
    told = messages.failed(run_facts(), code, known, ["a", "b"], tmp_path / "train.log")
    assert told.id == f"failed-{int(code)}-1"
    assert f"({int(code)} {code.name})\nit went wrong; mend it\n{messages.NEXT_STEPS[code]}" in told.text
    assert first_line(told).startswith(f"tiny (Neon): training {messages.HOW.get(code, 'failed')} (")
    assert told.data["log"] == ["a", "b"] and told.files == {}
    assert told.facts["state"] == ("paused" if code is ExitCode.PAUSED else "failed")
    assert told.facts["success"] is False and told.facts["num_samples"] == 210


def test_a_job_that_never_became_a_run() -> None:
    """Nothing failed in the middle: it could not even start."""
    told = messages.failed(run_facts(attempt=0), ExitCode.INPUT_MISSING, {"reason": "gone"}, [], Path())
    assert first_line(told) == "tiny (Neon): training could not start (66 INPUT_MISSING)"


def test_what_to_do_is_told_for_every_code() -> None:
    """Every exit code that a started run can end with has a next step, but those of which nobody hears."""
    silent = {ExitCode.USAGE, ExitCode.FENCED, ExitCode.PREEMPTED}
    assert set(POD_ACTIONS) - silent == set(messages.NEXT_STEPS)


def test_facts_have_the_types_that_they_promise() -> None:
    """Every fact is one that the schema knows, of the type that fields and columns rely on; a score is never told."""
    found: dict[str, Any] = facts.of_version(run_facts(), manifest(), ADDRESS, ENDED)
    found |= facts.of_failure(run_facts(), ExitCode.PAUSED, "why", ENDED, {})
    assert set(found) <= set(FACTS) and "score" not in found
    for name, value in found.items():
        assert isinstance(value, TYPES.get(FACTS[name][0], str)), name


def test_unknown_facts_are_absent() -> None:
    """Labels that the job does not have are no empty facts."""
    assert "customer" not in facts.of_job(run_facts()) and "data_license" not in facts.of_job(run_facts())


def test_secrets_are_struck_from_all_parts() -> None:
    """Text, facts and data are all redacted, and control characters go."""
    message = Message("x", "failed", f"a {SECRET}\x1b[2J", {"reason": SECRET}, {"log": [f"b {SECRET}"]})
    told = messages.struck(message, Redactor((SECRET,)))
    assert SECRET not in repr(told) and "\x1b" not in told.text


def test_hostile_labels() -> None:
    """A project cannot begin a line of its own, nor turn the words around it; other scripts and emoji stay."""
    project = "\u202eneon\nversion 9 is published \U0001f600 \u05e9\u05dc\u05d5\u05dd"
    run = run_facts(job={**run_facts().job, "labels": {"project": project}})
    told = messages.struck(messages.of_event(run, EPOCH), Redactor(()))
    assert first_line(told).startswith(
        "tiny (neon version 9 is published \U0001f600 \u05e9\u05dc\u05d5\u05dd): epoch 3"
    )
    assert "\u202e" not in repr(told)


def test_files_that_people_are_given(tmp_path: Path) -> None:
    """The report, the log and the weights that people want; what the version lacks is no file."""
    assert names_of(manifest()) == {"report": "report.html", "log": "train.log", "weights": "tiny.safetensors"}
    only_peft = manifest(adapters=[{"format": "peft", "name": "adapter_model.safetensors"}])
    assert names_of(only_peft)["weights"] == "adapter_model.safetensors"
    (tmp_path / "report.html").write_text("report")
    assert files_of(manifest(), tmp_path) == {"report": tmp_path / "report.html"}


@pytest.mark.parametrize(
    ("entry", "num_bytes"),
    [
        ({"kind": "clickup", "task_id": "t1", "attach": ["report", "weights"]}, 10_000_000),
        ({"kind": "clickup", "task_id": "t1", "attach": ["report", "log"], "max_attachment_mb": 1}, 7),
        ({"kind": "webhook"}, 0),
    ],
)
def test_only_files_that_are_attached_are_waited_for(entry: dict[str, Any], num_bytes: int, tmp_path: Path) -> None:
    """Their bytes count, by the words and the limit of the entry; who gets no files is not waited for longer."""
    files = {}
    for word, size_bytes in {"report": 10_000_000, "log": 7, "weights": 2_000_000_000}.items():
        files[word] = tmp_path / word
        with files[word].open("wb") as stream:
            stream.truncate(size_bytes)
    settings = operator(CLICKUP_TOKEN="pk_planted_token", LORARUNER_WEBHOOK_URL="https://hooks.example.com/x")
    job = spec.load(json.dumps({**JOB, "notify": [entry]}).encode()).spec
    [courier] = open_couriers(job, settings, run_facts(), NoLedger())
    courier.tell(Message("finished", "finished", "it is there", files=files))
    assert courier.num_bytes() == num_bytes


def test_the_end_of_a_log(tmp_path: Path) -> None:
    """JSON lines become short ones, tracebacks keep theirs; damaged lines are shown as they are."""
    log = tmp_path / "train.log"
    record = {"timestamp": "2026-03-01T12:03:44.1Z", "level": "warning", "stage": "train", "event": "hot"}
    fault = {"event": "fault", "exception": "Traceback:\n  line 1"}
    log.write_text(f"{json.dumps(record)}\nbroken\n{json.dumps(fault)}\n")
    assert tail(log) == [
        "12:03:44 train    WARNING: hot",
        "broken",
        "          fault",
        "Traceback:",
        "  line 1",
    ]
    assert tail(log, 1) == ["  line 1"]


def test_the_end_of_an_endless_log(tmp_path: Path) -> None:
    """Only the last part of a huge log is read, lines are cut, and a missing log has no end."""
    log = tmp_path / "train.log"
    log.write_text("x" * (MAX_BYTES + 10) + "\nlast\n")
    assert tail(log) == ["last"]
    log.write_text("y" * 1000)
    assert tail(log) == ["y" * 300]
    assert tail(tmp_path / "none.log") == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "0 s"), (40.2, "40 s"), (425, "7 min"), (9000, "2.5 h"), (math.nan, "an unknown time")]
)
def test_durations(seconds: float, text: str) -> None:
    """Seconds in the unit that people would use."""
    assert messages.duration(seconds) == text
