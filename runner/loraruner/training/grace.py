"""Whether ``checkpoint.grace_s`` is enough to leave in order: measured on this machine, with this store."""

import logging
from dataclasses import dataclass

_LOG = logging.getLogger(__name__)


@dataclass
class Grace:
    """Compares what leaving after a signal takes with the job's ``grace_s``: told once, warned of once.

    After SIGTERM the step under way is finished, its state is copied to host memory, and the checkpoint and the logs
    are sent. The loop notes the longest step and copy, the uploader's thread how long a commit took.
    """

    grace_s: int
    step_s: float = 0.0  # the longest so far
    snapshot_s: float = 0.0
    _told: bool = False
    _warned: bool = False

    def stepped(self, seconds: float) -> None:
        """A step took so long; cheap, called in every one."""
        self.step_s = max(self.step_s, seconds)

    def copied(self, seconds: float) -> None:
        """The copy of a checkpoint's state to host memory took so long."""
        self.snapshot_s = max(self.snapshot_s, seconds)

    def committed(self, seconds: float) -> None:
        """Sending the logs and the checkpoint took so long; told the first time, warned of once it is too long."""
        needed_s = self.step_s + self.snapshot_s + seconds
        if needed_s > self.grace_s and not self._warned:
            self._warned = True
            _LOG.warning(
                "leaving in order takes %.1f s here (step %.1f s, checkpoint and upload %.1f s), more than "
                "$.checkpoint.grace_s = %d s: a stopped attempt would lose the steps since its last checkpoint; raise "
                "$.checkpoint.grace_s and the pod's terminationGracePeriodSeconds (to at least 20 s more than it)",
                needed_s,
                self.step_s,
                needed_s - self.step_s,
                self.grace_s,
            )
        elif not self._told:
            _LOG.info(
                "leaving in order takes %.1f s here (step %.1f s, checkpoint and upload %.1f s); "
                "$.checkpoint.grace_s is %d s",
                needed_s,
                self.step_s,
                needed_s - self.step_s,
                self.grace_s,
            )
        self._told = True
