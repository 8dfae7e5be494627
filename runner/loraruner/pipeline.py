"""The stages in order. This module alone knows the order; every stage is safe to repeat."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loraruner import export, manifest, notify, policy, publish, runs, samples, stage, status, trials
from loraruner import plan as planning
from loraruner.captioning import Desk, Kept
from loraruner.current_run import CurrentRun, Place, Watcher, facts_of, recorded
from loraruner.errors import ExitCode, LoraRunerError, Preempted
from loraruner.events import Emit
from loraruner.families import load_family
from loraruner.files import require_folder
from loraruner.lease import FencedStore, Lease, acquire
from loraruner.registry import index
from loraruner.result import RunResult, of_manifest
from loraruner.settings import Settings
from loraruner.spec import Spec
from loraruner.stores import open_store
from loraruner.stores.base import Capabilities, Store
from loraruner.threads import set_thread_environment
from loraruner.training.signals import StopSignal
from loraruner.workspace import RunKeys, version_prefix

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
    with notify.refusals_told(spec, settings, request.run_id or settings.run_id):
        inputs, place = _find_run(spec, request, settings)
        done = _published_before(spec, place, settings)
    store = place.store
    if done:
        _tell_late(spec, place, done, settings, stop)
        return _result(store, done, already=True)
    with notify.refusals_told(spec, settings, place.identity.run_id):
        lease = _owned(place, settings, stop)
    with lease:
        if done := _published_before(spec, place, settings):  # by the attempt that was waited for
            return _result(store, done, already=True)
        continued = runs.refuse_ended(store, place.identity, spec.monitor, resume_ended=request.resume_ended)
        conditional = place.capabilities.replace_if_match
        noted = index.noting(spec, settings, place.identity.run_id, conditional=conditional)
        with noted, recorded(spec, place, lease, settings, Watcher(emit, stop, continued)) as run:
            published = _stages(run, inputs, stop)
            run.status.end(ExitCode.OK, version=published.version)
            run.telling.finished(published.manifest, run.workspace.version)
    return _result(store, published, already=False)


def _stages(run: CurrentRun, inputs: dict[str, stage.Input], stop: StopSignal) -> publish.Published:
    """From the inputs to a published version."""
    spec, settings, family = run.spec, run.settings, load_family(run.spec.task)
    with run.stage("fetch"):
        staged = stage.fetch(spec, inputs, settings)
    with run.stage("samples"), stage.addresses_named(staged.data.path, spec.data.uri):
        desk = _desk(spec, staged, settings, run.check, Kept(run.store, run.keys.captions))
        opened = samples.open_samples(spec, staged, family, settings.cache, run.check, desk)
        runtime = run.settle_runtime()
    with run.stage("prepare"):
        prepared = family.prepare(spec, opened.base, opened.samples, settings.cache / "prepared", runtime)
        opened = samples.without_skipped(spec, opened, prepared)
        run.telling.know(num_samples=len(opened.samples.train))
    with run.stage("train"):
        trained = run.train(family.build(spec, opened.base, prepared, runtime), runtime)
    with run.stage("export"):
        artifacts = export.export(spec, family, opened.base, trained, run.workspace, run.export_facts(runtime))
    with run.stage("sample"):
        tried = trials.try_adapter(spec, family, opened.base, prepared, run.workspace, run.check)
    with run.stage("report"):
        made = manifest.Made(opened, runtime, trained, artifacts, tried)
        version = publish.reserve(run.store, spec.output.version, run.identity.run_id, run.capabilities)
        document = run.describe(made, staged.data, version)
    with run.stage("publish"):
        return publish.publish(run.store, run.capabilities, version, run.workspace.version, document, stop.disarm)


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
    desk = _desk(spec, staged, settings, StopSignal().check, None)
    few = planning.prepare_few(spec, opened, family, settings.cache / "prepared", runtime, desk)
    cost = measure(spec, family.build(spec, opened.base, few.prepared, runtime))
    return planning.describe(spec, opened, runtime, cost, few)


def check(spec: Spec, settings: Settings) -> None:
    """What needs a store or a path: inputs exist, the output can be written, an explicit version is free.

    Those whom ``notify`` names are not asked anything, but what asking them takes is there. Raises DataInvalid (65),
    InputMissing (66), NoPermission (77), EnvironmentUnfit (78), TemporaryFailure (75) or VersionConflict (73).
    """
    notify.require(spec, settings)
    inputs = _list_inputs(spec, settings)
    stage.require_checkpoint(spec, settings)
    store = _output_store(spec, settings)
    _probe(store)
    identity = runs.identify(spec, {pointer: each.fingerprint for pointer, each in inputs.items()}, settings.run_id)
    publish.find_published(store, spec.output.version, identity.run_id)


def _find_run(spec: Spec, request: Request, settings: Settings) -> tuple[dict[str, stage.Input], Place]:
    """The inputs, and which run this job is; nothing is computed before all this is in order."""
    notify.require(spec, settings)
    inputs = _list_inputs(spec, settings)
    store = _output_store(spec, settings)
    capabilities = _probe(store)
    return inputs, Place(store, capabilities, _choose_run(spec, inputs, request, settings, store))


def _list_inputs(spec: Spec, settings: Settings) -> dict[str, stage.Input]:
    """The inputs, once the operator's rules allow the job and his folders have proved to be usable."""
    policy.require(spec, settings)
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


def _desk(
    spec: Spec, staged: stage.Staged, settings: Settings, check: Callable[[], None], kept: Kept | None
) -> Desk | None:
    """Where pictures without a caption get one; None where the job names no captioner."""
    if staged.captioner is None:
        return None
    from loraruner.training.runtime import resolve_runtime

    captioner, device = staged.captioner, resolve_runtime(spec).device
    return Desk(captioner.path, captioner.sha256, settings.cache / "captions", device, check, kept)


def _choose_run(
    spec: Spec, inputs: dict[str, stage.Input], request: Request, settings: Settings, store: Store
) -> runs.Identity:
    """The run that this job is; raises what ended it, unless people let it go on."""
    fingerprints = {pointer: each.fingerprint for pointer, each in inputs.items()}
    identity = runs.identify(spec, fingerprints, request.run_id or settings.run_id)
    if request.fresh:
        return runs.freshen(store, identity)
    if runs.read_job(store, identity) is None:
        stage.require_checkpoint(spec, settings)  # a run that has checkpoints of its own needs no other
        runs.warn_of_relatives(store, identity)
    else:
        runs.refuse_ended(store, identity, spec.monitor, resume_ended=request.resume_ended)
    return identity


def _owned(place: Place, settings: Settings, stop: StopSignal) -> Lease:
    """The lease of the run; waits for a holder that may be dead."""

    def pause(seconds: float) -> None:
        stop.check()
        time.sleep(seconds)

    last = runs.last_attempt(place.store, place.identity)
    keys = RunKeys(place.identity.run_id)
    return acquire(place.store, keys, place.capabilities, settings, last_attempt=last, pause=pause)


def _published_before(spec: Spec, place: Place, settings: Settings) -> publish.Published | None:
    """What this run has published already: then there is nothing to do."""
    done = publish.find_published(place.store, spec.output.version, place.identity.run_id)
    if not done:
        return None
    publish.point_latest(place.store, done)
    status.settle(place.store, RunKeys(place.identity.run_id).status, done.version)
    index.note_run(spec, settings, place.identity.run_id, only_missing=True)  # a kill may have come before that, too
    _LOG.info("nothing to do: run %s has published version %s", place.identity.run_id, done.version)
    return done


def _tell_late(spec: Spec, place: Place, done: publish.Published, settings: Settings, stop: StopSignal) -> None:
    """Tell whoever has not heard of a version that exists, because an attempt was killed or a service was away.

    The run's owner alone does so, so that nobody hears of it twice; whatever keeps this from it is only logged.
    """
    run = facts_of(spec, place, done.manifest["attempts"])
    if not notify.untold(spec, settings, run, place.store):
        return
    try:
        with _owned(place, settings, stop) as lease:
            notify.tell_late(spec, settings, run, FencedStore(place.store, lease), done.manifest, stop)
    except Preempted:
        raise
    except LoraRunerError as error:
        _LOG.warning("somebody may not have heard of version %s: %s", done.version, error)


def _result(store: Store, published: publish.Published, *, already: bool) -> RunResult:
    uri = f"{store.uri.rstrip('/')}/{version_prefix(published.version)}"
    return of_manifest(published.manifest, uri, already=already)
