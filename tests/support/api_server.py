"""A stand-in for a cluster's API server, for the real Helm and kubectl: objects kept, one Job that follows a script.

It knows discovery, reading, creating, server-side apply, merge patches, deleting, who may do what, and logs. Nothing is
scheduled: each question for the Job is one step onward in ``looks``, as in ``scripted_cluster``.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.support.protobuf_secret import MAGIC, read_secret

KINDS = {
    "v1": {
        "pods": "Pod",
        "configmaps": "ConfigMap",
        "secrets": "Secret",
        "serviceaccounts": "ServiceAccount",
    },
    "batch/v1": {"jobs": "Job"},
    "authorization.k8s.io/v1": {"selfsubjectaccessreviews": "SelfSubjectAccessReview"},
}
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
OBJECT = re.compile(
    r"/(?:api|apis)/(?P<version>.+?)/(?:namespaces/(?P<namespace>[^/]+)/)?(?P<kind>[a-z]+)(?:/(?P<name>[^/]+))?(?P<log>/log)?"
)


@dataclass
class ApiServer:
    """What the server keeps, and what it is asked. ``looks`` as in ``ScriptedCluster``."""

    looks: list[dict[str, Any]]
    logs: dict[str, list[str]] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    may_create: bool = True
    url: str = ""
    objects: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    looked: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def kubeconfig(self) -> str:
        """How kubectl finds the server."""
        return (
            "apiVersion: v1\nkind: Config\ncurrent-context: stand-in\nusers: [{name: me, user: {}}]\n"
            f"clusters: [{{name: here, cluster: {{server: '{self.url}'}}}}]\n"
            "contexts: [{name: stand-in, context: {cluster: here, user: me}}]\n"
        )

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """All objects of a kind, such as ``jobs``."""
        return [each for (each_kind, _, _), each in self.objects.items() if each_kind == kind]

    def look(self, job: dict[str, Any]) -> None:
        """The next look at the Job: its conditions, and its pods."""
        state = self.looks[min(self.looked, len(self.looks) - 1)]
        self.looked += 1
        pairs = [condition.partition("=") for condition in state["job"].split()]
        job["status"] = {
            "conditions": [{"type": type, "status": "True", "reason": reason} for type, _, reason in pairs]
            + [{"type": "Other", "status": "False", "reason": "No"}]
        }
        for key in [key for key in self.objects if key[0] == "pods"]:
            del self.objects[key]
        # Newest first, as a server may list them: who reads them has to sort.
        for number, pod in reversed(list(enumerate(state["pods"]))):
            made = self._pod(job, number, pod)
            self.objects["pods", job["metadata"]["namespace"], pod["name"]] = made

    def _pod(self, job: dict[str, Any], number: int, pod: dict[str, Any]) -> dict[str, Any]:
        trainer: dict[str, Any] = {}
        if "waiting" in pod:
            trainer["waiting"] = {"reason": pod["waiting"]}
        if "started" in pod:
            trainer["running"] = {"startedAt": pod["started"]}
        if "code" in pod:
            trainer["terminated"] = {"exitCode": pod["code"], "message": self.messages.get(pod["name"], "")}
        statuses = [
            {"name": "sidecar", "state": {"terminated": {"exitCode": 99}}},
            {"name": "trainer", "state": trainer},
        ]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": pod["name"],
                "namespace": job["metadata"]["namespace"],
                "creationTimestamp": f"2026-01-01T00:0{number}:00Z",
                "labels": {"batch.kubernetes.io/job-name": job["metadata"]["name"]},
            },
            "spec": {"containers": [{"name": "trainer"}, {"name": "sidecar"}]},
            "status": {"phase": pod["phase"], **({"containerStatuses": statuses} if trainer else {})},
        }


def discovery(path: str) -> dict[str, Any] | None:
    """What a client asks first: which groups and resources there are."""
    if path == "/version":
        return {"major": "1", "minor": "31", "gitVersion": "v1.31.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        names = [version.partition("/")[0] for version in KINDS if "/" in version]
        versions = [{"groupVersion": f"{name}/v1", "version": "v1"} for name in names]
        groups = [
            {"name": name, "versions": [version], "preferredVersion": version}
            for name, version in zip(names, versions, strict=True)
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    if path == "/openapi/v3":
        roots = {version: f"{'apis' if '/' in version else 'api'}/{version}" for version in KINDS}
        return {"paths": {root: {"serverRelativeURL": f"/openapi/v3/{root}"} for root in roots.values()}}
    version = re.sub("^(/openapi/v3)?/apis?/", "", path)
    if path.startswith("/openapi/v3/") and version in KINDS:
        return specification(version)
    if version not in KINDS:
        return None
    resources = [
        {"name": name, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": VERBS}
        for name, kind in KINDS[version].items()
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}


def read_object(body: bytes) -> dict[str, Any]:
    """An object as JSON or YAML, a Secret also as protobuf; empty for a request without one."""
    return read_secret(body) if body.startswith(MAGIC) else yaml.safe_load(body) or {}


def specification(version: str) -> dict[str, Any]:
    """The part of a specification by which clients see that the server itself checks fields."""
    group, _, number = version.rpartition("/")
    patches = {
        f"/{kind}": {
            "patch": {
                "x-kubernetes-group-version-kind": {"group": group, "version": number, "kind": kind},
                "parameters": [{"name": "fieldValidation", "in": "query"}],
                "responses": {},
            }
        }
        for kind in KINDS[version].values()
    }
    return {"openapi": "3.0.0", "info": {"title": "stand-in", "version": "1"}, "paths": patches}


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        api = self.server.api
        address = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with api.lock:
            api.asked.append(f"{self.command} {address.path}")
            found = discovery(address.path) if self.command == "GET" else None
            match = OBJECT.fullmatch(address.path)
            if found is not None:
                self._answer(200, found)
            elif match and match["log"]:
                self._send(200, "text/plain", "".join(f"{line}\n" for line in api.logs[match["name"]]).encode())
            elif match and match["kind"] == "selfsubjectaccessreviews":  # kubectl asks in protobuf, and reads JSON
                self._answer(
                    201,
                    {
                        "kind": KINDS[match["version"]][match["kind"]],
                        "apiVersion": match["version"],
                        "spec": {},
                        "status": {"allowed": api.may_create},
                    },
                )
            elif match and match["version"] in KINDS:
                self._object(match, parse_qs(address.query), read_object(body))
            else:
                self._refuse(404, "NotFound", "the server could not find the requested resource")

    def _object(self, match: re.Match[str], query: dict[str, list[str]], body: dict[str, Any]) -> None:
        kind = match["kind"]
        if self.command == "POST":
            self._write((kind, match["namespace"], body["metadata"]["name"]), body)
        elif match["name"] is None:
            self._list(match, query)
        else:
            self._one((kind, match["namespace"], match["name"]), body)

    def _one(self, key: tuple[str, str, str], body: dict[str, Any]) -> None:
        api, old = self.server.api, self.server.api.objects.get(key)
        if self.command in ("PUT", "PATCH") and (old or "apply-patch" in self.headers["Content-Type"]):
            self._write(key, {**(old or {}), **body})
        elif old is None:
            self._refuse(404, "NotFound", f'{key[0]} "{key[2]}" not found')
        elif self.command == "DELETE":
            del api.objects[key]
            self._answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
        else:
            if key[0] == "jobs":
                api.look(old)
            self._answer(200, old)

    def _list(self, match: re.Match[str], query: dict[str, list[str]]) -> None:
        wanted = [pair.split("=") for pair in ",".join(query.get("labelSelector", [])).split(",") if pair]
        names = [pair.split("=")[1] for pair in query.get("fieldSelector", []) if pair.startswith("metadata.name=")]
        items = [
            each
            for each in self.server.api.of_kind(match["kind"])
            if all(each["metadata"].get("labels", {}).get(name) == value for name, value in wanted)
            and (not names or each["metadata"]["name"] in names)
        ]
        kind = KINDS[match["version"]][match["kind"]]
        self._answer(200, {"kind": f"{kind}List", "apiVersion": match["version"], "metadata": {}, "items": items})

    def _write(self, key: tuple[str, str, str], body: dict[str, Any]) -> None:
        if self.command == "POST" and key in self.server.api.objects:
            return self._refuse(409, "AlreadyExists", f'{key[0]} "{key[2]}" already exists')
        stamp = {
            "namespace": key[1],
            "uid": key[2],
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }
        body["metadata"] = {**body["metadata"], **stamp}
        self.server.api.objects[key] = body
        self._answer(201, body)

    def _refuse(self, code: int, reason: str, message: str) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message}
        self._answer(code, {**status, "code": code})

    def _answer(self, code: int, document: dict[str, Any]) -> None:
        self._send(code, "application/json", json.dumps(document).encode())

    def _send(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: ``asked`` has it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: ApiServer


@contextmanager
def served(api: ApiServer) -> Iterator[ApiServer]:
    """The server on a free port of loopback."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.api = api
        api.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
