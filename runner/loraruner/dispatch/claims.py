"""Who starts a task: one object of the store for each entry of a task into the start status, written conditionally.

``OUTPUT/.dispatch/TASK_ID/DIGEST.json`` is created by whoever starts the task (``claimed``) and changed by him alone
(``started``, or ``told`` where people were told of faults). A claim that stayed ``claimed`` is taken over: its maker
died between the two. The job stands in it, so that whoever takes over starts the very same run.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from loraruner.errors import EnvironmentUnfit
from loraruner.stores.base import PreconditionFailed, Store
from loraruner.stores.documents import read_document

PREFIX = ".dispatch"
FORM = {"state": str, "run_id": str, "start": str, "job": dict, "made": str}
CLAIMED, STARTED, TOLD = "claimed", "started", "told"
# Longer than any dispatcher needs from the claim to the start.
ABANDONED_S = 300.0
MAX_CLAIMS = 1000  # of one task that are looked at


@dataclass(frozen=True)
class Claim:
    """One claim as it was read or written. ``content`` is its JSON object."""

    key: str
    etag: str
    content: Mapping[str, Any]

    @property
    def state(self) -> str:
        """``claimed``, ``started`` or ``told``."""
        return str(self.content["state"])

    @property
    def run_id(self) -> str:
        """The run that it starts."""
        return str(self.content["run_id"])

    @property
    def start(self) -> str:
        """How it was started: ``local`` or ``kubernetes``."""
        return str(self.content["start"])

    @property
    def job(self) -> dict[str, Any]:
        """The job that it starts."""
        return dict(self.content["job"])

    @property
    def faults(self) -> tuple[str, ...]:
        """Why it starts nothing, in a sentence each; empty where it starts a run."""
        found = self.content.get("faults")
        return tuple(str(each) for each in found) if isinstance(found, list) else ()

    @property
    def ended(self) -> int | None:
        """Exit code of a local run that has ended."""
        code = self.content.get("exit_code")
        return code if isinstance(code, int) else None


def digest(task_id: str, files: Iterable[tuple[str, str, int]], fields: Mapping[str, Any], since_ms: int) -> str:
    """SHA-256 of one entry: the task, its files (id, title, bytes), what its fields say, and when it came in.

    The template is no part of it: after an edit of the template only new entries start.
    """
    whole = {"task": task_id, "files": sorted(files), "fields": dict(fields), "since_ms": since_ms}
    return hashlib.sha256(json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def run_id(task_id: str, entry: str) -> str:
    """The run of an entry: the same for whoever starts it."""
    return f"{task_id}-{entry[:12]}"


def require_conditional(store: Store) -> None:
    """Raise EnvironmentUnfit (78) for a store in which two dispatchers could both win."""
    found = store.probe()
    if not (found.create_exclusive and found.replace_if_match):
        raise EnvironmentUnfit(
            f"{store.uri}: this store does not refuse a conditional write, so one task could start twice; use one that "
            "does (If-None-Match and If-Match), see `loraruner selftest store`"
        )


def key_of(task_id: str, entry: str) -> str:
    """Where a claim lies below the output."""
    return f"{PREFIX}/{task_id}/{entry}.json"


def find(store: Store, key: str) -> Claim | None:
    """A claim; raises IntegrityError (74) for a damaged one."""
    if store.head(key) is None:
        return None
    content, etag = read_document(store, key, FORM)
    return Claim(key, etag, content)


def of_task(store: Store, task_id: str) -> Iterator[Claim]:
    """All claims of a task; raises IntegrityError (74) for a damaged one."""
    for number, info in enumerate(store.list(f"{PREFIX}/{task_id}/")):
        if number < MAX_CLAIMS and (claim := find(store, info.key)):
            yield claim


def make(store: Store, key: str, content: Mapping[str, Any]) -> Claim | None:
    """Claim an entry; None when somebody else has."""
    whole = {**content, "state": CLAIMED, "made": _now(), "by": secrets.token_hex(8)}
    try:
        return Claim(key, store.write(key, _bytes(whole), if_absent=True), whole)
    except PreconditionFailed:
        return None


def is_abandoned(store: Store, claim: Claim) -> bool:
    """Whether its maker gave it up, or must have died: nobody has written it for so long, by the store's own clock."""
    if claim.content.get("given_up") is True:
        return True
    age_s = store.age_s(claim.key)
    if age_s is None:
        age_s = (datetime.now(UTC) - _time(str(claim.content["made"]))).total_seconds()
    return age_s > ABANDONED_S


def take_over(store: Store, claim: Claim) -> Claim | None:
    """Own a claim that is abandoned; None when another took it."""
    return change(store, claim, by=secrets.token_hex(8), given_up=False)


def give_up(store: Store, claim: Claim) -> None:
    """Leave a claim to the next look, as this one could not start it."""
    change(store, claim, given_up=True)


def change(store: Store, claim: Claim, **changed: Any) -> Claim | None:
    """Write a claim anew; None when somebody else has."""
    content = {**claim.content, **changed}
    try:
        return replace(claim, etag=store.write(claim.key, _bytes(content), if_match=claim.etag), content=content)
    except PreconditionFailed:
        return None


def _bytes(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
