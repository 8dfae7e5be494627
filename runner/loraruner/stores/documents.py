"""Small JSON documents of ours in a store, which anybody may have damaged."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from loraruner.errors import IntegrityError
from loraruner.stores.base import Store


def read_document(store: Store, key: str, fields: Mapping[str, type]) -> tuple[dict[str, Any], str]:
    """An object with its ETag. Raises IntegrityError (74) unless it is a JSON object with ``fields`` of these types.

    Raises InputMissing where there is none.
    """
    data, etag = store.read(key)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not all(isinstance(document.get(name), kind) for name, kind in fields.items()):
        raise IntegrityError(f"{store.uri}/{key}: is damaged or not ours; restore it, or delete it if nothing needs it")
    return document, etag


def digest_of(document: Mapping[str, Any], *, without: str) -> str:
    """SHA-256 of a JSON document in one form: without the key ``without``, keys sorted, no spaces, ASCII escapes."""
    rest = {key: value for key, value in document.items() if key != without}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def require_undamaged(document: Mapping[str, Any], field: str, address: str) -> None:
    """Raise IntegrityError (74) when a document is not what its own digest in ``field`` says, where it has one."""
    if document.get(field, digest := digest_of(document, without=field)) != digest:
        raise IntegrityError(f"{address}: differs from its own $.{field}; restore it from a copy")
