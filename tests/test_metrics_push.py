"""What a run is doing, as Prometheus metrics."""

import base64
import queue
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from loraruner import __version__, metrics_push, settings
from loraruner.errors import EnvironmentUnfit, Fenced, TemporaryFailure
from loraruner.events import Evaluated, StageStarted, StepDone
from loraruner.metrics_push import MetricsFile, MetricsPusher, registry_of
from loraruner.status import StatusBoard
from tests.support.raw_server import answering
from tests.support.recording_store import RecordingStore

KEY = "runs/r/status.json"
IDENTITY = {"run_id": "neon-0123", "attempt": 2}
RUNNING = {**IDENTITY, "state": "running", "stage": "train", "updated": "2026-01-02T03:04:05+00:00"}


def lines(status: dict[str, Any]) -> set[str]:
    """The metrics of a status, without what the machine decides."""
    text = generate_latest(registry_of(status)).decode()
    return {line for line in text.splitlines() if not line.startswith(("#", "loraruner_host_memory"))}


def test_a_run_that_trains() -> None:
    """Numbers under their names and units; which run, in which stage, as labels of one metric."""
    status = {**RUNNING, "step": 3, "total_steps": 10, "loss": 0.25, "eta_s": 14.0, "measures": {"wer": 0.5}}
    assert lines(status) == {
        f'loraruner_info{{run_id="neon-0123",stage="train",state="running",version="{__version__}"}} 1.0',
        "loraruner_running 1.0",
        "loraruner_updated_timestamp_seconds 1.767323045e+09",
        "loraruner_attempt 2.0",
        "loraruner_step 3.0",
        "loraruner_total_steps 10.0",
        "loraruner_loss 0.25",
        "loraruner_eta_seconds 14.0",
        'loraruner_measure{measure="wer"} 0.5',
    }


def test_a_run_that_has_ended() -> None:
    """Not running, with its exit code; what is not known yet has no value instead of a false one."""
    found = lines({**RUNNING, "state": "failed", "stage": None, "exit_code": 66, "total_steps": None})
    assert {"loraruner_running 0.0", "loraruner_exit_code 66.0"} <= found
    assert not any(line.startswith(("loraruner_total_steps", "loraruner_loss")) for line in found)


def test_pushed_with_every_status(tmp_path: Path) -> None:
    """The board tells the same to whoever is also told, up to how the run ended."""
    told: list[dict[str, Any]] = []
    with StatusBoard(RecordingStore(tmp_path), KEY, IDENTITY, also=lambda status: told.append(dict(status))) as board:
        for event in (StageStarted("train"), Evaluated(0, 0.5), StepDone(3, 10, 1, 0.25, 1e-4, 2.0)):
            board.see(event)
    assert told[-1]["step"] == 3 and told[-1]["evaluation_loss"] == 0.5


@pytest.mark.parametrize(("fault", "tells"), [(Fenced("not ours"), False), (TemporaryFailure("away"), True)])
def test_who_speaks_of_a_run(tmp_path: Path, fault: Exception, tells: bool) -> None:
    """An attempt that lost the run says nothing more of it; one whose store is away does."""
    store = RecordingStore(tmp_path)
    told: list[Any] = []
    store.faults[f"write {KEY}"] = fault
    with StatusBoard(store, KEY, IDENTITY, also=told.append):
        pass
    assert bool(told) == tells


@pytest.mark.parametrize("answer", [b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", b"\0\1\2", b""])
def test_a_gateway_that_fails_stops_nothing(answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal, nonsense and a closed connection are one warning, also when they come again."""
    with answering(lambda: [answer]) as uri:
        pusher = MetricsPusher(uri, "neon")
        pusher.push(RUNNING)
        pusher.push(RUNNING)
    assert caplog.text.count("metrics were not pushed") == 1


def test_a_gateway_that_says_nothing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A push has a limit of time."""
    monkeypatch.setattr(metrics_push, "TIMEOUT_S", 0.05)
    silent: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def never() -> Iterable[bytes]:
        yield silent.get()

    with answering(never) as uri:
        MetricsPusher(uri, "neon").push(RUNNING)
        silent.put(b"")
    assert "metrics were not pushed: timed out" in caplog.text


def test_a_password_in_the_address(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """It is sent as basic authentication, and in no text."""
    monkeypatch.setattr("prometheus_client.exposition._make_handler", recorded := Recorded())
    MetricsPusher("https://me:s3cret%2Fword@gateway.example:9091/push", "neon").push(RUNNING)
    (url, headers) = recorded.seen
    assert url == "https://gateway.example:9091/push/metrics/job/loraruner/name/neon"
    assert (b"Authorization", b"Basic " + base64.b64encode(b"me:s3cret/word")) in [
        (key if isinstance(key, bytes) else key.encode(), value if isinstance(value, bytes) else value.encode())
        for key, value in headers
    ]
    assert "s3cret" not in caplog.text


def test_written_for_a_node_exporter(tmp_path: Path) -> None:
    """One file an adapter, whose every value carries the adapter's name, also beside others; nothing half-written."""
    (folder := tmp_path / "collector").mkdir()
    for name, step in (("neon", 3), ("ink", 5), ("neon", 4)):
        MetricsFile(folder, name).write({**RUNNING, "step": step, "measures": {"wer": 0.5}})
    assert sorted(path.name for path in folder.iterdir()) == ["loraruner-ink.prom", "loraruner-neon.prom"]
    lines = (folder / "loraruner-neon.prom").read_text().splitlines()
    values = [line for line in lines if not line.startswith("#")]
    assert values and all('name="neon"' in line for line in values)
    assert 'loraruner_step{name="neon"} 4.0' in values
    assert 'loraruner_measure{measure="wer",name="neon"} 0.5' in values
    assert (folder / "loraruner-neon.prom").stat().st_mode & 0o044  # the exporter is another user


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """A folder that is not there is told before anything is trained."""
    with pytest.raises(EnvironmentUnfit, match=r"LORARUNER_METRICS_DIR: .*collector is no folder; make it"):
        MetricsFile(tmp_path / "collector", "neon")


def test_a_folder_that_goes_away_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A write that fails is one warning, also when it comes again."""
    (folder := tmp_path / "collector").mkdir()
    metrics = MetricsFile(folder, "neon")
    folder.rmdir()
    folder.touch()
    metrics.write(RUNNING)
    metrics.write(RUNNING)
    assert caplog.text.count("metrics were not written") == 1


class Recorded:
    """Stands where the request is sent."""

    seen: tuple[str, list[tuple[Any, Any]]]

    def __call__(self, url: str, method: str, timeout: float, headers: Any, data: bytes, base: Any) -> Any:
        self.seen = (url, list(headers))
        return lambda: None


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that could never be told is said before the run begins."""
    monkeypatch.setattr(metrics_push, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentUnfit, match=r"LORARUNER_PUSHGATEWAY: .*pip install 'loraruner\[metrics\]'"):
        MetricsPusher("http://gateway.example:9091", "neon")


@pytest.mark.parametrize("value", ["gateway:9091", "ftp://gateway", "http://", "http://a b"])
def test_an_address_that_is_none(value: str) -> None:
    """Refused when the settings are read."""
    with pytest.raises(EnvironmentUnfit, match=r"LORARUNER_PUSHGATEWAY: .* does not have the form http://HOST:9091"):
        settings.load({"LORARUNER_PUSHGATEWAY": value})
