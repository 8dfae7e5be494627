"""Who is told how a run goes: events become messages, and what was told is remembered in the run.

Services may be slow, away or wrong; none of that slows or ends a run. Only what is known before anything is computed (a
token or package is missing, a host is not allowed) ends a job, at its start.
"""

from __future__ import annotations

import hashlib
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any

from loraruner.errors import ExitCode, LoraRunerError
from loraruner.events import EpochDone, Event, StepDone, Warned
from loraruner.notifiers import facts, messages, open_notifier
from loraruner.notifiers.attachments import files_of, names_of, num_bytes
from loraruner.notifiers.base import Message, RunFacts
from loraruner.notifiers.courier import Courier, Told, wait
from loraruner.notifiers.ledger import Ledger, NoLedger
from loraruner.notifiers.log_tail import NUM_LINES, tail
from loraruner.redact import Redactor
from loraruner.settings import Settings
from loraruner.spec import Spec, to_document
from loraruner.spec.model import ClickUpNotice, SmartsheetNotice, WebhookNotice
from loraruner.stores.base import Store
from loraruner.workspace import RunKeys, version_prefix

if TYPE_CHECKING:
    from loraruner.training.signals import StopSignal

_LOG = logging.getLogger(__name__)
END_LIMIT_S = 60.0  # what a run waits for services at its end
REFUSAL_LIMIT_S = 20.0
SILENT = (ExitCode.FENCED, ExitCode.PREEMPTED)  # no failures: another attempt goes on
TOLD_BEFORE = (*SILENT, ExitCode.DIVERGED, ExitCode.PAUSED, ExitCode.REJECTED)  # by the attempt that ended so


@dataclass(frozen=True)
class About:
    """The attempt that is told of. ``log``: its train.log; ``measure``: facts that a failed run would like to tell."""

    run: RunFacts
    ledger: Ledger
    log: Path
    measure: Callable[[], Mapping[str, Any]] = dict


class Telling:
    """Tells everybody in ``spec.notify``; use as a context manager around the stages.

    Opening raises as ``require`` does, nothing else here raises. ``ended`` gets the counts at the end, where somebody
    was to be told.
    """

    def __init__(
        self,
        spec: Spec,
        settings: Settings,
        about: About,
        stop: StopSignal,
        ended: Callable[[list[dict[str, Any]]], None] = lambda counts: None,
    ) -> None:
        self._run, self._about, self._stop, self._ended = about.run, about, stop, ended
        self._redactor = Redactor(settings.secrets)
        self._couriers = open_couriers(spec, settings, about.run, about.ledger)
        self._known: dict[str, Any] = {}
        self._train_s = 0.0

    def __enter__(self) -> Telling:
        if self._couriers:
            self._about.ledger.load()
        for courier in self._couriers:
            failed_before = self._about.ledger.last(courier.key).startswith("failed-")
            with _harmless():
                courier.start()
                started = messages.started(self._run, resumed=failed_before)
                courier.tell(messages.struck(started, self._redactor))
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._couriers:
            return
        code = code_of(error)
        with self._stop.deferred():  # what ended the run is not to be replaced by a signal
            if isinstance(error, Exception) and code not in SILENT:
                with _harmless():
                    self._tell(self._failure(error, code))
            wait(self._couriers, 0.0 if code is ExitCode.FENCED else END_LIMIT_S, lambda: bool(self._stop.received))
            self._ended(self.counts())

    def see(self, event: Event) -> None:
        """Take note of an event; called in every step."""
        if isinstance(event, StepDone):
            self._train_s += event.step_s
            self._known["loss"] = event.loss
        elif self._couriers and isinstance(event, EpochDone | Warned):
            with _harmless():
                self._tell(messages.of_event(self._run, event))

    def know(self, **known: Any) -> None:
        """Facts that a message about a failure can give."""
        self._known.update(known)

    def finished(self, manifest: Mapping[str, Any], folder: Path) -> None:
        """A version is published; ``folder`` holds its files."""
        if self._couriers:
            with _harmless():
                files = files_of(manifest, folder)
                self._tell(messages.finished(self._run, manifest, address(self._run, manifest), facts.now(), files))

    def counts(self) -> list[dict[str, Any]]:
        """What each notifier was told until now: see ``Courier.counts``."""
        return [courier.counts() for courier in self._couriers]

    def _failure(self, error: Exception, code: ExitCode) -> Message:
        known = {**self._known, **self._about.measure()}
        if self._run.attempt == 1 and self._train_s:  # what earlier attempts took is not known here
            known["training_min"] = round(self._train_s / 60, 1)
        told = facts.of_failure(self._run, code, _reason(error, self._redactor), facts.now(), known)
        lines = tail(self._about.log)
        if code is ExitCode.INTERNAL:  # it is written to the log once everybody has been told
            lines += "".join(traceback.format_exception(error)).splitlines()
        return messages.failed(self._run, code, told, lines[-NUM_LINES:], self._about.log)

    def _tell(self, message: Message) -> None:
        struck = messages.struck(message, self._redactor)
        for courier in self._couriers:
            courier.tell(struck)


def require(spec: Spec, settings: Settings) -> None:
    """Whoever is to be told can be, as far as that is known without asking them.

    Raises EnvironmentUnfit (78) for a missing token or package, NoPermission (77) for a host that is not allowed.
    """
    open_couriers(spec, settings, of_spec(spec), NoLedger())


def open_couriers(spec: Spec, settings: Settings, run: RunFacts, told: Told) -> list[Courier]:
    """One courier for each entry of ``notify``; raises as ``require`` does, naming the entry."""
    return [_courier(spec, index, settings, run, told) for index in range(len(spec.notify))]


def _courier(spec: Spec, index: int, settings: Settings, run: RunFacts, told: Told) -> Courier:
    entry = spec.notify[index]
    try:
        notifier = open_notifier(entry, run, settings)
    except LoraRunerError as error:
        raise type(error)(f"$.notify[{index}]: {error}") from error
    moments = entry.events if isinstance(entry, WebhookNotice) else None
    moments = ("started", "finished", "failed") if isinstance(entry, SmartsheetNotice) else moments
    weigh = partial(num_bytes, entry) if isinstance(entry, ClickUpNotice) else lambda message: 0
    return Courier(entry.kind, notifier, told, Redactor(settings.secrets), moments, weigh)


def untold(spec: Spec, settings: Settings, run: RunFacts, store: Store) -> bool:
    """Whether somebody has not heard of the version that this run has published."""
    if not spec.notify:
        return False
    ledger = Ledger(store, RunKeys(run.run_id).told)
    ledger.load()
    return any(courier.lacks("finished", "finished") for courier in open_couriers(spec, settings, run, ledger))


def tell_late(
    spec: Spec,
    settings: Settings,
    run: RunFacts,
    store: Store,
    manifest: Mapping[str, Any],
    stop: StopSignal | None = None,
) -> None:
    """Tell of a version that exists, whoever has not heard of it; its files are fetched where they are attached.

    ``store`` writes only for the run's owner. A signal shortens the wait, and then raises Preempted (85).
    """
    ledger = Ledger(store, RunKeys(run.run_id).told)
    ledger.load()
    couriers = open_couriers(spec, settings, run, ledger)
    with TemporaryDirectory(dir=settings.workdir) as name:
        with _harmless():
            untold = [
                each
                for each, courier in zip(spec.notify, couriers, strict=True)
                if courier.lacks("finished", "finished")
            ]
            words = {word for each in untold if isinstance(each, ClickUpNotice) for word in each.attach}
            files = _fetched(store, manifest, words, Path(name))
            made = messages.finished(run, manifest, address(run, manifest), manifest["created"], files)
            for courier in couriers:
                courier.start()
                courier.tell(messages.struck(made, Redactor(settings.secrets)))
        with stop.deferred() if stop else nullcontext():
            wait(couriers, END_LIMIT_S, lambda: bool(stop and stop.received))
        if stop:
            stop.check()


@contextmanager
def refusals_told(spec: Spec, settings: Settings, run_id: str | None = None) -> Iterator[None]:
    """Tell of what keeps a job from becoming a run at all; the error is raised again."""
    try:
        yield
    except LoraRunerError as error:
        if spec.notify and error.code not in TOLD_BEFORE:
            with _harmless():
                _tell_refusal(spec, settings, run_id, error)
        raise


def _tell_refusal(spec: Spec, settings: Settings, run_id: str | None, error: LoraRunerError) -> None:
    """Without a run there is no row that a sheet could show: only others hear of it then."""
    redactor, couriers = Redactor(settings.secrets), []
    run = replace(of_spec(spec), run_id=run_id or spec.name)
    reason = _reason(error, redactor)
    known = facts.of_failure(run, error.code, reason, facts.now(), {})
    made = messages.struck(messages.failed(run, error.code, known, (), Path()), redactor)
    digest = hashlib.sha256(reason.encode()).hexdigest()[:8]  # the same refusal once more is the same message
    for index, entry in enumerate(spec.notify):
        if isinstance(entry, SmartsheetNotice) and not run_id:
            continue
        try:
            couriers.append(_courier(spec, index, settings, run, NoLedger()))
        except LoraRunerError as fault:  # perhaps the very one that is told
            _LOG.warning("%s", fault)
            continue
        couriers[-1].start()
        couriers[-1].tell(replace(made, id=f"failed-{int(error.code)}-{digest}"))
    wait(couriers, REFUSAL_LIMIT_S)


def of_spec(spec: Spec) -> RunFacts:
    """A job that is no run yet."""
    place = f"{spec.output.uri.rstrip('/')}/{spec.name}"
    return RunFacts(run_id=spec.name, attempt=0, started="", address=place, job=to_document(spec))


def address(run: RunFacts, manifest: Mapping[str, Any]) -> str:
    """Where a version lies."""
    return f"{run.address.rstrip('/')}/{version_prefix(manifest['version'])}"


def code_of(error: BaseException | None) -> ExitCode:
    """The exit code that an error means."""
    if error is None:
        return ExitCode.OK
    return error.code if isinstance(error, LoraRunerError) else ExitCode.INTERNAL


def _reason(error: Exception, redactor: Redactor) -> str:
    """One line; of an internal fault only its kind, as nobody knows what its text shows."""
    return redactor.text(str(error)) if isinstance(error, LoraRunerError) else type(error).__name__


def _fetched(store: Store, manifest: Mapping[str, Any], words: set[str], folder: Path) -> dict[str, Path]:
    found = {}
    for word, name in names_of(manifest).items():
        if word in words:
            found[word] = folder / Path(name).name
            store.download(f"{version_prefix(manifest['version'])}{name}", found[word])
    return found


@contextmanager
def _harmless() -> Iterator[None]:
    """A fault in telling is logged, and ends nothing."""
    try:
        yield
    except Exception:  # of a service's answer or of ours: telling never costs a run
        _LOG.warning("somebody was not told", exc_info=True)
