"""What the machine's operator asks of every job: where it may read and write, and which digests it must name.

Of the disk only names are looked at, to see through links. Places are compared part by part: ``s3://loras`` allows
``s3://loras/x`` and never ``s3://loras-evil``.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from loraruner.errors import NoPermission
from loraruner.redact import Redactor
from loraruner.settings import Settings
from loraruner.spec import Fault, JobInvalid, Spec

PREFIXES, DIGESTS = "LORARUNER_ALLOWED_PREFIXES", "LORARUNER_REQUIRE_DIGESTS"
DEFAULT_PORTS = {"https": 443}


@dataclass(frozen=True)
class Place:
    """A normalised address: what it lies in first, the last part last. ``parts`` of a local path are a real path's."""

    scheme: str
    parts: tuple[str, ...]

    def is_within(self, outer: "Place") -> bool:
        """Whether this place is ``outer`` or lies below it."""
        own, other = self.parts[: len(outer.parts)], outer.parts
        if self.scheme == "hf":  # a repository without a revision means all of its revisions
            at = 2 if own[:1] == ("datasets",) else 1
            if len(own) > at and "@" not in other[at]:
                own = (*own[:at], own[at].partition("@")[0], *own[at + 1 :])
        return self.scheme == outer.scheme and own == other


def require(spec: Spec, settings: Settings) -> None:
    """Everything below, before a job touches a store: raises NoPermission (77) or JobInvalid (64)."""
    for pointer, uri in addresses_of(spec):
        try:
            require_allowed(uri, settings)
        except NoPermission as error:
            raise NoPermission(f"{pointer}: {error}") from error
    require_digests(spec, settings)
    require_apart(spec)


def require_allowed(uri: str, settings: Settings) -> None:
    """Raise NoPermission (77) for an address that lies below none of the operator's prefixes, where he set any."""
    if not settings.allowed_prefixes:
        return
    place = place_of(uri)
    if place is None or not any(place.is_within(outer) for outer in _places(settings.allowed_prefixes)):
        path = str(Path(*place.parts)) if place and place.scheme == "file" else uri
        really = f" ({path})" if path != uri.rstrip("/") and path != uri else ""
        shown = Redactor(settings.secrets).text(uri.partition("?")[0])
        raise NoPermission(
            f"{shown}{really} lies outside of what the operator of this machine allows; choose a place below "
            f"{', '.join(settings.allowed_prefixes)}, or let the operator extend {PREFIXES}"
        )


def require_digests(spec: Spec, settings: Settings) -> None:
    """Raise JobInvalid (64) naming every digest that the operator asks for and the job lacks."""
    if not settings.require_digests:
        return
    digests = {"$.model.sha256": spec.model.sha256, "$.data.sha256": spec.data.sha256}
    if spec.data.caption:
        digests["$.data.caption.sha256"] = spec.data.caption.sha256
    reason = f"is missing, and the operator of this machine asks for it ({DIGESTS})"
    fix = "give the SHA-256 that a manifest of an earlier run shows, of one file what sha256sum prints"
    if missing := [Fault(pointer, "", reason, fix) for pointer, digest in digests.items() if not digest]:
        raise JobInvalid(missing)


def require_apart(spec: Spec) -> None:
    """Raise JobInvalid (64) where OUTPUT/NAME and a local input are one, or one lies in the other, links followed.

    What the text of the addresses shows has been refused before, when the job was read.
    """
    output = place_of(spec.output.uri)
    if output is None or output.scheme != "file":
        return
    target = Path(*output.parts, spec.name)
    for pointer, uri in addresses_of(spec):
        if pointer in ("$.output.uri", "$.checkpoint.resume"):
            continue  # a checkpoint of this very name is what people resume from
        place = place_of(uri)
        if place and place.scheme == "file" and (how := _overlap(target, Path(*place.parts))):
            fix = "give a place of its own, else results become input"
            raise JobInvalid([Fault("$.output.uri", "", f"{target} {how} the input {pointer}, {uri}", fix)])


def place_of(uri: str) -> Place | None:
    """Where an address lies; None for one that means different things to different readers (``..``, backslashes)."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return _local(uri)
    scheme = scheme.lower()
    if scheme == "file":
        return _local(unquote(urlsplit(uri).path))
    try:
        parts = _web_parts(uri) if scheme == "https" else _plain_parts(scheme, rest)
    except ValueError:
        return None
    odd = any(part in (".", "..") or "\\" in part or "\0" in part for part in parts)
    return None if odd else Place(scheme, parts)


def addresses_of(spec: Spec) -> Iterator[tuple[str, str]]:
    """Every address that a job names, with its place in the job."""
    caption, resume = spec.data.caption, spec.checkpoint.resume
    named = {
        "$.model.base": spec.model.base,
        "$.data.uri": spec.data.uri,
        "$.data.caption.model": caption and caption.model,
        "$.evaluation.uri": spec.evaluation.uri,
        "$.evaluation.general_uri": spec.evaluation.general_uri,
        "$.checkpoint.resume": None if resume in ("auto", "never") else resume,
        "$.output.uri": spec.output.uri,
    }
    return ((pointer, uri) for pointer, uri in named.items() if uri)


def _places(prefixes: tuple[str, ...]) -> Iterator[Place]:
    return (place for place in map(place_of, prefixes) if place)


def _local(path: str) -> Place | None:
    return None if "\0" in path else Place("file", Path(os.path.realpath(path)).parts)


def _plain_parts(scheme: str, rest: str) -> tuple[str, ...]:
    """Of ``s3`` a key is taken as it stands, as the store does; of a hub the escapes of a revision are read."""
    parts = rest.rstrip("/").split("/") if rest.rstrip("/") else []
    return tuple(parts if scheme == "s3" else map(unquote, parts))


def _web_parts(uri: str) -> tuple[str, ...]:
    """Host with its port, then the path's parts, escapes read; raises ValueError for what is no address."""
    address = urlsplit(uri)
    host = (address.hostname or "").rstrip(".")
    port = address.port or DEFAULT_PORTS["https"]
    path = unquote(address.path).strip("/")
    named = (f"{host}:{port}",) if host else ()  # "https://" allows all hosts
    return named + (tuple(path.split("/")) if path else ())


def _overlap(target: Path, given: Path) -> str:
    if _is_below(target, given):
        return "lies in"
    return "holds" if _is_below(given, target) else ""


def _is_below(inner: Path, outer: Path) -> bool:
    """Whether ``inner`` is ``outer`` or lies in it, also by another name of the same folder (mounts, letter case)."""
    return inner.is_relative_to(outer) or any(_is_same(each, outer) for each in (inner, *inner.parents))


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist yet, or may not be looked at
        return False
