"""What a run is doing, as Prometheus metrics: pushed to a Pushgateway with every ``status.json``.

A batch job may be gone before anybody scrapes it, so it pushes (https://prometheus.io/docs/practices/pushing/). One
group an adapter name, replaced as a whole by each push: the last one stays and says how the newest run ended.
"""

import logging
import resource
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from http.client import HTTPException
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from loraruner import __version__
from loraruner.errors import EnvironmentUnfit
from loraruner.redact import Redactor

_LOG = logging.getLogger(__name__)
JOB = "loraruner"
TIMEOUT_S = 5.0  # of one push; the heartbeat of status.json waits for it

# Name -> (field of status.json, what it tells). Numbers of the newest push; those that are not known yet are absent.
GAUGES: Mapping[str, tuple[str, str]] = {
    "loraruner_attempt": ("attempt", "Number of the attempt, from 1."),
    "loraruner_step": ("step", "Steps done."),
    "loraruner_total_steps": ("total_steps", "Steps to do."),
    "loraruner_loss": ("loss", "Training loss of the last step."),
    "loraruner_evaluation_loss": ("evaluation_loss", "Newest loss on held-out samples."),
    "loraruner_eta_seconds": ("eta_s", "Seconds of training left, at the last step's pace."),
    "loraruner_exit_code": ("exit_code", "Exit code of the attempt; absent while it runs."),
}
INFO = ("loraruner_info", "Always 1; the labels say which run it is and what it is doing.")
RUNNING = ("loraruner_running", "1 while the attempt runs, 0 once it has ended.")
MEASURE = ("loraruner_measure", "Other measures on held-out samples, by name.")
UPDATED = ("loraruner_updated_timestamp_seconds", "Unix time at which the run said all this.")
MEMORY = ("loraruner_host_memory_peak_bytes", "Most memory of the host that the process has held.")


class MetricsPusher:
    """Pushes what ``status.json`` says; a push that fails is logged once in a row and never stops the run.

    ``uri`` is the Pushgateway's address; a user and a password in it become basic authentication.
    """

    def __init__(self, uri: str, name: str, secrets: tuple[str, ...] = ()) -> None:
        if find_spec("prometheus_client") is None:
            reason = "LORARUNER_PUSHGATEWAY: it is set, and the package prometheus-client is not installed"
            raise EnvironmentUnfit(f"{reason}; pip install 'loraruner[metrics]' or unset it")
        self._uri, self._user, self._password = _without_login(uri)
        self._name, self._redactor, self._failed = name, Redactor(secrets), False

    def push(self, status: Mapping[str, Any]) -> None:
        """Replace the group's metrics by those of ``status``, the fields of status.json."""
        from prometheus_client import push_to_gateway

        try:
            push_to_gateway(
                self._uri,
                JOB,
                registry_of(status),
                grouping_key={"name": self._name},
                timeout=TIMEOUT_S,
                handler=self._handler(),
            )
        except (OSError, ValueError, HTTPException) as error:  # the last two: an answer that is no HTTP
            if not self._failed:
                _LOG.warning("metrics were not pushed: %s", self._redactor.text(str(error)))
            self._failed = True
        else:
            self._failed = False

    def _handler(self) -> Callable[..., Callable[[], None]]:
        from prometheus_client.exposition import basic_auth_handler, default_handler

        if not self._user:
            return default_handler
        return lambda **request: basic_auth_handler(**request, username=self._user, password=self._password)


def registry_of(status: Mapping[str, Any]) -> Any:
    """The metrics of one ``status.json``, as a ``CollectorRegistry``."""
    from prometheus_client import CollectorRegistry, Gauge

    registry = CollectorRegistry()
    told = {
        "run_id": status["run_id"],
        "state": status["state"],
        "stage": status["stage"] or "",
        "version": __version__,
    }
    Gauge(*INFO, tuple(told), registry=registry).labels(**told).set(1)
    Gauge(*RUNNING, registry=registry).set(status["state"] == "running")
    Gauge(*UPDATED, registry=registry).set(datetime.fromisoformat(status["updated"]).timestamp())
    Gauge(*MEMORY, registry=registry).set(_peak_bytes())
    for name, (field, meaning) in GAUGES.items():
        if status.get(field) is not None:
            Gauge(name, meaning, registry=registry).set(status[field])
    if measures := status.get("measures"):
        gauge = Gauge(*MEASURE, ("measure",), registry=registry)
        for measure, value in measures.items():
            gauge.labels(measure).set(value)
    return registry


def _without_login(uri: str) -> tuple[str, str, str]:
    """The address without user and password, and both."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    plain = urlunsplit((parts.scheme, host, parts.path, "", ""))
    return plain, unquote(parts.username or ""), unquote(parts.password or "")


def _peak_bytes() -> int:
    """Most resident memory of this process so far; the kernels differ in its unit."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
