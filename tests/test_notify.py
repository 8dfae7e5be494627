"""What a run tells whom: every moment once, nothing in vain, and never at the run's cost."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from loraruner import notify, spec
from loraruner.errors import (
    Diverged,
    EnvironmentUnfit,
    Exhausted,
    Fenced,
    InputMissing,
    NoPermission,
    Paused,
    Preempted,
    SpecInvalid,
    TemporaryFailure,
)
from loraruner.events import EpochDone, Evaluated, StageStarted, StepDone, Warned
from loraruner.files import write_bytes
from loraruner.notifiers.base import Message, RunFacts
from loraruner.notifiers.ledger import Ledger
from loraruner.notify import About, Telling
from loraruner.spec import Spec
from loraruner.stores.local import LocalStore
from loraruner.training.signals import StopSignal
from tests.support.listeners import JOB, SECRET, Listener, manifest, operator, run_facts

STEP = StepDone(step=1, total_steps=4, epoch=1, loss=0.25, learning_rate=0.1, step_s=30.0)
EPOCH = EpochDone(epoch=1, step=2, total_steps=4, loss=0.5, epoch_s=1.0, eta_s=2.0)
WARNING = Warned("plateau", "the loss has not fallen for 500 steps", 2)
TOLD = "runs/tiny-0123/told.json"


class Story:
    """One run with one listener, told by attempts of it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.log = LocalStore(str(folder / "out"), folder / "out"), folder / "train.log"
        self.listener, self.stop = Listener(), StopSignal()
        self.ended: list[list[dict[str, Any]]] = []
        self.settings = operator(LORARUNER_WEBHOOK_SECRET=SECRET, LORARUNER_WORKDIR=str(folder))
        monkeypatch.setattr(notify, "open_notifier", lambda entry, run, settings: self.opened(run))

    def opened(self, run: RunFacts) -> Listener:
        return self.listener

    def spec(self, **entry: Any) -> Spec:
        given = {"kind": "webhook", **entry}
        return spec.load(json.dumps({**JOB, "notify": [given]}).encode()).spec

    def attempt(self, number: int = 1, **entry: Any) -> Telling:
        about = About(run_facts(attempt=number), Ledger(self.store, TOLD), self.log, lambda: {"peak_memory_gb": 19.3})
        return Telling(self.spec(**entry), self.settings, about, self.stop, self.ended.append)


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    return Story(tmp_path, monkeypatch)


def end(story: Story, error: BaseException, *events: Any, number: int = 1) -> None:
    """An attempt that ends with ``error`` after these events."""
    with pytest.raises(type(error)), story.attempt(number) as telling:
        for event in events:
            telling.see(event)
        raise error


def test_a_run_that_publishes(story: Story, tmp_path: Path) -> None:
    """Start, epochs, warnings and the version are told, steps and stages are not; the counts come at the end."""
    with story.attempt() as telling:
        for event in (StageStarted("train"), STEP, Evaluated(1, 0.5), EPOCH, WARNING):
            telling.see(event)
        telling.finished(manifest(), tmp_path)
    assert story.listener.ids == ["started", "epoch-1", "warning-plateau-2", "finished"]
    assert story.listener.messages[-1].facts["version_address"] == "3: s3://loras/tiny/versions/3/"
    assert story.ended == [[{"kind": "webhook", "key": "webhook:test", "sent": 4, "failed": 0, "last_error": None}]]


def test_a_run_that_fails(story: Story) -> None:
    """The failure is told with code, reason, what is known by then, and the end of the log."""
    write_bytes(story.log, b'{"event": "the last words"}\n')
    with pytest.raises(Diverged), story.attempt() as telling:
        telling.see(STEP)
        telling.know(num_samples=210)
        raise Diverged(f"the loss is not finite at {SECRET}; lower the rate")
    assert story.listener.ids == ["started", "failed-79-1"]
    told = story.listener.messages[-1]
    assert told.data["log"] == ["          the last words"] and told.files == {"log": story.log}
    assert told.facts["num_samples"] == 210 and told.facts["training_min"] == 0.5 and told.facts["loss"] == 0.25
    assert told.facts["peak_memory_gb"] == 19.3 and told.facts["attempts"] == 1
    assert SECRET not in repr(told) and "lower the rate" in told.text


def test_a_fault_of_ours(story: Story) -> None:
    """An internal fault is told by its kind and its traceback, as the log does not have it yet."""
    end(story, RuntimeError(f"odd {SECRET}"))
    told = story.listener.messages[-1]
    assert told.id == "failed-70-1" and told.facts["reason"] == "RuntimeError"
    assert "RuntimeError: odd [secret]" in told.data["log"][-1]


@pytest.mark.parametrize("error", [Preempted("SIGTERM received"), Fenced("another attempt owns it")])
def test_nobody_is_alarmed(story: Story, error: Exception) -> None:
    """A run that was stopped, or goes on elsewhere, has not failed."""
    end(story, error, EPOCH)
    assert not [each for each in story.listener.ids if each.startswith("failed")]


@pytest.mark.parametrize(("error", "state"), [(Paused("plateau"), "paused"), (TemporaryFailure("store"), "failed")])
def test_other_ends_are_told(story: Story, error: Exception, state: str) -> None:
    """A pause and a failure that may pass are both told, each as what it is."""
    end(story, error)
    assert story.listener.messages[-1].facts["state"] == state


def test_a_resumed_run_repeats_nothing(story: Story, tmp_path: Path) -> None:
    """After a stop the next attempt, which does the last epoch again, tells only what is new."""
    end(story, Preempted("SIGTERM received"), EPOCH, WARNING)
    with story.attempt(2) as telling:
        telling.see(EPOCH)
        telling.see(WARNING)
        telling.see(EpochDone(epoch=2, step=4, total_steps=4, loss=0.4, epoch_s=1.0, eta_s=0.0))
        telling.finished(manifest(), tmp_path)
    assert story.listener.ids == ["started", "epoch-1", "warning-plateau-2", "epoch-2", "finished"]


def test_a_run_that_goes_on_after_its_failure(story: Story, tmp_path: Path) -> None:
    """People who heard of a failure hear that it goes on; who heard of none hears nothing."""
    end(story, TemporaryFailure("store"))
    with story.attempt(2):
        pass
    with story.attempt(3):
        pass
    assert story.listener.ids == ["started", "failed-75-1", "resumed-2"]


def test_a_kill_between_telling_and_noting(story: Story) -> None:
    """What may not have been noted is sent again under the same id, by which receivers know it."""
    with story.attempt():
        pass
    story.store.delete(TOLD)
    with story.attempt(2):
        pass
    assert story.listener.ids == ["started", "started"]


def test_a_service_that_hangs_costs_a_run_nothing(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps are done while the first message hangs, and the end waits so long and no longer."""
    monkeypatch.setattr(notify, "END_LIMIT_S", 0.0)
    story.listener.hold = threading.Event()
    with story.attempt() as telling:
        assert story.listener.entered.wait(30.0)
        for _ in range(1000):
            telling.see(STEP)
            telling.see(EPOCH)
    assert story.ended[0][0]["failed"] == 2 and story.ended[0][0]["sent"] == 0
    story.listener.hold.set()


def test_a_service_that_fails_costs_a_run_nothing(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a notifier raises is counted, and the run ends as it would have."""
    story.listener.errors = [ValueError("odd"), NoPermission("token"), KeyError("x")]
    with story.attempt() as telling:
        telling.see(EPOCH)
        telling.see(WARNING)
    assert story.ended[0][0]["failed"] == 3


def test_a_fault_in_telling_costs_a_run_nothing(
    story: Story, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also a fault of our own words is only logged."""
    monkeypatch.setattr("loraruner.notifiers.messages.of_event", lambda run, event: 1 / 0)
    with story.attempt() as telling:
        telling.see(EPOCH)
    assert "somebody was not told" in caplog.text and story.listener.ids == ["started"]


def test_a_signal_while_the_end_is_told(story: Story) -> None:
    """What ended the run stays what ended it, whatever signal comes while people are told."""
    story.stop.received = "SIGTERM"
    end(story, Diverged("the loss is not finite"))
    assert story.listener.ids[-1] == "failed-79-1"


def test_only_some_moments(story: Story) -> None:
    """An entry with ``events`` hears of these alone."""
    with story.attempt(events=["warning"]) as telling:
        telling.see(EPOCH)
        telling.see(WARNING)
    assert story.listener.ids == ["warning-plateau-2"]


def test_without_notifiers_nothing_happens(tmp_path: Path) -> None:
    """A job that names nobody reads and writes nothing for it."""
    job = spec.load(json.dumps(JOB).encode()).spec
    store = LocalStore(str(tmp_path), tmp_path)
    about = About(run_facts(), Ledger(store, TOLD), tmp_path / "none")
    with Telling(job, operator(), about, StopSignal(), lambda counts: pytest.fail("counted")) as telling:
        telling.see(EPOCH)
        telling.finished(manifest(), tmp_path)
    assert list(store.list()) == [] and telling.counts() == []


def test_faults_known_in_advance_name_their_entry() -> None:
    """A missing token or address ends a job at its start, and the error says which entry it is."""
    job = spec.load(json.dumps({**JOB, "notify": [{"kind": "webhook"}]}).encode()).spec
    with pytest.raises(EnvironmentUnfit, match=r"^\$\.notify\[0\]: webhook: it names no url"):
        notify.require(job, operator())
    notify.require(job, operator(LORARUNER_WEBHOOK_URL="https://hooks.example.com/a"))


def test_what_keeps_a_job_from_running_is_told(story: Story) -> None:
    """Missing data is told although there is no run yet, under an id that the same refusal has again."""
    for _ in range(2):
        with pytest.raises(InputMissing), notify.refusals_told(story.spec(), story.settings):
            raise InputMissing("$.data.uri: s3://data/set is not there; upload it")
    first, second = story.listener.messages
    assert first.id == second.id and first.id.startswith("failed-66-")
    assert first.facts["run_id"] == "tiny" and "started" not in first.facts and "upload it" in first.text


@pytest.mark.parametrize("error", [Fenced("x"), Preempted("x"), Diverged("x"), Paused("x")])
def test_what_was_told_before_is_no_refusal(story: Story, error: Exception) -> None:
    """A run that has ended for good says so to who starts it again, not once more to everybody."""
    with pytest.raises(type(error)), notify.refusals_told(story.spec(), story.settings):
        raise error
    assert story.listener.ids == []


def test_refusals_name_the_run_where_it_is_known(story: Story) -> None:
    """An id that the operator gave, or that is known, is told."""
    with pytest.raises(Exhausted), notify.refusals_told(story.spec(), story.settings, "task-7"):
        raise Exhausted("20 attempts")
    assert story.listener.messages[0].facts["run_id"] == "task-7"


def test_a_refusal_of_the_telling_itself(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody can be told, the error is what it was."""

    def refuse(run: RunFacts) -> Listener:
        raise SpecInvalid("notify: no task")

    monkeypatch.setattr(story, "opened", refuse)
    with pytest.raises(InputMissing), notify.refusals_told(story.spec(), story.settings):
        raise InputMissing("not there")


def test_a_version_that_nobody_heard_of(story: Story, tmp_path: Path) -> None:
    """A version whose attempt was killed is told once, when the same job is started again."""
    job, run = story.spec(), run_facts()
    assert notify.untold(job, story.settings, run, story.store)
    notify.tell_late(job, story.settings, run, story.store, manifest())
    assert story.listener.ids == ["finished"] and not notify.untold(job, story.settings, run, story.store)
    notify.tell_late(job, story.settings, run, story.store, manifest())
    assert story.listener.ids == ["finished"]


def test_files_of_a_version_told_late(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a task gets attached is fetched from the version for it, and is gone afterwards."""
    seen: dict[str, bytes] = {}

    def send(message: Message) -> None:
        seen.update({word: path.read_bytes() for word, path in message.files.items()})

    monkeypatch.setattr(story.listener, "send", send)
    story.store.write("versions/3/report.html", b"report")
    job = spec.load(
        json.dumps({**JOB, "notify": [{"kind": "clickup", "task_id": "86c2x9k1p", "attach": ["report"]}]}).encode()
    ).spec
    notify.tell_late(job, story.settings, run_facts(), story.store, manifest())
    assert seen == {"report": b"report"}


def test_who_does_not_want_to_hear_of_versions(story: Story) -> None:
    """An entry for failures alone is not late, however often a finished job is started again."""
    failures, all_events = story.spec(events=["failed"]), story.spec()
    assert not notify.untold(failures, story.settings, run_facts(), story.store)
    assert notify.untold(all_events, story.settings, run_facts(), story.store)


def test_a_signal_while_somebody_is_told_late(story: Story) -> None:
    """The wait for a service is short then, and the process ends with 85."""
    story.stop.received = "SIGTERM"
    with pytest.raises(Preempted):
        notify.tell_late(story.spec(), story.settings, run_facts(), story.store, manifest(), story.stop)
    assert story.listener.ids == ["finished"]


def test_jobs_without_notifiers_are_never_late(story: Story) -> None:
    """Nobody is asked about a job that names nobody."""
    job = spec.load(json.dumps(JOB).encode()).spec
    assert not notify.untold(job, story.settings, run_facts(), story.store)
