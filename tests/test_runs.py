"""Which run a job is."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loraruner import runs
from loraruner.errors import DataInvalid, Diverged, ExitCode, IntegrityError, Paused
from loraruner.runs import Identity
from loraruner.spec import Monitor, Spec
from tests.support.recording_store import RecordingStore
from tests.support.tiny_training import RUNTIME, job

INPUTS = {"$.model.base": "b1", "$.data.uri": "d1"}


@pytest.fixture
def store(tmp_path: Path) -> RecordingStore:
    return RecordingStore(tmp_path / "store")


def run_id(spec: Spec, inputs: dict[str, str] = INPUTS) -> str:
    return runs.identify(spec, inputs).run_id


def started(store: RecordingStore, identity: Identity, **status: Any) -> Identity:
    """A run that one attempt has begun, with its status if there is one."""
    runs.settle_runtime(store, identity, job(), RUNTIME)
    store.write(f"runs/{identity.run_id}/logs/attempt-1/train.log", b"")
    if status:
        store.write(f"runs/{identity.run_id}/status.json", json.dumps(status).encode())
    return identity


def test_the_id_is_name_and_twelve_digits() -> None:
    """NAME-<12 hex>, the same each time."""
    assert run_id(job()) == run_id(job())
    name, digits = run_id(job()).rsplit("-", 1)
    assert (name, len(digits)) == ("tiny", 12) and int(digits, 16) >= 0


@pytest.mark.parametrize(
    "change", [{"labels__team": "x"}, {"checkpoint__keep": 5}, {"checkpoint__resume": "never"}, {"$schema": "s.json"}]
)
def test_what_does_not_make_another_run(change: dict[str, Any]) -> None:
    """Labels, checkpoints and the editor's schema."""
    assert run_id(job(**change)) == run_id(job())


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"model__base": "other"},
        {"model__dtype": "float32"},
        {"data__uri": "other"},
        {"data__max_bad_fraction": 0.2},
        {"lora__rank": 4},
        {"training__seed": 1},
        {"training__precision": "fp32"},
        {"options__resolution": 64},
        {"evaluation__fraction": 0.1},
        {"sampling__seed": 1},
        {"output__uri": "other"},
        {"output__formats": ["kohya"]},
    ],
)
def test_what_makes_another_run(change: dict[str, Any]) -> None:
    """Every other field of the job."""
    assert run_id(job(**change)) != run_id(job())


def test_inputs_make_another_run() -> None:
    """Another content, or one more input; in any order."""
    assert run_id(job(), {**INPUTS, "$.data.uri": "d2"}) != run_id(job())
    assert run_id(job(), {**INPUTS, "$.evaluation.uri": "e"}) != run_id(job())
    assert run_id(job(), dict(reversed(INPUTS.items()))) == run_id(job())


def test_defaults_count_as_written() -> None:
    """A job that writes a default out is the job that leaves it away."""
    assert run_id(job(training__seed=42, lora__alpha=8)) == run_id(job())


def test_a_given_id_belongs_to_one_job(store: RecordingStore) -> None:
    """``--run-id`` of another job or other inputs is 65 and says which; of the same it resumes."""
    first = started(store, runs.identify(job(), INPUTS, "mine"))
    assert first.run_id == "mine"
    assert runs.read_job(store, runs.identify(job(), INPUTS, "mine")) is not None
    for other, what in (
        (runs.identify(job(training__seed=1), INPUTS, "mine"), "another job"),
        (runs.identify(job(), {"$.data.uri": "d2"}, "mine"), "other inputs"),
    ):
        with pytest.raises(DataInvalid, match=f"run mine was started with {what}; leave --run-id away"):
            runs.read_job(store, other)


def test_fresh_runs_are_numbered(store: RecordingStore) -> None:
    """The first free one of RUN, RUN-2, RUN-3."""
    identity = runs.identify(job(), INPUTS, "r")
    found = [started(store, runs.freshen(store, identity)).run_id for _ in range(3)]
    assert found == ["r", "r-2", "r-3"]


def test_the_first_attempt_settles_auto(store: RecordingStore) -> None:
    """What ``auto`` became is written once; a later attempt on another machine takes it over."""
    identity = runs.identify(job(), INPUTS)
    assert runs.settle_runtime(store, identity, job(), RUNTIME) == RUNTIME
    elsewhere = replace(RUNTIME, precision="bf16", num_threads=8)
    assert runs.settle_runtime(store, identity, job(), elsewhere) == RUNTIME
    stored = runs.read_job(store, identity)
    assert stored is not None and stored["job"]["name"] == "tiny" and stored["resolved"]["num_threads"] == 1


def test_the_last_attempt(store: RecordingStore) -> None:
    """The highest number that has left a log, whatever else lies there."""
    identity = runs.identify(job(), INPUTS)
    assert runs.last_attempt(store, identity) == 0
    for name in (
        "attempt-2/train.log",
        "attempt-10/metrics.jsonl",
        "attempt-x/train.log",
        "attempt-\u00b2/x",
        "notes.txt",
    ):
        store.write(f"runs/{identity.run_id}/logs/{name}", b"")
    assert runs.last_attempt(store, identity) == 10


@pytest.mark.parametrize(("code", "error"), [(79, Diverged), (80, Paused)])
def test_a_run_that_has_ended_is_not_run_again(store: RecordingStore, code: int, error: type[Exception]) -> None:
    """79 or 80 again, with the reason; a run that failed or was stopped goes on."""
    identity = started(store, runs.identify(job(), INPUTS), exit_code=code, reason="it is no good")
    with pytest.raises(error, match="has ended: it is no good; change the job, or resume it with --continue"):
        runs.refuse_ended(store, identity, Monitor())
    assert runs.refuse_ended(store, identity, Monitor(), resume_ended=True) == 1
    for other in (ExitCode.PREEMPTED, ExitCode.INTERNAL, [79], "79", None):
        again = started(store, identity, exit_code=other)
        assert runs.refuse_ended(store, again, Monitor()) == 0
        assert runs.refuse_ended(store, again, Monitor(), resume_ended=True) == 0


def test_another_monitor_lets_an_ended_run_go_on(store: RecordingStore) -> None:
    """The options that ended it end it again; others resume it, and defaults written out are no others."""
    ended = {"exit_code": 80, "monitor_digest": runs.monitor_digest(Monitor(on_plateau="pause"))}
    identity = started(store, runs.identify(job(), INPUTS), **ended)
    with pytest.raises(Paused):
        runs.refuse_ended(store, identity, job(monitor__on_plateau="pause", monitor__plateau_steps=500).monitor)
    assert runs.refuse_ended(store, identity, Monitor(on_plateau="pause", plateau_steps=900)) == 1


def test_the_leave_to_go_on_is_counted(store: RecordingStore) -> None:
    """It outlives an attempt that was stopped early; each end needs a new one; nonsense counts as none."""
    identity = started(store, runs.identify(job(), INPUTS), exit_code=ExitCode.PREEMPTED, continued=1)
    for resume_ended in (False, True):
        assert runs.refuse_ended(store, identity, Monitor(), resume_ended=resume_ended) == 1
    again = started(store, identity, exit_code=79, continued=1)
    assert runs.refuse_ended(store, again, Monitor(), resume_ended=True) == 2
    odd = started(store, identity, exit_code=79, continued="many")
    assert runs.refuse_ended(store, odd, Monitor(), resume_ended=True) == 1


def test_the_monitor_is_no_part_of_a_run() -> None:
    """Other limits and other notifiers keep the run and its id."""
    plain = runs.identify(job(), INPUTS)
    assert runs.identify(job(monitor__plateau_steps=7, notify=[{"kind": "webhook"}]), INPUTS) == plain


@pytest.mark.parametrize(
    ("inputs", "state", "told"),
    [
        ({"$.data.uri": "d2"}, "failed", True),
        ({"$.data.uri": "d2"}, "published", False),
        (INPUTS, "failed", False),
    ],
)
def test_unfinished_relatives_are_named(
    store: RecordingStore, caplog: pytest.LogCaptureFixture, inputs: dict[str, str], state: str, told: bool
) -> None:
    """One warning for an unfinished run of the same job on other inputs, none for others."""
    relative = started(store, runs.identify(job(), inputs), state=state)
    started(store, runs.identify(job(training__seed=1), {"$.data.uri": "d2"}), state="failed")
    with caplog.at_level(logging.WARNING):
        runs.warn_of_relatives(store, runs.identify(job(), INPUTS))
    assert (f"other inputs exists: {relative.run_id}" in caplog.text) == told
    assert len(caplog.records) == int(told)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"spec_digest": 1}'])
def test_a_damaged_job_is_named(store: RecordingStore, data: bytes) -> None:
    """74 with its address: what the first attempt fixed is not guessed again."""
    identity = started(store, runs.identify(job(), INPUTS))
    store.write(f"runs/{identity.run_id}/job.json", data)
    with pytest.raises(IntegrityError, match=r"/job\.json: is damaged or not ours; restore it"):
        runs.read_job(store, identity)


def test_damage_that_changes_nothing(store: RecordingStore, caplog: pytest.LogCaptureFixture) -> None:
    """A torn status, or a torn document of another run, is told and does not stop this one."""
    identity = started(store, runs.identify(job(), INPUTS), exit_code=0)
    store.write(f"runs/{identity.run_id}/status.json", b'{"exit_code": 7')
    store.write("runs/other-0123456789ab/job.json", b"{")
    runs.refuse_ended(store, identity, Monitor())
    runs.warn_of_relatives(store, identity)
    assert "status.json: is damaged" in caplog.text and "other-0123456789ab/job.json: is damaged" in caplog.text
