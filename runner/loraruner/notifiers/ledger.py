"""What was told already: ``told.json`` in the run, message ids by notifier, so that a resumed run repeats nothing."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING

from loraruner.errors import Fenced, InputMissing, LoraRunerError

if TYPE_CHECKING:
    from loraruner.stores.base import Store

_LOG = logging.getLogger(__name__)
MAX_IDS = 1000  # of one notifier; of more the oldest epochs and warnings are forgotten, which no attempt repeats
MANY = ("epoch-", "warning-")


class Ledger:
    """``told.json`` of a run: message ids by notifier. Faults of the store are warnings: a message may come twice."""

    def __init__(self, store: Store, key: str) -> None:
        self._store, self._key = store, key
        self._told: dict[str, list[str]] = {}
        self._lock = threading.Lock()  # of writing: ``has`` never waits for the store

    def load(self) -> None:
        """Read what earlier attempts told."""
        try:
            document = json.loads(self._store.read(self._key)[0])
        except InputMissing:
            return
        except (LoraRunerError, OSError, ValueError, RecursionError) as error:
            _LOG.warning("%s cannot be read, so what was told may be told again: %s", self._key, error)
            return
        for key, ids in document.items() if isinstance(document, dict) else ():
            if isinstance(ids, list):
                self._told[key] = _bounded([each for each in ids if isinstance(each, str)])

    def has(self, key: str, message_id: str) -> bool:
        """See ``Told``."""
        return message_id in self._told.get(key, ())

    def last(self, key: str) -> str:
        """The id of the newest message, empty where there is none."""
        return (self._told.get(key) or [""])[-1]

    def note(self, key: str, message_id: str) -> None:
        """See ``Told``."""
        with self._lock:
            self._told[key] = _bounded([*self._told.get(key, ()), message_id])
            try:
                self._store.write(self._key, json.dumps(self._told, indent=1).encode())
            except Fenced:  # the run is another attempt's to speak of
                pass
            except (LoraRunerError, OSError) as error:
                _LOG.warning("told.json was not written, %s may be told again: %s", message_id, error)


def _bounded(ids: list[str]) -> list[str]:
    num_many = sum(each.startswith(MANY) for each in ids)
    too_many = min(num_many, len(ids) - MAX_IDS)
    kept = []
    for each in ids:
        if too_many > 0 and each.startswith(MANY):
            too_many -= 1
        else:
            kept.append(each)
    return kept


class NoLedger:
    """The ledger of a job that never became a run: there is nothing to remember it in."""

    def has(self, key: str, message_id: str) -> bool:
        """See ``Told``."""
        return False

    def note(self, key: str, message_id: str) -> None:
        """See ``Told``."""
