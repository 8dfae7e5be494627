"""How a command ended, in one line, where Kubernetes reads it (``LORARUNER_TERMINATION_LOG``)."""

import json

from loraruner import settings
from loraruner.errors import ExitCode
from loraruner.redact import Redactor

LIMIT_BYTES = 4096


def note(code: int, reason: str) -> int:
    """Write code, name and a one-line reason (below 4 KiB, secrets struck) if the operator asked; returns ``code``."""
    environment = settings.load()
    if environment.termination_log:
        text = " ".join(Redactor(environment.secrets).text(reason).split())
        name = ExitCode(code).name if code in ExitCode.__members__.values() else "OTHER"
        line = json.dumps({"code": int(code), "name": name, "reason": text[: LIMIT_BYTES // 8]})
        environment.termination_log.write_text(line + "\n")
    return int(code)
