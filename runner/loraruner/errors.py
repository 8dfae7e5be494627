"""Every way a run can end, and the exit code of each.

The table is a public contract: the Kubernetes Job's ``podFailurePolicy`` is built on it.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Literal


class ExitCode(IntEnum):
    """Exit codes of the ``loraruner`` process."""

    OK = 0
    USAGE = 2
    SPEC_INVALID = 64
    DATA_INVALID = 65
    INPUT_MISSING = 66
    INTERNAL = 70
    VERSION_CONFLICT = 73
    INTEGRITY = 74
    TEMPFAIL = 75
    FENCED = 76
    NO_PERMISSION = 77
    ENVIRONMENT = 78
    DIVERGED = 79
    PAUSED = 80
    REJECTED = 81
    EXHAUSTED = 82
    PREEMPTED = 85


PodAction = Literal["FailJob", "Ignore", "Count"]

# What a Kubernetes Job does about a pod that ended so: give up, start another pod, or start another and count it
# against backoffLimit. Of the pods that it ignores, LORARUNER_MAX_ATTEMPTS bounds the number.
POD_ACTIONS: Mapping[ExitCode, PodAction] = {
    ExitCode.USAGE: "FailJob",
    ExitCode.SPEC_INVALID: "FailJob",
    ExitCode.DATA_INVALID: "FailJob",
    ExitCode.INPUT_MISSING: "FailJob",
    ExitCode.INTERNAL: "Count",
    ExitCode.VERSION_CONFLICT: "FailJob",
    ExitCode.INTEGRITY: "Count",
    ExitCode.TEMPFAIL: "Count",
    ExitCode.FENCED: "Ignore",
    ExitCode.NO_PERMISSION: "FailJob",
    ExitCode.ENVIRONMENT: "Count",
    ExitCode.DIVERGED: "FailJob",
    ExitCode.PAUSED: "FailJob",
    ExitCode.REJECTED: "FailJob",
    ExitCode.EXHAUSTED: "FailJob",
    ExitCode.PREEMPTED: "Ignore",
}


class LoraRunerError(Exception):
    """Base of every error that a user can meet: one sentence (what, where, value, fix) and an exit code."""

    code: ExitCode = ExitCode.INTERNAL
    retry_helps: bool = False


class SpecInvalid(LoraRunerError):
    """The job is malformed or contradicts itself."""

    code = ExitCode.SPEC_INVALID


class DataInvalid(LoraRunerError):
    """The data set or the base model is malformed, refused, or not what its digest says."""

    code = ExitCode.DATA_INVALID


class InputMissing(LoraRunerError):
    """A required input does not exist."""

    code = ExitCode.INPUT_MISSING


class VersionConflict(LoraRunerError):
    """The version exists already and holds other content."""

    code = ExitCode.VERSION_CONFLICT


class IntegrityError(LoraRunerError):
    """Bytes still differ from their digest after retries."""

    code = ExitCode.INTEGRITY
    retry_helps = True


class TemporaryFailure(LoraRunerError):
    """A store stayed unavailable after retries."""

    code = ExitCode.TEMPFAIL
    retry_helps = True


class Fenced(LoraRunerError):
    """Another attempt owns this run; this one wrote nothing more to the store."""

    code = ExitCode.FENCED


class NoPermission(LoraRunerError):
    """Access was denied (401, 403, a read-only file system); never read as "not there"."""

    code = ExitCode.NO_PERMISSION


class EnvironmentUnfit(LoraRunerError):
    """This machine cannot run the job: no GPU, too little disk or memory."""

    code = ExitCode.ENVIRONMENT
    retry_helps = True


class Diverged(LoraRunerError):
    """The loss is not finite any more, or training changed nothing; nothing is published."""

    code = ExitCode.DIVERGED


class Paused(LoraRunerError):
    """The monitor stopped the run (``monitor.on_plateau``); checkpoint and adapter are kept, nothing is published."""

    code = ExitCode.PAUSED


class Exhausted(LoraRunerError):
    """The run has used up its attempts (``LORARUNER_MAX_ATTEMPTS``)."""

    code = ExitCode.EXHAUSTED


class Preempted(LoraRunerError):
    """SIGTERM or SIGINT was handled; all committed work is kept and the same job resumes."""

    code = ExitCode.PREEMPTED
    retry_helps = True
