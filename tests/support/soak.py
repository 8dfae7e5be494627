"""Runs that are killed at random instants and started again, until each has published what it should."""

import json
import os
import random
import shutil
import signal
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.support import forked, shown
from tests.support.forked import BEFORE_STAGES, Forked, Moment
from tests.support.user import write_job, write_pictures

MOST_KILLS_OF_A_RUN = 3
SHARE_EMPTIED = 1 / 3  # of the attempts start with an empty workspace and cache
OFFLINE = {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
NUM_PICTURES = 6
JOB = {
    "lora": {"rank": 2, "alpha": 2, "dropout": 0.2},
    "training": {"max_steps": 5, "batch_size": 2, "precision": "fp32", "learning_rate": 0.01},
    "evaluation": {"fraction": 0.2, "every_steps": 2},
    "checkpoint": {"every_steps": 2, "keep": 2},
    "sampling": {"prompts": ["colour 1"]},
}


@dataclass
class Tally:
    """Kills that were done: ``survived`` ones harmed nothing, and the run they hit published the right bytes."""

    survived: int = 0
    lost: int = 0
    by_stage: dict[str, int] = field(default_factory=dict)
    runs: int = 0
    attempts: int = 0
    seed_next: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, run: "Killed") -> None:
        """Count a run that has ended."""
        self.runs += 1
        self.attempts += run.num_attempts
        self.seed_next += 1
        self.survived += 0 if run.faults else len(run.stages)
        self.lost += len(run.stages) if run.faults else 0
        self.faults += run.faults
        self.by_stage = dict(sorted((Counter(self.by_stage) + Counter(run.stages)).items()))


@dataclass
class Killed:
    """One run: the stages in which its attempts were killed, and what was wrong at any time (nothing, one hopes)."""

    stages: list[str] = field(default_factory=list)
    num_attempts: int = 0
    faults: list[str] = field(default_factory=list)


class Soak:
    """Kills runs of one small job. ``output`` is where they publish: a folder, or ``s3://BUCKET/...``.

    Forks: the process must have no other thread (``tests.support.forked``).
    """

    def __init__(self, folder: Path, output: str | None = None) -> None:
        os.environ.update(OFFLINE)
        self.folder, self.output = folder, output or str(folder / "out")
        self.job = self._write_job()
        forked.import_what_an_attempt_imports(*self._attempt("warm", folder / "warm"), folder / "warm")
        straight = self.start("straight", folder / "straight")
        assert straight.wait() == 0, (folder / "straight/stderr.txt").read_text()[-2000:]
        self.expected = self._read("straight")
        self.durations_s = straight.durations_s()
        assert not shown.differences(self._read("warm"), self.expected)

    @property
    def duration_s(self) -> float:
        """How long an uninterrupted attempt takes."""
        return sum(self.durations_s.values())

    def run(self, seed: int) -> Killed:
        """Kill a run 1 to 3 times at instants drawn from ``seed``, looking at the store after each; let it finish.

        The first instant lies in a stage that goes round with the seed, in every second round at its very beginning,
        so that short stages are met too, however fast the machine is just now; the others lie anywhere.
        """
        draw, name, killed = random.Random(seed), f"run-{seed}", Killed()
        stages = list(self.durations_s)
        for number in range(draw.randint(1, MOST_KILLS_OF_A_RUN)):
            stage = BEFORE_STAGES if number else stages[seed % len(stages)]
            span_s = self.duration_s if number else self.durations_s[stage] * (seed // len(stages) % 2)
            attempt = self._next(name, draw, killed)
            if attempt.wait(Moment(stage, draw.uniform(0, span_s))) != -signal.SIGKILL:
                break
            killed.stages.append(attempt.stage)
            killed.faults += self._shown(name, attempt.stage)
        else:
            attempt = self._next(name, draw, killed)
            attempt.wait()
        killed.faults += self._ended(name, attempt, killed.stages)
        if not killed.faults:
            self._remove(name)
        return killed

    def _ended(self, name: str, attempt: Forked, stages: list[str]) -> list[str]:
        """What is wrong with a run whose last attempt has ended."""
        said = self.folder / name
        if attempt.code != 0:
            last = (said / "stderr.txt").read_text().splitlines()[-1:]
            return [f"an attempt after kills in {stages} ended with {attempt.code}: {last}"]
        before = json.loads((said / "stdout.txt").read_text())["already_published"]
        different = shown.differences(self.expected, self._read(name), told_before=before)
        return [*self._shown(name, "the end"), *different]

    def start(self, name: str, folder: Path) -> Forked:
        """One attempt at the run that publishes under ``name``, with workspace and cache in ``folder``."""
        return forked.start(*self._attempt(name, folder), folder)

    def _next(self, name: str, draw: random.Random, killed: Killed) -> Forked:
        killed.num_attempts += 1
        folder = self.folder / name
        if draw.random() < SHARE_EMPTIED:
            shutil.rmtree(folder, ignore_errors=True)
        return self.start(name, folder)

    def _attempt(self, name: str, folder: Path) -> tuple[list[str], dict[str, str]]:
        environment = {"LORARUNER_CACHE": str(folder / "cache"), "LORARUNER_WORKDIR": str(folder / "work")}
        return ["train", str(self.job), "--set", f"output.uri={self._place(name)}"], environment

    def _write_job(self) -> Path:
        from tests.support.tiny_sd import write_tiny_base

        self.folder.mkdir(parents=True, exist_ok=True)
        forked.call(partial(write_tiny_base, self.folder / "base", vae_blocks=4, num_merges=100))
        job = write_job(self.folder, self.folder / "base", **JOB)
        shutil.rmtree(self.folder / "pictures")
        write_pictures(self.folder / "pictures", NUM_PICTURES)
        return job

    def _place(self, name: str) -> str:
        return f"{self.output}/{name}"

    def _shown(self, name: str, when: str) -> list[str]:
        found: list[str] = forked.call(partial(shown.faults, f"{self._place(name)}/tiny"))
        return [f"after {when}: {fault}" for fault in found]

    def _read(self, name: str) -> dict[str, Any]:
        read: dict[str, Any] = forked.call(partial(shown.outcome, f"{self._place(name)}/tiny"))
        return read

    def _remove(self, name: str) -> None:
        for place in (self.folder / name, Path(self._place(name))):
            shutil.rmtree(place, ignore_errors=True)
