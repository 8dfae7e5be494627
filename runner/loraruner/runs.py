"""Which run a job is, what its first attempt fixed, and which attempt this is."""

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from loraruner.errors import DataInvalid, Diverged, ExitCode, IntegrityError, LoraRunerError, Paused, SpecInvalid
from loraruner.families.base import Runtime
from loraruner.spec import Monitor, Spec, to_document
from loraruner.stores.base import PreconditionFailed, Store
from loraruner.stores.documents import read_document
from loraruner.workspace import RunKeys

_LOG = logging.getLogger(__name__)
NOT_IDENTITY = ("$schema", "labels", "checkpoint", "monitor", "notify")
JOB_NAME = "/job.json"
JOB = {"spec_digest": str, "fingerprint": str, "created": str, "resolved": dict}
ENDED: Mapping[int, type[LoraRunerError]] = {ExitCode.DIVERGED: Diverged, ExitCode.PAUSED: Paused}
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class Identity:
    """What makes two jobs the same run: the spec (without ``NOT_IDENTITY``) and the inputs' content."""

    run_id: str
    spec_digest: str
    fingerprint: str


def identify(spec: Spec, fingerprints: Mapping[str, str], run_id: str | None = None) -> Identity:
    """``NAME-<12 hex>`` of the canonical job and its inputs, or the operator's ``run_id``.

    Addresses count too: the same content elsewhere is another run. ``auto`` values count as written.
    Raises SpecInvalid (64) for an id that cannot be the name of a folder.
    """
    if run_id and not RUN_ID.fullmatch(run_id):
        raise SpecInvalid(
            f"--run-id or LORARUNER_RUN_ID: {run_id!r} is no run id; begin with a letter or digit and go on with those "
            "and . _ - (128 characters at most)"
        )
    document = {key: value for key, value in to_document(spec).items() if key not in NOT_IDENTITY}
    spec_digest = _digest(document)
    fingerprint = _digest(dict(fingerprints))
    short = _digest({"spec": spec_digest, "inputs": fingerprint})[:12]
    return Identity(run_id or f"{spec.name}-{short}", spec_digest, fingerprint)


def freshen(store: Store, identity: Identity) -> Identity:
    """The identity under the next free id ``RUN``, ``RUN-2``, ``RUN-3``, ... that no attempt has used."""
    number, run_id = 1, identity.run_id
    while next(store.list(RunKeys(run_id).prefix), None) is not None:
        number += 1
        run_id = f"{identity.run_id}-{number}"
    return replace(identity, run_id=run_id)


def read_job(store: Store, identity: Identity) -> dict[str, Any] | None:
    """``job.json`` of an earlier attempt, or None for a new run.

    Raises DataInvalid (65) when the run id belongs to another spec or other inputs.
    """
    keys = RunKeys(identity.run_id)
    if store.head(keys.job) is None:
        return None
    job, _ = read_document(store, keys.job, JOB)
    for field, what in (("spec_digest", "another job"), ("fingerprint", "other inputs")):
        if job[field] != getattr(identity, field):
            raise DataInvalid(
                f"run {identity.run_id} was started with {what}; leave --run-id away, or choose an id that is free"
            )
    return job


def settle_runtime(store: Store, identity: Identity, spec: Spec, here: Runtime) -> Runtime:
    """What ``auto`` became for this run: the first attempt's choice is written once and holds for all later ones."""
    if job := read_job(store, identity):
        return Runtime(**job["resolved"])
    job = {**asdict(identity), "created": _now(), "resolved": asdict(here), "job": to_document(spec)}
    try:
        store.write(RunKeys(identity.run_id).job, json.dumps(job, indent=1).encode(), if_absent=True)
    except PreconditionFailed:
        return settle_runtime(store, identity, spec, here)
    return here


def last_attempt(store: Store, identity: Identity) -> int:
    """The highest attempt number that has left a log, 0 for a new run."""
    prefix = RunKeys(identity.run_id).all_logs
    names = {info.key.removeprefix(prefix).split("/")[0] for info in store.list(prefix)}
    numbers = (name.removeprefix("attempt-") for name in names)
    return max((int(number) for number in numbers if number.isascii() and number.isdigit()), default=0)


def monitor_digest(monitor: Monitor) -> str:
    """SHA-256 (hex) of what the job's ``monitor`` changes: a key that a later release adds changes no digest."""
    defaults = asdict(Monitor())
    return _digest({name: value for name, value in asdict(monitor).items() if value != defaults[name]})


def refuse_ended(store: Store, identity: Identity, monitor: Monitor, *, resume_ended: bool = False) -> int:
    """Raise again what ended this run (79, 80), so that the same job does not come to the same end a second time.

    How often people let it go on: once more for one that has ended so and goes on now, with ``resume_ended`` or because
    ``monitor`` is not what it was. Their leave is counted in the status, so that it outlives an attempt that was
    stopped before it had saved anything.
    """
    status = _told(store, RunKeys(identity.run_id).status)
    code = status.get("exit_code")
    ended = ENDED.get(code) if isinstance(code, int) else None
    told = status.get("continued", 0)
    continued = told if isinstance(told, int) else 0
    if ended is None:
        return continued
    if resume_ended or status.get("monitor_digest", monitor_digest(monitor)) != monitor_digest(monitor):
        return continued + 1
    reason = str(status.get("reason"))
    what_next = "" if "--continue" in reason else "; change the job, or resume it with --continue"
    raise ended(f"run {identity.run_id} has ended: {reason}{what_next}")


def warn_of_relatives(store: Store, identity: Identity) -> None:
    """One warning line for an unfinished run of the same spec on other inputs."""
    for info in store.list("runs/"):
        run_id = info.key.removeprefix("runs/").removesuffix(JOB_NAME)
        if "/" in run_id or not info.key.endswith(JOB_NAME) or run_id == identity.run_id:
            continue
        job = _told(store, info.key)
        if job.get("spec_digest") != identity.spec_digest or job.get("fingerprint") == identity.fingerprint:
            continue
        if _told(store, RunKeys(run_id).status).get("state") != "published":
            _LOG.warning("an unfinished run of this job on other inputs exists: %s; this is a new run", run_id)
            return


def _told(store: Store, key: str) -> dict[str, Any]:
    """A document that is only good to know: empty when it is absent, or damaged, which is reported."""
    try:
        return read_document(store, key, {})[0] if store.head(key) else {}
    except IntegrityError as error:
        _LOG.warning("%s", error)
        return {}


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
