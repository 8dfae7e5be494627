"""Addresses of inputs and outputs, judged by their text alone."""

import posixpath
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import unquote

from loraruner.spec import hints
from loraruner.spec.faults import Fault, shorten

READABLE = ("s3", "file", "https", "hf")
TASKS = "clickup"  # the scheme of a task's attachments: data, no models
WRITABLE = ("s3", "file")
INPUTS = ("model.base", "data.uri", "data.caption.model", "evaluation.uri", "evaluation.general_uri")

CLICKUP_TASK = re.compile(r"clickup://([A-Za-z0-9][A-Za-z0-9_-]{0,62})/?")
"""The attachments of a ClickUp task, and its id."""

HUB_REPOSITORY = re.compile(r"hf://([^/@]+/[^/@]+)(?:@([^/]+))?/?")
"""A whole repository of a model hub: its id and, where named, the revision."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_SLIP = re.compile(rf"({'|'.join((*READABLE, TASKS))}):(?!//)")
_ELSEWHERE = {
    "http": "use https://",
    "gs": "reach the bucket by its S3 interface: s3:// with AWS_ENDPOINT_URL_S3",
    "s3a": "write s3://",
    "s3n": "write s3://",
}


def faults(place: str, uri: str, schemes: tuple[str, ...]) -> Iterator[Fault]:
    """What is wrong with the address ``uri`` at ``place``, where ``schemes`` or a path are allowed."""
    match = _SCHEME.match(uri)
    slip = _SLIP.match(uri)
    if slip and not match:
        yield Fault(place, shorten(uri), "lacks the slashes of an address", f"write {slip[1]}://")
    elif match and match[1] not in schemes:
        yield Fault(place, shorten(uri), f"has the scheme {match[1]}, which {_why(match[1])}", _way(match[1], schemes))
    elif match and match[1] != "file" and not match[2].split("/")[0]:
        yield Fault(place, shorten(uri), "names no bucket or host", f"write {match[1]}://NAME/...")
    elif match and match[1] == "file" and not match[2].startswith("/"):
        yield Fault(place, shorten(uri), "is no absolute path", "write file:///folder, or a plain path")


def is_inside(inner: str, outer: str) -> bool:
    """Whether ``inner`` is ``outer`` or lies below it, by their text."""
    inner_scheme, inner_path = _parts(inner)
    outer_scheme, outer_path = _parts(outer)
    climbs = inner_path.parts[:1] == ("..",) and outer_path.parts[:1] != ("..",)
    return inner_scheme == outer_scheme and not climbs and inner_path.is_relative_to(outer_path)


def overlap(output: str, uri: str) -> str:
    """How the place ``output`` and the input ``uri`` share something, by their text; empty when they do not."""
    if is_inside(output, uri):
        return "lies in"
    return "holds" if is_inside(uri, output) else ""


def is_plain_relative(name: str) -> bool:
    """Whether ``name`` stays inside a folder on any system: relative, no ``..``, no backslash, no drive."""
    parts = name.split("/")
    return not any(part in ("", ".", "..") for part in parts) and not re.search(r"[\\:]", name)


def _why(scheme: str) -> str:
    if scheme == TASKS:
        return "only data can come from"
    return "can only be read" if scheme in READABLE else "no store here has"


def _way(scheme: str, schemes: tuple[str, ...]) -> str:
    if scheme in _ELSEWHERE:
        return _ELSEWHERE[scheme]
    near = hints.for_value(scheme, schemes)
    choices = ", ".join(f"{name}://" for name in schemes)
    return f"did you mean {near}://?" if near else f"use {choices} or a path"


def _parts(uri: str) -> tuple[str, PurePosixPath]:
    match = _SCHEME.match(uri)
    scheme, path = (match[1].lower(), match[2]) if match else ("file", uri)
    if match and scheme == "file":
        path = unquote(path.removeprefix("localhost"))
    if path.startswith("/"):
        path = f"/{path.lstrip('/')}"  # two slashes at the start are one to the file system, not to posixpath
    return scheme, PurePosixPath(posixpath.normpath(path) if path else ".")
