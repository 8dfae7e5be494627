"""Keys of objects: what may name one, so that a key can become a local path without surprises."""

from urllib.parse import urlsplit

from loraruner.errors import DataInvalid


def check_key(key: str, uri: str) -> str:
    """Return ``key`` when it is safe below any root; "" names the root itself (a URI of a single object).

    Raises DataInvalid for absolute keys, ``.`` and ``..`` parts, empty parts, backslashes, control
    characters and names that are not UTF-8.
    """
    fault = _fault(key)
    if fault:
        raise DataInvalid(f"{shown(uri)}: the key {key!r} is refused, it {fault}; rename the object")
    return key


def _fault(key: str) -> str | None:
    if not key:
        return None
    try:
        key.encode()
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    if any(ord(character) < 32 or ord(character) == 127 for character in key):
        return "holds a control character"
    if "\\" in key:
        return "holds a backslash"
    if any(part in ("", ".", "..") for part in key.split("/")):
        return "has an empty part or one of '.' and '..'"
    return None


def join(uri: str, key: str) -> str:
    """The address of an object for people to read: no password, no query, no signature."""
    root = shown(uri)
    return f"{root.rstrip('/')}/{key}" if key else root


def shown(uri: str) -> str:
    """``uri`` without user information, query and fragment, which may hold secrets."""
    if "://" not in uri:
        return uri
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https"):
        return uri
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
