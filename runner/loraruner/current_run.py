"""One attempt at a run while it is under way: owned, logged, timed, told, and recorded however it ends."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loraruner import attempt_logs, log, manifest, provenance, runs
from loraruner.disk_guard import DiskGuard
from loraruner.errors import LoraRunerError
from loraruner.events import Emit, Event, StageStarted
from loraruner.families.base import Runtime, Trainable
from loraruner.files import machine_faults_named, write_bytes
from loraruner.lease import FencedStore, Lease
from loraruner.metrics_push import MetricsFile, MetricsPusher
from loraruner.notifiers import facts
from loraruner.notifiers.base import RunFacts
from loraruner.notifiers.ledger import Ledger
from loraruner.notify import About, Telling
from loraruner.report import collect, write_report
from loraruner.settings import Settings
from loraruner.spec import Spec, to_document
from loraruner.status import StatusBoard
from loraruner.stores.base import Capabilities, Store
from loraruner.stores.local import LocalStore
from loraruner.training.signals import StopSignal
from loraruner.workspace import RunKeys, Workspace, open_workspace

if TYPE_CHECKING:
    from loraruner.stage import Fetched
    from loraruner.training.attempt import Trained

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a run writes, and what is known of it: ``store`` is the output's, which anybody may write to."""

    store: Store
    capabilities: Capabilities
    identity: runs.Identity


@dataclass(frozen=True)
class Watcher:
    """Whom an attempt tells what happens, who may end it, and how often people let the run go on after its end."""

    emit: Emit
    stop: StopSignal
    continued: int = 0


class CurrentRun:
    """One attempt as the stages see it: where it is, how long each stage took, whom it tells.

    ``store`` writes only while the lease is held.
    """

    def __init__(self, spec: Spec, place: Place, lease: Lease, settings: Settings, watcher: Watcher) -> None:
        self.spec, self.settings, self.identity, self.lease = spec, settings, place.identity, lease
        self.store = FencedStore(place.store, lease)
        self.capabilities = place.capabilities
        self.keys = RunKeys(place.identity.run_id)
        self.workspace: Workspace = open_workspace(
            settings.workdir, place.identity.run_id, place.store.uri, self.attempt
        )
        self.status = StatusBoard(
            self.store,
            self.keys.status,
            {
                "run_id": place.identity.run_id,
                "attempt": self.attempt,
                "monitor_digest": runs.monitor_digest(spec.monitor),
                **({"continued": watcher.continued} if watcher.continued else {}),
            },
            settings.secrets,
            replace_if_match=self.capabilities.replace_if_match,
            also=_metrics(spec, settings),
        )
        self.telling = Telling(spec, settings, self._about(place), watcher.stop, self._note_counts)
        self.seconds: dict[str, float] = {}
        self.disks = DiskGuard(_places(place.store, settings))
        self._watcher = watcher

    @property
    def attempt(self) -> int:
        """The number of this attempt, which is the epoch of its lease."""
        return self.lease.epoch

    def check(self) -> None:
        """Raise Preempted (85) after a signal, and Fenced (76) when another attempt owns the run."""
        self._watcher.stop.check()
        self.lease.check()
        log.raise_fault()

    def emit(self, event: Event) -> None:
        """Tell all watchers. Called in every step, so that an attempt without a lease ends there."""
        self.lease.check()
        self.status.see(event)
        self.telling.see(event)
        self._watcher.emit(event)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Name, time and bound a stage; a signal that a library swallowed before ends the run here."""
        self.check()
        log.bind(stage=name)
        self.emit(StageStarted(name))
        self.disks.require(0, f"the stage {name}")
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started

    def settle_runtime(self) -> Runtime:
        """What ``auto`` means for this run, here and in later attempts."""
        from loraruner.training.runtime import apply_runtime, resolve_runtime

        runtime = runs.settle_runtime(self.store, self.identity, self.spec, resolve_runtime(self.spec))
        apply_runtime(runtime)
        return runtime

    def train(self, trainable: Trainable, runtime: Runtime) -> Trained:
        """Hand the loop its surroundings."""
        from loraruner.training.attempt import Attempt, train

        identity = {
            "spec_digest": self.identity.spec_digest,
            "fingerprint": self.identity.fingerprint,
            "runtime": asdict(runtime),
        }
        attempt = Attempt(
            number=self.attempt,
            mark=self.lease.mark,
            workspace=self.workspace,
            store=self.store,
            keys=self.keys,
            identity=identity,
            stop=self._watcher.stop,
            emit=self.emit,
            ship_logs=self.ship_logs,
            disks=self.disks.without("LORARUNER_CACHE"),  # training writes nothing there
            monitor_digest=runs.monitor_digest(self.spec.monitor),
            continued=self._watcher.continued,
        )
        return train(self.spec, trainable, runtime, attempt, self.settings)

    def export_facts(self, runtime: Runtime) -> dict[str, str]:
        """What file headers say about the run."""
        job = runs.read_job(self.store, self.identity)
        assert job is not None
        return {"run_id": self.identity.run_id, "created": job["created"], "precision": runtime.precision}

    def describe(self, made: manifest.Made, data: Fetched, version: str) -> dict[str, Any]:
        """Write all but the adapter into the version folder: job, metrics, logs, captions, packages, card and report.

        Returns the manifest's core.
        """
        from loraruner.training.runtime import hardware, peak_memory

        folder = self.workspace.version
        known = {
            "run_id": self.identity.run_id,
            "attempts": self.attempt,
            "data_digest": data.sha256,
            "software": provenance.software(self.settings.image, self.settings.revision),
            "hardware": hardware(),
            "peak_memory": peak_memory(),
            "notifications": self.telling.counts(),
        }
        document = manifest.build_manifest(self.spec, made, known, self.seconds)
        if (captioned := made.opened.examined.captioned) and captioned.captions:
            write_bytes(self.workspace.captions, captioned.lines())
        write_bytes(folder / "job.json", json.dumps(to_document(self.spec), indent=2).encode())
        write_bytes(folder / "sbom.json", json.dumps(provenance.bill_of_materials(), indent=1).encode())
        attempt_logs.gather(self.workspace, self.store, self.keys, self.attempt)
        samples = made.opened.samples
        gallery = collect(data.path, samples.train, samples.evaluation, made.opened.left_out)
        metrics = attempt_logs.read_metrics(folder / "metrics.jsonl")
        write_report(folder, {**document, "version": version}, metrics, gallery)
        return document

    def _about(self, place: Place) -> About:
        """What people are told about."""
        ledger, log_file = Ledger(self.store, self.keys.told), self.workspace.train_log(self.attempt)
        return About(facts_of(self.spec, place, self.attempt), ledger, log_file, _measured)

    def _note_counts(self, counts: list[dict[str, Any]]) -> None:
        self.status.set(notifications=counts)

    def ship_logs(self) -> None:
        """Upload this attempt's logs."""
        attempt_logs.ship(self.workspace, self.store, self.keys, self.attempt)


def _metrics(spec: Spec, settings: Settings) -> Callable[[Mapping[str, Any]], None] | None:
    """Who is told what status.json says, where the operator named a Pushgateway, or a folder for a node exporter."""
    told: list[Callable[[Mapping[str, Any]], None]] = []
    if settings.pushgateway:
        told.append(MetricsPusher(settings.pushgateway, spec.name, settings.secrets).push)
    if settings.metrics_dir:
        told.append(MetricsFile(settings.metrics_dir, spec.name).write)

    def tell(status: Mapping[str, Any]) -> None:
        for each in told:
            each(status)

    return tell if told else None


def facts_of(spec: Spec, place: Place, attempt: int) -> RunFacts:
    """The run, for those who are told of it; it began when its first attempt did."""
    job = runs.read_job(place.store, place.identity) if spec.notify and attempt > 1 else None
    started = job["created"] if job else facts.now()
    return RunFacts(place.identity.run_id, attempt, started, place.store.uri, to_document(spec))


def _measured() -> dict[str, Any]:
    """What a run that failed has held of memory, where it came so far as to load the libraries that hold it."""
    if "torch" not in sys.modules:
        return {}
    from loraruner.training.runtime import peak_memory

    return {"peak_memory_gb": facts.gigabytes(peak_memory())}


def _places(store: Store, settings: Settings) -> dict[str, Path]:
    """The folders on this machine that a run writes to, by what names them."""
    places = {"LORARUNER_CACHE": settings.cache, "LORARUNER_WORKDIR": settings.workdir}
    return {**places, "$.output.uri": store.root} if isinstance(store, LocalStore) else places


@contextmanager
def recorded(spec: Spec, place: Place, lease: Lease, settings: Settings, watcher: Watcher) -> Iterator[CurrentRun]:
    """Log to the run's ``train.log``, keep ``status.json``, and record how it ended; every error is raised again."""
    run = CurrentRun(spec, place, lease, settings, watcher)
    handler = log.add_file(run.workspace.train_log(run.attempt), settings.secrets)
    log.bind(run=place.identity.run_id, attempt=run.attempt)
    _LOG.info("run %s, attempt %d", place.identity.run_id, run.attempt)
    try:
        with run.status:
            try:
                with run.telling, run.status.failing(), watcher.stop.unmasked(), machine_faults_named():
                    yield run
            except LoraRunerError as error:
                _LOG.error("%s (%d %s)", error, error.code, error.code.name, extra={log.LAST_WORD: True})
                raise
            except BaseException as error:
                _LOG.critical("internal fault", exc_info=error)
                raise
            finally:
                _ship_quietly(run)
    finally:
        log.remove(handler)


def _ship_quietly(run: CurrentRun) -> None:
    """The logs go last; a store that is away must not hide what ended the run."""
    try:
        run.ship_logs()
    except (LoraRunerError, OSError) as error:
        _LOG.warning("logs were not uploaded: %s", error)
