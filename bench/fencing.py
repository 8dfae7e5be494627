"""Races of two attempts for one run on a real S3 server: one writes, the other ends Fenced (76) without a write.

    python bench/fencing.py [--races N] [--no-record]

In every second race both begin at the same instant. In the others the owner freezes (SIGSTOP) while it writes, the
second one takes over, and the first one wakes up beside it.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import results
from ci import seaweedfs
from loraruner import settings
from loraruner.errors import Fenced
from loraruner.lease import FencedStore, acquire
from loraruner.stores import open_store
from loraruner.stores.base import Store
from loraruner.workspace import RunKeys

BUCKET = "races"
LEASE_S = 1.0
KEYS = RunKeys("race-0123456789ab")
LANES = 8  # races under way at a time: they mostly wait
PAUSE_S = 0.02
LET_GO = ".let-go"
LIMIT_S = 120.0


@dataclass
class Outcome:
    """How the races went; ``faults`` is empty when all went as promised."""

    races: int = 0
    one_writer: int = 0
    losers_fenced: int = 0
    under_way_when_frozen: int = 0  # requests that had left before; what they write lies under the old epoch
    writes_after_loss: int = 0
    faults: int = 0


class Contender:
    """A forked process that fights for the run and writes while it owns it; its journal says what it did."""

    def __init__(self, uri: str, journal: Path, *, start_s: float = 0.0) -> None:
        self.journal = journal
        journal.touch()
        self.pid = fork(lambda: contend(uri, journal, start_s))
        self.code: int | None = None

    def entries(self, field: str = "number") -> list[dict[str, Any]]:
        """What it has noted so far: writes that were done, or those that were begun."""
        lines = self.journal.read_text().splitlines(keepends=True)
        noted = (json.loads(line) for line in lines if line.endswith("\n"))
        return [entry for entry in noted if field in entry]

    @property
    def epoch(self) -> int:
        """The epoch that it owned, 0 for none."""
        return max((entry["epoch"] for entry in self.entries()), default=0)

    def await_writes(self, number: int) -> None:
        """Return once it has written so often."""
        await_true(lambda: len(self.entries()) >= number, "a contender does not write")

    def has_ended(self) -> bool:
        """Whether the process is gone; then ``code`` is its exit code."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code is not None

    def let_go(self) -> int:
        """Tell it to leave the run, and wait for its end; the exit code."""
        self.journal.with_suffix(LET_GO).touch()
        await_true(self.has_ended, "a contender did not end")
        assert self.code is not None
        return self.code


def contend(uri: str, journal: Path, start_s: float) -> int:
    """Own the run and write for a while: under the epoch's own keys and over a key that all share."""
    configuration = settings.load()
    store = open_store(uri, configuration)
    capabilities = store.probe()
    time.sleep(max(0.0, start_s - time.monotonic()))
    try:
        with acquire(store, KEYS, capabilities, configuration, pause=time.sleep) as lease, journal.open("a") as notes:
            owned = FencedStore(store, lease)
            while not journal.with_suffix(LET_GO).exists():
                number = time.monotonic_ns()
                note(notes, epoch=lease.epoch, begun=number)
                owned.write(f"{KEYS.checkpoints}e{lease.epoch:04d}-step-{number}/state.json", b"{}")
                owned.write(KEYS.status, json.dumps({"epoch": lease.epoch}).encode())
                note(notes, epoch=lease.epoch, number=number)
                time.sleep(PAUSE_S)
    except Fenced as error:
        return int(error.code)
    return 0


def note(stream: TextIO, **fields: int) -> None:
    """One line in a journal, there even if the process ends the moment after."""
    stream.write(json.dumps(fields) + "\n")
    stream.flush()


def main() -> int:
    """Race, print, record; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--races", type=int, default=100)
    parser.add_argument("--no-record", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fencing-") as folder, seaweedfs.serve(Path(folder, "server")) as endpoint:
        seaweedfs.create_bucket(endpoint, BUCKET)
        os.environ.update({**seaweedfs.environment(endpoint), "LORARUNER_LEASE_S": str(LEASE_S)})
        found = asdict(race(Path(folder), arguments.races))
    print(json.dumps(found, indent=1))
    if not arguments.no_record:
        results.record("fencing", {**found, "lease_s": LEASE_S})
    return 1 if found["faults"] else 0


def race(folder: Path, num_races: int) -> Outcome:
    """All races, some at a time."""
    lanes = []
    for lane in range(LANES):
        report = folder / f"lane-{lane}.json"
        numbers = range(lane, num_races, LANES)
        lanes.append((fork(lambda report=report, numbers=numbers: run_lane(folder, numbers, report)), report))
    total = Outcome()
    for pid, report in lanes:
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
            raise SystemExit("races broke off; see the traceback above")
        for name, value in json.loads(report.read_text()).items():
            setattr(total, name, getattr(total, name) + value)
    return total


def run_lane(folder: Path, numbers: range, report: Path) -> int:
    """One race after the other."""
    outcome = Outcome()
    for number in numbers:
        uri = f"s3://{BUCKET}/race-{number}"
        journals = [folder / f"{number}-{name}.jsonl" for name in "ab"]
        (frozen if number % 2 else together)(uri, journals, random.Random(number), outcome)
        outcome.races += 1
    report.write_text(json.dumps(asdict(outcome)))
    return 0


def together(uri: str, journals: list[Path], draw: random.Random, outcome: Outcome) -> None:
    """Both at the same instant: one owns the run, the other finds it alive and ends with 76."""
    start_s = time.monotonic() + 0.5
    first, second = (Contender(uri, journal, start_s=start_s) for journal in journals)
    await_true(lambda: first.has_ended() or second.has_ended(), "no contender gave way")
    loser, winner = (first, second) if first.has_ended() else (second, first)
    winner.await_writes(1)
    count(outcome, uri, loser, winner)


def frozen(uri: str, journals: list[Path], draw: random.Random, outcome: Outcome) -> None:
    """The owner freezes, is taken over, and wakes up while its successor writes."""
    first = Contender(uri, journals[0])
    first.await_writes(draw.randint(1, 8))
    os.kill(first.pid, signal.SIGSTOP)
    second = Contender(uri, journals[1])
    second.await_writes(draw.randint(1, 8))
    before, begun = shown(uri)[first.epoch], {entry["begun"] for entry in first.entries("begun")}
    os.kill(first.pid, signal.SIGCONT)
    await_true(first.has_ended, "who was frozen did not end")
    late = shown(uri)[first.epoch] - before
    outcome.under_way_when_frozen += len(late & begun)
    outcome.writes_after_loss += len(late - begun)
    outcome.faults += not late <= begun
    count(outcome, uri, first, second)


def count(outcome: Outcome, uri: str, loser: Contender, winner: Contender) -> None:
    """Let the winner go and compare what is in the store with what both know to have written."""
    fenced = (loser.code, winner.let_go()) == (Fenced.code, 0)
    alone = winner.epoch > loser.epoch
    last = json.loads(opened(uri).read(KEYS.status)[0])["epoch"]
    whole = shown(uri).get(winner.epoch) == written(winner)
    outcome.losers_fenced += fenced
    outcome.one_writer += alone
    outcome.faults += not (fenced and alone and whole and last == winner.epoch)


def await_true(happened: Callable[[], bool], otherwise: str) -> None:
    """Return once it has happened."""
    deadline = time.monotonic() + LIMIT_S
    while not happened():
        if time.monotonic() > deadline:
            raise SystemExit(otherwise)
        time.sleep(PAUSE_S)


def written(contender: Contender) -> set[int]:
    """The checkpoints that it knows to have written."""
    return {entry["number"] for entry in contender.entries()}


def shown(uri: str) -> dict[int, set[int]]:
    """The checkpoints in the store, by epoch."""
    found: dict[int, set[int]] = {}
    for info in opened(uri).list(KEYS.checkpoints):
        name = info.key.removeprefix(KEYS.checkpoints).split("/")[0]
        found.setdefault(int(name[1:5]), set()).add(int(name.rpartition("-")[2]))
    return found


def opened(uri: str) -> Store:
    """The store of a race."""
    return open_store(uri, settings.load())


def fork(work: Callable[[], int]) -> int:
    """The id of a process that ends with what ``work`` returns."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        code = work()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
