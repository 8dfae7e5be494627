"""One way to use an adapter, and how its code names the base model."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loraruner.spec.addresses import HUB_REPOSITORY

FOLDER = '"path/to/this/folder"'  # as code: where the reader keeps the version


@dataclass(frozen=True)
class Recipe:
    """One way to use the adapter; ``code`` of ``language`` (``python``, ``sh``, ``text``)."""

    title: str
    language: str
    code: str


def hub_id(uri: str) -> tuple[str, str | None] | None:
    """Repository and revision of a whole repository's ``hf://`` address, else None."""
    found = HUB_REPOSITORY.fullmatch(uri)
    return (found[1], found[2]) if found else None


def base_line(uri: str) -> str:
    """``base = ...``: a Hugging Face id, a local path, or where to copy from."""
    if hub := hub_id(uri):
        return f"base = {hub[0]!r}"
    local = "://" not in uri
    note = "" if local else f"  # a local copy of {uri!r}"
    if uri.endswith(".gguf"):
        folder, _, name = uri.rpartition("/")
        return f"base, name = {(folder or '.') if local else 'path/to/its/folder'!r}, {name!r}{note}"
    return f"base = {uri if local else 'path/to/base'!r}{note}"


def base_arguments(uri: str) -> str:
    """What ``from_pretrained`` takes to open the base that ``base_line`` names."""
    hub = hub_id(uri)
    if hub and hub[1]:
        return f"base, revision={hub[1]!r}"
    return "base, gguf_file=name" if uri.endswith(".gguf") else "base"


def prompt(document: Mapping[str, Any]) -> str:
    """The job's first prompt, or dots."""
    return str(next(iter(document["job"]["sampling"]["prompts"]), "..."))


def version_address(document: Mapping[str, Any]) -> str:
    """Where the version lies, as one word of a POSIX shell."""
    uri = document["job"]["output"]["uri"].rstrip("/")
    return shell(f"{uri}/{document['name']}/versions/{document['version']}")


def shell(text: str) -> str:
    """One word of a POSIX shell, on one line."""
    return shlex.quote(" ".join(text.split()))
