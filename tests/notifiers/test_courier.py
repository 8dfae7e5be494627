"""Couriers: training never waits for a service, nothing is lost in silence, nothing is told twice."""

import json
import threading
from pathlib import Path

import pytest

from loraruner.errors import Fenced, TemporaryFailure
from loraruner.notifiers import courier as couriers
from loraruner.notifiers.base import Message, Moment
from loraruner.notifiers.courier import MAX_WAITING, Courier, patience_s, wait
from loraruner.notifiers.ledger import MAX_IDS, Ledger, NoLedger
from loraruner.redact import Redactor
from loraruner.stores.local import LocalStore
from tests.support.listeners import SECRET, Listener

LONG_S = 30.0  # of a wait that ends much sooner


def say(message_id: str, moment: Moment = "epoch") -> Message:
    return Message(message_id, moment, f"{message_id} has come")


def courier(listener: Listener, told: Ledger | NoLedger | None = None, **more: object) -> Courier:
    made = Courier("webhook", listener, told or NoLedger(), Redactor((SECRET,)), **more)  # type: ignore[arg-type]
    made.start()
    return made


def counts(made: Courier) -> tuple[int, int]:
    found = made.counts()
    return found["sent"], found["failed"]


def test_messages_come_in_their_order() -> None:
    """What is told before the end is told, in its order, and counted."""
    listener = Listener()
    made = courier(listener)
    for number in range(5):
        made.tell(say(f"epoch-{number}"))
    wait([made], LONG_S)
    assert listener.ids == [f"epoch-{number}" for number in range(5)]
    assert made.counts() == {"kind": "webhook", "key": "webhook:test", "sent": 5, "failed": 0, "last_error": None}


def test_a_service_that_hangs_holds_up_nobody() -> None:
    """While one message hangs, others are taken at once; at the end what is untold is counted, and left."""
    listener = Listener(hold=threading.Event())
    made = courier(listener)
    made.tell(say("started", "started"))
    assert listener.entered.wait(LONG_S)
    for number in range(3):
        made.tell(say(f"epoch-{number}"))
    wait([made], 0.0)
    assert counts(made) == (0, 4)
    assert made.counts()["last_error"] == "4 messages were still waiting when the run ended"
    assert listener.hold
    listener.hold.set()
    assert made.join(LONG_S)
    assert counts(made) == (0, 4) and listener.ids == ["started"]  # what was under way, and nothing after it


def test_a_full_queue_drops_the_oldest_epoch(caplog: pytest.LogCaptureFixture) -> None:
    """Of more messages than wait the oldest epochs make room, never the end of the run; it is logged once."""
    listener = Listener(hold=threading.Event())
    made = courier(listener)
    made.tell(say("started", "started"))
    assert listener.entered.wait(LONG_S)
    for number in range(MAX_WAITING + 2):
        made.tell(say(f"epoch-{number}"))
    made.tell(say("finished", "finished"))
    assert listener.hold
    listener.hold.set()
    wait([made], LONG_S)
    assert listener.ids == ["started", *(f"epoch-{number}" for number in range(3, MAX_WAITING + 2)), "finished"]
    assert counts(made) == (MAX_WAITING + 1, 3)
    assert caplog.text.count("dropped, as 100 messages are waiting") == 1


def test_a_full_queue_without_epochs() -> None:
    """Warnings make room next, then whatever is oldest."""
    listener = Listener(hold=threading.Event())
    made = courier(listener)
    made.tell(say("started", "started"))
    assert listener.entered.wait(LONG_S)
    for number in range(MAX_WAITING - 1):
        made.tell(say(f"failed-{number}", "failed"))
    made.tell(say("warning-stall-1", "warning"))
    made.tell(say("finished", "finished"))
    made.tell(say("finished-2", "finished"))
    assert listener.hold
    listener.hold.set()
    wait([made], LONG_S)
    assert "warning-stall-1" not in listener.ids and "failed-0" not in listener.ids
    assert listener.ids[-2:] == ["finished", "finished-2"]


def test_failures_are_logged_once_a_kind(caplog: pytest.LogCaptureFixture) -> None:
    """Every failure is counted, each kind is logged once, and no secret is shown."""
    errors = [TemporaryFailure(f"away with {SECRET}"), TemporaryFailure("away"), ValueError("odd")]
    listener = Listener(errors=list(errors))
    made = courier(listener)
    for number in range(4):
        made.tell(say(f"epoch-{number}"))
    wait([made], LONG_S)
    assert counts(made) == (1, 3) and listener.ids == ["epoch-3"]
    assert caplog.text.count("was not told, the run goes on") == 2
    assert SECRET not in caplog.text and "[secret]" in caplog.text


def test_a_moment_that_nobody_asked_for() -> None:
    """Only the moments that an entry names are told."""
    listener = Listener()
    made = courier(listener, moments=("finished",))
    made.tell(say("epoch-1"))
    made.tell(say("finished", "finished"))
    wait([made], LONG_S)
    assert listener.ids == ["finished"] and counts(made) == (1, 0)


def test_a_signal_shortens_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a signal the run leaves a hanging service although its usual time is not over."""
    monkeypatch.setattr(couriers, "SIGNAL_LIMIT_S", 0.0)
    listener = Listener(hold=threading.Event())
    made = courier(listener)
    made.tell(say("epoch-1"))
    assert listener.entered.wait(LONG_S)
    wait([made], 3600.0, lambda: True)
    assert counts(made) == (0, 1)
    assert listener.hold
    listener.hold.set()


def test_what_was_told_is_not_told_again(tmp_path: Path) -> None:
    """A second attempt that reads the first one's ledger tells only what is new."""
    store = LocalStore(str(tmp_path), tmp_path)
    first, second = Listener(), Listener()
    for listener, ids in ((first, ("started", "epoch-1")), (second, ("started", "epoch-1", "epoch-2"))):
        ledger = Ledger(store, "runs/r/told.json")
        ledger.load()
        made = courier(listener, ledger)
        for each in ids:
            made.tell(say(each))
        wait([made], LONG_S)
    assert first.ids == ["started", "epoch-1"] and second.ids == ["epoch-2"]
    assert b'"webhook:test"' in store.read("runs/r/told.json")[0]


def test_what_failed_is_told_by_the_next_attempt(tmp_path: Path) -> None:
    """Only what a service took is noted; the rest is told when the run goes on."""
    store = LocalStore(str(tmp_path), tmp_path)
    listener = Listener(errors=[TemporaryFailure("away")])
    for _ in range(2):
        ledger = Ledger(store, "told.json")
        ledger.load()
        made = courier(listener, ledger)
        made.tell(say("started", "started"))
        wait([made], LONG_S)
    assert listener.ids == ["started"]


def test_an_epoch_done_again_after_a_roll_back() -> None:
    """A message that still waits is not taken a second time."""
    listener = Listener(hold=threading.Event())
    made = courier(listener)
    made.tell(say("started", "started"))
    assert listener.entered.wait(LONG_S)
    made.tell(say("epoch-1"))
    made.tell(say("epoch-1"))
    assert listener.hold
    listener.hold.set()
    wait([made], LONG_S)
    assert listener.ids == ["started", "epoch-1"]


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"webhook:test": 7}', b'{"webhook:test": [7, null]}', b"\xff"])
def test_a_damaged_ledger(tmp_path: Path, content: bytes) -> None:
    """A ledger that nobody can read ends nothing: messages may come again."""
    store = LocalStore(str(tmp_path), tmp_path)
    store.write("told.json", content)
    ledger = Ledger(store, "told.json")
    ledger.load()
    assert not ledger.has("webhook:test", "started") and ledger.last("webhook:test") == ""
    ledger.note("webhook:test", "started")
    assert ledger.has("webhook:test", "started")


@pytest.mark.parametrize(("error", "warned"), [(TemporaryFailure("away"), 1), (Fenced("another owns it"), 0)])
def test_a_store_that_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception, warned: int) -> None:
    """A ledger that cannot be written is a warning, of a lost lease not even that."""

    class Away(LocalStore):
        def write(self, *_: object, **__: object) -> str:
            raise error

    ledger = Ledger(Away(str(tmp_path), tmp_path), "told.json")
    ledger.note("webhook:test", "started")
    assert caplog.text.count("told.json was not written") == warned


def test_a_machine_without_a_thread_to_spare() -> None:
    """A courier that could not be started holds up nothing, and what it was to tell is counted."""
    made = Courier("webhook", Listener(), NoLedger(), Redactor(()))
    made.tell(say("started", "started"))
    wait([made], LONG_S)
    assert counts(made) == (0, 1)


def test_an_epoch_that_is_being_told_is_not_taken_again() -> None:
    """A roll-back may bring a message once more while the service still answers to the first one."""
    listener = Listener(hold=threading.Event())
    made = courier(listener)
    made.tell(say("epoch-1"))
    assert listener.entered.wait(LONG_S)
    made.tell(say("epoch-1"))
    assert listener.hold
    listener.hold.set()
    wait([made], LONG_S)
    assert listener.ids == ["epoch-1"]


def test_files_that_are_still_to_be_sent_are_waited_for() -> None:
    """The wait grows with the bytes of all couriers, within a limit; what is sent already counts no more."""
    listeners = [Listener(hold=threading.Event()), Listener(hold=threading.Event())]
    made = [courier(listener, weigh=lambda message: len(message.id) * 10_000_000) for listener in listeners]
    assert patience_s(made, 60.0) == 60.0
    for each, listener in zip(made, listeners, strict=True):
        each.tell(say("four"))
        assert listener.entered.wait(LONG_S)
        each.tell(say("sixsix"))
    assert patience_s(made, 60.0) == 60.0 + 2 * 100 / 2
    assert patience_s(made, 0.0) == 0.0  # a run that lost its lease waits for nobody
    assert patience_s(made * 100, 60.0) == couriers.LONGEST_S
    for listener in listeners:
        assert listener.hold
        listener.hold.set()
    wait(made, LONG_S)
    assert patience_s(made, 60.0) == 60.0


def test_a_service_that_is_away_is_not_waited_for_because_of_files() -> None:
    """Whose last message found nobody will hardly take a gigabyte; what it merely refused says nothing of that."""
    for error, longer in ((TemporaryFailure("away"), False), (ValueError("no such field"), True)):
        listener = Listener(errors=[error])
        made = courier(listener, weigh=lambda message: 100_000_000)
        made.tell(say("epoch-1"))
        wait([made], LONG_S)
        made.tell(say("finished", "finished"))
        assert (patience_s([made], 60.0) > 60.0) is longer


def test_a_ledger_stays_small(tmp_path: Path) -> None:
    """Of very many epochs the oldest are forgotten, never the start, the newest or the end."""
    store = LocalStore(str(tmp_path), tmp_path)
    many = ["started", *(f"epoch-{number}" for number in range(3 * MAX_IDS))]
    store.write("told.json", json.dumps({"webhook:test": many}).encode())
    ledger = Ledger(store, "told.json")
    ledger.load()
    ledger.note("webhook:test", "finished")
    ids = json.loads(store.read("told.json")[0])["webhook:test"]
    assert len(ids) == MAX_IDS and ids[0] == "started" and ids[-2:] == [many[-1], "finished"]


def test_what_went_wrong_before_the_end_stays_known() -> None:
    """The last error says why messages were left, where the service had told it."""
    listener = Listener(errors=[TemporaryFailure("no route")])
    made = courier(listener)
    made.tell(say("started", "started"))
    wait([made], LONG_S)
    made.tell(say("finished", "finished"))
    made.abandon()
    told = "1 message was still waiting when the run ended; before that: started: no route"
    assert made.counts()["last_error"] == told
