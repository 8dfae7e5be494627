"""What an S3 endpoint really does, found by trying it with one small object."""

import logging
import secrets
from typing import Protocol

from loraruner.errors import IntegrityError, NoPermission
from loraruner.stores.base import Capabilities, PreconditionFailed, Store
from loraruner.stores.s3_errors import Unsupported

log = logging.getLogger(__name__)

CHECKSUM_MODES = ("when_supported", "when_required")


class ProbedStore(Store, Protocol):
    """A store whose uploads can carry their checksums in two ways."""

    checksum_mode: str


def probe(store: ProbedStore) -> Capabilities:
    """Find out, log it in one line, and leave ``store.checksum_mode`` at what works.

    Some stores ignore conditions, some refuse even those that hold. That two creators in the same instant get
    one winner cannot be proven by trying.
    """
    key, data = f"probe-{secrets.token_hex(8)}", secrets.token_bytes(64)
    try:
        store.checksum_mode = _working_checksum_mode(store, key, data)
        try:
            exclusive = _refused(store, key, if_absent=True)
            matched = _refused(store, key, if_match='"00000000000000000000000000000000"') and _replaceable(store, key)
        finally:
            store.delete(key)
    except NoPermission as error:
        raise NoPermission(f"{store.uri}: nothing can be written there, which a job's output needs: {error}") from error
    log.info("%s: exclusive create %s, replace if unchanged %s, checksums %s",
             store.uri, exclusive, matched, store.checksum_mode)  # fmt: skip
    if not (exclusive and matched):
        log.warning("%s: conditional writes are not honoured: run one job per output name at a time", store.uri)
    return Capabilities(create_exclusive=exclusive, replace_if_match=matched, checksum_mode=store.checksum_mode)


def _working_checksum_mode(store: ProbedStore, key: str, data: bytes) -> str:
    for mode in CHECKSUM_MODES:
        store.checksum_mode = mode
        try:
            store.write(key, data)
        except (Unsupported, IntegrityError) as error:
            log.info("%s: checksums %s are refused: %s", store.uri, mode, error)
            continue
        if store.read(key)[0] == data:
            return mode
    raise IntegrityError(f"{store.uri}: a small object comes back damaged or is refused; use another store")


def _refused(store: ProbedStore, key: str, *, if_absent: bool = False, if_match: str | None = None) -> bool:
    try:
        store.write(key, b"must not be written", if_absent=if_absent, if_match=if_match)
    except PreconditionFailed:
        return True
    except Unsupported:
        return False
    return False


def _replaceable(store: ProbedStore, key: str) -> bool:
    """Whether a condition that holds is accepted."""
    try:
        store.write(key, b"replaced", if_match=store.read(key)[1])
    except (PreconditionFailed, Unsupported):
        return False
    return True
