"""Who starts a task: one of several, also after crashes; a stopped run goes on, and none runs beside another."""

import json
import os
import time
from typing import Any

import pytest

from loraruner.dispatch import claims
from loraruner.dispatch.outcome import Outcome, TasksUnwell, require_well
from loraruner.errors import ExitCode
from loraruner.stores.base import Capabilities
from loraruner.stores.local import LocalStore
from tests.support.dispatching import BACK, MOVING_TO, STATUS, Studio


def happened(outcomes: list[Outcome]) -> list[str]:
    return [each.happened for each in outcomes]


def age(studio: Studio, task_id: str, seconds: float) -> None:
    """Make the claims of a task older than they are."""
    for path in (studio.output / ".dispatch" / task_id).iterdir():
        then = time.time() - seconds
        os.utime(path, (then, then))


def write_status(studio: Studio, task_id: str, run_id: str, **status: Any) -> None:
    folder = studio.output / task_id / "runs" / run_id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "status.json").write_text(json.dumps(status))


def test_a_fresh_claim_of_another_is_respected(studio: Studio) -> None:
    """While its maker may be at it nobody else starts the task; when he must be dead somebody takes over his run."""
    task_id = studio.task()
    studio.look(dry_run=True)
    dispatcher = studio.dispatcher(moving_to=None)
    claims_made: list[Any] = []
    original = claims.make

    def die(*arguments: Any) -> Any:
        claims_made.append(original(*arguments))
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "make", die)
        with pytest.raises(KeyboardInterrupt):
            list(dispatcher.run())
    assert happened(studio.look()) == ["claimed"] and not studio.trainings.jobs
    age(studio, task_id, claims.ABANDONED_S + 60)
    assert happened(studio.look()) == ["started"]
    assert studio.trainings.runs == [claims_made[0].run_id]


def test_two_dispatchers_and_one_task(studio: Studio) -> None:
    """Of two that saw the same task without a claim one starts it; the other says who did."""
    studio.task()
    original = claims.make

    def faster(*arguments: Any) -> Any:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(claims, "make", original)
            assert happened(studio.look(moving_to=None)) == ["started"]
        return original(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "make", faster)
        assert happened(studio.look(moving_to=None)) == ["claimed"]
    assert len(studio.trainings.jobs) == 1


@pytest.mark.parametrize("code", [ExitCode.PREEMPTED, ExitCode.TEMPFAIL])
def test_a_stopped_local_run_goes_on(studio: Studio, code: ExitCode) -> None:
    """The next look finds it among the tasks that were moved on, and gives the very same job and run id."""
    task_id = studio.task()
    studio.trainings.ends = [int(code), 0]
    (stopped,) = studio.look()
    assert (stopped.happened, stopped.code) == ("started", int(code))
    assert studio.server.status(task_id) == MOVING_TO
    assert happened(studio.look()) == ["resumed"] and happened(studio.look()) == []
    one, two = studio.trainings.jobs
    assert one == two


def test_a_stopped_run_that_was_called_off(studio: Studio) -> None:
    """Out of the status of what trains a task is left alone, also if that happens in mid-look; moved back it is new."""
    task_id, other = studio.task("first"), studio.task("second")
    studio.trainings.ends = [int(ExitCode.PREEMPTED)]
    studio.look()
    studio.trainings.ends = [0]
    look = studio.dispatcher().run()
    assert next(look).happened == "resumed"
    studio.server.move(other, BACK)
    assert [(each.task, each.happened) for each in look] == [(other, "gone")]
    assert studio.server.status(other) == BACK and studio.look() == []
    studio.server.move(other, STATUS)
    assert [(each.task, each.happened) for each in studio.look()] == [(other, "started")]
    assert studio.server.status(task_id) == MOVING_TO


def test_a_dispatcher_that_died_before_it_moved_the_task(studio: Studio) -> None:
    """Whoever goes on with the run moves the task, too."""
    task_id = studio.task()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studio.trainings, "train", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            studio.look(moving_to=None)
    age(studio, task_id, claims.ABANDONED_S + 60)
    assert happened(studio.look()) == ["resumed"] and studio.server.status(task_id) == MOVING_TO


@pytest.mark.parametrize("code", [ExitCode.DATA_INVALID, ExitCode.DIVERGED, ExitCode.PAUSED, ExitCode.REJECTED])
def test_what_has_ended_stays_ended(studio: Studio, code: ExitCode) -> None:
    """A run that failed for good is not started again by itself; its code is the look's."""
    studio.task()
    studio.trainings.ends = [int(code)]
    outcomes = studio.look()
    with pytest.raises(TasksUnwell) as caught:
        require_well(outcomes, stopped=False)
    assert caught.value.code == code
    assert studio.look() == []


def test_a_run_that_is_silent_is_resumed_and_one_that_speaks_is_not(studio: Studio) -> None:
    """A dispatcher that was killed wrote no exit code: what the run says of itself decides."""
    task_id = studio.task()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studio.trainings, "train", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            studio.look()
    assert studio.look() == []  # it may only just have begun
    age(studio, task_id, claims.ABANDONED_S + 60)
    (claim,) = studio.claims(task_id)
    write_status(studio, task_id, claim["run_id"], state="running")
    assert studio.look() == []
    status = studio.output / task_id / "runs" / claim["run_id"] / "status.json"
    os.utime(status, (time.time() - 600,) * 2)
    assert happened(studio.look()) == ["resumed"]


def test_no_second_run_beside_one_that_is_under_way(studio: Studio) -> None:
    """Moved back while its older run trains elsewhere the task waits, and starts when that has ended."""
    task_id = studio.task()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studio.trainings, "train", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            studio.look()
    (claim,) = studio.claims(task_id)
    write_status(studio, task_id, claim["run_id"], state="running")
    studio.server.move(task_id, BACK)
    studio.server.move(task_id, STATUS)
    (found,) = studio.look()
    assert (found.happened, found.code, found.run_id) == ("busy", 0, claim["run_id"])
    write_status(studio, task_id, claim["run_id"], state="failed")
    assert happened(studio.look()) == ["started"]


def test_a_store_without_conditional_writes_is_refused(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two dispatchers could both win there, so nothing is started."""
    studio.task()
    monkeypatch.setattr(LocalStore, "probe", lambda _: Capabilities(True, False, "none"))
    (found,) = studio.look()
    assert (found.happened, found.code) == ("error", 78) and "one task could start twice" in found.reasons[0]
    assert not studio.trainings.jobs


def test_a_damaged_claim_is_an_error_of_its_task(studio: Studio) -> None:
    """Nobody guesses what it said: 74, and the others go on."""
    task_id = studio.task()
    studio.look(moving_to=None)
    (path,) = (studio.output / ".dispatch" / task_id).iterdir()
    path.write_text("{")
    (found,) = studio.look(moving_to=None)
    assert (found.happened, found.code) == ("error", 74)


def test_every_part_of_an_entry_counts() -> None:
    """The digest is the same for the same entry, in whatever order its files come, and another for any change."""
    files, fields = [("a1", "x.zip", 3), ("a2", "y.zip", 4)], {"Rank": 4}
    one = claims.digest("86c2", files, fields, 1000)
    assert one == claims.digest("86c2", files[::-1], dict(fields), 1000)
    others = {
        claims.digest("86c3", files, fields, 1000),
        claims.digest("86c2", files[:1], fields, 1000),
        claims.digest("86c2", [("a1", "x.zip", 4), files[1]], fields, 1000),
        claims.digest("86c2", files, {"Rank": 5}, 1000),
        claims.digest("86c2", files, fields, 1001),
    }
    assert len(others) == 5 and one not in others
    assert claims.run_id("86c2", one) == f"86c2-{one[:12]}"
