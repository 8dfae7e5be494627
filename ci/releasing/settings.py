"""Where a release goes and who publishes it: environment variables, all judged before anything else happens."""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from loraruner.errors import SpecInvalid

TARGETS = ("cpu", "runtime")
URL = re.compile(r"https?://[^\s?#\\]+")  # nothing behind the path, as ours is appended
BUILD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]*")  # what needs no second meaning in paths and properties
PINNED = re.compile(r"\S+@sha256:[0-9a-f]{64}")
REPOSITORY_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
OCI_PLACE = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9a-f:]+\])(?::\d+)?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+")

MEANINGS = {
    "PYPI_URL": "the address that twine uploads to, such as https://HOST/artifactory/api/pypi/pypi-candidate",
    "OCI_REPOSITORY": "the repository of the image, without a tag, such as HOST/docker-candidate/loraruner",
    "CHART_REPOSITORY": "where charts lie, such as oci://HOST/helm-candidate",
    "GENERIC_REPOSITORY": "the key of a generic repository, such as generic-candidate",
}


@dataclass(frozen=True)
class Account:
    """Who publishes; the token shows in no repr."""

    user: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class OciPlace:
    """A place in an OCI registry."""

    host: str
    path: str
    is_plain: bool  # HTTP without TLS, on loopback alone

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"


@dataclass(frozen=True)
class Repositories:
    """One repository of each kind: the candidates' or the releases'."""

    pypi: str
    index: str
    images: OciPlace
    charts: OciPlace
    generic: str


@dataclass(frozen=True)
class Settings:
    """All that a release needs to know; ``promoted`` only where a promotion is asked for."""

    artifactory: str
    account: Account
    candidate: Repositories
    promoted: Repositories | None
    build_name: str
    project: str
    image_address: str  # by which clusters pull the image: written into the chart


class Reader:
    """Reads variables and gathers every fault, to be told at once."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment, self.faults = environment, list[str]()

    def text(self, name: str, meaning: str = "") -> str:
        """The value of a variable, or of the file that ``NAME_FILE`` names; a fault where a meaning is given."""
        value, file = self._environment.get(name, ""), self._environment.get(f"{name}_FILE", "")
        if value and file:
            self.faults.append(f"{name} and {name}_FILE are both set: give one")
        elif file:
            value = self._of_file(f"{name}_FILE", Path(file))
        elif not value and meaning:
            self.faults.append(f"{name} is not set: give {meaning}")
        return value

    def _of_file(self, name: str, path: Path) -> str:
        try:
            value = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.faults.append(f"{name}={path} can't be read ({getattr(error, 'strerror', None) or 'not UTF-8'})")
            return ""
        if not value:
            self.faults.append(f"{name}={path} is empty")
        return value

    def url(self, name: str, meaning: str) -> str:
        """An https address, or one on loopback, without credentials; no slash at its end."""
        value = self.text(name, meaning)
        if "@" in value:
            self.faults.append(f"{name} holds credentials: give them by RELEASE_USER and RELEASE_TOKEN_FILE")
            return ""
        try:
            parts = urlsplit(value)
            is_fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_fit, parts = False, urlsplit("")
        if value and not (is_fit and URL.fullmatch(value)):
            self.faults.append(f"{name}={value} is no address: give {meaning or 'one with https://'}")
        elif parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            self.faults.append(f"{name}={value} would carry the token unencrypted: give an https address")
        return value.rstrip("/")

    def oci(self, name: str, meaning: str) -> OciPlace:
        """A place in a registry; ``http://`` before it only on loopback."""
        value = self.text(name, meaning).rstrip("/")
        scheme, _, rest = value.rpartition("://")
        host, _, path = rest.partition("/")
        if "@" in value:
            self.faults.append(f"{name} holds credentials: give them by RELEASE_USER and RELEASE_TOKEN_FILE")
        elif value and not (scheme in ("", "oci", "https", "http") and OCI_PLACE.fullmatch(rest)):
            self.faults.append(f"{name}={value} is no place in a registry: give {meaning}")
        elif scheme == "http" and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            self.faults.append(f"{name}={value} would carry the token unencrypted: leave out http://")
        return OciPlace(host, path, scheme == "http")

    def account(self) -> Account:
        """Who publishes, as HTTP can say it."""
        user = self.text("RELEASE_USER", "the account that publishes")
        token = self.text("RELEASE_TOKEN", "its access token, better as a file by RELEASE_TOKEN_FILE")
        if ":" in user or not user.isprintable():
            self.faults.append("RELEASE_USER holds a colon or a control character, which no login can carry")
        if not token.isprintable():
            self.faults.append("RELEASE_TOKEN holds a control character or a line break: give the token alone")
        return Account(user, token)

    def named(self, name: str, otherwise: str, form: re.Pattern[str]) -> str:
        """A name of a certain form."""
        value = self.text(name) or otherwise
        if value and not form.fullmatch(value):
            self.faults.append(f"{name}={value} is no name that can be used here: give one like {form.pattern}")
        return value

    def key(self, name: str, meaning: str) -> str:
        """The key of a repository."""
        value = self.text(name, meaning)
        if value and not REPOSITORY_KEY.fullmatch(value):
            self.faults.append(f"{name}={value} is no key of a repository: give {meaning}")
        return value

    def repositories(self, prefix: str) -> Repositories:
        """The four repositories whose variables begin with ``prefix``."""
        pypi = self.url(f"{prefix}_PYPI_URL", MEANINGS["PYPI_URL"])
        return Repositories(
            pypi=pypi,
            index=self.url(f"{prefix}_PYPI_INDEX_URL", "") or f"{pypi}/simple",
            images=self.oci(f"{prefix}_OCI_REPOSITORY", MEANINGS["OCI_REPOSITORY"]),
            charts=self.oci(f"{prefix}_CHART_REPOSITORY", MEANINGS["CHART_REPOSITORY"]),
            generic=self.key(f"{prefix}_GENERIC_REPOSITORY", MEANINGS["GENERIC_REPOSITORY"]),
        )


def read(environment: Mapping[str, str] = os.environ, *, promotes: bool = False, base_needed: bool = False) -> Settings:
    """The settings in ``environment``; SpecInvalid names every one that is missing or unfit, and what to give."""
    reader = Reader(environment)
    settings = Settings(
        artifactory=reader.url("ARTIFACTORY_URL", "the server of files and builds, such as https://HOST/artifactory"),
        account=reader.account(),
        candidate=reader.repositories("RELEASE"),
        promoted=reader.repositories("PROMOTE") if promotes else None,
        build_name=reader.named("RELEASE_BUILD_NAME", "loraruner", BUILD_NAME),
        project=reader.named("RELEASE_PROJECT", "", REPOSITORY_KEY),
        image_address=reader.named("RELEASE_IMAGE_ADDRESS", "", OCI_PLACE),
    )
    if base_needed:
        base = environment.get("BASE_IMAGE", "")
        if not base:
            reader.faults.append("BASE_IMAGE is not set: give the image's base by digest, or a ready image by --image")
        elif not PINNED.fullmatch(base):
            reader.faults.append(f"BASE_IMAGE={base} has no digest: give NAME@sha256:...")
    if reader.faults:
        raise SpecInvalid("\n  ".join(["nothing was begun:", *reader.faults]))
    return settings


def targets(environment: Mapping[str, str], given: Mapping[str, str]) -> list[str]:
    """Which images belong to the release: those of ``RELEASE_TARGETS`` (default cpu) and those given; SpecInvalid."""
    named = environment.get("RELEASE_TARGETS", "" if given else "cpu").split()
    unknown = [name for name in [*named, *given] if name not in TARGETS]
    if unknown:
        raise SpecInvalid(f"{unknown[0]!r} is no target of the image: give {' or '.join(TARGETS)}")
    return [name for name in TARGETS if name in named or name in given]


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its text alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
