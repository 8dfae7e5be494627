"""Metrics of real runs, at a real Pushgateway."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import pushgateway
from tests.support.attempts import Attempts
from tests.support.pushgateway import metrics
from tests.support.user import write_job

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with pushgateway.serve() as uri:
        yield uri


def test_a_run_from_its_stop_to_its_version(
    tiny_base: Path, tmp_path: Path, gateway: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After SIGTERM a scrape finds 85 and the steps done; after the next attempt 0, in the same group."""
    monkeypatch.setenv("LORARUNER_PUSHGATEWAY", gateway)
    runs = Attempts(write_job(tmp_path, tiny_base), "sampling.prompts=[]", "training.max_steps=5")
    assert runs.run("step 2").code == 85
    stopped = metrics(gateway)
    assert {labels["name"] for labels, _ in stopped.values()} == {"tiny"}
    assert stopped["loraruner_info"][0]["state"] == "preempted"
    numbers = {name: value for name, (_, value) in stopped.items()}
    assert (numbers["loraruner_exit_code"], numbers["loraruner_running"], numbers["loraruner_attempt"]) == (85, 0, 1)
    assert (numbers["loraruner_step"], numbers["loraruner_total_steps"]) == (2, 5)
    assert numbers["loraruner_host_memory_peak_bytes"] > 1e8
    assert runs.run().code == 0
    ended = {name: value for name, (_, value) in metrics(gateway).items()}
    assert (ended["loraruner_exit_code"], ended["loraruner_attempt"], ended["loraruner_step"]) == (0, 2, 5)


def test_a_gateway_that_is_away(tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run publishes, and its log says once that nobody was told."""
    monkeypatch.setenv("LORARUNER_PUSHGATEWAY", "http://127.0.0.1:9")
    runs = Attempts(write_job(tmp_path, tiny_base), "sampling.prompts=[]", "training.max_steps=2")
    told = runs.run()
    assert told.code == 0 and runs.latest() == "1"
    assert told.err.count("metrics were not pushed") == 1
