"""A register in a store: one writer of several owns it, and what an owner has decided holds for all that follow.

It fences what a condition on the object itself cannot: a request to create something is honoured however late it
arrives, as long as there is nothing. Whoever owns the register decides first, so that the next owner knows what may
still arrive, and sends the same.
"""

import json
import secrets
from contextlib import suppress
from typing import Any

from loraruner.errors import InputMissing, TemporaryFailure
from loraruner.stores.base import PreconditionFailed, Store
from loraruner.stores.documents import read_document

TRIES = 3


class Register:
    """One object, ``{"by", "decided"}``, that changes by conditional writes alone."""

    def __init__(self, store: Store, key: str) -> None:
        self._store, self._key, self._etag = store, key, ""

    def own(self) -> dict[str, Any] | None:
        """Own it from now on, so that no owner before can decide any more; or return what one has decided.

        Raises TemporaryFailure (75) where others write it all the time, unless the store's fence tells that first.
        """
        for _ in range(TRIES):
            with suppress(PreconditionFailed):
                self._etag = self._store.write(self._key, _content(None), if_absent=True)
                return None
            with suppress(PreconditionFailed, InputMissing):
                found, etag = read_document(self._store, self._key, {"by": str})
                if isinstance(decided := found.get("decided"), dict):
                    return decided
                self._etag = self._store.write(self._key, _content(None), if_match=etag)
                return None
        raise written_by_another(self._store, self._key)

    def decide(self, decision: dict[str, Any]) -> None:
        """For good. Raises TemporaryFailure (75) when the register is another's."""
        try:
            self._etag = self._store.write(self._key, _content(decision), if_match=self._etag)
        except PreconditionFailed as error:
            raise written_by_another(self._store, self._key) from error


def _content(decision: dict[str, Any] | None) -> bytes:
    """Never the same twice: the ETag of a content that came back would honour what is long out of date."""
    return json.dumps({"by": secrets.token_hex(8), "decided": decision}).encode()


def written_by_another(store: Store, key: str) -> TemporaryFailure:
    """A conditional write was refused as often as it was tried."""
    return TemporaryFailure(f"{store.uri}/{key}: somebody else is writing it; start the job again")
