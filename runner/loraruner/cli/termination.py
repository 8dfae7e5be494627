"""How a command ended, in one line, where Kubernetes reads it (``LORARUNER_TERMINATION_LOG``)."""

import json
import logging

from loraruner import settings
from loraruner.errors import ExitCode
from loraruner.redact import Redactor

_LOG = logging.getLogger(__name__)
LIMIT_BYTES = 4096


def note(code: int, reason: str) -> int:
    """Write code, name and a one-line reason (below 4 KiB, secrets struck) if the operator asked; returns ``code``."""
    path = settings.termination_log()  # not settings.load(): a variable that it refuses is a reason to be noted too
    if path:
        text = " ".join(Redactor(settings.secrets()).text(reason).split())
        name = ExitCode(code).name if code in ExitCode.__members__.values() else "OTHER"
        fields = {"code": int(code), "name": name, "reason": text[: LIMIT_BYTES // 8]}
        line = json.dumps(fields, ensure_ascii=False)  # at most 4 bytes a character
        try:
            path.write_text(line + "\n", encoding="utf-8", errors="replace")
        except OSError as error:  # how the run ended counts more than who reads it
            reason = error.strerror or str(error)
            _LOG.warning("LORARUNER_TERMINATION_LOG: %s cannot be written (%s); name a file that can", path, reason)
    return int(code)
