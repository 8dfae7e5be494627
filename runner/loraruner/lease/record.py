"""What a lease says: which attempt holds a run, for how long, and which process that is."""

import json
import os
import secrets
import socket
import time
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from loraruner.errors import IntegrityError

# Counts on while the machine is suspended, where the system has such a clock.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


LIMIT_BYTES = 64 << 10
MOST_S = 1e6  # as in ``settings``
Kind = TypeVar("Kind", "Holder", "Record")


def now_s() -> float:
    """Seconds on a clock of this machine that is never set."""
    return time.clock_gettime(_CLOCK)


@dataclass(frozen=True)
class Holder:
    """One process on one machine; fields that the machine does not tell are empty."""

    host: str
    boot: str
    """Names the time since the machine was started."""
    namespace: str
    """The process numbers of another container are not comparable with ours."""
    pid: int
    started: str
    """When the process began, in clock ticks since the boot: a number is given again, the two together are not."""

    def is_gone(self) -> bool:
        """Whether this process has ended, as far as that can be seen from here: elsewhere it is never known."""
        here = this_process()
        known = here.boot and here.namespace and self.started
        same_place = (self.host, self.boot, self.namespace) == (here.host, here.boot, here.namespace)
        return bool(known and same_place) and not _is_hidden(self.pid) and _started(self.pid) != self.started


@dataclass(frozen=True)
class Record:
    """The content of ``lease.json``. It expires ``lease_s`` after it was written, by the store's own clock."""

    attempt: int
    epoch: int
    """The fencing token: each owner has a higher one than all before."""
    lease_s: float
    holder: Holder
    nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    renewals: int = 0  # also makes every content, and so every ETag, another one
    released: bool = False

    def renewed(self) -> "Record":
        """The same owner, a little later."""
        return replace(self, renewals=self.renewals + 1)

    def data(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self), indent=1).encode()

    def __str__(self) -> str:
        return f"attempt {self.attempt} (host {self.holder.host}, process {self.holder.pid})"


TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("attempt", "epoch", "pid", "renewals"), (int,)),
    **dict.fromkeys(("host", "boot", "namespace", "started", "nonce"), (str,)),
    "lease_s": (int, float),
    "holder": (Holder,),
    "released": (bool,),
}


def new_record(epoch: int, lease_s: float) -> Record:
    """The record of this process as the owner."""
    return Record(attempt=epoch, epoch=epoch, lease_s=lease_s, holder=this_process())


def parse(data: bytes, address: str) -> Record:
    """The record in ``data``; raises IntegrityError (74) naming ``address`` for anything else."""
    try:
        found: dict[str, Any] = json.loads(data)
        record = _known(Record, {**found, "holder": _known(Holder, found["holder"])})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise unreadable(address, str(error) or type(error).__name__) from error
    if not (record.epoch >= 0 and 0 < record.lease_s <= MOST_S):
        raise unreadable(address, f"epoch {record.epoch!r}, lease_s {record.lease_s!r}")
    return record


def _known(kind: type[Kind], found: dict[str, Any]) -> Kind:
    """Of what ``found`` says what ``kind`` knows: a later release may say more. Raises TypeError for other types."""
    told = {each.name: found[each.name] for each in fields(kind) if each.name in found}
    for name, value in told.items():
        if type(value) not in TYPES[name]:
            raise TypeError(f"{name} is {value!r:.40}")
    return kind(**told)


def unreadable(address: str, why: str) -> IntegrityError:
    """What anybody is told who finds something else in a lease's place."""
    return IntegrityError(
        f"{address}: is no lease ({why}); when no attempt of this run is alive, remove it and start the job again"
    )


def this_process() -> Holder:
    """The process that asks. Not cached: a forked child is another one."""
    return Holder(socket.gethostname(), _boot(), _namespace(), os.getpid(), _started(os.getpid()))


@cache
def _boot() -> str:
    return _read(Path("/proc/sys/kernel/random/boot_id")).strip()


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Field 22 of ``/proc/PID/stat`` (proc(5)); empty when there is no such process."""
    after_name = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return after_name[19] if len(after_name) > 19 and after_name[0] not in "ZX" else ""  # a zombie writes nothing


def _is_hidden(pid: int) -> bool:
    """Whether there is such a process, but of another user on a machine that hides those (proc(5), ``hidepid``)."""
    if Path(f"/proc/{pid}").exists():
        return False
    try:
        os.kill(pid, 0)  # sends nothing
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return False


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
