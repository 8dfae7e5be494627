"""Tasks of a ClickUp list that are ready to train, each started once for each time it came into that status.

For every task: the job from the template and the task's fields, a claim in the store, the start, the status moved. What
is wrong with one task never stops the others; people are told of it in a comment, once.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loraruner import policy
from loraruner.clients.answers import Refused
from loraruner.clients.clickup_records import Task, Times
from loraruner.clients.kubernetes import Cluster
from loraruner.dispatch import claims, local
from loraruner.dispatch import cluster as clusters
from loraruner.dispatch import template as templates
from loraruner.dispatch.board import Board, files_of
from loraruner.dispatch.claims import Claim
from loraruner.dispatch.outcome import Outcome
from loraruner.dispatch.template import Template
from loraruner.errors import (
    DataInvalid,
    EnvironmentUnfit,
    ExitCode,
    InputMissing,
    LoraRunerError,
    NoPermission,
    SpecInvalid,
)
from loraruner.redact import Redactor
from loraruner.settings import Settings
from loraruner.spec import JobInvalid
from loraruner.spec.addresses import CLICKUP_TASK
from loraruner.stores import open_store
from loraruner.stores.base import Store

_LOG = logging.getLogger(__name__)
LOCAL, KUBERNETES = "local", "kubernetes"
# After these the same run can go on; everything else is final, or needs somebody.
RESUMABLE = (ExitCode.TEMPFAIL, ExitCode.PREEMPTED)
CLICK_APP = "Total time in Status"
MAX_TOLD = 10  # faults in one comment
NO_FILES = "Attachments: there are none to train on; attach the data to this task"


@dataclass(frozen=True)
class Request:
    """What the command line says. ``moving_to``, ``on_fault_status``: None leaves the status as it is."""

    list_id: str
    status: str
    start: str = LOCAL
    moving_to: str | None = None
    on_fault_status: str | None = None
    limit: int | None = None
    dry_run: bool = False


class Dispatcher:
    """One look at one list. ``cluster`` is there for Kubernetes alone, ``options`` for what is trained here."""

    def __init__(
        self,
        request: Request,
        template: Template,
        board: Board,
        settings: Settings,
        *,
        cluster: tuple[Cluster, clusters.Manifests] | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self._request, self._template, self._board, self._settings = request, template, board, settings
        self._cluster, self._children = cluster, local.Children(options)
        self._store: Store = open_store(template.output, settings)
        self._redact = Redactor(settings.secrets).text
        self._num_started, self._probed = 0, False

    @property
    def stopped(self) -> bool:
        """Whether a signal ended the work before all tasks were looked at."""
        return self._children.stopped

    def run(self) -> Iterator[Outcome]:
        """Deal with every task, one after the other; local runs are waited for.

        Raises what the list itself met: NoPermission (77), InputMissing (66), TemporaryFailure (75). The errors of one
        task are its outcome.
        """
        with self._children.stoppable():
            for task_id, is_new in self._ids():
                if self.stopped or (self._request.limit is not None and self._num_started >= self._request.limit):
                    return
                try:
                    _require_id(task_id)
                    outcome = self._look(task_id) if is_new else self._resume_stopped(task_id)
                except LoraRunerError as error:
                    outcome = Outcome(task_id, "error", int(error.code), reasons=(self._redact(str(error)),))
                if outcome:
                    yield outcome

    def _ids(self) -> Iterator[tuple[str, bool]]:
        """Tasks in the start status; then those that a local dispatcher, stopped since, had moved on."""
        new = list(dict.fromkeys(task.id for task in self._board.tasks(self._request.list_id, self._request.status)))
        yield from ((task_id, True) for task_id in new)
        if self._request.start == LOCAL and self._request.moving_to and not self._request.dry_run:
            moved = self._board.tasks(self._request.list_id, self._request.moving_to)
            yield from ((task.id, False) for task in moved if task.id not in new)

    def _look(self, task_id: str) -> Outcome | None:
        try:
            task = replace(self._board.task(task_id), id=task_id)
        except InputMissing as error:
            return Outcome(task_id, "gone", reasons=(str(error),))
        times = self._times(task.id)
        if not _is_same(times.status, self._request.status):
            return Outcome(task.id, "gone", title=task.name, reasons=(f"its status is {times.status!r} now",))
        spoken = templates.spoken(self._template, task.fields)
        for title in templates.missing(self._template, task.fields):
            _LOG.warning("task %s has no field %r, which the template reads; was it renamed?", task.id, title)
        entry = claims.digest(task.id, files_of(task), spoken, times.since_ms)
        claim = claims.find(self._store, claims.key_of(task.id, entry))
        return self._seen(task, claim) if claim else self._unseen(task, entry, times.since_ms)

    def _times(self, task_id: str) -> Times:
        try:
            return self._board.time_in_status(task_id)
        except (DataInvalid, InputMissing, NoPermission, Refused) as error:
            raise EnvironmentUnfit(
                f"ClickUp does not say when task {task_id} came into its status, so it is left alone ({error}); enable "
                f"the ClickApp {CLICK_APP!r} in the workspace"
            ) from error

    def _unseen(self, task: Task, entry: str, since_ms: int) -> Outcome:
        """An entry without a claim: claimed, and then started or told."""
        run_id = claims.run_id(task.id, entry)
        job, faults = self._job(task)
        if older := self._busy(task.id):
            return Outcome(task.id, "busy", title=task.name, run_id=older, reasons=("an earlier run is under way",))
        if self._request.dry_run:
            happened, code = ("would tell", ExitCode.SPEC_INVALID) if faults else ("would start", ExitCode.OK)
            return Outcome(task.id, happened, int(code), task.name, None if faults else run_id, reasons=faults)
        if not self._probed:
            claims.require_conditional(self._store)
            self._probed = True
        content = {"task": task.id, "since_ms": since_ms, "run_id": run_id, "start": self._request.start}
        claim = claims.make(self._store, claims.key_of(task.id, entry), {**content, "job": job, "faults": list(faults)})
        return self._go(task, claim)

    def _job(self, task: Task) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The task's job, or an empty one and its faults in a sentence each."""
        try:
            job, spec = templates.fill(self._template, task.id, task.fields, task.name)
            policy.require(spec, self._settings)
        except JobInvalid as error:
            return {}, tuple(self._redact(str(fault)) for fault in error.faults[:MAX_TOLD])
        except NoPermission as error:
            return {}, (self._redact(str(error)),)
        return (job, ()) if files_of(task) else ({}, (NO_FILES,))

    def _busy(self, task_id: str) -> str | None:
        """A run of an earlier entry that has not ended: two of them would only compete."""
        for claim in claims.of_task(self._store, task_id):
            if claim.state == claims.CLAIMED and not claims.is_abandoned(self._store, claim):
                return claim.run_id
            # Of a claim that was never finished the Job may be there all the same.
            if not claim.faults and claim.ended is None and self._is_alive(task_id, claim):
                return claim.run_id
        return None

    def _is_alive(self, task_id: str, claim: Claim) -> bool:
        if claim.start == KUBERNETES and self._cluster:
            return clusters.is_job_alive(*self._cluster, task_id, claim.run_id)
        return local.is_under_way(self._store, task_id, claim.run_id)

    def _seen(self, task: Task, claim: Claim) -> Outcome:
        """An entry that somebody has claimed before."""
        if claim.state == claims.CLAIMED:
            if self._request.dry_run or not claims.is_abandoned(self._store, claim):
                return Outcome(task.id, "claimed", title=task.name, run_id=claim.run_id)
            return self._go(task, claims.take_over(self._store, claim))
        if claim.state == claims.TOLD:
            return Outcome(task.id, "told", title=task.name, reasons=claim.faults)
        if self._request.start == LOCAL and not self._request.dry_run and self._is_stopped(task.id, claim):
            return self._train(task, claim, "resumed")
        if not self._request.dry_run and claim.ended is None:  # whoever started it may not have come so far
            self._move(task.id, self._request.moving_to)
        return Outcome(task.id, "already", title=task.name, run_id=claim.run_id)

    def _go(self, task: Task, claim: Claim | None) -> Outcome:
        """What a claim that is ours asks for."""
        if claim is None:
            return Outcome(task.id, "claimed", title=task.name, reasons=("another dispatcher was faster",))
        try:
            return self._begin(task, claim)
        except LoraRunerError:
            with suppress(LoraRunerError):
                claims.give_up(self._store, claim)
            raise

    def _begin(self, task: Task, claim: Claim) -> Outcome:
        if claim.faults:
            return self._tell(task, claim)
        if claim.start == LOCAL:
            return self._train(task, claim, "started")
        if self._cluster is None:
            raise SpecInvalid(f"task {task.id} was claimed for Kubernetes; dispatch it with --start kubernetes")
        name = clusters.submit(*self._cluster, claim.job, claim.run_id)
        self._num_started += 1
        claims.change(self._store, claim, state=claims.STARTED, kubernetes_job=name)
        reasons = self._move(task.id, self._request.moving_to)
        return Outcome(task.id, "started", 0, task.name, claim.run_id, name, reasons=reasons)

    def _tell(self, task: Task, claim: Claim) -> Outcome:
        moved = self._request.on_fault_status
        then = f"and set the status to {self._request.status!r} again" if moved else "and the next look starts it"
        lines = "\n".join(f"- {fault}" for fault in claim.faults)
        self._board.post_comment(task.id, f"Training was not started:\n\n{lines}\n\nCorrect this, {then}.")
        reasons = claim.faults + self._move(task.id, moved)
        claims.change(self._store, claim, state=claims.TOLD)
        return Outcome(task.id, "fault", int(ExitCode.SPEC_INVALID), task.name, reasons=reasons)

    def _resume_stopped(self, task_id: str) -> Outcome | None:
        """The newest local run of a task that was stopped goes on; None where there is none."""
        mine = [claim for claim in claims.of_task(self._store, task_id) if claim.state == claims.STARTED]
        newest = max(mine, key=lambda claim: str(claim.content["made"]), default=None)
        if newest is None or not self._is_stopped(task_id, newest):
            return None
        task = replace(self._board.task(task_id), id=task_id)
        if not _is_same(task.status, self._request.moving_to or ""):  # somebody has taken it away meanwhile
            return Outcome(task_id, "gone", title=task.name, reasons=(f"its status is {task.status!r} now",))
        return self._train(task, newest, "resumed")

    def _is_stopped(self, task_id: str, claim: Claim) -> bool:
        """Whether a local run was interrupted: its child said so, or both have been silent for long."""
        if claim.start != LOCAL or claim.faults:
            return False
        if claim.ended is not None:
            return claim.ended in RESUMABLE
        return claims.is_abandoned(self._store, claim) and not self._is_alive(task_id, claim)

    def _train(self, task: Task, claim: Claim, happened: str) -> Outcome:
        """Run it here, to its end. Started before the status is moved: the run's own words on it come last."""
        owned = claims.change(self._store, claim, state=claims.STARTED, exit_code=None)
        if owned is None:
            return Outcome(task.id, "claimed", title=task.name, reasons=("another dispatcher was faster",))
        self._num_started += 1
        reasons = self._move(task.id, self._request.moving_to)
        ended = self._children.train(claim.job, claim.run_id)
        claims.change(self._store, owned, exit_code=ended.code)
        version = ended.result.get("version")
        told = None if version is None else str(version)
        return Outcome(task.id, happened, ended.code, task.name, claim.run_id, version=told, reasons=reasons)

    def _move(self, task_id: str, status: str | None) -> tuple[str, ...]:
        """Set the status; a run that has been started is not stopped by a status that is not there."""
        if not status:
            return ()
        try:
            self._board.set_status(task_id, status)
        except LoraRunerError as error:
            text = self._redact(f"the status was not set to {status!r}: {error}")
            _LOG.warning("task %s: %s", task_id, text)
            return (text,)
        return ()


def _is_same(one: str, other: str) -> bool:
    """Whether two statuses are one, whatever their letters and spaces."""
    return one.casefold().split() == other.casefold().split()


def _require_id(task_id: str) -> None:
    """An id becomes part of keys and names; raises DataInvalid (65) for one that is none of ClickUp's."""
    if not CLICKUP_TASK.fullmatch(f"clickup://{task_id}") or task_id.endswith("/"):
        raise DataInvalid(f"ClickUp: {task_id[:80]!r} is no id of a task; check CLICKUP_API_URL")


def open_cluster(manifests: Path | None, api: str | None, account: Path | None) -> tuple[Cluster, clusters.Manifests]:
    """What ``--start kubernetes`` needs; raises SpecInvalid (64) and EnvironmentUnfit (78) for what is missing."""
    from loraruner.clients import kubernetes

    if manifests is None:
        raise SpecInvalid("--start kubernetes: give --manifests FILE, which the chart renders (dispatch.enabled)")
    found = clusters.read_manifests(manifests)
    return Cluster(kubernetes.account(api, account or kubernetes.ACCOUNT)), found
