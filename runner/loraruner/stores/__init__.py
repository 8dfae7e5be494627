"""Stores by URI scheme. A new store is one module and one line here."""

from importlib import import_module
from urllib.parse import urlsplit

from loraruner import policy
from loraruner.errors import SpecInvalid
from loraruner.settings import Settings
from loraruner.stores.base import Store

MODULES = {
    "file": "loraruner.stores.local",
    "s3": "loraruner.stores.s3",
    "https": "loraruner.stores.https",
    "hf": "loraruner.stores.hf",
    "clickup": "loraruner.stores.clickup",
}


def scheme_of(uri: str) -> str:
    """The URI's scheme; a plain path is ``file``."""
    return urlsplit(uri).scheme.lower() if "://" in uri else "file"


def open_store(uri: str, settings: Settings) -> Store:
    """The store rooted at ``uri`` (each module has ``open_store(uri, settings)``). Opening touches no network.

    Every address goes through this door: NoPermission (77) for one that the operator doesn't allow.
    """
    if not uri:
        raise SpecInvalid("'': is no address; name a path or an address such as s3://BUCKET/PREFIX")
    try:
        scheme = scheme_of(uri)
    except ValueError as error:
        raise SpecInvalid(f"{uri}: is no address ({error}); correct it") from error
    if scheme not in MODULES:
        raise SpecInvalid(f"{uri}: unknown store scheme {scheme!r}; use one of {', '.join(sorted(MODULES))} or a path")
    policy.require_allowed(uri, settings)
    store: Store = import_module(MODULES[scheme]).open_store(uri, settings)
    return store
