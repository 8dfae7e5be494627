"""What the global options say, for every command."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CliContext:
    """The global options; ``ctx.obj`` of every command."""

    log_format: str = "auto"  # "auto" | "text" | "json"
    log_level: str = "info"  # "debug" | "info" | "warning" | "error"

    def text_log(self, on_terminal: bool) -> bool:
        """Whether the log is short lines for people rather than JSON lines."""
        return self.log_format == "text" or (self.log_format == "auto" and on_terminal)
