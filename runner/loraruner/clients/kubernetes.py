"""Kubernetes as a pod sees it: Jobs and ConfigMaps of its own namespace, created and read by the API server.

https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/: address and port come from the environment,
token, certificates and namespace from three files that are mounted into the pod.
"""

import json
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from loraruner.clients.answers import Answer, Refused, fault_of
from loraruner.errors import DataInvalid, EnvironmentUnfit, InputMissing, TemporaryFailure
from loraruner.redact import Redactor

_LOG = logging.getLogger(__name__)
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
GROUPS = {"jobs": "/apis/batch/v1", "configmaps": "/api/v1"}
NAME = "Kubernetes"
EXISTS = 409
REMEDY = "bind a Role to the pod's service account that lets it create and get jobs, and create configmaps"
MAX_ANSWER_BYTES = 4 << 20
MAX_FILE_BYTES = 64 << 10
TRIES = 4
PAUSE_S = 1.0
ONE_TRY_S = 20.0


@dataclass(frozen=True)
class Account:
    """Where the API server is, and as whom it is asked."""

    api: str  # https://HOST:PORT
    namespace: str
    token: str
    ca: Path | None = None  # certificates that the server's is judged by; None: those of the system


def account(api: str | None, folder: Path = ACCOUNT) -> Account:
    """The service account of this pod, whose token, certificates and namespace lie in ``folder``.

    Raises EnvironmentUnfit (78) outside of a pod, or in one that has no token.
    """
    if not api:
        raise EnvironmentUnfit(
            "no Kubernetes is in reach: KUBERNETES_SERVICE_HOST is not set; run this in a pod, as the chart's CronJob "
            "does, or use --start local"
        )
    token, namespace = (_content(folder / name) for name in ("token", "namespace"))
    ca = folder / "ca.crt"
    return Account(api.rstrip("/"), namespace, token, ca if ca.is_file() else None)


def _content(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.read(MAX_FILE_BYTES).strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no text"
        raise EnvironmentUnfit(
            f"{path}: cannot be read ({reason}); the pod needs automountServiceAccountToken: true"
        ) from None
    if not text or not text.isprintable():
        raise EnvironmentUnfit(f"{path}: is empty or no text; check the pod's service account")
    return text


class Cluster:
    """The namespace of an account. Creating is safe to repeat: an object has one name, which its maker chose.

    Raises NoPermission (77) for 401 and 403, Refused (65) for what the server takes as no object, TemporaryFailure (75)
    when it doesn't answer, EnvironmentUnfit (78) where httpx2 is missing or its certificate is not trusted.
    """

    def __init__(self, account: Account, *, sleep: Callable[[float], None] = time.sleep) -> None:
        if find_spec("httpx2") is None:
            raise EnvironmentUnfit(f"{NAME}: the package httpx2 is not installed; pip install 'loraruner[notify]'")
        self._account, self._sleep = account, sleep
        self._redactor = Redactor((account.token,))

    def create(self, kind: str, manifest: Mapping[str, Any]) -> dict[str, Any] | None:
        """Create an object and return it as it is kept; None when one of that name exists. ``kind``: see GROUPS."""
        try:
            return _object(self._request("POST", self._path(kind), json.dumps(manifest).encode()))
        except Refused as error:
            if error.status == EXISTS:
                return None
            raise

    def read(self, kind: str, name: str) -> dict[str, Any] | None:
        """An object by its name; None when there is none."""
        try:
            return _object(self._request("GET", f"{self._path(kind)}/{name}"))
        except InputMissing:
            return None

    def _path(self, kind: str) -> str:
        return f"{GROUPS[kind]}/namespaces/{self._account.namespace}/{kind}"

    def _request(self, method: str, path: str, content: bytes | None = None) -> Answer:
        for number in range(1, TRIES + 1):
            try:
                return self._once(method, path, content)
            except TemporaryFailure as error:
                if number == TRIES:
                    raise
                _LOG.info("try %d of %d: %s", number, TRIES, error)
                self._sleep(PAUSE_S * 2 ** (number - 1))
        raise AssertionError("unreachable")

    def _once(self, method: str, path: str, content: bytes | None) -> Answer:
        import httpx2

        what = f"{NAME}: {method} {path}"
        headers = {"Authorization": f"Bearer {self._account.token}", "Accept": "application/json"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        # trust_env: the API server is the cluster's own; no proxy of the environment stands before it.
        with httpx2.Client(verify=_tls(self._account), trust_env=False, timeout=ONE_TRY_S) as client:
            try:
                with client.stream(method, self._account.api + path, content=content, headers=headers) as answer:
                    body = _bounded(answer.iter_raw(64 << 10), what)
            except (httpx2.HTTPError, OSError) as error:
                if "CERTIFICATE_VERIFY_FAILED" in str(error):
                    raise EnvironmentUnfit(f"{what}: the server's certificate is not trusted") from None
                told = self._redactor.text(str(error) or type(error).__name__)[:300]
                raise TemporaryFailure(f"{what}: no answer ({told}); try again later") from None
        found = Answer(answer.status_code, {name.lower(): each for name, each in answer.headers.items()}, body, NAME)
        if 200 <= found.status < 300:
            return found
        raise fault_of(what, found, self._redactor, time.time(), REMEDY)


def _tls(account: Account) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(account.ca) if account.ca else None)


def _bounded(chunks: Any, what: str) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise DataInvalid(f"{what}: an answer holds more than {MAX_ANSWER_BYTES:,} bytes; is this Kubernetes?")
    return bytes(body)


def _object(answer: Answer) -> dict[str, Any]:
    document = answer.json()
    if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
        raise DataInvalid(f"{NAME}: the answer is no object of Kubernetes; check the address of the API server")
    return document
