"""The stages in order. This module alone knows the order; every stage is safe to repeat."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from loraruner import attempt_logs, export, log, manifest, provenance, publish, runs, samples, stage, trials
from loraruner import plan as planning
from loraruner.captioning import Desk, Kept
from loraruner.errors import ExitCode, LoraRunerError
from loraruner.events import Emit, Event, StageStarted
from loraruner.families import load_family
from loraruner.families.base import Runtime, Trainable
from loraruner.files import disk_faults_named, require_folder, write_bytes
from loraruner.report import write_report
from loraruner.result import RunResult, of_manifest
from loraruner.settings import Settings
from loraruner.spec import Spec, to_document
from loraruner.status import StatusBoard
from loraruner.stores import open_store
from loraruner.stores.base import Capabilities, Store
from loraruner.threads import set_thread_environment
from loraruner.training.signals import StopSignal
from loraruner.workspace import RunKeys, Workspace, open_workspace, version_prefix

if TYPE_CHECKING:
    from loraruner.training.attempt import Trained

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What the command line adds to a job."""

    run_id: str | None = None
    fresh: bool = False
    resume_ended: bool = False


def train(spec: Spec, request: Request, settings: Settings, emit: Emit, stop: StopSignal) -> RunResult:
    """Run a job to a published version, or find that it has been published.

    Raises the errors of ``loraruner.errors``; what was committed until then stays, and the same job resumes.
    """
    set_thread_environment()
    family = load_family(spec.task)
    inputs = _list_inputs(spec, settings)
    store = _output_store(spec, settings)
    capabilities = _probe(store)
    identity = _choose_run(spec, inputs, request, settings, store)
    if done := publish.find_published(store, spec.output.version, identity.run_id):
        publish.point_latest(store, done)
        _LOG.info("nothing to do: run %s has published version %s", identity.run_id, done.version)
        return _result(store, done, already=True)
    with _recorded(spec, store, identity, settings, (emit, stop)) as run:
        with run.stage("fetch"):
            staged = stage.fetch(spec, inputs, settings)
        with run.stage("samples"):
            desk = _desk(spec, staged, settings, stop, Kept(store, run.keys.captions))
            opened = samples.open_samples(spec, staged, family, settings.cache, stop.check, desk)
            runtime = run.settle_runtime()
        with run.stage("prepare"):
            prepared = family.prepare(spec, opened.base, opened.samples, settings.cache / "prepared", runtime)
            opened = samples.without_skipped(spec, opened, prepared)
        with run.stage("train"):
            trained = run.train(family.build(spec, opened.base, prepared, runtime), runtime)
        with run.stage("export"):
            artifacts = export.export(spec, family, opened.base, trained, run.workspace, run.export_facts(runtime))
        with run.stage("sample"):
            tried = trials.try_adapter(spec, family, opened.base, prepared, run.workspace, stop.check)
        with run.stage("report"):
            made = manifest.Made(opened, runtime, trained, artifacts, tried)
            version = publish.reserve(store, spec.output.version, identity.run_id, capabilities)
            document = run.describe(made, staged.data.sha256, version)
        with run.stage("publish"):
            published = publish.publish(store, version, run.workspace.version, document, stop.disarm)
        run.status.end(ExitCode.OK, version=version)
    return _result(store, published, already=False)


def plan(spec: Spec, settings: Settings) -> dict[str, Any]:
    """Fetch and scan the inputs, try a few steps on a few samples, and say what the whole job takes; trains nothing."""
    set_thread_environment()
    family = load_family(spec.task)
    staged = stage.fetch(spec, _list_inputs(spec, settings), settings)
    opened = samples.open_samples(spec, staged, family, settings.cache)
    from loraruner.training.runtime import apply_runtime, resolve_runtime
    from loraruner.training.trial import measure

    runtime = resolve_runtime(spec)
    apply_runtime(runtime)  # what is cached here must have the bytes that training would give it
    desk = _desk(spec, staged, settings, StopSignal(), None)
    few = planning.prepare_few(spec, opened, family, settings.cache / "prepared", runtime, desk)
    cost = measure(spec, family.build(spec, opened.base, few.prepared, runtime))
    return planning.describe(spec, opened, runtime, cost, few)


def check(spec: Spec, settings: Settings) -> None:
    """What needs a store or a path: inputs exist, the output can be written, an explicit version is free.

    Raises DataInvalid (65), InputMissing (66), NoPermission (77), TemporaryFailure (75) or VersionConflict (73).
    """
    inputs = _list_inputs(spec, settings)
    stage.require_checkpoint(spec, settings)
    store = _output_store(spec, settings)
    _probe(store)
    identity = runs.identify(spec, {pointer: each.fingerprint for pointer, each in inputs.items()}, settings.run_id)
    publish.find_published(store, spec.output.version, identity.run_id)


def _list_inputs(spec: Spec, settings: Settings) -> dict[str, stage.Input]:
    """The inputs, once the operator's folders have proved to be usable."""
    require_folder(settings.cache, "LORARUNER_CACHE")
    require_folder(settings.workdir, "LORARUNER_WORKDIR")
    return stage.list_inputs(spec, settings)


def _probe(store: Store) -> Capabilities:
    """What the output can do; the place of a fault there is named as in the job."""
    try:
        return store.probe()
    except LoraRunerError as error:
        raise type(error)(f"$.output.uri: {error}") from error


def _output_store(spec: Spec, settings: Settings) -> Store:
    return open_store(f"{spec.output.uri.rstrip('/')}/{spec.name}", settings)


def _desk(spec: Spec, staged: stage.Staged, settings: Settings, stop: StopSignal, kept: Kept | None) -> Desk | None:
    """Where pictures without a caption get one; None where the job names no captioner."""
    if staged.captioner is None:
        return None
    from loraruner.training.runtime import resolve_runtime

    captioner, device = staged.captioner, resolve_runtime(spec).device
    return Desk(captioner.path, captioner.sha256, settings.cache / "captions", device, stop.check, kept)


class _Run:
    """One attempt as the stages see it: where it is, how long each stage took, whom it tells."""

    def __init__(self, spec: Spec, store: Store, identity: runs.Identity, settings: Settings) -> None:
        self.spec, self.store, self.identity, self.settings = spec, store, identity, settings
        self.keys = RunKeys(identity.run_id)
        self.attempt = runs.claim_attempt(store, identity)
        self.workspace: Workspace = open_workspace(settings.workdir, identity.run_id, store.uri, self.attempt)
        self.status = StatusBoard(
            store, self.keys.status, {"run_id": identity.run_id, "attempt": self.attempt}, settings.secrets
        )
        self.seconds: dict[str, float] = {}
        self._watchers: tuple[Emit, ...] = (self.status.see,)
        self._stop = StopSignal()

    def watch(self, emit: Emit, stop: StopSignal) -> None:
        """Also tell ``emit``, and look at ``stop`` before every stage."""
        self._watchers, self._stop = (self.status.see, emit), stop

    def emit(self, event: Event) -> None:
        """Tell all watchers."""
        for watcher in self._watchers:
            watcher(event)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Name, time and bound a stage; a signal that a library swallowed before ends the run here."""
        self._stop.check()
        log.bind(stage=name)
        self.emit(StageStarted(name))
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
            workspace=self.workspace,
            store=self.store,
            keys=self.keys,
            identity=identity,
            stop=self._stop,
            emit=self.emit,
            ship_logs=self.ship_logs,
        )
        return train(self.spec, trainable, runtime, attempt, self.settings)

    def export_facts(self, runtime: Runtime) -> dict[str, str]:
        """What file headers say about the run."""
        job = runs.read_job(self.store, self.identity)
        assert job is not None
        return {"run_id": self.identity.run_id, "created": job["created"], "precision": runtime.precision}

    def describe(self, made: manifest.Made, data_digest: str, version: str) -> dict[str, Any]:
        """Write all but the adapter into the version folder: job, metrics, logs, captions, packages, card and report.

        Returns the manifest's core.
        """
        from loraruner.training.runtime import hardware, peak_memory

        folder = self.workspace.version
        facts = {
            "run_id": self.identity.run_id,
            "attempts": self.attempt,
            "data_digest": data_digest,
            "hardware": hardware(),
            "peak_memory": peak_memory(),
        }
        document = manifest.build_manifest(self.spec, made, facts, self.seconds)
        if (captioned := made.opened.examined.captioned) and captioned.captions:
            write_bytes(self.workspace.captions, captioned.lines())
        write_bytes(folder / "job.json", json.dumps(to_document(self.spec), indent=2).encode())
        write_bytes(folder / "sbom.json", json.dumps(provenance.bill_of_materials(), indent=1).encode())
        attempt_logs.gather(self.workspace, self.store, self.keys, self.attempt)
        write_report(folder, {**document, "version": version}, attempt_logs.read_metrics(folder / "metrics.jsonl"))
        return document

    def ship_logs(self) -> None:
        """Upload this attempt's logs."""
        attempt_logs.ship(self.workspace, self.store, self.keys, self.attempt)


@contextmanager
def _recorded(
    spec: Spec, store: Store, identity: runs.Identity, settings: Settings, watcher: tuple[Emit, StopSignal]
) -> Iterator[_Run]:
    """Log to the run's ``train.log``, keep ``status.json``, and record how it ended; every error is raised again."""
    run = _Run(spec, store, identity, settings)
    run.watch(*watcher)
    handler = log.add_file(run.workspace.train_log(run.attempt), settings.secrets)
    log.bind(run=identity.run_id, attempt=run.attempt)
    _LOG.info("run %s, attempt %d", identity.run_id, run.attempt)
    try:
        with run.status:
            try:
                with watcher[1].unmasked(), disk_faults_named():
                    yield run
            except LoraRunerError as error:
                _LOG.error("%s (%d %s)", error, error.code, error.code.name)
                raise
            except BaseException as error:
                _LOG.critical("internal fault", exc_info=error)
                raise
            finally:
                _ship_quietly(run)
    finally:
        log.remove(handler)


def _ship_quietly(run: _Run) -> None:
    """The logs go last; a store that is away must not hide what ended the run."""
    try:
        run.ship_logs()
    except (LoraRunerError, OSError) as error:
        _LOG.warning("logs were not uploaded: %s", error)


def _choose_run(
    spec: Spec, inputs: dict[str, stage.Input], request: Request, settings: Settings, store: Store
) -> runs.Identity:
    """The run that this job is; raises what ended it for good unless ``--continue``."""
    fingerprints = {pointer: each.fingerprint for pointer, each in inputs.items()}
    identity = runs.identify(spec, fingerprints, request.run_id or settings.run_id)
    if request.fresh:
        return runs.freshen(store, identity)
    if runs.read_job(store, identity) is None:
        stage.require_checkpoint(spec, settings)  # a run that has checkpoints of its own needs no other
        runs.warn_of_relatives(store, identity)
    elif not request.resume_ended:
        runs.refuse_ended(store, identity)
    return identity


def _result(store: Store, published: publish.Published, *, already: bool) -> RunResult:
    uri = f"{store.uri.rstrip('/')}/{version_prefix(published.version)}"
    return of_manifest(published.manifest, uri, already=already)
