"""What happened to each task, and what the whole look comes to."""

from collections.abc import Sequence
from dataclasses import dataclass

from loraruner.errors import ExitCode, LoraRunerError, Preempted


@dataclass(frozen=True)
class Outcome:
    """What happened to one task.

    ``started``, ``resumed`` (a local run that had been stopped), ``already`` (was started before), ``claimed``
    (another dispatcher is at it), ``busy`` (an older run of the task is under way), ``fault`` (people were told now),
    ``told`` (they were told before), ``gone`` (deleted or moved meanwhile), ``error``, or with ``dry_run``
    ``would start`` and ``would tell``. ``code`` is the exit code that it stands for.
    """

    task: str
    happened: str
    code: int = 0
    title: str = ""
    run_id: str | None = None
    kubernetes_job: str | None = None
    version: str | None = None
    reasons: tuple[str, ...] = ()


def require_well(outcomes: Sequence[Outcome], *, stopped: bool) -> None:
    """Raise what the whole look comes to: Preempted (85) after a signal, else the first task that is not well."""
    if stopped:
        raise Preempted("a signal ended the look at the list; the same command again goes on where it stopped")
    bad = [each for each in outcomes if each.code]
    if bad:
        raise TasksUnwell(bad, len(outcomes))


class TasksUnwell(LoraRunerError):
    """Some tasks did not start, or what they started failed; the code is that of the first."""

    def __init__(self, bad: Sequence[Outcome], num_tasks: int) -> None:
        first = bad[0]
        why = first.reasons[0] if first.reasons else f"its run {first.run_id} ended with {first.code}"
        super().__init__(f"{len(bad)} of {num_tasks} tasks are not well; the first is {first.task}: {why}")
        known = {int(each) for each in ExitCode}
        self.code: ExitCode = ExitCode(first.code) if first.code in known else ExitCode.INTERNAL
