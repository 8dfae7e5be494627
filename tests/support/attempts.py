"""Attempts at one job, each a process of its own to which something may happen."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.user import ROOT, Told


class Attempts:
    """Attempts at one job in processes of their own, each with an empty workspace and cache.

    ``cache`` is one that they share, as on one machine.
    """

    def __init__(self, job: Path, *overrides: str, cache: Path | None = None) -> None:
        self.job, self.folder, self.count, self.cache = job, job.parent, 0, cache
        self.settings = [part for each in overrides for part in ("--set", each)]

    def run(self, moment: str = "never", *overrides: str) -> Told:
        """One attempt to which something happens at ``moment`` (``tests.support.stopped_run``)."""
        self.count += 1
        scratch = self.folder / f"attempt-{self.count}"
        places = {"LORARUNER_CACHE": str(self.cache or scratch / "cache"), "LORARUNER_WORKDIR": str(scratch / "work")}
        settings = [*self.settings, *(part for each in overrides for part in ("--set", each))]
        command = [sys.executable, "-m", "tests.support.stopped_run", moment, "train", str(self.job), *settings]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **places}, capture_output=True, text=True, timeout=300
        )
        return Told(done.returncode, done.stdout, done.stderr)

    @property
    def output(self) -> Path:
        """What is published as ``tiny``."""
        return self.folder / "out" / "tiny"

    def manifest(self, version: str = "1") -> dict[str, object]:
        document: dict[str, object] = json.loads((self.output / "versions" / version / "manifest.json").read_text())
        return document

    def tensors(self) -> dict[str, bytes]:
        """What stands after the header of each file of weights of version 1."""
        files = {path.name: path.read_bytes() for path in self.output.glob("versions/1/*.safetensors")}
        return {name: data[8 + int.from_bytes(data[:8], "little") :] for name, data in files.items()}

    def latest(self) -> str:
        """The version that ``latest.json`` names."""
        return str(json.loads((self.output / "latest.json").read_text())["version"])

    def steps(self) -> list[int]:
        """The steps that the attempts trained, in order; one that was done again stands there again."""
        logs = sorted(self.output.glob("runs/*/logs/*/metrics.jsonl"), key=lambda path: int(path.parts[-2][8:]))
        records = [json.loads(line) for path in logs for line in path.read_text().splitlines()]
        return [record["step"] for record in records if record["group"] == "train"]

    def faults(self) -> list[str]:
        """What the store shows that is not whole."""
        from tests.support.shown import faults

        return faults(str(self.output))
