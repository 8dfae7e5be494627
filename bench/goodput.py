"""What interruptions cost: the style example is preempted again and again, and the parts of the cost are measured.

    python bench/goodput.py [--preemptions N] [--every SECONDS] [--no-record]

Every attempt is a process of its own, as in a container, on a warm cache. From the parts follows the goodput with a
preemption every 10 minutes: the share of the time in which steps are trained.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import results
from loraruner.spec.model import Checkpoint

ROOT = Path(__file__).parents[1]
JOB = "examples/style/job.json"
ATTEMPT = "--as-attempt"
PERIOD_S = 600.0
STEPS_AN_ATTEMPT_MAY_DO = 100_000
LIMIT_S = 900.0
POLL_S = 0.01


class Attempt:
    """One attempt: a process, and the file to which it writes what it does."""

    def __init__(self, folder: Path, number: int, num_steps: int) -> None:
        self.diary = folder / f"diary-{number}.jsonl"
        self.diary.touch()
        settings = [
            f"output.uri={folder / 'out'}",
            f"training.max_steps={num_steps}",
            "sampling.prompts=[]",
            'output.formats=["peft"]',
        ]
        arguments = [part for each in settings for part in ("--set", each)]
        places = {"LORARUNER_WORKDIR": str(folder / "work"), "LORARUNER_CACHE": str(folder / "cache")}
        with (folder / f"stderr-{number}.txt").open("wb") as errors:
            self.started_s = time.time()
            self.process = subprocess.Popen(
                [sys.executable, __file__, ATTEMPT, str(self.diary), "train", JOB, *arguments],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1", **places},
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def entries(self, kind: str) -> list[dict[str, Any]]:
        """What it has written of one kind."""
        lines = self.diary.read_text().splitlines(keepends=True)
        records = (json.loads(line) for line in lines if line.endswith("\n"))
        return [record for record in records if record["kind"] == kind]

    def await_first_step(self) -> float:
        """Seconds from the start of the process to the end of its first step."""
        deadline = time.monotonic() + LIMIT_S
        while not (steps := self.entries("step")):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"an attempt ended with {self.process.poll()} before its first step")
            time.sleep(POLL_S)
        return float(steps[0]["at_s"]) - self.started_s

    def preempt(self) -> float:
        """SIGTERM; seconds until the process has ended."""
        sent_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(LIMIT_S)
        if code != 85:
            raise SystemExit(f"a preempted attempt ended with {code} instead of 85")
        return time.monotonic() - sent_s


def main() -> None:
    """Measure, print, record."""
    if sys.argv[1:2] == [ATTEMPT]:
        run_attempt(Path(sys.argv[2]), sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preemptions", type=int, default=4)
    parser.add_argument("--every", type=float, default=25.0, help="seconds of training between two (default 25)")
    parser.add_argument("--no-record", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="goodput-") as folder:
        found = measure(Path(folder), arguments.preemptions, arguments.every)
    print(json.dumps(found, indent=1))
    if not arguments.no_record:
        results.record("goodput", found)


def measure(folder: Path, num_preemptions: int, every_s: float) -> dict[str, Any]:
    """Preempt a run again and again; its last attempt is preempted too, so that only training counts."""
    attempts: list[Attempt] = []
    first_step_s, leaving_s = [], []
    started_s = time.monotonic()
    for number in range(num_preemptions + 1):
        attempts.append(Attempt(folder, number, STEPS_AN_ATTEMPT_MAY_DO))
        first_step_s.append(attempts[-1].await_first_step())
        time.sleep(every_s)
        leaving_s.append(attempts[-1].preempt())
    total_s = time.monotonic() - started_s
    steps = [step for attempt in attempts for step in attempt.entries("step")]
    numbers = [step["step"] for step in steps]
    useful_s = sum({step["step"]: step["step_s"] for step in steps}.values())
    saves = [entry["taken_s"] for attempt in attempts for entry in attempt.entries("save")]
    commits = [entry["taken_s"] for attempt in attempts for entry in attempt.entries("commit")]
    step_s = statistics.median(step["step_s"] for step in steps)
    checkpoint = Checkpoint()  # the example takes the defaults
    period_s = min(checkpoint.every_steps * step_s, checkpoint.every_s)
    cost_s = statistics.median(leaving_s) + statistics.median(first_step_s[1:])
    training_s = useful_s + sum(saves)
    return {
        "attempts": len(attempts),
        "commit_s": round(statistics.median(commits), 4),
        "every_s": every_s,
        "executed": round(useful_s / total_s, 4),
        "executed_s": round(total_s, 1),
        "first_step_cold_s": round(first_step_s[0], 2),
        "first_step_s": round(statistics.median(first_step_s[1:]), 2),
        "leaving_s": round(statistics.median(leaving_s), 2),
        "preempted_every_600_s": round((1 - cost_s / PERIOD_S) * useful_s / training_s, 4),
        "save_s": round(statistics.median(saves), 5),
        "share_on_the_training_thread": round(statistics.median(saves) / period_s, 6),
        "share_with_upload": round((statistics.median(saves) + statistics.median(commits)) / period_s, 6),
        "step_s": round(step_s, 4),
        "steps": len(set(numbers)),
        "steps_lost": len(numbers) - len(set(numbers)) + max(numbers) - len(set(numbers)),
    }


def run_attempt(diary: Path, arguments: list[str]) -> None:
    """The command line, writing down each step, each checkpoint's snapshot, and each commit."""
    from loraruner.cli import main as command_line
    from loraruner.cli import progress
    from loraruner.events import Emit, Event, StepDone
    from loraruner.training.checkpoints import Shelf
    from loraruner.training.loop import Loop

    stream = diary.open("a", buffering=1)

    def write(kind: str, **fields: Any) -> None:
        stream.write(json.dumps({"kind": kind, **fields}) + "\n")

    def see(event: Event) -> None:
        if isinstance(event, StepDone):
            write("step", step=event.step, step_s=event.step_s, at_s=time.time())

    @contextmanager
    def watched(live: bool) -> Iterator[Emit]:
        yield see

    progress.watched = watched
    setattr(Loop, "_save", timed(Loop._save, lambda taken_s: write("save", taken_s=taken_s)))  # noqa: B010
    setattr(Shelf, "commit", timed(Shelf.commit, lambda taken_s: write("commit", taken_s=taken_s)))  # noqa: B010
    command_line(arguments)


def timed(function: Callable[..., Any], note: Callable[[float], None]) -> Callable[..., Any]:
    """The same function, telling how long each call took."""

    def measured(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        result = function(*arguments, **named)
        note(time.perf_counter() - started)
        return result

    return measured


if __name__ == "__main__":
    main()
