"""What a run is doing, as Prometheus metrics, with every ``status.json``: pushed to a Pushgateway, or in a text file.

A batch job may be gone before anybody scrapes it, so it pushes (https://prometheus.io/docs/practices/pushing/), or
writes where a node exporter's textfile collector reads. One group, or file, an adapter name, replaced as a whole each
time: the last one stays and says how the newest run ended.
"""

import logging
import resource
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from loraruner import __version__
from loraruner.errors import EnvironmentUnfit
from loraruner.files import write_bytes
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
        _require_package("LORARUNER_PUSHGATEWAY")
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


class MetricsFile:
    """Writes what ``status.json`` says to ``loraruner-NAME.prom`` in ``folder``, beside and renamed.

    Every metric carries the label ``name``, so that the files of several adapters don't contradict each other. A write
    that fails is logged once in a row and never stops the run. Raises EnvironmentUnfit (78) for what is no folder.
    """

    def __init__(self, folder: Path, name: str) -> None:
        _require_package(variable := "LORARUNER_METRICS_DIR")
        if not folder.is_dir():
            raise EnvironmentUnfit(f"{variable}: {folder} is no folder; make it, or unset the variable")
        self._path, self._name, self._failed = folder / f"{JOB}-{name}.prom", name, False

    def write(self, status: Mapping[str, Any]) -> None:
        """Replace the file by the metrics of ``status``, the fields of status.json."""
        from prometheus_client import generate_latest

        try:
            write_bytes(self._path, generate_latest(registry_of(status, name=self._name)))
        except OSError as error:
            if not self._failed:
                _LOG.warning("metrics were not written: %s", error)
            self._failed = True
        else:
            self._failed = False


def registry_of(status: Mapping[str, Any], **every: str) -> Any:
    """The metrics of one ``status.json``, as a ``CollectorRegistry``; all of them have the labels in ``every``."""
    from prometheus_client import CollectorRegistry, Gauge

    registry = CollectorRegistry()

    def tell(metric: tuple[str, str], value: float, **labels: str) -> None:
        gauge = Gauge(*metric, tuple({**every, **labels}), registry=registry)
        (gauge.labels(**every, **labels) if every or labels else gauge).set(value)

    which = {"run_id": status["run_id"], "state": status["state"], "stage": status["stage"] or ""}
    tell(INFO, 1, **which, version=__version__)
    tell(RUNNING, status["state"] == "running")
    tell(UPDATED, datetime.fromisoformat(status["updated"]).timestamp())
    tell(MEMORY, _peak_bytes())
    for name, (field, meaning) in GAUGES.items():
        if status.get(field) is not None:
            tell((name, meaning), status[field])
    if measures := status.get("measures"):
        gauge = Gauge(*MEASURE, (*every, "measure"), registry=registry)
        for measure, value in measures.items():
            gauge.labels(**every, measure=measure).set(value)
    return registry


def _require_package(variable: str) -> None:
    if find_spec("prometheus_client") is None:
        reason = f"{variable}: it is set, and the package prometheus-client is not installed"
        raise EnvironmentUnfit(f"{reason}; pip install 'loraruner[metrics]' or unset it")


def _without_login(uri: str) -> tuple[str, str, str]:
    """The address without user and password, and both."""
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    plain = urlunsplit((parts.scheme, host, parts.path, "", ""))
    return plain, unquote(parts.username or ""), unquote(parts.password or "")


def _peak_bytes() -> int:
    """Most resident memory of this process so far; the kernels differ in its unit."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
