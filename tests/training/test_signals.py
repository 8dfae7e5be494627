"""SIGTERM and SIGINT: held back where something must not be torn."""

import os
import signal
from collections.abc import Iterator

import pytest

from loraruner.errors import Preempted
from loraruner.training.signals import SIGNALS, StopSignal


@pytest.fixture
def stop() -> Iterator[StopSignal]:
    """Installed handlers; afterwards the old ones are back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    stop = StopSignal()
    stop.install()
    yield stop
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_raises_at_once(stop: StopSignal, number: signal.Signals) -> None:
    """Outside of ``deferred`` the first signal raises Preempted where it comes."""
    with pytest.raises(Preempted, match=f"{number.name} received: all committed work is kept"):
        os.kill(os.getpid(), number)


def test_a_signal_is_held_back(stop: StopSignal) -> None:
    """Inside ``deferred``, nested too, it is only noted; it is raised at the next check outside."""
    with stop.deferred():
        with stop.deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            stop.check()
        stop.check()
        assert stop.received == "SIGTERM"
    with pytest.raises(Preempted):
        stop.check()


def test_a_second_signal_ends_the_process(stop: StopSignal) -> None:
    """After the first signal both have their default handlers again: nobody has to wait for us."""
    with stop.deferred():
        os.kill(os.getpid(), signal.SIGTERM)
        assert [signal.getsignal(number) for number in SIGNALS] == [signal.SIG_DFL, signal.SIG_DFL]
