"""What is known of one foreign key, as data: the tables of every dialect are made of these."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from loraruner.importers.values import EMPTY, Kind, plain
from loraruner.importers.verdicts import DEAD, DROPPED, KEPT, LOST, REFUSED

RULED = "ruled"  # code decides, with other keys or the value in view; ``reason`` tells what it does


@dataclass(frozen=True)
class Key:
    """One foreign key: what becomes of it, where it goes in the job, and why.

    A key that is LOST or REFUSED is merely DROPPED while its value is ``neutral``, or says nothing.
    """

    name: str
    fate: str  # KEPT, DROPPED, DEAD, LOST, REFUSED or RULED
    to: str = ""  # "training.seed"
    reason: str = ""
    neutral: tuple[object, ...] = ()
    kind: Kind | None = field(default=None, repr=False)
    secret: bool = False
    meant: str = ""  # of a dead key: the one that works

    def is_neutral(self, value: object) -> bool:
        """Whether ``value`` asks for nothing that a job would not do anyway."""
        found = plain(value)
        return found is False or any(found == each for each in (*EMPTY, *self.neutral))


def carried(name: str, to: str, kind: Kind, reason: str = "") -> Key:
    """A key whose value goes into the job as it is."""
    return Key(name, KEPT, to, reason, kind=kind)


def ruled(name: str, to: str, reason: str) -> Key:
    """A key that code decides about."""
    return Key(name, RULED, to, reason)


def dropped(reason: str, *names: str) -> Iterable[Key]:
    """Keys that make no difference to the adapter."""
    return (Key(name, DROPPED, reason=reason) for name in names)


def secret(reason: str, *names: str) -> Iterable[Key]:
    """Keys whose values must not be shown or copied."""
    return (Key(name, DROPPED, reason=reason, secret=True) for name in names)


def lost(reason: str, **neutral: object) -> Iterable[Key]:
    """Keys with an effect that a job lacks, each with the value that has none (a tuple: the values)."""
    return (Key(name, LOST, reason=reason, neutral=_tuple(value)) for name, value in neutral.items())


def refused(reason: str, to: str = "", **neutral: object) -> Iterable[Key]:
    """Keys that would train something else, each with the value that does not; ``--set`` of ``to`` overrules them."""
    return (Key(name, REFUSED, to, reason, _tuple(value)) for name, value in neutral.items())


def dead(name: str, meant: str, reason: str) -> Key:
    """A key that the trainer never reads, and the one that was meant."""
    return Key(name, DEAD, reason=f"unknown key {name} - did you mean {meant}? {reason}", meant=meant)


def unread(reason: str, **meant: str) -> Iterable[Key]:
    """Keys that another program writes for itself into the trainer's file, each with the trainer's own, or ""."""
    return (
        Key(name, DEAD, reason=reason + f"; the trainer's own key is {own}" * bool(own), meant=own)
        for name, own in meant.items()
    )


def table(*groups: Key | Iterable[Key]) -> Mapping[str, Key]:
    """One table of keys; a name that stands twice is a fault of ours."""
    keys = [key for group in groups for key in ((group,) if isinstance(group, Key) else group)]
    found = {key.name: key for key in keys}
    assert len(found) == len(keys), sorted(key.name for key in keys)
    return found


def _tuple(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)
