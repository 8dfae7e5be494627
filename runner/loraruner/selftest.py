"""Proofs that a user can run: the same job uninterrupted and killed must give the same bits."""

import hashlib
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loraruner.errors import ExitCode, IntegrityError, LoraRunerError

_LOG = logging.getLogger(__name__)
POLL_S = 0.02
ATTEMPT_LIMIT_S = 3600.0


@dataclass(frozen=True)
class Outcome:
    """What a run left: SHA-256 of the tensor bytes by file, the loss by step, and its manifest."""

    tensors: Mapping[str, str]
    losses: Mapping[int, float]
    manifest: Mapping[str, Any]


def prove_resume(job: Path, overrides: Sequence[str], *, num_steps: int, seed: int, folder: Path) -> dict[str, Any]:
    """Train ``job`` for ``num_steps`` twice: once through, once killed (SIGKILL) and stopped (SIGTERM) at random steps.

    Every attempt of the second run starts with an empty workspace and cache, in ``folder``. Returns the comparison;
    raises IntegrityError (74) where the runs differ.
    """
    draw = random.Random(seed)
    kills = sorted(draw.sample(range(2, num_steps), 2))
    length = ["training.epochs=null", f"training.max_steps={num_steps}"]
    fixed = [*overrides, *length, "checkpoint.every_steps=2", "checkpoint.resume=auto", "sampling.prompts=[]"]
    straight = _Runner(job, fixed, folder / "uninterrupted")
    straight.finish()
    broken = _Runner(job, fixed, folder / "interrupted")
    broken.interrupt(kills[0], signal.SIGKILL)
    broken.interrupt(kills[1], signal.SIGTERM)
    broken.finish()
    expected, found = straight.outcome(), broken.outcome()
    difference = _difference(expected, found)
    if not difference and not found.manifest["resumed_from_step"]:
        difference = "the interrupted run did not resume but began again"
    report = {
        "equal": difference is None,
        "steps": num_steps,
        "interrupted": [
            {"signal": "SIGKILL", "after_step": kills[0]},
            {"signal": "SIGTERM", "after_step": kills[1]},
        ],
        "attempts": found.manifest["attempts"],
        "files": [{"name": name, "tensor_sha256": digest} for name, digest in found.tensors.items()],
        "last_loss": found.losses[num_steps],
    }
    if difference:
        raise IntegrityError(f"resume is not exact on this machine: {difference}")
    return report


class _Runner:
    """Runs attempts of one job in processes of their own, each with an empty workspace and cache."""

    def __init__(self, job: Path, overrides: Sequence[str], folder: Path) -> None:
        self._output = folder / "output"
        self._scratch = folder / "scratch"
        self._errors = folder / "stderr.txt"  # no pipe: it would fill while we wait, and hold the attempt up
        settings = [f"output.uri={self._output.absolute()}", *overrides]
        arguments = [argument for each in settings for argument in ("--set", each)]
        self._command = [sys.executable, "-m", "loraruner", "train", str(job), *arguments]

    def finish(self) -> None:
        """One attempt that must reach the end."""
        process = self._start()
        if process.wait(ATTEMPT_LIMIT_S) != ExitCode.OK:
            raise _attempt_failed(process.returncode, self._errors.read_bytes())

    def interrupt(self, step: int, number: signal.Signals) -> None:
        """One attempt that gets a signal once it has done ``step`` steps."""
        process = self._start()
        deadline = time.monotonic() + ATTEMPT_LIMIT_S
        while process.poll() is None and self._last_step() < step and time.monotonic() < deadline:
            time.sleep(POLL_S)
        process.send_signal(number)
        process.wait(ATTEMPT_LIMIT_S)
        wanted = (-signal.SIGKILL,) if number == signal.SIGKILL else (ExitCode.PREEMPTED, ExitCode.OK)
        if process.returncode not in wanted:
            raise _attempt_failed(process.returncode, self._errors.read_bytes())
        _LOG.info("%s after step %d: the attempt ended with %d", number.name, step, process.returncode)

    def outcome(self) -> Outcome:
        """Read the published version back."""
        manifest_path = next(self._output.glob("*/versions/*/manifest.json"))
        manifest = json.loads(manifest_path.read_text())
        files = sorted(manifest_path.parent.glob("*.safetensors"))
        lines = (json.loads(line) for line in (manifest_path.parent / "metrics.jsonl").read_text().splitlines())
        losses = {record["step"]: record["loss"] for record in lines if record["group"] == "train"}
        return Outcome({path.name: _tensor_digest(path) for path in files}, losses, manifest)

    def _start(self) -> subprocess.Popen[bytes]:
        shutil.rmtree(self._scratch, ignore_errors=True)
        folders = {"LORARUNER_WORKDIR": str(self._scratch / "work"), "LORARUNER_CACHE": str(self._scratch / "cache")}
        environment = {**os.environ, **folders}
        self._errors.parent.mkdir(parents=True, exist_ok=True)
        with self._errors.open("wb") as errors:
            return subprocess.Popen(self._command, env=environment, stdout=subprocess.DEVNULL, stderr=errors)

    def _last_step(self) -> int:
        steps = [0]
        for path in self._scratch.glob("work/*/logs/*/metrics.jsonl"):
            whole = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
            steps += [json.loads(whole[-1])["step"]] if whole else []
        return max(steps)


def _attempt_failed(code: int, errors: bytes) -> LoraRunerError:
    last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
    error = LoraRunerError(f"an attempt ended with {code}: {last[0]}")
    error.code = ExitCode(code) if code in ExitCode.__members__.values() else ExitCode.INTERNAL
    return error


def _tensor_digest(path: Path) -> str:
    """SHA-256 of everything after the safetensors header."""
    data = path.read_bytes()
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()


def _difference(expected: Outcome, found: Outcome) -> str | None:
    """Where two runs differ first, or None."""
    for step, loss in sorted(expected.losses.items()):
        if found.losses.get(step) != loss:
            return f"the loss of step {step} is {found.losses.get(step)} instead of {loss}"
    if expected.losses.keys() != found.losses.keys():
        return f"{len(found.losses)} steps are recorded instead of {len(expected.losses)}"
    for name, digest in expected.tensors.items():
        if found.tensors.get(name) != digest:
            return f"the tensors of {name} differ although all losses are equal"
    return None
