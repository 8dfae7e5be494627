"""Keys of objects: what may name one, so that a key can become a local path without surprises."""

import unicodedata
from collections.abc import Iterable
from urllib.parse import urlsplit

from loraruner.errors import DataInvalid

MAX_KEY_BYTES, MAX_PART_BYTES = 1024, 255  # of an object in S3, and of a file's name on Linux
MAX_PARTS = 64


def check_key(key: str, uri: str) -> str:
    """Return ``key`` when it is safe below any root; "" names the root itself (a URI of a single object).

    Raises DataInvalid for absolute keys, ``.`` and ``..`` parts, empty parts, backslashes, control
    characters, names that are not UTF-8, and what is too long or too deep for a path.
    """
    fault = _fault(key)
    if fault:
        raise DataInvalid(f"{shown(uri)}: the key {key[:200]!r} is refused, it {fault}; rename the object")
    return key


def require_distinct(keys: Iterable[str], uri: str) -> None:
    """Raise DataInvalid where two keys would be one local path, or one is a folder of another.

    Names that differ in their Unicode form alone (NFC and NFD) are one on some file systems, and look the same.
    """
    paths: dict[str, str] = {}
    for key in keys:
        known = paths.setdefault(unicodedata.normalize("NFC", key), key)
        if known != key:
            raise DataInvalid(
                f"{shown(uri)}: the keys {known!r:.210} and {key!r:.210} look the same; rename one of them"
            )
    for path, key in paths.items():
        for end in (place for place, character in enumerate(path) if character == "/"):
            if (file := paths.get(path[:end])) is not None:
                raise DataInvalid(
                    f"{shown(uri)}: the key {file!r:.210} is a folder of {key!r:.210}, and a file can't be both; "
                    "rename one of them"
                )


def _fault(key: str) -> str | None:
    if not key:
        return None
    try:
        key.encode()
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    if any(unicodedata.category(character) == "Cc" for character in key):
        return "holds a control character"
    if "\\" in key:
        return "holds a backslash"
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "has an empty part or one of '.' and '..'"
    if _size(key) > MAX_KEY_BYTES or len(parts) > MAX_PARTS or max(map(_size, parts)) > MAX_PART_BYTES:
        return "is too long or too deep for a path"
    return None


def _size(part: str) -> int:
    return len(part.encode())


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
