"""What the global options say, for every command."""

import sys
from dataclasses import dataclass

from loraruner import settings
from loraruner.settings import Settings


@dataclass(frozen=True)
class CliContext:
    """The global options; ``ctx.obj`` of every command."""

    log_format: str = "auto"  # "auto" | "text" | "json"
    log_level: str = "info"  # "debug" | "info" | "warning" | "error"

    @property
    def text_log(self) -> bool:
        """Whether the log is short lines for people rather than JSON lines."""
        return self.log_format == "text" or (self.log_format == "auto" and sys.stderr.isatty())

    def start(self) -> Settings:
        """Read the operator's settings and begin to log, secrets struck; what touches a store calls it first."""
        from loraruner import log

        environment = settings.load()
        log.configure(text=self.text_log, level=self.log_level, secrets=environment.secrets)
        return environment
