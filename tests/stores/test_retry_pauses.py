"""How long and how often the retry loop waits."""

import threading

import pytest

from loraruner.errors import EnvironmentUnfit, NoPermission, TemporaryFailure
from loraruner.stores import retry
from loraruner.stores.retry import Later, Skewed


class Waits(threading.Event):
    """An event that nobody sets; waiting for it takes no time and is written down."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_s: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_s.append(timeout or 0.0)
        return False


def failing(*errors: Exception) -> tuple[list[Exception], Waits]:
    """Raise ``errors`` one after the other, then succeed; what was not raised, and the pauses."""
    left, waits = list(errors), Waits()

    def call() -> None:
        if left:
            raise left.pop(0)

    retry.patiently(call, stop=waits)
    return left, waits


def test_pauses_grow_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pause is at most twice the one before, and none longer than the longest."""
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 1.0)
    _, waits = failing(*[TemporaryFailure("down")] * 5)
    assert all(low <= waited_s <= 2 * low for low, waited_s in zip((1, 2, 4, 5, 5), waits.waited_s, strict=True))


@pytest.mark.parametrize(("asked_s", "waited_s"), [(7.0, 7.0), (3600.0, retry.LONGEST_WAIT_S)])
def test_what_a_store_asks_for_is_waited(asked_s: float, waited_s: float) -> None:
    """A store that names a pause gets it, up to a bound."""
    assert failing(Later("busy", asked_s))[1].waited_s == [waited_s]


def test_a_wrong_clock_is_not_tried_for_long() -> None:
    """A refused clock is signed afresh once; a clock that stays wrong is 78 after two tries."""
    assert failing(Skewed("clock"))[0] == []
    left = [Skewed("clock")] * 9

    def call() -> None:
        raise left.pop()

    with pytest.raises(EnvironmentUnfit, match="clock"):
        retry.patiently(call, stop=Waits())
    assert len(left) == 7


def test_what_cannot_pass_is_not_tried_again() -> None:
    """A denied access is raised at once."""
    with pytest.raises(NoPermission):
        failing(NoPermission("no"), TemporaryFailure("unreached"))


def test_a_trial_is_hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within ``hurried`` no pause is longer than told, even one that a store asks for; afterwards all is as before."""
    before = retry.FIRST_PAUSE_S, retry.LONGEST_PAUSE_S, retry.LONGEST_WAIT_S
    with pytest.raises(NoPermission), retry.hurried(0.01):
        assert max(failing(Later("busy", 5.0), TemporaryFailure("down"))[1].waited_s) <= 0.01
        raise NoPermission("ended by an error")
    assert before == (retry.FIRST_PAUSE_S, retry.LONGEST_PAUSE_S, retry.LONGEST_WAIT_S)
