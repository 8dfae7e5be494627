"""One thing of a release at one place, and how many of them are settled: looked at first, then sent in order."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loraruner.errors import IntegrityError, VersionConflict

Say = Callable[[str], None]
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0)  # Artifactory writes the page of a package index a while after an upload


@dataclass(frozen=True)
class Step:
    """What has to be where. ``look`` answers the digest of what is there, or nothing."""

    title: str
    digest: str
    look: Callable[[], str]
    send: Callable[[], None]


def settle(
    steps: Sequence[Step], say: Say, *, only_look: bool = False, before: Callable[[], None] = lambda: None
) -> int:
    """Send what is not there yet and see that it arrived; how many were sent, or would be.

    ``before`` is asked after everything was looked at, and may raise: then nothing was sent either.
    VersionConflict names everything that is there with another digest, and then nothing was sent.
    IntegrityError: after it was sent, something else is there.
    """
    found = [step.look() for step in steps]
    others = [(step, digest) for step, digest in zip(steps, found, strict=True) if digest not in ("", step.digest)]
    if others:
        lines = [f"{step.title} is there with {digest}, and here it is {step.digest}" for step, digest in others]
        raise VersionConflict("\n  ".join(["nothing was sent, as what is published never changes:", *lines]))
    before()
    for step, digest in zip(steps, found, strict=True):
        if digest:
            say(f"there already: {step.title} ({step.digest})")
        elif only_look:
            say(f"not there yet: {step.title} ({step.digest})")
        else:
            _send(step, say)
    return sum(not digest for digest in found)


def require_there(steps: Sequence[Step]) -> None:
    """IntegrityError where something isn't as it was sent: somebody else released at the same time."""
    found = [step.look() for step in steps]
    if gone := [(step, there) for step, there in zip(steps, found, strict=True) if there != step.digest]:
        lines = [f"{step.title} was {step.digest} and is {there or 'gone'}" for step, there in gone]
        raise IntegrityError("\n  ".join(["no build was published, as someone else writes there too:", *lines]))


def _send(step: Step, say: Say) -> None:
    step.send()
    arrived = step.look()
    for pause_s in PAUSES_S:
        if arrived:
            break
        time.sleep(pause_s)
        arrived = step.look()
    if arrived != step.digest:
        raise IntegrityError(
            f"{step.title}: {step.digest} was sent, and {arrived or 'nothing'} is there; look who else writes there"
        )
    say(f"sent: {step.title} ({step.digest})")
