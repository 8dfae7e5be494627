"""The calls of Artifactory's REST API that a release needs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ci.releasing.digests import Digests, of_file
from ci.releasing.web import Answer, Web
from loraruner.errors import InputMissing, IntegrityError, LoraRunerError

TRIES = 2  # of an upload whose bytes arrived as others
BUILD_TYPE = "application/vnd.org.jfrog.artifactory+json"
PROMOTION_TYPE = "application/vnd.org.jfrog.artifactory.build.PromotionRequest+json"


class Artifactory:
    """One server; ``project`` is the key of a project, or nothing."""

    def __init__(self, web: Web, url: str, project: str = "") -> None:
        self._web, self._url = web, url
        self._project = f"?project={quote(project, safe='')}" if project else ""

    def stat(self, repository: str, path: str) -> str:
        """``sha256:...`` of a file; nothing where it is not."""
        answer = self._web.ask("GET", f"{self._url}/api/storage/{quoted(repository, path)}")
        if answer.status == 404:
            return ""
        digest = _document(answer, "the state of a file").get("checksums", {}).get("sha256", "")
        if not digest:
            raise IntegrityError(f"{self._url} knows no SHA-256 of {repository}/{path}: is it a folder?")
        return f"sha256:{digest}"

    def fetch(self, repository: str, path: str) -> bytes:
        """The bytes of a file; InputMissing."""
        answer = self._web.ask("GET", f"{self._url}/{quoted(repository, path)}")
        if answer.status != 200:
            raise InputMissing(f"{self._url}/{repository}/{path} answers {answer.status}: was this version released?")
        return answer.body

    def deploy(self, repository: str, path: str, file: Path, properties: Mapping[str, str]) -> None:
        """Put a file by its digests where the server knows the bytes, else with them; IntegrityError."""
        matrix = "".join(f";{_matrix(name)}={_matrix(value)}" for name, value in properties.items())
        url, digests = f"{self._url}/{quoted(repository, path)}{matrix}", of_file(file)
        known = self._web.ask("PUT", url, body=b"", headers={**_headers(digests), "X-Checksum-Deploy": "true"})
        if known.status in (200, 201):
            return
        if known.status != 404:
            raise refused(known, f"PUT {repository}/{path} by its digests")
        for _ in range(TRIES):
            answer = self._web.ask("PUT", url, body=file.read_bytes(), headers=_headers(digests))
            if answer.status in (200, 201):
                return
            if answer.status != 409:
                raise refused(answer, f"PUT {repository}/{path}")
        raise IntegrityError(
            f"{repository}/{path} arrived {TRIES} times with other bytes than were sent: {told(answer)}"
        )

    def properties(self, repository: str, path: str) -> dict[str, str]:
        """The properties of a file; of several values the first."""
        answer = self._web.ask("GET", f"{self._url}/api/storage/{quoted(repository, path)}?properties")
        if answer.status == 404:
            return {}
        found = _document(answer, "properties").get("properties", {})
        return {name: str(values[0]) for name, values in found.items()}

    def set_properties(self, repository: str, path: str, properties: Mapping[str, str]) -> None:
        """Add properties to a file."""
        listed = quote(";".join(f"{name}={value}" for name, value in properties.items()), safe="=;")
        url = f"{self._url}/api/storage/{quoted(repository, path)}?properties={listed}&recursive=0"
        answer = self._web.ask("PUT", url, body=b"")
        if answer.status not in (200, 204):
            raise refused(answer, f"properties of {repository}/{path}")

    def build(self, name: str, number: str) -> dict[str, Any]:
        """The build-info of a build; nothing where there is none."""
        answer = self._web.ask("GET", f"{self._url}/api/build/{quoted(name, number)}{self._project}")
        if answer.status == 404:
            return {}
        found = _document(answer, "a build")
        return dict(found.get("buildInfo", found))

    def put_build(self, document: Mapping[str, Any]) -> None:
        """Publish a build-info."""
        answer = self._send("PUT", f"/api/build{self._project}", BUILD_TYPE, document)
        if answer.status not in (200, 201, 204):
            raise refused(answer, "PUT /api/build")

    def promote(self, name: str, number: str, request: Mapping[str, Any]) -> None:
        """Let the server promote a build."""
        path = f"/api/build/promote/{quoted(name, number)}{self._project}"
        answer = self._send("POST", path, PROMOTION_TYPE, request)
        if answer.status != 200:
            raise refused(answer, f"POST {path}")

    def _send(self, method: str, path: str, kind: str, document: Mapping[str, Any]) -> Answer:
        body = json.dumps(document, sort_keys=True).encode()
        return self._web.ask(method, self._url + path, body=body, headers={"Content-Type": kind})


def _headers(digests: Digests) -> dict[str, str]:
    return {
        "X-Checksum-Sha1": digests.sha1,
        "X-Checksum-Md5": digests.md5,
        "X-Checksum-Sha256": digests.sha256,
        "Content-Type": "application/octet-stream",
    }


def _document(answer: Answer, what: str) -> dict[str, Any]:
    if answer.status == 200:
        try:
            return dict(json.loads(answer.body))
        except (ValueError, TypeError):
            pass
    raise refused(answer, what)


def quoted(*parts: str) -> str:
    """A path of an address."""
    return "/".join(quote(part, safe="/") for part in parts)


def _matrix(text: str) -> str:
    return quote(text, safe="")


def told(answer: Answer) -> str:
    """What a server said, on one line."""
    text = answer.body[:300].decode("utf-8", "replace")
    return f"{answer.status} {' '.join(''.join(c if c.isprintable() else ' ' for c in text).split())}".strip()


def refused(answer: Answer, what: str) -> LoraRunerError:
    """An answer that nobody expects."""
    return LoraRunerError(f"{what}: the server answers {told(answer)}; see docs/release.md for what it has to grant")
