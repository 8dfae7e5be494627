"""Those who are told of a run, in tests: a notifier that keeps messages, a run, a manifest to tell of."""

import threading
from dataclasses import dataclass, field
from typing import Any

from loraruner import settings
from loraruner.notifiers.base import Message, RunFacts
from loraruner.settings import Settings

SECRET = "planted-webhook-secret-0451"
JOB: dict[str, Any] = {
    "name": "tiny",
    "task": "text-to-image",
    "model": {"base": "s3://models/base"},
    "data": {"uri": "s3://data/set"},
    "output": {"uri": "s3://loras"},
    "labels": {"project": "Neon", "team": "brand", "expires": "2027-01-01"},
}


@dataclass
class Listener:
    """Keeps what it is told. ``errors`` are raised first; ``hold`` is waited for in each send."""

    key: str = "webhook:test"
    messages: list[Message] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    hold: threading.Event | None = None
    entered: threading.Event = field(default_factory=threading.Event)

    def send(self, message: Message) -> None:
        self.entered.set()
        if self.hold:
            self.hold.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.messages.append(message)

    @property
    def ids(self) -> list[str]:
        return [message.id for message in self.messages]


def operator(**variables: str) -> Settings:
    """The operator's settings with these variables set."""
    return settings.load({"HOME": "/dev/null/home", **variables})


def run_facts(**fields: Any) -> RunFacts:
    """Run ``tiny-0123`` of ``JOB`` with its defaults."""
    from loraruner import spec

    job = spec.to_document(spec.load(_data(JOB)).spec)
    given = {"run_id": "tiny-0123", "attempt": 1, "started": "2026-03-01T10:00:00+00:00", "address": "s3://loras/tiny"}
    return RunFacts(**{**given, "job": job, **fields})


def manifest(**fields: Any) -> dict[str, Any]:
    """What a version's manifest tells, as far as messages read it."""
    document: dict[str, Any] = {
        "version": "3",
        "created": "2026-03-01T12:22:00+00:00",
        "attempts": 2,
        "steps": 400,
        "epochs": 4,
        "gpu_seconds": 8520.0,
        "seconds": {"training": 8520.0},
        "peak_memory": {"host_bytes": 9_000_000_000, "gpu_bytes": 18_700_000_000},
        "data": {"used": 180},
        "metrics": {"last_loss": 0.0812, "evaluation_after": {"step": 400, "loss": 0.09}, "samples": {"wer": 0.1}},
        "adapters": [
            {"format": "peft", "name": "adapter_model.safetensors"},
            {"format": "kohya", "name": "tiny.safetensors"},
        ],
        "files": [
            {"name": name} for name in ("report.html", "train.log", "tiny.safetensors", "adapter_model.safetensors")
        ],
    }
    return {**document, **fields}


def _data(document: dict[str, Any]) -> bytes:
    import json

    return json.dumps(document).encode()
