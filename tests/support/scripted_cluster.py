"""A cluster that follows a script: stand-ins for ``helm`` and ``kubectl`` on PATH, for what needs no real one."""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STAND_IN = Path(__file__).with_name("stand_in.py")
KUBERNETES_JOB = "my-style-3f9c2a1b"
MANIFESTS = """\
---
apiVersion: v1
kind: ConfigMap
metadata: {name: RELEASE}
data: {job.json: JOB}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: RELEASE-3f9c2a1b
  labels: {kueue.x-k8s.io/queue-name: gpu-queue}
spec:
  template:
    spec:
      containers:
        - name: sidecar
          image: registry.example.com/other
        - name: trainer
          image: registry.example.com/ml/loraruner@sha256:0000
          env:
            - {name: HOME, value: /workspace/home}
            - {name: WEBHOOK_TOKEN, value: not-for-a-screen}
          resources:
            requests: {cpu: "4", memory: 32Gi}
            limits: {cpu: "8", memory: 32Gi, nvidia.com/gpu: 1}
"""


def pod(name: str, phase: str = "Running", **state: str | int) -> dict[str, str | int]:
    """One pod at one look; ``state`` is of its trainer: ``waiting`` (why), ``started`` (when) or ``code``."""
    return {"name": name, "phase": phase, **state}


@dataclass
class ScriptedCluster:
    """The script, and what was asked. ``looks``: the Job and its pods, one entry each time that somebody looks."""

    folder: Path
    access: str = "yes"  # or "no", or what kubectl complains of
    template: str = ""  # what helm template complains of
    upgrade: str = ""  # what helm upgrade complains of
    manifests: str = MANIFESTS
    names: str = f"configmap/my-style\njob.batch/{KUBERNETES_JOB}"
    looks: list[dict[str, Any]] = field(default_factory=list)
    logs: dict[str, list[str]] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)

    def write(self) -> dict[str, str]:
        """Write script and programs; the environment in which they are the ``helm`` and ``kubectl`` of everyone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fields = ("access", "template", "upgrade", "manifests", "names", "looks", "logs", "messages")
        script = {name: getattr(self, name) for name in fields} | {"job": KUBERNETES_JOB}
        (self.folder / "script.json").write_text(json.dumps(script))
        for name in ("helm", "kubectl"):
            program = self.folder / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} -SE {STAND_IN} {name} {self.folder} "$@"\n')
            program.chmod(0o755)
        return {"PATH": f"{self.folder}:{os.environ['PATH']}"}

    def calls(self, program: str = "") -> list[list[str]]:
        """The arguments of every call, of one program or of both."""
        path = self.folder / "calls.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        calls = [json.loads(line) for line in lines]
        return [each["arguments"] for each in calls if program in ("", each["program"])]

    def job(self) -> Any:
        """The job that Helm was given."""
        return json.loads((self.folder / "job.json").read_text())
